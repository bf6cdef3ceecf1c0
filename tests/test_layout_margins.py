"""Notes in the margin stand apart from the lines beside them; what belongs to a line stays in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.layout_kit import HEIGHT, OTHER, PROSE, Page, flat, in_order


def paragraphs(page: Page, x: float, width: float, beside: dict[int, list[str]], at: float, size: float = 8.0) -> None:
    """Four paragraphs; `beside[k]` are the lines of a note that begins level with paragraph `k`."""
    y = 60.0
    for k, text in enumerate((PROSE, OTHER, PROSE, OTHER)):
        for row, line in enumerate(beside.get(k, ())):
            page.line(at, y + 1 + 1.2 * size * row, line, size)
        y = page.text(x, y, width, text, indent=10)


@pytest.mark.parametrize("jitter", [0.0, 0.7])
def test_notes_of_one_and_two_lines_on_the_left_come_before_their_paragraph(jitter: float) -> None:
    """None of their words stands inside a line of the text, and every paragraph is whole."""
    page = Page(jitter=jitter, seed=5)
    paragraphs(page, 150, 400, {0: ["Report of the", "surveyor"], 2: ["Of the mortar"]}, at=40)
    text = page.composed(shuffle=3).text
    assert in_order(text, "Report of the surveyor", PROSE, OTHER, "Of the mortar", PROSE, OTHER)


def test_notes_on_the_right_come_after_their_paragraph() -> None:
    """Also initials that say who is to act."""
    page = Page()
    paragraphs(page, 50, 400, {1: ["The ferry", "and her paint"], 2: ["RM"]}, at=470)
    text = page.composed(shuffle=4).text
    assert in_order(text, PROSE, OTHER, "The ferry and her paint", PROSE, "RM", OTHER)


def test_a_note_that_goes_on_beside_the_next_paragraph_is_one_note() -> None:
    """It is read where it begins."""
    page = Page()
    lines = [f"line {word} of a long note" for word in ("one", "two", "three", "four", "five", "six", "seven")]
    paragraphs(page, 170, 380, {1: lines}, at=40)
    assert in_order(page.composed(shuffle=2).text, PROSE, *lines, OTHER, PROSE, OTHER)


def test_speakers_stay_with_what_they_say() -> None:
    """Names of the text's own type, level with the line that they begin, are no notes."""
    page = Page()
    y = 60.0
    for name, speech in (("MASTER.", PROSE), ("BOY.", OTHER), ("MASTER.", PROSE)):
        page.line(50, y, name)
        y = page.text(130, y, 400, speech) + 4
    for name, speech in (("BOY.", "Then I shall go and look for them myself, before it is dark."), ("MASTER.", OTHER)):
        page.line(50, y, name)
        y = page.text(130, y, 400, speech)
    text = flat(page.composed(shuffle=1).text)
    assert f"MASTER. {flat(PROSE)}" in text
    assert "BOY. Then I shall go" in text
    assert "before it is dark. MASTER. Nobody could say" in text
    assert f"BOY. {flat(OTHER)}" in text


def test_speakers_without_descenders_stay_with_what_they_say() -> None:
    """A reader's box round "Mr Fox" is lower than the lines beside it, but its letters are no narrower."""
    page = Page()
    y = 60.0
    for name, speech in (("Mr Fox", PROSE), ("Mrs Lumb", OTHER), ("Mr Fox", OTHER)):
        page.line(50, y + 1.5, name)
        box = replace(page.lines[-1].box, y1=(y + 9) / HEIGHT)
        page.lines[-1] = replace(page.lines[-1], box=box, page_box=box, size=box.y1 - box.y0)
        y = page.text(130, y, 400, speech) + 4
    text = flat(page.composed(shuffle=1).text)
    assert f"Mr Fox {flat(PROSE)} Mrs Lumb {flat(OTHER)} Mr Fox {flat(OTHER)}" in text


def test_several_notes_on_the_right_of_one_paragraph_stand_in_their_order() -> None:
    """All of them come after it, the upper ones first."""
    page = Page()
    end = page.text(60, 60, 400, PROSE + OTHER)
    page.text(60, end + 6, 400, OTHER)
    for y, note in ((74, "Agreed"), (100, "Surveyor"), (109, "to act"), (135, "Lamps"), (end + 20, "Ferry")):
        page.line(490, y, note, 8)
    text = page.composed(shuffle=4).text
    assert in_order(text, PROSE + OTHER, "Agreed", "Surveyor", "to act", "Lamps", OTHER, "Ferry")


@pytest.mark.parametrize(("left", "x"), [(True, 50), (False, 482)])
def test_a_note_that_begins_beside_the_white_over_its_paragraph(left: bool, x: float) -> None:
    """Its other lines tell where it stands."""
    page = Page()
    text_at = 130 if left else 60
    y = page.text(text_at, 60, 400, PROSE)
    for k, line in enumerate(("The paint", "of the ferry", "in the war")):
        page.line(x, y + 4 + 9 * k, line, 8)
    page.text(text_at, page.text(text_at, y + 18, 400, OTHER) + 10, 400, PROSE)
    note = "The paint of the ferry in the war"
    parts = (PROSE, note, OTHER, PROSE) if left else (PROSE, OTHER, note, PROSE)
    assert in_order(page.composed(shuffle=6).text, *parts)


@pytest.mark.parametrize(("x", "text_at"), [(50, 130), (482, 60)])
def test_what_stands_in_the_margin_beside_no_line_stays_in_its_place(x: float, text_at: float) -> None:
    """Headings that are set out begin level with notes, and the place and name of a letter with its remarks."""
    page = Page()
    y = 60.0
    parts = (("Of the wall", "Report", PROSE), ("Of the ferry", "Paint", OTHER), ("Of the lamps", "Fund", PROSE))
    for head, note, text in parts:
        page.line(x, y, head)
        page.line(x, y + 30, note, 8)
        page.line(x, y + 39, "of May", 8)
        y = page.text(text_at, y + 16, 400, text) + 8
    assert in_order(page.composed(shuffle=2).text, *(part for head, _, text in parts for part in (head, text)))


def test_notes_beside_clauses_within_clauses() -> None:
    """Lines that begin anywhere and end together are one column; a note may stand beside a short one of them."""
    page = Page()
    y = 60.0
    clauses = [
        (50, "1. ", ["Hire and", "return"], PROSE[:230]),
        (50, "2. ", ["Rent"], "The Hirer shall pay by way of rent:"),
        (74, "(a) ", [], "during the first year, a hundred and twenty pounds a quarter, payable in advance;"),
        (74, "(b) ", [], "during every later year, a sum that is ascertained in one of the following two ways:"),
        (98, "(i) ", [], "the number of bricks burnt, as the kiln books show it, divided by one thousand, or"),
        (98, "(ii) ", [], "the cost of any repair which the Hirer has carried out as clause 4 allows him to do."),
        (50, "3. ", ["Care of the", "machinery"], OTHER[:250]),
        (50, "4. ", ["Repairs"], "The Hirer may carry out repairs that cannot wait, provided that"),
        (74, "(a) ", [], "notice of them is given on the same day, by telegraph or by telephone; and that"),
        (74, "(b) ", [], "the parts that were taken out are kept for inspection for thirty days or longer."),
    ]
    for x, number, note, clause in clauses:
        for k, line in enumerate(note):
            page.line(462, y + 1 + 8.6 * k, line, 7)
        y = page.text(x, y, 450 - x, number + clause) + 4
    text = page.composed(shuffle=5).text
    assert in_order(text, "1. The committee", "Hire and return", "2. The Hirer", "Rent", "(a) during", "(ii) the cost")
    assert in_order(
        text, "3. Nobody", "Care of the machinery", "4. The Hirer", "Repairs", "(a) notice", "(b) the parts"
    )
    assert flat(OTHER[:250]) in flat(text)


def test_a_list_of_partners_along_a_letter_is_read_before_it() -> None:
    """More lines than the letter has, in smaller type, level with none of its lines but by chance."""
    page = Page()
    partners = ["Partners", "H. G. Cranmer", "Sir Basil Whitelaw", "T. Nunn", "Miss D. Roe", "", "Associates"]
    partners += ["P. Farrant", "L. J. Mace", "", "Consultant", "A. Cranmer", "", "Also at", "Dereham"]
    for k, name in enumerate(partners):
        if name:
            page.line(40, 100 + 10 * k, name, 7)
    page.row(98, [(160, "Our ref: TN/KP/4419"), (450, "23rd October 1951")])
    for k, line in enumerate(("Messrs. Bullard & Stone", "Auctioneers", "Tombland", "", "Dear Sirs,")):
        page.row(128 + 13 * k, [(160, line)])
    page.text(160, 198, 390, PROSE)
    text = page.composed(shuffle=2).text
    assert in_order(text, *filter(None, partners), "Our ref", "Messrs. Bullard", "Tombland", "Dear Sirs,", PROSE)


def test_a_heading_of_two_lines_beside_its_paragraph_does_not_stand_inside_its_lines() -> None:
    """As in typed minutes: in the text's own type and level with its lines, of which it is no part."""
    page = Page()
    y = 60.0
    for names, minute in ((["Slipway"], PROSE), (["Light-", "house"], OTHER), (["Bridge"], PROSE)):
        for row, name in enumerate(names):
            page.line(40, y + 13 * row, name)
        y = page.text(130, y, 400, minute) + 8
    text = flat(page.composed(shuffle=1).text)
    assert f"Slipway {flat(PROSE)} Lighthouse {flat(OTHER)} Bridge {flat(PROSE)}" in text


@pytest.mark.parametrize("marks", [("5", "10", "15"), ("12.", "13.", "14."), ("To:", "From:", "Re:")])
def test_numbers_and_labels_stay_in_their_lines(marks: tuple[str, str, str]) -> None:
    """Numbers of lines and clauses, and labels, are read with the line that they stand before, small as they are."""
    page = Page()
    paragraphs(page, 110, 400, {k: [mark] for k, mark in enumerate(marks)}, at=60)
    text = flat(page.composed(shuffle=6).text)
    for mark, paragraph in zip(marks, (PROSE, OTHER, PROSE), strict=True):
        assert f"{mark} {flat(paragraph)[:40]}" in text


def test_sums_beside_the_text_stay_in_their_lines() -> None:
    """An amount at the end of an entry is no note."""
    page = Page()
    paragraphs(page, 50, 400, {0: ["12.50"], 2: ["8.75"]}, at=500)
    text = page.composed().text
    assert text.index("12.50") < text.index("Nobody could say")
    assert not text.rstrip().endswith("8.75")


def test_a_note_close_beside_the_text_is_cut_out_of_its_line() -> None:
    """A reader ran the note and the line together: lines around end where the gap is."""
    page = Page()
    paragraphs(page, 50, 400, {1: ["The ferry"]}, at=457)
    note = next(line for line in page.lines if line.text == "The ferry")
    line = next(line for line in page.lines if line.text.startswith("Nobody could say"))
    page.lines = [other for other in page.lines if other not in (note, line)]
    box = line.box.union(note.box)
    text = f"{line.text} {note.text}"
    page.lines.append(replace(line, text=text, box=box, page_box=box, words=line.words + note.words))
    text = page.composed(shuffle=4).text
    assert in_order(text, PROSE, OTHER, "The ferry", PROSE)
