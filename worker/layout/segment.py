"""Segmentation: a page's pieces to leaves (single columns) in reading order.

The page is cut along its tallest gutter that separates columns into what is above, left, right and
below, and each part again. A full-width heading bars a gutter, so the cut across comes by itself;
level lines of two columns never lead to one. What no gutter divides is a leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.layout.gutters import Divides, Gutter, find_gutters, is_level, is_strong, judge, sections
from worker.layout.pieces import CUT_GAP, Piece, join_near, vertical_overlap

_DEPTH = 24


@dataclass(frozen=True, slots=True)
class Leaf:
    """Pieces of one column in canonical order, and how far to the left and right the column may reach."""

    pieces: tuple[Piece, ...]
    left: float
    right: float


def segment(pieces: Sequence[Piece], left: float, right: float) -> list[Leaf]:
    """Leaves in reading order; every piece is in exactly one."""
    return _split(_settle(pieces), left, right, 0)


def _settle(pieces: Sequence[Piece]) -> list[Piece]:
    """Join the words of loosely set lines, now that it is known where gutters run."""
    gutters = [g for g in find_gutters(pieces) if is_strong(pieces, g)]
    strips = [(g.middle, pieces[g.first].y0, pieces[g.last].y1) for g in gutters]

    def apart(a: Piece, b: Piece) -> bool:
        return any(a.x1 <= x <= b.x0 and y0 <= a.yc <= y1 for x, y0, y1 in strips)

    return join_near(pieces, CUT_GAP, apart)


def _split(pieces: list[Piece], left: float, right: float, depth: int) -> list[Leaf]:
    if not pieces:
        return []
    gutter, divides = None, Divides.CELLS
    if depth < _DEPTH and len(pieces) >= 5:
        gutter, divides = _best(pieces)
    if gutter is None:
        return [Leaf(tuple(pieces), left, right)]
    first, last = _with_lone_lines(pieces, gutter, divides)
    middle = (gutter.x0 + gutter.x1) / 2
    band = pieces[first : last + 1]
    # A column is as wide as its longest line; a block set beside another could have been wider.
    edge = gutter.x0 if divides is Divides.COLUMNS else max(gutter.x0, gutter.x1 - pieces[gutter.first].size)
    return [
        *_split(pieces[:first], left, right, depth + 1),
        *_split([p for p in band if (p.x0 + p.x1) / 2 <= middle], left, edge, depth + 1),
        *_split([p for p in band if (p.x0 + p.x1) / 2 > middle], gutter.x1, right, depth + 1),
        *_split(pieces[last + 1 :], left, right, depth + 1),
    ]


def _best(pieces: Sequence[Piece]) -> tuple[Gutter | None, Divides]:
    """The tallest gutter that divides columns or blocks, or the first part of one that does."""
    gutters = find_gutters(pieces)
    for gutter in gutters:
        divides = judge(pieces, gutter, gutters)
        if divides is Divides.COLUMNS:
            return gutter, divides
        parts = [(part, judge(pieces, part, gutters)) for part in sections(pieces, gutter)]
        table = any(kind is Divides.CELLS and is_level(pieces, part) for part, kind in parts)
        if divides is Divides.BLOCKS and not table:
            return gutter, divides
        for part, kind in parts:
            if kind is not Divides.CELLS:
                return part, kind
    return None, Divides.CELLS


def _with_lone_lines(pieces: Sequence[Piece], gutter: Gutter, divides: Divides) -> tuple[int, int]:
    """The band of a gutter with the lines above and below that go on with one of its columns.

    A column goes on below a picture or a table, however tall, to what bars its way.
    """
    up, down = (2.5, 99.0) if divides is Divides.COLUMNS else (1.3, 4.0) if gutter.paired >= 8 else (0.8, 0.8)
    first, _ = _reach(pieces, gutter, range(gutter.first - 1, -1, -1), up)
    last, barrier = _reach(pieces, gutter, range(gutter.last + 1, len(pieces)), down)
    if barrier is not None:
        last = _give_back(pieces, gutter, last, barrier)
    return first, last


def _reach(pieces: Sequence[Piece], gutter: Gutter, way: range, limit: float) -> tuple[int, Piece | None]:
    """How far lone lines go on along `way`: the last index, and the piece that bars the way, if one does.

    `limit` is the largest white between a lone line and the line before it, in type sizes.
    """
    middle = (gutter.x0 + gutter.x1) / 2
    edge = gutter.first if way.step < 0 else gutter.last
    near: dict[bool, float] = {}
    for p in pieces[gutter.first : gutter.last + 1]:
        side = p.x1 <= middle
        y = p.y0 if way.step < 0 else p.y1
        near[side] = y if side not in near else (min(near[side], y) if way.step < 0 else max(near[side], y))
    for k in way:
        p = pieces[k]
        if p.x1 > gutter.x0 and p.x0 < gutter.x1:
            return _behind(pieces, edge, gutter, p, way.step), p
        side = p.x1 <= middle
        white = near[side] - p.y1 if way.step < 0 else p.y0 - near[side]
        if white > limit * p.size:
            return edge, None
        near[side] = min(near[side], p.y0) if way.step < 0 else max(near[side], p.y1)
        edge = k
    return edge, None


def _behind(pieces: Sequence[Piece], edge: int, gutter: Gutter, barrier: Piece, step: int) -> int:
    """Lone pieces on the very line of the barrier belong to that line."""
    stop = gutter.first if step < 0 else gutter.last
    while edge != stop and vertical_overlap(pieces[edge], barrier) > 0.5:
        edge -= step
    return edge


def _give_back(pieces: Sequence[Piece], gutter: Gutter, last: int, barrier: Piece) -> int:
    """A heading of the full-width text below may stand over its left end, clear of the gutter: up to two
    lone lines that are nearer to the barrier than to the column above go with the barrier.
    """
    for count in (1, 2):
        start = last - count + 1
        if start <= gutter.last:
            break
        head = pieces[start]
        above = max((p.y1 for p in pieces[gutter.first : start] if p.x0 < head.x1 and p.x1 > head.x0), default=None)
        if above is None:
            continue
        white = head.y0 - above
        if white > 0.5 * head.size and white > 1.2 * max(0.0, barrier.y0 - pieces[last].y1):
            return start - 1
    return last
