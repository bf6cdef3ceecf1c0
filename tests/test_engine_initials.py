"""A large initial and the lines beside it, which a detector took for one thing, are slabs of their own again."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.engine_kit import engine, font, page
from worker.engine.geometry import Slab
from worker.engine.initials import without_initials
from worker.engine.rapidocr import RapidOcrEngine

CAP = (100, 300, 70, 96)  # left, top, width, height
LINES = [Slab(500.0, 100.0 + 60 * k, 800.0, 40.0, 0.0) for k in range(3)]
BESIDE = [Slab(545.0, 315.0, 710.0, 40.0, 0.0), Slab(545.0, 380.0, 710.0, 40.0, 0.0)]
BELOW = [Slab(500.0, 440.0 + 60 * k, 800.0, 40.0, 0.0) for k in range(3)]
MERGED = Slab(500.0, 348.0, 820.0, 130.0, 0.0)


def sheet(caps: int = 1, before: bool = False) -> np.ndarray:
    """Lines of small marks, and beside two of them `caps` marks as high as both."""
    pixels = np.full((700, 1000, 3), 245, np.uint8)
    for line in (*LINES, *BESIDE, *BELOW):
        left, right = int(line.x - line.width / 2) + 4, int(line.x + line.width / 2) - 4
        for x in range(left, right - 12, 20):
            pixels[int(line.y) - 11 : int(line.y) + 11, x : x + 12] = 20
    left, top, width, height = CAP
    for k in range(caps):
        pixels[top : top + height, left + 110 * k : left + 110 * k + width] = 20
    if before:
        pixels[top + 40 : top + 70, left - 12 : left - 4] = 20
    return pixels


def lines_of(part: np.ndarray) -> list[Slab]:
    """What a detector finds on a part without a large mark: a slab for each row of ink."""
    dark = (part.mean(axis=2) < 128).astype(np.uint8)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(dark, np.ones((1, 41), np.uint8)))
    slabs = []
    for x, y, width, height, _ in boxes[1:count]:
        slabs.append(Slab(x + width / 2, y + height / 2, float(width - 40), float(height + 16), 0.0))
    return slabs


def test_an_initial_and_its_lines_are_apart_again() -> None:
    """Readings of other slabs stay theirs; that of both together is gone."""
    known = {1: "kept", 3: "of all together", 4: "below"}
    slabs = without_initials(sheet(), [*LINES, MERGED, *BELOW], known, lines_of)
    found = sorted((round(item.y / 10), round(item.height / 10)) for item in slabs[len(LINES) + len(BELOW) :])
    assert found == [(32, 4), (35, 11), (38, 4)]
    assert {round(slabs[place].y): text for place, text in known.items()} == {160: "kept", 440: "below"}


@pytest.mark.parametrize(("caps", "before"), [(0, False), (2, False), (1, True)])
def test_what_is_no_initial_is_not_looked_at_again(caps: int, before: bool) -> None:
    """A heading in large type has several high letters, and a figure in the text has something before it."""

    def find(part: np.ndarray) -> list[Slab]:
        raise AssertionError("looked again")

    slabs = [*LINES, MERGED, *BELOW]
    assert without_initials(sheet(caps, before), slabs, {}, find) == slabs


def test_what_is_not_found_again_stays() -> None:
    slabs = [*LINES, MERGED, *BELOW]
    assert without_initials(sheet(), slabs, {}, lambda _part: []) == slabs


TEXT = (
    "HE SURVEYOR set out across the moor with his",
    "boy and the chain, meaning to have the line from",
    "the cross to the tor before the light failed; but he had",
    "not gone a mile when the mist came down, and the boy,",
    "who carried the hinder end, was no more to be seen.",
)


def test_the_lines_beside_an_initial_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letter and lines come as one slab, as on a worn scan: no word is lost, and the first has its initial back."""
    image = page(tuple(" " * (10 if k < 2 else 0) + line for k, line in enumerate(TEXT)), size=34)
    from PIL import ImageDraw

    ImageDraw.Draw(image).text((122, 108), "T", "black", font=font(110, "tibo"))
    find = RapidOcrEngine._find
    found = engine()._find(np.asarray(image))
    first = sorted(found, key=lambda item: item.y)
    together = [item for item in first if item.y < 215]
    corners = np.concatenate([item.corners() for item in together])
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    merged = Slab((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)
    others = [item for item in first if item not in together]
    monkeypatch.setattr(
        type(engine()._loaded()[0]), "find", lambda self, pixels: [replace(merged), *others], raising=True
    )
    monkeypatch.setattr(RapidOcrEngine, "_find", lambda self, pixels: found_in(pixels))

    def found_in(pixels: np.ndarray) -> list[Slab]:
        monkeypatch.undo()
        return find(engine(), pixels)

    text = " ".join(engine().read([image])[0].text.split())
    assert text.startswith("THE SURVEYOR set out across the moor with his boy and the chain,")
    assert text.endswith("was no more to be seen.")
