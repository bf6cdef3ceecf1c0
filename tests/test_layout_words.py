"""Words that a line's setting takes apart: letterspaced, or divided where a compound has hyphens of its own."""

from __future__ import annotations

import pytest

from index.types import Box
from tests.layout_kit import HEIGHT, PROSE, WIDTH, Page, flat
from worker.layout.lines import Line, LineWord


def spaced(page: Page, x: float, y: float, text: str, size: float = 12.0, gap: float = 0.5) -> None:
    """Letters set apart by `gap` type sizes, each a word of its own as readers give them."""
    words, start = [], x
    for letter in text:
        if letter != " ":
            words.append(LineWord(letter, Box(x / WIDTH, y / HEIGHT, (x + 0.6 * size) / WIDTH, (y + size) / HEIGHT)))
        x += (0.6 + gap) * size if letter != " " else 0.6 * size
    box = Box(start / WIDTH, y / HEIGHT, (x - gap * size) / WIDTH, (y + size) / HEIGHT)
    page.lines.append(Line(" ".join(word.text for word in words), box, box, tuple(words), 0.98, size / HEIGHT))


@pytest.mark.parametrize("text", ["AGREEMENT", "SCHEDULE OF DUES", "BATE & SONS, TRURO", "gesperrt gesetzt"])
@pytest.mark.parametrize("gap", [0.3, 0.5, 0.8])
def test_letterspaced_words_are_words(text: str, gap: float) -> None:
    """Letters set apart come out as the words that they make, each with the box of all its letters."""
    page = Page()
    spaced(page, 100, 60, text, gap=gap)
    page.text(50, 100, 500, PROSE)
    result = page.composed(shuffle=1)
    assert flat(result.text).lstrip("# ").startswith(text)
    first = result.words[0]
    assert first.box.x0 == pytest.approx(100 / WIDTH)
    assert first.box.x1 > (100 + 9 * len(text.split()[0])) / WIDTH


@pytest.mark.parametrize("text", ["A B C D E F", "J R R", "the letters a e i of"])
def test_letters_that_are_no_letterspaced_word_stay(text: str) -> None:
    """The alphabet, three initials and letters among words stay as they stand."""
    page = Page()
    page.line(50, 60, text)
    page.text(50, 100, 500, PROSE)
    assert text in page.composed().text


@pytest.mark.parametrize(
    ("line", "after", "joined"),
    [
        ("der Bau der Nord-Süd-Verbin-", "dung ist beschlossen", "Nord-Süd-Verbindung"),
        ("a state-of-the-", "art machine", "state-of-the-art"),
        ("the firm is well-estab-", "lished here", "well-established"),
        ("his mother-in-", "law came", "mother-in-law"),
        ("c'est-à-", "dire la ligne", "c'est-à-dire"),
        ("a-t-", "il répondu", "a-t-il"),
        ("la lettre est perdue, disait-", "elle en route", "disait-elle"),
        ("on le verra peut-", "être demain", "peut-être"),
        ("all the twenty-", "five delegates", "twenty-five"),
        ("all the twenty-", "fold gain of", "twentyfold"),
        ("Les États-", "Unis sont loin", "États-Unis"),
        ("zwischen Bahn-", "und Postamt", "Bahn- und"),
        ("the years 1841-", "1902 were good", "1841-1902"),
        ("it plays in the sequence—", "when played back", "sequence—when"),
    ],
)
def test_compounds_keep_the_hyphen_that_is_theirs(line: str, after: str, joined: str) -> None:
    """A line end inside a compound: its own hyphens stay, the printer's goes."""
    page = Page()
    filler = "and so it was written in the book by him who kept it"
    page.line(50, 60, f"{filler} {line}")
    page.line(50, 73, f"{after} {filler} and by those who came after")
    page.line(50, 86, "and by nobody else.")
    assert joined in page.composed().text
