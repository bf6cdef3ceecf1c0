"""Boxes of a form, and what they are about beside them, outside their lines."""

from __future__ import annotations

import pytest

from tests.layout_kit import OTHER, PROSE, Page, flat, grid, in_order

QUESTIONS = (
    ("21", "Gross takings for the year", "4,182"),
    ("22", "Cost of goods sold", "2,340"),
    ("23", "Wages paid, excluding your own", "611"),
    ("24", "Rent, rates and insurance", "208"),
    ("25", "Allowances claimed", "145"),
)


def form(page: Page, empty: str = "") -> list:
    """Numbered questions from y = 100, 20 points apart, and a box for the number and one for the sum of each."""
    for k, (number, label, value) in enumerate(QUESTIONS):
        sums = [] if number == empty else [(415, number), (480, value)]
        page.row(100 + 20 * k, [(50, number), (75, label), *sums])
    return grid([410, 440, 540], [96 + 20 * k for k in range(6)])


@pytest.mark.parametrize("empty", ["", "23"])
def test_boxes_stand_in_the_row_of_what_they_are_about(empty: str) -> None:
    page = Page(jitter=0.3, seed=5)
    rules = form(page, empty)
    page.text(50, 260, 500, OTHER)
    text = page.composed(rules, shuffle=1).text
    for number, label, value in QUESTIONS:
        boxes = "| | |" if number == empty else f"| {number} | {value} |"
        assert f"| {number} {label} {boxes}" in text
    assert flat(OTHER) in flat(text)


def test_a_label_of_two_lines_is_one() -> None:
    page = Page()
    for k, (number, label, value) in enumerate(QUESTIONS):
        page.row(100 + 30 * k, [(75, label), (480, value), (415, number)])
        if k == 1:
            page.line(75, 112 + 30 * k, "from the schedule overleaf")
    text = page.composed(grid([410, 440, 540], [94 + 30 * k for k in range(6)])).text
    assert "| Cost of goods sold from the schedule overleaf | 22 | 2,340 |" in text


def test_running_text_beside_a_table_labels_no_row_of_it() -> None:
    """Also where its lines stand as far from each other as the rows, and level with them."""
    page = Page()
    page.text(50, 100, 330, PROSE + OTHER)
    for k in range(len(PROSE + OTHER) // 66 + 1):
        page.row(100 + 13 * k, [(415, str(1871 + k)), (480, str(7 * k + 3))])
    last = len(PROSE + OTHER) // 66 + 1
    text = page.composed(grid([410, 450, 540], [98 + 13 * k for k in range(last + 1)]), shuffle=1).text
    assert in_order(text, PROSE + OTHER, "1871", "1872") or in_order(text, "1871", "1872", PROSE + OTHER)
