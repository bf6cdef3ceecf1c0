"""Headings in the middle over their text, where no white and no type tells them: as in print before bold type."""

from __future__ import annotations

import pytest

from index.types import Box, RegionKind
from tests.layout_kit import OTHER, PROSE, Page, in_order
from worker.layout.lines import Line, LineWord

LEFT, WIDTH = 60, 400


def middle(page: Page, y: float, text: str, size: float = 10.0) -> float:
    """A line in the middle of the column; the result is where the next line stands."""
    page.line(LEFT + (WIDTH - len(text) * size * 0.5) / 2, y, text, size)
    return y + 1.3 * size


def headings(page: Page) -> list[str]:
    result = page.composed(shuffle=3)
    return [
        result.text[region.start : region.end].lstrip("# ")
        for region in result.regions
        if region.kind in (RegionKind.HEADING, RegionKind.TITLE)
    ]


@pytest.mark.parametrize("indent", [0.0, 15.0])
@pytest.mark.parametrize("jitter", [0.0, 0.8])
def test_lines_in_the_middle_over_their_paragraphs_are_headings(indent: float, jitter: float) -> None:
    """Close above and below, in the text's own type, with a number or without."""
    page = Page(jitter=jitter, seed=4)
    y = 60.0
    texts = [("Of the wall", PROSE), ("2. Apparatus", OTHER), ("ARTICLE 3", PROSE)]
    for head, text in texts:
        y = page.text(LEFT, middle(page, y, head), WIDTH, text, indent=indent)
    assert headings(page) == ["Of the wall", "2. Apparatus", "ARTICLE 3"]
    assert in_order(page.composed().text, *(part for pair in texts for part in pair))


def test_a_short_paragraph_that_is_set_in_is_no_heading() -> None:
    """It begins where paragraphs begin, however much white is behind it."""
    page = Page()
    y = page.text(LEFT, 60, 300, OTHER, indent=39)
    page.line(LEFT + 39, y, "He said that he could not, and left them all")
    page.line(LEFT + 39, y + 13, "Nobody knew when the old ferry had last been painted")
    page.text(LEFT, y + 26, 300, OTHER[61:])
    assert headings(page) == []


def test_headings_of_a_narrow_column_in_chinese() -> None:
    """Readers give a line of it as one word: that the whole of it had no room beside the heading tells nothing."""
    page = Page()
    text = "本条例适用于在港口停泊的一切船舶以及在码头作业的工人和其他人员并由港务局负责解释施行"
    for k, line in enumerate(("第一章总则", *(text[at : at + 11] for at in range(0, len(text), 11)))):
        x, y = (LEFT + 30 * (k == 0)) / 600, (60 + 13 * k) / 800
        box = Box(x, y, x + len(line) * 10 / 600, y + 10 / 800)
        page.lines.append(Line(line, box, box, (LineWord(line, box),), 0.98, 10 / 800))
    assert headings(page) == ["第一章总则"]


def test_a_line_set_off_within_a_sentence_is_no_heading() -> None:
    """A name, an inscription or a formula in the middle: the sentence goes on below it with a small letter."""
    page = Page()
    y = page.text(LEFT, 60, WIDTH, PROSE[:152] + " and over his door stood the sign")
    y = page.text(
        LEFT, middle(page, y, "Jonas Field and Sons"), WIDTH, "in letters of gold that could be read " + OTHER
    )
    assert headings(page) == []
    assert in_order(page.composed().text, "stood the sign", "Jonas Field and Sons", "in letters of gold")


def test_a_title_over_the_heading_of_its_first_part_is_a_heading() -> None:
    """In capitals of the text's own size; what stands under it is one line, too."""
    page = Page()
    y = middle(page, middle(page, 60, "REPORT ON THE STATE OF THE STATION") + 6, "I. Buildings")
    y = middle(page, page.text(LEFT, y, WIDTH, PROSE), "II. Machinery")
    page.text(LEFT, y, WIDTH, OTHER)
    assert headings(page) == ["REPORT ON THE STATE OF THE STATION", "I. Buildings", "II. Machinery"]


@pytest.mark.parametrize("remark", ["[Page torn here]", "(Continued from page 3)", "[SEAL OF THE BOARD]"])
def test_a_remark_in_brackets_is_no_heading(remark: str) -> None:
    """Of a clerk or an editor, in the middle between two paragraphs."""
    page = Page()
    y = page.text(LEFT, 60, WIDTH, OTHER) + 4
    page.text(LEFT, middle(page, y, remark), WIDTH, PROSE)
    assert headings(page) == []


@pytest.mark.parametrize(
    "lines",
    [
        ("He said it was an", "extraordinary thing that a", "man of his years should be", "sent out to look for it."),
        ("Er sagte, daß eine", "Hafenbehörde Steine nicht", "nehmen darf, die man nicht", "bezahlt hat, am Markt."),
    ],
)
def test_the_first_line_of_a_paragraph_is_no_heading(lines: tuple[str, ...]) -> None:
    """Set in, and as far from the right edge of a narrow column because a long word had no room."""
    page = Page()
    for k, line in enumerate(lines):
        page.line(LEFT + 15 * (k == 0), 60 + 10.4 * k, line, 8)
    assert headings(page) == []
    assert in_order(page.composed().text, " ".join(lines))


def test_the_lines_of_a_menu_are_no_headings() -> None:
    """All of them stand in the middle, none over running text."""
    page = Page()
    y = 60.0
    for course in (
        ("Fish", "Boiled Turbot with Lobster Sauce", "Fried Whiting and Lemons"),
        ("Joints", "Saddle of Mutton, Currant Jelly", "Sirloin of Beef and Radish"),
    ):
        for line in course:
            y = middle(page, y, line)
        y += 30
    assert headings(page) == []


def test_a_heading_that_begins_with_a_full_line_is_not_torn() -> None:
    """Its second line stands in the middle over the text, its first one as wide as the text."""
    page = Page()
    y = 60.0
    for line in ("Minutes of the meeting that was held in the Guildhall on the Tuesday after a gale", "of 1923"):
        y = middle(page, y, line)
    page.text(LEFT, y + 8, WIDTH, PROSE)
    assert page.composed(shuffle=2).text.startswith("Minutes of the meeting that was held in the Guildhall on the")
    assert "after a gale of 1923" in page.composed(shuffle=2).text
