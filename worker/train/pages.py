"""Training pages: pixels, their text in reading order, and where every character stands. Reproducible by seed.

A page is a function of its `Wanted`, its seed, the corpus and the faces that are installed. The classes of `cells` and
the places of characters are what the dense losses are made of.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from worker.train.fonts import Faces
from worker.train.layouts import Room, card, page
from worker.train.scanner import Wear, scan
from worker.train.sheet import Sheet
from worker.train.text import ALPHABET, Texts

CELL = 8
"""Pixels: the side of a label cell. A patch has 2 x 2 of them, a vision token 8 x 8."""
_CLASS = {char: number for number, char in enumerate(ALPHABET)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page should be. `chars` is the most that is written; `sizes` are type sizes in pixels."""

    side: int = 256
    chars: int = 120
    sizes: tuple[int, int] = (18, 32)
    unguessable: float = 0.2
    wear: float = 1.0
    layout: str = "card"  # or "page"


@dataclass(frozen=True, slots=True)
class Page:
    """`pixels` (S, S) uint8 grey. One row for each character of `text` in the arrays:

    `places` (n, 2) float32, x and y of its middle in pixels; `boxes` (n, 4) float32, left, top, right, bottom of its
    ink, NaN for what leaves none; `guessable` (n,) bool.
    """

    pixels: np.ndarray
    text: str
    places: np.ndarray
    boxes: np.ndarray
    guessable: np.ndarray


def make_page(wanted: Wanted, seed: int, texts: Texts, faces: Faces) -> Page:
    """Draw one page. The same arguments give the same bytes."""
    rng = random.Random(seed)
    sheet = Sheet(wanted.side)
    room = Room(
        sheet, texts, faces, rng, wanted.chars, 0.0, 0.97 * wanted.side, wanted.sizes, wanted.unguessable
    )  # fmt: skip
    (card if wanted.layout == "card" else page)(room)
    pixels, matrix = scan(sheet.ink, rng, Wear(wanted.wear))
    places = np.array(sheet.places, np.float32).reshape(-1, 2)
    nothing = (np.nan,) * 4
    boxes = np.array([box or nothing for box in sheet.boxes], np.float32).reshape(-1, 4)
    return Page(pixels, sheet.text, _moved(places, matrix), _moved_boxes(boxes, matrix), np.array(sheet.guessable))


def cells(pages: Page) -> np.ndarray:
    """Which character stands in which cell: (S / 8, S / 8) int64 of places in `ALPHABET`, 0 where none does.

    Of two characters in one cell the second goes to the free one beside it; where none is free, it gets no label.
    """
    side = pages.pixels.shape[0] // CELL
    labels = np.zeros((side, side), np.int64)
    inked = ~np.isnan(pages.boxes[:, 0])
    for char, (x, y), ink in zip(pages.text, pages.places, inked, strict=True):
        column, row = int(x // CELL), int(y // CELL)
        if not ink or not (0 <= column < side and 0 <= row < side):
            continue
        if labels[row, column]:
            column += 1 if column + 1 < side and not labels[row, column + 1] else -1
            if column < 0 or labels[row, column]:
                continue
        labels[row, column] = _CLASS.get(char, 0)
    return labels


def _moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _moved_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The upright boxes around the moved corners."""
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [0, 3]], boxes[:, [2, 3]]], axis=1)
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1).astype(np.float32)
