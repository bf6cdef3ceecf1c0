"""Blocks to Markdown, with the span of every word and every region.

Markup (`#`, `-`, `|`) is written between words, never inside a span, and ordinary characters are not
escaped, so that text can be quoted as it stands; only a pipe inside a table cell is, before it.

A hyphen at a line end before a lower-case word goes, and the halves become one word ("func-", "tion":
function), unless the hyphen is one of the word's own (`division.py`); then it stays and only the line break
goes. Before a capital or digit the hyphen stays, too ("Anglo-", "American").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from index.types import Box, Region, RegionKind, Word
from worker.layout.blocks import Block
from worker.layout.direction import in_logical_order
from worker.layout.division import keeps_hyphen
from worker.layout.kinds import is_cjk
from worker.layout.lines import Composed
from worker.layout.pieces import Piece, Token

_DIVIDED = re.compile(r"(?:[^\W\d_]{2}|-[^\W\d_])-$")
_SOFT = ("\u00ad", "¬")


@dataclass(slots=True)
class Writer:
    """Text so far, with spans. `seen` are the page's words with a hyphen inside and those without, in lower case;
    `from_right`: lines come with their words from right to left.
    """

    seen: frozenset[str]
    from_right: bool = False
    parts: list[str] = field(default_factory=list)
    length: int = 0
    words: list[Word] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)

    def markup(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def word(self, text: str, box: Box) -> None:
        self.words.append(Word(self.length, self.length + len(text), box))
        self.markup(text)

    def tokens(
        self, lines: Sequence[Sequence[Token]], breaks: Sequence[bool], *, following: Token | None = None
    ) -> str:
        """Write lines of one paragraph; `breaks[i]` keeps the line break after line `i`. `following` is the first
        word of the paragraph's continuation elsewhere. The result is what stands between the two.
        """
        gap = ""
        for k, line in enumerate(lines):
            line = in_logical_order(line[::-1] if self.from_right else line)  # noqa: PLW2901
            after = lines[k + 1][0] if k + 1 < len(lines) else following
            self.markup(gap)
            gap = "\n" if k < len(breaks) and breaks[k] else " "
            for i, token in enumerate(line):
                text = token.text
                if i and not token.glued:
                    self.markup(" ")
                if i == len(line) - 1 and after is not None and gap == " ":
                    text, gap = self._line_end(text, after.text)
                self.word(text.removesuffix("\u00ad") or text, token.box)
        return gap

    def _line_end(self, text: str, after: str) -> tuple[str, str]:
        """The last word of a line and what comes between it and the next."""
        if text.endswith(_SOFT) and len(text) > 1:
            whole = after[0].islower() or (after[0].isupper() and text[-2].isupper()) or not after[0].isalnum()
            return text[:-1] + ("" if whole else "-"), ""
        if is_cjk(text[-1]) and is_cjk(after[0]):
            return text, ""
        if text[-1] == "—" and text[-2:-1].isalnum() and after[0].isalpha():
            return text, ""  # set close to the word before, and so to the one after
        if not _DIVIDED.search(text):
            span = text.endswith("-") and text[-2:-1].isdecimal() and after[0].isdecimal()  # "1841-", "1902"
            return text, "" if span else " "
        if not after[0].islower():
            return text, "" if after[0].isalnum() else " "
        first = text[:-1].lower().lstrip("([\"'“‘„«")
        rest = after.lower().rstrip(".,;:!?)]\"'”’»")
        if f"{first}{rest}" in self.seen:
            return text[:-1], ""
        if keeps_hyphen(text, first, rest, self.seen):
            return text, ""
        if rest in ("and", "or", "und", "oder", "et", "ou", "to"):
            return text, " "  # "pre- and post-war"
        return text[:-1], ""


def write(blocks: Sequence[Block], *, from_right: bool = False) -> Composed:
    """All blocks in order, an empty line between; items of a list on following lines. `from_right`: the page was laid
    out as its mirror image, words of its lines from right to left.
    """
    writer = Writer(_vocabulary(blocks), from_right)
    gap = ""
    for k, block in enumerate(blocks):
        before = blocks[k - 1] if k else None
        after = blocks[k + 1] if k + 1 < len(blocks) else None
        if before is not None and not block.goes_on:
            same_list = before.kind is RegionKind.LIST and block.kind is RegionKind.LIST
            gap = "\n" if same_list and (before.ordered == block.ordered) else "\n\n"
        writer.markup(gap)
        start, first_word = writer.length, len(writer.words)
        following = after.rows[0].tokens[0] if after is not None and after.goes_on and after.rows else None
        if block.table is not None:
            boxes = _write_table(writer, block)
        else:
            gap = _write_text(writer, block, following)
            boxes = [token.box for row in block.rows for token in row.tokens]
        if len(writer.words) > first_word and boxes:
            writer.regions.append(Region(block.kind, _around(boxes), start, writer.length))
    return Composed("".join(writer.parts), _merge_lists(writer.regions, writer.parts), tuple(writer.words))


def _write_text(writer: Writer, block: Block, following: Token | None) -> str:
    lines: list[Sequence[Token]] = [row.tokens for row in block.rows]
    if block.level:
        writer.markup("#" * block.level + " ")
    elif block.kind is RegionKind.LIST and not block.goes_on:
        if block.bullet:
            lines[0] = lines[0][1:]
        if not block.ordered:
            writer.markup("- ")
    return writer.tokens([line for line in lines if line], block.breaks, following=following)


def _write_table(writer: Writer, block: Block) -> list[Box]:
    assert block.table is not None
    boxes: list[Box] = []
    columns = block.table.columns
    for k, row in enumerate(block.table.rows):
        if k:
            writer.markup("\n")
        for cell in row:
            writer.markup("| ")
            boxes.extend(_write_cell(writer, cell))
            writer.markup(" " if cell else "")
        writer.markup("| " * (columns - len(row)) + "|")
        if k == 0:
            writer.markup("\n" + "| --- " * columns + "|")
    return boxes


def _write_cell(writer: Writer, cell: Sequence[Piece]) -> list[Box]:
    lines = []
    for piece in cell:
        line: list[Token] = []
        for token in piece.tokens:
            # A pipe would end the cell: it is escaped before its own part of the word.
            head, *rest = token.text.split("|") if "|" in token.text else [token.text]
            if not rest:
                line.append(token)
                continue
            if head:
                line.append(Token(head, token.box, token.glued))
            for i, tail in enumerate(rest):
                line.append(Token("\\|", token.box, glued=bool(head) or i > 0 or token.glued))
                if tail:
                    line.append(Token(tail, token.box, glued=True))
        lines.append(line)
    writer.tokens(lines, [False] * len(lines))
    return [token.box for line in lines for token in line]


def _vocabulary(blocks: Iterable[Block]) -> frozenset[str]:
    words: set[str] = set()
    for block in blocks:
        for row in block.rows:
            words.update(t.text.lower().strip(".,;:!?()[]\"'“”‘’„«»") for t in row.tokens)
    return frozenset(words)


def _around(boxes: Sequence[Box]) -> Box:
    return Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))


def _merge_lists(regions: Sequence[Region], parts: Sequence[str]) -> tuple[Region, ...]:
    """Items on following lines are one list."""
    text = "".join(parts)
    merged: list[Region] = []
    for region in regions:
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.kind is RegionKind.LIST is region.kind
            and text[last.end : region.start].strip(" ") == "\n"
        ):
            merged[-1] = Region(RegionKind.LIST, last.box.union(region.box), last.start, region.end)
        else:
            merged.append(region)
    return tuple(merged)
