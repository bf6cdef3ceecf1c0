"""Lazy reading on the full stack: fronts ask, a worker of the queue `decode` decodes and writes back."""

from __future__ import annotations

import threading

import pytest

from index.types import PageKey
from tests.stack_kit import Stack, scan, until

pytestmark = pytest.mark.slow

DECODE_S = 1.5


def ask(api, document):
    asked = {"question": "What does the ledger say?", "filter": {"document_ids": [document]}}
    response = api.http.post("/v1/answers", json=asked)
    assert response.status_code == 200, response.text
    return response.json()


def at_once(*calls):
    """What they return, called at the same time."""
    found = [None] * len(calls)

    def run(place):
        found[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    return found


def test_a_worker_decodes_what_a_question_needs(tmp_path):
    """Without one the answer says who is missing; with one the page is decoded once, though two fronts ask at the same
    time, and a document that is deleted meanwhile stays deleted."""
    environment = {
        "folioscope_reading": "lazy",
        "folioscope_decode_trust": "0",
        "folioscope_drafts": "0",
        "stack_decode_s": str(DECODE_S),
    }
    with Stack(tmp_path, vision=True, **environment) as stack:
        first, second = stack.start_api("one"), stack.start_api("two")
        stack.start_worker("reader")
        kept, dropped = first.upload(scan("page")), first.upload(scan("another"), "other.tiff")
        first.wait([kept, dropped])
        assert first.pages(kept) == {"pending": 0, "done": 1, "failed": 0, "total": 1, "undecoded": 1, "drafts": 0}

        alone = ask(first, kept)
        assert (alone["found"], alone["incomplete"]) == (False, True)
        assert [one["code"] for one in alone["missing"]] == ["no_decoder"]
        assert "folioscope worker" in alone["missing"][0]["reason"]

        stack.start_worker("gpu", queues="decode")
        until(lambda: "gpu" in stack.workers(), "the decoder is there")
        answers = at_once(lambda: ask(first, kept), lambda: ask(second, kept))
        decoded = [one for answer in answers for one in answer["decoded"]]
        assert [(one["page"], one["prompt"], one["ok"]) for one in decoded] == [(1, "markdown", True)]
        assert decoded[0]["took_ms"] >= DECODE_S * 1000
        shown = second.http.get(f"/v1/documents/{kept}/pages/1").json()
        assert (shown["decoded"], shown["text"].startswith("markdown ")) == (True, True)
        assert ask(second, kept)["decoded"] == []

        stack.hold("decode")
        before = stack.begun("decode")

        def deleted_while_decoding():
            until(lambda: stack.begun("decode") > before, "it is decoded")
            assert second.http.delete(f"/v1/documents/{dropped}").status_code == 200
            stack.release("decode")

        answer, _ = at_once(lambda: ask(first, dropped), deleted_while_decoding)
        assert [one["code"] for one in answer["missing"]] == ["deleted"]
        truth = stack.truth()
        try:
            assert truth.store.get([PageKey("default", dropped, 1)]) == [None]
            assert truth.store.get([PageKey("default", kept, 1)])[0].tried == ("markdown",)
        finally:
            truth.close()


def test_a_worker_reads_drafts(tmp_path):
    """Pages are found by what it read of them, in every front, and decoded by it when a question quotes them."""
    environment = {"folioscope_reading": "lazy", "stack_trust": "0.9"}
    with Stack(tmp_path, vision=True, **environment) as stack:
        api = stack.start_api("one")
        stack.start_worker("reader")
        document = api.upload(scan("page"))
        api.wait([document])
        assert api.pages(document) == {"pending": 0, "done": 1, "failed": 0, "total": 1, "undecoded": 0, "drafts": 1}
        shown = api.http.get(f"/v1/documents/{document}/pages/1").json()
        assert (shown["decoded"], shown["draft"], shown["reader"]["engine"]) == (False, True, "stub")
        asked = {"question": f'"{shown["text"]}"'}
        (hit,) = api.http.post("/v1/search", json={"query": asked["question"]}).json()["hits"]
        assert (hit["document_id"], hit["draft"]) == (document, True)
        alone = api.http.post("/v1/answers", json=asked).json()
        assert [one["draft"] for one in alone["citations"]] == [True]
        assert [one["code"] for one in alone["missing"]] == ["no_decoder"]
        stack.start_worker("gpu", queues="decode")
        until(lambda: "gpu" in stack.workers(), "the decoder is there")
        answer = api.http.post("/v1/answers", json=asked).json()
        assert [(one["page"], one["prompt"], one["ok"]) for one in answer["decoded"]] == [(1, "markdown", True)]
        shown = api.http.get(f"/v1/documents/{document}/pages/1").json()
        assert (shown["decoded"], shown["draft"], shown["text"].startswith("markdown ")) == (True, False, True)
        assert api.pages(document)["drafts"] == 0
