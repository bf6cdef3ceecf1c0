"""Modes: token counts, tile grids, which mode a page gets."""

from __future__ import annotations

import numpy as np
import pymupdf
import pytest
from PIL import Image, ImageFilter

from index.errors import InvalidRequest
from worker.engine.deepseek.choose import Density, auto, choose, measure
from worker.engine.deepseek.modes import (
    BASE,
    DEEPSEEK_OCR,
    DEEPSEEK_OCR_2,
    GUNDAM,
    KINDS,
    LARGE,
    NO_TILES,
    SMALL,
    TINY,
    content_tokens,
    mode_named,
    modes_of,
    placeholder_tokens,
    step_up,
    tile_grid,
)

A4, A3, BROADSHEET = (595, 842), (842, 1191), (1000, 1500)
PROSE = (
    "the harbour office keeps its registers in old customs house and every vessel that entered port "
    "between is listed with her master cargo dues she paid most entries are one hand of penrose who "
    "served for years "
)
WORDS = PROSE.split()  # noqa: SIM905 - one word a line is hard to read


def typeset(size, columns, points, leading, lines=None, *, dpi=144, seed=0):
    """A page of running text, as pixels, with the number of its characters."""
    document = pymupdf.open()
    sheet = document.new_page(width=size[0], height=size[1])
    rng, face, margin, gutter = np.random.default_rng(seed), pymupdf.Font("tiro"), 50, 12
    lengths = [face.text_length(f"{word} ", points) for word in WORDS]
    writer = pymupdf.TextWriter(sheet.rect)
    width = (size[0] - 2 * margin - (columns - 1) * gutter) / columns
    count = 0
    for column in range(columns):
        y, number = margin + points, 0
        while y < size[1] - margin and (lines is None or number < lines):
            chosen = rng.integers(len(WORDS), size=80)
            fitting = np.searchsorted(np.cumsum([lengths[word] for word in chosen]), width)
            text = " ".join(WORDS[word] for word in chosen[:fitting])
            writer.append((margin + column * (width + gutter), y), text, font=face, fontsize=points)
            y, number, count = y + leading, number + 1, count + len(text)
    writer.write_text(sheet)
    pixels = sheet.get_pixmap(dpi=dpi)
    return Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples), count


@pytest.mark.parametrize(
    ("mode", "grid", "content", "placeholders"),
    [
        (TINY, NO_TILES, 64, 73),
        (SMALL, NO_TILES, 100, 111),
        (BASE, NO_TILES, 256, 273),
        (LARGE, NO_TILES, 400, 421),
        (GUNDAM, (1, 2), 456, 493),
        (GUNDAM, (2, 2), 656, 693),
        (GUNDAM, (2, 3), 856, 903),
        (GUNDAM, (3, 3), 1156, 1203),
        (GUNDAM, NO_TILES, 256, 273),
    ],
)
def test_token_counts(mode, grid, content, placeholders):
    """64, 100, 256, 400 and 100 n + 256 content tokens; the decoder sees a newline a row and a separator more."""
    assert content_tokens(mode, grid) == content
    assert placeholder_tokens(mode, grid) == placeholders


def test_token_counts_of_the_second_model():
    """DeepSeek-OCR 2 has 144 tokens for each tile of 768 pixels, 256 for the page, one separator, no newlines."""
    gundam = mode_named(DEEPSEEK_OCR_2, "gundam")
    assert content_tokens(gundam, (2, 3)) == 6 * 144 + 256
    assert placeholder_tokens(gundam, (2, 3)) == 6 * 144 + 257
    assert placeholder_tokens(mode_named(DEEPSEEK_OCR_2, "small")) == 145


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((1240, 1754), (2, 3)),  # A4
        ((1754, 1240), (3, 2)),
        ((640, 640), NO_TILES),
        ((641, 640), (1, 1)),
        ((641, 10), (9, 1)),
        ((10, 20000), (1, 9)),
        ((1280, 1024), (3, 2)),  # as near to 1 as to 3/2: the larger grid, as the page fills more than half of it
        ((800, 640), (2, 2)),  # the same proportions, but too small for six tiles
        ((3000, 3000), (3, 3)),
        ((1000, 1000), (2, 2)),
    ],
)
def test_tile_grid(size, grid):
    """The grid of nearest proportions; the larger of equal ones only for pages that fill half of it."""
    if grid == (1, 1):
        grid = (2, 2)  # nothing is nearer to a square, and one tile is no grid
    assert tile_grid(GUNDAM, *size) == grid


def test_only_tiled_modes_have_grids():
    """Base never has tiles, however large the page is."""
    assert tile_grid(BASE, 20000, 20000) == NO_TILES


@pytest.mark.parametrize("kind", KINDS)
def test_stepping_up_ends(kind):
    """Each mode has a finer one, up to the finest; Base goes straight to tiles."""
    for mode in modes_of(kind):
        path = [mode]
        while (finer := step_up(kind, path[-1])) is not None:
            path.append(finer)
        assert path[-1] == modes_of(kind)[-1]
        counts = [content_tokens(step, tile_grid(step, 1240, 1754)) for step in path]
        assert counts == sorted(set(counts))
    assert step_up(kind, mode_named(kind, "base")).name == "gundam"


def test_unknown_mode():
    """A name that the model does not have is refused, with the names that it has."""
    with pytest.raises(InvalidRequest, match="small, base, gundam") as caught:
        mode_named(DEEPSEEK_OCR_2, "tiny")
    assert caught.value.code == "unknown_mode"


@pytest.mark.parametrize(
    ("page", "mode"),
    [
        ((A4, 1, 14, 20, 12), "small"),  # a short letter
        ((A4, 1, 12, 16, 15), "small"),
        (((960, 540), 1, 28, 40, 6), "small"),  # a slide
        ((A4, 1, 11, 14), "base"),  # a full page of book print
        ((A4, 2, 9, 11), "large"),  # a journal
        ((A4, 3, 7, 8), "gundam"),  # small print
        ((BROADSHEET, 8, 8, 9), "gundam"),  # a newspaper
    ],
)
@pytest.mark.parametrize("dpi", [100, 200])
def test_automatic_mode(page, mode, dpi):
    """The more text, and the smaller it is, the finer the mode; how finely the page was scanned does not matter."""
    assert auto(DEEPSEEK_OCR, typeset(*page, dpi=dpi)[0]).name == mode


def test_automatic_mode_of_a_bad_scan():
    """Skew, blur and noise change nothing; neither does white on black."""
    image, _ = typeset(A3, 5, 8, 9)
    rng = np.random.default_rng(7)
    scan = image.rotate(1.2, fillcolor="white", resample=Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.8))
    noisy = np.clip(np.asarray(scan, np.int16) * 0.8 + 20 + rng.normal(0, 6, (*scan.size[::-1], 1)), 0, 255)
    for page in (Image.fromarray(noisy.astype(np.uint8)), image.point(lambda value: 255 - value)):
        assert auto(DEEPSEEK_OCR, page).name == "gundam"


def test_density_is_near_the_truth():
    """Line distance within a tenth, characters within a quarter, on pages of running text."""
    for size, columns, points, leading in ((A4, 1, 11, 14), (A4, 2, 9, 11), (A3, 5, 8, 9)):
        image, characters = typeset(size, columns, points, leading)
        found = measure(image)
        assert found.pitch == pytest.approx(leading / size[1], rel=0.1)
        assert found.characters == pytest.approx(characters, rel=0.25)


@pytest.mark.parametrize("colour", ["white", "black", "#808080"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (1240, 1754)])
def test_a_page_of_one_colour_is_cheap(colour, size):
    """It has no text, so the coarsest mode is enough."""
    assert auto(DEEPSEEK_OCR, Image.new("RGB", size, colour)).name == "small"


def test_tiles_need_pixels():
    """A page that is not larger than a tile is not cut into tiles, however dense it is."""
    assert choose(DEEPSEEK_OCR, 600, 640, Density(0.005, 50000)).name == "large"
    assert choose(DEEPSEEK_OCR_2, 600, 640, Density(0.005, 50000)).name == "base"
