"""Where ruled tables stand among the text: across it, in a column of it, or side by side.

A table with nothing beside it parts what is above it from what is below. One with running text beside it stands in a
column, and so does not: the page is divided into columns as if it were a picture, and the table is put where its
column has room for it. Tables side by side without columns around them are read from the left, each with the lines
that stand over it and under it alone. So are a table and the text beside it, as of an invoice's sums and a note on how
to pay: neither parts the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from worker.layout.grid import Ruled
from worker.layout.pieces import Piece
from worker.layout.segment import Leaf, segment

_LINES, _WORDS = 3, 3  # of running text beside a table, at least
_SLACK = 0.01  # page heights
_LEADING = 1.0  # type sizes between the lines of a paragraph, at most
_NEAR = 2.5  # type sizes between a table and a line over or under it that is its own
_HEAD = 0.02  # page heights: a line that reaches into a table's top stands over it


def is_among(table: Ruled, tables: Iterable[Ruled], pieces: Sequence[Piece]) -> bool:
    """Does running text, or another table, stand beside a table?"""
    beside = [p for p in pieces if table.y0 < p.yc < table.y1]
    if not all(_clear(p, table) for p in beside):
        return False
    text = sum(len(p.tokens) >= _WORDS for p in beside) >= _LINES
    return text or any(_are_beside(table, other) for other in tables)


def columns_with(pieces: Sequence[Piece], tables: Sequence[Ruled], left: float, right: float) -> list[Leaf | Ruled]:
    """Single columns between `left` and `right`, and the tables that stand among them, in reading order."""
    items: list[Leaf | Ruled] = [*segment(pieces, left, right)]
    for table in sorted(tables, key=lambda t: (t.y0, t.x0)):
        if not _put(items, table, [t for t in tables if _are_beside(t, table)]):
            return _across(pieces, table, tables, left, right)
    return items


def top_of(part: Ruled) -> float:
    """What has its middle above this stands over a table."""
    return (part.y0 + min(part.y1, part.y0 + _HEAD)) / 2


def _put(items: list[Leaf | Ruled], table: Ruled, others: Sequence[Ruled]) -> bool:
    """Insert a table into the column over or under it, in place, if there is one."""
    top = top_of(table)
    leaves = [item for item in items if isinstance(item, Leaf)]
    every = [(p, leaf) for leaf in leaves for p in leaf.pieces]
    beside = [p for p, _ in every if table.y0 < p.yc < table.y1]
    in_line = [(p, leaf) for p, leaf in every if p.x0 < table.x1 and p.x1 > table.x0]
    over = max((found for found in in_line if found[0].yc < top), key=lambda found: found[0].yc, default=None)
    under = min((found for found in in_line if found[0].yc > table.y1), key=lambda found: found[0].yc, default=None)
    for found in (over, under):
        if found is None:
            continue
        near, leaf = found
        own = all(_clear(p, t) for p in leaf.pieces for t in others)
        own = own and not any(table.y0 < p.yc < table.y1 for p in leaf.pieces)
        if own and not any(near.x0 < p.x1 - _SLACK and p.x0 < near.x1 - _SLACK for p in beside):
            at = items.index(leaf)
            above = tuple(p for p in leaf.pieces if p.yc < top)
            below = tuple(p for p in leaf.pieces if p.yc >= top)
            parts = [Leaf(part, leaf.left, leaf.right) for part in (above, below) if part]
            items[at : at + 1] = [*parts[: bool(above)], table, *parts[bool(above) :]]
            return True
    return False


def _across(
    pieces: Sequence[Piece], table: Ruled, tables: Sequence[Ruled], left: float, right: float
) -> list[Leaf | Ruled]:
    """What is above a table and those beside it, these and the text beside them from the left, and what is below."""
    row = sorted([table, *(t for t in tables if _are_beside(t, table))], key=lambda t: t.x0)
    top = min(map(top_of, row))
    start, stop = row[0].x0, max(t.x1 for t in row)
    before = _beside([p for p in pieces if p.x1 <= start + _SLACK], row)
    after = _beside([p for p in pieces if p.x0 >= stop - _SLACK], row)
    flanking = {id(p) for p in (*before, *after)}
    pieces = [p for p in pieces if id(p) not in flanking]
    above, below = [p for p in pieces if p.yc < top], [p for p in pieces if p.yc >= top]
    others = [t for t in tables if t not in row]
    heads = _own(above[::-1], row)
    tails = _own(below, row)
    taken = {id(p) for own in (*heads, *tails) for p in own}
    items = columns_with([p for p in above if id(p) not in taken], [t for t in others if t.y0 < top], left, right)
    items += segment(before, left, start)
    for one, over, under in zip(row, heads, tails, strict=True):
        items += [*segment(over[::-1], one.x0, one.x1), one, *segment(under, one.x0, one.x1)]
    items += segment(after, stop, right)
    return items + columns_with(
        [p for p in below if id(p) not in taken], [t for t in others if t.y0 >= top], left, right
    )


def _beside(pieces: Sequence[Piece], row: Sequence[Ruled]) -> list[Piece]:
    """Running text beside tables, with those of its lines that stand over and under their height. `pieces`, from the
    top, are all on one side of them.
    """
    top, bottom = min(t.y0 for t in row), max(t.y1 for t in row)
    level = [k for k, p in enumerate(pieces) if top < p.yc < bottom]
    if sum(len(pieces[k].tokens) >= _WORDS for k in level) < _LINES:
        return []
    first, last = level[0], level[-1] + 1
    while first and pieces[first].y0 - pieces[first - 1].y1 < _LEADING * pieces[first].size:
        first -= 1
    while last < len(pieces) and pieces[last].y0 - pieces[last - 1].y1 < _LEADING * pieces[last].size:
        last += 1
    return list(pieces[first:last])


def _own(pieces: Sequence[Piece], row: Sequence[Ruled]) -> list[list[Piece]]:
    """For each of several tables side by side the lines next to it that reach over no other, or none for all where one
    has none. `pieces` begin next to the tables.
    """
    none: list[list[Piece]] = [[] for _ in row]
    own: list[list[Piece]] = [[] for _ in row]
    if len(row) < 2:
        return none
    for p in pieces:
        at = next((k for k, t in enumerate(row) if t.x0 - p.size < p.x0 and p.x1 < t.x1 + p.size), None)
        if at is None:
            break
        last = own[at][-1] if own[at] else row[at]
        if max(last.y0 - p.y1, p.y0 - last.y1) > _NEAR * p.size:
            break
        own[at].append(p)
    return own if all(own) else none


def _clear(piece: Piece, table: Ruled) -> bool:
    return piece.x1 <= table.x0 + _SLACK or piece.x0 >= table.x1 - _SLACK


def _are_beside(a: Ruled, b: Ruled) -> bool:
    """Do two tables stand side by side, though one may begin lower?"""
    shared = min(a.y1, b.y1) - max(a.y0, b.y0)
    return a is not b and shared > _SLACK and (a.x1 <= b.x0 + _SLACK or b.x1 <= a.x0 + _SLACK)
