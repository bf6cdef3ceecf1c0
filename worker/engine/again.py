"""What a second look at a part of a page needs: which slabs it concerns, and what takes their place."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping, Sequence
from typing import Any

import cv2
import numpy as np

from worker.engine.geometry import Slab

_MEET = 0.05  # of the smaller slab


def meet(item: Slab, other: Slab) -> bool:
    """Do two slabs share a good part of the smaller one?"""
    shared = cv2.rotatedRectangleIntersection(_rectangle(item), _rectangle(other))[1]
    area = cv2.contourArea(shared) if shared is not None else 0.0
    return area > _MEET * min(item.width * item.height, other.width * other.height)


def _rectangle(item: Slab) -> tuple[tuple[float, float], tuple[float, float], float]:
    return (item.x, item.y), (item.width, item.height), item.angle


def around(items: Sequence[Slab], shape: tuple[int, ...], margin: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the page that holds the slabs."""
    corners = np.concatenate([item.corners() for item in items])
    left, top = np.maximum(0, corners.min(axis=0) - margin).astype(int)
    right, bottom = np.minimum((shape[1], shape[0]), corners.max(axis=0) + margin).astype(int)
    return int(left), int(top), int(right), int(bottom)


def covered(item: Slab, left: int, top: int, shape: tuple[int, ...]) -> np.ndarray:
    """Where the slab is on the part of the page from `left` and `top`."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round(item.corners() - (left, top)).astype(np.int32), 1)
    return mask.astype(bool)


def inside(line: Slab, item: Slab) -> bool:
    """Is the middle of `line` in `item`?"""
    radians = np.radians(item.angle)
    dx, dy = line.x - item.x, line.y - item.y
    along, down = dx * np.cos(radians) + dy * np.sin(radians), dy * np.cos(radians) - dx * np.sin(radians)
    return bool(abs(along) <= item.width / 2 and abs(down) <= item.height / 2)


def with_found(
    slabs: Sequence[Slab], known: MutableMapping[int, Any], replaced: Collection[int], found: Sequence[Slab]
) -> list[Slab]:
    """The slabs, those `replaced` (indices) left out, and `found` after them. `known`, readings by the index of their
    slab, is brought in step.
    """
    left_over = [k for k in range(len(slabs)) if k not in replaced]
    readings = {place: known[k] for place, k in enumerate(left_over) if k in known}
    known.clear()
    known.update(readings)
    return [*(slabs[k] for k in left_over), *found]
