"""Nobody gets past here unknown: every request has a `Caller` or is one of the few that anybody may make.

Fails closed: a route is open to all only if its path is in `PUBLIC`, and a route that names no scope of its own still
needs a key. Which scope a route needs stands at the route (`api.tenants`).

A session cookie counts for looking at documents and for nothing else: GET and HEAD below `/v1/documents/`, where the
page's pictures, downloads and event streams cannot carry a header. So no page of somebody else can make a browser
change anything with it. A bearer key goes before a cookie.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from api import problems
from api.keyring import FRESH_S
from api.problems import KeyNotValid
from index.errors import FolioscopeError, Unavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.keyring import Caller, KeyRing
    from api.limits import Limits

access_log = logging.getLogger("folioscope.access")

PUBLIC = frozenset({"/", "/docs", "/docs.css", "/openapi.json", "/livez", "/readyz"})
PUBLIC_FOLDER = "/web/"
COUNTED = "folioscope.counted"
"""In the state of a request that we make ourselves, for one that was counted: it is not counted again. Nothing that
comes over the network can set it.
"""
COOKIE = "folioscope_session"
COOKIE_PATH = "/v1/documents/"

_THREADS = 8  # each looks at a small file at most


class Access:
    """Puts the caller into the request's state, holds the key's request rate, and answers 401 and 429."""

    def __init__(self, app: ASGIApp, *, ring: KeyRing, limits: Limits, retry_after_s: int) -> None:
        self.app = app
        self._ring = ring
        self._limits = limits
        self._retry_after_s = retry_after_s
        self._threads = CapacityLimiter(_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_public(scope["method"], scope["path"]):
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            caller = await self._identify(scope)
            if COUNTED in state:
                pass
            elif self._limits.shared:
                await to_thread.run_sync(self._limits.request, caller.key, limiter=self._threads)
            else:
                self._limits.request(caller.key)
        except FolioscopeError as error:
            response = problems.of_error(error, retry_after_s=self._retry_after_s, request_id=state["request_id"])
            await response(scope, receive, send)
            return
        state["caller"] = caller
        checked_at = time.monotonic()

        async def still_valid() -> None:
            """Event streams, downloads and uploads last; a key that is revoked meanwhile ends them."""
            nonlocal checked_at
            if caller.key is None or time.monotonic() - checked_at <= FRESH_S:
                return
            try:
                await self._identify(scope)
            except KeyNotValid as error:
                access_log.info("%s %s was broken off: %s", scope["method"], scope["path"], error.message)
                # Not ended: only a broken connection tells whoever is at its other end that this is not all.
                raise ClientDisconnect from None
            except Unavailable:
                pass  # the disk's trouble of a moment; the next piece asks again
            checked_at = time.monotonic()

        async def receive_while_valid() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                await still_valid()
            return message

        async def send_while_valid(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A browser's own store must not show one key's pictures to the next.
                MutableHeaders(scope=message).add_vary_header("Authorization, Cookie")
            await still_valid()
            await send(message)

        await self.app(scope, receive_while_valid, send_while_valid)

    async def _identify(self, scope: Scope) -> Caller:
        headers = Headers(scope=scope)
        token = bearer_of(headers)
        if token is None and scope["method"] in {"GET", "HEAD"} and scope["path"].startswith(COOKIE_PATH):
            cookie = _cookie_of(headers)
            if cookie is not None and not self._ring.open:
                return await to_thread.run_sync(self._ring.caller_of_session, cookie, limiter=self._threads)
        look = partial(self._ring.caller, token)
        return look() if self._ring.open else await to_thread.run_sync(look, limiter=self._threads)


def is_public(method: str, path: str) -> bool:
    """OPTIONS says what a route can do, and nothing of what is behind it."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDER) or method == "OPTIONS"


def bearer_of(headers: Headers) -> str | None:
    """The key that a request carries. Other schemes are a proxy's business in front of us."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookie_of(headers: Headers) -> str | None:
    """The session among the cookies that others on this host have set. Taken as it was given: Python's parser gives all
    up at one that is written as it does not know them, and takes seconds for one that is full of backslashes.
    """
    for given in "; ".join(headers.getlist("cookie")).split(";"):
        name, _, value = given.partition("=")
        if name.strip() == COOKIE:
            return value.strip()
    return None
