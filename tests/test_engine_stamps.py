"""Coloured stamps over black print are painted over where the two meet, and nowhere else. No network is run here."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from worker.engine.geometry import Slab
from worker.engine.stamps import without_stamps

LINES = [Slab(500.0, 100.0 + 60 * k, 800.0, 30.0, 0.0) for k in range(6)]


def page(ink: str | None) -> np.ndarray:
    """Six black lines; over the third, a stamp in `ink`."""
    image = Image.new("RGB", (1000, 500), (240, 238, 230))
    draw = ImageDraw.Draw(image)
    for line in LINES:
        for x in range(110, 890, 14):
            draw.rectangle((x, line.y - 8, x + 6, line.y + 8), fill=(25, 25, 30))
    if ink:
        draw.rectangle((600, 175, 800, 192), fill=ink)
    return np.asarray(image)


def test_a_line_under_a_red_stamp_is_looked_at_without_the_stamp() -> None:
    """The detector took both for one, far too high. What it finds on the cleaned page takes its place."""
    slabs = [*LINES[:2], Slab(500.0, 205.0, 810.0, 75.0, 0.0), *LINES[3:]]
    known = {0: "kept", 2: "of both together"}
    shown = []

    def find(part: np.ndarray) -> list[Slab]:
        shown.append(part)
        height, width = part.shape[:2]
        return [Slab(width / 2, height / 2 + 12, 800.0, 30.0, 0.0)]

    pixels, kept = without_stamps(page("#b01c22"), slabs, known, find)
    assert len(kept) == len(slabs)
    assert abs(kept[2].y - LINES[2].y) < 8 and kept[2].height == 30
    assert known == {0: "kept"}
    red = (pixels[..., 0].astype(int) - pixels[..., 1]) > 45
    assert not red[178:190].any()
    assert shown[0].shape[0] < 200  # only the place itself is looked at again
    black = pixels.max(axis=2) < 80
    assert black[214:224, 600:800].mean() > 0.3  # the print under the stamp is still there


def test_nothing_is_painted_where_there_is_one_ink() -> None:
    """A tall heading, red or black, and a page without any stay as they are."""
    tall = [Slab(500.0, 220.0, 810.0, 75.0, 0.0)]

    def find(part: np.ndarray) -> list[Slab]:
        raise AssertionError("looked again")

    for pixels, slabs in (
        (page(None), [*LINES[:2], *tall, *LINES[3:]]),
        (page("#b01c22"), LINES),
        (page(None), []),
    ):
        known: dict[int, str] = {}
        same, kept = without_stamps(pixels, slabs, known, find)
        assert same is pixels and kept == slabs
