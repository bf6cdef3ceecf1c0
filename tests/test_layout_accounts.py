"""Two sides of an account without ruling lines: each is read whole, and a table of four columns row by row."""

from __future__ import annotations

import pytest
from layout_kit import PROSE, Page, in_order

PAID_IN = [
    ("Balance in hand", "112.40"),
    ("Subscriptions", "340.10"),
    ("Donations", "87.00"),
    ("Sale of linen", "1.50"),
]
PAID_OUT = [("Butcher", "98.12"), ("Milk and cream", "54.20"), ("Nurses", "190.00"), ("Balance at the bank", "198.68")]
OTHERS = [("Rates", "14.00"), ("Coal and gas", "61.90"), ("Printing of the report", "6.11"), ("Washing", "37.15")]


def side_by_side(left: list[tuple[str, str]], right: list[tuple[str, str]]) -> Page:
    page = Page(jitter=0.4, seed=4)
    page.line(180, 50, "The Cottage Hospital, Helmsby", 14)
    for rows, x in ((left, 50), (right, 320)):
        for k, (name, figure) in enumerate(rows):
            page.row(90 + 14 * k, [(x, name), (x + 230 - 5 * len(figure), figure)])
    page.text(50, 220, 500, "Examined. " + PROSE)
    return page


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([*PAID_IN, ("", "541.00")], [*PAID_OUT, ("", "541.00")]),
        ([*PAID_IN, ("", "541.00")], [*PAID_OUT[:3], ("", ""), ("", "541.00")]),
        ([("RECEIPTS", ""), *PAID_IN], [("PAYMENTS", ""), *OTHERS]),
        ([("Liabilities", "£"), *PAID_IN], [("Assets", "£"), *OTHERS[:3]]),
        ([(f"To {name}", figure) for name, figure in PAID_IN], [(f"By {name}", figure) for name, figure in OTHERS]),
    ],
    ids=["same sums", "same sums, one side shorter", "named", "named by what is owned and owed", "to and by"],
)
def test_the_sides_of_an_account_are_read_one_after_the_other(
    left: list[tuple[str, str]], right: list[tuple[str, str]]
) -> None:
    text = side_by_side(left, right).composed(shuffle=3).text.replace("|", " ")
    assert in_order(text, *(f"{name} {figure}".strip() for name, figure in (*left, *right)), "Examined.", PROSE)


def test_a_table_of_two_names_and_two_figures_keeps_its_rows() -> None:
    """Its sums differ, and no head says that it is an account."""
    left, right = [("Ward", "Beds"), *PAID_IN], [("Sister", "Years"), *OTHERS]
    text = side_by_side(left, right).composed(shuffle=3).text
    assert "| Subscriptions | 340.10 | Coal and gas | 61.90 |" in text


@pytest.mark.parametrize("largest", [("Porter", "340.10"), ("Cook", "340.10")])
def test_a_table_whose_columns_have_the_same_largest_figure_keeps_its_rows(largest: tuple[str, str]) -> None:
    """It is on another line, or no sum, as others are below it and none above."""
    left = [("Edward Moss", "340.10"), ("Jane Birch", "87.00"), ("Ruth Bell", "41.50"), ("Anne Lane", "12.40")]
    right = [*OTHERS[:2], largest, OTHERS[3]] if largest[0] == "Porter" else [largest, *OTHERS[:3]]
    text = side_by_side(left, right).composed(shuffle=3).text
    rows = zip(left, right, strict=True)
    assert all(f"| {' | '.join((*a, *b))} |" in text for a, b in rows)


def test_entries_of_an_account_may_have_dates() -> None:
    """The first column on the right is of dates, and the account is not cut behind it."""
    left = [("Jan 3", "To costs", "12.30"), ("Feb 9", "To stamp duty", "4.10"), ("Mar 1", "To a journey", "2.20")]
    right = [("Jan 10", "By cash", "10.00"), ("Feb 2", "By rents received", "6.50"), ("Mar 25", "By balance", "2.10")]
    page = Page()
    for rows, x in (([*left, ("", "", "18.60")], 50), ([*right, ("", "", "18.60")], 310)):
        for k, (date, what, figure) in enumerate(rows):
            page.row(90 + 14 * k, [(x, date), (x + 45, what), (x + 235 - 5 * len(figure), figure)])
    text = page.composed(shuffle=3).text.replace("|", " ")
    assert in_order(text, *(" ".join(row) for row in left), "18.60", *(" ".join(row) for row in right), "18.60")


def test_the_parts_of_a_menu_are_read_side_by_side() -> None:
    """Its headings are level with dishes of the other side."""
    left = ("SOUPS", "Brown Windsor 9d.", "Cream of celery 9d.", "FISH", "Fried plaice 1/6", "Boiled turbot 2/-")
    right = ("JOINTS", "Sirloin of beef 2/6", "Leg of mutton 2/3", "Loin of pork 2/-", "SWEETS", "Plum tart 1/-")
    page = Page(jitter=0.3, seed=4)
    for x, side in ((60, left), (320, right)):
        for k, text in enumerate(side):
            if text.isupper():
                page.line(x + 80, 100 + 16 * k, text)
            else:
                name, _, price = text.rpartition(" ")
                page.row(100 + 16 * k, [(x, name), (x + 200, price)])
    text = page.composed(shuffle=3).text.replace("|", " ").replace("---", " ")
    assert in_order(text, *left, *right)


def test_a_heading_in_capitals_among_short_names_of_dishes_is_no_second_line() -> None:
    rows = [
        ("Ham tea", "1/6"),
        ("Crab tea", "2/-"),
        ("SUNDRIES", ""),
        ("Cakes", "2d."),
        ("Scones", "2d."),
        ("Jam", "1d."),
    ]
    page = Page(jitter=0.3, seed=4)
    for k, row in enumerate(rows):
        page.row(100 + 14 * k, [(60, row[0]), (220, row[1])])
    text = page.composed(shuffle=3).text
    assert "| Crab tea | 2/- |\n| SUNDRIES | |\n" in text
