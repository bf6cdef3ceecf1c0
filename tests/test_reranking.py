"""Search results that the judge has read: their order, when it reads them, and what a page loses by it (nothing)."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import numpy as np
import pytest

from api.retrievers.pages import Source
from index.types import SearchFilter
from tests.answers_kit import BagEmbedder, page
from tests.kit import TENANT
from tests.lazy_kit import LazyArchive
from tests.test_answers_judged import FakeJudge
from tests.test_answers_llm import answerer, says
from worker.answer_extractive import ExtractiveAnswerer
from worker.asking.pipeline import Asking
from worker.reranking import RerankConfig, Reranker

QUESTION = "Which craft got a new colour?"
EVERYTHING = SearchFilter()


class FakeStore:
    """Finds these texts in this order, whatever is asked; `gone` are deleted between search and fetch."""

    def __init__(self, *texts: str, gone: tuple[int, ...] = ()) -> None:
        found = [
            page(text, document=f"d{n}", score=round(0.9 - n * 0.01, 4), question=QUESTION)
            for n, text in enumerate(texts)
        ]
        self.hits = [hit for hit, _ in found]
        self.points = {point.key: None if n in gone else point for n, (_, point) in enumerate(found)}
        self.asked: list[tuple[int, int]] = []

    def search(self, tenant, query, where, *, limit, offset=0):
        self.asked.append((limit, offset))
        return self.hits[offset : offset + limit]

    def get(self, keys):
        return [self.points[key] for key in keys]


def texts(count: int) -> list[str]:
    return [f"The crane number {n} was sold in May." for n in range(count)]


def reranked(store, judge, query=QUESTION, **shape):
    hits, read = Reranker(store, ExtractiveAnswerer(BagEmbedder(), judge)).search(
        "t", query, EVERYTHING, **{"limit": 10, **shape}
    )
    return [int(hit.key.document_id[1:]) for hit in hits], read, hits


def test_a_page_that_answers_comes_first():
    """Before pages that search holds to be better; the others keep their order, and scores fall."""
    store = FakeStore(*texts(6), "The ferry was painted green.", *texts(3))
    order, read, hits = reranked(store, FakeJudge("painted"))
    assert read
    assert order == [6, 0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0] == replace(store.hits[6], score=hits[0].score)


def test_what_lies_behind_the_first_pages_keeps_its_place():
    """Pages of results fit together, however they are cut."""
    most = RerankConfig().pages
    green, red = "The craft was painted a new green colour.", "The craft was painted a new red colour."
    store = FakeStore(*texts(9), green, *texts(most - 10), red, *texts(13))
    whole, _, hits = reranked(store, FakeJudge("painted"), limit=most + 14)
    assert whole == [9, *range(9), *range(10, most + 14)]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    pieces = [reranked(store, FakeJudge("painted"), limit=7, offset=at)[0] for at in range(0, 28, 7)]
    assert sum(pieces, []) == whole[:28]
    store.asked.clear()
    order, read, _ = reranked(store, FakeJudge("painted"), limit=5, offset=most)
    assert (order, read, store.asked) == (whole[most : most + 5], False, [(5, most)])


@pytest.mark.parametrize(
    ("judge", "query"),
    [
        (None, QUESTION),
        (FakeJudge("painted", ready=False), QUESTION),
        (FakeJudge("painted"), '"painted green"'),
        (FakeJudge("painted"), "INV-2024-0117"),
        (FakeJudge("painted"), "?!"),
    ],
)
def test_otherwise_results_are_those_of_search(judge, query):
    """Without a judge or before it is there, and where the query goes by spelling: hits and scores are untouched."""
    store = FakeStore(*texts(4), "The ferry was painted green.", *texts(20))
    order, read, hits = reranked(store, judge, query, limit=20, offset=3)
    assert not read
    assert hits == store.hits[3:23]
    assert order == list(range(3, 23))


def test_the_judge_is_not_waited_for():
    """Making it takes some ten seconds after the very first start; a search has its results without it."""

    class Preparing(FakeJudge):
        def ready(self, *, wait: bool = True) -> bool:
            assert not wait
            return False

    assert reranked(FakeStore(*texts(4)), Preparing())[1] is False


def test_a_page_deleted_meanwhile_is_left_out():
    store = FakeStore(*texts(3), "The ferry was painted green.", gone=(1,))
    assert reranked(store, FakeJudge("painted"))[0] == [3, 0, 2]
    assert reranked(FakeStore(), FakeJudge("painted"))[:2] == ([], True)


def test_more_windows_are_read_than_for_an_answer():
    """In rounds, each as large as an answer's, since each has its own limit of tokens."""
    rounds = []

    class Counting(FakeJudge):
        def judge(self, question, windows):
            rounds.append(len(windows))
            return [np.zeros(len(window.pieces), np.float32) for window in windows]

    long = ["\n\n".join(f"Craft {n} of {m} got a new colour in the spring of {1900 + n}." for n in range(40))
            for m in range(4)]  # fmt: skip
    reranked(FakeStore(*long), Counting())
    assert rounds == [12, 12]


@pytest.mark.parametrize("grouped", [False, True])
def test_it_is_asked_for_over_http(tmp_path, grouped):
    """From the request to the judge and back; without `rerank`, and where there is none, results are search's."""
    archive = LazyArchive(tmp_path / "data", lazy=False)
    try:
        for number, text in enumerate([*texts(3), "The craft ferry got painted green."]):
            archive.add(text, filename=f"{number}.pdf")
        reader = ExtractiveAnswerer(BagEmbedder(), FakeJudge("number 2"))
        archive.library._reranker = Reranker(archive.store, reader)

        def found(**request):
            asked = {"query": "craft crane May", "group_by_document": grouped, **request}
            response = archive.api.post("/v1/search", json=asked).json()
            hits = response["hits"] or [hit for group in response["groups"] for hit in group["hits"]]
            return response["reranked"], [hit["filename"] for hit in hits]

        plain, first = found()
        assert plain is False
        read, again = found(rerank=True)
        assert read is True
        assert again == sorted(first, key="2.pdf".__ne__)
        assert again != first
        archive.library._reranker = None
        assert found(rerank=True) == (False, first)
    finally:
        archive.close()


def test_retrievers_ask_for_it(tmp_path):
    """Unless they are told not to."""
    asked = []

    def answer(request):
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={"hits": []})

    transport = httpx.MockTransport(answer)
    assert Source(transport=transport).find("crane") == []
    assert Source(transport=transport, rerank=False).find("crane") == []
    assert [one["rerank"] for one in asked] == [True, False]


def test_a_language_model_is_shown_the_pages_in_that_order(tmp_path):
    """It sees the selected pages only. The extractive answerer reads all pages itself, and has search's order."""
    archive = LazyArchive(tmp_path / "data", lazy=False)
    try:
        for number, text in enumerate(texts(4)):
            archive.add(text, filename=f"{number}.pdf")

        def considered(answerer, **given):
            answered = Asking(archive.store, answerer, **given).ask(TENANT, "Which crane was sold in May?", EVERYTHING)
            return [archive.store.get([one.key])[0].labels.filename for one in answered.considered]

        seen = []
        plain = considered(answerer(says(), seen=seen))
        last = plain[-1].removesuffix(".pdf")
        reader = ExtractiveAnswerer(BagEmbedder(), FakeJudge(f"number {last}"))
        reranker = Reranker(archive.store, reader)
        assert considered(answerer(says(), seen=seen), reranker=reranker) == [plain[-1], *plain[:-1]]
        assert considered(reader, reranker=reranker) == plain
        shown = [json.loads(request.content)["messages"][-1]["content"] for request in seen]
        assert [f"number {last}" in one for one in shown] == [False, True]
    finally:
        archive.close()
