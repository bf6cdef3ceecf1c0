"""A part of an upright page that stands on its side: a wide table on a page of a book.

Its cells are hardly higher than wide, so that a detector takes them for level ones and they are misread. The part is
found by what is plainly higher than wide, read anew with the page turned, and believed where that gives more text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from index.types import Box
from worker.engine.geometry import Slab, turn_pixels
from worker.layout.lines import Composed, Line

_TALL = 1.15  # height over width of what may stand
_STANDING = 2.5  # and of what surely does
_LYING = 2.5  # width over height of what surely does not
_FEWEST, _FEWEST_STANDING = 8, 3
_REACH = 3.0  # heights of a line between two that belong together, from each
_STRAY = 0.1  # of the slabs in a part may lie
_READ = 0.8  # score of a line that counts as read
_MORE, _AS_MUCH = 1.05, 0.95  # times as much text
_LONG, _FEWEST_LONG = 12.0, 3  # a line of running text, as long as so many of its heights

Pixels = tuple[int, int, int, int]  # left, top, right, bottom


def turned_part(slabs: Sequence[Slab], width: int, height: int) -> Pixels | None:
    """Where text may stand on its side on a page, the largest such part; None where there is none."""
    tall = [item for item in slabs if item.height > _TALL * item.width]
    if len(tall) < _FEWEST_STANDING or len(tall) == len(slabs):
        return None
    common = float(np.median([item.short_side for item in slabs]))
    group = max(_near(tall, _REACH * common), key=len)
    standing = [item for item in group if item.height > _STANDING * max(item.width, common)]
    long = [item for item in standing if item.height > _LONG * item.width]
    if len(long) < _FEWEST_LONG and (len(group) < _FEWEST or len(standing) < _FEWEST_STANDING):
        return None
    boxes = np.array([_box(item) for item in group])
    left, top = boxes[:, :2].min(axis=0) - common
    right, bottom = boxes[:, 2:].max(axis=0) + common
    inside = [item for item in slabs if left < item.x < right and top < item.y < bottom]
    if sum(item.width > _LYING * item.height for item in inside) > _STRAY * len(inside):
        return None
    return max(0, int(left)), max(0, int(top)), min(width, int(right) + 1), min(height, int(bottom) + 1)


def _near(items: Sequence[Slab], reach: float) -> list[list[Slab]]:
    """Groups of slabs that stand near to each other, directly or through others."""
    boxes = np.array([_box(item) for item in items])
    left = list(range(len(items)))
    groups = []
    while left:
        group = [left.pop()]
        for k in group:
            x0, y0, x1, y1 = boxes[k]
            near = [
                n
                for n in left
                if boxes[n][0] - x1 < 2 * reach
                and x0 - boxes[n][2] < 2 * reach
                and boxes[n][1] - y1 < 2 * reach
                and y0 - boxes[n][3] < 2 * reach
            ]
            group.extend(near)
            left = [n for n in left if n not in near]
        groups.append([items[k] for k in group])
    return groups


def _box(item: Slab) -> tuple[float, float, float, float]:
    return (
        item.x - item.width / 2,
        item.y - item.height / 2,
        item.x + item.width / 2,
        item.y + item.height / 2,
    )


def parted(lines: Sequence[Line], part: Pixels, width: int, height: int) -> tuple[list[Line], list[Line]]:
    """The lines whose middle is in a part of the page, and the others."""
    left, top, right, bottom = part
    inside: list[Line] = []
    outside: list[Line] = []
    for line in lines:
        x, y = (line.page_box.x0 + line.page_box.x1) / 2 * width, (line.page_box.y0 + line.page_box.y1) / 2 * height
        (inside if left <= x <= right and top <= y <= bottom else outside).append(line)
    return inside, outside


Reading = tuple[Composed, Sequence[Line]]


def read_turned(
    pixels: np.ndarray, part: Pixels, lines: Sequence[Line], read: Callable[[np.ndarray], Reading]
) -> Reading | None:
    """The part read on its side, with its boxes on the page; None where that gives no more text than `lines`, which are
    what was read in it so far: the heads of narrow columns are left where they are. `read` reads an upright picture.
    """
    left, top, right, bottom = part
    readings = {way: read(turn_pixels(pixels[top:bottom, left:right], way)) for way in (90, 270)}
    # Letters tell which way is up; figures may be read either way.
    way = max(readings, key=lambda way: _letters(readings[way][1]))
    composed, found = readings[way]
    # Running text reads well as it stands, line by line, and in no order.
    length, across = bottom - top, right - left
    long = [line for line in found if (line.box.x1 - line.box.x0) * length > _LONG * line.size * across]
    least = _AS_MUCH if len(long) >= _FEWEST_LONG else _MORE
    if _weight(found) < least * _weight(lines) or _letters(found) < _AS_MUCH * _letters(lines):
        return None
    height, width = pixels.shape[:2]
    wide, high = (right - left) / width, (bottom - top) / height

    def placed(box: Box) -> Box:
        upright = (box.y0, 1 - box.x1, box.y1, 1 - box.x0) if way == 90 else (1 - box.y1, box.x0, 1 - box.y0, box.x1)
        x0, y0, x1, y1 = upright
        return Box(
            left / width + x0 * wide, top / height + y0 * high, left / width + x1 * wide, top / height + y1 * high
        )

    return replace(
        composed,
        regions=tuple(replace(region, box=placed(region.box)) for region in composed.regions),
        words=tuple(replace(word, box=placed(word.box)) for word in composed.words),
    ), found


def _weight(lines: Sequence[Line]) -> int:
    """How much was read: characters of lines that were read with some certainty."""
    return sum(len(line.text) for line in lines if line.score >= _READ)


def _letters(lines: Sequence[Line]) -> int:
    return sum(character.isalpha() for line in lines if line.score >= _READ for character in line.text)
