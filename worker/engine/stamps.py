"""Coloured ink over black print: a stamp on a letter, a registrar's blue pencil through its first line.

Where the two meet, a detector takes stamp and line for one thing, far higher than a line, in which nothing is read.
There the coloured ink is painted over with the paper's colour, and what is left is looked at again. What the stamp
says stays where it stands clear of the print. Grey scans do not tell one ink from the other.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from worker.engine.geometry import Slab

_TALL = 1.5  # times the page's common line: two things taken for one
_LONG = 4.0  # times as long as high, by the common line
_COLOUR = 45  # shades between what an ink takes from one colour of the light and from another
_INK = 70  # shades darker than the paper
_SHARE = 0.01  # of the pixels: enough ink of either kind to be writing


def without_stamps(
    pixels: np.ndarray,
    slabs: Sequence[Slab],
    known: MutableMapping[int, Any],
    find: Callable[[np.ndarray], Sequence[Slab]],
) -> tuple[np.ndarray, list[Slab]]:
    """The page `(height, width, 3)` and its slabs, those in which coloured and black ink meet replaced by the black
    lines in them. Slabs keep their places; readings of replaced ones leave `known`.
    """
    kept = list(slabs)
    if not kept:
        return pixels, kept
    common = float(np.median([item.short_side for item in kept]))
    for index, item in enumerate(slabs):
        if item.height < _TALL * common or item.width < _LONG * common:
            continue
        left, top, right, bottom = _around(item, pixels.shape, common)
        part = pixels[top:bottom, left:right]
        mask = _only(item, slabs, index, left, top, part.shape)
        cleaned = _cleaned(part, mask)
        if cleaned is None:
            continue
        lines = [replace(line, x=line.x + left, y=line.y + top) for line in find(cleaned)]
        others = [*slabs[:index], *slabs[index + 1 :]]
        lines = [line for line in lines if line.height < _TALL * common and _inside(line, item)]
        lines = [line for line in lines if not any(_inside(line, other) for other in others)]
        if not lines:
            continue
        pixels = pixels.copy()
        pixels[top:bottom, left:right] = cleaned
        kept[index] = lines[0]
        kept.extend(lines[1:])
        known.pop(index, None)
    return pixels, kept


def _around(item: Slab, shape: tuple[int, ...], margin: float) -> tuple[int, int, int, int]:
    corners = item.corners()
    left, top = np.maximum(0, corners.min(axis=0) - margin).astype(int)
    right, bottom = np.minimum((shape[1], shape[0]), corners.max(axis=0) + margin).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _only(item: Slab, slabs: Sequence[Slab], index: int, left: int, top: int, shape: tuple[int, ...]) -> np.ndarray:
    """Where the slab is and no other is, on the part of the page from `left` and `top`."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round(item.corners() - (left, top)).astype(np.int32), 1)
    for other, neighbour in enumerate(slabs):
        if other != index:
            cv2.fillConvexPoly(mask, np.round(neighbour.corners() - (left, top)).astype(np.int32), 0)
    return mask.astype(bool)


def _cleaned(part: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """The part without its coloured ink; None where there is not both coloured ink and black."""
    if not mask.any():
        return None
    paper = np.percentile(part[mask], 80, axis=0)
    taken = np.clip(paper - part.astype(np.float32), 0, None)  # by the ink, from each colour of the light
    coloured = (taken.max(axis=2) - taken.min(axis=2) > _COLOUR) & mask
    black = (taken.min(axis=2) > _INK) & mask & ~coloured
    if min(coloured[mask].mean(), black[mask].mean()) < _SHARE:
        return None
    fringe = cv2.dilate(coloured.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & mask & ~black
    cleaned = part.copy()
    cleaned[fringe | coloured] = paper
    return cleaned


def _inside(line: Slab, item: Slab) -> bool:
    """Is the middle of `line` in `item`?"""
    radians = np.radians(item.angle)
    dx, dy = line.x - item.x, line.y - item.y
    along, down = dx * np.cos(radians) + dy * np.sin(radians), dy * np.cos(radians) - dx * np.sin(radians)
    return bool(abs(along) <= item.width / 2 and abs(down) <= item.height / 2)
