"""Gutters: upright strips of white with text of its own on both sides.

A gutter starts from the gap between two neighbours on a line and grows up and down over the lines
around it, narrowing as they reach into it, until a piece bars the way. So it is measured over all
its lines and never on one, bears ragged edges and indents, and ends by itself at a full-width
heading. Growing does not say what a gutter divides: columns of prose, blocks set side by side,
cells of a table, a label and its value. `judge` decides that from what stands beside it.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from worker.layout.kinds import is_enumerator, is_label, is_numeric, starts_small
from worker.layout.pieces import Piece, vertical_overlap

_NARROWEST = 0.42  # in type sizes; readers' boxes stand out beyond the letters, so that a gutter looks narrower
_NEIGHBOURS = 48  # how far along the canonical order the partner on the same line is looked for


class Divides(enum.Enum):
    """What stands on the two sides of a gutter."""

    COLUMNS = "columns"  # running text on both sides, read one after the other
    BLOCKS = "blocks"  # short things set side by side (two addresses, a note), read one after the other, too
    CELLS = "cells"  # parts of the same lines (a table, a label and its value), read row by row


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


@dataclass(frozen=True, slots=True)
class _Side:
    """What stands along one side of a gutter."""

    pieces: list[Piece]
    prose: bool
    pitch: float  # median distance of lines in type sizes

    @property
    def lines(self) -> int:
        return len(self.pieces)


def find_gutters(pieces: Sequence[Piece]) -> list[Gutter]:
    """All gutters among pieces in canonical order, tallest first."""
    found: list[Gutter] = []
    size = median(p.size for p in pieces) if pieces else 0.0
    for i, j in _facing(pieces):
        a, b = pieces[i], pieces[j]
        middle = (a.x1 + b.x0) / 2
        if any(g.first <= i and j <= g.last and g.x0 <= b.x0 and a.x1 <= g.x1 for g in found):
            continue
        narrow = _NARROWEST * size
        if b.x0 - a.x1 < narrow or middle <= 0:
            continue
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
    paired = min(_paired(left, right), _paired(right, left))
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
        if p.x1 > lo and p.x0 < hi:
            room_left, room_right = p.x0 - lo, hi - p.x1
            if max(room_left, room_right) < narrow:
                if way.step > 0 and k <= least:
                    continue
                break
            if room_right >= room_left:
                lo = p.x1
            else:
                hi = p.x0
        if p.x1 <= lo:
            left = p
            partner = right
        else:
            right = p
            partner = left
        if partner is not None and vertical_overlap(p, partner) > 0.4:
            kept = (lo, hi, k if way.step < 0 else max(k, least))
    return kept


def _paired(side: Sequence[Piece], other: Sequence[Piece]) -> int:
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


def judge(pieces: Sequence[Piece], gutter: Gutter, others: Sequence[Gutter] = ()) -> Divides:
    """What a gutter divides.

    `others` are the gutters of the same pieces: only the columns next to this one are looked at.
    """
    middle = gutter.middle
    beside = [
        g.middle
        for g in others
        if min(g.last, gutter.last) - max(g.first, gutter.first) > 0.6 * (gutter.last - gutter.first)
    ]
    start = max((x for x in beside if x < gutter.x0), default=-1.0)
    stop = min((x for x in beside if x > gutter.x1), default=1e9)
    first, last = _with_lone(pieces, gutter)
    band = [p for p in pieces[first : last + 1] if p.x1 > start and p.x0 < stop]
    left = _side([p for p in band if p.x1 <= middle], nearest_right=True)
    right = _side([p for p in band if p.x0 >= middle], nearest_right=False)
    if left.prose and right.prose:
        wide = gutter.x1 - gutter.x0 > 0.5 * median(p.size for p in band)
        return Divides.COLUMNS if wide or gutter.paired >= 5 else Divides.CELLS
    band = [p for p in pieces[gutter.first : gutter.last + 1] if p.x1 > start and p.x0 < stop]
    left = _side([p for p in band if p.x1 <= middle], nearest_right=True)
    right = _side([p for p in band if p.x0 >= middle], nearest_right=False)
    if min(left.lines, right.lines) < 2:
        return Divides.CELLS
    if _share(left.pieces, lambda p: is_enumerator(p.text) or is_bullet_like(p)) > 0.5:
        return Divides.CELLS
    size = median(p.size for p in band)
    if not _wide_enough(gutter, size):
        return Divides.CELLS
    aligned = _aligned(left.pieces, right.pieces)
    numbers = [_share(s.pieces, lambda p: is_numeric(p.text)) for s in (left, right)]
    # Two columns of figures are a table's even where none stand level: a sum is either paid in or paid out.
    if min(numbers) > 0.5 or (max(numbers) > 0.5 and aligned > 0.5):
        return Divides.CELLS
    if _share(left.pieces, lambda p: is_label(p.text)) > 0.4 and aligned > 0.6:
        return Divides.CELLS
    if aligned < 0.55:
        return Divides.BLOCKS  # lines that pay no heed to each other: independent blocks
    few, many = (left, right) if left.lines <= right.lines else (right, left)
    if many.prose:
        # A column of notes has lines of its own close together; labels stand alone, one to an entry.
        notes = few.pitch < 1.7 and few.lines >= 3 and aligned < 0.9
        return Divides.BLOCKS if notes else Divides.CELLS
    across = pieces[gutter.first : gutter.last + 1]
    cells = len(across) / max(left.lines, right.lines)
    width = gutter.x1 - gutter.x0
    if left.pitch > 1.62 or right.pitch > 1.62 or width < 1.5 * size:
        return Divides.CELLS  # rows set apart, as a table's are
    if cells >= 2.5:
        # More than two on a row: a table, unless this gutter is far wider than its neighbours.
        next_widest = max(
            (g.x1 - g.x0 for g in others if g.first <= gutter.last and gutter.first <= g.last and g != gutter),
            default=0.0,
        )
        return Divides.BLOCKS if width > 8 * size and width > 2 * next_widest else Divides.CELLS
    alike = max(left.lines, right.lines) <= 9 or _alike(left.pieces, right.pieces)
    return Divides.BLOCKS if alike else Divides.CELLS


def sections(pieces: Sequence[Piece], gutter: Gutter) -> list[Gutter]:
    """A gutter in parts, top to bottom, cut where white runs right across its band: what stands above such white
    (addresses, say) and below it (a table) may be of different kinds.
    """
    cuts = [gutter.first]
    low = pieces[gutter.first].y1
    for k in range(gutter.first + 1, gutter.last + 1):
        if pieces[k].y0 - low > 1.2 * pieces[k].size:
            cuts.append(k)
        low = max(low, pieces[k].y1)
    if len(cuts) == 1:
        return []
    parts = []
    for first, stop in itertools.pairwise([*cuts, gutter.last + 1]):
        left = [p for p in pieces[first:stop] if p.x1 <= gutter.middle]
        right = [p for p in pieces[first:stop] if p.x0 >= gutter.middle]
        paired = min(_paired(left, right), _paired(right, left))
        if paired >= 3:
            x0 = max(p.x1 for p in left)
            x1 = min(p.x0 for p in right)
            parts.append(Gutter(x0, x1, first, stop - 1, paired))
    return parts


def is_strong(pieces: Sequence[Piece], gutter: Gutter) -> bool:
    """Does the strip run along so many lines that it cannot be gaps between words that chance to meet?

    Lines that stand alone beside it count, too: within running text the very next line bars a strip.
    """
    size = median(p.size for p in pieces[gutter.first : gutter.last + 1])
    if _wide_enough(gutter, size):
        return True
    first, last = _with_lone(pieces, gutter)
    band = pieces[first : last + 1]
    return all(_levels([p for p in band if (p.x1 <= gutter.middle) is left]) >= 5 for left in (True, False))


def is_level(pieces: Sequence[Piece], gutter: Gutter) -> bool:
    """Do the lines of both sides mostly stand level with each other?"""
    band = pieces[gutter.first : gutter.last + 1]
    return _aligned([p for p in band if p.x1 <= gutter.middle], [p for p in band if p.x0 >= gutter.middle]) > 0.8


def _levels(pieces: Sequence[Piece]) -> int:
    """How many lines of text the pieces make."""
    count, level = 0, -1.0
    for p in pieces:
        if p.yc > level + 0.5 * p.size:
            count += 1
            level = p.yc
    return count


def _alike(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    """Two columns of one list are of one make; the columns of a table seldom are."""
    widths = [max(p.x1 for p in side) - min(p.x0 for p in side) for side in (left, right)]
    lengths = [sum(len(p.text) for p in side) / len(side) for side in (left, right)]
    return min(widths) > 0.6 * max(widths) and min(lengths) > 0.6 * max(lengths)


def _with_lone(pieces: Sequence[Piece], gutter: Gutter) -> tuple[int, int]:
    """The gutter's band with all lines above and below that stand clear of it."""
    first, last = gutter.first, gutter.last
    while first > 0 and not (pieces[first - 1].x1 > gutter.x0 and pieces[first - 1].x0 < gutter.x1):
        first -= 1
    while last + 1 < len(pieces) and not (pieces[last + 1].x1 > gutter.x0 and pieces[last + 1].x0 < gutter.x1):
        last += 1
    return first, last


def _wide_enough(gutter: Gutter, size: float) -> bool:
    """The fewer lines a strip runs along, the wider it has to be."""
    width = (gutter.x1 - gutter.x0) / size
    return gutter.paired >= 3 and width >= (0.5 if gutter.paired >= 10 else 0.75 if gutter.paired >= 6 else 1.2)


def is_bullet_like(piece: Piece) -> bool:
    """One lone mark: readers take bullets for "o", "e", "0" and the like."""
    return len(piece.text) == 1


def _share(pieces: Sequence[Piece], test) -> float:  # noqa: ANN001
    return sum(1 for p in pieces if test(p)) / max(1, len(pieces))


def _side(pieces: list[Piece], *, nearest_right: bool) -> _Side:
    """The pieces next to the gutter: of several on a line only the one that faces it."""
    facing: list[Piece] = []
    for i, p in enumerate(pieces):
        hidden = False
        for q in pieces[max(0, i - 6) : i + 7]:
            nearer = q.x0 >= p.x1 if nearest_right else q.x1 <= p.x0
            if nearer and vertical_overlap(p, q) > 0.5:
                hidden = True
                break
        if not hidden:
            facing.append(p)
    if not facing:
        return _Side([], False, 0.0)
    widths = sorted(p.x1 - p.x0 for p in facing)
    width = max(widths[int(0.88 * (len(widths) - 1) + 0.5)], 1e-9)  # a heading may be wider than its column
    # Weighed by characters, so that headings and the last lines of paragraphs count for little.
    total = sum(len(p.text) for p in facing)
    full = sum(len(p.text) for p in facing if p.x1 - p.x0 >= 0.72 * width) / total
    wordy = sum(len(p.text) for p in facing if len(p.tokens) >= 3) / total
    # Lines of running text begin with small letters more often than not; cells and addresses do not.
    runs_on = _share(facing[1:], lambda p: starts_small(p.text))
    prose = len(facing) >= 3 and total >= 15 * len(facing) and wordy >= 0.7 and full >= (0.5 if runs_on >= 0.3 else 0.8)
    steps = [(b.yc - a.yc) / max(a.size, b.size) for a, b in itertools.pairwise(facing)]
    steps = [step for step in steps if step > 0.4]
    return _Side(facing, prose, median(steps) if steps else 9.0)


def _aligned(left: Sequence[Piece], right: Sequence[Piece]) -> float:
    """The share of the shorter side's lines that stand level with a line of the other side."""
    few, many = (left, right) if len(left) <= len(right) else (right, left)
    level = 0
    for p in few:
        if any(abs(p.yc - q.yc) < 0.3 * min(p.size, q.size) for q in many):
            level += 1
    return level / max(1, len(few))
