"""Frames side by side are read one after the other; other frames change nothing."""

from __future__ import annotations

import pytest

from index.types import Box
from tests.layout_kit import HEIGHT, OTHER, PROSE, WIDTH, Page, flat, grid, in_order, rule
from worker.layout.frames import take_boxed, take_framed
from worker.layout.grid import touching
from worker.layout.pieces import prepare

CARDS = [
    ("Q 387.1", "Alder, Thomas", "Report on the north pier of", "Pengarth harbour. Truro, 1888."),
    ("F 914.2", "Burnard, Grace", "Walks about Bodmin Moor,", "written for her nephews."),
    ("Q 622.3", "Hocken, William", "The tin streams of Goss Moor", "and the men who worked them."),
    ("R 639.2", "Moyle, Richard", "Drift nets and their making;", "a handbook for fishermen."),
]


def cards(page: Page) -> list[Box]:
    """Four cards, two by two, with their frames."""
    rules: list[Box] = []
    for k, (mark, name, *title) in enumerate(CARDS):
        x, y = 40 + 280 * (k % 2), 60 + 200 * (k // 2)
        page.row(y + 14, [(x + 10, mark), (x + 80, name)])
        for row, line in enumerate(title):
            page.line(x + 90, y + 34 + 13 * row, line)
        rules += grid([x, x + 250], [y, y + 150])
    return rules


def test_four_cards_on_a_sheet_are_read_card_by_card() -> None:
    """Their lines stand level, as the rows of a table would, but each card is whole."""
    page = Page()
    rules = cards(page)
    text = page.composed(rules, shuffle=3).text
    assert in_order(text, *(part for card in CARDS for part in card))


def test_a_frame_round_the_page_changes_nothing() -> None:
    """Nor does one round the cards."""
    page = Page()
    rules = cards(page)
    around = [*rules, *grid([20, 590], [30, 780])]
    assert page.composed(around).text == page.composed(rules).text


def test_a_box_beside_running_text_does_not_cut_it() -> None:
    """Two frames with text between them are no row of cards: the columns are read as columns."""
    page = Page()
    page.text(40, 60, 240, PROSE * 3)
    page.text(320, 60, 240, OTHER * 2)
    page.line(330, 420, "NOTICE TO ALL")
    page.line(330, 434, "The ferry is closed")
    rules = [*grid([320, 560], [410, 460]), rule(40, 50, 560, 51)]
    assert in_order(flat(page.composed(rules, shuffle=1).text), PROSE * 3, OTHER * 2, "NOTICE TO ALL")


@pytest.mark.parametrize(("end", "framed"), [(270, 1), (310, 0)])
def test_a_rectangle_that_text_runs_across_is_no_frame(end: int, framed: int) -> None:
    """Lines that leave a rectangle were not set in it: two such are no row of frames."""
    page = Page()
    for k in range(2):
        page.line(50, 80 + 14 * k, "x" * ((end - 50) // 5))
        page.line(340, 80 + 14 * k, "level with it")
        page.line(50, 300 + 14 * k, "text below both, and as much of it")
    rules = [*grid([40, 280], [70, 120]), *grid([330, 560], [70, 120])]
    rows, rest = take_framed(prepare(page.lines, WIDTH / HEIGHT), touching(rules, WIDTH / HEIGHT))
    assert len(rows) == framed
    assert len(rest) == (2 if framed else 6)


@pytest.mark.parametrize(("over", "below", "boxed"), [(470, 40, 1), (470, 375, 0), (40, 40, 1)])
def test_a_box_at_the_head_of_a_page_has_text_of_its_own(over: int, below: int, boxed: int) -> None:
    """Over it a date may stand, or text from side to side. Where the text below begins with it, it is in a column."""
    page = Page()
    page.line(over, 40, "August 1968" if over > 40 else "Parish Magazine of Saltney, Dunmore and Brackwater for August")
    y = page.text(40, 70, 310, PROSE * 2)
    page.text(below, y, 560 - below, OTHER)
    for k, text in enumerate(("Services", "Holy Communion at eight", "Matins at eleven", "Evensong")):
        page.line(385, 74 + 17 * k, text)
    rules = grid([375, 560], [64, y - 8])
    pieces = prepare(page.lines, WIDTH / HEIGHT)
    found, rest = take_boxed(pieces, touching(rules, WIDTH / HEIGHT))
    assert len(found) == boxed
    assert len(pieces) - len(rest) == (4 if boxed else 0)


def test_a_box_beside_a_heading_is_read_after_the_paragraph_under_it() -> None:
    """A heading keeps to its text."""
    page = Page()
    page.line(470, 40, "August 1968")
    page.line(40, 70, "From the Vicar", 14)
    y = page.text(40, 96, 310, PROSE * 2)
    page.text(40, y, 520, OTHER)
    for k, text in enumerate(("Services", "Holy Communion at eight", "Matins at eleven", "Evensong")):
        page.line(385, 72 + 17 * k, text)
    text = page.composed(grid([375, 560], [64, y - 8]), shuffle=1).text
    assert in_order(text, "August 1968", "From the Vicar", PROSE.split(". ")[0], "Services", "Evensong")
