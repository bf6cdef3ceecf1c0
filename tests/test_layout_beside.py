"""What stands beside each other without a line between: two who sign, a figure and the text beside it."""

from __future__ import annotations

import pytest
from layout_kit import OTHER, PROSE, Page, flat, in_order


@pytest.mark.parametrize("x", [300, 360])
def test_two_who_sign_are_read_one_after_the_other(x: float) -> None:
    """A name over an office, and room to sign above."""
    page = Page(jitter=0.4, seed=1)
    y = page.text(50, 60, 500, PROSE) + 40
    names, offices = ("Josiah Wragg", "Edmund Farrow"), ("Chairman of the Trustees", "Town Clerk of Helmsby")
    page.row(y, list(zip((60, x), names, strict=True)))
    page.row(y + 13, list(zip((60, x), offices, strict=True)))
    assert in_order(page.composed(shuffle=2).text, PROSE, names[0], offices[0], names[1], offices[1])


def test_two_rows_close_below_the_text_or_of_labels_stay_rows() -> None:
    for white, left in ((6, ("Josiah Wragg", "Edmund Farrow")), (40, ("Present:", "Excused:")), (40, ("Here", "Away"))):
        page = Page()
        y = page.text(50, 60, 500, PROSE) + white
        for k, right in enumerate(("Chairman of the Trustees", "Town Clerk of Helmsby")):
            page.row(y + 13 * k, [(60, left[k]), (300, right)])
        assert in_order(page.composed(shuffle=2).text, left[0], "Chairman of the", left[1], "Town Clerk of Helmsby")


def test_three_who_sign_are_read_alike() -> None:
    """None of them is torn off: the two who were left would stand below nothing."""
    page = Page(jitter=0.4, seed=1)
    y = page.text(50, 60, 500, PROSE) + 40
    names, offices = ("Josiah Wragg", "Edmund Farrow", "Helen Marsh"), ("Chairman", "Treasurer", "Secretary")
    for k, row in enumerate((names, offices)):
        page.row(y + 13 * k, list(zip((60, 230, 400), row, strict=True)))
    assert in_order(page.composed(shuffle=2).text, PROSE, *names, *offices)


def test_labels_within_a_figure_tear_no_line_of_the_text_beside_it() -> None:
    """Most of them chance to stand level with a line, but they begin anywhere."""
    page = Page(jitter=0.3, seed=3)
    page.text(50, 60, 240, PROSE * 2)
    labels = [
        (430, 2, "Safety valve"),
        (410, 5, "Boiler"),
        (470, 9, "Flue"),
        (350, 13, "Cistern"),
        (500, 16.5, "Drain"),
    ]
    for x, k, label in labels:
        page.line(x, 60.5 + 13 * k, label, 9)
    page.text(50, 420, 500, OTHER)
    text = page.composed(shuffle=2).text
    assert flat(PROSE * 2) in flat(text)
    assert in_order(text, PROSE, *(label for _, _, label in labels), OTHER)


def test_cards_side_by_side_without_frames_are_read_whole() -> None:
    """Their lines are level, and set in alike; a table's values, level with the names of things in groups, are not."""
    cards = [
        (
            "942.46 ERD",
            "Erdeswick, Sampson",
            "  A survey of Staffordshire.",
            "  London, Nichols, 1820.",
            "  Plates wanting.",
        ),
        ("610.9 MOO", "Moore, Norman", "  The history of medicine.", "  Oxford, 1908.", "  Two copies, one bound."),
        ("726.5 BRA", "Brandon, Raphael", "  The open timber roofs.", "  Bogue, 1849.", "  Folio shelf."),
        ("580.1 WIT", "Withering, William", "  British plants, arranged.", "  Birmingham, 1796.", "  Volume 3 lost."),
    ]
    page = Page(jitter=0.4, seed=2)
    for at, card in enumerate(cards):
        for k, line in enumerate(card):
            page.line(50 + 280 * (at % 2), 60 + 110 * (at // 2) + 13 * k, line)
    text = flat(page.composed(shuffle=2).text)
    assert all(flat(" ".join(card)) in text for card in cards)

    page = Page()
    rows = [
        ("Wards", ""),
        ("  Lister", "14"),
        ("  Fever", "8"),
        ("Stores", ""),
        ("  Linen", "120"),
    ]
    rows += [("  Drugs", "31"), ("Grounds", ""), ("  Lodge", "2"), ("  Garden", "5")]
    for k, (name, value) in enumerate(rows):
        page.row(60 + 13 * k, [(50 + 10 * name.count("  "), name.strip()), (200, value)])
    text = page.composed(shuffle=2).text.replace("|", " ")
    assert all(flat(f"{name} {value}") in flat(text) for name, value in rows)


@pytest.mark.parametrize(("second", "third"), [(132, 300), (100, 300), (90, 290)])
def test_a_letter_s_head_over_a_table_tears_no_row_of_it(second: float, third: float) -> None:
    """The lines stand level, and those of the table further in than the head's, as if they were set in."""
    page = Page()
    head = [("Lane & Co.", "Order no. 4471"), ("9 Market Place", "14 May 1932"), ("Helmsby", "Page one")]
    rows = [("Qty", "Article", "Colour", "Maker"), ("2", "Hinges", "yellow", "Pike"), ("14", "Slates", "grey", "Wragg")]
    rows += [("1", "Ridge tile", "red", "Wragg"), ("6", "Nails", "black", "Bell"), ("3", "Locks", "brass", "Pike")]
    for k, (left, right) in enumerate(head):
        page.row(57 + 13 * k, [(59, left), (265, right)], 9)
    for k, row in enumerate(rows):
        page.row(102 + 13 * k, list(zip((59, second, third, 435), row, strict=True)), 9)
    text = page.composed(shuffle=2).text
    assert all(f"| {' | '.join(row)} |" in text for row in rows)


def test_groups_of_a_table_whose_figures_are_set_in_like_their_names_keep_their_rows() -> None:
    page = Page()
    rows = [("Bridge", "Stone and lime"), ("  piers", "  1794"), ("  arches", "  1801"), ("Mill", "Timber")]
    rows += [("  wheel", "  1850"), ("  stones", "  1866")]
    for k, (name, value) in enumerate(rows):
        page.row(60 + 13 * k, [(50, name), (240, value)])
    text = page.composed(shuffle=2).text.replace("|", " ")
    assert all(flat(f"{name} {value}") in flat(text) for name, value in rows)


def test_a_line_to_sign_on_stands_between_a_name_and_the_office() -> None:
    page = Page(jitter=0.3, seed=1)
    y = page.text(50, 60, 500, PROSE) + 60
    page.row(y, [(80, "Arthur Penrose"), (380, "L. G. Whitcombe")], 12)
    page.row(y + 23, [(80, "Master"), (380, "Clerk to the Company")])
    assert in_order(
        page.composed(shuffle=2).text, "Arthur Penrose", "Master", "L. G. Whitcombe", "Clerk to the Company"
    )


TERMS = (
    ("Advowson", "The right to present a clergyman to a living. It was property, and could be sold."),
    ("Amercement", "A fine imposed by a manorial court at its own discretion."),
    ("Bovate", "As much land as one ox could plough in a year."),
    ("Copyhold", "Land held by copy of the court roll, at first at the will of the lord."),
    ("Heriot", "The best beast of a dead tenant, due before the heir could enter."),
)


def test_terms_stay_with_what_they_mean() -> None:
    """However close the lines, as a reader's boxes make them; two blocks of lines without sentences stay apart."""
    page = Page(jitter=0.2, seed=6)
    page.line(50, 60, "Glossary", 13)
    y = 85
    for term, meaning in TERMS:
        page.line(50, y, term)
        y = page.text(130, y, 420, meaning)
    assert in_order(page.composed(shuffle=2).text, *(part for pair in TERMS for part in pair))


def test_initials_far_to_the_right_of_notes_stay_with_them() -> None:
    page = Page(jitter=0.2, seed=6)
    notes = ("Dressing changed, wound dry.", "Slept well.", "Complained of pain.", "Heparin given as ordered.")
    rows = [(f"{6 + 2 * k:02}.00", f"{k + 3}.4.62", note, f"E. Lark {k}") for k, note in enumerate(notes)]
    for k, row in enumerate(rows):
        page.row(100 + 16 * k, list(zip((50, 100, 150, 470), row, strict=True)))
    assert in_order(page.composed(shuffle=2).text.replace("|", " "), *(" ".join(row) for row in rows))


def test_marks_at_the_right_edge_stay_with_their_questions() -> None:
    """Level with lines that do not reach near to them; what does reach there is level with none."""
    page = Page()
    questions = (
        "Which of these elements is not a metal at all",
        "A lever of the second order carries its load",
        "Lime water that stood in air is turned milky",
    )
    y, parts = 100.0, []
    for k, question in enumerate(questions):
        page.row(y, [(50, f"{k + 1}."), (75, question), (530, "(2)")])
        for answers in ("A copper B sulphur", "C tin D oxygen"):
            y += 15
            page.row(y, list(zip((90, 108, 310, 328), answers.split(), strict=True)))
        y += 24
        parts += [question, "(2)", "copper"]
    page.text(50, y, 500, OTHER)
    assert in_order(page.composed(shuffle=2).text.replace("|", " "), *parts)
