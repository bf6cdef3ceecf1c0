"""Dates, sums and names in other forms than the page's: in questions, and looked up by themselves."""

from __future__ import annotations

import pytest

from index.dates import day_pattern, days_named
from index.flat import flat
from index.matching import matcher_of
from index.query import is_silent
from tests.answers_kit import BagEmbedder, page
from worker.answer import features, rows
from worker.answer.asking import Role, read_question
from worker.answer.candidates import candidates_of
from worker.answer_extractive import ExtractiveAnswerer

FEES = """# Fee note

| Date | Fee earner | Amount |
| --- | --- | --- |
| 04.05.21 | H. Locke | £405.00 |
| 18.05.21 | H. Locke | £540.00 |
| 02.06.21 | H. Locke | £216.00 |"""

MINUTES = """10. The Clerk read a letter by which the loan of £1,180 at 6d. was sanctioned for 14s. a year.
11. RESOLVED: That the tender of Messrs. Hirst, at £1,122 14s. 6d., be accepted.

Complaint 118/22. Her dentures were lost.

Hospital No.: SA-311407
Patient: Okonjo, Blessing

This lease is made the 14th day of March, 2016 at Skelbeck."""


def answered(question: str, text: str) -> list[str]:
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(text, question=question)])
    return [citation.quote for citation in answer.citations]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("What was it on 6 February?", [(2, 6)]),
        ("On March 3rd and the 4th of May", [(3, 3), (5, 4)]),
        ("On 6 February 1951", []),
        ("In May 1951", []),
        ("6/2 a yard", []),
        ("40 March hares", []),
    ],
)
def test_a_day_may_be_named_without_its_year(text, days):
    """By its month's name: figures alone may be a sum."""
    assert [(d.month, d.day) for d in days_named(flat(text))] == days


@pytest.mark.parametrize(
    ("text", "there"),
    [("06/02", True), ("6th Feb. 1951", True), ("6.2.51", True), ("1951-02-06", True), ("06/12", False), ("6/2", False),
     ("16 February", False), ("06/02/x", False)],
)  # fmt: skip
def test_a_page_writes_a_day_in_many_ways(text, there):
    """In figures without a year with both noughts only."""
    assert (day_pattern(2, 6).search(flat(text)) is not None) == there


def test_all_words_of_a_date_stand_where_the_page_has_it_in_another_form():
    """So that its table's row is the one that is named."""
    plan = read_question("What was charged on 18 May 2021?").plan
    found = {plan.terms[m.term].form for m in matcher_of(plan).find("| 18.05.21 | £540.00 |").matches}
    assert {"18", "may", "2021"} <= found
    assert not matcher_of(plan).find("| 08.05.21 | £216.00 |").matches


@pytest.mark.parametrize("date", ["18 May 2021", "18/5/2021", "18 May"])
def test_the_row_of_a_date_is_told_from_its_sisters(date):
    """They have other dates."""
    asked = read_question(f"What did Locke charge on {date}?")
    found = features.Found(FEES, "", candidates_of(FEES, 0))
    features.look(asked, matcher_of(asked.plan), found, ())
    rows.bar_unnamed(asked, found)
    left = [c for c in found.candidates if c.is_row and not c.is_heading and c.order not in found.barred]
    assert [FEES[c.start : c.end] for c in left] == ["| 18.05.21 | H. Locke | £540.00 |"]


@pytest.mark.parametrize(
    ("query", "quote"),
    [
        ("14/3/2016", "This lease is made the 14th day of March, 2016 at Skelbeck."),
        ("14 March 2016", "This lease is made the 14th day of March, 2016 at Skelbeck."),
        ("£1,122 14s. 6d.", "11. RESOLVED: That the tender of Messrs. Hirst, at £1,122 14s. 6d., be accepted."),
        ("complaint 118/22", "Complaint 118/22. Her dentures were lost."),
        ("SA-311407", "Hospital No.: SA-311407"),
    ],
)
def test_what_is_looked_up_is_quoted_where_all_of_it_stands(query, quote):
    """In whatever form a date is; and what only names it goes on with what is said of it, a line of a form does not."""
    assert answered(query, MINUTES) == [quote]


DIARY = """Lake Nerol, 1927.

June 8th. Lobelia in flower in the north bay.

June 19th. First emergence of the mayfly, four days later than in 1926. Boat leaking.

1928. The boathouse was sold.

9th March, 1931.
Gentlemen, the rate is raised."""


def test_what_a_diary_says_stands_behind_its_day():
    """And is quoted with it; a letter's date in a line by itself belongs to no sentence."""
    said = [DIARY[c.start : c.end] for c in candidates_of(DIARY, 0)]
    assert said[1:5] == [
        "June 8th. Lobelia in flower in the north bay.",
        "June 19th. First emergence of the mayfly, four days later than in 1926.",
        "Boat leaking.",
        "1928. The boathouse was sold.",
    ]
    assert "9th March, 1931." in said


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("secchi disc reading 12/6/1927", Role.NAME),
        ("board meeting apologies received 16/01/2019", Role.NAME),
        ("12/6/1927", Role.IDENTIFIER),
        ("minutes 12/6/1927", Role.IDENTIFIER),
    ],
)
def test_the_date_among_keywords_need_not_be_spelled_like_that(text, role):
    """By itself it is looked up; beside words that ask for something it names a day, as in a question."""
    question = read_question(text)
    roles = {term.form: role for term, role in zip(question.plan.terms, question.roles, strict=True)}
    assert next(found for form, found in roles.items() if len(form) > 6 and form.isdigit()) is role


def test_how_a_person_is_addressed_need_not_be_on_the_page():
    """Mrs Okonjo is "Okonjo, Blessing" there."""
    asked = read_question("When was Mrs Okonjo seen by Dr Eyre?")
    roles = dict(zip([term.form for term in asked.plan.terms], asked.roles, strict=True))
    assert [roles[word] for word in ("mrs", "dr", "okonjo", "eyre")] == [Role.FRAME] * 2 + [Role.NAME] * 2


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("When did Dorothy Holroyd die?", True),
        ("Who had to die for it?", True),
        ("What did he die of?", True),
        ("Wann wurde die Brücke gebaut?", False),
        ("die Brücke", False),
    ],
)
def test_to_die_is_a_word_in_english_and_an_article_in_german(question, asked):
    """What people did of which an index card says "Died: 1988"."""
    assert ("die" in [term.form for term in read_question(question).plan.terms]) == asked


def test_a_question_is_gone_through_once_for_a_word():
    """Where all that stands behind each "do" is, this does not end in an hour."""
    assert is_silent("die", "die " + "do " * 300_000)
    assert not is_silent("die", "do " * 300_000 + "die der Rest")


def test_when_somebody_died_stands_behind_a_label():
    """The label has the question's only word beside the name."""
    card = "HOLROYD, Dorothy\n\nBorn: 1909, Skelbeck\nDied: 1988"
    assert answered("When did Miss Holroyd die?", card) == ["Died: 1988"]
