"""Pages that are decoded when a question needs them: which, why, once, and what is said where that fails."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from api.cli_documents import _summary
from api.cli_output import Output
from api.cli_questions import print_answer, search
from index.errors import Conflict
from index.passages import embed_passages
from index.store import PageUpdate
from index.types import PageKey, PageReading, PageState, SearchFilter
from tests.api_kit import serving
from tests.kit import TENANT
from tests.lazy_kit import LazyArchive, away, pages
from worker.asking import work
from worker.asking.decoding import Decoding, DecodingConfig
from worker.asking.pipeline import Done
from worker.jobs import now

KEEPER = "The lighthouse keeper at Cape Wrath was John Sinclair."
WAGES = "The wages of the keeper were forty pounds a year."


@pytest.fixture
def archive(tmp_path):
    archive = LazyArchive(tmp_path / "data")
    yield archive
    archive.close()


def test_lazy_pages_have_tokens_and_no_text(archive):
    """They are done, say that they are not decoded, and are found by no search; nothing was decoded, nothing waits."""
    document = archive.add(KEEPER, WAGES)
    shown = archive.shown(document)
    assert (shown["state"], shown["decoded"], shown["text"]) == ("done", False, "")
    assert shown["vision"]["engine"] == "token-test"
    counts = archive.api.get(f"/v1/documents/{document}").json()
    assert counts["state"] == "done"
    assert counts["pages"] == {"pending": 0, "done": 2, "failed": 0, "total": 2, "undecoded": 2, "drafts": 0}
    found = archive.api.post("/v1/search", json={"query": "keeper"}).json()
    assert (found["hits"], found["total_pages"], found["undecoded_pages"]) == ([], 2, 2)
    assert archive.api.get("/v1/export").text == ""
    assert archive.recovery.reconcile() == 0
    assert not archive.engine.decodes
    assert not archive.rung


def test_what_is_needed_is_decoded_once_and_found_from_then_on(archive):
    """Pages are decoded until the question is answered, and kept: the next one decodes nothing, search finds them."""
    document = archive.add(KEEPER, WAGES, "Something else altogether.", filename="keepers.pdf")
    answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?", filter={"document_ids": [document]})
    assert answer["found"]
    assert "John Sinclair" in answer["text"]
    assert pages(answer) == [(1, "markdown", True)]
    assert answer["decoded"][0]["took_ms"] > 0
    assert not answer["incomplete"]
    assert answer["timings_ms"]["decode"] > 0
    metrics = archive.api.get("/metrics").text
    assert 'folioscope_answer_pages_decoded_total{outcome="done",prompt="markdown"} 1.0' in metrics
    assert 'folioscope_pages{state="undecoded"} 2.0' in metrics
    assert answer["undecoded_pages"] == 2
    assert archive.found("lighthouse keeper Sinclair") == [(document, 1)]
    shown = archive.shown(document)
    assert (shown["decoded"], shown["text"], shown["trust"]) == (True, KEEPER, 0.9)
    again = archive.ask("Who was the lighthouse keeper at Cape Wrath?", filter={"document_ids": [document]})
    assert (again["text"], again["decoded"]) == (answer["text"], [])
    assert sum(archive.engine.decodes.values()) == 1
    assert archive.api.get("/v1/export").text.count("\n") == 1


def test_what_was_decoded_survives_a_kill(archive, tmp_path):
    """The files as they are when the answer is given are enough: nothing is decoded again, nothing is rung for."""
    document = archive.add(KEEPER, WAGES)
    archive.ask("Who was the lighthouse keeper at Cape Wrath?")
    files = shutil.copytree(archive.root, tmp_path / "after")  # nothing was closed or flushed
    after = LazyArchive(files)
    try:
        assert after.recovery.reconcile() == 0
        assert after.shown(document)["text"] == KEEPER
        assert after.shown(document, 2)["decoded"] is False
        assert after.ask("Who was the lighthouse keeper at Cape Wrath?")["decoded"] == []
    finally:
        after.close()


def test_a_kill_while_a_page_is_decoded_leaves_it_as_it_was(archive, tmp_path):
    """It still waits for its decoding, and the next question has it decoded."""
    document = archive.add(KEEPER)
    archive.engine.gate = threading.Event()
    thread = threading.Thread(target=lambda: archive.ask("Who was the keeper at Cape Wrath?"))
    thread.start()
    assert archive.engine.began.wait(60)
    files = shutil.copytree(archive.root, tmp_path / "after")
    archive.engine.gate.set()
    thread.join(60)
    after = LazyArchive(files)
    try:
        assert after.shown(document)["decoded"] is False
        assert after.ask("Who was the keeper at Cape Wrath?")["found"]
    finally:
        after.close()


def test_a_sentence_that_runs_over_the_page_brings_the_next_one(archive):
    """The neighbour of a page that was found is decoded where the text goes on there, and no other page is."""
    begun = "The lighthouse keeper at Cape Wrath, who lit the lamp every evening of the year, was called"
    document = archive.add(begun, "John Sinclair of Durness.", "Coal was dear.", filename="keepers.pdf")
    answer = archive.ask("What was the lighthouse keeper at Cape Wrath called?", filter={"document_ids": [document]})
    assert [page for page, _, _ in pages(answer)] == [1, 2]
    beside = [one for one in answer["considered"] if one["page"] == 2]
    assert beside[0]["selected"]
    assert beside[0]["reason"] == "page 1 goes on there"


def test_names_of_documents_are_how_undecoded_pages_are_found(archive):
    """Of many documents the one whose name the question names is decoded; the others stay."""
    for number in range(6):
        archive.add(f"Invoice {number} about coal.", filename=f"coal {number}.pdf")
    wanted = archive.add(KEEPER, filename="lighthouse_keepers.pdf")
    answer = archive.ask("Who was the keeper of the lighthouse at Cape Wrath?")
    assert answer["found"]
    assert [(one["document_id"], one["page"]) for one in answer["decoded"]] == [(wanted, 1)]
    assert "its name holds" in answer["decoded"][0]["reason"]
    other = archive.ask("What did the harbour master say of the bridge?")
    assert (other["found"], other["decoded"], other["incomplete"]) == (False, [], True)
    assert other["undecoded_pages"] == 6


def test_the_budget_holds_and_what_was_left_out_is_told(archive):
    """No more pages than allowed for one answer; those behind are named as missing; the next question goes on there."""
    document = archive.add(*(f"Nothing of interest on sheet {n}." for n in range(7)))
    asked = {"filter": {"document_ids": [document]}}
    answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?", **asked)
    assert not answer["found"]
    assert [page for page, _, _ in pages(answer)] == [1, 2, 3, 4]
    assert answer["incomplete"]
    assert [(one["page"], one["code"]) for one in answer["missing"]] == [(n, "decode_budget") for n in (5, 6, 7)]
    rest = archive.ask("Who was the lighthouse keeper at Cape Wrath?", **asked)
    assert [page for page, _, _ in pages(rest)] == [5, 6, 7]
    assert (rest["found"], rest["incomplete"], rest["missing"]) == (False, False, [])


def test_no_decoder_is_a_partial_answer(archive):
    """Where nobody decodes, the answer comes from the text that is there, and says which pages are missing and why."""
    document = archive.add(KEEPER, WAGES)
    archive.engine.broken = {KEEPER: away(), WAGES: away()}
    answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?")
    assert (answer["found"], answer["incomplete"]) == (False, True)
    assert [(one["page"], one["code"]) for one in answer["missing"]] == [(1, "no_decoder"), (2, "no_decoder")]
    assert pages(answer) == [(1, "markdown", False)]
    assert archive.shown(document)["decoded"] is False


def test_one_page_that_fails_does_not_hide_the_next(archive):
    """Tokens of other weights are said to be so, and the other page answers."""
    document = archive.add("A page of other weights.", KEEPER)
    archive.engine.broken = {"A page of other weights.": Conflict("Other weights.", code="wrong_tokens")}
    answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?", filter={"document_ids": [document]})
    assert answer["found"]
    assert [(one["page"], one["code"]) for one in answer["missing"]] == [(1, "wrong_tokens")]
    assert answer["incomplete"]


def test_a_document_deleted_while_it_is_decoded_leaves_nothing(archive):
    """The page does not come back, the answer is silent about it and says why."""
    document = archive.add(KEEPER)
    archive.engine.gate = threading.Event()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(archive.ask("Who was the keeper at Cape Wrath?")))
    thread.start()
    assert archive.engine.began.wait(60)
    assert archive.api.request("DELETE", f"/v1/documents/{document}").status_code == 200
    archive.engine.gate.set()
    thread.join(60)
    assert (answers[0]["found"], answers[0]["missing"][0]["code"]) == (False, "deleted")
    assert archive.store.count(TENANT).total == 0
    assert list(archive.store.scan(None)) == []


def test_two_questions_at_once_decode_a_page_once(archive):
    """The second waits for the first, and both are answered."""
    archive.add(KEEPER)
    archive.engine.gate = threading.Event()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(archive.ask("Who was the keeper at Cape Wrath?")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    assert archive.engine.began.wait(60)
    time.sleep(0.2)  # the second comes to the same page
    archive.engine.gate.set()
    for thread in threads:
        thread.join(60)
    assert [answer["found"] for answer in answers] == [True, True]
    assert sum(archive.engine.decodes.values()) == 1
    assert sum(len(answer["decoded"]) for answer in answers) == 1


def test_who_goes_away_stops_the_decoding(archive):
    """A decode under way ends, nothing is written, no further page is begun."""
    document = archive.add(KEEPER, WAGES)
    archive.engine.gate = threading.Event()
    gone = threading.Event()
    seen = []

    def run():
        asked = archive.library.converse(TENANT, "Who was the keeper?", SearchFilter(), cancelled=gone.is_set)
        seen.extend(asked)

    thread = threading.Thread(target=run)
    thread.start()
    assert archive.engine.began.wait(60)
    gone.set()
    thread.join(60)
    assert not thread.is_alive()
    assert [event.state for event in seen if isinstance(event, Decoding)] == ["started", "failed"]
    assert not any(isinstance(event, Done) for event in seen)
    assert archive.shown(document)["decoded"] is False
    assert sum(archive.engine.decodes.values()) == 1


def test_a_connection_that_closes_stops_the_decoding(archive):
    """Over a real socket: the stream is closed while a page is decoded, the decode ends, and nothing is written."""
    document = archive.add(KEEPER, WAGES)
    archive.engine.gate = threading.Event()
    asked = {"question": "Who was the keeper at Cape Wrath?", "stream": True}
    with (
        serving(archive.api.app) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as http,
        http.stream("POST", "/v1/answers", json=asked) as response,
    ):
        lines = response.iter_lines()  # kept: without it the loop's end would close the connection
        for line in lines:
            if '"state": "started"' in line:
                break
        assert archive.engine.began.wait(60)
        response.close()
        assert archive.engine.given_up.wait(60)
    assert archive.shown(document)["decoded"] is False
    assert sum(archive.engine.decodes.values()) == 1


@contextmanager
def answering_while(archive):
    """Something happens while a page is decoded for a question; the answers so far, the one at its end included."""
    archive.engine.gate = threading.Event()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(archive.ask("Who was the keeper at Cape Wrath?")))
    thread.start()
    assert archive.engine.began.wait(60)
    yield answers
    archive.engine.gate.set()
    thread.join(60)


def test_a_page_that_is_asked_to_be_read_anew_is_left_to_its_reader(archive):
    """What was decoded meanwhile is not written over it, and the answer says so."""
    document = archive.add(KEEPER)
    key = PageKey(TENANT, document, 1)
    with answering_while(archive) as answers:
        archive.store.update([PageUpdate(key, now(), state=PageState.PENDING, attempts=0)])
    assert [one["code"] for one in answers[0]["missing"]] == ["not_read"]
    point = archive.store.get([key])[0]
    assert (point.state, point.text, point.tried) == (PageState.PENDING, "", ())


def test_a_page_that_was_read_anew_meanwhile_keeps_that(archive):
    """What is decoded from the tokens of before is not written over a reading that ended while it was decoded."""
    document = archive.add(KEEPER)
    key = PageKey(TENANT, document, 1)
    with answering_while(archive) as answers:
        anew = replace(encoded_again(archive.store.get([key])[0]), text="The keeper at Cape Wrath was Ada Munro.")
        passages = embed_passages(archive.embedder, anew.text)
        archive.store.update([PageUpdate(key, now(), reading=anew, passages=passages)])
    assert archive.store.get([key])[0].text == anew.text
    assert answers


def test_decoding_has_a_time_limit(tmp_path):
    """A decoder that does not come to an end costs the answer its budget of time and no more."""
    archive = LazyArchive(tmp_path, decoding=DecodingConfig(seconds=0.3))
    try:
        archive.add(KEEPER, WAGES)
        archive.engine.gate = threading.Event()
        answer = archive.ask("Who was the keeper at Cape Wrath?")
        assert not answer["found"]
        assert [(one["page"], one["code"]) for one in answer["missing"]] == [
            (1, "decode_timeout"),
            (2, "decode_budget"),
        ]
    finally:
        archive.close()


def test_what_is_told_on_the_way(archive):
    """Server-sent events: `decoding` with its start and its end between `selection` and `text`."""
    document = archive.add(KEEPER)
    body = archive.api.post("/v1/answers", json={"question": "Who was the keeper at Cape Wrath?", "stream": True}).text
    kinds = [line.removeprefix("event: ") for line in body.splitlines() if line.startswith("event: ")]
    assert kinds == ["selection", "decoding", "decoding", "text", "citations", "done"]
    assert f'"document_id": "{document}", "page": 1, "prompt": "markdown"' in body
    assert '"state": "started"' in body
    assert '"state": "done", "took_ms"' in body


def test_a_page_that_is_not_trusted_is_read_again_once(archive):
    """From the original, in a finer mode; the better reading stays, and where it brings nothing it is not repeated."""
    document = archive.add(f"[blurred] {KEEPER}", "[hopeless] Nobody reads the keeper here, at Cape Wrath.")
    asked = {"filter": {"document_ids": [document]}}
    for _ in range(3):
        answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?", **asked)
    assert "John Sinclair" in answer["text"]
    assert archive.shown(document)["text"] == KEEPER
    assert archive.shown(document)["reader"]["mode"] == "fine"
    assert archive.shown(document)["vision"]["mode"] == "fine"
    assert max(archive.engine.finer.values()) == 1
    assert answer["decoded"] == []


def test_figures_are_read_when_the_question_is_about_them(archive):
    """With the figure prompt, once, as a note that is kept beside the text and can be cited."""
    text = "Landings of herring at Wick, 1909 to 1912. [figure] By the chart, 40 tons of herring were landed in 1911."
    document = archive.add(text, filename="herring.pdf")
    plain = archive.ask("What is said of the landings of herring at Wick?")
    assert [prompt for _, prompt, _ in pages(plain)] == ["markdown"]
    answer = archive.ask("By the chart, how many tons of herring were landed in 1911?")
    assert pages(answer) == [(1, "figure", True)]
    assert answer["found"], answer
    assert answer["citations"][0]["note"] == "figure"
    assert "40 tons" in answer["citations"][0]["quote"]
    shown = archive.shown(document)
    assert shown["text"] == "Landings of herring at Wick, 1909 to 1912."
    assert shown["notes"] == [
        {"prompt": "figure", "text": "By the chart, 40 tons of herring were landed in 1911.", "trust": 0.9}
    ]
    start, end = answer["citations"][0]["span"]
    assert shown["notes"][0]["text"][start:end] == answer["citations"][0]["quote"]
    assert answer["citations"][0]["boxes"] == [[0.0, 0.5, 1.0, 0.9]]
    again = archive.ask("By the chart, how many tons of herring were landed in 1911?")
    assert (again["found"], again["decoded"]) == (True, [])
    archive.restart()
    assert archive.shown(document)["notes"] == shown["notes"]


def test_full_reading_decodes_everything_at_once(tmp_path):
    """`full` stays as it was: nothing is decoded for a question."""
    archive = LazyArchive(tmp_path, lazy=False)
    try:
        document = archive.add(KEEPER, WAGES)
        assert archive.shown(document)["decoded"] is True
        answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?")
        assert (answer["found"], answer["decoded"], answer["undecoded_pages"]) == (True, [], 0)
    finally:
        archive.close()


def encoded_again(point):
    return PageReading("", (), (), 0.9, point.width, point.height, 0, point.reader, point.vision_tokens)


def test_decoding_for_answers_can_be_turned_off(tmp_path):
    """With a budget of no page nothing is decoded, and the answer says how many pages it did not see."""
    archive = LazyArchive(tmp_path, decoding=DecodingConfig(pages=0))
    archive.add(KEEPER)
    answer = archive.ask("Who was the lighthouse keeper at Cape Wrath?")
    assert (answer["found"], answer["incomplete"], answer["undecoded_pages"]) == (False, True, 1)
    assert answer["decoded"] == []
    assert not archive.engine.decodes
    archive.close()


def test_the_command_line_shows_what_was_decoded_and_what_is_missing(archive, capsys):
    """Below the answer: pages with their time, pages that were not heard with the reason, and what was verified."""
    document = archive.add("A page of other weights.", KEEPER)
    archive.engine.broken = {"A page of other weights.": Conflict("Other weights.", code="wrong_tokens")}
    asked = {"filter": {"document_ids": [document]}, "verify": True}
    print_answer(Output(), archive.ask("Who was the lighthouse keeper at Cape Wrath?", **asked))
    shown = capsys.readouterr().out
    assert "verified" in shown
    assert f"decoded (markdown): page 2 of {document}" in shown
    assert f"missing: page 1 of {document} (wrong_tokens): Other weights." in shown


def test_in_a_large_archive_named_and_matching_documents_are_looked_at_whole(archive, monkeypatch):
    """Where more pages wait than are ranked, all pages of a document that is named, or that matches, are ranked."""
    monkeypatch.setattr(work, "LOOKED_AT", 12)
    for number in range(12):
        archive.add(f"Coal {number}.", f"More coal {number}.", filename=f"coal {number}.pdf")
    nothing = [f"Nothing on sheet {n}." for n in range(7)]
    keepers = archive.add(KEEPER, *nothing, filename="keepers of lighthouses.pdf")
    waiting = list(archive.store.scan(TENANT, undecoded=True))[:12]  # ids are made of contents: the same in every run
    assert {point.key.page for point in waiting if point.key.document_id == keepers} not in (set(), {1})
    answer = archive.ask("Who was the keeper of the lighthouse at Cape Wrath?")
    assert answer["found"]
    assert [(one["document_id"], one["page"]) for one in answer["decoded"]] == [(keepers, 1)]
    assert answer["undecoded_pages"] == 31


def test_the_command_line_counts_what_has_no_text(archive, capsys):
    """Beside a document, and where a search finds nothing."""
    document = archive.add(KEEPER, WAGES)
    shown = archive.api.get(f"/v1/documents/{document}").json()
    assert "2 pages, 2 without text until a question needs it" in str(_summary(shown))

    nothing = archive.api.post("/v1/search", json={"query": "keeper"}).json()

    class Client:
        async def search(self, request):
            return nothing

    asyncio.run(search(Client(), Output(), {"query": "keeper"}))
    assert "2 pages have no text yet" in " ".join(capsys.readouterr().err.split())
