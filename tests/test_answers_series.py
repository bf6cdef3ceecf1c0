"""Things of a series ("arm D", "core A", "LUMEN-2"): their sisters' pages answer nothing about them."""

from __future__ import annotations

import pytest

from index.matching import matcher_of
from tests.answers_kit import BagEmbedder, page
from worker.answer.asking import read_question
from worker.answer.candidates import candidates_of
from worker.answer.features import Found, look
from worker.answer.rows import bar_unnamed
from worker.answer.series import tells_of_sisters
from worker.answer_extractive import ExtractiveAnswerer

ARMS = "# Trial LUMEN-3, version 2.1\n\n| Arm | Treatment |\n| --- | --- |\n| A | Torvadine |\n| C | Placebo |"
REPORT = "Condition report\n\nProperty: Aldous House, stair core B\n\nThe contractor sold 30 doors to flat 9 in 1994."
DAMP = (
    "# Damp\n\n| Flat | Mean RH % | Cause |\n| --- | --- | --- |\n| 31 | 35 | Leak from flat 35 |\n| 35 | 62 | None |"
)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("what is the dose in arm D", ARMS),
        ("And arm E? (What do patients in arm A get?)", ARMS),
        ("How many patients are planned for LUMEN-2?", ARMS),
        ("Who inspected stair core A?", REPORT),
        ("Who inspected stair core A?", f"{REPORT} A window was open."),
        ("Who lives in flat 12?", REPORT),
    ],
)
def test_a_page_that_has_sisters_alone_is_no_source(question, text):
    """It names others of the series, and not the one that is asked about."""
    assert tells_of_sisters(read_question(question), _found(question, text))


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("what do patients in arm C get", ARMS),
        ("How many patients are planned for LUMEN-3?", ARMS),
        ("Who inspected stair core B?", REPORT),
        ("Who inspected stair core A?", f"{REPORT} A window of core C was open, two of A."),
        ("Who lives in flat 9?", REPORT),
        ("Who lives in flat 30?", REPORT),  # the number is there: it may stand in a column
        ("Who sold 12 doors to the council?", REPORT),  # a count
        ("What did the court in May 12 decide?", "The court sat in May 13."),
        ("Who owns house B?", REPORT),  # no other house is named
        ("Who has lot 7?", "Lots 5-9 were Ann's, lot 12 was Bob's."),
        ("Where does bus 9 stop?", "Bus 8 and bus nine stop at the pier."),
        ("Who lives on floor 2?", "Ann has the second floor. Floor 3 is empty."),
        ("What happened in World War 2?", "World War 1 ended in 1918, World War II in 1945."),
        ("Which rooms exceed 90?", "Rooms that exceed 85 are hot; the boiler room has 94."),
        ("What is on page 4?", "Pumps are red, see page 7."),  # numbered parts are the labels' task
        ("What does chapter 5 say?", "Chapter V. Of pumps. See chapter 12 for valves."),
    ],
)
def test_a_page_with_the_thing_itself_or_without_its_series_stays(question, text):
    """What is asked about stands there, or nothing of its kind does."""
    assert not tells_of_sisters(read_question(question), _found(question, text))


def test_the_answer_to_a_thing_of_which_only_sisters_are_known_is_not_found():
    """Where the thing itself is asked for, its line is quoted."""
    text = "Condition report on stair core B\n\nInspected by: Tomasz Wieczorek"
    for core, quotes in [("B", ["Inspected by: Tomasz Wieczorek"]), ("D", [])]:
        question = f"Who inspected stair core {core}?"
        answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(text, question=question)])
        assert [one.quote for one in answer.citations] == quotes


def test_a_row_is_called_by_its_number_below_the_columns_name():
    """Of flat 35 the row of flat 31 says something too, in figures that are others; a number of no column ties."""
    for question, left in [
        ("What is the mean RH in flat 35?", ["| 35 | 62 | None |"]),
        ("Where is the humidity 35?", ["| 31 | 35 | Leak from flat 35 |", "| 35 | 62 | None |"]),
    ]:
        found = _found(question, DAMP)
        bar_unnamed(read_question(question), found)
        rows = [c for c in found.candidates if c.is_row and not c.is_heading and c.order not in found.barred]
        assert [DAMP[c.start : c.end] for c in rows] == left


def _found(question: str, text: str) -> Found:
    asked = read_question(question)
    hit, point = page(text, question=question)
    found = Found(text, hit.labels.filename, candidates_of(text, 0))
    look(asked, matcher_of(asked.plan), found, ())
    assert found.candidates and point.text == text
    return found
