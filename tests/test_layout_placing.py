"""Ruled tables among text: in a column of it, side by side, across it."""

from __future__ import annotations

import pytest

from index.types import Box
from tests.layout_kit import OTHER, PROSE, Page, grid, in_order

ROWS = [("Year", "Tons"), ("1871", "4,112"), ("1872", "5,008"), ("1873", "4,890")]


def table(page: Page, x: float, y: float, rows: list[tuple[str, str]], width: float = 250) -> list[Box]:
    """A ruled table at x, y with rows of 16 points."""
    for k, (name, value) in enumerate(rows):
        page.row(y + 3 + 16 * k, [(x + 6, name), (x + 130, value)])
    return grid([x, x + 120, x + width], [y + 16 * k for k in range(len(rows) + 1)])


def column(page: Page, x: float, tables: dict[float, list[tuple[str, str]]], words: list[str]) -> list[Box]:
    """A column of running text from 60 points to 700 with tables at the heights given, and its words."""
    y, rules = 60.0, []
    source = iter(words)
    while y < 700:
        rows = next((rows for top, rows in tables.items() if top - 8 <= y < top + 5), None)
        if rows is not None:
            rules += table(page, x, y + 6, rows)
            y += 6 + 16 * len(rows) + 10
            continue
        line = next(source)
        page.line(x, y, line)
        y += 13
    return rules


def lines(prefix: str) -> list[str]:
    """Lines of running text, of which each says where it belongs."""
    return [f"and {prefix}{k:02d} the surveyor walked on along the wall" for k in range(60)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({294.0: ROWS}, {}),
        ({}, {411.0: ROWS}),
        ({294.0: ROWS}, {333.0: ROWS[:3]}),
        ({}, {60.0: ROWS}),
        ({60.0: ROWS}, {}),
    ],
)
@pytest.mark.parametrize("shuffle", [1, 2])
def test_a_table_in_a_column_parts_no_other(left: dict, right: dict, shuffle: int) -> None:
    """The column beside it is read whole, and the table stands where its own column has it."""
    page = Page()
    page.line(200, 20, "The trade of the river", 14)
    rules = column(page, 44, left, lines("a")) + column(page, 326, right, lines("b"))
    text = page.composed(rules, shuffle=shuffle).text
    expected = ["The trade of the river"]
    for tables, prefix in ((left, "a"), (right, "b")):
        own = sorted(
            (line for line in page.lines if line.text.startswith(f"and {prefix}")), key=lambda line: line.box.y0
        )
        above = [line.text for line in own if not tables or line.box.y0 * 800 < min(tables)]
        below = [line.text for line in own if line.text not in above]
        middle = [cell for rows in tables.values() for row in rows for cell in row]
        expected += [*above, *middle, *below]
    assert in_order(text, *(word for part in expected for word in part.split()[:2]))
    assert text.count("| Year | Tons |") == len(left) + len(right)


@pytest.mark.parametrize("lower", [-2.0, 2.0])
def test_tables_side_by_side_are_read_from_the_left_each_with_its_own_lines(lower: float) -> None:
    """Whichever begins a hair higher; a heading over one and a note under it are the table's."""
    page = Page()
    page.line(200, 30, "Balance sheet of the year 1931", 14)
    rules = []
    for x, y, head, note in ((44, 90, "Liabilities", "Audited on 4 May"), (330, 90 + lower, "Assets", "A. Morland")):
        page.line(x + 80, y - 18, head)
        rows = [("Item", "Pounds"), (f"{head} in all", "12,000"), (f"{head} before", "11,450")]
        rules += table(page, x, y, rows)
        page.line(x, y + 56, note)
    page.text(44, 200, 520, PROSE)
    text = page.composed(rules, shuffle=3).text
    assert in_order(
        text,
        *("Balance sheet", "Liabilities", "Liabilities before | 11,450", "Audited on 4 May"),
        *("Assets", "Assets before | 11,450", "A. Morland", "The committee met"),
    )


def test_a_table_beside_an_address_parts_what_is_above_from_what_is_below() -> None:
    """Short lines beside a box with an account's number are no column."""
    page = Page()
    for k, part in enumerate(("The Occupier", "22 Station Road", "Saltney")):
        page.line(44, 60 + 14 * k, part)
    rules = table(page, 330, 60, [("Account", "0449 2118"), ("Amount due", "14.17")])
    page.text(44, 130, 520, OTHER)
    text = page.composed(rules, shuffle=4).text
    assert in_order(text, "Account | 0449 2118", "Amount due | 14.17", "Nobody could say")
    assert in_order(text, "The Occupier", "Saltney", "Nobody could say")


@pytest.mark.parametrize("x", [44.0, 330.0])
@pytest.mark.parametrize("start", [150.0, 166.0, 196.0])
def test_a_note_beside_a_table_is_not_parted_by_it(x: float, start: float) -> None:
    """Nor the table by the note: of an invoice's sums, and how to pay, with the terms from side to side below. What
    stands on the left is read first.
    """
    page = Page()
    page.line(44, 100, "Invoice of the rope works", 14)
    rules = table(page, x, 190, [("Net", "15.70"), ("Tax", "3.14"), ("Total", "18.84"), ("Due", "1 May")], 210)
    note = [
        *(
            "Please pay within thirty days of the",
            "date of this invoice to the account at",
            "the bank that is named overleaf, and",
        ),
        *(
            "tell the number of the invoice, which",
            "stands at the head. From that day on",
            "interest is charged as the law has it.",
        ),
    ]
    for k, part in enumerate(note):
        page.line(330 if x == 44 else 44, start + 13 * k, part)
    page.text(44, 320, 520, OTHER)
    text = page.composed(rules, shuffle=5).text
    sums = ["Net | 15.70", "Total | 18.84", "Due | 1 May"]
    assert in_order(text, "Invoice of", *([*sums, *note] if x == 44 else [*note, *sums]), "Nobody could say")
    assert " ".join(note) in " ".join(text.split())
