"""Printed forms: boxes in rows, filled in by typewriter, and boxes from side to side with text of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.layout_kit import OTHER, PROSE, Page, grid, in_order, rule


def box(x0: float, y0: float, x1: float, y1: float) -> list:
    """The four sides."""
    sides = ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1))
    return [rule(a - 0.4, b - 0.4, c + 0.4, d + 0.4) for a, b, c, d in sides]


def telegram(page: Page) -> list:
    """Three boxes under a title, and over a box that is as wide as all of them."""
    page.line(230, 52, "TELEGRAPHS", 16)
    for x, label, value in ((46, "Office", "BERGEN 1142"), (246, "Charges to pay", "NIL"), (406, "Received", "10.02")):
        page.line(x, 84, label, 7)
        page.line(x, 100, value)
    for k, line in enumerate(("TO", "", "HALVORSEN SHIPBROKERS", "17 QUAY LEITH", "", "VESSEL ARRIVED FIFTEENTH STOP")):
        page.row(130 + 16 * k, [(60, line)])
    page.line(60, 226, "CARGO SHORT THIRTY TWO STANDARDS STOP CABLE")
    rules = [*box(40, 45, 560, 78), *box(40, 78, 560, 120), *box(40, 120, 560, 300)]
    return [*rules, rule(239.6, 78, 240.4, 120), rule(399.6, 78, 400.4, 120)]


def test_a_box_from_side_to_side_is_text_and_the_boxes_over_it_are_cells() -> None:
    """Each label stands with what was filled in."""
    page = Page()
    text = page.composed(telegram(page), shuffle=3).text
    assert "| Office BERGEN 1142 | Charges to pay NIL | Received 10.02 |" in text
    assert in_order(
        text, "TELEGRAPHS", "Office", "TO", "HALVORSEN", "17 QUAY LEITH", "VESSEL ARRIVED FIFTEENTH STOP", "CARGO SHORT"
    )
    assert all("VESSEL" not in line for line in text.splitlines() if line.startswith("|"))


def test_dirt_that_touches_a_form_makes_no_column() -> None:
    """The edge of the paper is a line, too."""
    page = Page()
    rules = telegram(page)
    touching = [rule(0, 299, 42, 301), rule(558, 44, 600, 46)]
    assert page.composed([*rules, *touching]).text == page.composed(rules).text


def test_tables_above_and_below_a_box_of_text() -> None:
    """They are two, and the text stands between them."""
    page = Page()
    rules = []
    for y, rows in ((60, (("Name", "Varney"), ("Born", "1870"))), (220, (("Place", "Yarmouth"), ("Date", "29 March")))):
        for k, (label, value) in enumerate(rows):
            page.row(y + 5 + 20 * k, [(46, label), (306, value)])
            rules += [*box(40, y + 20 * k, 300, y + 20 * (k + 1)), *box(300, y + 20 * k, 560, y + 20 * (k + 1))]
    page.text(46, 106, 500, OTHER)
    rules += box(40, 100, 560, 220)
    text = page.composed(rules, shuffle=2).text
    assert text.count("| --- | --- |") == 2
    assert in_order(text, "| Name | Varney |", "| Born | 1870 |", OTHER, "| Place | Yarmouth |", "| Date | 29 March |")
    assert "\n\nNobody could say" in text


def test_the_wide_spaces_of_a_typewriter_part_no_cell() -> None:
    """The line of a column that is not drawn beside them runs through one."""
    page = Page()
    page.row(66, [(46, "Sex"), (166, "Race"), (306, "Age")])
    page.row(86, [(46, "Male"), (166, "White"), (306, "82")])
    page.line(46, 106, "Name of the deceased", 7)
    page.line(83, 116, "Arteriosclerosis, general")  # its space lies from 168 to 173
    xs = (40, 170, 300, 560)
    rules = [*box(40, 60, 560, 80), *box(40, 80, 560, 100), *box(40, 100, 560, 130)]
    rules += [rule(x - 0.4, 60, x + 0.4, 100) for x in xs[1:3]]
    assert "Arteriosclerosis, general" in page.composed(rules, shuffle=4).text


def test_columns_whose_lines_are_drawn_at_the_head_only_go_on_below() -> None:
    """An invoice's body is an open box: its rows belong to the head over them, and are no text of the form."""
    page = Page()
    xs = [40, 100, 380, 460, 560]
    rows = [
        ("Qty", "Description", "Price", "Amount"),
        ("3", "Coils of rope", "2.40", "7.20"),
        ("12", "Tins of paint", "0.80", "9.60"),
        ("1", "Anchor", "14.00", "14.00"),
        ("40", "Yards of canvas", "0.25", "10.00"),
        ("2", "Lamps", "3.10", "6.20"),
    ]
    for k, row in enumerate(rows):
        page.row(64 + 14 * k + 12 * (k > 0), [(x + 4, cell) for x, cell in zip(xs, row, strict=False)])
    rules = [*box(40, 60, 560, 80), *box(40, 80, 560, 300)]
    rules += [rule(x - 0.4, 60, x + 0.4, 80) for x in xs[1:-1]]
    text = page.composed(rules, shuffle=6).text
    assert (
        "| Qty | Description | Price | Amount |\n| --- | --- | --- | --- |\n| 3 | Coils of rope | 2.40 | 7.20 |" in text
    )
    assert "| 2 | Lamps | 3.10 | 6.20 |" in text


def test_a_list_in_a_box_under_two_boxes_keeps_its_lines() -> None:
    """Though it stands in their columns: no figures part it into rows, and all would run together."""
    page = Page()
    page.row(64, [(46, "From: Varney"), (306, "To: Oliver")])
    parts = (("Hull", "Bath"), ("Masts", "Leith"), ("Sails", "Wick"), ("Ropes", "Oban"), ("Lamps", "Ayr"))
    for k, row in enumerate(parts):
        page.row(90 + 14 * k, list(zip((46, 306), row, strict=True)))
    rules = [*box(40, 60, 560, 80), *box(40, 80, 560, 300), rule(299.6, 60, 300.4, 80)]
    text = page.composed(rules, shuffle=3).text
    assert "| From: Varney | To: Oliver |" in text
    assert "Hull Masts" not in text
    assert in_order(text, "Hull", "Masts", "Sails", "Ropes", "Lamps")


def test_a_narrow_first_column_read_together_with_the_second_is_a_column() -> None:
    """The middle of such a line lies in the second column; its first word stands in the first."""
    page = Page()
    for k, (article, price) in enumerate((("No Article", "Price"), ("1 Manila rope", "12"), ("2 White lead", "4"))):
        page.row(64 + 20 * k, [(44, article), (304, price)])
    text = page.composed(grid([40, 58, 300, 400], [60, 80, 100, 120]), shuffle=3).text
    assert "| No | Article | Price |" in text
    assert "| 1 | Manila rope | 12 |\n| 2 | White lead | 4 |" in text


def test_cells_read_together_are_parted_where_most_rows_are() -> None:
    """The white at a column's line that is drawn at the head only is no usual space between words."""
    page = Page()
    rows = [("Goods", "Price"), ("Ropes", "12.40"), ("Leads", "18.10"), ("Oakum", "14.00"), ("Paint", "17.15")]
    for k, cells in enumerate(rows):
        page.line(75, 64 + 20 * k, " ".join(cells))
    page.lines = [
        replace(line, words=(line.words[0], replace(line.words[1], box=replace(line.words[1].box, x0=106 / 600))))
        for line in page.lines
    ]
    rules = [*box(70, 60, 140, 80), *(rule(70, y - 0.4, 140, y + 0.4) for y in (100, 120, 140, 160))]
    rules += [rule(x - 0.4, 60, x + 0.4, y) for x, y in ((70, 160), (103, 80), (140, 160))]
    text = page.composed(rules, shuffle=3).text
    assert "| Goods | Price |" in text
    assert "| Ropes | 12.40 |\n| Leads | 18.10 |" in text


@pytest.mark.parametrize("far", [150, 260])
def test_fields_and_offices_without_colons_stay_with_what_is_beside_them(far: float) -> None:
    """Close rows of a form, and a list of who holds an office; two addresses side by side are still two."""
    form = [("Surname", "Osgood"), ("Forenames", "Margaret Ann"), ("Address", "14 Beacon Street, Lichfield")]
    form += [("Occupation", "Teacher"), ("Date of birth", "4 May 1931")]
    held = [("Chairman", "Josiah Wragg"), ("Hon. Treasurer", "Edmund Farrow"), ("Auditors", "Messrs Pym and Oduya")]
    for rows in (form, held):
        page = Page(jitter=0.5, seed=2)
        for k, (name, value) in enumerate(rows):
            page.row(60 + 14 * k, [(50, name), (far, value)])
        page.text(50, 160, 500, PROSE)
        text = page.composed(shuffle=3).text.replace("|", " ")
        assert in_order(text, *(f"{name} {value}" for name, value in rows), PROSE)

    page = Page()
    for k, (one, other) in enumerate(
        zip(("Infirmary", "Canal Road", "Chester"), ("The Registrar", "Town Hall", "Ely"), strict=True)
    ):
        page.row(60 + 13 * k, [(50, one), (far, other)])
    page.text(50, 160, 500, PROSE)
    assert in_order(
        page.composed(shuffle=3).text, "Infirmary", "Canal Road", "Chester", "The Registrar", "Town Hall", "Ely"
    )
