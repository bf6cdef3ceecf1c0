"""What a gutter divides, by what stands on its two sides.

Columns fill their lines and go on with small letters; blocks pay no heed to each other's lines; cells stand level, are
numbers, or a label and its value. Only what is next to the gutter counts: of a row of columns the nearest two.
"""

from __future__ import annotations

import enum
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from worker.layout.accounts import are_accounts
from worker.layout.cards import are_cards
from worker.layout.fields import are_fields, are_terms, are_values
from worker.layout.gutters import Gutter, wide_enough, with_lone
from worker.layout.kinds import (
    ends_in_leader,
    has_leader,
    is_entry,
    is_enumerator,
    is_label,
    is_numeric,
    starts_small,
)
from worker.layout.letters import APART, are_signed, is_address_beside
from worker.layout.listed import list_goes_on
from worker.layout.pieces import Piece, vertical_overlap
from worker.layout.sequence import step_of
from worker.layout.tables import keeps_edge

_FEWEST_PROSE = 5  # lines; of fewer short ones it cannot be told
_FEWEST_LABELS, _LABEL = 4, 20.0  # within a figure, and their characters
_OFF = 3.0  # type sizes between them and the text where all are level with lines of it
_LONG_LINE = 28  # characters
_BESIDE = 8.0  # type sizes: values are no further from their names than that


class Divides(enum.Enum):
    """What stands on the two sides of a gutter."""

    COLUMNS = "columns"  # running text on both sides, read one after the other
    BLOCKS = "blocks"  # short things set side by side (two addresses, a note), read one after the other, too
    CELLS = "cells"  # parts of the same lines (a table, a label and its value), read row by row


@dataclass(frozen=True, slots=True)
class _Side:
    """What stands along one side of a gutter."""

    pieces: list[Piece]
    prose: bool
    pitch: float  # median distance of lines in type sizes

    @property
    def lines(self) -> int:
        return len(self.pieces)


@dataclass(frozen=True)
class _Band:
    """What stands along a gutter between its neighbours. What a rule asks for is worked out when it is first asked."""

    gutter: Gutter
    pieces: Sequence[Piece]  # of the page
    others: Sequence[Gutter]
    within: Sequence[Piece]  # along the gutter, also beyond its neighbours
    left: _Side
    right: _Side
    size: float  # of the type

    @property
    def sides(self) -> tuple[_Side, _Side]:
        return self.left, self.right

    @property
    def width(self) -> float:
        return self.gutter.x1 - self.gutter.x0

    @cached_property
    def labels(self) -> tuple[float, float]:
        """The shares of labels left and right."""
        left, right = (_share(side.pieces, lambda p: is_label(p.text)) for side in self.sides)
        return left, right

    @cached_property
    def aligned(self) -> float:
        return _aligned(self.left.pieces, self.right.pieces)


def judge(pieces: Sequence[Piece], gutter: Gutter, others: Sequence[Gutter] = ()) -> Divides:
    """What a gutter divides.

    `others` are the gutters of the same pieces: only the columns next to this one are looked at.
    """
    beside = [
        g.middle
        for g in others
        if min(g.last, gutter.last) - max(g.first, gutter.first) > 0.6 * (gutter.last - gutter.first)
    ]
    within = pieces[gutter.first : gutter.last + 1]
    start = next(
        (x for x in sorted(beside)[::-1] if x < gutter.x0 and not _numbers_lines(within, x, gutter.middle)), -1.0
    )
    stop = next((x for x in sorted(beside) if x > gutter.x1 and not _numbers_lines(within, gutter.middle, x)), 1e9)
    first, last = with_lone(pieces, gutter)
    lone = [p for p in pieces[first : last + 1] if p.x1 > start and p.x0 < stop]
    apart = list_goes_on(within, gutter, beside)
    if apart is not False and all(side.prose for side in _sides(lone, gutter)):
        wide = gutter.x1 - gutter.x0 > 0.5 * median(p.size for p in lone)
        return Divides.COLUMNS if wide or gutter.paired >= 5 else Divides.CELLS
    if apart or (apart is None and are_accounts(pieces[first : last + 1], gutter.middle)):
        return Divides.BLOCKS
    near = [p for p in within if p.x1 > start and p.x0 < stop]
    left, right = _sides(near, gutter)
    if apart is False or min(left.lines, right.lines) < 2:
        return Divides.CELLS
    band = _Band(gutter, pieces, others, within, left, right, median(p.size for p in near))
    return next(told for rule in _RULES if (told := rule(band)) is not None)


# Each rule says what the gutter divides, or None where it cannot tell. The first that can is believed: what is written
# on the two sides first, then how their lines stand to each other, then the white between them.


def _numbered(band: _Band) -> Divides | None:
    """Numbers or bullets, and beside them what they count."""
    numbered = _share(band.left.pieces, lambda p: is_enumerator(p.text) or is_bullet_like(p)) > 0.5
    return Divides.CELLS if numbered else None


def _letterhead(band: _Band) -> Divides | None:
    return Divides.BLOCKS if is_address_beside(band) or are_signed(band) else None


def _narrow(band: _Band) -> Divides | None:
    return None if wide_enough(band.gutter, band.size) else Divides.CELLS


def _index(band: _Band) -> Divides | None:
    """Columns of an index, level as its lines are."""
    entries = all(_share(side.pieces, lambda p: is_entry(p.text)) > 0.6 for side in band.sides)
    return Divides.BLOCKS if entries else None


def _price_list(band: _Band) -> Divides | None:
    """Columns of a list of prices: between two of them no dots lead on."""
    led = _share(band.right.pieces, _leads) > 0.6 and _led_to(band.left.pieces, band.within) > 0.6
    return Divides.BLOCKS if led else None


def _other_labels(band: _Band) -> Divides | None:
    """Labels with their values to the right of others with theirs."""
    left, right = band.labels
    return Divides.BLOCKS if right > 0.7 and left < 0.3 and band.right.lines >= 3 else None


def _figures(band: _Band) -> Divides | None:
    """Two columns of figures are a table's even where none stand level: a sum is either paid in or paid out."""
    numbers = [_share(side.pieces, lambda p: is_numeric(p.text)) for side in band.sides]
    if min(numbers) > 0.5 or (max(numbers) > 0.5 and band.aligned > 0.5):
        return Divides.CELLS
    # Sums or marks alone at the right edge, level with lines of which only some reach near to them.
    before = [p for p in band.within if p.x1 <= band.gutter.middle]
    alone = len(before) + band.right.lines == len(band.within) and numbers[1] > 0.9
    return Divides.CELLS if alone and _aligned(band.right.pieces, before) > 0.9 else None


def _values(band: _Band) -> Divides | None:
    """Labels or names of things, and level with them what they are."""
    left, right = ([p.text for p in side.pieces] for side in band.sides)
    if (band.labels[0] > 0.4 or are_fields(left, right)) and band.aligned > 0.6:
        return Divides.CELLS
    near = band.width < _BESIDE * band.size
    return Divides.CELLS if band.aligned > 0.8 and near and are_values(left, right) else None


def _heedless(band: _Band) -> Divides | None:
    """Lines that pay no heed to each other: independent blocks."""
    left, right = band.left.pitch, band.right.pitch
    uneven = band.aligned < 0.8 and abs(left - right) > 0.12 * max(left, right)
    return Divides.BLOCKS if band.aligned < 0.55 or uneven else None


def _both_prose(band: _Band) -> Divides | None:
    """Running text on both sides, though what stands alone above or below it is none."""
    lines = min(side.lines for side in band.sides)
    return Divides.COLUMNS if all(side.prose for side in band.sides) and lines >= _FEWEST_PROSE else None


def _figure(band: _Band) -> Divides | None:
    """Labels within a figure stand anywhere beside the text, and some of them level with a line by chance."""
    text, labels = band.sides if band.left.prose else band.sides[::-1]
    if labels.prose or not text.prose or not _FEWEST_LABELS <= labels.lines < text.lines:
        return None
    if _mean_length(labels) > _LABEL or (band.aligned > 0.9 and band.width < _OFF * band.size):
        return None
    return None if keeps_edge(labels.pieces, band.size) else Divides.COLUMNS


def _cards(band: _Band) -> Divides | None:
    return Divides.BLOCKS if are_cards(band.left.pieces, band.right.pieces, band.size) else None


def _defined(band: _Band) -> Divides | None:
    """Terms, and level with each the first line of what it means."""
    texts = [[p.text for p in side.pieces] for side in band.sides]
    first = [k for k, p in enumerate(band.right.pieces) if _aligned([p], band.left.pieces)]
    return Divides.CELLS if band.aligned > 0.9 and are_terms(*texts, first) else None


def _far_values(band: _Band) -> Divides | None:
    """Names, and columns of figures level with them, however far off the first of these begins."""
    if band.aligned < 0.9 or _share(band.left.pieces, lambda p: is_numeric(p.text)) > 0.2:
        return None
    values = [p for p in band.within if p.x0 >= band.gutter.x1 - 0.5 * band.size]
    several = len(values) > 1.5 * band.right.lines
    return Divides.CELLS if several and _share(values, lambda p: is_numeric(p.text)) > 0.5 else None


def _beside_prose(band: _Band) -> Divides | None:
    """A column of notes has lines of its own close together; labels stand alone, one to an entry."""
    few, many = sorted(band.sides, key=lambda side: side.lines)
    if not many.prose or (many.lines < _FEWEST_PROSE and _mean_length(many) < _LONG_LINE):
        return None
    return Divides.BLOCKS if few.pitch < 1.7 and few.lines >= 3 and band.aligned < 0.9 else Divides.CELLS


def _rows_apart(band: _Band) -> Divides | None:
    """Rows set apart, as a table's are, or cells close to each other."""
    apart = max(band.left.pitch, band.right.pitch) > APART
    return Divides.CELLS if apart or band.width < 1.5 * band.size else None


def _many_cells(band: _Band) -> Divides | None:
    """More than two on a row: a table, unless this gutter is far wider than its neighbours."""
    gutter = band.gutter
    if len(band.within) / max(band.left.lines, band.right.lines) < 2.5:
        return None
    next_widest = max(
        (
            g.x1 - g.x0
            for g in band.others
            if g.first <= gutter.last and gutter.first <= g.last and not _same(g, gutter)
        ),
        default=0.0,
    )
    if band.width <= 8 * band.size or band.width <= 2 * next_widest:
        return Divides.CELLS
    # A single column level with the rows, such as the initials of who wrote them, is theirs, however far off.
    single = sum(p.x0 >= gutter.middle for p in band.within) == band.right.lines
    return Divides.CELLS if single and band.aligned > 0.9 and band.right.lines > 2 else Divides.BLOCKS


def _one_list(band: _Band) -> Divides:
    """What is left stands level and close: short columns, or long ones of one make, are blocks."""
    alike = max(band.left.lines, band.right.lines) <= 9 or _alike(band.left.pieces, band.right.pieces)
    return Divides.BLOCKS if alike else Divides.CELLS


_RULES: tuple[Callable[[_Band], Divides | None], ...] = (
    *(_numbered, _letterhead, _narrow, _index, _price_list, _other_labels, _cards, _figures, _values),
    *(_heedless, _both_prose, _figure, _beside_prose, _rows_apart, _defined, _far_values, _many_cells, _one_list),
)


def _leads(piece: Piece) -> bool:
    return ends_in_leader(piece.text) or has_leader(piece.text)


def _led_to(ends: Sequence[Piece], pieces: Sequence[Piece]) -> float:
    """The share of pieces with which an entry ends: words, leading dots, a number. `pieces` are in canonical order."""
    heights = [q.yc for q in pieces]

    def is_end(p: Piece) -> bool:
        near = pieces[bisect_left(heights, p.yc - p.size) : bisect_right(heights, p.yc + p.size)]
        return has_leader(p.text) or any(
            q.x1 <= p.x0 and vertical_overlap(q, p) > 0.5 and ends_in_leader(q.text) for q in near
        )

    return _share(ends, is_end)


def _same(a: Gutter, b: Gutter) -> bool:
    """One strip, or a part of it."""
    return a.x0 < b.x1 and b.x0 < a.x1


def _numbers_lines(pieces: Sequence[Piece], start: float, stop: float) -> bool:
    """Do only the numbers of lines (5, 10, 15) stand between the two places, as between the columns of a patent?"""
    return step_of([p.text for p in pieces if p.x0 >= start and p.x1 <= stop]) in (1, 2, 4, 5, 10)


def _mean_length(side: _Side) -> float:
    return sum(len(p.text) for p in side.pieces) / len(side.pieces)


def _alike(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    """Two columns of one list are of one make; the columns of a table seldom are."""
    widths = [max(p.x1 for p in side) - min(p.x0 for p in side) for side in (left, right)]
    lengths = [sum(len(p.text) for p in side) / len(side) for side in (left, right)]
    return min(widths) > 0.6 * max(widths) and min(lengths) > 0.6 * max(lengths)


def is_bullet_like(piece: Piece) -> bool:
    """One lone mark: readers take bullets for "o", "e", "0" and the like."""
    return len(piece.text) == 1


def _share(pieces: Sequence[Piece], test) -> float:  # noqa: ANN001
    return sum(1 for p in pieces if test(p)) / max(1, len(pieces))


def _sides(band: Sequence[Piece], gutter: Gutter) -> tuple[_Side, _Side]:
    """What stands left and right of the gutter."""
    middle = gutter.middle
    left = _side([p for p in band if p.x1 <= middle], nearest_right=True)
    return left, _side([p for p in band if p.x0 >= middle], nearest_right=False)


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
    heights = [q.yc for q in many]  # ascending, as in the canonical order
    level = 0
    for p in few:
        near = many[bisect_left(heights, p.yc - p.size) : bisect_right(heights, p.yc + p.size)]
        level += any(abs(p.yc - q.yc) < 0.3 * min(p.size, q.size) for q in near)
    return level / max(1, len(few))


def is_level(pieces: Sequence[Piece], gutter: Gutter) -> bool:
    """Do the lines of both sides mostly stand level with each other?"""
    band = pieces[gutter.first : gutter.last + 1]
    return _aligned([p for p in band if p.x1 <= gutter.middle], [p for p in band if p.x0 >= gutter.middle]) > 0.8
