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
        ("What would he buy?", "Asked what he would buy, he said that he would buy a boat. Tea came.", "Asked"),
        ("What did Peel ask?", "Mr. Peel asked why coals had been charged twice. Tea came.", "Mr. Peel"),
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


RULES = """2. No person shall be elected who:

- (a) is under the age of sixty years;
- (b) has been convicted of any offence.

3. Each shall receive:

- (a) five shillings;

The matron keeps the key. She came bringing:

A cat of the neighbour's."""


@pytest.mark.parametrize(("chosen", "begins", "ends"), [("2. No", "2. No", "any offence."), ("3. Each", "3.", "ings;")])
def test_what_introduces_a_list_is_quoted_with_the_list(chosen: str, begins: str, ends: str):
    """With its own items and no more of the list that it stands in itself."""
    (quote,) = quoted("Who may not be elected, and what does each receive?", RULES, chosen)
    assert quote.startswith(begins)
    assert quote.endswith(ends)


SCENE = """# At the scene

1. Switch off the engine.
2. Exchange names.

Ring us within a day."""


@pytest.mark.parametrize("question", ["What should I do at the scene?", "What should be done at the scene of a crash?"])
def test_the_title_of_a_list_is_quoted_with_the_list(question: str):
    assert quoted(question, SCENE, "# At") == [SCENE.rpartition("\n\n")[0]]


def test_a_line_that_is_a_title_of_a_list_is_quoted_with_it_too():
    text = SCENE.replace("# At", "The clerk was ill.\n\nAt")
    assert quoted("What should I do at the scene?", text, "At") == [text[text.index("At") : text.index("\n\nRing")]]


def test_a_colon_without_a_list_is_quoted_alone():
    assert quoted("What did she bring?", RULES, "She came") == ["She came bringing:"]


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("Why were coals charged twice?", "Mr. Peel asked why coals had been charged twice. A load was for the school.",
         "A load was for the school."),
        ("Where is the key?", "Q: Where do I find the key of the tower?\n\nA: In the box.", "A: In the box."),
        ("Why does Mrs Hartley not like Voss's design?", "I do not like the design of Mr. Voss. It is dull.",
         "It is dull."),
    ],
)  # fmt: skip
def test_what_asks_is_quoted_with_what_answers(question: str, text: str, answer: str):
    """A question that stands on the page, in somebody's mouth or by itself, and what only repeats it with a title."""
    assert quoted(question, text, text[:2])[1:] == [answer]
