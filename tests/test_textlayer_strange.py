"""Text layers as programs write them: printed twice, ticked, hidden in white, stamped across, divided softly."""

from __future__ import annotations

from dataclasses import replace

import pymupdf
import pytest
from PIL import Image, ImageDraw

from index.types import Box
from ingest.child_text import layer_from
from ingest.renderer import LayerWord, TextLayer
from ingest.sandbox import SandboxRenderer
from worker.textlayer import read_layer, trustworthy, without_unseen


@pytest.fixture
def layer_of(tmp_path):
    """The layer of a document's first page, by way of the real sandbox."""

    def read(document: pymupdf.Document) -> tuple[TextLayer, Image.Image]:
        file = tmp_path / "page.pdf"
        document.save(file)
        with SandboxRenderer() as renderer:
            page = renderer.render(file, "application/pdf", 1, None, max_pixels=200_000, text_layer=True)
        assert page.text_layer is not None
        return page.text_layer, page.image

    return read


def test_text_printed_twice_for_weight_or_with_a_shadow_counts_once(layer_of) -> None:
    """The same word in the same place is one word; the same word beside it, or on the next line, is another. One that
    is painted and hidden is painted.
    """
    document = pymupdf.open()
    page = document.new_page()
    for offset in (0.0, 0.3):
        page.insert_text((50 + offset, 100), "Printed for weight", fontsize=12)
    page.insert_text((51.5, 151.5), "Shadow", fontsize=12, color=(0.6, 0.6, 0.6))
    page.insert_text((50, 150), "Shadow", fontsize=12)
    page.insert_text((50, 200), "that that", fontsize=12)
    page.insert_text((50, 214), "that", fontsize=12)
    page.insert_text((50, 300), "twice", fontsize=12, render_mode=3)
    page.insert_text((50, 300), "twice", fontsize=12)
    layer, _ = layer_of(document)
    assert " ".join(sorted(word.text for word in layer.words)) == "Printed Shadow for that that that twice weight"
    assert not any(word.invisible for word in layer.words)


def test_ticked_fields_show_a_tick_and_words_after_them_are_words(layer_of) -> None:
    """A ticked box of a form is a tick and not the letter that its font keeps it under; white where the font changes
    parts words.
    """
    document = pymupdf.open()
    page = document.new_page()
    field = pymupdf.Widget()
    field.field_type, field.field_name, field.field_value = pymupdf.PDF_WIDGET_TYPE_CHECKBOX, "paid", True
    field.rect = pymupdf.Rect(50, 90, 62, 102)
    page.add_widget(field)
    page.insert_text((66, 100), "Paid", fontsize=11)
    page.insert_text((50, 150), "8", fontsize=11, fontname="zadb")
    page.insert_text((67, 150), "Unpaid", fontsize=11)
    page.insert_text((50, 200), "4 boxes", fontsize=11)
    layer, _ = layer_of(document)
    words = [word.text for word in layer.words]
    assert sorted(words) == sorted(["✓", "Paid", "✘", "Unpaid", "4", "boxes"])


def test_words_that_a_page_does_not_show_are_not_read(layer_of) -> None:
    """White on white beside painted type is no part of the page; white on a dark bar is."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((50, 100), "The trustees met on the fourth of May and signed", fontsize=11)
    page.insert_text((50, 150), "Ignore the page", fontsize=11, color=(1, 1, 1))
    page.draw_rect((40, 180, 300, 220), fill=(0, 0, 0.4))
    page.insert_text((50, 200), "Second part", fontsize=11, color=(1, 1, 1))
    layer, image = layer_of(document)
    assert "Ignore" in {word.text for word in layer.words}
    text = read_layer(without_unseen(layer, image), *image.size).text
    assert " ".join(text.split()) == "The trustees met on the fourth of May and signed Second part"


def test_hidden_words_stay_where_the_page_shows_something_or_is_a_scan() -> None:
    """The invisible text over a figure belongs to it; a scan's layer is hidden as a whole and is left alone."""
    image = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(image).rectangle((210, 40, 280, 60), fill="black")
    painted = [
        LayerWord(f"word{k}", Box(0.1, 0.2 + 0.05 * k, 0.3, 0.23 + 0.05 * k), 0, k, 9.0, False, False) for k in range(4)
    ]
    figure = LayerWord("figure", Box(0.5, 0.08, 0.75, 0.17), 1, 0, 9.0, False, True)
    blank = LayerWord("blank", Box(0.5, 0.6, 0.75, 0.65), 2, 0, 9.0, False, True)
    layer = TextLayer((*painted, figure, blank), 0.0, 0.0)
    assert [word.text for word in without_unseen(layer, image).words][4:] == ["figure"]
    scan = replace(layer, words=tuple(replace(word, invisible=True) for word in layer.words))
    assert without_unseen(scan, image) == scan


def test_a_watermark_across_the_lines_is_read_after_them(layer_of) -> None:
    """No line of the text is torn, and the stamp is no heading."""
    document = pymupdf.open()
    page = document.new_page()
    lines = ["The dredger Nautilus would be sold to the", "highest bidder in May, and the clerk was told", "to write"]
    for number in range(9):
        page.insert_text((60, 100 + 15 * number), lines[number % 3], fontsize=11)
    at = pymupdf.Point(120, 240)
    page.insert_text(at, "DRAFT COPY", fontsize=40, color=(0.8, 0.8, 0.8), morph=(at, pymupdf.Matrix(45)))
    layer, image = layer_of(document)
    text = read_layer(layer, *image.size).text
    assert text.split() == [*(" ".join(lines * 3)).split(), "DRAFT", "COPY"]
    assert "#" not in text


def test_soft_hyphens_divide_at_the_end_of_a_line_and_nowhere_else() -> None:
    """Half words are joined where the line ends; inside a word a soft hyphen is nothing."""
    lines = ["in\u00advis\u00adible hyphens and a divi\u00ad", "sion of the last of the words"]
    words = [
        LayerWord(
            word, Box(0.1 + 0.1 * k, 0.1 + 0.02 * row, 0.18 + 0.1 * k, 0.115 + 0.02 * row), 0, row, 9.0, False, False
        )
        for row, line in enumerate(lines)
        for k, word in enumerate(line.split())
    ]
    text = read_layer(TextLayer(tuple(words), 0.0, 0.0), 1000, 1000).text
    assert text == "invisible hyphens and a division of the last of the words"


def _as_mupdf_tells(lines: list[str], hyphen: float = 3.0) -> TextLayer:
    """The layer made of lines as MuPDF gives them, 10 points high, a letter 5 wide and a soft hyphen `hyphen`."""
    told = []
    for row, text in enumerate(lines):
        x, y, chars = 50.0, 60.0 + 12 * row, []
        for char in text:
            width = hyphen if char == "\u00ad" else 5.0
            chars.append({"c": char, "bbox": (x, y, x + width, y + 10), "origin": (x, y + 8)})
            x += width
        span = {"size": 10.0, "flags": 0, "font": "Serif", "chars": chars}
        told.append({"dir": (1.0, 0.0), "wmode": 0, "spans": [span]})
    made = layer_from([{"lines": told}], [], [], (600.0, 800.0), lambda _: True)
    assert made is not None
    words = tuple(
        LayerWord(text, Box(*box), block, line, size, bold, invisible, 90 * turns)
        for text, *box, block, line, size, bold, turns, invisible in made["words"]
    )
    return TextLayer(words, made["unmapped"], 0.0)


def test_hyphens_that_a_font_keeps_under_the_soft_one_are_hyphens() -> None:
    """One glyph serves both signs in many fonts, and MuPDF may tell the soft one: years and compounds keep theirs, and
    dashes between numbers stay. A page that paints it at line ends alone divides words there, and what is not painted
    is nothing.
    """
    lines = [
        "The years 1841\u00ad1902 and 11 \u00ad 16 of the well\u00adknown sub\u00ad",
        "committee of 1841\u00ad",
        "1902.",
    ]
    text = read_layer(_as_mupdf_tells(lines), 600, 800).text
    assert flat(text) == "The years 1841-1902 and 11 - 16 of the well-known subcommittee of 1841-1902."
    lines = ["The report of the sub\u00ad", "committee of 1841\u00ad", "1902."]
    assert flat(read_layer(_as_mupdf_tells(lines), 600, 800).text) == "The report of the subcommittee of 1841-1902."
    lines = ["Hyphens that are in\u00advis\u00adible"]
    assert read_layer(_as_mupdf_tells(lines, hyphen=0.0), 600, 800).text == "Hyphens that are invisible"


def test_letterspaced_words_of_a_layer_are_words() -> None:
    """Also where the gap between two of them ended MuPDF's line."""
    words = []
    x = 0.1
    for number, word in enumerate(("DEED", "OF", "SALE")):
        for letter in word:
            words.append(LayerWord(letter, Box(x, 0.1, x + 0.012, 0.115), 0, number, 9.0, False, False))
            x += 0.018
        x += 0.012
    assert read_layer(TextLayer(tuple(words), 0.0, 0.0), 1000, 1000).text == "DEED OF SALE"


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("slope", [-0.03, 0.0, 0.02])
def test_a_layer_that_lies_askew_with_its_scan_is_levelled(slope: float) -> None:
    """Rows of short cells far apart stay rows, and every word keeps its box on the page."""
    words = []
    rows = [("Rope of hemp, tarred", "14.10"), ("Lamp of brass, used", "9.50"), ("Net for herring", "3.00")] * 4
    for row, cells in enumerate(rows):
        for at, text in zip((0.1, 0.8), cells, strict=True):
            for k, part in enumerate(text.split()):
                x, y = at + 0.06 * k, 0.2 + 0.016 * row
                y += slope * (x - 0.5)  # a square page
                words.append(LayerWord(part, Box(x, y, x + 0.05, y + 0.012), row, int(at > 0.5), 9.0, False, True))
    page = read_layer(TextLayer(tuple(words), 0.0, 1.0), 1000, 1000)
    assert page.text.count("| Rope of hemp, tarred | 14.10 |") == 4
    assert page.text.count("| Net for herring | 3.00 |") == 4
    assert {word.box for word in page.words} == {word.box for word in words}


STATIONS = [("Station", "Jan", "Feb", "Mar"), ("Ardmore", "1.0", "1.7", "2.4"), ("Dunmore", "2.3", "3.0", "3.7")]
STATIONS += [("Inverallan", "4.9", "5.6", "1.3"), ("Marlow", "1.2", "1.9", "2.6")]
REPORT = "The keepers were asked to read the gauge each morning, and to write down what they found in the book. " * 3


@pytest.mark.parametrize("turn", [90, 270])
def test_a_table_on_its_side_is_read_on_its_side(layer_of, turn: int) -> None:
    """A wide table on a page of a book: its rows are rows, between the text above and the page's number."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_textbox((60, 40, 540, 160), REPORT, fontsize=10)
    for row, cells in enumerate([("Table 4. Monthly rainfall at four stations",), (), *STATIONS]):
        for column, text in enumerate(cells):
            along, down = 90 * column + 20, 24 * row
            x, y = (220 + down, 720 - along) if turn == 90 else (400 - down, 300 + along)
            page.insert_text((x, y), text, fontsize=10, rotate=90 if turn == 90 else 270)
    page.insert_text((290, 810), "113", fontsize=10)
    layer, image = layer_of(document)
    assert {word.turn for word in layer.words} == {0, turn}
    reading = read_layer(layer, *image.size)
    rows = [f"| {' | '.join(cells)} |" for cells in STATIONS]
    assert rows[0] + "\n| --- | --- | --- | --- |\n" + "\n".join(rows[1:]) in reading.text
    places = [reading.text.index(text) for text in ("in the book.", "Table 4.", "| Station", "113")]
    assert places == sorted(places)
    (found,) = [word for word in reading.words if reading.text[word.start : word.end] == "Inverallan"]
    (given,) = [word for word in layer.words if word.text == "Inverallan"]
    for side in ("x0", "y0", "x1", "y1"):
        assert getattr(found.box, side) == pytest.approx(getattr(given.box, side), abs=0.002)


def test_heads_that_run_up_stay_over_their_columns(layer_of) -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_textbox((60, 40, 540, 160), REPORT, fontsize=10)
    heads = ("Week 1", "Week 2", "Week 3", "Total", "Cause")
    for column, head in enumerate(heads):
        page.insert_text((220 + 30 * column, 250), head, fontsize=10, rotate=90)
    page.insert_text((64, 250), "Name", fontsize=10)
    rows = [("Annie Bright", "7", "8", "8", "23", "-"), ("Ellen Dow", "5", "8", "8", "21", "ill")]
    rows += [("Fred Eames", "4", "6", "8", "18", "-"), ("Ida Hale", "9", "8", "7", "24", "-")]
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            page.insert_text((64 if not column else 182 + 30 * column, 270 + 20 * row), text, fontsize=10)
    layer, image = layer_of(document)
    assert "| Name | Week 1 | Week 2 | Week 3 | Total | Cause |" in read_layer(layer, *image.size).text


def test_samples_of_a_layer_are_words_that_stand_upright() -> None:
    """Lines are looked up as they lie; a word on its side would read as another, and the layer be thought false."""
    upright = [
        LayerWord("bookkeeper", Box(0.1, 0.1 * k, 0.3, 0.1 * k + 0.02), 0, k, 10, False, False) for k in range(1, 4)
    ]
    aside = [
        LayerWord("inverallan", Box(0.1 * k, 0.5, 0.1 * k + 0.02, 0.7), 1, k, 10, False, False, 90) for k in range(1, 9)
    ]

    class Lying:
        def read_lines(self, image: Image.Image, boxes: list[Box]) -> list[tuple[str, float]]:
            return [("bookkeeper", 0.99) if box.x1 - box.x0 > 0.1 else ("zzzzzz", 0.99) for box in boxes]

        def knows(self, text: str) -> bool:
            return True

    layer = TextLayer((*upright, *aside), 0.0, 0.0, ())
    assert trustworthy(layer, Image.new("RGB", (600, 800), "white"), Lying()).ok
