"""Cards side by side without frames, their lines level. Knows pieces and no page."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from worker.layout.pieces import Piece

_FEWEST = 4  # lines level with each other
_STEPS = (0.8, 4.0)  # type sizes: lines are set in by more than the one, and no card's by more than the other
_FIGURES = 0.3  # of the lines: cards have fewer without a word
_SET_IN = (0.25, 0.85)  # of the lines on both
_ALIKE = 0.8
_MOST_HEADS = 2  # lines of a card before those that are set in: what it is found by


def are_cards(left: Sequence[Piece], right: Sequence[Piece], size: float) -> bool:
    """Are lines on both sides, in canonical order, set in alike, as entries are? The values of a table are not, or are
    figures; and where a letter's head stands over a table, more lines come first, or the table begins further in.
    """
    if sum(not any(map(str.isalpha, p.text)) for p in right) > _FIGURES * len(right):
        return False
    edges = [min((p.x0 for p in side), default=0.0) for side in (left, right)]
    heights = [q.yc for q in right]
    level = [
        (bisect_left(_STEPS, (p.x0 - edges[0]) / size), bisect_left(_STEPS, (q.x0 - edges[1]) / size))
        for p in left
        for q in right[bisect_right(heights, p.yc - 0.5 * size) : bisect_left(heights, p.yc + 0.5 * size)]
    ]
    alike = sum((a > 0) == (b > 0) and max(a, b) < len(_STEPS) for a, b in level)
    both = sum(a > 0 < b for a, b in level)
    if len(level) < _FEWEST or alike <= _ALIKE * len(level):
        return False
    if all(pair == (0, 0) for pair in level[: _MOST_HEADS + 1]):
        return False
    return _SET_IN[0] < both / len(level) < _SET_IN[1]
