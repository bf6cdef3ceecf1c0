"""Frames side by side: cards on one sheet, boxes of a form, notices. Each is read whole before the next.

A frame is a rectangle of ruling lines without lines inside. Frames count where two or more stand beside each other and
nothing but them stands there: a frame round the page or a box beside running text changes no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.layout.grid import Rule, distinct
from worker.layout.pieces import Piece

_REACH = 0.006  # page heights
_MOST = 0.8  # of a page's pieces: a frame with more is the page's own
_FEWEST = 2  # pieces in a frame that is worth reading by itself


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
    found = [framed for group in groups if (framed := _frame(group, pieces)) is not None]
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


def _frame(group: Sequence[Rule], pieces: Sequence[Piece]) -> Framed | None:
    """The rectangle that a group of lines makes, all four sides drawn and nothing else."""
    level, upright = [r for r in group if r.level], [r for r in group if not r.level]
    if not level or not upright:
        return None
    xs = distinct([(r.x0 + r.x1) / 2 for r in upright], _REACH)
    ys = distinct([(r.y0 + r.y1) / 2 for r in level], _REACH)
    if len(xs) != 2 or len(ys) != 2:
        return None
    for at in ys:
        drawn = sum(r.x1 - r.x0 for r in level if abs((r.y0 + r.y1) / 2 - at) <= _REACH)
        if drawn < 0.8 * (xs[1] - xs[0]):
            return None
    for at in xs:
        drawn = sum(r.y1 - r.y0 for r in upright if abs((r.x0 + r.x1) / 2 - at) <= _REACH)
        if drawn < 0.8 * (ys[1] - ys[0]):
            return None
    inside = [p for p in pieces if xs[0] <= (p.x0 + p.x1) / 2 <= xs[1] and ys[0] <= p.yc <= ys[1]]
    if any(p.x0 < xs[0] - p.size or p.x1 > xs[1] + p.size for p in inside):
        return None  # text runs across its sides
    return Framed(tuple(inside), xs[0], ys[0], xs[1], ys[1])


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
