"""Frames side by side: cards on one sheet, boxes of a form, notices. Each is read whole before the next.

A frame is a rectangle of ruling lines without lines inside, or a part of one between lines from top to bottom (a cheque
and its stub). Frames count where two or more stand beside each other and nothing but them stands there, and boxes where
running text flows round them; a frame round the page or in a column changes no order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from worker.layout.grid import Rule, distinct
from worker.layout.pieces import Piece
from worker.layout.rows import gather

_REACH = 0.006  # page heights
_MOST = 0.8  # of a page's pieces: a frame with more is the page's own
_FEWEST = 2  # pieces in a frame that is worth reading by itself
_BOX_LINES, _WORDS = 3, 3  # of a box, and of the text beside it; words of one of its lines
_MOST_PARTS = 6  # of a rectangle; more are a table's columns
_LEVEL = 0.3  # type sizes between the middles of lines that stand level


@dataclass(frozen=True, slots=True)
class Framed:
    """The pieces in one frame, in canonical order, and how far the frame reaches."""

    pieces: tuple[Piece, ...]
    x0: float
    y0: float
    x1: float
    y1: float


def take_framed(pieces: Sequence[Piece], groups: Sequence[Sequence[Rule]]) -> tuple[list[list[Framed]], list[Piece]]:
    """Rows of frames from the top, each from the left, and the pieces that are in none (in canonical order). `groups`
    are ruling lines that touch.
    """
    found = [framed for group in groups for framed in _frames(group, pieces)]
    found = [f for f in found if _FEWEST <= len(f.pieces) <= _MOST * len(pieces)]
    found = [f for f in found if not any(g is not f and _within(f, g) for g in found)]
    rows: list[list[Framed]] = []
    for framed in sorted(found, key=lambda f: (f.y0, f.x0)):
        if rows and framed.y0 < max(f.y1 for f in rows[-1]) - _REACH:
            rows[-1].append(framed)
        else:
            rows.append([framed])
    rows = [sorted(row, key=lambda f: (f.x0, f.y0)) for row in rows if len(row) > 1 and _alone(row, pieces)]
    taken = {id(p) for row in rows for framed in row for p in framed.pieces}
    return rows, [p for p in pieces if id(p) not in taken]


def take_boxed(pieces: Sequence[Piece], groups: Sequence[Sequence[Rule]]) -> tuple[list[Framed], list[Piece]]:
    """Boxes round which running text flows, from the top, and the pieces that are in none (in canonical order)."""
    found = [frames[0] for group in groups if len(frames := _frames(group, pieces)) == 1]
    boxed = [f for f in found if len(gather(f.pieces)) >= _BOX_LINES and _flows_round(f, pieces)]
    boxed = [f for f in boxed if not any(g is not f and _within(f, g) for g in boxed)]
    taken = {id(p) for framed in boxed for p in framed.pieces}
    return sorted(boxed, key=lambda f: (f.y0, f.x0)), [p for p in pieces if id(p) not in taken]


def _flows_round(box: Framed, pieces: Sequence[Piece]) -> bool:
    """Does text stand on one side of a box that above or below runs on over it? In the next column it does not. The
    first box of a page may have a heading's last words over it, or a date.
    """
    inside = {id(p) for p in box.pieces}
    beside = [p for p in pieces if box.y0 < p.yc < box.y1 and id(p) not in inside]
    if sum(len(p.tokens) >= _WORDS for p in beside) < _BOX_LINES:
        return False
    start, stop = min(p.x0 for p in beside), max(p.x1 for p in beside)
    if not (stop <= box.x0 + _REACH or start >= box.x1 - _REACH):
        return False
    over = [p for p in pieces if p.x0 < box.x1 and p.x1 > box.x0 and id(p) not in inside]
    next_to = [p for p in over if p.yc < box.y0][-1:] + [p for p in over if p.yc > box.y1][:1]
    if next_to and next_to[0].yc < box.y0 and len(next_to[0].tokens) <= _WORDS:
        next_to = next_to[1:]
    return bool(next_to) and all(
        p.x0 < stop - p.size and p.x1 > start + p.size and len(p.tokens) > _WORDS for p in next_to
    )


def _frames(group: Sequence[Rule], pieces: Sequence[Piece]) -> list[Framed]:
    """The rectangle that a group of lines makes, all sides drawn, or its parts between lines from top to bottom: none
    where its text runs across these, or stands level in rows.
    """
    level, upright = [r for r in group if r.level], [r for r in group if not r.level]
    if not level or not upright:
        return []
    xs = distinct([(r.x0 + r.x1) / 2 for r in upright], _REACH)
    ys = distinct([(r.y0 + r.y1) / 2 for r in level], _REACH)
    if not 2 <= len(xs) <= _MOST_PARTS + 1 or len(ys) != 2:
        return []
    for at in ys:
        drawn = sum(r.x1 - r.x0 for r in level if abs((r.y0 + r.y1) / 2 - at) <= _REACH)
        if drawn < 0.8 * (xs[-1] - xs[0]):
            return []
    for at in xs:
        drawn = sum(r.y1 - r.y0 for r in upright if abs((r.x0 + r.x1) / 2 - at) <= _REACH)
        if drawn < 0.8 * (ys[1] - ys[0]):
            return []
    parts = [_part(pieces, x0, ys[0], x1, ys[1]) for x0, x1 in itertools.pairwise(xs)]
    if any(p.x0 < part.x0 - p.size or p.x1 > part.x1 + p.size for part in parts for p in part.pieces):
        return []
    if any(_are_rows(a.pieces, b.pieces) for a, b in itertools.pairwise(parts)):
        return []
    return parts


def _part(pieces: Sequence[Piece], x0: float, y0: float, x1: float, y1: float) -> Framed:
    return Framed(tuple(p for p in pieces if x0 <= (p.x0 + p.x1) / 2 <= x1 and y0 <= p.yc <= y1), x0, y0, x1, y1)


def _are_rows(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    """Does most of what stands beside each other stand level, as in a table?"""
    few, many = sorted((gather(left), gather(right)), key=len)
    level = sum(any(abs(a.yc - b.yc) < _LEVEL * min(a.size, b.size) for b in many) for a in few)
    return level > 0.7 * len(few)


def _within(inner: Framed, outer: Framed) -> bool:
    return (
        outer.x0 <= inner.x0 + _REACH
        and inner.x1 <= outer.x1 + _REACH
        and outer.y0 <= inner.y0 + _REACH
        and inner.y1 <= outer.y1 + _REACH
    )


def _alone(row: Sequence[Framed], pieces: Sequence[Piece]) -> bool:
    """Whether the frames overlap nowhere and nothing stands beside them."""
    top, bottom = min(f.y0 for f in row), max(f.y1 for f in row)
    inside = [id(p) for f in row for p in f.pieces]
    beside = {id(p) for p in pieces if top < p.yc < bottom}
    return len(set(inside)) == len(inside) and beside <= set(inside)
