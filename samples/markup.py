"""The small markup in which the archive's content is written, one file for each document.

Pages begin with a line `=== layout [option=value ...]`. Inside a page, paragraphs are parted by blank lines, and a
first character says what a line is:

    # title            ## heading           ### run-in heading of a column
    > right-aligned    ^ centred            $ small print
    ~ a line kept as a line (addresses, lists of names)
    | a | b |          a table row; `|!` a header row, `|=` a sum row
    + Label | value    a row of form boxes, label and value by turns
    * item             a list item
    % stamp            an office stamp, boxed and slanted letters
    @columns 2         columns from here on (`@columns 1` ends them)
    @rule, @sign, @space 12, @unruled, @ruled
    @figure kind | caption

Blocks know nothing of fonts and places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE_KINDS = {
    "###": "subheading",
    "##": "heading",
    "#": "title",
    ">": "right",
    "^": "centre",
    "$": "small",
    "~": "kept",
    "*": "item",
    "%": "stamp",
    "+": "form",
    "|": "row",
    "@": "directive",
}
_GROUPED = {"right", "centre", "kept", "form", "row", "item"}


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page: its kind, its text lines, or its rows of cells with a mark for each row."""

    kind: str
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page of content in reading order; `options` are those of its `===` line."""

    layout: str
    blocks: tuple[Block, ...]
    options: dict[str, str] = field(default_factory=dict)


def parse(source: str) -> list[Page]:
    """The pages of a content file. ValueError when text stands before the first page."""
    pages: list[Page] = []
    for chunk in source.split("\n=== ") if source.startswith("=== ") else _fail():
        head, _, body = chunk.removeprefix("=== ").partition("\n")
        layout, *options = head.split()
        pages.append(Page(layout, tuple(_blocks(body)), dict(option.split("=", 1) for option in options)))
    return pages


def _fail() -> list[str]:
    raise ValueError("a content file begins with a line '=== layout'")


def _kind(line: str) -> tuple[str, str]:
    for mark, kind in _LINE_KINDS.items():
        if line.startswith(mark):
            return kind, line[len(mark) :].strip()
    return "paragraph", line.strip()


def _blocks(body: str) -> Iterator[Block]:
    kind, lines = "", []
    for line in [*body.splitlines(), ""]:
        new_kind, rest = _kind(line) if line.strip() else ("", "")
        joins = new_kind == kind and (kind in _GROUPED or kind == "paragraph")
        if lines and not joins:
            yield _block(kind, lines)
            lines = []
        kind = new_kind
        if kind:
            lines.append(rest)


def _block(kind: str, lines: list[str]) -> Block:
    if kind == "row":
        marks = tuple(line[0] if line[:1] in "!=" else "" for line in lines)
        return Block(kind, rows=tuple(_cells(line.lstrip("!=")) for line in lines), marks=marks)
    if kind == "form":
        return Block(kind, rows=tuple(_cells(line) for line in lines))
    if kind == "paragraph":
        return Block(kind, lines=(" ".join(lines),))
    return Block(kind, lines=tuple(lines))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().removesuffix("|").split("|"))
