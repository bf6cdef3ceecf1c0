"""Ruling lines of tables and forms, from the pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from index.types import Box
from worker.engine.geometry import Levelling

_SEEN = 1000  # pixels of the longer side on which lines are looked for
_DARK = 96  # a page whose middle tone is below this is printed light on dark
_MIN_LENGTH = 0.05  # of the longer side; shorter strokes are letters
_MIN_RUNG = 0.014  # and of an upright that runs from one level line to another: the side of a box on a form
_TOUCH = 2  # pixels as seen
_MAX_THICKNESS = 8  # in pixels as seen; thicker bars are pictures


def ruling_lines(pixels: np.ndarray, level: Levelling) -> list[Box]:
    """Thin boxes around the straight lines of an upright page, on the deskewed page (fractions)."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _SEEN / max(height, width))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if np.median(grey[::8, ::8]) < _DARK:
        grey = 255 - grey  # light on dark: else the gaps within the letters grow together into lines
    if scale < 1.0:
        # Shrink by the darkest pixel of each cell, or thin lines fade away.
        cell = max(1, int(1 / scale))
        grey = cv2.erode(grey, np.ones((cell, cell), np.uint8))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_NEAREST)
    grey = level.pixels(grey)
    dark = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 15)
    length = max(12, int(_MIN_LENGTH * max(grey.shape)))
    level_lines, uprights = _strokes(dark, length, 1), _strokes(dark, 1, length)
    if len(level_lines) > 1:
        rungs = _strokes(dark, 1, max(12, int(_MIN_RUNG * max(grey.shape))))
        uprights += [stroke for stroke in rungs if stroke[3] < length and _is_rung(stroke, level_lines)]
    rows, columns = dark.shape
    return [Box(x / columns, y / rows, (x + w) / columns, (y + h) / rows) for x, y, w, h in (*level_lines, *uprights)]


Stroke = tuple[int, int, int, int]  # x, y, width, height in pixels


def _strokes(dark: np.ndarray, width: int, height: int) -> list[Stroke]:
    """Runs of ink at least `width` x `height`, no thicker than a ruling line."""
    opened = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((height, width), np.uint8))
    found = (map(int, stats[:4]) for stats in cv2.connectedComponentsWithStats(opened, connectivity=8)[2][1:])
    return [(x, y, w, h) for x, y, w, h in found if (h if width > height else w) <= _MAX_THICKNESS]


def _is_rung(stroke: Stroke, level_lines: Sequence[Stroke]) -> bool:
    """Does an upright stroke begin at one level line and end at another? Letters do not."""
    x, y, width, height = stroke
    right = x + width
    across = [(top, top + h) for left, top, w, h in level_lines if left - _TOUCH <= x and right <= left + w + _TOUCH]
    return all(any(top - _TOUCH <= end <= bottom + _TOUCH for top, bottom in across) for end in (y, y + height))
