"""Paragraphs, hyphens, lists, headings and tables as Markdown."""

from __future__ import annotations

import pytest
from layout_kit import OTHER, PROSE, Page, flat, grid, rule

from index.types import RegionKind


def test_fragments_of_a_line_are_joined() -> None:
    """A line that the detector split, and a bullet apart from its text, come out whole."""
    page = Page()
    page.line(50, 80, "•")
    page.line(70, 80.8, "Bring a lamp")
    page.line(132.5, 79.4, "and two men")
    assert page.composed(shuffle=1).text == "- Bring a lamp and two men"


def test_paragraphs_by_white_and_by_indent() -> None:
    """White between lines and a set-in first line begin paragraphs; lines inside are joined by spaces."""
    page = Page()
    y = page.text(50, 60, 400, PROSE)
    y = page.text(50, y + 12, 400, OTHER)
    page.text(50, y, 400, PROSE, indent=20)
    assert page.composed().text == "\n\n".join(flat(part) for part in (PROSE, OTHER, PROSE))


def test_divided_words() -> None:
    """A hyphen at the line end goes before a small letter, and stays in a compound and before a capital."""
    page = Page()
    lines = [
        "This line is long enough and ends with a func-",
        "tion of time, and the next one is a state-of-the-",
        "art machine for the recording by means of multi-",
        "track tape, as every multi-track tape is in Anglo-",
        "American studios which are as long as this line.",
    ]
    for k, line in enumerate(lines):
        page.line(50, 60 + 13 * k, line)
    result = page.composed()
    assert result.text == (
        "This line is long enough and ends with a function of time, and the next one is a state-of-the-art machine "
        "for the recording by means of multi-track tape, as every multi-track tape is in Anglo-American studios which "
        "are as long as this line."
    )
    halves = [w for w in result.words if result.text[w.start : w.end] in ("func", "tion")]
    assert len(halves) == 2
    assert halves[0].end == halves[1].start
    assert halves[0].box.y1 < halves[1].box.y1


def test_letter_keeps_the_lines_of_addresses_and_has_no_headings() -> None:
    """Address, date, salutation and signature of a letter stay lines; nothing becomes a heading."""
    page = Page(jitter=0.5, seed=2)
    for k, line in enumerate(["Mr Thomas Weir", "The Old Forge", "Harbour Street", "Westport"]):
        page.line(60, 60 + 13 * k, line)
    page.line(420, 140, "9th May 1934")
    page.line(60, 175, "Dear Mr Weir,")
    y = page.text(60, 200, 480, PROSE)
    page.line(60, y + 13, "Yours faithfully,")
    page.line(60, y + 60, "A. Field")
    page.line(60, y + 73, "Secretary")
    result = page.composed(shuffle=3)
    assert "Mr Thomas Weir\nThe Old Forge\nHarbour Street\nWestport" in result.text
    assert "A. Field\nSecretary" in result.text
    assert flat(PROSE) in result.text
    assert "#" not in result.text
    assert {r.kind for r in result.regions} == {RegionKind.PARAGRAPH}


def test_address_at_the_right_keeps_its_lines() -> None:
    """A sender's address set far in keeps its lines although they reach the right edge."""
    page = Page()
    for k, line in enumerate(["Field and Daughters", "14 Long Mill Lane", "Westport (telephone 41)"]):
        page.line(430, 60 + 13 * k, line)
    page.text(50, 130, 500, PROSE)
    assert page.composed().text.startswith("Field and Daughters\n14 Long Mill Lane\nWestport (telephone 41)\n\n")


def test_headings_by_size_by_weight_and_by_place() -> None:
    """Larger type, bold lines and short lines close above a paragraph are headings; the largest is the title."""
    page = Page()
    page.line(50, 40, "Report on the harbour", 20)
    y = page.text(50, 80, 480, PROSE)
    page.line(50, y + 14, "The state of the wall", 14)
    y = page.text(50, y + 34, 480, OTHER)
    page.line(50, y + 14, "What is to be done", bold=True)
    y = page.text(50, y + 27, 480, PROSE)
    page.line(50, y + 22, "On the ferry")
    page.text(50, y + 34, 480, OTHER)
    text = page.composed().text
    heads = [line for line in text.split("\n") if line.startswith("#")]
    assert heads == ["# Report on the harbour", "## The state of the wall", "## What is to be done", "## On the ferry"]


def test_lists_with_bullets_and_numbers() -> None:
    """Bullets become "- ", numbers stay as they are, and continuation lines join their item."""
    page = Page()
    y = page.text(50, 60, 480, PROSE) + 8
    for text in ("• the first of the points which is so long that it runs over to", "• the second"):
        page.line(60, y, text, 10)
        y += 13
        if "first" in text:
            page.line(70, y, "the line below it")
            y += 13
    y += 10
    for k in (1, 2, 3):
        page.line(60, y, f"{k}. clause number {k}")
        y += 13
    result = page.composed()
    assert (
        "- the first of the points which is so long that it runs over to the line below it\n- the second" in result.text
    )
    assert "1. clause number 1\n2. clause number 2\n3. clause number 3" in result.text
    assert "•" not in result.text
    assert [r.kind for r in result.regions].count(RegionKind.LIST) == 2


def test_year_at_a_line_start_is_no_list() -> None:
    """A number that happens to begin a line of prose does not become an item."""
    page = Page()
    lines = [
        "The wall was built by the board in the spring of the year",
        "1931. It has stood since, and the mortar is in good order",
        "from end to end, as far as could be seen from the boat in",
        "which the surveyor went out to look at it on his own.",
    ]
    for k, line in enumerate(lines):
        page.line(50, 60 + 13 * k, line)
    assert page.composed().text == " ".join(lines)


@pytest.mark.parametrize(
    "line",
    [
        "23.41 from a passer-by on the quay, who had seen the smoke",
        "1.260 pounds, which the board had not allowed for in the",
        "1. April 1923 was taken out of the water for the first of",
        "12.5 per cent of what the owners had been asked to pay at",
    ],
)
def test_a_figure_at_a_line_start_is_no_list(line) -> None:
    """A time, a sum, a date and a share in the middle of a sentence stay in it."""
    page = Page()
    lines = [
        "The watchman wrote it down, as he was told to, and he put",
        line,
        "several repairs that were to follow in the course of that",
        "same year, of which nobody had any idea at the time.",
    ]
    for k, text in enumerate(lines):
        page.line(50, 60 + 13 * k, text)
    assert page.composed().text == " ".join(lines)


def test_clauses_within_sentences_are_items() -> None:
    """Numbers that follow on each other are clauses, though no line before them ends a sentence."""
    page = Page()
    lines = [
        "2. The tenant shall at all times during the said term and",
        "2.1 keep the slip and the crane in good repair, with all",
        "2.2 pay the dues that are laid on boats which he hauls out",
        "3.1 not let any part of the yard, nor share it with others",
    ]
    for k, text in enumerate(lines):
        page.line(50, 60 + 13 * k, text)
    page.text(50, 60 + 13 * 6, 290, PROSE)
    text = page.composed().text
    assert [line for line in text.splitlines() if line.startswith("- ")] == [f"- {line}" for line in lines[1:]]


def test_ruled_table() -> None:
    """Ruling lines make a table: cells of several lines are joined, pipes escaped, empty cells kept."""
    page = Page()
    page.text(50, 40, 480, PROSE)
    page.row(202, [(55, "Part"), (205, "Use"), (355, "Price")])
    page.row(222, [(55, "Valve A|B"), (205, "for steam"), (355, "12.50")])
    page.row(234, [(205, "and water")])
    page.row(252, [(55, "Cock"), (355, "3.00")])
    page.text(50, 300, 480, OTHER)
    result = page.composed(grid([50, 200, 350, 450], [200, 218, 248, 268]), shuffle=1)
    table = next(r for r in result.regions if r.kind is RegionKind.TABLE)
    assert result.text[table.start : table.end] == (
        "| Part | Use | Price |\n| --- | --- | --- |\n| Valve A\\|B | for steam and water | 12.50 |\n| Cock | | 3.00 |"
    )
    assert result.text.startswith(flat(PROSE))
    assert result.text.endswith(flat(OTHER))


def test_unruled_table_of_an_invoice() -> None:
    """Aligned short cells with numbers become a table, totals under empty cells included."""
    page = Page(jitter=0.5, seed=4)
    page.text(50, 40, 480, PROSE)
    rows = [
        ("Item", "Qty", "Price", "Amount"),
        ("Rope, tarred", "4", "2.50", "10.00"),
        ("Lamp glass", "12", "0.75", "9.00"),
        ("Net twine", "1", "3.20", "3.20"),
        ("", "", "Total", "22.20"),
    ]
    for k, cells in enumerate(rows):
        xs = (60, 260, 360, 460)
        page.row(200 + 16 * k, [(xs[0], cells[0]), *((x + 40 - 5 * len(c), c) for x, c in zip(xs[1:], cells[1:]))])
    text = page.composed(shuffle=6).text
    assert "| Item | Qty | Price | Amount |\n| --- | --- | --- | --- |\n| Rope, tarred | 4 | 2.50 | 10.00 |" in text
    assert "| | | Total | 22.20 |" in text


def test_drop_cap() -> None:
    """A large initial is joined to the first word of its paragraph."""
    page = Page()
    page.line(50, 60, "T", 36)
    lines = ["he committee met at noon in the old", "customs house and heard the report", "of the surveyor of the wall"]
    for k, line in enumerate(lines):
        page.line(72, 61 + 12 * k, line)
    page.text(50, 97, 200, "who had walked along it with two men and a lamp in his hand all night.")
    assert page.composed(shuffle=2).text.startswith("The committee met at noon in the old customs house")


@pytest.mark.parametrize(
    ("cap", "rest", "read"),
    [("T", "HE MAYOR", "THE MAYOR"), ("I", "N WINTER", "IN WINTER"), ("I", "n winter", "In winter"),
     ("A", "MAYOR", "A MAYOR"), ("A", "mayor", "A mayor"), ("O", "LORD", "O LORD"), ("S", "Mary", "S Mary")],
)  # fmt: skip
def test_words_in_capitals_go_on_from_their_initial(cap: str, rest: str, read: str) -> None:
    """The first words of a chapter are often small capitals; A, I and O are words themselves before whole ones. The
    box of a wide initial over four lines reaches a little over their beginnings.
    """
    page = Page()
    page.line(50, 58, cap, 48)
    for k, line in enumerate(
        (f"{rest} met them at noon in the old", "customs house and heard", "of the surveyor", "and")
    ):
        page.line(69, 61 + 12 * k, line)
    page.text(50, 109, 220, "who had walked along it with two men and a lamp in his hand all night.")
    assert flat(page.composed(shuffle=2).text).startswith(f"{read} met them at noon in the old customs house")


def test_bold_headings_that_fill_their_line_are_parted_from_the_text() -> None:
    """In capitals over the text, or under a sentence that ends at the line's end; bold words in a line are none."""
    page = Page()
    y = page.text(50, 60, 200, PROSE)
    page.line(54, y, "PICTURES AT THE OLD TOWN HALL AND ELSEWHER", 9, bold=True)
    y = page.text(50, y + 12, 200, OTHER)
    text = page.composed().text
    assert "PICTURES AT THE OLD TOWN HALL AND ELSEWHER\n\nNobody could say" in text
    assert "PICTURES" not in text.split("\n\n")[0]


def test_three_names_under_each_other_are_three_lines() -> None:
    """Nobody set them as running text, narrow as their column is."""
    page = Page()
    for k, (a, b) in enumerate(
        (("Captain R. Moyle", "Mrs. E. Laity"), ("Mr. A. Bray", "Mr. P. Uren"), ("Dr. Lane", "Miss Tink"))
    ):
        page.row(60 + 13 * k, [(80, a), (320, b)])
    page.text(50, 120, 500, PROSE)
    text = page.composed().text
    assert "Captain R. Moyle\nMr. A. Bray\nDr. Lane" in text
    assert "Mrs. E. Laity\nMr. P. Uren\nMiss Tink" in text


def test_text_of_a_cell_that_spans_columns_is_not_cut_at_a_loose_space() -> None:
    """Upright lines of other rows do not reach into it; its own row has one."""
    page = Page()
    page.row(103, [(55, "Decision"), (155, "Refused"), (305, "Charge"), (405, "none")])
    page.line(55, 123, "Conditions")
    page.line(155, 123, "Draws too much for any vacant berth")
    rules = [rule(50, y - 0.4, 550, y + 0.4) for y in (100, 120, 140)]
    rules += [rule(x - 0.4, 100, x + 0.4, 140) for x in (50, 150, 550)]
    rules += [rule(x - 0.4, 100, x + 0.4, 120) for x in (267.5, 400)]  # between two words below
    text = page.composed(rules).text
    assert "Draws too much for any vacant berth" in text


def test_the_number_of_a_section_over_its_text_heads_it() -> None:
    """ "2.4 The grab dredger" is no item; a clause that ends as a sentence is, and so are several under each other."""
    page = Page()
    y = page.text(60, 60, 480, PROSE)
    page.line(60, y + 12, "2.4 The grab dredger")
    page.text(60, y + 29, 480, OTHER)
    assert "\n\n## 2.4 The grab dredger\n\n" in page.composed(shuffle=1).text

    page = Page()
    y = page.text(60, 60, 480, PROSE)
    page.row(y + 12, [(60, "2.4 The hirer pays the rent.")])
    page.row(y + 26, [(60, "2.5 The owner repairs")])
    page.row(y + 40, [(60, "2.6 The keys")])
    page.row(y + 54, [(60, "2.7 The insurance")])
    assert "## 2" not in page.composed(shuffle=1).text


def test_items_within_an_item_whose_marks_were_not_seen_keep_their_lines() -> None:
    page = Page()
    page.line(60, 60, "Why the archive must move before the winter comes", 16)
    inner = ("Water stood above the shelf in 1998", "Insurers have withdrawn cover")
    for k, outer in enumerate(("The basement floods every year", "Readers wait for two days", "Three sites were seen")):
        page.line(60, 100 + 60 * k, "•  " + outer, 12)
        for n, text in enumerate(inner):
            page.line(100, 120 + 60 * k + 20 * n, text, 12)
    text = page.composed(shuffle=1).text
    assert (
        "- The basement floods every year\nWater stood above the shelf in 1998\nInsurers have withdrawn cover\n" in text
    )
