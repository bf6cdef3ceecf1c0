"""Spaces that the recogniser leaves out and accents that dirt makes: no network is run here."""

from __future__ import annotations

import pytest

from index.types import Box
from worker.engine.mending import with_spaces, without_holes, without_specks
from worker.engine.recognise import Recognised
from worker.layout.lines import Line, LineWord


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("but two,and those", "but two, and those"),
        ("ewes,110", "ewes, 110"),
        ("Jan.3 and Mr.P. Uren", "Jan. 3 and Mr. P. Uren"),
        ("No.118", "No. 118"),
        ("1,204.55", "1,204.55"),
        ("N,N-dimethyl", "N,N-dimethyl"),
        ("www.example.com", "www.example.com"),
        ("3,5 km", "3,5 km"),
        ("report.No.118", "report.No.118"),
        ("漢字,漢字", "漢字,漢字"),
    ],
)
def test_spaces_left_out_behind_commas_and_abbreviations(read: str, meant: str) -> None:
    """Between words, and not in figures, names of things or scripts without spaces; every character has its place."""
    line = with_spaces(Recognised(read, tuple(k / len(read) for k in range(len(read))), 0.9))
    assert line.text == meant
    assert len(line.places) == len(meant)
    assert list(line.places) == sorted(line.places)


def page(*texts: str) -> list[Line]:
    box = Box(0.1, 0.1, 0.9, 0.12)
    return [Line(text, box, box, tuple(LineWord(w, box) for w in text.split()), 0.9, 0.02) for text in texts]


def test_an_accent_that_only_one_of_two_same_words_has_is_a_speck() -> None:
    """On a page that has no others; the word without it is the witness."""
    lines = without_specks(page("LOCATE controls may be used, or LOCÃTE.", "Neither sum nor neithér part."))
    assert [line.text for line in lines] == ["LOCATE controls may be used, or LOCATE.", "Neither sum nor neither part."]
    assert lines[0].words[-1].text == "LOCATE."


def test_accents_of_the_language_and_of_names_stay() -> None:
    """A French page has many, and a name no twin without."""
    french = page("La maison où il a été élevé ou non", "Il a vendu à la mère la maison de là-bas")
    assert without_specks(french) == french
    name = page("The letter of Madame Dubé was read to the meeting", "and the clerk was told to write to her")
    assert without_specks(name) == name


def at(text: str, x: float, y: float) -> Line:
    """A line that begins at fractions of the page, a character for each hundredth of its width."""
    box = Box(x, y, x + 0.01 * len(text), y + 0.01)
    return Line(text, box, box, (LineWord(text, box),), 0.98, 0.01)


HOLES = ["O", "0", "O", "o", "O", "O", "C", "O"]
LISTING = [at(f"B{k} SEAL OIL 35X52X7   102", 0.1, 0.12 + 0.05 * k) for k in range(8)]


def column(x: float, marks: list[str], step: float = 0.1) -> list[Line]:
    return [at(mark, x, 0.1 + step * k) for k, mark in enumerate(marks)]


def test_the_holes_of_a_printers_paper_are_left_out() -> None:
    """Level with each other up both margins, also where the reader has missed one."""
    lines = [*column(0.02, HOLES), *LISTING, *column(0.97, ["O", *HOLES[2:]], 0.1)]
    assert without_holes(lines) == LISTING


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (column(0.02, HOLES), []),  # a column of noughts, or of bullets
        ([], column(0.97, HOLES)),
        (column(0.02, HOLES[:4]), column(0.97, HOLES[:4])),
        (column(0.02, HOLES), [at("O", 0.97, 0.05 + 0.1 * k) for k in range(8)]),  # not level
        (column(0.2, HOLES), column(0.8, HOLES)),  # in the text
        ([*column(0.05, HOLES), at("beyond", 0.0, 0.5)], column(0.97, HOLES)),
        (column(0.02, list("ABFHKLMN")), column(0.97, list("ABFHKLMN"))),
    ],
)
def test_what_stands_otherwise_is_no_hole(left: list[Line], right: list[Line]) -> None:
    lines = [*left, *LISTING, *right]
    assert without_holes(lines) == lines
