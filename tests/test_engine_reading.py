"""The CPU engine reads rendered pages, whichever way they lie and whatever they are made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from rapidfuzz.distance import Levenshtein

from index.types import Box
from tests.engine_kit import PARAGRAPH, engine, font, noisy, page

pytestmark = pytest.mark.models

TEXT = " ".join(PARAGRAPH)


def likeness(read: str, true: str = TEXT) -> float:
    return Levenshtein.normalized_similarity(" ".join(read.split()), true)


def test_reads_a_clean_page_to_the_letter() -> None:
    """Clean type comes out as it was set, in its order, with high trust."""
    reading = engine().read([page()])[0]
    assert " ".join(reading.text.split()) == TEXT
    assert reading.trust > 0.95
    assert (reading.width, reading.height, reading.rotation) == (1240, 1000, 0)
    assert reading.reader.engine == "rapidocr"
    assert reading.reader.revision == engine().revision


def test_gives_one_reading_for_each_image_in_order() -> None:
    """Several images give as many readings, each of its own page."""
    first, second = page(("First things first.",)), page(("Second to none.",))
    readings = engine().read([first, second])
    assert [reading.text.strip() for reading in readings] == ["First things first.", "Second to none."]


def test_reads_noise_nearly_as_well() -> None:
    """Grain on grey paper costs hardly a letter."""
    assert likeness(engine().read([noisy(page(), 7)])[0].text) > 0.98


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turns_pages_upright(turn: int) -> None:
    """A page scanned sideways or upside down is read, and the reading says how far it was turned."""
    scanned = page().rotate(turn, expand=True)  # counterclockwise, so `turn` clockwise stands it up
    reading = engine().read([scanned])[0]
    assert reading.rotation == turn
    assert likeness(reading.text) > 0.99
    assert (reading.width, reading.height) == (1240, 1000)


@pytest.mark.parametrize("turn", [0, 180])
def test_turns_a_page_of_two_words(turn: int) -> None:
    """Even a nearly empty page has an upside."""
    reading = engine().read([page(("Private Correspondence",)).rotate(turn)])[0]
    assert reading.rotation == turn
    assert "Private Correspondence" in reading.text


@pytest.mark.parametrize("angle", [-15, -6, -1.5, 3, 10, 15])
def test_reads_skewed_pages(angle: float) -> None:
    """Skew up to 15 degrees either way costs next to nothing."""
    skewed = page().rotate(angle, expand=True, resample=Image.Resampling.BICUBIC, fillcolor="white")
    reading = engine().read([skewed])[0]
    assert reading.rotation == 0
    assert likeness(reading.text) > 0.98


def test_keeps_the_spaces_between_words() -> None:
    """Each word of the page is a word of the text."""
    assert engine().read([page()])[0].text.split() == TEXT.split()


def test_reads_accents_and_signs() -> None:
    """Letters of western and central Europe, currency and typographic signs."""
    line = "Café Žižkov, señor Müller: £12 & 50 € – 7½ %"
    read = engine().read([page((line,))])[0].text
    assert likeness(read.replace("—", "–"), line) > 0.95


def test_reads_chinese() -> None:
    """What the narrow alphabet does not hold is read with the whole one."""
    image = Image.new("RGB", (900, 200), "white")
    ImageDraw.Draw(image).text((60, 60), "合同编号 HT-2024 甲方代表", "black", font=font(48, "china-s"))
    read = "".join(engine().read([image])[0].text.split())
    assert likeness(read, "合同编号HT-2024甲方代表") > 0.9


def test_punctuation_in_latin_text_is_ascii() -> None:
    """No full-width comma or bracket slips into Latin text."""
    read = engine().read([page(("Items (a), (b): 12; see p. 7!",))])[0].text
    assert not [character for character in read if "\uff00" <= character <= "\uffef"]


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (1, 1), "white"),
        Image.new("RGB", (1, 1), "black"),
        Image.new("RGB", (2000, 1500), (180, 40, 90)),
        Image.new("L", (1500, 2000), 255),
        Image.new("1", (1500, 2000), 1),
        Image.new("RGBA", (600, 800), (0, 0, 0, 0)),
    ],
    ids=["white pixel", "black pixel", "solid colour", "grey", "bilevel", "transparent"],
)
def test_blank_pages_are_sure_to_be_empty(image: Image.Image) -> None:
    """Nothing on the page: no text, and full trust in that."""
    reading = engine().read([image])[0]
    assert (reading.text, reading.words, reading.trust) == ("", (), 1.0)
    assert (reading.width, reading.height) == image.size


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "I;16", "I", "F"])
def test_reads_images_of_any_mode(mode: str) -> None:
    """Grey, bilevel, palette, transparent, print-coloured and 16-bit images are the same page."""
    source = page()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257)
    else:
        image = source.convert("L").convert(mode) if mode in ("I", "F", "LA") else source.convert(mode)
    assert likeness(engine().read([image])[0].text) > 0.98


def test_reads_a_strip_of_20000_by_40() -> None:
    """A very long line is read in pieces; words survive along all of it."""
    strip = Image.new("RGB", (20000, 40), "white")
    draw = ImageDraw.Draw(strip)
    marks = [f"Station {number:02d}" for number in range(40)]
    for number, mark in enumerate(marks):
        draw.text((60 + number * 498, 4), mark, "black", font=font(28))
    read = engine().read([strip])[0].text
    assert sum(mark in " ".join(read.split()) for mark in marks) >= 36


def test_noise_earns_no_trust() -> None:
    """A page of random specks gives hardly any text, or text that is not trusted."""
    specks = np.random.default_rng(3).integers(0, 256, (900, 700), dtype=np.uint8)
    reading = engine().read([Image.fromarray(specks)])[0]
    assert len(reading.text) < 20 or reading.trust < 0.8


def test_four_threads_read_the_same() -> None:
    """Concurrent reading changes nothing."""
    images = [page(PARAGRAPH[start:]) for start in range(4)]
    alone = [engine().read([image])[0] for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: engine().read([image])[0], images * 3))
    assert together == alone * 3


def test_reads_given_lines_without_looking_for_them() -> None:
    """`read_lines` answers for each box, in order, also where there is nothing."""
    boxes = [Box(0.08, (112 + n * 51) / 1000, 0.95, (112 + n * 51 + 50) / 1000) for n in range(len(PARAGRAPH))]
    found = engine().read_lines(page(), [*boxes, Box(0.1, 0.9, 0.4, 0.94)])
    assert [likeness(text, true) > 0.97 for (text, _), true in zip(found, PARAGRAPH, strict=False)] == [True] * 5
    assert found[-1][0] == "" or found[-1][1] < 0.5
    assert engine().read_lines(Image.new("L", (1, 1)), [Box(0, 0, 1, 1)]) == [("", 0.0)]


def test_small_print_is_not_overlooked() -> None:
    """Six-point type on an A4 page at 200 dpi: every line is found, not only what the first look happens to see."""
    lines = tuple(
        f"Clause {number}: the lessee keeps boiler LEASE-{number}-Q in working order." for number in range(12)
    )
    image = page(lines, size=17, width=1654, height=2339)
    read = engine().read([image])[0].text
    assert [number for number in range(12) if f"LEASE-{number}-" not in read] == []


def test_single_figures_far_apart_are_not_overlooked() -> None:
    """A register's columns of scores: each figure is a few pixels of what the detector answers."""
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    rows = [[str((3 * row + 5 * column) % 9 + 1) for column in range(7)] for row in range(10)]
    for row, figures in enumerate(rows):
        draw.text((133, 312 + 41.7 * row), f"Keeper {'ABCDEFGHIJ'[row]}.", "black", font=font(21))
        for column, figure in enumerate(figures):
            draw.text((429 + 62.5 * column, 312 + 41.7 * row), figure, "black", font=font(21))
    (reading,) = engine().read([image.filter(ImageFilter.GaussianBlur(0.6))])
    for figures in rows:
        assert " ".join(figures) in reading.text.replace("| ", "")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_orientation_alone(turn):
    """Other engines ask only which way up a page is; one that holds nothing legible stays as it is."""
    upright = page()
    assert engine().rotation(upright.rotate(turn, expand=True)) == turn
    marks = Image.new("RGB", (600, 400), "white")
    draw = ImageDraw.Draw(marks)
    for step in range(12):
        draw.arc((30 + 40 * step, 80, 60 + 40 * step, 250), 20 * step, 20 * step + 200, "black", 3)
    assert engine().rotation(marks.rotate(turn, expand=True)) == 0
    assert engine().rotation(Image.new("RGB", (300, 300), "white")) == 0


def sheet_with_back(pale: int) -> Image.Image:
    """A page on whose lower half the other side shows through, `pale` shades darker than the paper."""
    front = np.asarray(page()).astype(np.int16)
    back = np.asarray(page().rotate(180).transpose(Image.Transpose.FLIP_TOP_BOTTOM)).astype(np.int16)
    both = np.concatenate([front, 255 - (255 - back) * pale // 255])
    return Image.fromarray(both.clip(0, 255).astype(np.uint8))


def test_what_shows_through_from_the_other_side_is_not_read() -> None:
    """Pale mirrored lines are no text of this side."""
    assert likeness(engine().read([sheet_with_back(50)])[0].text) > 0.98


def test_pale_writing_is_read_where_it_is_plain() -> None:
    """Pencil under print, and a page that is pale as a whole."""
    sheet = page((*PARAGRAPH, ""))
    draw = ImageDraw.Draw(sheet)
    draw.text((80, 880), "Copied from the book by J. Moyle", fill=(200, 200, 200), font=font(34))
    assert "Copied from the book" in engine().read([sheet])[0].text
    pale = Image.fromarray((215 - (255 - np.asarray(page()).astype(np.int16)) // 5).astype(np.uint8))
    assert likeness(engine().read([pale])[0].text) > 0.98


def test_columns_of_figures_on_a_sideways_page_are_no_lines() -> None:
    """Seen sideways, figures under each other look like one; on the upright page they do not."""
    sheet = Image.new("RGB", (1240, 1000), "white")
    draw = ImageDraw.Draw(sheet)
    rows = [("Pengarth", "61", "38"), ("Bodmin", "58", "33"), ("Launceston", "57", "31"), ("Helston", "62", "40")]
    rows += [("Mevagissey", "59", "44"), ("Lostwithiel", "60", "39"), ("Camborne", "55", "36")]
    draw.text((80, 60), "Weather at seven stations in the month of March", fill="black", font=font(34))
    for k, row in enumerate(rows):
        for x, text in zip((80, 500, 900), row, strict=True):
            draw.text((x, 150 + 60 * k), text, fill="black", font=font(34))
    reading = engine().read([sheet.rotate(90, expand=True)])[0]
    assert reading.rotation == 90
    for row in rows:
        assert "| " + " | ".join(row) + " |" in reading.text
