"""Quotes of pages that were decoded for a question, compared with what their vision tokens say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from index.passages import embed_passages
from index.store import PageUpdate
from index.types import Answer, Citation, PageKey
from tests.kit import TENANT
from tests.lazy_kit import LazyArchive, away
from tests.test_lazy_answers import KEEPER, encoded_again
from worker.jobs import now


@pytest.fixture
def archive(tmp_path):
    archive = LazyArchive(tmp_path / "data")
    yield archive
    archive.close()


def test_quotes_are_verified_where_that_is_asked(archive):
    """By decoding the cited page again: true where it says so, false where not, null where nobody asked or can."""
    document = archive.add(KEEPER)
    question = "Who was the lighthouse keeper at Cape Wrath?"
    assert archive.ask(question)["citations"][0]["verified"] is None
    verified = archive.ask(question, verify=True)
    assert verified["citations"][0]["verified"] is True
    assert verified["decoded"][0]["reason"] == "its quote is checked"
    assert archive.shown(document)["text"] == KEEPER
    archive.engine.broken = {KEEPER: away()}
    unknown = archive.ask(question, verify=True)
    assert (unknown["found"], unknown["citations"][0]["verified"]) == (True, None)
    assert unknown["decoded"][0]["code"] == "no_decoder"
    assert unknown["missing"] == []


def test_a_text_that_the_tokens_do_not_give_is_not_verified(archive):
    """The quote stands on the stored page, and decoding the page says something else: `verified` is false."""
    document = archive.add(KEEPER)
    key = PageKey(TENANT, document, 1)
    archive.ask("Who was the keeper at Cape Wrath?")
    point = archive.store.get([key], with_vision=True)[0]
    changed = KEEPER.replace("John Sinclair", "Hector Munro")
    reading = replace(encoded_again(point), text=changed)
    passages = embed_passages(archive.embedder, changed)
    archive.store.update([PageUpdate(key, now(), reading=reading, passages=passages)])
    answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?", verify=True)
    assert "Hector Munro" in answer["citations"][0]["quote"]
    assert answer["citations"][0]["verified"] is False


class Teller:
    """An answerer that tells as it goes, and cites what it was made with."""

    name = "teller"
    reads_everything = False

    def __init__(self, quotes):
        self.quotes = quotes

    def steps(self, question, pages, cancelled=lambda: False):
        yield "Two things. [1] [2]"
        page = pages[0][1]
        citations = tuple(
            Citation(page.key, "scan.pdf", quote, max(0, page.text.find(quote)), 0, (), 0.9) for quote in self.quotes
        )
        citations = tuple(replace(one, end=one.start + len(one.quote)) for one in citations)
        return Answer(question, True, "Two things. [1] [2]", citations, 0.9)

    def answer(self, question, pages):
        raise AssertionError("it is listened to")


def test_a_quote_that_is_not_on_its_page_is_dropped(tmp_path):
    """Whatever an answerer claims; what is left of the text is what is quoted, and without a quote nothing is found."""
    for quotes, text, kept in (
        (("The lighthouse keeper", "was never there"), "“The lighthouse keeper” [1]", 1),
        (("nothing of this", "is there"), "Not found in these documents.", 0),
    ):
        archive = LazyArchive(tmp_path / str(kept), answerer=Teller(quotes))
        archive.add(KEEPER)
        answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?")
        assert (answer["text"], len(answer["citations"]), answer["found"]) == (text, kept, bool(kept))
        archive.close()
