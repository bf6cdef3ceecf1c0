"""That a text is a draft is said wherever it is handed on: to assistants, pipelines and chat clients."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from mcp.client import Client as McpClient

from api.cli_client import Client
from api.mcp_tools import build
from api.retrievers.pages import Source
from tests.lazy_kit import DraftReader, LazyArchive, TokenEngine, away

KEEPER = "The lighthouse keeper at Cape Wrath was John Sinclair."
WHO = "Who was the lighthouse keeper at Cape Wrath?"


@pytest.fixture
def archive(tmp_path):
    """One page in draft, which nobody can decode at the moment."""
    archive = LazyArchive(tmp_path / "data", engine=TokenEngine(helper=DraftReader()))
    archive.document = archive.add(KEEPER)
    archive.engine.broken[KEEPER] = away()
    yield archive
    archive.close()


def called(archive, *calls):
    """What tools of the MCP server give, one after the other."""

    @asynccontextmanager
    async def connect(_headers):
        transport = httpx.ASGITransport(archive.api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield Client(http, in_process=True)

    async def main():
        async with McpClient(build(connect)) as client:
            return [(await client.call_tool(*call)).structured_content for call in calls]

    return asyncio.run(main())


def test_to_assistants(archive):
    """A hit, a page and a quote; once the page is decoded it is none any more."""
    place = {"document_id": archive.document, "page": 1}
    calls = ("search", {"query": "lighthouse"}), ("get_page", place), ("ask", {"question": WHO})
    found, page, answer = called(archive, *calls)
    assert [(hit["draft"], hit["page"]) for hit in found["hits"]] == [(True, 1)]
    assert found["undecoded_pages"] == 0
    assert (page["decoded"], page["draft"]) == (False, True)
    assert [one["draft"] for one in answer["citations"]] == [True]
    archive.engine.broken.clear()
    answer, page = called(archive, calls[2], calls[1])
    assert [one["draft"] for one in answer["citations"]] == [False]
    assert (page["decoded"], page["draft"], page["text"]) == (True, False, KEEPER)


def test_to_pipelines(archive):
    """In the metadata of what a retriever brings."""

    async def found():
        return await Source(transport=httpx.ASGITransport(archive.api.app), url="http://localhost").find_async("keeper")

    (page,) = asyncio.run(found())
    assert (page.metadata["draft"], page.text) == (True, KEEPER.replace("ee", "ec"))


def test_to_chat_clients(archive):
    """In the footnote; an answer from a decoded page has none of it."""
    request = {"model": "folioscope", "messages": [{"role": "user", "content": WHO}]}
    said = [archive.api.post("/v1/chat/completions", json=request).json()["choices"][0]["message"]["content"]]
    archive.engine.broken.clear()
    said.append(archive.api.post("/v1/chat/completions", json=request).json()["choices"][0]["message"]["content"])
    assert ["” (a draft: the page could not be read properly)" in one for one in said] == [True, False]
