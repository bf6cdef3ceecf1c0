"""What speaks for a candidate: the features that tell a sentence from its neighbours, and what a place looks like."""

from __future__ import annotations

import pytest

from tests.answers_kit import BagEmbedder, page
from tests.test_answers_judged import FakeJudge
from worker.answer.features import FEATURES
from worker.answer_extractive import ExtractiveAnswerer


def _evidence(question, text):
    """The features of each candidate of a page, by its text."""
    found = [page(text, question=question)]
    rows = ExtractiveAnswerer(BagEmbedder()).evidence(question, found)
    return {text[e.candidate.start : e.candidate.end]: dict(zip(FEATURES, e.row, strict=True)) for e in rows}


def test_the_sentence_that_has_the_words_is_told_from_its_neighbours():
    """`around` is nearly the same for a sentence and the one beside it; `own` is not."""
    rows = _evidence(
        "How many forms were not dated?",
        "We drew a sample of 90 forms. All were signed, but 17 were not dated. Then tea.",
    )
    said = rows["All were signed, but 17 were not dated."]
    assert said["own"] > rows["Then tea."]["own"]
    assert said["own"] <= said["around"]


@pytest.mark.parametrize("text", ["Born at: Drammen\nAge: 27", "| Name | Born at |\n|---|---|\n| Aas | Drammen |"])
def test_a_place_needs_no_preposition_in_a_form_or_table(text):
    """The label or the header stands for it."""
    rows = _evidence("Where was the mate born?", text)
    assert next(row for said, row in rows.items() if "Drammen" in said)["hint"] == 1.0


def test_a_date_is_no_place():
    """Its month has a capital letter, too."""
    (row,) = _evidence("Where was the mate born?", "Born: 7 July 1889").values()
    assert row["unhinted"] == 1.0


def test_what_stands_beside_a_sentence():
    """The nearer of its two neighbours, also at either end of the page; never less than nothing."""
    text = "The ferry was painted in May. Rain fell. The crane was sold to Holm."
    rows = _evidence("When was the ferry painted?", text)
    first, second, third = (rows[said] for said in ("The ferry was painted in May.", "Rain fell.", text[41:]))
    assert first["context"] > third["context"]
    assert (first["beside"], second["beside"]) == (max(second["context"], 0.0), first["context"])
    assert third["beside"] == max(second["context"], 0.0)
    assert {row["beside"] for row in _evidence("Who?", "Ferry.").values()} <= {0.0}


def test_what_search_thinks_of_the_page():
    """How far it is behind the first one, and whether it is that one: of pages a little behind neither says enough."""
    question = "When was the ferry painted?"
    texts = ("The ferry was painted in May.", "The ferry was painted in June.")
    found = [page(text, question=question, number=n, score=1.0 - n / 8) for n, text in enumerate(texts, 1)]
    rows = ExtractiveAnswerer(BagEmbedder(), FakeJudge("ferry")).evidence(question, found)
    told = {e.candidate.page: dict(zip(FEATURES, e.row, strict=True)) for e in rows}
    assert (told[0]["gap"], told[0]["first"]) == (0.0, 1.0)
    assert (told[1]["gap"], told[1]["first"]) == (-0.125, 0.0)


def test_what_has_no_letter_is_no_evidence():
    rows = _evidence("When was the ferry painted?", "The ferry was painted in May.\n\n— — —\n\nRain fell.")
    assert set(rows) == {"The ferry was painted in May.", "Rain fell."}


def test_form_is_in_the_evidence_of_a_judge_too():
    question, text = "When was the ferry painted?", "The ferry was painted in May. Rain fell."
    answerer = ExtractiveAnswerer(BagEmbedder(), FakeJudge("ferry"))
    rows = {
        text[e.candidate.start : e.candidate.end]: dict(zip(FEATURES, e.row, strict=True))
        for e in answerer.evidence(question, [page(text, question=question)])
    }
    asked, other = rows["The ferry was painted in May."], rows["Rain fell."]
    assert asked["echo"] == pytest.approx(2 / 3)
    assert (other["echo"], other["unfit"]) == (0.0, 1.0)
