"""Text that stands on its side on an upright page. No network is run here: what is read follows from a crop's shape."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from index.types import Box, Region, RegionKind, Word
from tests.layout_kit import OTHER, PROSE, check_spans, in_order
from tests.layout_kit import Page as LayoutPage
from worker.engine.geometry import Levelling, Slab
from worker.engine.lines import read_lines
from worker.engine.recognise import NOTHING, Recognised
from worker.engine.turned import read_turned, turned_part
from worker.layout.inset import inset
from worker.layout.lines import Composed, Line

PAGE = np.full((800, 600, 3), 255, np.uint8)
LEVEL = Levelling(0.0, 600, 800)


def said(text: str, score: float = 0.98) -> Recognised:
    places = tuple((k + 0.5) / len(text) for k in range(len(text)))
    return Recognised(text, places, score)


def test_a_short_word_on_its_side_is_read_that_way_where_it_reads_badly_as_it_lies() -> None:
    """The head "Total" over a narrow column is hardly higher than two lines: its shape alone does not tell."""

    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        return [said("Total") if crop.shape[1] > crop.shape[0] else said("e", 0.6) for crop in crops]

    slabs = [Slab(300.0, 100.0 + 30 * k, 200.0, 20.0, 0.0) for k in range(5)]
    lines = read_lines(PAGE, [*slabs, Slab(100.0, 300.0, 22.0, 44.0, 0.0)], LEVEL, read, {})
    assert [line.text for line in lines] == ["Total"] * 6
    (word,) = lines[-1].words
    assert 270 / 800 < word.box.y0 < word.box.y1 < 330 / 800


def test_a_tall_figure_that_reads_well_is_not_turned() -> None:
    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        return [said("line") if crop.shape[1] > 3 * crop.shape[0] else said("1") for crop in crops]

    slabs = [Slab(300.0, 100.0 + 30 * k, 200.0, 20.0, 0.0) for k in range(5)]
    lines = read_lines(PAGE, [*slabs, Slab(100.0, 300.0, 22.0, 44.0, 0.0)], LEVEL, read, {})
    assert lines[-1].text == "1"


def test_marks_that_read_neither_way_are_no_text() -> None:
    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        return [said("line") if crop.shape[1] > 3 * crop.shape[0] else NOTHING for crop in crops]

    slabs = [Slab(300.0, 100.0 + 30 * k, 200.0, 20.0, 0.0) for k in range(5)]
    lines = read_lines(PAGE, [*slabs, Slab(100.0, 300.0, 22.0, 44.0, 0.0)], LEVEL, read, {})
    assert [line.text for line in lines] == ["line"] * 5


def side(x: float, y: float, length: float) -> Slab:
    """Text `length` long that stands on its side."""
    return Slab(x, y, 18.0, length, 0.0)


def table_on_its_side() -> list[Slab]:
    """Heads of rows and a title that are plainly higher than wide, and cells that are hardly so."""
    slabs = [side(120.0, 450.0, 300.0)]
    for column in range(4):
        slabs += [side(150.0 + 40 * column, 600.0 - 80 * row, 90.0 if row == 0 else 24.0) for row in range(5)]
    return slabs


def prose(top: float, count: int) -> list[Slab]:
    return [Slab(300.0, top + 26 * k, 480.0, 18.0, 0.0) for k in range(count)]


def test_a_table_on_its_side_is_found_and_nothing_beside_it() -> None:
    part = turned_part([*prose(60, 4), *table_on_its_side(), Slab(300.0, 760.0, 30.0, 18.0, 0.0)], 600, 800)
    assert part is not None
    left, top, right, bottom = part
    assert left < 111 and right > 279 and 138 < top < 300 and 645 < bottom < 740


@pytest.mark.parametrize(
    "slabs",
    [
        prose(60, 20),
        [*prose(60, 20), side(20.0, 400.0, 200.0)],  # a name up the margin
        [*prose(60, 8), *(side(200.0 + 30 * k, 320.0, 70.0) for k in range(6)), *prose(370, 8)],  # heads of columns
        [*prose(60, 8), *(side(200.0 + 30 * k, 500.0, 300.0) for k in range(2))],  # two names up a margin
        table_on_its_side(),  # all of the page: it has been turned, if it was to be
        [],
    ],
)
def test_no_other_page_has_such_a_part(slabs: list[Slab]) -> None:
    assert turned_part(slabs, 600, 800) is None


def test_running_text_on_its_side_is_such_a_part() -> None:
    part = turned_part([*prose(60, 8), *(side(200.0 + 30 * k, 500.0, 300.0) for k in range(4))], 600, 800)
    assert part is not None
    assert part[0] < 191 and part[2] > 299


def composed(text: str, at: Box) -> Composed:
    words = tuple(Word(found.start(), found.end(), at) for found in re.finditer(r"\S+", text))
    return Composed(text, (Region(RegionKind.PARAGRAPH, at, 0, len(text)),), words)


@pytest.mark.parametrize(("way", "corner"), [(90, (100, 600)), (270, (199, 201))])
def test_what_is_read_on_its_side_has_its_boxes_on_the_page(way: int, corner: tuple[int, int]) -> None:
    """One dark corner of the part is at the upper left once it is turned the right way."""
    pixels = PAGE.copy()
    x, y = corner
    pixels[y - 1 : y + 1, x : x + 1] = 0
    part = (100, 200, 200, 601)

    def read(cut: np.ndarray) -> tuple[Composed, list[Line]]:
        assert cut.shape == (100, 401, 3)
        right = cut[:2, :2].min() == 0
        text = "Ardmore 3.7 5.0" if right else "x"
        box = Box(0.0, 0.0, 0.25, 0.1)
        return composed(text, box), [Line(text, box, box, (), 0.97 if right else 0.6, 0.1)]

    found = read_turned(pixels, part, [], read)
    assert found is not None
    word = found[0].words[0]
    wide, high = 600 * (word.box.x1 - word.box.x0), 800 * (word.box.y1 - word.box.y0)
    assert (round(wide), round(high)) == (10, 100)
    assert word.box == found[0].regions[0].box
    near = (word.box.x0 * 600, word.box.y1 * 800) if way == 90 else (word.box.x1 * 600, word.box.y0 * 800)
    assert np.allclose(near, corner, atol=1.5)


def line(text: str, score: float = 0.97, length: float = 0.2) -> Line:
    box = Box(0.2, 0.3, 0.2 + length, 0.33)
    return Line(text, box, box, (), score, 0.03)


@pytest.mark.parametrize(
    ("upright", "turned", "taken"),
    [
        ([line("Ardmore"), line("37")], [line("Ardmore"), line("3.7"), line("5.0")], True),
        ([line("Ardmore"), line("3.7")], [line("Ardmore"), line("3.7")], False),  # heads of columns
        ([line("Ardmore"), line("Dunmore")], [line("147 147 147 258 258")], False),  # figures are read either way
        ([line("Ardmore"), line("3.7")], [line("Ardmore 3.7 5.0", 0.5)], False),
        ([line("some words of text")] * 3, [line("some words of text", length=0.7)] * 3, True),  # put in order
    ],
)
def test_a_part_is_read_on_its_side_where_that_gives_more(upright: list, turned: list, taken: bool) -> None:
    found = read_turned(PAGE, (0, 0, 600, 800), upright, lambda _: (composed("x", Box(0.1, 0.1, 0.2, 0.2)), turned))
    assert (found is not None) is taken


def test_a_part_stands_between_the_blocks_above_and_below_it() -> None:
    page = LayoutPage()
    page.line(60, 40, "RAINFALL IN THE NORTH", 18)
    page.text(60, 80, 460, PROSE)
    page.text(60, 600, 460, OTHER)
    page.line(290, 780, "113")
    whole = page.composed()
    part = composed("Table 4. Rain in inches", Box(0.2, 0.3, 0.5, 0.7))
    both = inset(whole, part)
    check_spans(both)
    assert in_order(both.text, "the new lamps.", "Table 4. Rain in inches", "Nobody could say", "113")
    assert "\n\nTable 4. Rain in inches\n\n" in both.text
    assert len(both.words) == len(whole.words) + len(part.words)
    assert [both.text[w.start : w.end] for w in both.words if w.box != part.words[0].box] == [
        whole.text[w.start : w.end] for w in whole.words
    ]


@pytest.mark.parametrize("top", [0.0, 0.85])
def test_a_part_over_and_under_all_else(top: float) -> None:
    page = LayoutPage()
    page.line(60, 300, "RAINFALL IN THE NORTH", 18)
    page.text(60, 350, 460, PROSE)
    whole = page.composed()
    part = composed("Table 4", Box(0.2, top, 0.5, top + 0.1))
    both = inset(whole, part)
    check_spans(both)
    assert both.text == f"Table 4\n\n{whole.text}" if top == 0 else f"{whole.text}\n\nTable 4"
    assert inset(Composed("", (), ()), part) == part
    assert inset(whole, Composed("", (), ())) == whole
