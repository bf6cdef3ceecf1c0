"""Where the words stand: boxes of words and regions on the upright page."""

from __future__ import annotations

import pytest
from PIL import Image

from index.types import Box
from tests.engine_kit import PARAGRAPH, engine, font, page

pytestmark = pytest.mark.models


def true_box(line: int, word: int, size: int = 34, width: int = 1240, height: int = 1000) -> Box:
    """Where `page` sets a word."""
    words = PARAGRAPH[line].split()
    before = " ".join(words[:word]) + (" " if word else "")
    x0 = 120 + font(size).getlength(before)
    y0 = 120 + line * size * 1.5
    return Box(x0 / width, y0 / height, (x0 + font(size).getlength(words[word])) / width, (y0 + size) / height)


def test_every_word_has_its_box() -> None:
    """Each word's span is the word, and its box is where it was set, within half a letter or so."""
    reading = engine().read([page()])[0]
    places = [(line, word) for line, text in enumerate(PARAGRAPH) for word in range(len(text.split()))]
    assert len(reading.words) == len(places)
    for found, (line, word) in zip(reading.words, places, strict=True):
        assert reading.text[found.start : found.end] == PARAGRAPH[line].split()[word]
        true = true_box(line, word)
        assert abs(found.box.x0 - true.x0) * 1240 < 16
        assert abs(found.box.x1 - true.x1) * 1240 < 16
        assert found.box.y0 < (true.y0 + true.y1) / 2 < found.box.y1


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_boxes_are_on_the_upright_page(turn: int) -> None:
    """After turning, boxes are where they would be had the page been scanned upright."""
    upright = engine().read([page()])[0]
    turned = engine().read([page().rotate(turn, expand=True)])[0]
    assert len(turned.words) == len(upright.words)
    for a, b in zip(upright.words, turned.words, strict=True):
        assert max(abs(a.box.x0 - b.box.x0), abs(a.box.x1 - b.box.x1), abs(a.box.y0 - b.box.y0)) < 0.015


def test_boxes_of_a_skewed_page_lie_on_its_ink() -> None:
    """On a skewed page each word's box holds dark pixels, though lines run at an angle."""
    skewed = page().rotate(7, expand=True, resample=Image.Resampling.BICUBIC, fillcolor="white")
    reading = engine().read([skewed])[0]
    width, height = skewed.size
    grey = skewed.convert("L")
    for word in reading.words:
        box = word.box
        part = grey.crop((int(box.x0 * width), int(box.y0 * height), int(box.x1 * width) + 1, int(box.y1 * height) + 1))
        assert part.getextrema()[0] < 100


def test_words_lie_inside_their_region() -> None:
    """A region's box holds the boxes of its words, give or take a pixel or two."""
    reading = engine().read([page()])[0]
    assert reading.regions
    for region in reading.regions:
        for word in reading.words:
            if region.start <= word.start < region.end:
                assert region.box.x0 - 0.02 <= word.box.x0 <= word.box.x1 <= region.box.x1 + 0.02
                assert region.box.y0 - 0.02 <= word.box.y0 <= word.box.y1 <= region.box.y1 + 0.02
