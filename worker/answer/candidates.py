"""Pages to candidate quotes: sentences, list items, table rows, the lines of a form.

A `Candidate` is a span of its page's text that can be quoted as it is. What surrounds it (its heading, the header
row of its table) is kept beside it, because "14 | £5.25" means nothing without. Pure functions over text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from index.passages import plain
from index.sentences import is_table_row, sentence_spans
from worker.answer.asking import Kind
from worker.answer.kinds import spans_of

MAX_WORDS = 70
"""A longer "sentence" (a page without full stops) is cut, so that a quote stays a quote."""
WINDOW = 40_000
"""Characters of a page that are looked at. A longer "page" is looked at around the passages that matched."""
MAX_CANDIDATES = 400
"""Candidates of one page, the first ones: bounds the work for a page of ten thousand table rows."""

_LABEL = re.compile(r"\s*[^\W\d][^:\n]{0,44}:(?:\s|$)")
_LABEL_CELL = re.compile(r"\|\s*[^\W\d][^|\n]{0,44}:\s*\|\s*(?=[^|\s][^|\n]*\|\s*$)")
"""A form in a frame: "| Reported by: | Ifeoma Dike |"."""
_NEXT_ROW = re.compile(r"[ \t]*\n(?:\|[-:| ]+\|[ \t]*\n)?(\|[^\n]*)")
_WORD = re.compile(r"\S+")
_BREAK = re.compile(r";\s+|\n\s*")


@dataclass(frozen=True, slots=True)
class Candidate:
    """`text[start:end]` of page number `page` (its place among the pages found). `order` counts on its page."""

    page: int
    order: int
    start: int
    end: int
    text: str  # of the whole page
    heading: tuple[int, int] | None
    header: tuple[int, int] | None
    """Of a row: the one with its columns' names. Empty where the table has none and begins with a row like others."""
    is_heading: bool

    @property
    def is_row(self) -> bool:
        return self.header is not None

    @property
    def voiced(self) -> str:
        """Itself for the embedding model: no Markdown, cells with their column's name."""
        return _voice(self.text, (self.start, self.end), self.header)

    @property
    def says(self) -> bool:
        """Whether it has a letter or a digit."""
        return any(c.isalnum() for c in self.text[self.start : self.end])


def candidates_of(text: str, page: int, near: Sequence[tuple[int, int]] = ()) -> list[Candidate]:
    """All candidates of a page in reading order. `near` are spans that matched, needed for very long pages only."""
    found: list[Candidate] = []
    for begin, end in _windows(text, near):
        heading: tuple[int, int] | None = None
        header: tuple[int, int] | None = None
        part = text[begin:end]
        previous_end = 0
        for start, stop in (piece for span in sentence_spans(part) for piece in _pieces(part, *span)):
            row = is_table_row(part, start, stop)
            if not row or (
                header is not None
                and part[previous_end:start].count("\n") > _lines_between_rows(part, previous_end, start)
            ):
                header = None
            previous_end = stop
            span = (begin + start, begin + stop)
            title = part.startswith("#", start)
            if row and header is None and not _LABEL_CELL.match(part, start, stop):
                header = span if _names_columns(part, start, stop) else (span[0], span[0])
            found.append(
                Candidate(
                    page,
                    len(found),
                    *span,
                    text,
                    heading,
                    header if row else None,
                    title or (row and header is not None and header == span),
                )
            )
            if title:
                heading = span
            if len(found) >= MAX_CANDIDATES:
                return found
    return found


def _lines_between_rows(part: str, start: int, end: int) -> int:
    """Line ends that may lie between two rows of one table: one, or two around the rule under the header."""
    return 2 if "-" in part[start:end] else 1


def _names_columns(part: str, start: int, end: int) -> bool:
    """Whether a table's first row is a header: no column is called a sum of money and has such sums below."""
    below = _NEXT_ROW.match(part, end)
    if below is None:
        return True
    pairs = zip(cells_of(part[start:end])[1:], cells_of(below[1])[1:], strict=False)
    return not any(_is_sum(name) and _is_sum(cell) for name, cell in pairs)


def _is_sum(cell: str) -> bool:
    """Dates look like sums ("31.12.50"), and are what columns are called; so are thousands ("£000")."""
    return bool(spans_of(Kind.MONEY, cell)) and not spans_of(Kind.DATE, cell) and any(c in "123456789" for c in cell)


def _windows(text: str, near: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(text) <= WINDOW:
        return [(0, len(text))]
    if not near:
        return [(0, WINDOW)]
    room = WINDOW // len(near)
    windows: list[tuple[int, int]] = []
    for start, end in sorted(near):
        begin, stop = max(0, start - room // 2), min(len(text), end + room // 2)
        if windows and begin < windows[-1][1]:
            windows[-1] = (windows[-1][0], max(stop, windows[-1][1]))
        else:
            windows.append((begin, stop))
    return windows


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence, or its parts: the labelled lines of a form, and pieces of what is too long to be quoted."""
    for begin, stop in _lines(text, start, end):
        words = [m.span() for m in _WORD.finditer(text, begin, stop)]
        if len(words) <= MAX_WORDS or text.startswith("|", begin):
            yield begin, stop
            continue
        cuts = {m.end() for m in _BREAK.finditer(text, begin, stop)}
        at = 0
        while at < len(words):
            last = min(at + MAX_WORDS, len(words)) - 1
            if last < len(words) - 1:
                inside = [i for i in range(at + MAX_WORDS // 3, last + 1) if words[i + 1][0] in cuts]
                last = inside[-1] if inside else last
            yield words[at][0], words[last][1]
            at = last + 1


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut at line ends where a labelled line ("Cost: £63.80") begins or ends; a wrapped value stays with its label."""
    if "\n" not in text[start:end]:
        yield start, end
        return
    begin = start
    labelled = _LABEL.match(text, start, end) is not None
    for line_end in (m.start() for m in re.finditer(r"\n", text[start:end])):
        at = start + line_end + 1
        next_label = _LABEL.match(text, at, end) is not None
        if next_label or (labelled and text[at : at + 1].isupper()):
            yield from _trim(text, begin, at)
            begin, labelled = at, next_label
    yield from _trim(text, begin, end)


def _trim(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _voice(text: str, span: tuple[int, int], header: tuple[int, int] | None) -> str:
    """What the embedding model hears: the words, and for a row each cell after its column's name."""
    if header is None or header == span:
        return plain(text[slice(*span)])
    names = cells_of(text[slice(*header)])
    cells = cells_of(text[slice(*span)])
    if len(names) != len(cells):
        return plain(text[slice(*span)])
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell)


def label_end(text: str) -> int:
    """Where the value of a labelled line ("Cost: £63.80") or of such a row begins; 0 for other text."""
    label = _LABEL_CELL.match(text) or _LABEL.match(text)
    return label.end() if label and label.end() < len(text) else 0


def cells_of(row: str) -> list[str]:
    """The cells of a Markdown row as plain text."""
    return [plain(cell) for cell in row.strip().strip("|").split("|")]
