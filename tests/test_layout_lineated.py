"""Verse and entries keep their lines, also before small letters; running text and headings are what they were."""

from __future__ import annotations

import pytest

from tests.layout_kit import OTHER, PROSE, Page, flat, in_order, wrap

POEM = (
    ("the harbour lights are going down,", "and down the stair the children come", "to see the lanterns of the town",
     "go out before the rising sun."),
    ("they carry shells, they carry bread,", "they carry all that they have found,", "and one has ribbons on her head",
     "and one has sand from underground."),
)  # fmt: skip
ENTRIES = """Abbey, ruins of, 14, 88;anchors, price of, 118;apron of the pier, 4;artists, 61, 63-7;bark house, 92
basin, inner, 5, 17;beacons, 70;boats, list of, 120-4;books of the parish, 130;capstan, 48;casks, 55, 57;charts, 76
coal, landing of, 29;colza oil, 118;coping, 4;county rate, 6;crabs, 94;dialect, 140;drifters, 5, 20;dues, 7, 31
estuary, 5;ewes, 110;ferry, 64;fever of 1832, 80;fish cellars, 90;frost of 1895, 4;gales, 2, 19;granite, 8, 44"""


@pytest.mark.parametrize("indent", [0, 12])
@pytest.mark.parametrize("jitter", [0.0, 0.6])
def test_verse_in_small_letters_keeps_its_lines(indent: int, jitter: float) -> None:
    """A line an entry, a stanza a paragraph; every second line may be set in. Prose on the page flows."""
    page = Page(jitter=jitter, seed=7)
    y = page.text(50, 60, 500, PROSE) + 20
    for stanza in POEM:
        for k, line in enumerate(stanza):
            page.line(120 + indent * (k % 2), y, line)
            y += 13
        y += 13
    page.text(50, y + 10, 500, OTHER)
    text = page.composed(shuffle=8).text
    for stanza in POEM:
        assert "\n".join(stanza) in text
    assert flat(PROSE) in text
    assert flat(OTHER) in text


def test_narrow_ragged_prose_flows() -> None:
    """A short text beside nothing, set to half the measure, is one paragraph however its lines end."""
    for width in (180, 220, 260):
        for text in (PROSE, OTHER):
            page = Page()
            page.text(
                50, 60, 500, "A line of the full measure stands above, so that the column is known to be wide. " * 2
            )
            page.text(50, 120, width, text)
            assert flat(text) in page.composed().text, (width, text)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_entries_of_an_index_keep_their_lines(columns: int) -> None:
    """In every column, also from the foot of one to the head of the next; a title over three columns comes first."""
    page = Page()
    entries = ENTRIES.replace("\n", ";").split(";")
    page.line(285, 40, "INDEX", 13)
    count = -(-len(entries) // columns)
    for k, entry in enumerate(entries):
        page.line(50 + 500 / columns * (k // count), 75 + 13 * (k % count), entry)
    lines = [line for line in page.composed(shuffle=9).text.split("\n") if line]
    assert lines[0].lstrip("# ") == "INDEX"
    assert lines[1:] == entries


def test_an_entry_that_runs_over_is_one() -> None:
    """Its second line is set in and belongs to it."""
    page = Page()
    entries = ["anchors, 118", "apron of the pier and", "its repair, 4", "bark house, 92", "beacons, 70", "boats, 120"]
    for k, line in enumerate(entries):
        page.line(62 if line.startswith("its") else 50, 60 + 13 * k, line)
    assert "apron of the pier and its repair, 4\nbark house, 92\nbeacons, 70" in page.composed().text


def test_a_heading_over_the_middle_column_stays_in_it() -> None:
    """Where the columns beside it begin as high, it is theirs and not the page's."""
    page = Page()
    page.text(40, 60, 160, PROSE * 2, 9)
    page.line(270, 60, "THE FERRY", 11)
    page.text(220, 80, 160, OTHER * 2, 9)
    page.text(400, 60, 160, PROSE, 9)
    text = page.composed(shuffle=3).text
    assert in_order(text, wrap(PROSE, 160, 9)[0], "THE FERRY", wrap(OTHER, 160, 9)[0], PROSE)


def test_lines_with_a_divided_word_are_no_verse() -> None:
    """Nobody divides words in verse: ragged prose that chances to pause at its line ends flows."""
    page = Page()
    page.text(50, 60, 500, PROSE)
    lines = [*POEM[0], *POEM[1]]
    lines[2:4] = ["to see the lan-", "terns go out before the rising sun,"]
    for k, line in enumerate(lines):
        page.line(120, 200 + 13 * k, line)
    text = page.composed(shuffle=8).text
    assert "to see the lanterns go out before the rising sun, they carry shells" in text
