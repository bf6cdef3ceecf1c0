"""Coloured ink over black print: a stamp on a letter, a registrar's blue pencil through its first line.

Where the two meet, a detector takes stamp and line for one thing, far higher than a line, in which nothing is read.
There the coloured ink is filtered out, and what is left is looked at again. What the stamp says stays where it stands
clear of the print. Grey scans do not tell one ink from the other.
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
_COLOUR = 0.18  # between the shares that an ink takes from one colour of the light and from another
_INK = 0.27  # of the paper's light
_SHARE = 0.01  # of the pixels: enough ink of either kind to be writing


def without_stamps(
    pixels: np.ndarray,
    slabs: Sequence[Slab],
    known: MutableMapping[int, Any],
    find: Callable[[np.ndarray], Sequence[Slab]],
) -> tuple[np.ndarray, list[Slab]]:
    """The page `(height, width, 3)` and its slabs, those in which coloured and black ink meet replaced by the black
    lines there; a stamp across several lines has cut them short, so these are found again as well. `known`, readings by
    the index of their slab, is brought in step.
    """
    if not slabs:
        return pixels, []
    common = float(np.median([item.short_side for item in slabs]))
    replaced: set[int] = set()
    found: list[Slab] = []
    for index, item in enumerate(slabs):
        if index in replaced or item.height < _TALL * common or item.width < _LONG * common:
            continue
        met = [k for k, other in enumerate(slabs) if k not in replaced and (k == index or meet(item, other))]
        left, top, right, bottom = around([slabs[k] for k in met], pixels.shape, common)
        part = pixels[top:bottom, left:right]
        cleaned = _cleaned(part, _only(item, slabs, index, left, top, part.shape), covered(item, left, top, part.shape))
        if cleaned is None:
            continue
        lines = [replace(line, x=line.x + left, y=line.y + top) for line in find(cleaned)]
        others = [other for k, other in enumerate(slabs) if k not in met]
        lines = [line for line in lines if line.height < _TALL * common]
        lines = [line for line in lines if not any(inside(line, other) for other in (*others, *found))]
        if not any(inside(line, item) for line in lines):
            continue
        pixels = pixels.copy()
        pixels[top:bottom, left:right] = cleaned
        found.extend(lines)
        # What was cut short is replaced; what is not found again stays.
        replaced.update(k for k in met if k == index or any(meet(line, slabs[k]) for line in lines))
    if not replaced:
        return pixels, list(slabs)
    return pixels, with_found(slabs, known, replaced, found)


def _only(item: Slab, slabs: Sequence[Slab], index: int, left: int, top: int, shape: tuple[int, ...]) -> np.ndarray:
    """Where the slab is and no other is, on the part of the page from `left` and `top`."""
    mask = covered(item, left, top, shape).astype(np.uint8)
    for other, neighbour in enumerate(slabs):
        if other != index:
            cv2.fillConvexPoly(mask, np.round(neighbour.corners() - (left, top)).astype(np.int32), 0)
    return mask.astype(bool)


def _cleaned(part: np.ndarray, own: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """The part without the coloured ink in `mask`; None where there is not both coloured ink and black in `own`."""
    if not own.any():
        return None
    paper = np.percentile(part[own], 80, axis=0)
    # What the ink takes of each colour of the light that the paper gives: on red paper, too, black takes most of all.
    taken = np.clip(1 - part / np.maximum(paper, 1), 0, None).astype(np.float32)
    coloured = (taken.max(axis=2) - taken.min(axis=2) > _COLOUR) & mask
    black = (taken.min(axis=2) > _INK) & mask & ~coloured
    if min(coloured[own].mean(), black[own].mean()) < _SHARE:
        return None
    # As a photographer would, with a filter of the stamp's colour, through which its ink is hardly seen: print stays.
    ink = np.median(taken[coloured], axis=0)
    through = int(ink.argmin())
    strength = np.clip((taken.max(axis=2) - taken.min(axis=2)) / (ink.max() - ink.min()), 0, 1)
    light = np.clip((1 - taken[..., through]) / (1 - strength * ink[through]), 0, 1)
    near = cv2.dilate(coloured.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & mask
    cleaned = part.copy()
    cleaned[near] = (light[near, None] * paper).astype(np.uint8)
    return cleaned
