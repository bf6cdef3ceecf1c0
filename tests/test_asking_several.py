"""Questions that ask several things: taken apart, each answered with its own citations, and what is missing is told."""

from __future__ import annotations

import time

import pytest

from index.types import Answer, SearchFilter
from tests.answers_kit import BagEmbedder
from tests.kit import TENANT, Archive, pdf
from worker.answer.quoting import NOT_FOUND
from worker.answer_extractive import ExtractiveAnswerer
from worker.asking.conversation import Turn
from worker.asking.joining import together
from worker.asking.pipeline import Asking
from worker.asking.several import single_questions


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path, embedder=BagEmbedder())
    yield archive
    archive.close()


def ask(archive, question):
    return Asking(archive.store, ExtractiveAnswerer(BagEmbedder())).ask(TENANT, question, SearchFilter())


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Who signed the lease and when?", ["Who signed the lease?", "When signed the lease?"]),
        ("Who signed the lease? When?", ["Who signed the lease?", "When signed the lease?"]),
        (
            "Who lit the lamp? And what did the oil cost? And who kept the log, and who rang the bell?",
            ["Who lit the lamp?", "What did the oil cost?", "Who kept the log?", "Who rang the bell?"],
        ),
        (
            "When did he leave and why? (Who was the keeper and what was he paid?)",
            [
                "When did he leave? (Who was the keeper and what was he paid?)",
                "Why did he leave? (Who was the keeper and what was he paid?)",
            ],
        ),
        (
            "When did he leave and how much did the roof of the chapel cost? (Who was the keeper?)",
            ["When did he leave? (Who was the keeper?)", "How much did the roof of the chapel cost?"],
        ),
        (
            "When did he do it and how deep is the harbour of Riga? (Who replaced the lamp?)",
            ["When did he do it? (Who replaced the lamp?)", "How deep is the harbour of Riga?"],
        ),
        ("When and where was she built?", ["When was she built?", "Where was she built?"]),
        (
            "How many tubes were lost, and how many donors were told?",
            ["How many tubes were lost?", "How many donors were told?"],
        ),
        ("Who bought the Teal and when was she sold?", ["Who bought the Teal?", "When was she sold (Teal)?"]),
        (
            "What is the value of BP-2017-412 and who is the builder?",
            ["What is the value of BP-2017-412?", "Who is the builder (BP-2017-412)?"],
        ),
        (
            "Who judged LG-2016-0117 and when was the case closed?",
            ["Who judged LG-2016-0117?", "When was the case closed (LG-2016-0117)?"],
        ),
        (
            "What did the roof cost and who paid for it?",
            ["What did the roof cost?", "Who paid for it (did the roof cost)?"],
        ),
    ],
)
def test_what_is_asked_beside_is_a_question_of_its_own(question, asked):
    """A second question word begins another question, which gets back what it left out or said with a pronoun."""
    assert [one.text for one in single_questions(question)] == asked


@pytest.mark.parametrize(
    "question",
    [
        "Who lit the lamp?",
        "Which ships sailed and which did not?",
        "What did the letter of 3 May, which Behnke wrote, say?",
        "Tell me who signed and when",
        'Where does "and when" stand?',
        "When did he leave? (Who was the keeper and why?)",
        "When did he leave and why (or not)? (Who was the keeper?)",
        "When was the mill at Skelbeck built and who paid for the chapel of Kendal (in the report of 1912)",
        "When did he leave and why? (Who was the keeper (at Cape Clear)?)",
        "What, when, why, how and who and when and where?",
        "the keeper and who he was",
        "Who lit the lamp" + "".join(f" and who bought the oil {n}" for n in range(6)) + "?",
        "Who?",
        "when",
        "",
    ],
)
def test_one_question_stays_one(question):
    """What is no second question, or cannot be seen through, is asked as it is."""
    assert [one.text for one in single_questions(question)] == [question]


@pytest.mark.parametrize("piece", [" and who", " ", ", ", "? ", " and", "and when "])
def test_taking_apart_takes_no_time(piece):
    """However long a question is, and however often it begins another one."""
    began = time.process_time()
    assert len(single_questions("who lit the lamp" + piece * 50_000 + "when")) == 1
    assert time.process_time() - began < 5


def test_each_part_is_answered_with_its_own_citation(archive):
    """Two things on two pages: both are quoted, in the order they were asked for, and each with its page."""
    archive.upload(pdf("The lease of the mill was signed by Jonas Ferrier.", "The roof of the chapel cost 412 pounds."))
    archive.settle()
    answer = ask(archive, "Who signed the lease of the mill and how much did the roof of the chapel cost?").answer
    assert answer.found
    assert [one.key.page for one in answer.citations] == [1, 2]
    assert answer.text == (
        "“The lease of the mill was signed by Jonas Ferrier.” [1] “The roof of the chapel cost 412 pounds.” [2]"
    )
    assert [one.citations for one in answer.statements] == [(0,), (1,)]
    assert answer.question == "Who signed the lease of the mill and how much did the roof of the chapel cost?"
    assert {key.page for key in answer.considered} == {1, 2}


def test_a_part_without_support_is_said_to_be_missing(archive):
    """The other one is answered, and the text says in the words of who asks what was not found."""
    archive.upload(pdf("The lease of the mill was signed by Jonas Ferrier."))
    archive.settle()
    answer = ask(archive, "Who signed the lease of the mill and how deep is the harbour at Riga?").answer
    assert answer.found
    assert len(answer.citations) == 1
    assert answer.text.endswith("[1] Not found in these documents: How deep is the harbour at Riga?")


def test_of_four_questions_each_is_answered_or_said_to_be_missing(archive):
    """None is passed over because another one was answered."""
    archive.upload(pdf("The lease of the mill was signed by Jonas Ferrier.", "The roof of the chapel cost 412 pounds."))
    archive.settle()
    answer = ask(
        archive,
        "Who signed the lease of the mill? And how deep is the harbour at Riga? And how much did the roof of the "
        "chapel cost? And who insured the barge Elbe?",
    ).answer
    assert [one.key.page for one in answer.citations] == [1, 2]
    assert "Not found in these documents: How deep is the harbour at Riga?" in answer.text
    assert answer.text.endswith("Not found in these documents: Who insured the barge Elbe?")


def test_a_follow_up_may_ask_two_things(archive):
    """Each is understood by what was asked before, and told in its own words."""
    archive.upload(pdf("The lease of the mill was signed by Jonas Ferrier.", "The roof of the chapel cost 412 pounds."))
    archive.settle()
    asking = Asking(archive.store, ExtractiveAnswerer(BagEmbedder()))
    before = [Turn("How much did the roof of the chapel cost?", "")]
    asked = "How much was it and who signed the lease of the mill?"
    answer = asking.ask(TENANT, asked, SearchFilter(), history=before).answer
    assert "cost 412 pounds" in answer.text
    assert "signed by Jonas Ferrier" in answer.text
    answer = asking.ask(
        TENANT, "How much was it and who insured the barge Elbe?", SearchFilter(), history=before
    ).answer
    assert "cost 412 pounds" in answer.text
    assert answer.text.endswith("Not found in these documents: Who insured the barge Elbe?")


def test_one_sentence_may_answer_both(archive):
    """It is quoted once."""
    archive.upload(pdf("The lease of the mill was signed by Jonas Ferrier on 3 May 1871."))
    archive.settle()
    answer = ask(archive, "Who signed the lease of the mill and when?").answer
    assert answer.text == "“The lease of the mill was signed by Jonas Ferrier on 3 May 1871.” [1]"


def test_an_answer_is_as_sure_as_its_least_sure_part():
    """Of the parts that were found; where none was, as near as the nearest came."""
    sure, unsure = (Answer("?", True, "x", (), confidence) for confidence in (0.9, 0.6))
    silent, nearer = (Answer("?", False, NOT_FOUND, (), confidence) for confidence in (0.1, 0.3))
    assert together("?", [sure, silent, unsure]).confidence == 0.6
    assert together("?", [silent, nearer]).confidence == 0.3


def test_no_part_found_is_not_found(archive):
    """Then there is one answer, and no citation."""
    archive.upload(pdf("The keeper slept."))
    archive.settle()
    answer = ask(archive, "Who insured the barge Elbe and when was the pavilion burnt?").answer
    assert not answer.found
    assert (answer.text, answer.citations, answer.statements) == (NOT_FOUND, (), ())


def test_a_page_that_is_deleted_meanwhile_answers_neither(archive):
    """The answer is made again without it; the other part stands."""
    gone = archive.upload(pdf("The lease of the mill was signed by Jonas Ferrier."))
    archive.upload(pdf("The roof of the chapel cost 412 pounds."))
    archive.settle()

    deleted = []

    class Late(ExtractiveAnswerer):
        def answer(self, question, pages):
            answer = super().answer(question, pages)
            if not deleted:
                deleted.append(archive.library.delete(TENANT, gone))
            return answer

    done = Asking(archive.store, Late(BagEmbedder())).ask(
        TENANT, "Who signed the lease of the mill and how much did the roof of the chapel cost?", SearchFilter()
    )
    assert done.answer.text == (
        "Not found in these documents: Who signed the lease of the mill? “The roof of the chapel cost 412 pounds.” [1]"
    )
    assert [one.code for one in done.missing] == ["deleted"]
