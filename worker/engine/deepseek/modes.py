"""The model's modes: which square views of a page are encoded, and how many vision tokens come of them.

A view of S x S pixels gives (S / 64)^2 content tokens: patches of 16 pixels, then 16 times fewer. Besides them the
decoder sees constants of the model (`layout`): in DeepSeek-OCR and Unlimited-OCR a newline after each row of tokens, in
all of them one separator at the end. Source: table 1 of arXiv 2510.18234, the public `modeling_deepseekocr.py`
and, for DeepSeek-OCR 2, transformers' `deepseek_ocr2` image processor.

Which mode fits a page is decided in `choose`.
"""

from __future__ import annotations

from dataclasses import dataclass

from index.errors import InvalidRequest

PIXELS_PER_TOKEN = 64
NO_TILES = (0, 0)

DEEPSEEK_OCR = "deepseek-ocr"
DEEPSEEK_OCR_2 = "deepseek-ocr-2"
UNLIMITED_OCR = "unlimited-ocr"
KINDS = (DEEPSEEK_OCR, DEEPSEEK_OCR_2, UNLIMITED_OCR)
"""The published models."""
MINI = "mini"
"""DeepSeek-OCR's network in a small size, with weights of our own (`worker.engine.mini`)."""

Grid = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mode:
    """`base` is the side of the view of the whole page in pixels, `tile` that of local tiles (0 where there are none).

    `pad` keeps the page's proportions and pads with grey; without it the page is stretched to the square. `newlines`
    says whether the model puts a newline after each row of tokens.
    """

    name: str
    base: int
    tile: int
    pad: bool
    max_tiles: int = 0
    newlines: bool = True

    @property
    def rows(self) -> int:
        """Rows (and columns) of content tokens of the whole page's view."""
        return self.base // PIXELS_PER_TOKEN

    @property
    def tile_rows(self) -> int:
        return self.tile // PIXELS_PER_TOKEN


TINY = Mode("tiny", 512, 0, pad=False)
SMALL = Mode("small", 640, 0, pad=False)
BASE = Mode("base", 1024, 0, pad=True)
LARGE = Mode("large", 1280, 0, pad=True)
GUNDAM = Mode("gundam", 1024, 640, pad=True, max_tiles=9)

# DeepSeek-OCR 2 has learned queries for views of 768 and 1024 pixels, and for no others.
_SMALL_2 = Mode("small", 768, 0, pad=True, newlines=False)
_BASE_2 = Mode("base", 1024, 0, pad=True, newlines=False)
_GUNDAM_2 = Mode("gundam", 1024, 768, pad=True, max_tiles=6, newlines=False)

_FIRST = (TINY, SMALL, BASE, LARGE, GUNDAM)
CARD = Mode("card", 256, 0, pad=True)
_MODES = {
    DEEPSEEK_OCR: _FIRST,
    UNLIMITED_OCR: _FIRST,
    DEEPSEEK_OCR_2: (_SMALL_2, _BASE_2, _GUNDAM_2),
    MINI: (CARD,),
}

MIN_TILES = 2


def modes_of(kind: str) -> tuple[Mode, ...]:
    """The modes of one of `KINDS` or of `MINI`, from the coarsest to the finest."""
    return _MODES[kind]


def has_modes(kind: str) -> bool:
    """Whether an engine of this name makes vision tokens in modes that are known here."""
    return kind in _MODES


def mode_named(kind: str, name: str) -> Mode:
    """Raises `InvalidRequest` with code `unknown_mode` for a name that this kind of model does not have."""
    for mode in _MODES[kind]:
        if mode.name == name:
            return mode
    names = ", ".join(mode.name for mode in _MODES[kind])
    raise InvalidRequest(f"{kind} has no mode {name!r}: choose one of {names}", code="unknown_mode")


def step_up(kind: str, mode: Mode) -> Mode | None:
    """The next finer mode, to be tried once where a reading is not trusted; None above the finest.

    It skips Large: a page that Base could not read has small print, for which tiles are made.
    """
    finer = [other for other in _MODES[kind] if other.name != LARGE.name or mode.name == LARGE.name]
    place = next(number for number, other in enumerate(finer) if other.name == mode.name)
    return finer[place + 1] if place + 1 < len(finer) else None


def tile_grid(mode: Mode, width: int, height: int) -> Grid:
    """(columns, rows) of local tiles for an upright page of this size; `NO_TILES` where the mode or the page has none.

    Of all grids with 2..`max_tiles` tiles the one nearest to the page's proportions; between grids of equal
    proportions the larger one only if the page fills more than half of it. A page not larger than one tile has none.
    """
    if not mode.tile or max(width, height) <= mode.tile:
        return NO_TILES
    proportions = width / height
    best, best_difference = (1, 1), float("inf")
    for columns, rows in _grids(mode.max_tiles):
        difference = abs(proportions - columns / rows)
        if difference < best_difference:
            best, best_difference = (columns, rows), difference
        elif difference == best_difference and width * height > 0.5 * mode.tile**2 * columns * rows:
            best = (columns, rows)
    return best


def _grids(most: int) -> list[Grid]:
    grids = [(i, j) for i in range(1, most + 1) for j in range(1, most + 1) if MIN_TILES <= i * j <= most]
    return sorted(grids, key=lambda grid: grid[0] * grid[1])


def content_tokens(mode: Mode, grid: Grid = NO_TILES) -> int:
    """Content tokens of a page, tiles included: what is stored."""
    return mode.rows**2 + grid[0] * grid[1] * mode.tile_rows**2


def placeholder_tokens(mode: Mode, grid: Grid = NO_TILES) -> int:
    """Tokens that the decoder sees for a page: content, row newlines and the separator."""
    newlines = mode.rows + (grid[1] * mode.tile_rows if grid[0] else 0) if mode.newlines else 0
    return content_tokens(mode, grid) + newlines + 1
