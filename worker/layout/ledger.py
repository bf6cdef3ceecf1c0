"""Rows of a ledger: a table whose columns are ruled and whose rows are not.

Registers, accounts and invoices are printed so: upright lines from head to foot, and entries written or typed between
them. Between two level lines of its grid stand all of its entries. Where a column there holds a number on each of
several lines, each is of an entry of its own; no cell has three numbers under each other as its text. Knows pieces
and the lines of a grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from worker.layout.kinds import is_ditto, is_numeric, starts_small
from worker.layout.pieces import Piece
from worker.layout.rows import Row, gather

_FEWEST = 3  # numbers under each other in one column; of two columns of them two will do
_MOSTLY = 0.7
_CLOSE = 0.6  # type sizes of white above the second line of a cell, at most


def with_entries(ys: Sequence[float], xs: Sequence[float], pieces: Sequence[Piece]) -> list[float]:
    """The level lines `ys` of a grid, and between them those that part a ledger's entries. `pieces` stand in the grid,
    and are cut at its upright lines `xs`.
    """
    lines = [ys[0]]
    for top, bottom in itertools.pairwise(ys):
        within = sorted((p for p in pieces if top <= p.yc < bottom), key=lambda p: p.key)
        lines += _between(gather(within), xs) if within else []
        lines.append(bottom)
    return lines


def _between(rows: Sequence[Row], xs: Sequence[float]) -> list[float]:
    """Where the lines of text between two ruling lines part into entries; none where they are lines of cells."""
    columns = [[_in_column(row, x0, x1) for row in rows] for x0, x1 in itertools.pairwise(xs)]
    numbered = [column for column in columns if _are_numbers(column)]
    counts = [sum(bool(cell) for cell in column) for column in numbered]
    if max(counts, default=0) < _FEWEST and sum(count > 1 for count in counts) < 2:
        return []
    begins = [any(column[k] for column in numbered) for k in range(len(rows))]
    others = [column for column in columns if column not in numbered]
    if not _begin_there(others, begins):
        return []
    return [
        (max(p.yc for p in above.cells) + min(p.yc for p in row.cells)) / 2
        for k, (above, row) in enumerate(itertools.pairwise(rows), 1)
        if begins[k] or not _wraps(row, above, xs)
    ]


def _in_column(row: Row, x0: float, x1: float) -> str:
    return " ".join(p.text for p in row.cells if x0 <= (p.x0 + p.x1) / 2 < x1)


def _are_numbers(column: Sequence[str]) -> bool:
    cells = [cell for cell in column if cell and not is_ditto(cell)]
    return sum(is_numeric(cell) for cell in cells) >= max(2, _MOSTLY * len(cells))


def _begin_there(columns: Sequence[Sequence[str]], begins: Sequence[bool]) -> bool:
    """Do the texts of the other columns begin where the numbers stand? Running text beside a few numbers goes on."""
    cells = [cell for column in columns for cell, begin in zip(column, begins, strict=True) if cell and begin]
    return sum(starts_small(cell) and not is_ditto(cell) for cell in cells) <= 0.4 * len(cells)


def _wraps(row: Row, above: Row, xs: Sequence[float]) -> bool:
    """Does a line without a number only go on with cells of the line above it?"""
    return row.y0 - above.y1 < _CLOSE * row.size and all(
        any(_goes_on(cell, over, xs) for over in above.cells) for cell in row.cells
    )


def _goes_on(cell: Piece, over: Piece, xs: Sequence[float]) -> bool:
    """It stands under the other one, and begins small or set in, or with a word that had no room there."""
    if not (over.x0 - cell.size < cell.x0 < over.x1):
        return False
    edge = min((x for x in xs if x > over.x0 + cell.size), default=xs[-1])
    word = cell.edges[0][1] - cell.edges[0][0]
    return starts_small(cell.text) or cell.x0 - over.x0 > 0.5 * cell.size or edge - over.x1 < word + 1.5 * cell.size
