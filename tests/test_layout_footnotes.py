"""Notes at the foot of a column, in smaller type, with their marks."""

from __future__ import annotations

from tests.layout_kit import OTHER, PROSE, Page, flat, in_order

NOTES = ("* Formerly of the harbour office at Wells.", "† Quarter Sessions, Epiphany 1743.")
SENTENCE = "It was agreed that the work could not wait for another winter"


def columns(page: Page, *, split: str) -> str:
    """Two columns, the first of which ends before `split`, with a note under each."""
    text = PROSE + OTHER
    at = text.index(split)
    y = page.text(50, 80, 240, text[:at])
    page.line(50, y + 8, NOTES[0], 7.5)
    y = page.text(310, 80, 240, text[at:] + PROSE)
    page.line(310, y + 8, NOTES[1], 7.5)
    return flat(page.composed(shuffle=4).text)


def test_a_sentence_goes_on_past_the_notes_at_the_foot_of_its_column() -> None:
    """They stand behind the next column's text, before its own notes."""
    text = columns(Page(), split="for another winter")
    assert SENTENCE in text
    assert in_order(text, PROSE, OTHER, PROSE, *NOTES)


def test_notes_that_part_no_sentence_stay_in_their_column() -> None:
    text = columns(Page(), split="Nobody could say")
    assert in_order(text, PROSE, NOTES[0], OTHER, PROSE, NOTES[1])
