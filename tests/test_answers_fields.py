"""Fields of forms: a line whose label is asked for answers for the thing that the page names, and for no other."""

from __future__ import annotations

import pytest

from index.matching import Matcher
from tests.answers_kit import BagEmbedder, page
from worker.answer.asking import read_question
from worker.answer.candidates import candidates_of
from worker.answer.features import Found, look
from worker.answer.fields import fields_asked
from worker.answer_extractive import ExtractiveAnswerer

PERMIT = (
    "BUILDING PERMIT\n\nPermit No.: BP-2017-00977\nIssued: 07/02/2017\nExpires: 01/02/2019\nOwner: Lindqvist Trust\n"
)
PERMIT += "Property: 9 Harbor View Terrace\nIssued by: K. Odom"


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("When does the permit BP-2017-00977 expire?", "Expires: 01/02/2019"),
        ("Who owns 9 Harbor View Terrace?", "Owner: Lindqvist Trust"),
        ("Who issued BP-2017-00977?", "Issued by: K. Odom"),
        ("Which trust was the owner of BP-2017-00977?", "Owner: Lindqvist Trust"),
        ("When was bp 2017-00977 issued?", "Issued: 07/02/2017"),
        ("permit BP-2017-00977 owner", "Owner: Lindqvist Trust"),
        ("expires BP-2017-00977", "Expires: 01/02/2019"),
        ("Who owns it? (When was BP-2017-00977 issued?)", "Owner: Lindqvist Trust"),
    ],
)
def test_a_named_field_of_a_named_form_is_quoted(question, quote):
    """A line whose label is asked for, on the page of the thing that is named, with a value of the kind asked for."""
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(PERMIT, question=question)])
    assert [one.quote for one in answer.citations] == [quote]


POLICY = """# Schedule

| Policy number | MP-4471902 |
| --- | --- |
| Policyholder | Mrs Leila Farrant |
| Address | 7 Tannery Row |
| Occupation | Veterinary nurse |
| Period of insurance | 1 April 2019 to 31 March 2020 |
| Premium | £412.66 |

An excess applies."""


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("What is the occupation of Leila Farrant?", "| Occupation | Veterinary nurse |"),
        ("MP-4471902 period of insurance", "| Period of insurance | 1 April 2019 to 31 March 2020 |"),
        ("What was Mrs Farrant's premium?", "| Premium | £412.66 |"),
    ],
)
def test_a_form_in_a_frame_needs_no_colons(question, quote):
    """Its first field is no name of columns, and whose name stands in another field is not asked about that."""
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(POLICY, question=question)])
    assert [one.quote for one in answer.citations] == [quote]


@pytest.mark.parametrize(
    "table",
    [
        "| Item | Sum |\n| --- | --- |\n| Rent | £4 |\n| Coal | nil |\n| Bread | £2 |",
        "| Name | Boat |\n| --- | --- |\n| Holm | Teal |\n| Brandt | Heron |",
        "| Year | Event |\n| --- | --- |\n| 1901 | Founded on 3 May |\n| 1902 | £40 given |\n| 1903 | Moved |",
        "| Vessel | Dues paid |\n| --- | --- |\n| Teal | £3 |\n| Gull | 12 June |\n| Tern | nil |",
        "| Train | Departs |\n| --- | --- |\n| Skelby | 9.15 |\n| Holm | noon |\n| Ness | 10.5 a.m. |",
        "| Branch | Manager | Hours |\n| --- | --- | --- |\n| Otterby | Joan | 9 |\n| Skelby | Neil | 10 |",
    ],
)
def test_a_list_of_things_of_one_kind_is_no_form(table):
    """Also where some of them are exceptions."""
    names, *rows = candidates_of(f"{table}\n\nIt is so.", 0)[:-1]
    assert names.is_heading
    assert all(row.header == (names.start, names.end) for row in rows)


def test_a_root_of_three_letters_is_no_part_of_another_word():
    """Our reference is no refusal."""
    letter = "Our ref: 1844-PM\n\nDear Mr Pell,\n\nThe office refused to pay Ms Soames as she was late."
    question = "Why did the office refuse to pay Ms Soames?"
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(letter, question=question)])
    assert [one.quote for one in answer.citations] == ["The office refused to pay Ms Soames as she was late."]


@pytest.mark.parametrize(
    "question",
    [
        "When does the permit BP-2017-00978 expire?",
        "Who owns 12 Harbor View Terrace?",
        "Who inspected BP-2017-00977?",
        "When does the demolition permit BP-2017-00977 expire?",
        "What is the permit of property BP-2017-00977?",
        "What about the building? (When was BP-2017-00977 issued?)",
    ],
)
def test_a_field_of_another_thing_is_not_quoted_for_it(question):
    """Another number, another house, a label that is not there, a word that is not on the page."""
    asked = read_question(question)
    found = Found(PERMIT, "", candidates_of(PERMIT, 0))
    look(asked, Matcher(asked.plan), found, ())
    assert fields_asked(asked, [found]) == []


CONSENT = "Participant no.: 03-117\nName of participant: Walter Nkemelu\nDate of birth: 11 October 1974\n"
CONSENT += "Place of death: Hull\nConsent taken by: Imogen Pratt\nDate: 21 September 2022"


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("When was participant 03-117 born?", "Date of birth: 11 October 1974"),
        ("Where did Walter Nkemelu die?", "Place of death: Hull"),
        ("date of 03-117's consent", "Date: 21 September 2022"),
        ("What date has the consent of 03-117?", "Date: 21 September 2022"),
    ],
)
def test_what_forms_call_birth_and_death_is_what_people_ask_for(question, quote):
    """ "When" and "where" stand for the date and the place that a label has."""
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(CONSENT, question=question)])
    assert [one.quote for one in answer.citations] == [quote]


def test_a_form_that_only_tells_of_somebody_is_not_theirs():
    """The merchant's statement says whom he dismissed; its occupation is the merchant's."""
    text = "Statement of: Graham Tolhurst\nOccupation: Plumber's merchant\n\nI am the tenant of Unit 7. "
    text += "I know Jorgen Tamm: he worked for me until Christmas, when I dismissed him for lateness."
    for question, lines in [
        ("What is Graham Tolhurst's occupation?", ["Occupation: Plumber's merchant"]),
        ("What is Jorgen Tamm's occupation?", []),
    ]:
        asked = read_question(question)
        found = Found(text, "statement.pdf", candidates_of(text, 0))
        look(asked, Matcher(asked.plan), found, ())
        assert [text[c.start : c.end] for c in fields_asked(asked, [found])] == lines
