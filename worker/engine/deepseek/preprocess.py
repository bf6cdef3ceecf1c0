"""Page images to the square views that the model was trained on, as bytes; normalising is left to the device.

The same steps as the public `modeling_deepseekocr.py`: EXIF orientation, RGB, bicubic resampling, either stretched
to the square (Tiny, Small) or fitted into it and padded with grey 127 (`PIL.ImageOps.pad`, whose rounding differs by
one pixel from what transformers' own image processor does), tiles from a stretched copy. The model then sees
`2 * value / 255 - 1`. Two steps are added: transparent pixels become white paper, where the public code shows whatever
colour lies under them, mostly black on black; and deep greys are scaled, where PIL alone would clip them to white.

Views are at most 1280 pixels wide, whatever the page's size is: memory is bounded by the page that comes in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from worker.engine.deepseek.modes import NO_TILES, Grid, Mode, tile_grid

PADDING = (127, 127, 127)


@dataclass(frozen=True, slots=True)
class Views:
    """A page as the encoder takes it: `page` uint8 (S, S, 3), `tiles` uint8 (n, T, T, 3), row-major, or None."""

    page: np.ndarray
    tiles: np.ndarray | None
    grid: Grid
    page_size: tuple[int, int]  # (width, height) of the upright image


def preprocess(image: Image.Image, mode: Mode) -> Views:
    """Views of one page. Any mode, size and number of channels that PIL can hold is accepted."""
    image = upright_rgb(image)
    grid = tile_grid(mode, image.width, image.height)
    side = (mode.base, mode.base)
    if mode.pad:
        page = ImageOps.pad(image, side, method=Image.Resampling.BICUBIC, color=PADDING)
    else:
        page = image.resize(side, Image.Resampling.BICUBIC)
    tiles = None if grid == NO_TILES else _tiles(image, mode.tile, grid)
    return Views(np.asarray(page), tiles, grid, image.size)


def upright_rgb(image: Image.Image) -> Image.Image:
    """EXIF orientation applied, transparency on white, three channels of eight bits."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":  # PIL would clip deep greys to white
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image)
        image = paper
    return image.convert("RGB")


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """Deep greys to eight bits: 16-bit values keep their scale, others are stretched from their least to their most."""
    if grey.dtype == np.uint16 or (grey.dtype.kind in "iu" and grey.size and 255 < grey.max() <= 65535):
        return (np.clip(grey, 0, 65535) >> 8).astype(np.uint8)
    if grey.dtype.kind == "f":
        grey = np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(grey.min()), float(grey.max())
    if low >= 0 and high <= 255:
        return grey.astype(np.uint8)
    return ((grey.astype(np.float32) - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)


def _tiles(image: Image.Image, side: int, grid: Grid) -> np.ndarray:
    columns, rows = grid
    stretched = np.asarray(image.resize((side * columns, side * rows), Image.Resampling.BICUBIC))
    cut = stretched.reshape(rows, side, columns, side, 3).swapaxes(1, 2)
    return np.ascontiguousarray(cut.reshape(columns * rows, side, side, 3))
