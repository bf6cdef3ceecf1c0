"""Which text layers are believed, and what reading they amount to."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from index.types import Box, Manifest, TextLayerPolicy
from ingest.child_text import layer_from
from ingest.renderer import LayerWord, TextLayer
from ingest.sandbox import SandboxRenderer
from tests.engine_kit import PARAGRAPH, engine, font, page
from worker.reading import PageReader
from worker.textlayer import read_layer, readable_text, trustworthy

WIDTH, HEIGHT, SIZE = 1240, 1000, 34


def layer_of(lines: Sequence[str] = PARAGRAPH, *, invisible: bool = False, coverage: float = 0.0) -> TextLayer:
    """The right layer of `engine_kit.page`, or, with other lines, a wrong one in the same places."""
    words = []
    for number, line in enumerate(lines):
        x, y = 120.0, 120 + number * SIZE * 1.5
        for word in line.split():
            right = x + font(SIZE).getlength(word)
            box = Box(x / WIDTH, y / HEIGHT, right / WIDTH, (y + SIZE) / HEIGHT)
            words.append(LayerWord(word, box, 0, number, 12.0, False, invisible))
            x = right + font(SIZE).getlength(" ")
    return TextLayer(tuple(words), unmapped=0.0, image_coverage=coverage)


class Seer:
    """A recogniser that sees `texts` in turn, with one score."""

    def __init__(self, *texts: str, score: float = 0.99, script: bool = True) -> None:
        self.texts, self.score, self.script, self.asked = texts, score, script, []

    def read_lines(self, _image: Image.Image, boxes: Sequence[Box]) -> list[tuple[str, float]]:
        self.asked.append(list(boxes))
        return [(self.texts[index % len(self.texts)], self.score) for index in range(len(boxes))]

    def knows(self, _text: str) -> bool:
        return self.script


PAGE = Image.new("RGB", (8, 8))
WRONG = tuple(line[::-1].swapcase().translate(str.maketrans("aeiou", "uoaei")) for line in PARAGRAPH)


@pytest.mark.models
@pytest.mark.parametrize("invisible", [False, True])
def test_a_layer_that_the_pixels_bear_out_is_believed(invisible: bool) -> None:
    """Born digital or hidden under a scan: right words are right."""
    layer = layer_of(invisible=invisible, coverage=float(invisible))
    assert trustworthy(layer, page(), engine()).ok


@pytest.mark.models
@pytest.mark.parametrize("lines", [WRONG, tuple(reversed(PARAGRAPH))], ids=["garbled", "other text"])
@pytest.mark.parametrize("invisible", [False, True])
def test_a_layer_that_the_pixels_deny_is_not(lines: Sequence[str], invisible: bool) -> None:
    """Letters through a wrong encoding, or the text of another page, painted or not."""
    verdict = trustworthy(layer_of(lines, invisible=invisible, coverage=float(invisible)), page(), engine())
    assert (verdict.ok, verdict.reason) == (False, "not_on_page")


@pytest.mark.models
def test_an_invisible_layer_over_nothing_is_not_believed() -> None:
    """Hidden words where the page shows none are nobody's."""
    assert not trustworthy(layer_of(invisible=True), Image.new("RGB", (WIDTH, HEIGHT), "white"), engine()).ok


@pytest.mark.models
def test_russian_type_is_left_alone() -> None:
    """The recogniser has no Cyrillic; what it makes of such a page is no reason to doubt the page's own text."""
    lines = ("Портовые книги хранятся в старой таможне,", "где записано каждое судно и его груз.") * 2
    assert not engine().knows("Портовые книги")
    assert engine().knows("Žižkov Müller 12")
    assert trustworthy(layer_of(lines), page(), engine()).ok


@pytest.mark.models
def test_the_look_is_cheap() -> None:
    """Judging a good layer and reading it takes a fraction of what recognising the page would."""
    layer, image = layer_of(), page()
    trustworthy(layer, image, engine())
    looked = []
    for _ in range(5):
        started = time.process_time()
        trustworthy(layer, image, engine())
        read_layer(layer, WIDTH, HEIGHT)
        looked.append(time.process_time() - started)
    started = time.process_time()
    engine().read([image])
    assert min(looked) < (time.process_time() - started) / 3


def test_no_letters_no_layer() -> None:
    """A layer of nothing, or of dashes, is empty."""
    assert trustworthy(TextLayer((), 0.0, 0.0), PAGE, Seer("")).reason == "empty"
    assert trustworthy(layer_of(("— — —",)), PAGE, Seer("")).reason == "empty"


def test_unmapped_characters_condemn_without_a_look() -> None:
    """Fonts without a Unicode mapping: nothing needs to be recognised to know."""
    seer = Seer("anything")
    verdict = trustworthy(replace(layer_of(), unmapped=0.4), PAGE, seer)
    assert (verdict.ok, verdict.reason, seer.asked) == (False, "unmapped", [])


def test_a_few_bullets_do_not() -> None:
    """Dingbats of a symbol font are a few per cent of a good page."""
    assert trustworthy(replace(layer_of(), unmapped=0.03), PAGE, Seer("?", score=0.2)).ok


def test_a_stamp_on_a_scan_is_not_its_text() -> None:
    """A page number over a picture of a page says nothing about the page."""
    verdict = trustworthy(layer_of(("Received 12 May 1931 - page 4",), coverage=0.97), PAGE, Seer("x"))
    assert (verdict.ok, verdict.reason) == (False, "sparse")


def test_doubt_spares_painted_type_and_not_hidden_words() -> None:
    """A recogniser that is unsure of what it sees decides against hidden words only."""
    unsure = Seer("gibberish", score=0.4)
    assert trustworthy(layer_of(), PAGE, unsure).ok
    assert not trustworthy(layer_of(invisible=True), PAGE, unsure).ok


def test_hidden_words_in_an_unknown_script_stand() -> None:
    """Where recognising could do no better, the layer of somebody who could read it is kept."""
    assert trustworthy(layer_of(invisible=True, coverage=1.0), PAGE, Seer("", script=False)).ok


def test_a_doubtful_first_look_is_followed_by_a_second() -> None:
    """Two samples settle a good page; a contradiction asks for more, the same ones each time."""
    seer = Seer("something else entirely")
    assert not trustworthy(layer_of(), PAGE, seer).ok
    assert [len(boxes) for boxes in seer.asked] == [2, 4]
    again = Seer("something else entirely")
    trustworthy(layer_of(), PAGE, again)
    assert again.asked == seer.asked


def test_the_reading_of_a_layer_has_text_words_and_boxes() -> None:
    """Lines become a paragraph; each word's span is the word, and its box the layer's."""
    layer = layer_of()
    reading = read_layer(layer, WIDTH, HEIGHT)
    assert " ".join(reading.text.split()) == " ".join(PARAGRAPH)
    assert [reading.text[word.start : word.end] for word in reading.words] == [word.text for word in layer.words]
    assert [word.box for word in reading.words] == [word.box for word in layer.words]
    assert (reading.reader.engine, reading.reader.mode, reading.trust) == ("text-layer", "text-layer", 1.0)
    assert (reading.width, reading.height, reading.rotation) == (WIDTH, HEIGHT, 0)


def test_an_empty_layer_reads_as_nothing() -> None:
    """No words, or only meaningless characters: an empty text and no error."""
    assert read_layer(TextLayer((), 0.0, 0.0), 100, 100).text == ""
    box = Box(0.1, 0.1, 0.2, 0.2)
    assert read_layer(TextLayer((LayerWord("\ue000\ufffd", box, 0, 0, 9.0, False, False),), 1.0, 0.0), 9, 9).text == ""


def test_meaningless_characters_are_dropped_and_ligatures_resolved() -> None:
    """Private use and control characters go; a ligature is its letters; everything else stays."""
    assert readable_text("of\ufb01ce\ue001\x07 naïve №5") == "office naïve №5"


def test_letters_are_one_with_their_accents() -> None:
    """A layer that spells accents out (NFD) is found by the words that people type."""
    spelled_out = unicodedata.normalize("NFD", "Müllers Café in Đà Nẵng")
    assert readable_text(spelled_out) == "Müllers Café in Đà Nẵng"
    box = Box(0.1, 0.1, 0.4, 0.2)
    layer = TextLayer((LayerWord(unicodedata.normalize("NFD", "Müller"), box, 0, 0, 9.0, False, False),), 0.0, 0.0)
    reading = read_layer(layer, 100, 100)
    assert reading.text == "Müller"
    assert [(word.start, word.end) for word in reading.words] == [(0, 6)]


SENTENCES = (
    "Minutes of the Harbour Board, 4 March 1923",
    "The chairman reported that the breakwater had been repaired.",
    "The dredger Nautilus would be sold to the highest bidder in May.",
    "Resolved, that the clerk write to the insurers at once.",
)


@pytest.mark.models
@pytest.mark.parametrize("shown", [0, 90, 180, 270])
@pytest.mark.parametrize("drawn", [0, 90, 180, 270])
def test_a_layer_shown_sideways_or_upside_down_is_read_upright(tmp_path: Path, shown: int, drawn: int) -> None:
    """Text drawn in any direction on a page with any /Rotate: the same text, and words where the upright page has
    them.
    """
    document = pymupdf.open()
    sheet = document.new_page(width=600, height=600)
    for number, line in enumerate(SENTENCES):
        x, y = 70.0, 100.0 + 30 * number
        at = {0: (x, y), 90: (y, 600 - x), 180: (600 - x, 600 - y), 270: (600 - y, x)}[drawn]
        sheet.insert_text(at, line, fontsize=14, rotate=drawn)
    sheet.set_rotation(shown)
    file = tmp_path / "page.pdf"
    document.save(file)
    manifest = Manifest(
        "t", "d", "0" * 64, 1, "page.pdf", "application/pdf", datetime(2026, 1, 1, tzinfo=UTC), TextLayerPolicy.AUTO
    )
    with SandboxRenderer() as renderer:
        reading = PageReader(renderer, engine(), engine()).read(file, manifest, 1, None)
    assert reading.reader.engine == "text-layer"
    assert reading.rotation == (drawn - shown) % 360
    assert reading.text.split() == " ".join(SENTENCES).split()
    first = reading.words[0].box
    assert (first.x0, first.y1) == pytest.approx((70 / 600, 104 / 600), abs=0.01)


def test_a_page_with_text_both_ways_is_left_as_it_is() -> None:
    """A turn needs most of the text."""
    layer = layer_from(
        [{"lines": [line("abcd", (1.0, 0.0)), line("efgh", (0.0, -1.0))]}], [], [], (100.0, 100.0), lambda _: True
    )
    assert layer is not None
    assert layer["quarter_turns"] == 0


def line(text: str, direction: tuple[float, float]) -> dict:
    """A line as MuPDF describes it."""
    chars = [{"c": c, "bbox": (10.0 + n, 10.0, 11.0 + n, 20.0), "origin": (10.0 + n, 18.0)} for n, c in enumerate(text)]
    return {"dir": direction, "spans": [{"size": 10.0, "flags": 0, "chars": chars}]}
