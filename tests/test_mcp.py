"""Folioscope as an MCP server, spoken to by the official client."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import httpx2
import pytest
from mcp import MCPError
from mcp.client import Client as McpClient
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from api.app import create_app
from api.cli_client import Client
from api.mcp_tools import INSTRUCTIONS, build
from index.keys import Scope
from tests.access_kit import KeyedApi
from tests.api_kit import Api, FakeService, assert_problem, serving, wait_for
from tests.test_api_answers import Slow
from worker.asking.pipeline import Done

TEXT = b"The bridge fund stands at 412 pounds.\fThe ferry was sold in 1931."


def talk(conversation, filename="minutes.pdf", service=None):
    """Run a conversation with the tools over an app whose service is in memory."""

    async def main():
        api = Api(service or FakeService())
        transport = httpx.ASGITransport(api.app)

        @asynccontextmanager
        async def connect(_headers):
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                yield Client(http, in_process=True)

        response = await _upload(transport, filename)
        async with McpClient(build(connect)) as client:
            return await conversation(client, response["id"])

    return asyncio.run(main())


async def _upload(transport, filename: str) -> dict:
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return (await http.post("/v1/documents", files={"file": (filename, TEXT)})).json()


def test_tools_are_described():
    """Four tools that only read, each with a description and described arguments; the rules come along."""

    async def conversation(client, _document_id):
        assert client.instructions == INSTRUCTIONS
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in talk(conversation)}
    assert set(tools) == {"search", "get_page", "get_page_image", "ask"}
    for tool in tools.values():
        assert tool.description
        assert tool.annotations.read_only_hint
        assert "context" not in tool.input_schema["properties"]
        assert tool.input_schema["additionalProperties"] is False


def test_search_page_image_and_answer():
    """What the tools give is what the API gives: hits with snippets, a page's text, its picture, a quoted answer."""

    async def conversation(client, document_id):
        found = (await client.call_tool("search", {"query": "ferry"})).structured_content
        assert found["hits"][0]["document_id"] == document_id
        assert "ferry" in found["hits"][0]["snippets"][0]
        page = (await client.call_tool("get_page", {"document_id": document_id, "page": 2})).structured_content
        assert page["text"] == "The ferry was sold in 1931."
        assert page["pages"] == 2
        assert (page["decoded"], page["draft"]) == (True, False)
        image = (await client.call_tool("get_page_image", {"document_id": document_id, "page": 1})).content[0]
        assert (image.type, image.mime_type) == ("image", "image/webp")
        assert base64.b64decode(image.data)
        answer = (await client.call_tool("ask", {"question": "When was the ferry sold?"})).structured_content
        told = {"found", "text", "citations", "incomplete", "missing", "undecoded_pages", "note", "unknown_folder"}
        assert set(answer) == told | {"weak_support"}
        assert (answer["undecoded_pages"], answer["note"], answer["weak_support"]) == (0, None, False)

    talk(conversation)


def test_a_service_that_is_older_than_the_tools_is_asked(monkeypatch):
    """`folioscope mcp` may stand before a service that is not updated yet: what that does not tell breaks no call."""
    ask = Client.ask

    async def older(self, request):
        return {name: told for name, told in (await ask(self, request)).items() if name != "weak_support"}

    monkeypatch.setattr(Client, "ask", older)

    async def conversation(client, _document_id):
        called = await client.call_tool("ask", {"question": "When was the ferry sold?"})
        assert not called.is_error
        assert called.structured_content["weak_support"] is False

    talk(conversation)


def test_what_to_know_of_an_answer_is_told():
    """Pages that were not looked at, which make it incomplete, and that a decoder worded it."""

    class Decoder(FakeService):
        def converse(self, *args, **options):
            for event in super().converse(*args, **options):
                if isinstance(event, Done):
                    silent = replace(event.answer, found=False, citations=(), extra={"note": "Rely on the citation."})
                    event = replace(event, answer=silent, undecoded=7)
                yield event

    async def conversation(client, _document_id):
        answer = (await client.call_tool("ask", {"question": "When was the ferry sold?"})).structured_content
        assert (answer["incomplete"], answer["missing"], answer["undecoded_pages"]) == (True, [], 7)
        assert answer["note"] == "Rely on the citation."

    talk(conversation, service=Decoder())


def test_a_folder_that_is_not_there_is_told():
    """Assistants guess names of folders: nothing was found in none, which is not that nothing stands on its pages."""
    calls = {"search": {"query": "ferry"}, "ask": {"question": "When was the ferry sold?"}}

    async def conversation(client, _document_id):
        for tool, arguments in calls.items():
            guessed = await client.call_tool(tool, arguments | {"folder": "Councl/"})
            assert guessed.structured_content["unknown_folder"] == "Councl", tool
            known = await client.call_tool(tool, arguments)
            assert known.structured_content["unknown_folder"] is None, tool

    service = FakeService()
    service.heeds_folders = True
    talk(conversation, service=service)


def test_names_of_files_make_no_links():
    """Whichever tool tells them: what an assistant repeats is shown by programs that load pictures."""

    async def conversation(client, document_id):
        calls = {
            "search": {"query": "ferry"},
            "get_page": {"document_id": document_id, "page": 2},
            "ask": {"question": "When was the ferry sold?"},
        }
        for tool, arguments in calls.items():
            told = json.dumps((await client.call_tool(tool, arguments)).structured_content)
            assert "minutes" in told, tool
            assert "![" not in told, tool
            assert "](" not in told, tool

    talk(conversation, filename="![minutes](evil.test).pdf")


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("get_page", {"document_id": "no-such-id", "page": 1}, "not_found"),
        ("get_page", {"document_id": "../../livez", "page": 1}, "not_found"),
        ("search", {"query": "   "}, "invalid_request"),
        ("ask", {"question": ""}, ""),
    ],
)
def test_problems_are_told(tool, arguments, says):
    """A problem of the API is an error of the tool, with its code; the conversation goes on."""

    async def conversation(client, _document_id):
        failed = await client.call_tool(tool, arguments)
        assert failed.is_error
        assert says in failed.content[0].text
        assert not (await client.call_tool("search", {"query": "ferry"})).is_error

    talk(conversation)


def test_over_http():
    """The same at `/mcp` of a served app, with the official client's own transport."""
    with serving(create_app(FakeService())) as url:

        async def main():
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                await http.post("/v1/documents", files={"file": ("minutes.pdf", TEXT)})
            async with McpClient(f"{url}/mcp") as client:
                found = (await client.call_tool("search", {"query": "bridge"})).structured_content
                assert found["hits"][0]["filename"] == "minutes.pdf"

        asyncio.run(main())


@pytest.mark.slow
def test_over_standard_input(tmp_path):
    """`folioscope mcp` speaks the protocol on its standard streams and nothing else; an empty archive finds nothing."""
    (tmp_path / "documents").mkdir()
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "api.cli", "mcp", "--data", str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    async def main():
        async with McpClient(stdio_client(server)) as client:
            given = await client.call_tool("search", {"query": "bridge"})
            assert not given.is_error, given
            return given.structured_content

    assert asyncio.run(main()) == {"hits": [], "undecoded_pages": 0, "unknown_folder": None}


def test_guarded_like_everything_else():
    """A page of another origin and a rebound host name get no further than with any other route."""
    with serving(create_app(FakeService())) as url:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"Accept": "application/json, text/event-stream"}
        foreign = httpx.post(f"{url}/mcp", json=call, headers=accept | {"Origin": "https://evil.test"}, timeout=60)
        assert foreign.status_code == 403
        rebound = httpx.post(f"{url}/mcp", json=call, headers=accept | {"Host": "evil.test"}, timeout=60)
        assert rebound.status_code == 421


def test_no_stream_that_nothing_comes_from():
    """Without sessions the server has nothing to say by itself: a client that asks for that stream is not kept waiting,
    and neither is the end of the service.
    """
    with serving(create_app(FakeService())) as url:
        for accept in ("text/event-stream", "application/json, text/event-stream", "*/*"):
            refused = httpx.get(f"{url}/mcp", headers={"Accept": accept}, timeout=60)
            assert_problem(refused, 405, "method_not_allowed")
            assert refused.headers["allow"] == "POST"
        for method in ("HEAD", "DELETE", "PUT", "OPTIONS"):  # `DELETE` would end a session, which there is not
            refused = httpx.request(method, f"{url}/mcp", timeout=60)
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST"), method


def test_no_subscription_to_what_never_changes():
    """The tools are the same for ever: nobody is told to listen for changes, and who wants to is refused at once."""

    async def conversation(client, _document_id):
        assert not client.server_capabilities.tools.list_changed
        with pytest.raises(MCPError, match="Method not found"):
            async with client.listen(tools_list_changed=True):
                pass

    talk(conversation)


def test_a_client_that_goes_away_stops_the_work():
    """As with `POST /v1/answers`: nobody is worked for who does not wait any more."""
    slow = Slow()
    ask = {"name": "ask", "arguments": {"question": "When was the ferry sold?"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ask}).encode()
    with serving(create_app(slow)) as url:
        with _line(url) as line:
            line.sendall(_head(url, {"Content-Type": "application/json", "Accept": "*/*"}, len(body)) + body)
            assert slow.began.wait(90)
        assert slow.stopped.wait(90)


MODERN = {"MCP-Protocol-Version": "2099-01-01"}  # of no handshake: the package has another way for those


@pytest.mark.parametrize("version", [{}, MODERN])
def test_bodies_that_are_not_taken_are_told_as_everywhere(version):
    """Too large without having said so, or never whole: 413 and 408, not an error of ours."""

    async def endless():
        while True:
            yield b" " * 65_536

    async def stalled():
        yield b"{"
        await asyncio.Event().wait()

    headers = {"Content-Type": "application/json", "Accept": "*/*"} | version
    assert_problem(Api().post("/mcp", content=endless(), headers=headers), 413, "too_large")
    impatient = Api(body_timeout_s=0.1)
    assert_problem(impatient.post("/mcp", content=stalled(), headers=headers), 408, "upload_stalled")


@pytest.mark.parametrize("version", [{}, MODERN])
def test_a_body_that_breaks_off_is_no_error_of_ours(version, caplog):
    """Its client has gone away."""
    caplog.set_level(logging.INFO)
    with serving(create_app(FakeService())) as url:
        with _line(url) as line:
            line.sendall(_head(url, {"Content-Type": "application/json", "Accept": "*/*"} | version, 100) + b"{")
        wait_for(lambda: "POST /mcp" in caplog.text)
    assert _logged(caplog) == [499]
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_is_done_after_an_answer_is_not_broken_off(caplog):
    """A notification is answered before anything is done for it, and the end of an answer looks like a client's."""
    caplog.set_level(logging.INFO, "folioscope.access")
    done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    with serving(create_app(FakeService())) as url, httpx.Client(headers={"Accept": "*/*"}, timeout=60) as http:
        for _ in range(5):
            assert http.post(f"{url}/mcp", json=done).status_code == 202
        wait_for(lambda: len(_logged(caplog)) == 5)
    assert _logged(caplog) == [202] * 5


def _logged(caplog):
    return [record.status for record in caplog.records if record.name == "folioscope.access"]


def _line(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 60)


def _head(url, headers, length):
    fields = {"Host": url.removeprefix("http://")} | headers | {"Content-Length": str(length)}
    return (
        "POST /mcp HTTP/1.1\r\n" + "".join(f"{name}: {field}\r\n" for name, field in fields.items())
    ).encode() + b"\r\n"


def test_logging_is_left_alone():
    """Making the server changes nothing of the process's logging."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        build(None)
        assert root.handlers == []
    finally:
        root.handlers = before


def test_keys_and_tenants_over_http(tmp_path):
    """Without a key nothing answers; with one, tools see the key's tenant and no other, whatever they are asked for."""
    api = KeyedApi(tmp_path)
    ours, theirs = api.key("ours"), api.key("theirs")
    secret = api.fill(theirs)
    writer = api.key("theirs", scopes=frozenset({Scope.WRITE}))
    calls = [
        ("search", {"query": "zanzibar"}),
        ("ask", {"question": '"zanzibar fund"'}),
        ("get_page", {"document_id": secret.document_id, "page": 1}),
        ("get_page_image", {"document_id": secret.document_id, "page": 1}),
    ]

    async def told(url, headers):
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            McpClient(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            given = [await client.call_tool(name, arguments) for name, arguments in calls]
        return [(one.is_error, repr(one.structured_content or one.content)) for one in given]

    with serving(api.app) as url:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"Accept": "application/json, text/event-stream"}
        for headers in ({}, {"Authorization": "Bearer fsk_nonsense"}):
            assert httpx.post(f"{url}/mcp", json=call, headers=accept | headers, timeout=60).status_code == 401
        seen = asyncio.run(told(url, theirs))
        assert [failed for failed, _ in seen] == [False] * 4
        assert "412 pounds" in seen[0][1]
        strange = asyncio.run(told(url, ours))
        assert [failed for failed, _ in strange] == [False, False, True, True]
        assert not [said for _, said in strange if "412" in said or "zanzibar.pdf" in said]
        scoped = asyncio.run(told(url, writer))
        assert all(failed and "scope_missing" in said for failed, said in scoped)
    api.archive.close()


def test_arguments_that_there_are_not_are_refused():
    """A filter that the tool does not have would filter nothing, and nobody would see it; what is wrong with those
    that it has is told as the API tells it, without the value.
    """

    async def conversation(client, document_id):
        wrong = [
            (
                "search",
                {"query": "ferry", "document_ids": ["x"]},
                "no argument 'document_ids' here; there are folder, ",
            ),
            ("ask", {"question": "ferry", "filter": {"folder": "x"}}, "no argument 'filter' here; there are folder, "),
            ("get_page", {"document_id": document_id, "page": 1, "width": 5}, "no argument 'width' here"),
            ("search", {"query": "ferry", "limit": 4711}, "`limit` should be less than or equal to 50."),
            ("search", {}, "`query` is missing."),
        ]
        for tool, arguments, says in wrong:
            failed = await client.call_tool(tool, arguments)
            (told,) = failed.content
            assert failed.is_error
            assert "invalid_request: " in told.text
            assert says in told.text
            assert "4711" not in told.text

    talk(conversation)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("search", {}), ("search", {"query": "x", "limit": 0}), ("search", {"query": "x", "limit": "many"}),
     ("search", {"query": "x" * 5000}), ("ask", {"question": "x" * 5000}), ("ask", {"question": None}),
     ("get_page", {"document_id": "x", "page": 0}), ("get_page", {"document_id": "x", "page": 10**30}),
     ("get_page_image", {"document_id": "x", "page": 1, "width": 100_000}), ("no_such_tool", {})],
)  # fmt: skip
def test_bad_arguments_are_errors_of_the_call(tool, arguments):
    """Arguments that make no sense, and tools that there are not, fail that call; the next one works."""

    async def conversation(client, _document_id):
        try:
            assert (await client.call_tool(tool, arguments)).is_error
        except MCPError:
            assert tool == "no_such_tool"
        assert not (await client.call_tool("search", {"query": "ferry"})).is_error

    talk(conversation)
