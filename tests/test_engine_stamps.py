"""Coloured stamps over black print are filtered out where the two meet, and nowhere else. No network is run here."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from worker.engine.geometry import Slab
from worker.engine.stamps import without_stamps

LINES = [Slab(500.0, 100.0 + 60 * k, 800.0, 30.0, 0.0) for k in range(6)]
RED_PAPER = (179, 116, 103)


def page(ink: str | None, paper: tuple[int, int, int] = (240, 238, 230)) -> np.ndarray:
    """Six black lines; over the third, a stamp in `ink`."""
    image = Image.new("RGB", (1000, 500), paper)
    draw = ImageDraw.Draw(image)
    for line in LINES:
        for number, x in enumerate(range(110, 890, 14)):
            # On red paper, thin ink is a little red, too.
            fill = (62, 34, 28) if paper == RED_PAPER and number % 8 == 0 else (25, 25, 30)
            draw.rectangle((x, line.y - 8, x + 6, line.y + 8), fill=fill)
    if ink is None:
        return np.asarray(image)
    stamp = Image.new("RGB", image.size, "white")
    ImageDraw.Draw(stamp).rectangle((600, 175, 800, 230), fill=ink)
    return np.asarray(ImageChops.multiply(image, stamp))


def black_lines(part: np.ndarray) -> list[Slab]:
    """A detector of black bands, each as one slab; a red stamp makes one of all that it touches."""
    dark = part.astype(int).min(axis=2) < 120
    rows = np.flatnonzero(np.diff(np.concatenate([[0], (dark.mean(axis=1) > 0.1).astype(int), [0]])))
    found = []
    for top, bottom in zip(rows[::2], rows[1::2], strict=True):
        columns = np.flatnonzero(dark[top:bottom].any(axis=0))
        left, right = int(columns[0]), int(columns[-1]) + 1
        found.append(Slab((left + right) / 2, (top + bottom) / 2, right - left, float(bottom - top + 13), 0.0))
    return found


@pytest.mark.parametrize("ink", ["#d01c22", "#2030c8", "#a04cb8"])
def test_a_line_under_a_stamp_is_looked_at_without_the_stamp(ink: str) -> None:
    """The detector took both for one, far too high. What it finds on the cleaned page takes its place."""
    slabs = [*LINES[:2], Slab(500.0, 205.0, 810.0, 75.0, 0.0), *LINES[3:]]
    known = {0: "kept", 2: "of both together", 5: "last"}
    shown = []

    def find(part: np.ndarray) -> list[Slab]:
        shown.append(part)
        return black_lines(part)

    pixels, kept = without_stamps(page(ink), slabs, known, find)
    assert sorted(round(line.y) for line in kept) == [round(line.y) for line in LINES]
    assert {round(kept[place].y): text for place, text in known.items()} == {100: "kept", 400: "last"}
    assert shown[0].shape[0] < 200  # only the place itself is looked at again
    clean = page(None)
    assert np.abs(pixels.astype(int) - clean).mean(axis=2)[176:240, 600:800].max() < 40


def test_lines_that_a_stamp_has_cut_short_are_whole_again() -> None:
    """A slanting stamp leaves the ends of the lines that it crosses; they are replaced, and no word stands twice."""
    short = Slab(300.0, 160.0, 400.0, 30.0, 0.0)
    slabs = [LINES[0], short, Slab(650.0, 205.0, 510.0, 120.0, 0.0), Slab(280.0, 220.0, 360.0, 30.0, 0.0), *LINES[3:]]
    _, kept = without_stamps(page("#d01c22"), slabs, {}, black_lines)
    assert sorted(round(line.y) for line in kept) == [round(line.y) for line in LINES]
    assert all(line.width > 750 for line in kept)


def test_a_line_that_is_not_found_again_stays() -> None:
    slabs = [LINES[0], LINES[1], Slab(500.0, 205.0, 810.0, 90.0, 0.0), *LINES[3:]]

    def find(part: np.ndarray) -> list[Slab]:
        return [line for line in black_lines(part) if line.y > 60]

    _, kept = without_stamps(page("#d01c22"), slabs, {}, find)
    assert sorted(round(line.y) for line in kept) == [round(line.y) for line in LINES]


def test_nothing_is_painted_where_there_is_one_ink() -> None:
    """A tall heading, red or black, also on red paper, and a page without any stay as they are."""
    tall = [Slab(500.0, 220.0, 810.0, 75.0, 0.0)]

    def find(part: np.ndarray) -> list[Slab]:
        raise AssertionError("looked again")

    for pixels, slabs in (
        (page(None), [*LINES[:2], *tall, *LINES[3:]]),
        (page(None, RED_PAPER), [*LINES[:2], *tall, *LINES[3:]]),
        (page("#b01c22"), LINES),
        (page(None), []),
    ):
        known: dict[int, str] = {}
        same, kept = without_stamps(pixels, slabs, known, find)
        assert same is pixels and kept == slabs
