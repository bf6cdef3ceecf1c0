"""Which rows of a table a question is about: titles within tables, and follow-ups that name another row."""

from __future__ import annotations

import numpy as np
import pytest

from index.matching import matcher_of
from tests.answers_kit import page
from worker.answer.asking import read_question
from worker.answer.candidates import candidates_of
from worker.answer.features import Found, look
from worker.answer.quoting import cite, said
from worker.answer.rows import bar_unnamed, misnamed, named_below, with_its_table

ACCOUNTS = """# Accounts

| Item | Sum |
| --- | --- |
| Payments for the east window | |
| Glass | £4 |
| Lead | £2 |
| Payments for the tower | |
| Glass | £1 |
| Bell ropes | £3 |"""

FIRE = """# Circular

FIRE PREMIUMS

| Building | Rate |
| --- | --- |
| Bakehouse | 4s. 0d. |
| Shop | - |

All are due at Lady Day."""

LOANS = """# Lending

We lend for insulation and flood doors.

| Loan | Interest |
| --- | --- |
| Insulation | 3.9 % |
| Flood doors | 2.4 % |
| Bridging | nil |

Authority to settle claims

| Grade | Motor |
| --- | --- |
| Clerk | £300 |
| Branch manager | £5,000 |
| Claims manager | £40,000 |"""

MARKS = """| Name | Dyeing | Fibres |
| --- | --- | --- |
| Chowdhury | 91 | 88 |
| Brook | 82 | 77 |
| Earnshaw | 38 | 45 |"""


def left(question: str, text: str) -> list[str]:
    """The rows that may be quoted."""
    asked, candidates = read_question(question), candidates_of(text, 0)
    found = Found(text, "", candidates)
    look(asked, matcher_of(asked.plan), found, [])
    bar_unnamed(asked, found)
    return [text[c.start : c.end] for c in candidates if c.is_row and not c.is_heading and c.order not in found.barred]


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What was paid for glass in the east window?", "| Glass | £4 |"),
        ("What was paid for glass in the tower?", "| Glass | £1 |"),
    ],
)
def test_a_title_within_a_table_is_said_of_the_rows_below_it(question: str, row: str):
    assert left(question, ACCOUNTS) == [row]


CREW = """| Name | Remark |
| --- | --- |
| Adams | |
| Brook | died at Drammen |
| Clark | |
| Dunn | deserted at Leith |"""


@pytest.mark.parametrize("name", ["Adams", "Clark"])
def test_a_row_whose_value_is_missing_is_no_title_of_the_next(name: str):
    """Nothing is said of Adams; what stands below is Brook's."""
    assert left(f"What is the fate of {name}?", CREW) == [f"| {name} | |"]


def test_a_title_within_a_table_is_no_sister_of_its_rows():
    """ "Paid" is like "Payments", which is not what a row is called."""
    asked, candidates = read_question("What was paid for bell ropes?"), candidates_of(ACCOUNTS, 0)
    found = Found(ACCOUNTS, "", candidates)
    look(asked, matcher_of(asked.plan), found, [])
    ropes = next(c for c in candidates if "ropes" in c.text[c.start : c.end])
    compared: list[str] = []

    def likeness(words, labels):
        compared.extend(labels)
        return np.array([[0.9 if "Payments" in label else 0.1 for label in labels] for _ in words], np.float32)

    assert not misnamed(asked, found, ropes, likeness)
    assert "Bell ropes" in compared


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("And Brook? (What did Chowdhury get?)", ["| Brook | 82 | 77 |"]),
        ("And in fibres? (What did Chowdhury get?)", ["| Chowdhury | 91 | 88 |"]),
        ("What did Chowdhury and Brook get?", ["| Chowdhury | 91 | 88 |", "| Brook | 82 | 77 |"]),
    ],
)
def test_a_follow_up_that_names_a_row_asks_for_that(question: str, rows: list[str]):
    assert left(question, MARKS) == rows


HEADLESS = """# Receipts

| Pew rents | £41 12s. 0d. |
| --- | --- |
| Easter offerings | £12 4s. 6d. |
| Fees | £3 0s. 0d. |"""


def test_a_table_without_columns_names_begins_with_a_row_like_the_others():
    """No column is called a sum of money, so "Pew rents" is a row, and no other row is said to be of it."""
    assert left("How much came in from pew rents?", HEADLESS) == ["| Pew rents | £41 12s. 0d. |"]
    assert left("What were the fees?", HEADLESS) == ["| Fees | £3 0s. 0d. |"]
    assert [c.voiced for c in candidates_of(HEADLESS, 0)][2] == "Easter offerings £12 4s. 6d."


@pytest.mark.parametrize(
    ("names", "row"),
    [
        ("| Item | 31.12.50 |", "| Cash | 12.50 |"),
        ("| Item | £000 |", "| Cash | £12 |"),
        ("| Evening | Seats at 6d. |", "| Friday | 40 |"),
        ("| Year | 1931 |", "| Income | £4 |"),
    ],
)
def test_dates_thousands_and_prices_may_be_columns_names(names: str, row: str):
    header, below = candidates_of(f"{names}\n| --- | --- |\n{row}", 0)
    assert header.is_heading
    assert below.header == (header.start, header.end)


@pytest.mark.parametrize(("question", "row"), [("What is the interest on flood doors?", "| Flood doors | 2.4 % |")])
def test_a_sentence_above_a_table_may_tell_of_some_of_its_rows(question: str, row: str):
    """What stands in a caption is said of all rows, and tells none from another."""
    assert row in left(question, LOANS)
    assert "| Bridging | nil |" not in left(question, LOANS)


def test_of_a_caption_the_rows_that_are_asked_about_are_quoted():
    """Those with most of the question's words first; a sentence is no caption."""
    candidates = candidates_of(LOANS, 0)
    asked = read_question("What can a claims manager settle for motor?")
    found = Found(LOANS, "", candidates)
    look(asked, matcher_of(asked.plan), found, [])
    caption, sentence = (next(c for c in candidates if LOANS.startswith(text, c.start)) for text in ("Auth", "We lend"))
    named = [LOANS[c.start : c.end] for c in named_below(asked, found, caption)]
    assert named == ["| Claims manager | £40,000 |", "| Branch manager | £5,000 |"]
    assert named_below(asked, found, sentence) == []


@pytest.mark.parametrize("over", ["FIRE", "| Building"])
def test_a_caption_or_header_alone_is_quoted_with_the_table(over: str):
    """By itself it tells nobody anything; of a long table comes what fits."""
    held = Found(FIRE, "", candidates_of(FIRE, 0))
    title = next(c for c in held.candidates if FIRE.startswith(over, c.start))
    whole = with_its_table(held, title)
    assert FIRE[whole.start : whole.end] == FIRE[FIRE.index(over) : FIRE.index("\n\nAll")]
    hit, told = page(FIRE)
    spoken = said(cite(hit, told, (whole.start, whole.end), 1.0))
    assert spoken.removeprefix("“FIRE PREMIUMS; ").strip("“”") == "Building · Rate; Bakehouse · 4s. 0d.; Shop · -"
    long = "\n".join(f"| House {n} | £{n} |" for n in range(300))
    held = Found(text := FIRE.replace("| Shop | - |", long), "", candidates_of(text, 0))
    assert text[title.start : with_its_table(held, title).end].count("\n") < 50


@pytest.mark.parametrize(
    ("line", "caption"),
    [
        ("Terms: 30 days net", False),
        ("Cheap tickets are issued on Thursdays", False),
        ("Premiums, 1 May 1911", True),
        ("Table 3: Premiums", True),
    ],
)
def test_a_field_or_a_statement_right_above_a_table_is_no_caption(line: str, caption: bool):
    """An invoice's terms are quoted without its items, and so is a notice whose stop is missing."""
    text = FIRE.replace("FIRE PREMIUMS", line)
    held = Found(text, "", candidates_of(text, 0))
    title = next(c for c in held.candidates if text.startswith(line, c.start))
    assert (with_its_table(held, title).end > title.end) == caption
