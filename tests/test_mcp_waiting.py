"""MCP while an answer takes its time: signs of life, and their end."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager

import httpx
import pytest
from mcp.client import Client as McpClient

from api.app import create_app
from api.cli_client import Client
from api.config import ApiConfig
from api.mcp_tools import build
from tests.api_kit import FakeService, serving
from tests.test_api_answers import Slow

BOTH = {"Accept": "application/json, text/event-stream"}  # as every client of the protocol has to
MODERN = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "ask"}
OFTEN = ApiConfig(heartbeat_s=0.02)


class Gated(FakeService):
    """Answers when it is told to."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def converse(self, *given, **options):
        assert self.go.wait(90)
        yield from super().converse(*given, **options)


def asking(**meta):
    """A call of `ask`, as its request's body."""
    params = {"name": "ask", "arguments": {"question": "When was the ferry sold?"}, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


OF_2026 = {
    f"io.modelcontextprotocol/{name}": told
    for name, told in {
        "protocolVersion": "2026-07-28",
        "clientCapabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }.items()
}


def told_in(lines):
    """The messages of a stream, and how many comments it had."""
    lines = list(lines)
    messages = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    return messages, sum(line.startswith(":") for line in lines)


@pytest.mark.parametrize(("headers", "meta"), [(BOTH, {}), (BOTH | MODERN, OF_2026)])
def test_an_answer_that_takes_long_is_a_stream_with_signs_of_life(headers, meta):
    """Comments, which no proxy takes for silence, and then the reply that would have come at once."""
    service = Gated()
    with serving(create_app(service, OFTEN)) as url, httpx.Client(timeout=90) as http:
        with http.stream("POST", f"{url}/mcp", json=asking(**meta), headers=headers) as response:
            assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
            assert response.headers["x-accel-buffering"] == "no"
            lines = response.iter_lines()
            first = [next(lines) for _ in range(4)]
            assert told_in(first) == ([], 2)
            service.go.set()
            messages, _ = told_in(lines)
        at_once = http.post(f"{url}/mcp", json=asking(**meta), headers={**headers, "Accept": "application/json"})
    (reply,) = messages
    assert reply["id"] == 7
    assert "found" in reply["result"]["structuredContent"]
    assert set(reply["result"]) == set(at_once.json()["result"])


@pytest.mark.parametrize("token", ["mine", 0])
def test_progress_is_told_under_the_token_of_the_call(token):
    """It grows with each notification, as the protocol wants it."""
    service = Gated()
    body = asking(progressToken=token)
    with (
        serving(create_app(service, OFTEN)) as url,
        httpx.stream("POST", f"{url}/mcp", json=body, headers=BOTH, timeout=90) as response,
    ):
        lines = response.iter_lines()
        first, _ = told_in(next(lines) for _ in range(9))
        service.go.set()
        rest, comments = told_in(lines)
    *notes, reply = first + rest
    assert len(notes) >= 3
    assert comments == 0
    assert {note["method"] for note in notes} == {"notifications/progress"}
    assert {note["params"]["progressToken"] for note in notes} == {token}
    progress = [note["params"]["progress"] for note in notes]
    assert progress == sorted(set(progress))
    assert reply["id"] == 7


def test_the_official_client_hears_how_it_goes_on():
    """Its callback is called while it waits, and the answer comes as always."""
    service = Gated()
    heard = []

    async def hear(progress, _total, message):
        heard.append((progress, message))
        if len(heard) == 2:
            service.go.set()

    async def main(url):
        async with McpClient(f"{url}/mcp") as client:
            return await client.call_tool("ask", {"question": "When?"}, progress_callback=hear)

    with serving(create_app(service, OFTEN)) as url:
        given = asyncio.run(main(url))
    assert "found" in given.structured_content
    assert len(heard) >= 2
    assert heard[0][1] == "still working"


def test_over_standard_input_progress_is_told_too():
    """There the tools tell it themselves; a call that does not ask for it goes as always."""
    service = Gated()
    transport = httpx.ASGITransport(create_app(service))
    heard = []

    @asynccontextmanager
    async def connect(_headers):
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield Client(http, in_process=True)

    async def hear(progress, _total, message):
        heard.append((progress, message))
        if len(heard) == 2:
            service.go.set()

    async def main():
        async with McpClient(build(connect, heartbeat_s=0.02)) as client:
            asked = {"question": "When?"}
            first = await client.call_tool("ask", asked, progress_callback=hear)
            return first, await client.call_tool("ask", asked)

    first, second = asyncio.run(main())
    assert "found" in first.structured_content
    assert "found" in second.structured_content
    assert len(heard) >= 2
    assert heard[0][1] == "still working"
    assert [progress for progress, _ in heard] == sorted({progress for progress, _ in heard})


def test_what_is_quick_and_who_takes_no_stream_get_json():
    """A stream is for who takes one and has to wait."""
    quick, slow = Gated(), Gated()
    quick.go.set()
    with serving(create_app(quick)) as url:
        given = httpx.post(f"{url}/mcp", json=asking(progressToken=1), headers=BOTH, timeout=90)
        assert given.headers["content-type"] == "application/json"
        assert given.json()["id"] == 7
    for accept in ("application/json", "*/*"):
        slow.go.clear()
        with serving(create_app(slow, OFTEN)) as url:
            threading.Timer(0.2, slow.go.set).start()  # many a heartbeat later
            given = httpx.post(f"{url}/mcp", json=asking(), headers={"Accept": accept}, timeout=90)
        assert given.headers["content-type"] == "application/json"
        assert given.json()["id"] == 7


def test_a_client_that_leaves_the_stream_stops_the_work():
    """As one does that waits for JSON."""
    slow = Slow()
    with serving(create_app(slow, OFTEN)) as url:
        with httpx.stream("POST", f"{url}/mcp", json=asking(), headers=BOTH, timeout=90) as response:
            assert next(response.iter_lines()).startswith(":")
            assert slow.began.wait(90)
        assert slow.stopped.wait(90)
