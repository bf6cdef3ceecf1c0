"""What only says again what was asked is quoted with what it names: a title with its text, a matter with its end."""

from __future__ import annotations

import pytest

from index.matching import matcher_of
from tests.answers_kit import BagEmbedder, page
from worker.answer.asking import read_question
from worker.answer.below import with_what_follows
from worker.answer.candidates import candidates_of
from worker.answer.features import Found, look
from worker.answer_extractive import ExtractiveAnswerer

AGREEMENT = """# Shareholders' agreement

## Article I. The board

§ 1 The board shall have no fewer than three directors.

## Article II. Reserved matters

§ 2 None of the following may be done without the consent of all holders: borrowing, selling land.

§ 3 Consent may be given by letter.

## Article III. Transfer

§ 4 Shares are first offered to the others."""

NOTE = """# FEE NOTE No. 2213/21

To: Ms M. Treharne, Clevedon

| Total due | £5,188.60 |
| --- | --- |
| Balance | £3,188.60 |"""

MINUTES = """1 Minutes. They were signed.
2 Treharne v Pellworth. The hearing is fixed for the autumn.

3 Treharne v Abernethy.

The lift is out of order."""


def quoted(question: str, text: str, chosen: str) -> list[str]:
    """What is quoted where the candidate that begins with `chosen` is the best one."""
    asked, candidates = read_question(question), candidates_of(text, 0)
    found = Found(text, "", candidates)
    look(asked, matcher_of(asked.plan), found, [])
    best = next(c for c in candidates if text.startswith(chosen, c.start))
    return [text[c.start : c.end] for c in with_what_follows(asked, found, best)]


def test_a_title_is_quoted_with_what_stands_below():
    title = "## Article II. Reserved matters"
    began = next(line for line in AGREEMENT.split("\n") if line.startswith("§ 2"))
    for question in ("List all reserved matters", "Which matters are reserved?"):
        assert quoted(question, AGREEMENT, title) == [title, began]
    answer = ExtractiveAnswerer(BagEmbedder()).answer(
        "Which matters are reserved?", [page(AGREEMENT, question="Which matters are reserved?")]
    )
    assert began in [citation.quote for citation in answer.citations]


def test_of_a_section_that_has_more_of_the_question():
    """The row with the word that the title lacks, not the first line."""
    title = "# FEE NOTE No. 2213/21"
    assert quoted("What is the balance of fee note 2213?", NOTE, title) == [title, "| Balance | £3,188.60 |"]


@pytest.mark.parametrize(
    ("question", "text", "chosen"),
    [
        ("What is the discount of fee note 2213?", NOTE, "# FEE NOTE"),  # nothing below tells of that either
        ("Which matters need a vote?", AGREEMENT, "## Article II."),  # it says that they are reserved
        ("What is consent given by?", AGREEMENT, "§ 3"),
        ("What became of Treharne v Abernethy?", MINUTES, "3 Treharne"),  # another paragraph
        ("When was the mill built?", "The mill was built in 1899. It burnt.", "The mill"),  # a figure is an answer
        ("When was the mill built?", "12 March 1899: the mill was built. It burnt.", "12 March"),
        ("When was version 4.3 released?", "Version 4.3 was released on 3.6.2012. It was late.", "Version"),
        ("What is the fee?", "# The fee: 3/6\n\nIt is paid at once.", "# The fee"),
    ],
)
def test_what_is_quoted_alone(question: str, text: str, chosen: str):
    assert len(quoted(question, text, chosen)) == 1


def test_a_matter_is_quoted_with_its_sentence():
    assert quoted("What became of Treharne v Pellworth?", MINUTES, "2 Treharne") == [
        "2 Treharne v Pellworth.",
        "The hearing is fixed for the autumn.",
    ]
