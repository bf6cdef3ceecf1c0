"""Ruling lines from side to side between parts of a newspaper's page: what is above is read before what is below.

A line across the page alone tells nothing: where paper was folded, it looks the same and the columns run on. But lines
between columns end at one that divides, and go on over a fold. Knows ruling lines and pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.layout.grid import Rule
from worker.layout.pieces import Piece

_WIDTH = 0.9  # of the text's width
_NEAR = 4.0  # type sizes between a dividing line and the end of one between columns: a heading may stand there
_TALL = 5.0  # type sizes: less is no line between columns
_LINES, _WORDS = 3, 3  # of running text on each side of a line between columns, at least
_LEVEL = 0.004  # page heights: what is left of a line that was seen in pieces


def dividing(groups: Sequence[Sequence[Rule]], pieces: Sequence[Piece]) -> list[float]:
    """How far down the page the dividing lines lie, from the top. `groups` are ruling lines that touch."""
    if not pieces:
        return []
    rules = [rule for group in groups for rule in group]
    size = sorted(p.size for p in pieces)[len(pieces) // 2]
    left, right = min(p.x0 for p in pieces), max(p.x1 for p in pieces)
    between = [rule for rule in rules if not rule.level and _parts_columns(rule, pieces, size)]
    found: list[float] = []
    for rule in sorted((rule for rule in rules if rule.level), key=lambda r: r.y0):
        y = (rule.y0 + rule.y1) / 2
        if found and y - found[-1] < size:
            continue
        line = [r for r in rules if r.level and abs((r.y0 + r.y1) / 2 - y) < _LEVEL]
        wide = sum(max(0.0, min(r.x1, right) - max(r.x0, left)) for r in line) > _WIDTH * (right - left)
        ends = any(min(abs(b.y0 - y), abs(b.y1 - y)) < _NEAR * size for b in between)
        crossed = any(b.y0 < y - size and b.y1 > y + size for b in between)
        if wide and ends and not crossed and not any(p.y0 + 0.3 * p.size < y < p.y1 - 0.3 * p.size for p in pieces):
            found.append(y)
    return found


def _parts_columns(rule: Rule, pieces: Sequence[Piece], size: float) -> bool:
    """Does running text stand on both sides of an upright line, and none across it?"""
    if rule.y1 - rule.y0 < _TALL * size:
        return False
    beside = [p for p in pieces if rule.y0 < p.yc < rule.y1]
    text = [p for p in beside if len(p.tokens) >= _WORDS]
    x = (rule.x0 + rule.x1) / 2
    sides = (sum(p.x1 <= x + 0.3 * size for p in text), sum(p.x0 >= x - 0.3 * size for p in text))
    return min(sides) >= _LINES and not any(p.x0 < x - size and p.x1 > x + size for p in beside)
