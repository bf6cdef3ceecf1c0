"""`HEAD` wherever there is `GET`: the same headers, and no body.

RFC 9110 (section 9.1) asks it of every server, and download managers and probes rely on it. The OpenAPI document leaves
it out, since it adds nothing to what `GET` says there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOUND = ("route", "endpoint", "path_params")
"""What the router leaves in its scope for who logs and counts."""


class HeadAsGet:
    """Has a route answer `HEAD` as it answers `GET`, up to where the body begins: a file is not read, and a stream of
    events, which would go on for as long as its document is read, is ended. `methods` says what an address takes by
    itself.
    """

    def __init__(self, app: ASGIApp, *, methods: Callable[[str], list[str]]) -> None:
        self.app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or not self._as_get(scope["path"]):
            await self.app(scope, receive, send)
            return
        inner, ended = {**scope, "method": "GET"}, False

        async def send_headers(message: Message) -> None:
            nonlocal ended
            if message["type"] != "http.response.body":
                await send(message)
            elif ended:
                raise _EndedError
            else:
                ended = True
                await send({"type": "http.response.body"})

        try:
            await self.app(inner, receive, send_headers)
        except (_EndedError, ClientDisconnect):
            if not ended:
                raise
        finally:
            scope.update({name: inner[name] for name in _FOUND if name in inner})

    def _as_get(self, path: str) -> bool:
        known = self._methods(path)
        return "GET" in known and "HEAD" not in known


class _EndedError(OSError):
    """What a stream is told when nobody listens any more, which it knows as an error of the socket."""
