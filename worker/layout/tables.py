"""Tables without ruling lines: rows of short cells that stand in the same columns.

Only what is plain becomes a table: three or more rows, cells that keep an edge or a middle, no
column of running text beside another, and, with two columns only, one of them numbers. All else
stays rows of text, read from left to right.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from worker.layout.kinds import (
    counted,
    ends_sentence,
    is_all_caps,
    is_bullet,
    is_item_number,
    is_label,
    is_numeric,
    is_section_number,
    starts_lower,
)
from worker.layout.pieces import Piece, part
from worker.layout.rows import Row
from worker.layout.sequence import step_of

_MOST_ROWS = 120  # of a printed table on one page
_RUNNING = 28  # characters of a line of text on average
_SENTENCE = 5  # words
_HEAD = 0.8  # type sizes of white above a line that heads another table
_COUNT_ON = 0.7  # of numbered paragraphs
_LONG_CELL = 44  # characters: only one column may be longer than this on average


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; a cell is its pieces from top to bottom, and may be empty."""

    rows: tuple[tuple[tuple[Piece, ...], ...], ...]

    @property
    def columns(self) -> int:
        return max((len(row) for row in self.rows), default=0)

    @property
    def filled(self) -> int:
        """How many cells hold something."""
        return sum(bool(cell) for row in self.rows for cell in row)


@dataclass(frozen=True, slots=True)
class Found:
    """A table in `rows[first:last]`."""

    first: int
    last: int
    table: Table


def find_tables(rows: Sequence[Row]) -> list[Found]:
    """The tables among the rows of a leaf, top to bottom."""
    found: list[Found] = []
    start = 0
    while start < len(rows):
        if not _tabular(rows[start]):
            start += 1
            continue
        stop, several = start + 1, start + 1
        while stop < len(rows) and _goes_on(rows, stop):
            stop += 1
            if _tabular(rows[stop - 1]):
                several = stop
        # Wrapped text under the last row belongs to it; further lone rows do not.
        while several < stop and _wraps(rows, several):
            several += 1
        if not _are_paragraphs(rows[start:several]):
            found.extend(_try(rows, start, several))
        start = several
    return found


def _tabular(row: Row) -> bool:
    return (
        len(row.cells) >= 2
        and not is_bullet(row.cells[0].text)
        and not (len(row.cells) == 2 and _numbers_text(row.cells[0].text))
    )


def _numbers_text(text: str) -> bool:
    return is_item_number(text) or is_section_number(text)


def _goes_on(rows: Sequence[Row], k: int) -> bool:
    row, before = rows[k], rows[k - 1]
    if row.y0 - before.y1 > 2.6 * row.size:
        return False
    if _tabular(row):
        return True
    # A lone cell: the wrapped text of the cell above, or a group's name between rows.
    if not _tabular(before) and not _wraps(rows, k - 1):
        return False
    return _wraps(rows, k) or (k + 1 < len(rows) and _tabular(rows[k + 1]) and row.x1 - row.x0 < 24 * row.size)


def _are_paragraphs(rows: Sequence[Row]) -> bool:
    """Paragraphs that count on, each with its number before it ("14", "[14]", "Art. 14"): several lines long, many of
    them, and whole sentences.
    """
    first = [k for k, row in enumerate(rows) if _tabular(row)]
    numbers = [counted(rows[k].cells[0].text) for k in first]
    if len(first) < 3 or any(len(rows[k].cells) != 2 for k in first) or len(rows) < 1.3 * len(first):
        return False
    on = sum(a is not None and b == a + 1 for a, b in itertools.pairwise(numbers))
    whole = sum(ends_sentence(rows[k - 1].text) for k in first[1:])
    return min(on, whole) >= _COUNT_ON * (len(first) - 1)


def _wraps(rows: Sequence[Row], k: int) -> bool:
    """Is row `k` the second line of a cell of the row above it?"""
    row, before = rows[k], rows[k - 1]
    if len(row.cells) > 1 or row.y0 - before.y1 > 0.6 * row.size or is_numeric(row.text):
        return False
    cell = row.cells[0]
    ends = [*(c.x0 for c in before.cells[1:]), 1e9]  # a cell's text does not run on under the next cell
    return any(
        abs(c.x0 - cell.x0) < 0.8 * row.size and len(c.text) >= 8 and cell.x1 < end
        for c, end in zip(before.cells, ends, strict=True)
    )


def _try(rows: Sequence[Row], start: int, stop: int) -> list[Found]:
    if sum(_tabular(row) for row in rows[start:stop]) < 3:
        return []
    table = _table(rows[start:stop])
    if table is not None:
        return _two(rows, start, stop, table) or [Found(start, stop, table)]
    # Two things of different columns may have run together: part them where most white is.
    whites = [(rows[k].y0 - rows[k - 1].y1, -k) for k in range(start + 1, stop) if rows[k].y0 - rows[k - 1].y1 > 0]
    if not whites:
        return []
    white, at = max(whites)
    if white < 0.6 * rows[-at].size:
        return []
    if stop - start > _MOST_ROWS:
        # Rows that are set evenly would come off one by one, which takes time with the square of their number.
        middle = (start + stop) / 2
        at = min((at for w, at in whites if w >= 0.9 * white), key=lambda at: abs(-at - middle))
    return [*_try(rows, start, -at), *_try(rows, -at, stop)]


def _two(rows: Sequence[Row], start: int, stop: int, whole: Table) -> list[Found]:
    """Two tables, where a line of its own stands apart between them, and cells of one ran together in the whole."""
    if stop - start > _MOST_ROWS:
        return []
    for k in range(start + 3, stop - 3):
        row = rows[k]
        if _tabular(row) or row.y0 - rows[k - 1].y1 < _HEAD * row.size:
            continue
        above, below = _table(rows[start:k]), _table(rows[k + 1 : stop])
        if above and below and above.filled + below.filled > whole.filled:
            return [Found(start, k, above), Found(k + 1, stop, below)]
    return []


def _table(rows: Sequence[Row]) -> Table | None:
    full = [row for row in rows if _tabular(row)]
    size = median(row.size for row in full)
    columns = _columns(full, size)
    if len(columns) < 2 or len(columns) > 24 or not _plain(full, columns, size):
        return None
    grid: list[list[list[Piece]]] = []
    alone: list[bool] = []
    tight = _second_lines(rows, size)
    named = _named(rows, full)
    begun = {k for k in named if _begins(rows, k, columns)}
    for k, row in enumerate(rows):
        cells: list[list[Piece]] = [[] for _ in columns]
        sentence = not _tabular(row) and len(row.tokens) >= _SENTENCE  # over columns, as a note in a table is
        for cell in row.cells if sentence else (p for whole in row.cells for p in _cut_at_columns(whole, columns)):
            cells[_column_of(cell, columns)].append(cell)
        lone = k and not _tabular(row) and _wraps(rows, k) and not _is_another(rows[k - 1], row, columns)
        wraps = k not in named and (k in tight or lone)
        if grid and (wraps or k - 1 in begun):
            for into, more in zip(grid[-1], cells, strict=True):
                into.extend(more)
            continue
        grid.append(cells)
        alone.append(not _tabular(row) and k not in begun)
    if sum(not a for a in alone) < 3:
        return None
    return Table(tuple(tuple(tuple(cell) for cell in row) for row in grid))


def _named(rows: Sequence[Row], full: Sequence[Row]) -> set[int]:
    """Rows of one cell over a row that is set in from where rows begin: first lines of it, or names of a group."""
    usual = median(row.x0 for row in full)
    return {
        k
        for k, (row, after) in enumerate(itertools.pairwise(rows))
        if len(row.cells) == 1
        and _tabular(after)
        and abs(row.x0 - usual) < 0.5 * row.size
        and 0.6 * row.size < after.x0 - usual < 4 * row.size
        and after.y0 - row.y1 < 0.6 * row.size
    }


def _begins(rows: Sequence[Row], k: int, columns: Sequence[tuple[float, float]]) -> bool:
    """Is row `k` the first line of the row below, which has the sums of both? Below the name of a group others are set
    in, too; and a name stops short though the next word, with a capital as it has, had room.
    """
    row, after = rows[k], rows[k + 1]
    third = rows[k + 2] if k + 2 < len(rows) else None
    if row.text.endswith(":") or (third is not None and _tabular(third) and abs(third.x0 - after.x0) < 0.5 * row.size):
        return False
    end = max((r.cells[0].x1 for r in rows if r.cells[0].x1 < columns[1][0]), default=row.x1)
    start, stop = after.cells[0].edges[0]
    return starts_lower(after.text) or end - row.x1 < stop - start + 0.6 * row.size


def _is_another(row: Row, after: Row, columns: Sequence[tuple[float, float]]) -> bool:
    """Does the row after not go on with the cell above it? Its first word could have stood there, in the first column,
    which rows begin with, or it alone is in capitals, as the names of groups are.
    """
    at = _column_of(after.cells[0], columns)
    above = [cell for cell in row.cells if _column_of(cell, columns) == at]
    if not above or starts_lower(after.text):
        return False
    if is_all_caps(after.text) and not is_all_caps(above[-1].text):
        return True
    start, stop = after.cells[0].edges[0]
    return at == 0 and columns[at][1] - above[-1].x1 > stop - start + 0.6 * after.size


def _second_lines(rows: Sequence[Row], size: float) -> set[int]:
    """Rows that are second lines of the row above: close under it, in a table whose rows are set well apart."""
    steps = [b.yc - a.yc for a, b in itertools.pairwise(rows)]
    usual = median(steps)
    if usual < 1.8 * size:
        return set()
    return {
        k
        for k, step in enumerate(steps, 1)
        if step < 0.65 * usual and rows[k].y0 - rows[k - 1].y1 < 0.6 * size
    }  # fmt: skip


def _columns(rows: Sequence[Row], size: float) -> list[tuple[float, float]]:
    """x-ranges of columns: where hardly any row has text, columns part."""
    allowed = len(rows) // 8  # a few cells may span columns (a heading over two, a remark)
    events: list[tuple[float, int]] = []
    for row in rows:
        for cell in row.cells:
            events.append((cell.x0, 1))
            events.append((cell.x1, -1))
    events.sort()
    depth, open_at = 0, None
    ranges: list[tuple[float, float]] = []
    for x, step in events:
        before, depth = depth, depth + step
        if before <= allowed < depth and open_at is None:
            open_at = x
        elif depth <= allowed < before and open_at is not None:
            ranges.append((open_at, x))
            open_at = None
    merged: list[tuple[float, float]] = []
    for x0, x1 in ranges:
        if merged and x0 - merged[-1][1] < 0.5 * size:
            merged[-1] = (merged[-1][0], x1)
        else:
            merged.append((x0, x1))
    return merged


def _cut_at_columns(cell: Piece, columns: Sequence[tuple[float, float]]) -> list[Piece]:
    """Two cells so near to each other that they were taken for one, parted where the columns part."""
    cuts = []
    for i in range(1, len(cell.tokens)):
        before, after = cell.edges[i - 1][1], cell.edges[i][0]
        if after - before > 0.45 * cell.size and any(
            left[1] - 0.4 * cell.size <= before and after <= right[0] + 0.4 * cell.size
            for left, right in itertools.pairwise(columns)
            if left[0] < after and before < right[1]
        ):
            cuts.append(i)
    if not cuts:
        return [cell]
    return [part(cell, a, b) for a, b in itertools.pairwise([0, *cuts, len(cell.tokens)])]


def _column_of(cell: Piece, columns: Sequence[tuple[float, float]]) -> int:
    def distance(k: int) -> tuple[float, int]:
        x0, x1 = columns[k]
        shared = min(x1, cell.x1) - max(x0, cell.x0)
        return (-shared, k)

    return min(range(len(columns)), key=distance)


def _plain(rows: Sequence[Row], columns: Sequence[tuple[float, float]], size: float) -> bool:
    by_column: list[list[Piece]] = [[] for _ in columns]
    filled = 0
    for row in rows:
        used = {_column_of(cell, columns) for cell in row.cells}
        filled += len(used) >= 2
        for cell in row.cells:
            by_column[_column_of(cell, columns)].append(cell)
    if filled < 3 or filled < 0.7 * len(rows):
        return False
    used_columns = [column for column in by_column if column]
    lengths = [sum(len(c.text) for c in column) / len(column) for column in used_columns]
    if sum(length > _LONG_CELL for length in lengths) > 1 or max(lengths) > 110:
        return False
    if sum(keeps_edge(column, size) for column in used_columns) < 0.7 * len(used_columns):
        return False
    numbers = [sum(is_numeric(c.text) for c in column) / len(column) for column in used_columns]
    labels = sum(is_label(c.text) for column in used_columns for c in column)
    if labels > 0.25 * sum(len(row.cells) for row in rows):
        return False
    if len(used_columns) == 2:
        if lengths[1] > _RUNNING and step_of([c.text for c in used_columns[0]]) > 1:
            return False  # every fifth line of running text has its number
        return max(numbers) >= 0.6 and max(len(column) for column in used_columns) >= 3
    return max(numbers) >= 0.5 or sum(len(row.cells) >= 3 for row in rows) >= max(3, 0.6 * len(rows))


def keeps_edge(column: Sequence[Piece], size: float) -> bool:
    """Do most cells keep the column's left edge, right edge or middle?"""
    if len(column) < 2:
        return True
    for values in ([c.x0 for c in column], [c.x1 for c in column], [(c.x0 + c.x1) / 2 for c in column]):
        middle = median(values)
        if sum(abs(v - middle) < 0.9 * size for v in values) >= 0.65 * len(values):
            return True
    return False
