"""What a question asks for: the kind of its answer, the parts of the question, and what it is about."""

from __future__ import annotations

import pytest

from worker.answer.asking import Kind, Role, read_over, read_question
from worker.answer.kinds import spans_of


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did the ferry stop?", Kind.DATE),
        ("What did the repair cost?", Kind.MONEY),
        ("How much was the rent in 1920?", Kind.MONEY),
        ("How many boats were sold?", Kind.NUMBER),
        ("How long did the strike last?", Kind.DURATION),
        ("How deep is the dock?", Kind.MEASURE),
        ("Who mended the gates?", Kind.PERSON),
        ("Where is the key kept?", Kind.PLACE),
        ("Why was the lock closed?", Kind.REASON),
        ("What percentage of patients came back?", Kind.SHARE),
        ("What is the telephone number of the office?", Kind.CONTACT),
        ("Did the ferry run on Sundays?", Kind.ANY),
        ("When was the telephone exchange opened?", Kind.DATE),
        ("When must the keeper report by telephone?", Kind.ANY),
        ("Who paid the telephone bill?", Kind.PERSON),
        ("What is the clerk paid a month?", Kind.MONEY),
        ("What did the widow claim as compensation?", Kind.MONEY),
        ("At what time of year are the hedges cut?", Kind.DATE),
        ("Which part of the building leaks?", Kind.ANY),
        ("What is the hourly rate of a clerk?", Kind.NUMBER),
        ("At what rate was the loan raised?", Kind.NUMBER),
        ("Wann beginnt das Mietverhältnis?", Kind.DATE),
        ("Wie viele Kinder sind gestorben?", Kind.NUMBER),
        ("Was kostet eine Flasche?", Kind.MONEY),
        ("Wer leitet die Schule?", Kind.PERSON),
        ("Combien gagnent les infirmières ?", Kind.MONEY),
        ("Combien de lettres sont inédites ?", Kind.NUMBER),
        ("Pourquoi l'école est-elle fermée ?", Kind.REASON),
    ],
)
def test_the_kind_of_answer_is_read_from_the_question(question, kind):
    """Question words and the nouns beside them say what form an answer has."""
    assert read_question(question).kind is kind


@pytest.mark.parametrize(
    ("kind", "text", "held"),
    [
        (Kind.DATE, "on the 2nd of October 1894", True),
        (Kind.DATE, "he came in a hurry", False),
        (Kind.MONEY, "at a price of nineteen guineas", True),
        (Kind.MONEY, "tooth drawn, 6d", True),
        (Kind.MONEY, "nineteen men were engaged", False),
        (Kind.NUMBER, "nineteen men were engaged", True),
        (Kind.MEASURE, "some two hundred yards inside", True),
        (Kind.DURATION, "every ninety minutes", True),
        (Kind.PERSON, "the tube was paid for by Lady Vivian", True),
        (Kind.PERSON, "Nothing was done about it.", False),
        (Kind.SHARE, "one patient in five", True),
        (Kind.NUMBER, "es waren neunzehn Kinder", True),
        (Kind.NUMBER, "quarante-cinq francs", True),
        (Kind.MONEY, "Die Kaltmiete beträgt 742 €.", True),
        (Kind.MONEY, "The deposit is GBP 1,350.", True),
        (Kind.MONEY, "a fee of Rs. 40", True),
        (Kind.MONEY, "Miete RM 62,50 im Monat", True),
        (Kind.MONEY, "12 000 kr for the engine", True),
        (Kind.MONEY, "see Rm. 12 and FLAT 3", False),
        (Kind.DATE, "am 5. März", True),
        (Kind.NUMBER, "in Leipzig per cent and on the car", False),
        (Kind.CONTACT, "write to guides@kestrel.example", True),
        (Kind.NUMBER, "opened on 1921-05-02", False),
        (Kind.NUMBER, "opened on 2nd May 1921, 1,400 came", True),
        (Kind.MONEY, "the minutes of 03/03/1921", False),
        (Kind.MONEY, "paid £4.10.06 on 03.03.1921", True),
        (Kind.CONTACT, "the order of 31-03-2020", False),
        (Kind.CONTACT, "since 1921-05-02 at 01632 960 417", True),
        (Kind.DATE, "opened on 1921-05-02", True),
    ],
)
def test_kinds_are_seen_by_form(kind, text, held):
    """Dates, amounts, names and the rest, in old spellings too."""
    assert bool(spans_of(kind, text)) is held


def test_the_parts_of_a_question_have_roles():
    """Names and years must be on the page, identifiers whole; what puts the question need not be."""
    question = read_question("What was the name of the pilot of INV-2024-0117 in Carrow in 1921?")
    roles = {term.form: role for term, role in zip(question.plan.terms, question.roles, strict=True)}
    assert roles["carrow"] is roles["1921"] is Role.NAME
    assert roles["inv20240117"] is Role.IDENTIFIER
    assert roles["0117"] is Role.PART
    assert roles["name"] is Role.FRAME
    assert roles["pilot"] is Role.CONTENT


@pytest.mark.parametrize(
    ("question", "focus"),
    [("Which hotel stands beside the station?", "hotel"), ("How many nurses does the clinic employ?", "nurses"),
     ("What was the colour of the boat?", "colour"), ("What started the fire?", None), ("Who fell?", None)],
)  # fmt: skip
def test_the_focus_of_a_question_is_the_noun_asked_for(question, focus):
    """`hotel` of "which hotel"; none where the question names none."""
    read = read_question(question)
    assert (None if read.focus is None else read.plan.terms[read.focus].form) == focus


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("And when? (How much did the bridge cost?)", Kind.DATE),
        ("And where? (Who built her?)", Kind.PLACE),
        ("So who paid? (How much did the roof cost?)", Kind.PERSON),
        ("And Brook? (How many marks did Chowdhury get?)", Kind.NUMBER),
        ("And in 1932? (How many students were there in 1931?)", Kind.NUMBER),
        ("What about Brook? (When was Ainley born?)", Kind.DATE),
        ("And her qualifications? (When was she appointed? What was her salary?)", Kind.ANY),
        ("Can it be paid in two parts? (What is the fee for dyeing?)", Kind.ANY),
    ],
)
def test_a_follow_up_asks_for_what_its_own_words_say(question, kind):
    """Not for what was asked before; where it only names another thing it asks the same."""
    assert read_question(question).kind is kind


@pytest.mark.parametrize(
    ("span", "years"),
    [("in 1888-89", ["1888", "1889"]), ("for 1914/18", ["1914", "1918"]), ("(1931–1932)", ["1931", "1932"]),
     ("in 1986-114", []), ("in 2017-01", []), ("by complaint 1918/22", []), ("1986-9", [])],
)  # fmt: skip
def test_a_span_of_years_is_no_identifier(span, years):
    """A page may write it in another way; both years are looked for. What stands before a number is no preposition."""
    question = read_question(f"What did the insurance cost {span}?")
    assert (Role.IDENTIFIER in question.roles) is (not years)
    assert [question.plan.terms[n].form for n in question.numbers(Role.NAME)] == years
    assert question.spans is bool(years)
    assert Role.IDENTIFIER in read_question(question.text, spelled_spans=True).roles


def test_a_span_of_years_that_stands_so_is_no_look_up():
    """Who asks for "actual rent in 2022-23" wants the sum, and not each place that has the years."""
    text = "Rent in 2022-23 was more than in 2021-22."
    for question, lookup in [("actual rent in 2022-23", False), ("1986-114", True)]:
        assert read_over(question, [text]).lookup is lookup
    assert Role.IDENTIFIER in read_over("actual rent in 2022-23", [text]).roles


def test_the_letter_of_a_genitive_is_not_asked_for():
    """No page has a word "s"."""
    question = read_question("When was 03-117's consent taken?")
    asked = [question.plan.terms[n].form for n in question.numbers(Role.CONTENT, Role.NAME, Role.IDENTIFIER)]
    assert asked == ["03117", "consent", "taken"]
