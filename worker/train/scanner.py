"""What a scanner does to a printed sheet: skew, spread ink, grey paper, uneven light, grain, dust, JPEG.

`scan` keeps the size and gives the affine map that moved the ink, so that labels can follow it. Everything is uint8
or small float32 arrays and OpenCV calls: some 3 ms for 640 x 640 pixels.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

_GRAIN = 1536  # side of the block of noise that all scans cut their grain from


@dataclass(frozen=True, slots=True)
class Wear:
    """How badly a sheet is treated. `strength` 0 leaves black on white, 1 is a poor photocopy."""

    strength: float = 1.0
    max_skew: float = 1.0  # degrees


def scan(ink: np.ndarray, rng: random.Random, wear: Wear) -> tuple[np.ndarray, np.ndarray]:
    """Coverage (S, S) uint8 to grey pixels (S, S) uint8, and the map (2, 3) from sheet to scan coordinates."""
    side = ink.shape[0]
    moved, matrix = _moved(ink, rng, wear)
    s = wear.strength
    if rng.random() < 0.5 * s:
        moved = _spread(moved, rng)
    paper = 255 - rng.random() * 90 * s
    black = rng.random() * 110 * s
    if rng.random() < 0.1 * s:
        black = min(paper - 70, black + 60)  # a faint ribbon
    table = np.linspace(paper, black, 256)
    if rng.random() < 0.08 * s:  # white on dark, such as a label or a heading on a bar
        table = table[::-1]
    grey = cv2.LUT(moved, table.round().clip(0, 255).astype(np.uint8))
    if rng.random() < 0.8 * s:
        grey = _blurred(grey, rng, s)
    if rng.random() < 0.6 * s:
        grey = cv2.multiply(grey, _light(side, rng, s), scale=1 / 255)
    if rng.random() < 0.9 * s:
        grey = _grained(grey, rng, s)
    if rng.random() < 0.5 * s:
        _dust(grey, rng)
    if rng.random() < 0.06 * s:
        grey = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]
    if rng.random() < 0.5 * s:
        quality = rng.randint(35, 92)
        grey = cv2.imdecode(cv2.imencode(".jpg", grey, (cv2.IMWRITE_JPEG_QUALITY, quality))[1], cv2.IMREAD_GRAYSCALE)
    return grey, matrix


def _moved(ink: np.ndarray, rng: random.Random, wear: Wear) -> tuple[np.ndarray, np.ndarray]:
    """Skew, a little scaling and a shift by parts of a pixel."""
    identity = np.array([[1, 0, 0], [0, 1, 0]], np.float64)
    if rng.random() > 0.7 * wear.strength:
        return ink, identity
    side = ink.shape[0]
    angle = rng.uniform(-1, 1) * wear.max_skew
    scale = rng.uniform(0.97, 1.0)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-1, 1), rng.uniform(-1, 1)
    return cv2.warpAffine(ink, matrix, (side, side), flags=cv2.INTER_LINEAR), matrix


def _spread(ink: np.ndarray, rng: random.Random) -> np.ndarray:
    """Ink that ran, or a worn ribbon: half way to the neighbours' greatest or least coverage."""
    kernel = np.ones((2, 2), np.uint8)
    other = cv2.dilate(ink, kernel) if rng.random() < 0.6 else cv2.erode(ink, kernel)
    share = rng.uniform(0.2, 0.7)
    return cv2.addWeighted(ink, 1 - share, other, share, 0)


def _blurred(grey: np.ndarray, rng: random.Random, strength: float) -> np.ndarray:
    if rng.random() < 0.25:  # scanned at a lower resolution
        side = grey.shape[0]
        small = round(side * rng.uniform(1 - 0.4 * strength, 1))
        down = cv2.resize(grey, (small, small), interpolation=cv2.INTER_AREA)
        return cv2.resize(down, (side, side), interpolation=cv2.INTER_LINEAR)
    sigma = rng.uniform(0.2, 0.2 + 0.8 * strength)
    return cv2.GaussianBlur(grey, (5, 5), sigma)


def _light(side: int, rng: random.Random, strength: float) -> np.ndarray:
    """Brightness (S, S) uint8: a smooth field between 1 - loss and 1."""
    loss = rng.uniform(0.05, 0.4) * strength
    coarse = np.array([[255 * (1 - loss * rng.random()) for _ in range(3)] for _ in range(3)], np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def _grained(grey: np.ndarray, rng: random.Random, strength: float) -> np.ndarray:
    side = grey.shape[0]
    top, left = rng.randrange(_GRAIN - side), rng.randrange(_GRAIN - side)
    grain = _noise()[rng.randrange(2)][top : top + side, left : left + side]
    amount = rng.uniform(1, 4 + 12 * strength) / 16
    return cv2.addWeighted(grey, 1.0, grain, amount, -128 * amount)


def _dust(grey: np.ndarray, rng: random.Random) -> None:
    side = grey.shape[0]
    for _ in range(rng.randint(1, max(2, side // 30))):
        x, y, value = rng.randrange(side), rng.randrange(side), rng.randrange(20, 255)
        grey[y : y + rng.randint(1, 2), x : x + rng.randint(1, 2)] = value
    if rng.random() < 0.2:  # the shadow of an edge
        width = rng.randint(2, max(3, side // 40))
        at = rng.choice((slice(0, width), slice(side - width, side)))
        grey[:, at] = (grey[:, at] * rng.uniform(0.2, 0.8)).astype(np.uint8)


@cache
def _noise() -> tuple[np.ndarray, np.ndarray]:
    """Fine and coarse grain around 128 with a deviation of 16, uint8."""
    generator = np.random.default_rng(7)
    fine = generator.normal(128, 16, (_GRAIN, _GRAIN)).astype(np.float32)
    coarse = (cv2.GaussianBlur(fine, (3, 3), 0.7) - 128) * 1.6 + 128
    return tuple(np.clip(block, 0, 255).astype(np.uint8) for block in (fine, coarse))
