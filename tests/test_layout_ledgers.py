"""Ledgers, whose columns are ruled and whose rows are not; lists of prices; cheques with stubs; boxes in the text."""

from __future__ import annotations

import pytest

from index.types import Box, RegionKind
from tests.layout_kit import OTHER, PROSE, Page, flat, grid, in_order, rule
from worker.layout.kinds import ends_in_leader, has_leader, is_ditto

XS = [40, 75, 190, 300, 430, 470, 510, 570]
HOLDINGS = [
    ("1", "John Crabbe", "Lord Poulett", "Homestead", "0", "2", "14"),
    ("2", "Do.", "Do.", "Long Meadow", "4", "1", "30"),
    ("3", '"', '"', "Barn Close", "6", "0", "8"),
    ("4", "Widow Dyte", "Glebe", "Cottage", "0", "0", "22"),
    ("5", "Saml. Escott", "Himself", "Mill", "2", "3", "17"),
]


def ledger(page: Page, top: float, rows: list[tuple[str, ...]], steps: list[float]) -> list[Box]:
    """A head and rows between upright lines; level lines are drawn round the head and below the last row alone."""
    page.row(
        top + 4, list(zip((x + 4 for x in XS), ("No.", "Occupier", "Owner", "Field", "A.", "R.", "P."), strict=False))
    )
    y = top + 22.0
    for row, step in zip(rows, steps, strict=True):
        page.row(y, [(x + 4, text) for x, text in zip(XS, row, strict=False)])
        y += step
    return [
        *(rule(XS[0], at - 0.4, XS[-1], at + 0.4) for at in (top, top + 18, y + 30)),
        *(rule(x - 0.4, top, x + 0.4, y + 30) for x in XS),
    ]


@pytest.mark.parametrize("jitter", [0.0, 0.8])
def test_a_ledger_without_lines_between_its_entries_has_a_row_for_each(jitter: float) -> None:
    """Numbers under each other in one cell are of as many entries."""
    page = Page(jitter=jitter, seed=3)
    rules = ledger(page, 60, HOLDINGS, [16.0] * 5)
    text = page.composed(rules, shuffle=1).text
    assert [" | ".join(row) in text for row in HOLDINGS] == [True] * 5


def test_a_ledger_of_a_whole_page_keeps_its_columns() -> None:
    """Forty entries between two level lines are too many for one cell, and were no table for that."""
    page = Page()
    rows = [
        (str(k), "Tenant of the farm", "Duchy", "" if k % 3 else "Moor", "1", str(k % 4), "9") for k in range(1, 41)
    ]
    text = page.composed(ledger(page, 40, rows, [16.0] * 40), shuffle=2).text
    assert "| 39 | Tenant of the farm | Duchy | Moor | 1 | 3 | 9 |" in text
    assert "| 40 | Tenant of the farm | Duchy | | 1 | 0 | 9 |" in text


def test_the_second_line_of_an_entry_stays_with_the_first() -> None:
    """It has no number, and begins small or with what had no room above."""
    page = Page()
    rows = [
        *HOLDINGS[:2],
        ("", "", "", "and an orchard", "", "", ""),
        *HOLDINGS[2:4],
        ("6", "James Huish", "Lord Poulett", "Furze and waste of the", "11", "2", "25"),
        ("", "", "", "Manor", "", "", ""),
        ("7", "Do.", "Do.", "Leat Field", "3", "0", "0"),
    ]
    text = page.composed(ledger(page, 60, rows, [12.0] * len(rows)), shuffle=4).text
    assert "| 2 | Do. | Do. | Long Meadow and an orchard | 4 | 1 | 30 |" in text
    assert "| 6 | James Huish | Lord Poulett | Furze and waste of the Manor | 11 | 2 | 25 |" in text


def test_running_text_beside_a_few_numbers_is_no_ledger() -> None:
    """Its lines go on with small letters where the numbers stand: one cell, as it was set."""
    page = Page()
    page.row(64, [(44, "Years"), (124, "What was done")])
    for k, year in enumerate(("1853", "1861", "1877")):
        page.line(44, 84 + 24 * k, year)
    words = (
        "the quay was raised by two feet and paved anew with stones that were brought from the quarry above the town"
    )
    page.text(124, 84, 200, words, leading=1.2)
    text = page.composed(grid([40, 120, 340], [60, 80, 160])).text
    assert "| 1853 1861 1877 | the quay was raised" in text


@pytest.mark.parametrize(
    ("text", "ditto"), [('"', True), ("Do.", True), ("ditto", True), ("„ „", True), ("id.", True), ("Dora", False)]
)
def test_ditto_marks(text: str, ditto: bool) -> None:
    assert is_ditto(text) is ditto


PRICES = [
    [("Beans, Broad Windsor", "1/2"), ("Beet", "4d."), ("Kale", "3½d."), ("Leek", "6d."), ("Parsnip", "1s. 6d.")],
    [("Alyssum, sweet", "2d."), ("Stock", "6d."), ("Candytuft", "2d."), ("Aster", "£1"), ("Sweet Pea", "1/-")],
]


@pytest.mark.parametrize("apart", [False, True])
def test_columns_of_prices_with_leaders_are_read_one_after_the_other(apart: bool) -> None:
    """Dots lead from a thing to its price; none lead from that to the thing beside it, level as they stand."""
    page = Page()
    for x, head, items in ((50, "VEGETABLES", PRICES[0]), (320, "FLOWERS", PRICES[1])):
        page.line(x + 60, 60, head)
        for k, (name, price) in enumerate(items):
            dots = "." * (40 - len(name) - len(price) - (3 if apart else 0))
            if apart:
                page.row(80 + 14 * k, [(x, name + dots), (x + 200 - 5 * len(price), price)])
            else:
                page.line(x, 80 + 14 * k, f"{name} {dots} {price}")
    text = page.composed(shuffle=7).text
    order = [
        part for head, items in zip(("VEGETABLES", "FLOWERS"), PRICES, strict=True) for part in (head, *sum(items, ()))
    ]
    assert in_order(text, *order)


@pytest.mark.parametrize("price", ["118", "1/6", "2/-", "4d.", "4½d.", "1s. 6d.", "£12.50", "½d.", "xiv"])
def test_leaders_lead_to_prices(price: str) -> None:
    assert has_leader(f"Coals, the hundredweight ....... {price}")
    assert ends_in_leader("Coals, the hundredweight .......")
    assert not has_leader(f"Coals, the hundredweight {price}")


def test_a_cheque_and_its_stub_are_read_one_after_the_other() -> None:
    """Their lines are not level: a line from top to bottom parts two sheets, not the cells of a table."""
    page = Page()
    stub = ["No. 451", "12 June 1953", "To S. Rowe", "This cheque 3 12 0", "Balance 88 4 6"]
    for k, line in enumerate(stub):
        page.line(50, 70 + 20 * k, line)
    cheque = [
        (74, "County Bank, Penmarrow"),
        (103, "Pay S. Rowe or order"),
        (137, "three pounds twelve"),
        (158, "D. Pascoe"),
    ]
    for y, line in cheque:
        page.line(240, y, line)
    text = page.composed(grid([40, 220, 560], [60, 180]), shuffle=5).text
    assert in_order(text, *stub, *(line for _, line in cheque))
    assert "|" not in text


def test_a_box_that_text_flows_round_does_not_stand_inside_its_lines() -> None:
    """It comes after the paragraph beside it, with whose lines its own stand level."""
    page = Page()
    page.text(40, 60, 520, PROSE)
    page.text(40, 125, 250, OTHER)
    needs = [
        "a pair of scissors",
        "colza oil, strained through linen twice",
        "a soft rag",
        "spirit of wine and whiting",
    ]
    page.line(310, 130, "WHAT YOU NEED")
    for k, line in enumerate(needs):
        page.line(310, 145 + 13 * k, line, 9)
    page.text(40, 320, 520, OTHER)
    text = page.composed(grid([300, 520], [120, 197]), shuffle=6).text
    assert in_order(flat(text), PROSE, OTHER, "WHAT YOU NEED", *needs, OTHER)


def test_a_box_in_a_column_of_its_own_stays_in_it() -> None:
    """Text goes on below it in its own column: the box is read where that stands."""
    page = Page()
    page.text(40, 60, 240, PROSE * 3)
    page.text(320, 60, 240, OTHER)
    for k, line in enumerate(("NOTICE", "The ferry is closed", "until the first of May")):
        page.line(330, 240 + 14 * k, line)
    page.text(320, 300, 240, OTHER)
    result = page.composed(grid([320, 560], [232, 290]), shuffle=8)
    notice = "NOTICE The ferry is closed until the first of May"
    assert in_order(flat(result.text), PROSE * 3, OTHER, notice, OTHER)
    assert all(region.kind is not RegionKind.TABLE for region in result.regions)


def test_a_sentence_below_a_table_is_none_of_its_cells() -> None:
    """It runs on under the next cell, so it goes on with none, and is not cut where columns part."""
    page = Page()
    rows = [
        ("Name", "Age", "Calling", "Bags"),
        ("Antonelli, Giuseppe", "34", "Mason", "2"),
        ("Rosa", "29", "Wife", "1"),
    ]
    rows += [
        ("Blazek, Jan", "41", "Glazier", "3"),
        ("Dragan, Mihai", "25", "Carter", "1"),
        ("Total persons", "4", "", "7"),
    ]
    for k, row in enumerate(rows):
        page.row(60 + 14 * k, list(zip((60, 175, 220, 300), row, strict=True)))
    page.line(60, 60 + 14 * len(rows), "I certify that the above is a true list of them")
    text = page.composed(shuffle=9).text
    assert "| Dragan, Mihai | 25 | Carter | 1 |" in text
    assert "I certify that the above is a true list of them" in text


def test_the_name_of_a_group_stands_in_its_first_row() -> None:
    """It is set in the middle of a cell that spans the rows of its group; a lone figure in a row of its own stays."""
    page = Page()
    articles = ["Manila", "Sisal", "Marline", "White lead", "Red oxide"]
    page.row(64, [(44, "Class"), (164, "Article"), (284, "Number")])
    for k, article in enumerate(articles):
        page.row(84 + 20 * k, [(164, article), (284, str(7 * k + 3))])
    page.line(44, 104, "Cordage")
    page.line(44, 154, "Paint")
    rules = [rule(x - 0.4, 60, x + 0.4, 180) for x in (40, 160, 280, 400)]
    rules += [rule(40 if y in (60, 80, 140, 180) else 160, y - 0.4, 400, y + 0.4) for y in range(60, 181, 20)]
    text = page.composed(rules, shuffle=3).text
    assert "| Cordage | Manila | 3 |\n| | Sisal | 10 |\n| | Marline | 17 |\n| Paint | White lead | 24 |" in text
    assert "| Cordage | Sisal | 10 |" in page.composed(grid([40, 160, 280, 400], list(range(60, 181, 20)))).text


def test_an_entry_whose_sum_stands_on_its_last_line_begins_on_the_line_above() -> None:
    """Its second line is set in deeper than entries are: the first is no end of the entry before it."""
    page = Page()
    entries = [
        (70, "One clock and case", "2", "10"),
        (70, "One dresser with pewter upon it, and six", "", ""),
        (84, "trenchers", "3", "4"),
        (70, "Two tables and a form", "0", "18"),
        (50, "In the Parlour", "", ""),
        (70, "One bed with its bedding", "4", "0"),
        (70, "A chest, and linen in it", "1", "15"),
    ]
    for k, (x, what, pounds, shillings) in enumerate(entries):
        page.row(100 + 13 * k, [(x, what), (430, pounds), (480, shillings)])
    text = page.composed(shuffle=2).text
    assert "| One clock and case | 2 | 10 |" in text
    assert "| One dresser with pewter upon it, and six trenchers | 3 | 4 |" in text
    assert "| In the Parlour | | |\n| One bed with its bedding | 4 | 0 |" in text


def test_the_name_of_a_group_over_rows_that_are_set_in_is_a_row_of_its_own() -> None:
    """Neither the first line of the row below, nor the second of the row above."""
    page = Page()
    entries = [
        "Wages of the crew",
        "Rent of the yard",
        "Rates",
        "Sundries",
        "Postage",
        "Materials",
        "  Timber",
        "  Iron",
    ]
    entries += ["Legal charges", "Insurance", "  Fire", "Coal", "Oil", "Rope", "Lamps", "Repairs:", "  of the sheds"]
    for k, entry in enumerate(entries):
        sums = ("", "", "") if entry in {"Materials", "Insurance", "Repairs:"} else (str(40 + k), str(k), "3")
        page.row(100 + 13 * k, list(zip((70, 300, 340, 380), (entry, *sums), strict=True)))
    text = page.composed(shuffle=4).text
    assert "| Materials | | | |\n| Timber | 46 | 6 | 3 |\n| Iron | 47 | 7 | 3 |" in text
    assert "| Legal charges | 48 | 8 | 3 |\n| Insurance | | | |\n| Fire | 50 | 10 | 3 |" in text
    assert "| Repairs: | | | |\n| of the sheds | 56 | 16 | 3 |" in text


def test_a_table_under_another_keeps_its_own_columns() -> None:
    """A line of its own stands apart between them; as one table two cells of the second would be one."""
    page = Page()
    ships = [
        ("Ship", "Rating", "From", "To"),
        ("Ganges", "Boy 2nd Cl.", "9 Jan 35", "4 Dec 35"),
        ("Exeter", "A.B.", "1 Oct 37", "10 Mar 40"),
        ("Kelvin", "Ldg. Sea.", "3 Jun 40", "17 Nov 43"),
        ("Haslar", "Ldg. Sea.", "18 Nov 43", "6 Feb 44"),
    ]
    for k, row in enumerate(ships):
        page.row(100 + 14 * k, list(zip((50, 190, 280, 370), row, strict=True)))
    page.line(50, 190, "CHARACTER")
    marks = [
        ("31 Dec 37", "Very good", "Satisfactory in all", "Captain F. S. Bell"),
        ("31 Dec 38", "Very good", "Superior", "Captain F. S. Bell"),
        ("10 Mar 40", "Very good", "Superior", "Commander R. R. Graham"),
    ]
    for k, row in enumerate(marks):
        page.row(206 + 14 * k, list(zip((50, 140, 230, 345), row, strict=True)))
    text = page.composed(shuffle=3).text
    assert "| Kelvin | Ldg. Sea. | 3 Jun 40 | 17 Nov 43 |" in text
    assert "| 31 Dec 38 | Very good | Superior | Captain F. S. Bell |" in text
    assert "\n\nCHARACTER\n\n" in text


def test_a_name_that_had_room_on_the_line_above_goes_on_with_nothing() -> None:
    """The first word of a cell's second line found no room on its first, or begins with a small letter."""
    page = Page(jitter=0.2, seed=7)
    rows = (
        ("Tangible assets", "41,208", "39,770"), ("Current assets", "", ""), ("Stocks", "1,204", "1,377"),
        ("Debtors due within one year", "3,911", "2,806"), ("Provisions for liabilities and", "800", "650"),
        ("Charges", "", ""), ("Cash at bank", "902", "1,440"), ("and in hand", "", ""),
        ("Reserves", "10,000", "10,000"),
    )  # fmt: skip
    for k, row in enumerate(rows):
        page.row(100 + 14 * k, list(zip((60, 300, 400), row, strict=True)))
    text = page.composed(shuffle=3).text
    assert "\n| Current assets | | |\n| Stocks | 1,204 | 1,377 |\n" in text
    assert "| Provisions for liabilities and Charges | 800 | 650 |" in text
    assert "| Cash at bank and in hand | 902 | 1,440 |" in text


def test_a_line_under_a_cell_behind_a_number_belongs_to_its_row() -> None:
    """Lot 2 is told in two lines, the first of which ends early: no lot without a number."""
    page = Page(jitter=0.2, seed=7)
    rows = (
        ("1", "Oak chest with three good locks", "£4"), ("2", "Clock by Knibb", "£21"), ("", "Case restored", ""),
        ("3", "Six chairs", "£3"), ("4", "Bed", "£1"),
    )  # fmt: skip
    for k, row in enumerate(rows):
        page.row(100 + 12 * k, list(zip((60, 100, 400), row, strict=True)))
    assert "| 2 | Clock by Knibb Case restored | £21 |" in page.composed(shuffle=3).text
