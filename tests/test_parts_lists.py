"""Numbered parts in tables, under titles and at a page's foot; and items of lists with what introduces them."""

from __future__ import annotations

import time

import pytest

from index.parts import lead_ins, part_spans, parts_named
from tests.answers_kit import BagEmbedder, page
from worker.answer_extractive import ExtractiveAnswerer

AGREEMENT = """## Article I. The board

| § 1 | The board has no fewer than three directors. |
| --- | --- |
| § 2 | The quorum is two. |
| | Article II. Transfer |
| § 3 | A shareholder shall first offer the shares to the others. |
| 4 | Premises. The lift is out of order. |
| 5 | Thos. Murgatroyd | 16s. 9d. |

## SCHEDULE 2 - REVIEW

1. The rent shall become the open market rent.
2. The rent shall not fall.

SIGNED as a deed

## 3. USE

- 3.1 The Tenant shall not:
- (a) keep petrol;
- (b) burn waste, save in a stove that
- (i) has been approved, and
- (ii) is swept.
- 3.2 No machine shall be run at night.

- 2 -"""


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("§ 3", "| § 3 | A shareholder shall first offer the shares to the others. |"),
        ("item 4", "| 4 | Premises. The lift is out of order. |"),
        ("item 5", None),
        ("clause 3.1(a)", "(a) keep petrol;"),
        ("clause 3.1(b)(i)", "(i) has been approved, and"),
        ("clause 3.1(b)", "(b) burn waste, save in a stove that\n- (i) has been approved, and\n- (ii) is swept."),
        ("clause 3.2", "3.2 No machine shall be run at night."),
    ],
)
def test_a_part_is_found_in_a_cell_and_ends_before_the_mark_of_the_next(part, says):
    """A number in a cell is a label where the next cell says something; a list's mark belongs to its own item."""
    assert [AGREEMENT[s.start : s.end] for s in part_spans(AGREEMENT, parts_named(part)[0])] == [says] * (
        says is not None
    )


@pytest.mark.parametrize(
    ("part", "begins", "ends"),
    [
        ("Article I", "## Article I", "The quorum is two. |"),
        ("Article II", "| | Article II.", "16s. 9d. |"),
        ("Schedule 2", "## SCHEDULE 2", "shall not fall."),
        ("clause 3", "## 3. USE", "at night."),
    ],
)
def test_what_is_numbered_otherwise_below_a_title_is_part_of_it(part, begins, ends):
    """To the next title of its kind, and without the page's number at the foot."""
    (span,) = part_spans(AGREEMENT, parts_named(part)[0])
    said = AGREEMENT[span.start : span.end]
    assert said.startswith(begins)
    assert said.endswith(ends)


def test_resolutions_are_parts():
    """Minutes number what was resolved."""
    assert [(part.kind, part.steps) for part in parts_named("What does resolution 11 say?")] == [
        ("resolution", ("11",))
    ]


LISTS = """## 4. Use

- 4.3 The Tenant shall not:
- (a) keep petrol;
- (b) burn waste, save in a stove that
- (i) has been approved, and
- (ii) is swept.
- (c) sub-let.
- 4.4 The Tenant shall paint. This is agreed.
- (a) The colour is white.
- 4.5 Recommendations
- (a) put up a gauge.

We met at noon. Of the crew these died:

- the cook;
- two boys
- Anna Holm was saved."""


@pytest.mark.parametrize(
    ("item", "introduced"),
    [
        ("(a) keep", ["4.3 The Tenant shall not:"]),
        ("(ii) is", ["4.3 The Tenant shall not:", "(b) burn waste, save in a stove that"]),
        ("(c) sub-let", ["4.3 The Tenant shall not:"]),
        ("4.4 The", []),
        ("(a) The colour", []),
        ("(a) put up", []),
        ("two boys", ["Of the crew these died:"]),
        ("Anna Holm", []),
        ("We met", []),
    ],
)
def test_an_item_is_introduced_by_what_stands_open_above_it(item, introduced):
    """By all steps above a numbered one that are no whole sentences, and by the sentence with a colon above others."""
    assert [LISTS[a:b] for a, b in lead_ins(LISTS, LISTS.index(item))] == introduced


@pytest.mark.parametrize("question", ["What does clause 4.3(a) say?", "May the Tenant keep petrol?"])
def test_an_item_is_cited_with_what_introduces_it(question):
    """By itself "(a) keep petrol" says the contrary. What introduces it is cited once, before it."""
    answer = ExtractiveAnswerer(BagEmbedder()).answer(question, [page(LISTS, question=question)])
    quotes = [c.quote.removeprefix("- ") for c in answer.citations]
    assert quotes[:2] == ["4.3 The Tenant shall not:", "(a) keep petrol;"]
    assert len(set(quotes)) == len(quotes)


@pytest.mark.parametrize(("line", "times"), [("1.1(a) x;", 60_000), ("- x", 280_000), ("7. (a) x;\n(b) y;", 35_000)])
def test_a_page_that_is_one_long_list_is_no_long_work(line, times):
    """Where each place ends takes a look at all behind it, and above an item stand all before it."""
    text = "\n".join([line] * times)
    began = time.process_time()
    assert part_spans(text, parts_named("clause 1.1(a)")[0]) or "1.1" not in line
    assert part_spans(text, parts_named("rule 7(b)")[0]) or "7." not in line
    assert lead_ins(text, text.rindex("x")) == []
    assert time.process_time() - began < 6  # it was 10 s and more


def test_a_part_by_its_name_is_found_behind_many_like_it():
    """However many lines have the bare number."""
    text = "\n".join([*["7. Nothing of note."] * 200, "Article 7. Removal of the chairman."])
    (found,) = part_spans(text, parts_named("Article 7")[0])
    assert text[found.start :] == "Article 7. Removal of the chairman."
