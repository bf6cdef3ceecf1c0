"""Several records on one page, forms in frames, and sentences about another thing of the same kind."""

from __future__ import annotations

import pytest

from index.matching import matcher_of
from tests.answers_kit import BagEmbedder, page
from worker.answer.asking import Kind, read_question
from worker.answer.candidates import candidates_of, label_end
from worker.answer.features import Found, look
from worker.answer.fields import SURE
from worker.answer.kinds import spans_of
from worker.answer.records import records_of
from worker.answer.rows import names_another
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


HALLS = """# MOOT HALL

Built: 1683. It was burnt in the riots of 1700.
Repaired: 1780
Repaired: 1820
Architect: John Wood

# CORN HALL

Built: 1850.
Architect: Peter Gill"""

AGENDA = """Agenda of the Council, 4 May 1931

Item: Water supply
Decision: approved
Item: Road to Skelbeck
Decision: postponed
Chair: Mr Dawson"""

TALK = """Interview with Mrs Hartley, 3 May 1978

Interviewer: You were at the Albion Mill?
Hartley: From 1931.
Interviewer: When did you leave?
Hartley: I left in 1946."""


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
        ("Who was the architect of the Moot Hall?", HALLS, ["Architect: John Wood"]),
        ("Who was the architect of the Corn Hall?", HALLS, ["Architect: Peter Gill"]),
        ("What was the decision on the road to Skelbeck?", AGENDA, ["Decision: postponed"]),
        ("And Dorothy Holroyd? (When was Edmund Satterthwaite born?)", CARDS, ["Born: 1909, Skelbeck"]),
        ("And the Marie? (When was the Solveig built?)", CARD, ["Built: 1907"]),
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
    ("question", "text", "quote"),
    [
        ("Who was in the chair of the Council?", AGENDA, "Chair: Mr Dawson"),
        ("When did Mrs Hartley leave the Albion Mill?", TALK, "Hartley: I left in 1946."),
        ("Who was the architect of the Moot Hall?", HALLS.partition("\n\n#")[0], "Architect: John Wood"),
    ],
)
def test_labels_that_come_again_make_no_records_by_themselves(question, text, quote):
    """A field may have two lines, those who talk speak again, and what stands over all records names them all."""
    assert quote in answered(question, text)


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_records_begin_with_titles_or_with_a_label_that_comes_again(end):
    """Whatever ends their lines."""
    for text, begin in ((CARDS, []), (HALLS, ["# MOOT HALL", "# CORN HALL"]), (CARD, ["Name: Solveig", "Name: Marie"])):
        text = text.replace("\n", end)
        found = Found(text, "", candidates_of(text, 0))
        groups = [[text[slice(r.lines[0].start, r.lines[0].end)] for r in sisters] for sisters in records_of(found)]
        assert groups == (
            [begin] if begin else [["SATTERTHWAITE, Edmund", "HOLROYD, Dorothy"], ["MOOT HALL", "BOTTOM MILL"]]
        )


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


@pytest.mark.parametrize(
    ("asked_for", "others"),
    [
        ("INV-24-0117", ["INV-24-0118 is for 7 tons.", "That replaces INV-23-0998."]),
        ("INV-24-0118", ["INV-24-0117 came in May.", "It replaces INV-23-0999."]),
    ],
)
def test_a_sentence_that_goes_on_speaks_of_what_the_one_before_does(asked_for, others):
    """Another number in it may be what that replaces."""
    text = "INV-24-0117 came in May. It replaces INV-23-0999.\n\nINV-24-0118 is for 7 tons. That replaces INV-23-0998."
    asked = read_question(f"What does {asked_for} replace?")
    found = Found(text, "", candidates_of(text, 0))
    look(asked, matcher_of(asked.plan), found, ())
    assert [text[c.start : c.end] for c in found.candidates if names_another(asked, found, c)] == others


def test_ounces_are_no_florins():
    """Though both are written fl, and a balance is a sum."""
    assert not spans_of(Kind.MONEY, "5 fl oz of it, or 5 fl. oz.")
    assert spans_of(Kind.MONEY, "a fine of 5 fl.")
    assert read_question("What is the balance of fee note 2213?").kind is Kind.MONEY
