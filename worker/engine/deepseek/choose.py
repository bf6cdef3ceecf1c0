"""Which mode a page needs: by its size, and by how much text of which size it seems to hold.

Two things limit a view. Print must stay legible when the page is scaled to the view: lines at least `MIN_PITCH` pixels
apart. And a vision token holds only so much: reading stays good up to about ten text tokens for each vision token
(arXiv 2510.18234, table 2), of which `MAX_RATIO` are used here, as the estimate is rough. The coarsest mode that keeps
to both is chosen. Tiny is never chosen: it saves too little for what it risks.

The estimate (`measure`) looks at a small grey copy of the page, a few milliseconds: it counts lines in narrow vertical
strips, so that columns and a little skew do no harm. Photographs may look like text; the page then costs more,
and nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from index.errors import InvalidRequest
from worker.engine.deepseek.modes import MINI, NO_TILES, TINY, Mode, content_tokens, modes_of, tile_grid
from worker.engine.deepseek.preprocess import upright_rgb

MIN_PITCH = 9.5  # pixels between lines; below, small letters are under four pixels high
MAX_RATIO = 8.0
MAX_CARD_CHARACTERS = 1000.0  # estimated on what is no card; a card's 120 large letters are estimated at up to 800
CHARACTERS_PER_TOKEN = 4.0  # of the decoder's vocabulary, in running text

BOX = Image.Resampling.BOX
_SIDE = 1536  # longer side of the grey copy: lines of the smallest newspaper print stay apart
_STRIP = 96
_AROUND = 40  # rows above and below that a row is compared with
_CORE = 0.35  # of the darkest row nearby: more than ascenders and descenders have, less than the bodies of letters
_SPLIT = 0.3
_INK = 28  # grey levels between paper and ink
_WIDTH_TO_PITCH = 0.27  # a letter's inked width as a part of the line distance, in book print
_FINE = 0.25  # the quantile of line distances that must be legible: small print, but not a single footnote


@dataclass(frozen=True, slots=True)
class Density:
    """What a page seems to hold: `pitch` is the distance of its finer lines as a part of its height, 0 without text."""

    pitch: float
    characters: float


def auto(kind: str, image: Image.Image) -> Mode:
    """The mode for a page, by `measure` and `choose`; raises as `card`."""
    upright = upright_rgb(image)
    if kind == MINI:
        return card(upright)
    return choose(kind, upright.width, upright.height, measure(upright))


def choose(kind: str, width: int, height: int, density: Density) -> Mode:
    """The coarsest mode of this kind that keeps a page of this size legible; the finest where none does."""
    modes = [mode for mode in modes_of(kind) if mode.name != TINY.name]
    for mode in modes:
        grid = tile_grid(mode, width, height)
        if mode.tile and grid == NO_TILES:  # a page of one tile's size: tiles would show nothing that is not there
            continue
        rows = view_height(mode, width, height)
        legible = not density.pitch or density.pitch * rows >= MIN_PITCH or rows >= height  # no more is to be seen
        room = valid_tokens(mode, width, height) * MAX_RATIO * CHARACTERS_PER_TOKEN
        if legible and density.characters <= room:
            return mode
    finest = modes[-1]
    return finest if tile_grid(finest, width, height) != NO_TILES else modes[-2]


def card(image: Image.Image) -> Mode:
    """The mini model's mode. Raises `InvalidRequest` (`page_too_fine`) for a page that clearly holds more than a card.

    Rough on purpose: no card may be refused, and a page of a few lines may pass. It is measured on a sheet of twice its
    size, as `measure` takes lines that are a twelfth of a page apart for separate blocks.
    """
    grey = image.convert("L")
    grey.thumbnail((_SIDE // 2, _SIDE // 2), BOX)
    scale = _SIDE / 2 / max(grey.size)
    grey = grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale))))
    sheet = Image.new("L", (2 * grey.width, 2 * grey.height), int(np.median(np.asarray(grey))))
    sheet.paste(grey, (grey.width // 2, grey.height // 2))
    characters = measure(sheet).characters
    if characters > MAX_CARD_CHARACTERS:
        raise InvalidRequest(
            f"The mini model reads cards with up to 120 characters, and this page seems to hold {characters:.0f}. Set "
            "FOLIOSCOPE_ENGINE=rapidocr, or give DeepSeek-OCR's weights.",
            code="page_too_fine",
        )
    return modes_of(MINI)[0]


def view_height(mode: Mode, width: int, height: int) -> float:
    """Pixels that the page's height has in the finest view of it."""
    columns_rows = tile_grid(mode, width, height)
    if columns_rows != NO_TILES:
        return mode.tile * columns_rows[1]
    return mode.base * height / max(width, height) if mode.pad else mode.base


def valid_tokens(mode: Mode, width: int, height: int) -> float:
    """Content tokens of the finest view that lie on the page and not on padding (the paper's "valid" tokens)."""
    grid = tile_grid(mode, width, height)
    if grid != NO_TILES:
        return content_tokens(mode, grid) - mode.rows**2
    return content_tokens(mode) * (min(width, height) / max(width, height) if mode.pad else 1.0)


def measure(image: Image.Image) -> Density:
    """Estimate from pixels; any size. A page without text gives zeros."""
    grey = _small(image)
    height, width = grey.shape
    if min(height, width) < 2 * _STRIP // 3:
        return Density(0.0, 0.0)
    ink = _ink(grey)
    pitches: list[np.ndarray] = []
    characters = 0.0
    for left in range(0, width - _STRIP // 2, _STRIP):
        strip = ink[:, left : left + _STRIP]
        starts = _line_starts(strip)
        if len(starts) < 2:
            continue
        gaps = np.diff(starts).astype(np.float64)
        gaps = np.append(gaps, np.median(gaps))
        gaps = gaps[gaps <= height / 12]  # wider ones part blocks, they are no line distances
        pitches.append(gaps)
        if len(gaps):
            inked = _filled(strip, starts).sum() * strip.shape[1]
            characters += float(inked / (_WIDTH_TO_PITCH * np.median(gaps)))
    found = np.concatenate(pitches) if pitches else np.zeros(0)
    if not len(found):
        return Density(0.0, 0.0)
    return Density(float(np.quantile(found, _FINE)) / height, characters)


def _small(image: Image.Image) -> np.ndarray:
    scale = min(1.0, _SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    grey = image.convert("L") if image.mode != "L" else image
    return np.asarray(grey.resize(size, BOX), np.int16)


def _ink(grey: np.ndarray) -> np.ndarray:
    """Where the page is clearly darker, or on dark ground lighter, than its surroundings."""
    height, width = grey.shape
    coarse = Image.fromarray(grey.astype(np.uint8)).resize((max(1, width // 24), max(1, height // 24)), BOX)
    surroundings = np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR), np.int16)
    light = surroundings >= 110
    return np.where(light, surroundings - grey > _INK, grey - surroundings > _INK)


def _line_starts(strip: np.ndarray) -> np.ndarray:
    """Rows at which a line of text begins in a strip."""
    profile = strip.mean(axis=1)
    padded = np.pad(profile, _AROUND, mode="edge")
    tallest = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1).max(axis=1)
    inside = (profile > np.maximum(_CORE * tallest, 0.04)).astype(np.int8)
    edges = np.diff(inside, prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    # Large letters are thin in their middle: parts of a line are nearer to each other than lines are.
    apart = starts[1:] - ends[:-1] > _SPLIT * (ends[1:] - starts[:-1])
    return starts[np.append(True, apart)] if len(starts) else starts


def _filled(strip: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """For each line of a strip, which part of the strip's width it fills."""
    ends = np.append(starts[1:], min(len(strip), starts[-1] + int(np.median(np.diff(starts)))))
    return np.array([strip[start:end].any(axis=0).mean() for start, end in zip(starts, ends, strict=True)])
