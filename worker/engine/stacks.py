"""Short lines under each other that the detector took for one that runs up the page: the figures of a ledger's column.

Knows pixels and slabs; what stands in the rows is read by who asks.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from worker.engine.geometry import Slab, crop

_LOWEST, _HIGHEST = 0.35, 1.3  # ink of a row over the common height of lines, whose boxes stand out beyond it
_HAIR = 0.1  # of the common height: white within a figure
_FEWEST_PIXELS = 2  # of ink on a line of pixels; less is dirt


def rows_of(pixels: np.ndarray, item: Slab, common: float) -> list[Slab]:
    """The rows of a slab that is higher than wide, from the top; none where its ink does not part into such."""
    grey = cv2.medianBlur(cv2.cvtColor(crop(pixels, item), cv2.COLOR_RGB2GRAY), 3)
    height = grey.shape[0]
    _, ink = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    runs = _runs(ink.sum(axis=1) >= _FEWEST_PIXELS, max(1.0, _HAIR * common))
    runs = [(top, bottom) for top, bottom in runs if bottom - top >= _LOWEST * common]  # the rest is dirt
    if len(runs) < 2 or any(bottom - top > _HIGHEST * common for top, bottom in runs):
        return []
    edges = [0.0, *((above[1] + below[0]) / 2 for above, below in itertools.pairwise(runs)), float(height)]
    rows = []
    for (top, bottom), (low, high) in zip(runs, itertools.pairwise(edges), strict=True):
        room = max(0.0, (common - (bottom - top)) / 2)
        first, last = max(low, top - room), min(high, bottom + room)
        rows.append(item.part(0.0, 1.0, first / height, last / height))
    return rows


def _runs(rows: np.ndarray, hair: float) -> list[tuple[int, int]]:
    """Where ink begins and ends, across white thinner than `hair`."""
    steps = np.flatnonzero(np.diff(np.concatenate(([False], rows, [False])).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for top, bottom in steps.reshape(-1, 2).tolist():
        if runs and top - runs[-1][1] < hair:
            runs[-1] = (runs[-1][0], bottom)
        else:
            runs.append((top, bottom))
    return runs
