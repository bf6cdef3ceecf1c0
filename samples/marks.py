"""What a set page is made of: words at their baselines, strokes, and atoms of them; the style that shapes them.

Units are points, origin top left, y down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from samples.fonts import width

_NUMBER = re.compile(r"^[£(+-]?[\d][\d,.:%-]*\)?$|^[-–—]$")


@dataclass(frozen=True, slots=True)
class Style:
    """How a document looks: faces, sizes and margins in points; `typed` letters stand unevenly when drawn.

    `size` is what a full page gets; a page with room to spare is set up to `growth` times as large.
    """

    body: str = "times"
    head: str = "times"
    value: str = "courier"
    size: float = 11.0
    growth: float = 1.12
    leading: float = 1.3
    margin: float = 64.0
    gutter: float = 20.0
    justify: bool = False
    indent: bool = False
    typed: bool = False
    column_rule: bool = False
    paper: str = "a4"
    landscape: bool = False


@dataclass(frozen=True, slots=True)
class Glyphs:
    """A word at its baseline."""

    text: str
    x: float
    y: float
    family: str
    style: str
    size: float
    colour: str = "ink"


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points, closed and filled with a grey (0..1) when `fill` is given."""

    points: tuple[tuple[float, float], ...]
    weight: float = 0.7
    fill: float | None = None
    colour: str = "ink"


Mark = Glyphs | Stroke


@dataclass(slots=True)
class Atom:
    """What is not split between columns: marks relative to its own top left, a height, space above it."""

    height: float
    marks: list[Mark] = field(default_factory=list)
    before: float = 0.0
    keep: bool = False


def moved(mark: Mark, dx: float, dy: float) -> Mark:
    """The same mark elsewhere."""
    if isinstance(mark, Glyphs):
        return replace(mark, x=mark.x + dx, y=mark.y + dy)
    return replace(mark, points=tuple((x + dx, y + dy) for x, y in mark.points))


def wrap(text: str, family: str, style: str, size: float, wide: float, indent: float = 0.0) -> list[list[str]]:
    """The words of a text, line by line, the first begun after an indent. A word wider than the column stands alone."""
    lines: list[list[str]] = [[]]
    used, space = indent, width(" ", family, style, size)
    for word in text.split():
        needs = width(word, family, style, size)
        if lines[-1] and used + space + needs > wide:
            lines.append([])
            used = 0.0
        used += needs + (space if lines[-1] else 0.0)
        lines[-1].append(word)
    return lines


def is_number(cell: str) -> bool:
    """Whether a table cell is set to the right."""
    return bool(_NUMBER.match(cell))
