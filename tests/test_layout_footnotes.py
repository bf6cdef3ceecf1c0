"""Notes at the foot of a column, in smaller type, with their marks."""

from __future__ import annotations

import pytest

from tests.layout_kit import OTHER, PROSE, Page, flat, in_order
from worker.layout import footnotes

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


def test_a_column_of_hundreds_of_notes_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All notes below were measured anew for each of them."""
    looked: list[object] = []
    measure = footnotes._type
    monkeypatch.setattr(footnotes, "_type", lambda block: looked.append(block) or measure(block))
    page = Page()
    for k in range(4):
        page.line(50, 30 + 10 * k, "the text of the page that runs on and on", 8)
        page.line(310, 30 + 10 * k, "and on to the foot of its other column", 8)
    for k in range(100):
        page.line(50, 74 + 7 * k, f"{k + 1} A note of the page.", 4)
    page.composed()
    assert 100 <= len(looked) <= 400
