"""Several records on one page, forms in frames, and sentences about another thing of the same kind."""

from __future__ import annotations

import pytest

from tests.answers_kit import BagEmbedder, page
from worker.answer.asking import Kind, read_question
from worker.answer.candidates import candidates_of, label_end
from worker.answer.fields import SURE
from worker.answer.kinds import spans_of
from worker.answer_extractive import ExtractiveAnswerer

CARDS = """SATTERTHWAITE, Edmund

Born: 3 Nov. 1894, Kendal
Office: Town Clerk
See also: Moot Hall

HOLROYD, Dorothy

Born: 1909, Skelbeck
Died: 1988

MOOT HALL

Built: 1683
Burnt: 2 April 1871

BOTTOM MILL

Built: 1799
Fire: 11 Feb. 1951"""

CARD = """LIST OF SHIPS

Name: Solveig
Built: 1899
Name: Marie
Built: 1907"""

FORM = """INCIDENT REPORT

| Incident No.: | 22-0391 |
| --- | --- |
| Place: | Ward 2A |
| Reported by: | Staff Nurse Ifeoma Dike |

Patient: Okonjo, Blessing A.
GP: Dr Wen Li, Marsh Lane"""

REGISTER = """Application P/51/016 came in May.

P/51/022 was refused because the entrance lies on a bend."""


def answered(question: str, text: str) -> list[str]:
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(text, question=question)])
    return [citation.quote for citation in answer.citations]


@pytest.mark.parametrize(
    ("question", "text", "quotes"),
    [
        ("When was Edmund Satterthwaite born?", CARDS, ["Born: 3 Nov. 1894, Kendal"]),
        ("When was Dorothy Holroyd born?", CARDS, ["Born: 1909, Skelbeck"]),
        ("When was the Bottom Mill built?", CARDS, ["Built: 1799"]),
        ("When was the Moot Hall built?", CARDS, ["Built: 1683"]),
        ("When was the Marie built?", CARD, ["Built: 1907"]),
    ],
)
def test_the_line_of_the_record_that_is_named_answers(question, text, quotes):
    """Its sisters on the same page have the same labels, and tell of others."""
    assert answered(question, text) == quotes


@pytest.mark.parametrize("question", ["When was the Bottom Mill burnt?", "When did Edmund Satterthwaite die?"])
def test_what_a_record_does_not_tell_no_other_tells_for_it(question):
    """Its own lines may be near enough to be quoted, the line with the label in another record is not."""
    assert not {"Burnt: 2 April 1871", "Died: 1988"} & set(answered(question, CARDS))


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("Who reported incident 22-0391?", "| Reported by: | Staff Nurse Ifeoma Dike |"),
        ("What is the place of incident 22-0391?", "| Place: | Ward 2A |"),
        ("Who is Mrs Okonjo's GP?", "GP: Dr Wen Li, Marsh Lane"),
    ],
)
def test_fields_stand_in_frames_and_have_labels_in_capitals(question, quote):
    """A row whose first cell ends with a colon is a field, and a word in capitals may be a label."""
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(FORM, question=question)])
    assert [citation.quote for citation in answer.citations] == [quote]
    assert answer.confidence == SURE


def test_the_first_row_of_a_form_heads_no_table():
    """Incident No. is no name of a column, nor are the other rows below it a table's."""
    rows = [c for c in candidates_of(FORM, 0) if FORM.startswith("|", c.start)]
    assert len(rows) == 3
    assert not any(c.is_row or c.is_heading for c in rows)
    assert label_end("| Year | 1951 |") == 0


def test_a_sentence_about_another_number_is_no_answer():
    """It is asked for P/51/016; what is said of P/51/022 is another thing, however near the words are."""
    quotes = answered("Was P/51/016 refused because the entrance lies on a bend?", REGISTER)
    assert not any("P/51/022" in quote for quote in quotes)
    assert any(
        "P/51/022" in quote for quote in answered("Was it refused because the entrance lies on a bend?", REGISTER)
    )


def test_ounces_are_no_florins():
    """Though both are written fl, and a balance is a sum."""
    assert not spans_of(Kind.MONEY, "5 fl oz of it, or 5 fl. oz.")
    assert spans_of(Kind.MONEY, "a fine of 5 fl.")
    assert read_question("What is the balance of fee note 2213?").kind is Kind.MONEY
