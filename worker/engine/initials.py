"""Initials over several lines: the large first letter of a chapter or an article.

A detector takes it and the lines beside it for one thing, in which nothing is read, and whole lines are lost. Such a
place is looked at again with the letter painted over; the letter is a slab of its own then.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from worker.engine.again import around, covered, inside, meet, with_found
from worker.engine.geometry import Slab

_TALL = 1.5  # times the page's common line: two things taken for one
_LONG = 4.0  # times as long as high, by the common line
_LETTER, _HUGE = 1.2, 8.0  # common lines; print is no higher than three quarters of one, an initial than that
_INK = 0.6  # of the paper's light and less
_MARK = 0.3  # common lines: what is lower may be a speck or a quotation mark
_FEWEST = 2  # lines beside an initial


def without_initials(
    pixels: np.ndarray,
    slabs: Sequence[Slab],
    known: MutableMapping[int, Any],
    find: Callable[[np.ndarray], Sequence[Slab]],
) -> list[Slab]:
    """The slabs of a page `(height, width, 3)`, those of an initial and its lines together replaced by one for each.
    `known`, readings by the index of their slab, is brought in step.
    """
    if not slabs:
        return []
    common = float(np.median([item.short_side for item in slabs]))
    replaced: set[int] = set()
    found: list[Slab] = []
    for index, item in enumerate(slabs):
        if index in replaced or item.height < _TALL * common or item.width < _LONG * common:
            continue
        met = [k for k, other in enumerate(slabs) if k not in replaced and (k == index or meet(item, other))]
        left, top, right, bottom = around([slabs[k] for k in met], pixels.shape, common)
        part = pixels[top:bottom, left:right]
        letter = _initial(part, covered(item, left, top, part.shape), common)
        if letter is None:
            continue
        cleaned, box = letter
        lines = [replace(line, x=line.x + left, y=line.y + top) for line in find(cleaned)]
        others = [other for k, other in enumerate(slabs) if k not in met]
        lines = [line for line in lines if line.height < _TALL * common]
        lines = [line for line in lines if not any(inside(line, other) for other in (*others, *found))]
        initial = Slab(left + box[0], top + box[1], box[2], box[3], item.angle, item.score)
        if sum(abs(line.y - initial.y) < initial.height / 2 + common for line in lines if inside(line, item)) < _FEWEST:
            continue
        found.extend((initial, *lines))
        replaced.update(k for k in met if k == index or any(meet(line, slabs[k]) for line in lines))
    return with_found(slabs, known, replaced, found) if replaced else list(slabs)


def _initial(
    part: np.ndarray, mask: np.ndarray, common: float
) -> tuple[np.ndarray, tuple[float, float, float, float]] | None:
    """The part without the one letter that is far higher than all else in `mask` and stands before it, and that
    letter's middle and size; None where there is none: a heading has many such letters, a picture other marks.
    """
    grey = part.mean(axis=2)
    paper = float(np.percentile(grey[mask], 80))
    ink = ((grey < _INK * paper) & mask).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(ink)
    heights = boxes[:, cv2.CC_STAT_HEIGHT]
    tall = [k for k in range(1, count) if heights[k] >= _LETTER * common]
    if len(tall) != 1 or heights[tall[0]] > _HUGE * common:
        return None
    x, y, width, height = (int(value) for value in boxes[tall[0]][:4])
    before = [k for k in range(1, count) if heights[k] >= _MARK * common and boxes[k][0] + boxes[k][2] / 2 < x]
    if before or width > 2 * height:
        return None
    letter = cv2.dilate((labels == tall[0]).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    cleaned = part.copy()
    cleaned[letter] = np.percentile(part[mask], 80, axis=0).astype(np.uint8)
    room = 0.15 * height
    return cleaned, (x + width / 2, y + height / 2, width + room, height + room)
