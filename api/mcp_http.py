"""MCP at `/mcp` of the HTTP API: streamable HTTP, without sessions.

It promises: a call works for nobody who has gone away, and one that takes long says so, so that neither a proxy nor its
client takes it for dead. Short calls are answered with JSON. The tools are `api.mcp_tools`'.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from fastapi import FastAPI
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from api.access import COUNTED
from api.answering import HEARTBEAT, STREAM_HEADERS
from api.cli_client import Client
from api.mcp_tools import WORKING, build

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/mcp"


def mount(app: FastAPI, *, heartbeat_s: float) -> AbstractAsyncContextManager[None]:
    """Answer MCP at `/mcp` of `app`; enter what is returned while the app runs.

    Host and Origin are the app's own guard's business, which stands before everything.
    """

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[COUNTED] = True  # the call at `/mcp` was counted; what it calls is the same one
        await app(scope, receive, send)

    transport = httpx.ASGITransport(inside)

    @asynccontextmanager
    async def connect(headers: Mapping[str, str]) -> AsyncIterator[Client]:
        # The guard lets in what names this machine; a caller that came so far has passed it.
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
            yield Client(http, in_process=True)

    server = build(connect)
    answering = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,  # what takes long is made a stream below: the package would stream everything or nothing
        stateless_http=True,  # no session to lose: any of several API processes can answer
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    # No `GET`, which asks for a stream of what the server has to say by itself (without sessions nothing: the package
    # would keep it open for ever, and the service would wait for its end), and no `DELETE` of a session: the protocol
    # wants 405 for both.
    app.router.routes.extend(
        Route(route.path, _WhileWanted(route.app, heartbeat_s), methods=["POST"]) for route in answering.routes
    )
    return server.session_manager.run()


class _WhileWanted:
    """Ends a call whose client has gone away, and with it what the tool does; the package would work on for nobody."""

    def __init__(self, app: ASGIApp, heartbeat_s: float) -> None:
        self._app = app
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Read here, where what is wrong with it is raised as it is: the package makes errors of its own of some.
        body = await Request(scope, receive).body()
        coming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        gone = anyio.Event()
        answered = ended = False
        failure: Exception | None = None

        async def receive_again() -> Message:
            if coming:
                return coming.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send_noting(message: Message) -> None:
            nonlocal answered
            answered |= message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                continue  # the body has been read: what comes now is the end
            gone.set()
            # The end of an answer looks the same, and a notification's is sent before anything is done for it.
            if not answered:
                calling.cancel_scope.cancel()

        async with anyio.create_task_group() as calling:
            calling.start_soon(watch)
            replying = send_noting
            if "text/event-stream" in Headers(scope=scope).get("accept", "").lower():
                reply = _Reply(send_noting, _progress_token(body))
                calling.start_soon(reply.beat, self._heartbeat_s)
                replying = reply.send
            try:
                await self._app(scope, receive_again, replying)
                ended = True
            except Exception as error:
                failure = error  # raised as it is below: the group would wrap it
            calling.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if not ended:
            raise ClientDisconnect


class _Reply:
    """A reply that is sent as it is; or, where it takes long, as the last event of a stream, after signs of life.

    Those are progress notifications where the call asks for them (a client may wait longer for what goes on), and
    otherwise comments, which keep proxies from closing the stream.
    """

    def __init__(self, send: Send, token: str | int | None) -> None:
        self._send = send
        self._token = token
        self._sending = anyio.Lock()
        self._begun = self._streaming = False
        self._body = b""

    async def beat(self, heartbeat_s: float) -> None:
        """Until the reply comes."""
        began = anyio.current_time()
        while True:
            await anyio.sleep(heartbeat_s)
            async with self._sending:
                if self._begun:
                    return
                if not self._streaming:
                    self._streaming = True
                    headers = {"Content-Type": "text/event-stream", **STREAM_HEADERS}
                    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
                    await self._send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": raw})
                await self._send_piece(self._sign_of_life(anyio.current_time() - began))

    async def send(self, message: Message) -> None:
        """Of the app."""
        async with self._sending:
            self._begun = True
            if not self._streaming:
                await self._send(message)
            elif message["type"] == "http.response.body":
                self._body += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._send_piece(_event(self._body), more=False)

    async def _send_piece(self, piece: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    def _sign_of_life(self, waited_s: float) -> bytes:
        if self._token is None:
            return HEARTBEAT
        params = {"progressToken": self._token, "progress": round(waited_s, 3), "message": WORKING}
        return _event(
            json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}).encode("ascii")
        )


def _event(message: bytes) -> bytes:
    return b"event: message\n" + b"".join(b"data: " + line + b"\n" for line in message.splitlines()) + b"\n"


def _progress_token(body: bytes) -> str | int | None:
    """By which the call wants to hear how it goes on; None where it does not, or is none."""
    try:
        token: Any = json.loads(body)["params"]["_meta"]["progressToken"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    return token if isinstance(token, str) or type(token) is int else None
