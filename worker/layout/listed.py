"""Lists in columns: one that goes on from column to column, or programmes side by side. Knows pieces and gutters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from worker.layout.gutters import Gutter
from worker.layout.kinds import BULLETS
from worker.layout.pieces import Piece, vertical_overlap
from worker.layout.rows import gather
from worker.layout.sequence import (
    are_counted,
    are_programmes,
    count_across,
    goes_on,
    has_counts,
    has_hours,
    own_numbers,
)

_BULLETS = BULLETS - frozenset("-–*□■○◦▫▪")  # these stand for nothing in a cell, too, or are boxes to tick
_FEWEST_ITEMS, _ITEMS = 2, 0.6


def list_goes_on(pieces: Sequence[Piece], gutter: Gutter, beside: Sequence[float]) -> bool | None:
    """Does a list go on from the columns left of a gutter to those on its right, or has each side its own hours,
    numbers or bullets? False where numbers count on across the gutter, and None where nothing tells.

    `pieces` stand along the gutter, in canonical order; `beside` is where the gutters next to it run.
    """
    ends = [gutter.middle, *sorted((x for x in beside if x < gutter.x0), reverse=True)[:3], -1.0]
    stop = min((x for x in beside if x > gutter.x1), default=1e9)
    after = _beginnings(pieces, gutter.middle, stop)
    if any(goes_on(_beginnings(pieces, start, end), after) for end, start in itertools.pairwise(ends)):
        return True
    hours, counted = has_hours([p.text for p in pieces]), has_counts([p.text for p in pieces])
    bulleted = sum(p.text[0] in _BULLETS for p in pieces) >= 2 * _FEWEST_ITEMS
    if not hours and not counted and not bulleted:
        return None
    after = _with_next(pieces, gutter.middle, 1e9)
    # Lines are gathered once for every column: where those on the right tell already, none of the left are.
    counted, bulleted = counted and bool(own_numbers(after)), bulleted and _are_items(after)
    if not hours and not counted and not bulleted:
        return None
    columns = [_with_next(pieces, start, gutter.middle) for start in ends[1:]]
    if counted and any(count_across(column, after) for column in columns):
        return False
    if counted and any(are_counted(column, after) for column in columns):
        return True
    if bulleted and any(map(_are_items, columns)):
        return True
    return True if hours and any(are_programmes(column, after) for column in columns) else None


def _are_items(lines: Sequence[str]) -> bool:
    """Are most lines, or all but a heading, items with a bullet before words?"""
    items = sum(line[0] in _BULLETS and any(map(str.isalpha, line)) for line in lines)
    return items >= max(_FEWEST_ITEMS, _ITEMS * len(lines))


def _beginnings(pieces: Sequence[Piece], start: float, stop: float) -> list[str]:
    """What the lines between the two places begin with."""
    within = [p for p in pieces if p.x0 >= start and p.x1 <= stop]
    return [
        p.text
        for k, p in enumerate(within)
        if not any(q.x1 <= p.x0 and vertical_overlap(p, q) > 0.5 for q in within[max(0, k - 4) : k + 5])
    ]


def _with_next(pieces: Sequence[Piece], start: float, stop: float) -> list[str]:
    """What the lines between the two places begin with, and what stands next to it."""
    within = [p for p in pieces if p.x0 >= start and p.x1 <= stop]
    lines = [(row.cells[0], row.cells[1:2]) for row in gather(within)]
    return [" ".join(p.text for p in (first, *then)) for first, then in lines]
