"""Gutters: upright strips of white with text of its own on both sides.

A gutter starts from the gap between two neighbours on a line and grows up and down over the lines
around it, narrowing as they reach into it, until a piece bars the way. So it is measured over all
its lines and never on one, bears ragged edges and indents, and ends by itself at a full-width
heading. Growing does not say what a gutter divides: columns of prose, blocks set side by side,
cells of a table, a label and its value. `judging` decides that from what stands beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from worker.layout.pieces import Piece, vertical_overlap

_NARROWEST = 0.42  # in type sizes; readers' boxes stand out beyond the letters, so that a gutter looks narrower
_SLACK = 0.25  # of a strip's width, or in a narrow one as many type sizes as this, but no more than about half of it:
_HAIR, _HALF = 0.25, 0.5
_NEIGHBOURS = 48  # how far along the canonical order the partner on the same line is looked for
_MOST_WORK = 3_000_000  # gutters grown times pieces, of which a printed page needs thousands: none shall take minutes


@dataclass(frozen=True, slots=True)
class Gutter:
    """`pieces[first:last + 1]` stand left or right of the strip `x0..x1`; `paired` of them face another."""

    x0: float
    x1: float
    first: int
    last: int
    paired: int

    @property
    def middle(self) -> float:
        return (self.x0 + self.x1) / 2


def find_gutters(pieces: Sequence[Piece]) -> list[Gutter]:
    """All gutters among pieces in canonical order, tallest first."""
    found: list[Gutter] = []
    size = median(p.size for p in pieces) if pieces else 0.0
    left = _MOST_WORK // max(1, len(pieces))
    for i, j in _facing(pieces):
        a, b = pieces[i], pieces[j]
        middle = (a.x1 + b.x0) / 2
        if any(g.first <= i and j <= g.last and g.x0 <= b.x0 and a.x1 <= g.x1 for g in found):
            continue
        narrow = _NARROWEST * size
        if b.x0 - a.x1 < narrow or middle <= 0:
            continue
        if not left:
            break
        left -= 1
        gutter = _grow(pieces, i, j, narrow)
        if gutter is not None and gutter.paired >= 2:
            found.append(gutter)
    found.sort(key=lambda g: (pieces[g.first].yc - pieces[g.last].yc, -g.paired, g.x0, g.first))
    return found


def _facing(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Pairs (left, right) of next neighbours on a line, as indices, the lower index first in a pair's order."""
    pairs: list[tuple[int, int]] = []
    nearest: list[tuple[float, int] | None] = [None] * len(pieces)
    for i, a in enumerate(pieces):
        for j in range(i + 1, min(len(pieces), i + _NEIGHBOURS)):
            b = pieces[j]
            if b.yc - a.yc > 0.6 * max(a.y1 - a.y0, b.y1 - b.y0):
                break
            if vertical_overlap(a, b) < 0.4:
                continue
            left, right = (i, j) if a.x0 <= b.x0 else (j, i)
            gap = pieces[right].x0 - pieces[left].x1
            known = nearest[left]
            if gap > 0 and (known is None or (gap, right) < known):
                nearest[left] = (gap, right)
    for left, known in enumerate(nearest):
        if known is not None:
            pairs.append((left, known[1]))
    return pairs


def _grow(pieces: Sequence[Piece], i: int, j: int, narrow: float) -> Gutter | None:
    lo, hi = pieces[i].x1, pieces[j].x0
    low, high = min(i, j), max(i, j)
    lo, hi, last = _extend(pieces, range(low, len(pieces)), lo, hi, narrow, high)
    lo, hi, first = _extend(pieces, range(last, -1, -1), lo, hi, narrow, low)
    if hi - lo < narrow:
        return None
    left = [p for p in pieces[first : last + 1] if p.x1 <= (lo + hi) / 2]
    right = [p for p in pieces[first : last + 1] if p.x0 >= (lo + hi) / 2]
    paired = min(count_paired(left, right), count_paired(right, left))
    return Gutter(lo, hi, first, last, paired)


def _extend(
    pieces: Sequence[Piece], way: range, lo: float, hi: float, narrow: float, least: int
) -> tuple[float, float, int]:
    """Walk along `way`, narrowing the strip `lo..hi`; the result is the strip and the index where both sides last
    had text. Lines that only one side has do not narrow it for good: they may not belong to the columns at all.
    """
    kept = (lo, hi, least)
    left: Piece | None = None
    right: Piece | None = None
    for k in way:
        p = pieces[k]
        if p.x1 > lo and p.x0 < hi and _reaches_in(p, lo, hi):
            room_left, room_right = p.x0 - lo, hi - p.x1
            if max(room_left, room_right) < narrow:
                if way.step > 0 and k <= least:
                    continue
                break
            if room_right >= room_left:
                lo = p.x1
            else:
                hi = p.x0
        if p.x0 + p.x1 <= lo + hi:
            left = p
            partner = right
        else:
            right = p
            partner = left
        if partner is not None and vertical_overlap(p, partner) > 0.4:
            kept = (lo, hi, k if way.step < 0 else max(k, least))
    return kept


def count_paired(side: Sequence[Piece], other: Sequence[Piece]) -> int:
    """How many lines of `side` have a line of `other` beside them. Both in canonical order."""
    count, start = 0, 0
    level = -1.0  # words of one line count once
    tallest = max((p.y1 - p.y0 for p in other), default=0.0)
    for p in side:
        while start < len(other) and other[start].yc < p.y0 - tallest / 2:
            start += 1
        for k in range(start, len(other)):
            if other[k].y0 > p.y1 and other[k].yc > p.y1 + tallest / 2:
                break
            if vertical_overlap(p, other[k]) > 0.4:
                if p.yc > level + 0.5 * p.size:
                    count += 1
                    level = p.yc
                break
    return count


def sections(pieces: Sequence[Piece], gutter: Gutter) -> list[Gutter]:
    """A gutter in parts, top to bottom, cut where white runs right across its band, or a line in larger
    type begins: what stands above (addresses, say) and below (a table) may be of different kinds.
    """
    cuts = [gutter.first]
    low = pieces[gutter.first].y1
    for k in range(gutter.first + 1, gutter.last + 1):
        white = (pieces[k].y0 - low) / pieces[k].size
        if white > 1.2 or (white > 0.3 and pieces[k].size > 1.25 * pieces[k - 1].size):
            cuts.append(k)
        low = max(low, pieces[k].y1)
    if len(cuts) == 1:
        return []
    parts = []
    for first, end in itertools.pairwise([*cuts, gutter.last + 1]):
        stop = _without_lone_end(pieces, first, end)
        left = [p for p in pieces[first:stop] if p.x1 <= gutter.middle]
        right = [p for p in pieces[first:stop] if p.x0 >= gutter.middle]
        paired = min(count_paired(left, right), count_paired(right, left))
        if paired >= 3:
            x0 = max(p.x1 for p in left)
            x1 = min(p.x0 for p in right)
            parts.append(Gutter(x0, x1, first, stop - 1, paired))
    return parts


def _without_lone_end(pieces: Sequence[Piece], first: int, stop: int) -> int:
    """Where a part ends before a last line that has white above it and none beside it: it belongs to what follows."""
    last, above = pieces[stop - 1], max((p.y1 for p in pieces[first : stop - 1]), default=1.0)
    return stop - 1 if last.y0 - above > 0.8 * last.size else stop


def is_strong(pieces: Sequence[Piece], gutter: Gutter) -> bool:
    """Does the strip run along so many lines that it cannot be gaps between words that chance to meet?

    Lines that stand alone beside it count, too: within running text the very next line bars a strip.
    """
    size = median(p.size for p in pieces[gutter.first : gutter.last + 1])
    if wide_enough(gutter, size):
        return True
    first, last = with_lone(pieces, gutter)
    band = pieces[first : last + 1]
    return all(_levels([p for p in band if (p.x1 <= gutter.middle) is left]) >= 5 for left in (True, False))


def _levels(pieces: Sequence[Piece]) -> int:
    """How many lines of text the pieces make."""
    count, level = 0, -1.0
    for p in pieces:
        if p.yc > level + 0.5 * p.size:
            count += 1
            level = p.yc
    return count


def with_lone(pieces: Sequence[Piece], gutter: Gutter) -> tuple[int, int]:
    """The gutter's band with all lines above and below that stand clear of it."""
    first, last = gutter.first, gutter.last
    while first > 0 and not bars(pieces[first - 1], gutter):
        first -= 1
    while last + 1 < len(pieces) and not bars(pieces[last + 1], gutter):
        last += 1
    return first, last


def bars(piece: Piece, gutter: Gutter) -> bool:
    """Does a piece reach across the strip? One that reaches in by a little is a line as long as its column's longest:
    ends differ by hairs.
    """
    return piece.x1 > gutter.x0 and piece.x0 < gutter.x1 and _reaches_in(piece, gutter.x0, gutter.x1)


def _reaches_in(piece: Piece, lo: float, hi: float) -> bool:
    width = hi - lo
    return min(piece.x1 - lo, hi - piece.x0) > max(_SLACK * width, min(_HAIR * piece.size, _HALF * width))


def wide_enough(gutter: Gutter, size: float) -> bool:
    """The fewer lines a strip runs along, the wider it has to be."""
    width = (gutter.x1 - gutter.x0) / size
    return gutter.paired >= 3 and width >= (0.5 if gutter.paired >= 10 else 0.75 if gutter.paired >= 6 else 1.2)
