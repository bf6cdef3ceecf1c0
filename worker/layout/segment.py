"""Segmentation: a page's pieces to leaves (single columns) in reading order.

The page is cut along its tallest gutter that separates columns into what is above, left, right and
below, and each part again. A full-width heading bars a gutter, so the cut across comes by itself;
level lines of two columns never lead to one. What no gutter divides is a leaf.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from worker.layout.gutters import Gutter, bars, find_gutters, is_strong, sections
from worker.layout.judging import Divides, is_level, judge
from worker.layout.pieces import CUT_GAP, Piece, join_near, vertical_overlap

_DEPTH = 24
_HEAD = 1.2  # times the largest type of blocks
_HEADLINE = 1.25  # times the type of the text
_STORY = 12  # lines of columns with headings over them
_TRIES = 8  # a printed page has fewer such headings
_BELOW = 99.0  # type sizes: as far as a column may go on below the end of the one beside it
_ROOM, _LINE = 0.3, 6.0  # type sizes beside a line that ends within the strip, and its length
_WIDER = 4.0  # times as wide as the space between words
_OFF = 2.0  # type sizes between the left edges of blocks that are not of one column


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
    start = _next_stories(pieces) if depth < _DEPTH else None
    if start is not None:
        parts = (pieces[:start], pieces[start:])
        return [leaf for part in parts for leaf in _split(part, left, right, depth + 1)]
    if depth < _DEPTH and len(pieces) >= 5:
        gutter, divides = _best(pieces)
        if gutter is not None and divides is Divides.COLUMNS:
            gutter = _outer(pieces, gutter, (left + right) / 2)
    if gutter is None:
        return [Leaf(tuple(pieces), left, right)]
    first, last = _with_lone_lines(pieces, gutter, divides, (left + right) / 2)
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


def _next_stories(pieces: Sequence[Piece]) -> int | None:
    """Where all columns of a newspaper end, and headings over several columns each begin what is below: a column that
    chances to go on at the same place has nothing to do with the one above.
    """
    if len(pieces) < 2 * _STORY:
        return None
    size = median(p.size for p in pieces)
    low, tries = max(p.y1 for p in pieces[:_STORY]), 0
    for k in range(_STORY, len(pieces) - _STORY):
        head = pieces[k]
        if head.size > _HEADLINE * size and min(p.y0 for p in pieces[k : k + 6]) - low > size and tries < _TRIES:
            tries += 1
            heads = [p for p in pieces[k : k + 6] if vertical_overlap(p, head) > 0.5]
            if _over_columns(heads, pieces[:k], pieces[k + len(heads) :]):
                return k
        low = max(low, head.y1)
    return None


def _over_columns(heads: Sequence[Piece], above: Sequence[Piece], below: Sequence[Piece]) -> bool:
    """Does one of the headings stand over a gutter between columns, and are there columns above?"""
    gutters = find_gutters(below)
    over = [g for g in gutters if any(head.x0 < g.x0 and g.x1 < head.x1 for head in heads)]
    if not any(judge(below, g, gutters) is Divides.COLUMNS for g in over):
        return False
    gutters = find_gutters(above)
    return any(judge(above, g, gutters) is Divides.COLUMNS for g in gutters)


def _best(pieces: Sequence[Piece]) -> tuple[Gutter | None, Divides]:
    """The tallest gutter that divides columns or blocks, or the first part of one that does."""
    gutters = find_gutters(pieces)
    for gutter in gutters:
        divides = judge(pieces, gutter, gutters)
        if divides is Divides.COLUMNS:
            return gutter, divides
        parts = [(part, judge(pieces, part, gutters)) for part in sections(pieces, gutter)]
        table = any(kind is Divides.CELLS and is_level(pieces, part) for part, kind in parts)
        if divides is Divides.BLOCKS and not table and not _unlike(parts, pieces):
            return _within_blocks(parts, gutter), divides
        for part, kind in parts:
            if kind is not Divides.CELLS:
                return part, kind
    return None, Divides.CELLS


def _within_blocks(parts: Sequence[tuple[Gutter, Divides]], gutter: Gutter) -> Gutter:
    """The one part of a gutter where blocks stand, if it is far wider there than between two words of a line above or
    below that chance to stand at its strip.
    """
    blocks = [part for part, kind in parts if kind is Divides.BLOCKS]
    wider = len(parts) == len(blocks) == 1 and blocks[0].x1 - blocks[0].x0 > _WIDER * (gutter.x1 - gutter.x0)
    return blocks[0] if wider else gutter


def _outer(pieces: Sequence[Piece], gutter: Gutter, centre: float) -> Gutter:
    """A gutter between columns beside which those of the one given begin lower, under a heading over two of them: cut
    along that one first, or the top of the column beside the heading is torn off.
    """
    first, last = _with_lone_lines(pieces, gutter, Divides.COLUMNS, centre)
    gutters = find_gutters(pieces)
    for other in gutters:
        if other.first >= gutter.first or other.last <= gutter.first:
            continue
        if judge(pieces, other, gutters) is not Divides.COLUMNS:
            continue
        above, below = _with_lone_lines(pieces, other, Divides.COLUMNS, centre)
        if above < first and below >= last:
            return other
    return gutter


def _unlike(parts: Sequence[tuple[Gutter, Divides]], pieces: Sequence[Piece]) -> bool:
    """Are these blocks over other blocks, set out in another way: a letterhead's two addresses over a form's fields?"""
    edges = [(part.x1, pieces[part.first].size) for part, kind in parts if kind is Divides.BLOCKS]
    return any(abs(b - a) > _OFF * size for (a, _), (b, size) in itertools.pairwise(edges))


def _with_lone_lines(pieces: Sequence[Piece], gutter: Gutter, divides: Divides, centre: float) -> tuple[int, int]:
    """The band of a gutter with the lines above and below that go on with one of its columns. `centre` is the middle of
    what is divided.

    A column goes on below a picture or a table, however tall, to what bars its way.
    """
    up, down = (2.5, _BELOW) if divides is Divides.COLUMNS else (1.3, 4.0) if gutter.paired >= 8 else (0.8, 0.8)
    # A line in larger type below blocks heads what follows.
    largest = (
        99.0 if divides is Divides.COLUMNS else _HEAD * max(p.size for p in pieces[gutter.first : gutter.last + 1])
    )
    first, _ = _reach(pieces, gutter, range(gutter.first - 1, -1, -1), up)
    while first < gutter.first and _heads_all(pieces[first : gutter.last + 1], centre):
        first += 1
    last, barrier = _reach(pieces, gutter, range(gutter.last + 1, len(pieces)), down, largest)
    if barrier is not None:
        last = _give_back(pieces, gutter, last, barrier)
    return first, last


def _heads_all(pieces: Sequence[Piece], centre: float) -> bool:
    """Is the first piece a heading over all columns, though it is no wider than the one in the middle?"""
    head, *others = pieces
    if any(p.y0 < head.y1 for p in others):
        return False
    white = (min(p.y0 for p in others) - head.y1) / head.size
    larger = head.size > 1.15 * median(p.size for p in others)
    return (white > 0.8 or (larger and white > 0.3)) and abs((head.x0 + head.x1) / 2 - centre) < head.size


def _reach(
    pieces: Sequence[Piece], gutter: Gutter, way: range, limit: float, largest: float = 99.0
) -> tuple[int, Piece | None]:
    """How far lone lines go on along `way`: the last index, and the piece that bars the way, if one does.

    `limit` is the largest white between a lone line and the line before it, in type sizes; `largest` the largest type.
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
        if bars(p, gutter) and not (limit >= _BELOW and _ends_within(p, gutter)):
            return _behind(pieces, edge, gutter, p, way.step), p
        side = (p.x0 + p.x1) / 2 <= middle
        white = near[side] - p.y1 if way.step < 0 else p.y0 - near[side]
        if white > limit * p.size or p.size > largest:
            return edge, None
        near[side] = min(near[side], p.y0) if way.step < 0 else max(near[side], p.y1)
        edge = k
    return edge, None


def _ends_within(piece: Piece, gutter: Gutter) -> bool:
    """Does a line of a column end within the strip, and leave room beside it? Where both columns stood, lines were
    shorter by chance.
    """
    room = max(piece.x0 - gutter.x0, gutter.x1 - piece.x1)
    return room >= _ROOM * piece.size and piece.x1 - piece.x0 > _LINE * piece.size


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
