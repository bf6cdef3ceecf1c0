"""Boxes of a form, or a grid of answers, and beside each row, outside its lines, what it is about: one table of both.

Forms draw boxes for what is to be filled in and set to their left what is asked for; by itself neither says much.
Knows pieces and ruled tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.layout.grid import Ruled
from worker.layout.kinds import starts_lower
from worker.layout.pieces import Piece
from worker.layout.rows import Row, gather
from worker.layout.tables import Table

_FEWEST = 3  # rows with a label
_SHARE = 0.8  # of the rows, but for a head, have one
_MORE = 1.5  # labels for each row: boxes may be empty
_SECOND = 0.34  # of the lines of labels are second lines; of running text nearly all begin with small letters
_LEVEL = 0.5  # type sizes
_NEAR = 20.0  # type sizes between the longest label and the first box

_Cells = tuple[Piece, ...]


def with_labels(tables: Sequence[Ruled], pieces: Sequence[Piece]) -> tuple[list[Ruled], list[Piece]]:
    """The tables, with the labels to the left of their rows as a first column where they have such, and the pieces
    that are in none (in canonical order).
    """
    done: list[Ruled] = []
    rest = list(pieces)
    for table in tables:
        beside = [p for p in rest if table.y0 < p.yc < table.y1]
        left = [p for p in beside if p.x1 < table.x0]
        labelled = _labelled(table, gather(left)) if left and len(left) == len(beside) else None
        if labelled is not None:
            taken = set(map(id, left))
            rest = [p for p in rest if id(p) not in taken]
        done.append(labelled or table)
    return done, rest


def _labelled(table: Ruled, lines: Sequence[Row]) -> Ruled | None:
    """The table with its labels, if the lines beside it are such: one for each row, close to it."""
    labels: list[list[Row]] = []
    for line in lines:
        if labels and starts_lower(line.text):
            labels[-1].append(line)
        else:
            labels.append([line])
    rows = table.table.rows
    if len(lines) - len(labels) > _SECOND * len(lines) or len(labels) > _MORE * len(rows):
        return None
    if table.x0 - max(line.x1 for line in lines) > _NEAR * lines[0].size:
        return None
    found = [_level_with(row, labels) for row in rows]
    matched = [k for k in found if k is not None]
    if len(matched) < max(_FEWEST, _SHARE * (len(rows) - 1)) or len(set(matched)) < len(matched):
        return None
    made: list[tuple[float, tuple[_Cells, ...]]] = []
    for row, k in zip(rows, found, strict=True):
        label = tuple(cell for line in labels[k] for cell in line.cells) if k is not None else ()
        made.append((_middle(row), (label, *row)))
    for k, label in enumerate(labels):
        if k not in matched:  # its boxes are empty
            cells = tuple(cell for line in label for cell in line.cells)
            made.append((label[0].yc, (cells, *(() for _ in rows[0]))))
    ordered = tuple(row for _, row in sorted(made, key=lambda one: one[0]))
    return replace(table, table=Table(ordered), x0=min(line.x0 for line in lines))


def _level_with(row: Sequence[_Cells], labels: Sequence[Sequence[Row]]) -> int | None:
    """Which label has a line level with a row of the table, or its middle."""
    middle = _middle(row)
    for k, label in enumerate(labels):
        heights = [*(line.yc for line in label), (label[0].yc + label[-1].yc) / 2]
        if any(abs(y - middle) < _LEVEL * label[0].size for y in heights):
            return k
    return None


def _middle(row: Sequence[_Cells]) -> float:
    pieces = [p for cell in row for p in cell]
    return (min(p.y0 for p in pieces) + max(p.y1 for p in pieces)) / 2
