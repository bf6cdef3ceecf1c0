"""HTML tables, as the model writes them, to Markdown tables.

`to_markdown(text)` turns each table in `text`, and leaves everything else as it is. A table that is cut off keeps the
rows that it has. Merged cells become their text and empty cells beside or below it. A table inside a table, and one
whose merged cells would make it absurdly large, stay HTML. Linear in the length of the text; nothing of it is
interpreted but the names of tags and the numbers of merged cells.
"""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"<(/?)(table|thead|tbody|tfoot|caption|tr|td|th)\b([^<>]{0,300})>", re.IGNORECASE)
_INLINE = re.compile(r"</?(?:b|i|u|em|strong|sup|sub|small|span|font|p|div|center)\b[^<>]{0,300}>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_SPAN = re.compile(r"\b(colspan|rowspan)\s*=\s*[\"']?(\d{1,4})", re.IGNORECASE)
_MAX_SPAN = 64
_MAX_CELLS = 20_000
_MAX_COLUMNS = 200


def to_markdown(text: str) -> str:
    """`text` with its tables in Markdown, an empty line before and after each."""
    if "<" not in text:
        return text
    parts: list[str] = []
    table: _Table | None = None
    at = begin = 0
    for tag in _TAG.finditer(text):
        closing, name = bool(tag[1]), tag[2].lower()
        if table is None:
            if closing or name not in {"table", "tr", "td", "th"}:
                continue
            parts.append(text[at : tag.start()])
            table, begin, at = _Table(), tag.start(), tag.end()
            if name != "table":
                table.open(name, tag[3])
            continue
        table.write(text[at : tag.start()])
        at = tag.end()
        if name != "table":
            table.open("" if closing else name, tag[3])
        elif not closing:
            table.enter()
        elif table.leave():
            parts.append(table.markdown(text[begin:at]))
            table = None
    if table is not None:
        table.write(text[at:])
        parts.append(table.markdown(text[begin:]))
    else:
        parts.append(text[at:])
    return "".join(parts)


class _Table:
    """Rows of cells as they come."""

    def __init__(self) -> None:
        self._depth = 0
        self._nested = False
        self._rows: list[list[tuple[list[str], int, int]]] = []
        self._cell: list[str] | None = None
        self._outside: list[str] = []  # text that stands in no cell: a caption, a slip of the model
        self._cells = 0

    def enter(self) -> None:
        """A table inside begins."""
        self._depth += 1
        self._nested = True

    def leave(self) -> bool:
        """A table ends; whether it is this one."""
        self._depth -= 1
        return self._depth < 0

    def open(self, name: str, attributes: str) -> None:
        """A row or a cell begins; with any other name the cell ends."""
        self._cell = None
        if name == "tr":
            self._rows.append([])
        elif name in {"td", "th"}:
            if not self._rows:
                self._rows.append([])
            across, down = _spans(attributes)
            self._cell = []
            self._rows[-1].append((self._cell, across, down))
            self._cells += across * down

    def write(self, text: str) -> None:
        if self._cell is not None:
            self._cell.append(text)
        elif text.strip():
            self._outside.append(text.strip())

    def markdown(self, source: str) -> str:
        """The table, or `source` where it cannot be one."""
        rows = [row for row in self._rows if row]
        if self._nested or self._cells > _MAX_CELLS:
            return source
        if not rows:
            return "\n\n".join(self._outside)
        grid = _grid(rows)
        width = max(len(row) for row in grid)
        if width > _MAX_COLUMNS or width * len(grid) > _MAX_CELLS:
            return source
        lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in grid]
        lines.insert(1, "|" + " --- |" * width)
        caption = "".join(f"{_flat(text)}\n\n" for text in self._outside)
        return "\n\n" + caption + "\n".join(lines) + "\n\n"


def _grid(rows: list[list[tuple[list[str], int, int]]]) -> list[list[str]]:
    """Cells in their columns: what reaches down from above keeps its place empty."""
    grid: list[list[str]] = []
    below: dict[int, int] = {}  # column: rows that are still taken from above
    for row in rows:
        line: list[str] = []
        taken = below
        below = {column: left - 1 for column, left in taken.items() if left > 1}

        def skip(line: list[str] = line, taken: dict[int, int] = taken) -> None:
            while len(line) in taken:
                line.append("")

        for cell, across, down in row:
            skip()
            text = _flat("".join(cell))
            for step in range(across):
                if down > 1:
                    below[len(line)] = down - 1
                line.append("" if step else text)
        skip()
        grid.append(line)
    return grid


def _spans(attributes: str) -> tuple[int, int]:
    """(columns, rows) that a cell takes."""
    given = {name.lower(): int(number) for name, number in _SPAN.findall(attributes)}
    return tuple(min(max(1, given.get(name, 1)), _MAX_SPAN) for name in ("colspan", "rowspan"))  # type: ignore[return-value]


def _flat(text: str) -> str:
    """A cell's text on one line, its pipes escaped."""
    plain = html.unescape(_INLINE.sub("", _BREAK.sub(" ", text)))
    return " ".join(plain.split()).replace("|", "\\|")
