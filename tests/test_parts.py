"""Numbered parts of documents: how questions name them, where pages have them, and that answers quote them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from index.parts import part_spans, parts_named
from index.passages import embed_passages
from index.store import PageUpdate
from index.store_edge import EdgeStore
from index.types import PageKey, PageLabels, PageReading, PageState, Reader, SearchFilter
from tests.answers_kit import BagEmbedder, page
from worker.answer.asking import read_question
from worker.answer_extractive import ExtractiveAnswerer
from worker.asking import parts
from worker.asking.pipeline import Asking

LEASE = """# LEASE

## 4. Tenant's covenants

4.1 The Tenant shall repair, subject to clause 4.3(b).

4.3 The Tenant shall not:

(a) assign this lease;

(b) keep any {thing} upon the Premises, save as in
clause 5. That is so.

(c) display a sign.

4.4 The Tenant shall redecorate.

## 5. Rent review

5.1 The Rent is reviewed, see Article 7."""

STATUTES = """## Article 7 – Removal

A trustee who misses four meetings ceases to hold office, save as § 12 provides.

## § 12 Schlüssel

Der Mieter erhält vier Hausschlüssel.

12. Mai 1900

Paragraph 3. Each pays a crown."""


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What does clause 4.3(b) say?", [("clause", "4 3 b")]),
        ("What is in § 12 Abs. 2?", [("§", "12 2")]),
        ("articles 7 and 9", [("article", "7"), ("article", "9")]),
        ("Art. XIV of the treaty", [("article", "14")]),
        ("Annex B", [("annex", "b")]),
        ("delivery note 5512", []),
        ("credit note 88 and note 3", [("note", "3")]),
        ("chairs good condition 12 May 1911", []),
        ("notes 3 May 1911", []),
        ("note 1902", []),
        ("the note I wrote in condition 2", [("condition", "2")]),
        ("Quote step 3", [("step", "3")]),
        ("condition 4 of the permission", [("condition", "4")]),
        ("note 9 to the accounts and recommendation 2", [("note", "9"), ("recommendation", "2")]),
        ("page 14 of the minutes", [("page", "14")]),
        ("what does 4.3(b) say", [("", "4 3 b")]),
        ("The article a woman wrote in 1912", []),
        ("What was paid on 3 January 1961 for rule books?", []),
        ("Regulation 12/2019", []),
        ("How high is the section c wall?", []),
    ],
)
def test_parts_are_seen_in_a_question(question, named):
    """A word and a number name a part; words alone, dates and numbers of another kind do not."""
    assert [(part.kind, " ".join(part.steps)) for part in parts_named(question)] == named


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("clause 4.3(b)", ["(b) keep any fryer upon the Premises, save as in\nclause 5. That is so."]),
        ("clause 4.4", ["4.4 The Tenant shall redecorate."]),
        ("section 5", ["## 5. Rent review\n\n5.1 The Rent is reviewed, see Article 7."]),
        ("clause 4.3(d)", []),
        ("Article 7", []),
        ("clause 5.2", []),
    ],
)
def test_a_page_has_the_parts_that_it_labels(part, says):
    """A part is its text under its label, step by step; a line that only refers to it is none."""
    text = LEASE.format(thing="fryer")
    assert [text[s.start : s.end] for s in part_spans(text, parts_named(part)[0])] == says


@pytest.mark.parametrize(("part", "found"), [("rule 8(c)", True), ("8(a)", True), ("8(d)", False), ("8(e)", False)])
def test_items_that_stand_in_one_line_are_quoted_with_their_part(part, found):
    """Alone they would say the contrary; a reference to an item is none."""
    rule = "8. Students shall not: (a) touch the switch; (b) wear scarves (see 9(d)) or (c) start any machine."
    text = f"7. Smoking is forbidden.\n{rule}\n9. Notes."
    assert [text[s.start : s.end] for s in part_spans(text, parts_named(part)[0])] == ([rule] if found else [])


@pytest.mark.parametrize(
    ("part", "begins", "ends"),
    [
        ("Article VII", "## Article 7", "§ 12 provides."),
        ("§ 12", "## § 12 Schlüssel", "12. Mai 1900"),
        ("Paragraph 12", "## § 12", "12. Mai 1900"),
        ("paragraph 3", "Paragraph 3.", "a crown."),
    ],
)
def test_labels_may_be_headings_signs_and_roman(part, begins, ends):
    """What stands below a heading is its part's; a date at the beginning of a line is no part."""
    (span,) = part_spans(STATUTES, parts_named(part)[0])
    assert STATUTES[span.start : span.end].startswith(begins)
    assert STATUTES[span.start : span.end].endswith(ends)


def test_a_part_may_stand_right_below_a_title():
    """In the lines of a paragraph a reference is none."""
    note, other = parts_named("note 7 and note 8")
    text = "Notes to the accounts\nNote 7. Pay\nHe waived it."
    assert [text[s.start : s.end] for s in part_spans(text, note)] == ["Note 7. Pay\nHe waived it."]
    assert part_spans("He waived it, as the Board had asked him to do in\nNote 8. That was right.", other) == []


@pytest.mark.parametrize("word", ["ſection", "Sectıon", "Clauſe", "Klauſel", "SECTİON"])
def test_letters_of_old_print_and_misread_ones_are_letters(word):
    """Patterns without case take ſ for s and ı for i, and the names of parts have to do so, too."""
    text = f"{word} 4. The Tenant shall repair."
    (part,) = parts_named(f"What does {word} 4 say?")
    assert [text[s.start : s.end] for s in part_spans(text, part)] == [text]


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("What does clause 4.3(b) of the Visser lease say?", True),
        ("§ 12", True),
        ("Was steht in § 12 des Mietvertrags?", True),
        ("Please show me the text of Article 7", True),
        ("What does clause 4(b) of the agreement for MS 114 say?", True),
        ("When does the term begin under clause 2.1?", False),
        ("Who may lend a manuscript under Article 10?", False),
        ("What does rule 8(c) forbid?", True),
        ("condition 4 of the loan to Aarhus", True),
        ("Which loans meet condition 4?", False),
        ("And who wrote rule 9? (What does rule 8 say?)", False),
    ],
)
def test_asking_for_a_part_is_told_from_asking_about_it(question, wanted):
    """Only a question for nothing but what a part says is answered with the part."""
    assert read_question(question).lookup is wanted


@pytest.mark.parametrize("question", ["And rule 9? (What does rule 8 say?)", "What about rule 9? (What is rule 3(b)?)"])
def test_a_follow_up_asks_for_its_own_part(question):
    """Of the parts that were asked for before none is quoted again."""
    asked = read_question(question)
    assert asked.lookup
    assert [part.steps for part in asked.parts] == [("9",)]


@pytest.fixture
def asking(tmp_path):
    embedder = BagEmbedder()
    store = EdgeStore.open(tmp_path, embedder)
    now = datetime(2024, 1, 1, tzinfo=UTC)
    documents = {f"lease-{n}.pdf": [f"This lease is made with {name}.", LEASE.format(thing=thing)]
                 for n, (name, thing) in enumerate([("Dr Visser", "X-ray"), ("Mr Pilbeam", "fryer")])}  # fmt: skip
    documents["minutes.pdf"] = [f"Minutes of the board. Resolution {n} was passed." for n in range(1, 21)]
    for name, pages in documents.items():
        keys = [PageKey("t", name, number) for number in range(1, len(pages) + 1)]
        store.add_pending(keys, PageLabels(name, "application/pdf", now), now)
        for key, text in zip(keys, pages, strict=True):
            reading = PageReading(text, (), (), 1.0, 1, 1, 0, Reader("test", "1", "test"))
            passages = embed_passages(embedder, text)
            store.update([PageUpdate(key, now, state=PageState.DONE, reading=reading, passages=passages)])
    yield Asking(store, ExtractiveAnswerer(embedder))
    store.close()


@pytest.mark.parametrize(
    ("question", "page", "quote"),
    [
        ("What does clause 4.3(b) of the Visser lease say?", ("lease-0.pdf", 2), "keep any X-ray"),
        ("clause 4.3 (b) of the lease with Mr Pilbeam", ("lease-1.pdf", 2), "keep any fryer"),
        ("page 14 of the minutes", ("minutes.pdf", 14), "Resolution 14"),
    ],
)
def test_the_part_of_the_document_that_is_meant_is_quoted(asking, question, page, quote):
    """Whose lease it is stands on its first page, the clause on its second: the second one is cited, of that lease."""
    answer = asking.ask("t", question, SearchFilter()).answer
    assert {(c.key.document_id, c.key.page) for c in answer.citations} == {page}
    assert quote in answer.citations[-1].quote


@pytest.mark.parametrize("question", ["What does clause 12.4 say?", "page 44 of the minutes", "Article 7"])
def test_parts_that_no_document_has_are_not_found(asking, question):
    """A part that is only referred to, or that is not there, is not found."""
    assert not asking.ask("t", question, SearchFilter()).answer.found


def test_a_page_of_a_long_document_is_found(asking, monkeypatch):
    """However many pages a document has, and few are looked through, the one asked for by its number is there."""
    monkeypatch.setattr(parts, "MAX_PAGES", 12)
    answer = asking.ask("t", "What does page 19 of the minutes say?", SearchFilter()).answer
    assert [c.key.page for c in answer.citations] == [19]


def test_what_was_found_and_named_is_looked_through_first(monkeypatch):
    """Then the other pages of the documents, none twice, up to a bound."""
    monkeypatch.setattr(parts, "MAX_PAGES", 5)

    class Pages:
        def get(self, keys):
            return [page("text", document=key.document_id, number=key.page)[1] for key in keys]

        def scan(self, *_, document_ids, **__):
            return (page("text", document=document_ids[0], number=number)[1] for number in range(1, 40))

    found = [page("text", document="d", number=2), page("text", document="other", number=1)]
    seen = parts._pages(Pages(), "t", parts_named("page 30 of it"), ["d"], SearchFilter(), found)
    assert [one.key.page for one in seen] == [2, 30, 1, 3, 4]


def test_both_say_it_where_two_documents_have_the_part(asking):
    """Two documents that fit the question equally well are both cited, since they may contradict each other."""
    answer = asking.ask("t", "What does clause 4.3(b) of the lease say?", SearchFilter()).answer
    assert {c.key.document_id for c in answer.citations} == {"lease-0.pdf", "lease-1.pdf"}


@pytest.mark.parametrize("filler", [" ", "\t ", "# ", "* ", "1.1", "(a) ", "4.3\n"])
def test_pages_of_marks_and_blanks_are_gone_through_once(filler):
    """Half a million of them hide no part behind them; where each is tried with each, this does not end in a day."""
    text = filler * (500_000 // len(filler)) + "\n\n4.3 The Tenant shall repair.\n(b) The roof is the Landlord's."
    (part,) = parts_named("clause 4.3(b)")
    assert [text[s.start : s.end] for s in part_spans(text, part)] == ["(b) The roof is the Landlord's."]
