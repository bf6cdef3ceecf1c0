"""Preprocessing equals the reference byte for byte; what no reference expects does no harm. Layout goes both ways."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from index.errors import Conflict
from index.types import VisionFormat, VisionTokens
from tests.engine_deepseek_kit import model, page
from tests.reference_deepseek import Reference
from worker.engine.deepseek.layout import assemble, sequence, strip
from worker.engine.deepseek.modes import (
    DEEPSEEK_OCR,
    DEEPSEEK_OCR_2,
    GUNDAM,
    NO_TILES,
    TINY,
    content_tokens,
    mode_named,
    modes_of,
    placeholder_tokens,
)
from worker.engine.deepseek.preprocess import preprocess

MODES = modes_of(DEEPSEEK_OCR)
REFERENCE = Reference.__new__(Reference)  # its pixels need no weights
# Odd padding, up- and downscaling at once, one tile exactly, very long.
SIZES = [(1240, 1754), (1700, 2200), (500, 600), (2000, 900), (641, 100), (640, 640), (33, 4000), (1, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_views_equal_the_reference(mode, size):
    """Every byte of every view, and the grid."""
    image = page(1, size, lines=12)
    views = preprocess(image, mode)
    expected, tiles, grid = REFERENCE.views(image, mode.name)
    assert np.array_equal(views.page, expected)
    assert (views.grid, views.page_size) == (grid, size)
    assert (views.tiles is None) == (not tiles)
    if tiles:
        assert np.array_equal(views.tiles, np.stack(tiles))


def test_exif_orientation():
    """A photograph that lies on its side is turned first; the size is that of the upright page."""
    image = page(2, (300, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    views = preprocess(Image.open(buffer), TINY)
    assert views.page_size == (200, 300)
    assert np.array_equal(views.page, preprocess(image.transpose(Image.Transpose.ROTATE_270), TINY).page)


@pytest.mark.parametrize(
    "channels", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"]
)
def test_any_kind_of_pixels(channels):
    """Dark strokes stay dark and paper stays light, whatever the image's channels are."""
    grey = Image.new("L", (400, 400), 250)
    grey.paste(5, (100, 100, 300, 300))
    if channels == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif channels == "PA":
        image = grey.convert("RGB").convert("P").convert("PA")
    elif channels == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(grey.convert("RGB"), *profiles, outputMode="LAB")
    else:
        image = (
            grey.convert("RGB").convert(channels)
            if channels in {"P", "YCbCr", "HSV", "CMYK"}
            else grey.convert(channels)
        )
    assert image.mode == channels
    view = preprocess(image, TINY).page
    assert view.shape == (512, 512, 3)
    assert view[256, 256].max() < 60
    assert view[20, 20].min() > 200


def test_transparent_pixels_are_paper():
    """Black letters on transparent ground do not become black on black."""
    image = Image.new("RGBA", (640, 640), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (200, 200, 300, 300))
    view = preprocess(image, TINY).page
    assert view[10, 10].min() == 255
    assert view[200, 200].max() == 0


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("colour", ["white", "black"])
def test_a_page_of_one_colour(mode, colour):
    """It keeps its colour; only padding is grey."""
    views = preprocess(Image.new("RGB", (700, 900), colour), mode)
    level = 255 if colour == "white" else 0
    assert set(np.unique(views.page)) <= ({level, 127} if mode.pad else {level})


def test_a_page_of_20000_pixels_takes_little_more_than_itself():
    """Besides the page only views of bounded size are made."""
    image = Image.new("RGB", (20000, 3000), "white")
    tracemalloc.start()
    views = preprocess(image, GUNDAM)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert views.grid == (7, 1)
    assert peak < 64 << 20


@pytest.mark.parametrize(
    ("kind", "name", "grid"),
    [(DEEPSEEK_OCR, mode.name, NO_TILES) for mode in MODES]
    + [(DEEPSEEK_OCR, "gundam", (2, 3)), (DEEPSEEK_OCR, "gundam", (9, 1)), (DEEPSEEK_OCR, "gundam", (1, 2))]
    + [(DEEPSEEK_OCR_2, mode.name, NO_TILES) for mode in modes_of(DEEPSEEK_OCR_2)]
    + [(DEEPSEEK_OCR_2, "gundam", (2, 3))],
)
def test_layout_round_trip(kind, name, grid):
    """Stripping what was assembled gives the content tokens back; the constants are where they belong."""
    mode = mode_named(kind, name)
    dim, count = 3, content_tokens(mode, grid)
    content = torch.arange(count * dim, dtype=torch.float32).reshape(count, dim)
    split = mode.rows**2
    tiles = None if grid == NO_TILES else content[split:]
    newline, separator = torch.full((dim,), -1.0), torch.full((dim,), -2.0)
    made = assemble(mode, grid, content[:split], tiles, newline if mode.newlines else None, separator)
    assert len(made) == placeholder_tokens(mode, grid)
    assert torch.equal(made[-1], separator)
    assert int((made[:, 0] == -1).sum()) == placeholder_tokens(mode, grid) - 1 - count
    back, back_tiles = strip(mode, grid, made)
    assert torch.equal(back, content[:split])
    assert (back_tiles is None) if tiles is None else torch.equal(back_tiles, tiles)


def test_tiles_are_stitched_line_by_line():
    """The first line of a map of 2 x 3 tiles runs through the first lines of both upper tiles."""
    tiles = torch.arange(600.0)[:, None]
    made = assemble(GUNDAM, (2, 3), torch.zeros(256, 1), tiles, torch.tensor([-1.0]), torch.tensor([-2.0]))
    assert made[:21, 0].tolist() == [*range(10), *range(100, 110), -1]
    assert made[21:42, 0].tolist() == [*range(10, 20), *range(110, 120), -1]
    assert made[210:231, 0].tolist() == [*range(200, 210), *range(300, 310), -1]


def test_tokens_of_another_model_are_refused():
    """Another kind, width, mode or count: each is a conflict that says so, not a wrong text."""
    loaded = model()
    form = VisionFormat(DEEPSEEK_OCR, loaded.revision, "tiny", NO_TILES, (100, 100))
    good = np.zeros((64, loaded.dim), np.float16)
    assert sequence(loaded, VisionTokens(form, good)).shape == (73, loaded.dim)
    for wrong in (
        VisionTokens(VisionFormat(DEEPSEEK_OCR_2, "", "small", NO_TILES, (1, 1)), good),
        VisionTokens(VisionFormat(DEEPSEEK_OCR, "", "medium", NO_TILES, (1, 1)), good),
        VisionTokens(VisionFormat(DEEPSEEK_OCR, "", "base", NO_TILES, (1, 1)), good),
        VisionTokens(VisionFormat(DEEPSEEK_OCR, "", "gundam", (2, 3), (1, 1)), np.zeros((256, loaded.dim), np.float16)),
        VisionTokens(form, good[:, :-1]),
        VisionTokens(form, good, good),
    ):
        with pytest.raises(Conflict) as caught:
            sequence(loaded, wrong)
        assert caught.value.code == "wrong_tokens"
    with pytest.raises(Conflict):
        strip(TINY, NO_TILES, torch.zeros(72, 1))
