"""Retrievers for other people's pipelines, each used through its own library, against a served app."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from uuid import UUID

import httpx
import pytest
from haystack import Pipeline
from haystack.utils import Secret
from langchain_core.runnables import RunnableLambda

from api.app import create_app
from api.retrievers import haystack, langchain, llamaindex
from api.retrievers.pages import RetrievalError, Source
from tests.api_kit import FakeService, serving

TEXT = b"The bridge fund stands at 412 pounds.\fThe ferry was sold in 1931. Nobody wept."


@pytest.fixture(scope="module")
def url():
    with serving(create_app(FakeService())) as url:
        httpx.post(f"{url}/v1/documents", files={"file": ("minutes.pdf", TEXT)}, timeout=60)
        yield url


def test_langchain(url):
    """In a chain, at once and asynchronously: pages as documents that say where they stand."""
    chain = langchain.FolioscopeRetriever(url=url, limit=3) | RunnableLambda(lambda pages: pages)
    (page,) = chain.invoke("ferry")
    assert page.page_content == "The ferry was sold in 1931. Nobody wept."
    assert (page.metadata["source"], page.metadata["page"]) == ("minutes.pdf", 2)
    assert asyncio.run(chain.ainvoke("ferry")) == [page]


def test_llamaindex(url):
    """Nodes with scores, at once and asynchronously."""
    retriever = llamaindex.FolioscopeRetriever(url=url)
    (node,) = retriever.retrieve("bridge")
    assert node.node.get_content() == "The bridge fund stands at 412 pounds."
    assert node.score is not None
    assert node.node.metadata["page"] == 1
    assert [n.node.node_id for n in asyncio.run(retriever.aretrieve("bridge"))] == [node.node.node_id]


def test_haystack(url, monkeypatch):
    """In a pipeline that was saved and loaded; the key is not in what is saved."""
    monkeypatch.setenv("FOLIOSCOPE_TEST_KEY", "fsk_secret")
    pipeline = Pipeline()
    retriever = haystack.FolioscopeRetriever(url=url, api_key=Secret.from_env_var("FOLIOSCOPE_TEST_KEY"), limit=1)
    pipeline.add_component("pages", retriever)
    saved = pipeline.dumps()
    assert "fsk_secret" not in saved
    loaded = Pipeline.loads(saved, allowed_modules=["api.retrievers.haystack"])
    (page,) = loaded.run({"pages": {"query": "ferry"}})["pages"]["documents"]
    assert page.content.startswith("The ferry")
    assert page.meta["filename"] == "minutes.pdf"


def test_snippets_only(url):
    """Only the places that matched, where whole pages are too much."""
    (page,) = Source(url, content="snippets").find("ferry")
    assert "ferry" in page.text


def test_key_limit_and_filter_are_sent():
    """What the source is told goes with the request."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(200, json={"hits": []})

    source = Source("http://x/", "fsk_k", 7, where={"folder": "a"}, transport=httpx.MockTransport(answer))
    assert source.find("q") == []
    assert seen[0].headers["authorization"] == "Bearer fsk_k"
    assert b'"limit":7' in seen[0].content
    assert b'"folder":"a"' in seen[0].content
    assert "fsk_k" not in repr(source)


def listening(seen):
    """A transport under which nothing is found, and which keeps what was asked."""

    def answer(request):
        seen.append(json.loads(request.content))
        return httpx.Response(200, json={"hits": []})

    return httpx.MockTransport(answer)


OPTIONS = {"limit": 3, "where": {"folder": "a"}, "rerank": False, "timeout_s": 5.0}


def test_every_option_is_there_in_every_library():
    """And what is given with a call goes before it, for the call only."""
    seen = []
    chain = langchain.FolioscopeRetriever(**OPTIONS, transport=listening(seen))
    chain.invoke("q", limit=2, where={})
    chain.invoke("q")
    asyncio.run(chain.ainvoke("q", where={"folder": "b"}))
    pipe = haystack.FolioscopeRetriever(**OPTIONS)
    pipe = haystack.FolioscopeRetriever.from_dict(pipe.to_dict())
    pipe.transport = listening(seen)
    pipe.run(query="q", limit=2, where={})
    pipe.run(query="q")
    llamaindex.FolioscopeRetriever(**OPTIONS, transport=listening(seen)).retrieve("q")
    told = [(one["limit"], one["filter"].get("folder"), one["rerank"]) for one in seen]
    assert told == [(2, None, False), (3, "a", False), (3, "b", False), (2, None, False), *[(3, "a", False)] * 2]
    assert pipe.timeout_s == 5.0


def test_options_that_there_are_not_are_refused():
    """A filter under another name would filter nothing, and nobody would see it."""
    for retriever in (langchain, llamaindex, haystack):
        with pytest.raises((TypeError, ValueError), match="filter"):
            retriever.FolioscopeRetriever(filter={"folder": "a"})
    with pytest.raises(TypeError, match="filter"):
        langchain.FolioscopeRetriever(transport=listening([])).invoke("q", filter={"folder": "a"})


@pytest.mark.parametrize("find", [Source.find, lambda source, query: asyncio.run(source.find_async(query))])
def test_a_filter_of_what_python_has(url, find):
    """Days, moments, ids and sets are sent as JSON has them; what no filter can be is refused by its name."""
    day, moment = date(2026, 3, 1), datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    seen, one = [], UUID("0b8f7e56-0000-4000-8000-000000000001")
    where = {"created_from": day, "created_to": moment, "document_ids": {one}, "media_types": ("pdf",)}
    assert find(Source(where=where, transport=listening(seen)), "q") == []
    assert seen[0]["filter"] == {
        "created_from": "2026-03-01",
        "created_to": "2026-03-01T09:30:00+00:00",
        "document_ids": [str(one)],
        "media_types": ["pdf"],
    }
    assert find(Source(url, where={"created_from": date(2001, 1, 1)}), "ferry")
    with pytest.raises(TypeError, match="`where` holds a complex"):
        find(Source(url, where={"folder": 1j}), "ferry")
    with pytest.raises(RetrievalError):
        find(Source(url, where={"folder": "a\ud800"}), "ferry")


def test_a_content_that_there_is_not_is_refused(url):
    """It was taken for whole pages."""
    for find in (
        lambda: langchain.FolioscopeRetriever(url=url, content="snippet"),
        lambda: llamaindex.FolioscopeRetriever(url=url, content="snippet"),
        lambda: haystack.FolioscopeRetriever(url=url, content="snippet").run("ferry"),
    ):
        with pytest.raises(ValueError, match="snippets"):
            find()


def test_a_limit_of_nothing_is_not_the_limit_of_the_component(url):
    """A program that has room for none is told that none is no limit; it was brought five pages."""
    for find in (
        lambda: langchain.FolioscopeRetriever(url=url).invoke("ferry", limit=0),
        lambda: haystack.FolioscopeRetriever(url=url).run("ferry", limit=0),
    ):
        with pytest.raises(RetrievalError, match="limit"):
            find()


@pytest.mark.parametrize("find", [Source.find, lambda source, query: asyncio.run(source.find_async(query))])
def test_what_a_filter_names_and_is_not_there_is_logged(caplog, find):
    """A list of pages has no place for it, and an empty one would look as if nothing stood on the folder's pages."""
    told = {"hits": [], "unknown_folder": None, "unknown_documents": []}
    source = Source(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=told)))
    assert find(source, "ferry") == []
    assert not [one for one in caplog.records if one.name == "folioscope.retrievers"]
    told |= {"unknown_folder": "councl", "unknown_documents": ["d1", "d2"]}
    assert find(source, "ferry") == []
    folder, documents = (one.getMessage() for one in caplog.records if one.name == "folioscope.retrievers")
    assert "'councl'" in folder
    assert "d1, d2" in documents


def test_troubles_are_told(url):
    """A refused request, a service that is away and one that is somebody else's: an error with a code."""
    codes = {}
    other = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    others = {
        f"other {told}": Source(url, transport=httpx.MockTransport(lambda _, told=told: httpx.Response(200, json=told)))
        for told in ({}, [], None, "hits", {"detail": "hits"})
    }
    for name, source in others.items():
        with pytest.raises(RetrievalError) as caught:
            source.find("ferry")
        assert caught.value.code == "unexpected_answer", name
    for name, source in {
        "refused": Source(url, limit=100_000),
        "away": Source("http://127.0.0.1:9"),
        "other": Source(url, transport=other),
    }.items():
        with pytest.raises(RetrievalError) as caught:
            source.find("ferry")
        codes[name] = caught.value.code
    assert codes == {"refused": "invalid_request", "away": "unreachable", "other": "unexpected_answer"}


def test_the_address_of_the_chat_completions_is_told(url):
    """Theirs ends in /v1, and somebody has one of the two at hand."""
    with pytest.raises(RetrievalError, match="/v1/v1/search") as caught:
        Source(f"{url}/v1").find("ferry")
    assert type(caught.value) is RetrievalError
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("find", [Source.find, lambda source, query: asyncio.run(source.find_async(query))])
def test_a_key_is_never_in_an_error(url, find):
    """One out of a file, with the end of its line, is good; one that no header can carry is refused untold."""
    seen = []

    def answer(request):
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"hits": []})

    assert find(Source(api_key=" fsk_secret\n", transport=httpx.MockTransport(answer)), "ferry") == []
    assert seen == ["Bearer fsk_secret"]
    for key in ("fsk_se\ncret", "fsk_sécret", "fsk_se\0cret"):
        with pytest.raises(RetrievalError) as caught:
            find(Source(url, api_key=key), "ferry")
        assert caught.value.code == "bad_key"
        assert "cret" not in str(caught.value)


def test_addresses_that_are_none_are_told():
    """As what is refused is, and not as an error of some library."""
    for address in ("http://[::1", "http://host:port", "ftp://host", ""):
        with pytest.raises(RetrievalError) as caught:
            Source(address).find("ferry")
        assert caught.value.code == "unreachable"


def test_a_proxy_of_the_environment_is_not_meant_for_this_machine(url, monkeypatch):
    """As on the command line: the key does not go there."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert Source(url).find("ferry")


@pytest.mark.parametrize("find", [Source.find, lambda source, query: asyncio.run(source.find_async(query))])
def test_page_deleted_after_it_was_found(find):
    """A page that is gone when its text is fetched is left out, and the others are brought."""
    hit = {"filename": "a.pdf", "paths": [], "score": 1.0, "media_type": "application/pdf", "trust": 1.0}

    def answer(request):
        if request.url.path == "/v1/search":
            return httpx.Response(200, json={"hits": [hit | {"document_id": d, "page": 1} for d in ("gone", "there")]})
        if "gone" in request.url.path:
            return httpx.Response(404, json={"detail": "There is no document gone.", "code": "not_found"})
        return httpx.Response(200, json={"text": "The ferry."})

    (page,) = find(Source(transport=httpx.MockTransport(answer)), "ferry")
    assert (page.id, page.text) == ("there#1", "The ferry.")


@pytest.mark.parametrize("find", [Source.find, lambda source, query: asyncio.run(source.find_async(query))])
def test_a_batch_of_questions_waits_for_the_limit_of_its_key(find):
    """What comes too fast is sent again when there is room; a limit that lasts longer than anybody waits is told."""
    after, asked = [], []

    def answer(request):
        asked.append(request)
        if after:
            problem = {"detail": "This key may make 60 requests per minute.", "code": "rate_limited"}
            return httpx.Response(429, json=problem, headers={"Retry-After": after.pop(0)})
        return httpx.Response(200, json={"hits": []})

    source = Source(timeout_s=50.0, transport=httpx.MockTransport(answer))
    after += ["0", "0", "1"]
    assert find(source, "ferry") == []
    assert len(asked) == 4
    for lasting in ("60", "9" * 40, "9" * 400):
        after.append(lasting)
        with pytest.raises(RetrievalError) as caught:
            find(source, "ferry")
        assert caught.value.code == "rate_limited"
    assert len(asked) == 7


def test_half_a_surrogate_pair_is_no_trouble(url):
    """What a model wrote may hold one: it is searched for without, and no error of an encoding comes back."""
    source = Source(url)  # over a service that looks for the whole query in its pages
    assert source.find("ferry \ud83d") == asyncio.run(source.find_async("ferry \udc00")) == []
