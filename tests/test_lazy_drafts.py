"""Drafts: undecoded pages that search finds, what of them is decoded for a question, and where that fails."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from index.types import Answer, Citation, PageKey, PageReading, Reader
from tests.kit import TENANT
from tests.lazy_kit import DraftReader, LazyArchive, TokenEngine, away, pages
from tests.test_answers_llm import answerer, says
from worker.asking.decoding import DecodingConfig
from worker.drafts import Drafts
from worker.gpu_guard import GuardedEngine

KEEPER = "The lighthouse keeper at Cape Wrath was John Sinclair."
WAGES = "The wages of the keeper were forty pounds a year."
WHO = "Who was the lighthouse keeper at Cape Wrath?"


@pytest.fixture
def archive(tmp_path):
    archive = LazyArchive(tmp_path / "data", engine=TokenEngine(helper=DraftReader()))
    yield archive
    archive.close()


def test_drafts_are_found_and_told_apart(archive):
    """They are done and not decoded; search finds them as drafts, counts have them apart, and no export has them."""
    document = archive.add(KEEPER, WAGES)
    shown = archive.shown(document)
    assert (shown["state"], shown["decoded"], shown["draft"], shown["text"]) == (
        "done", False, True, KEEPER.replace("ee", "ec"),
    )  # fmt: skip
    assert (shown["reader"]["engine"], shown["vision"]["engine"]) == ("draft-test", "token-test")
    counts = archive.api.get(f"/v1/documents/{document}").json()["pages"]
    assert counts == {"pending": 0, "done": 2, "failed": 0, "total": 2, "undecoded": 0, "drafts": 2}
    found = archive.api.post("/v1/search", json={"query": "lighthouse Sinclair"}).json()
    assert [(hit["page"], hit["draft"]) for hit in found["hits"]][:1] == [(1, True)]
    assert found["undecoded_pages"] == 0
    assert 'folioscope_pages{state="drafts"} 2.0' in archive.api.get("/metrics").text
    assert archive.api.get("/v1/export").text == ""
    assert not archive.engine.decodes


def test_only_what_is_quoted_is_decoded_and_once(archive):
    """The answer quotes what was decoded, not the draft; other pages that match stay drafts."""
    document = archive.add(KEEPER, WAGES, "The keeper of the lighthouse had a boat.")
    answer = archive.ask(WHO)
    assert KEEPER in answer["text"]
    assert pages(answer) == [(1, "markdown", True)]
    assert answer["decoded"][0]["reason"] == "its text is a draft"
    assert [one["draft"] for one in answer["citations"]] == [False]
    assert not answer["incomplete"]
    shown = archive.shown(document)
    assert (shown["decoded"], shown["draft"], shown["text"]) == (True, False, KEEPER)
    assert archive.api.get(f"/v1/documents/{document}").json()["pages"]["drafts"] == 2
    again = archive.ask(WHO)
    assert (again["text"], again["decoded"]) == (answer["text"], [])
    assert sum(archive.engine.decodes.values()) == 1


class CitesTheLast:
    """Quotes of the pages that it was shown first the last one, then and ever after."""

    name, reads_everything = "last", True
    key = None

    def answer(self, question, pages):
        self.key = self.key or pages[-1][1].key
        page = next(page for _, page in pages if page.key == self.key)
        quote = Citation(page.key, page.labels.filename, page.text, 0, len(page.text), (), 1.0)
        return Answer(question, True, page.text, (quote,), 1.0, (), 0.0)


def test_what_is_quoted_is_decoded_also_where_it_was_not_selected(tmp_path):
    """An answerer that reads all pages found may quote one that selection left out: five are taken."""
    last = CitesTheLast()
    archive = LazyArchive(tmp_path / "data", engine=TokenEngine(helper=DraftReader()), answerer=last)
    try:
        archive.add(*(f"The keeper of lighthouse number {number}." for number in range(7)))
        answer = archive.ask("Who was the keeper of the lighthouse?")
        assert pages(answer) == [(last.key.page, "markdown", True)]
        assert ["keeper" in one["quote"] for one in answer["citations"]] == [True]
    finally:
        archive.close()


def test_a_draft_that_is_hard_to_read_is_decoded_before_silence(archive):
    """Where nothing answers, only drafts with little trust could hold it; what was read well is believed."""
    archive.add("[faint] The harbour master of Wick was A. Gunn.", KEEPER)
    answer = archive.ask("Who was the harbour master of Wick?")
    assert pages(answer) == [(1, "markdown", True)]
    assert answer["decoded"][0]["reason"] == "its text is a draft"
    assert "Gunn" in answer["text"]
    silent = archive.ask("Who built the lighthouse of Stornoway in 1900?")
    assert (silent["found"], silent["decoded"], silent["incomplete"]) == (False, [], False)


def test_without_a_decoder_the_draft_is_quoted_and_said_to_be_one(archive):
    archive.add(KEEPER)
    text = KEEPER
    archive.engine.broken[text] = away()
    answer = archive.ask(WHO)
    assert answer["found"]
    assert [one["draft"] for one in answer["citations"]] == [True]
    assert (answer["incomplete"], [one["code"] for one in answer["missing"]]) == (True, ["no_decoder"])
    del archive.engine.broken[text]
    assert [one["draft"] for one in archive.ask(WHO)["citations"]] == [False]


def test_where_no_page_may_be_decoded_a_quoted_draft_is_incomplete(tmp_path):
    """`FOLIOSCOPE_DECODE_PAGES=0`: nothing is tried, and that is told."""
    archive = LazyArchive(tmp_path / "data", engine=TokenEngine(helper=DraftReader()), decoding=DecodingConfig(pages=0))
    try:
        document = archive.add(KEEPER)
        answer = archive.ask(WHO)
        assert ([one["draft"] for one in answer["citations"]], answer["decoded"]) == ([True], [])
        assert [(one["document_id"], one["code"]) for one in answer["missing"]] == [(document, "decode_budget")]
        assert answer["incomplete"]
    finally:
        archive.close()


def test_a_language_model_gets_decoded_pages(tmp_path):
    """Every selected draft is decoded first, within the budget: what a model makes of a misread text nobody checks."""
    seen = []
    archive = LazyArchive(
        tmp_path / "data",
        engine=TokenEngine(helper=DraftReader()),
        answerer=answerer(says((KEEPER, [(1, KEEPER)])), seen=seen),
        decoding=DecodingConfig(pages=1),
    )
    try:
        archive.add(KEEPER, WAGES)
        answer = archive.ask("What wages had the keeper John Sinclair of Cape Wrath?")
        assert [ok for _, _, ok in pages(answer)] == [True, False]
        assert [one["code"] for one in answer["missing"]] == ["decode_budget"]
        assert KEEPER in seen[-1].content.decode()
        assert answer["citations"][0]["quote"] in KEEPER
    finally:
        archive.close()


def test_a_page_that_cannot_be_read_in_draft_is_kept_without(archive):
    document = archive.add("[torn] " + KEEPER)
    shown = archive.shown(document)
    assert (shown["state"], shown["decoded"], shown["draft"], shown["text"]) == ("done", False, False, "")
    assert archive.api.get(f"/v1/documents/{document}").json()["pages"]["undecoded"] == 1


def test_a_draft_without_a_word_is_none(archive):
    """The page waits as one without a draft does, and is not said to be another engine's reading."""
    document = archive.add("[bare] ")
    shown = archive.shown(document)
    assert (shown["decoded"], shown["draft"], shown["text"]) == (False, False, "")
    assert (shown["reader"]["engine"], shown["trust"]) == ("token-test", 0.0)
    assert archive.api.get(f"/v1/documents/{document}").json()["pages"]["undecoded"] == 1


def test_a_blank_page_is_not_read_in_draft(tmp_path):
    """It needs no decoding either: what the vision engine says of it stands."""

    class Blank(TokenEngine):
        def look(self, images):
            return [replace(one, vision=None, decoded=True) for one in super().look(images)]

    reader = DraftReader()
    archive = LazyArchive(tmp_path / "data", engine=Blank(helper=reader))
    try:
        shown = archive.shown(archive.add(KEEPER))
        assert (shown["decoded"], shown["draft"], shown["text"]) == (True, False, "")
        assert not reader.reads
    finally:
        archive.close()


def test_places_of_a_draft_are_kept_only_where_both_stood_the_page_the_same_way_up(archive):
    document = archive.add(KEEPER, "[turned] " + WAGES)
    points = archive.store.get([PageKey(TENANT, document, number) for number in (1, 2)])
    assert [len(one.words) for one in points] == [1, 0]
    assert [len(one.regions) for one in points] == [1, 0]
    assert [(one.rotation, one.width) for one in points] == [(0, 100), (0, 100)]
    assert archive.found("wages of the keeper")[0] == (document, 2)


def test_only_so_many_are_read_at_a_time():
    """A vision engine has a hundred pages in hand; a draft takes a processor and a page's memory."""
    gate, began = threading.Event(), threading.Semaphore(0)

    class Slow(DraftReader):
        def _read(self, text):
            began.release()
            assert gate.wait(20)
            return super()._read(text)

    class Picture:
        def tobytes(self):
            return KEEPER.encode()

    reader = Slow()
    drafts = Drafts(reader, at_once=2)
    encoded = PageReading("", (), (), 0.0, 100, 100, 0, Reader("x", "1", "m"), decoded=False)
    done = []
    threads = [threading.Thread(target=lambda: done.append(drafts.add(encoded, Picture()))) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert began.acquire(timeout=20)
    assert began.acquire(timeout=20)
    gate.set()
    for thread in threads:
        thread.join(20)
    assert len(done) == 6
    assert reader.most_at_once <= 2
    assert {one.text for one in done} == {KEEPER.replace("ee", "ec")}
    assert done[0] == replace(encoded, text=done[0].text, trust=0.9, reader=Reader("draft-test", "1", "ocr"),
                              regions=done[0].regions, words=done[0].words)  # fmt: skip


def test_drafts_can_be_left_out(tmp_path):
    """`FOLIOSCOPE_DRAFTS=false`: nothing is read besides."""
    from worker.reading import PageReader, ReadingConfig

    engine = TokenEngine(helper=DraftReader())
    for config, drafted in [
        (ReadingConfig(lazy=True), True),
        (ReadingConfig(lazy=True, drafts=False), False),
        (ReadingConfig(), False),
    ]:
        assert PageReader(None, engine, engine, config).drafts is drafted
    guarded = GuardedEngine(engine, print)  # as a worker of the full stack has it
    assert PageReader(None, guarded, guarded, ReadingConfig(lazy=True)).drafts is True
    without = TokenEngine()
    assert PageReader(None, without, without, ReadingConfig(lazy=True)).drafts is False


def test_a_poor_decoding_takes_no_draft_away(archive):
    """The next finer mode is tried; where that is no better, the draft is quoted as one, and nothing is tried twice."""
    document = archive.add("[hopeless] " + KEEPER, "[blurred] The master of the ferry at Tongue was Robert Gunn.")
    answer = archive.ask(WHO)
    assert pages(answer) == [(1, "markdown", True), (1, "finer", True)]
    assert [(one["page"], one["draft"]) for one in answer["citations"]] == [(1, True)]
    assert "John Sinclair" in answer["text"]
    assert (answer["incomplete"], [one["code"] for one in answer["missing"]]) == (True, ["poor_decoding"])
    assert archive.shown(document)["draft"]
    assert archive.found("lighthouse Sinclair")[0] == (document, 1)
    again = archive.ask(WHO)
    assert (again["text"], again["decoded"], again["missing"]) == (answer["text"], [], answer["missing"])
    ferry = archive.ask("Who was the master of the ferry at Tongue?")
    assert pages(ferry) == [(2, "markdown", True), (2, "finer", True)]
    assert [(one["page"], one["draft"]) for one in ferry["citations"]] == [(2, False)]
    shown = archive.shown(document, 2)
    assert (shown["decoded"], shown["draft"], shown["reader"]["mode"]) == (True, False, "fine")
