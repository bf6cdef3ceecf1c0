"""What happens to every request, before any route and whatever the outcome.

`RequestContext` (outermost) gives the request its id, adds the security headers, counts and logs. `Traced` does the
rest as a step of the request's trace, and turns errors that nobody foresaw, and the service's end, into a problem,
which passes `api.cors` as every answer does. `Guard` refuses requests that a browser was tricked into: those addressed
to a foreign host name (DNS rebinding) and changes asked for by pages of another origin; and it bounds JSON bodies, in
bytes and in time.

All are plain ASGI, so that streamed bodies pass through them piece by piece.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api import problems
from api.config import LOOPBACK_HOSTS, ApiConfig
from index.errors import FolioscopeError, TooLarge, Unavailable
from worker import tracing
from worker.logs import request_id_var

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.metrics import Metrics

log = logging.getLogger("folioscope.api")
access_log = logging.getLogger("folioscope.access")

UPLOAD_PATH = "/v1/documents"
RESUMABLE_PATH = "/v1/uploads"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    # What documents say is private; routes that may be cached say so themselves.
    "Cache-Control": "no-store",
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PORT_DIGITS = 5
_CLIENT_CLOSED = 499  # nginx's number for a client that went away; it is logged and counted, never sent


class RequestContext:
    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        token = request_id_var.set(request_id)
        started_at = time.perf_counter()
        status = 0
        streamed_events = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, streamed_events
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = request_id
                streamed_events = headers.get("content-type", "").startswith("text/event-stream")
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = _CLIENT_CLOSED
        finally:
            seconds = time.perf_counter() - started_at
            route = getattr(scope.get("route"), "path", None) or _without_route(scope["path"])
            self._metrics.request(scope["method"], route, status, None if streamed_events else seconds)
            code = scope["state"].get("problem_code")
            if code is not None:
                self._metrics.error(code)
            # Looking at things is what pollers and probes do all day; only what changed or failed is worth a line.
            quiet = scope["method"] in SAFE_METHODS and status < HTTPStatus.BAD_REQUEST
            access_log.log(
                logging.DEBUG if quiet else logging.INFO,
                "%s %s %d %.1f ms",
                scope["method"],
                scope["path"],
                status,
                seconds * 1000,
                extra={"route": route, "status": status, "duration_ms": round(seconds * 1000, 1), **_subject(scope)},
            )
            request_id_var.reset(token)


def _subject(scope: Scope) -> dict[str, object]:
    """Who asked for what, for log lines: ids only. No path parameter is trusted that no route took."""
    about: dict[str, object] = {}
    caller = scope["state"].get("caller")
    if caller is not None:
        about["tenant"] = caller.tenant
        if caller.key is not None:
            about["key_id"] = caller.key.key_id
    if "problem_code" in scope["state"]:
        about["code"] = scope["state"]["problem_code"]
    given = scope.get("path_params") or {}
    return about | {name: str(given[name])[:100] for name in ("document_id", "page") if name in given}


def _without_route(path: str) -> str:
    """A label for what no route answered: the web page's files, or nothing."""
    return "/web" if path.startswith("/web/") else "(none)"


def _is_upload(method: str, path: str) -> bool:
    """Bodies that are files have a limit of their own."""
    return (method == "POST" and path in {UPLOAD_PATH, RESUMABLE_PATH}) or (
        method == "PATCH" and path.startswith(f"{RESUMABLE_PATH}/")
    )


class Traced:
    """Errors that are nobody's but ours stand in the trace and in the log, and are told with the request's id."""

    def __init__(self, app: ASGIApp, *, retry_after_s: int) -> None:
        self.app = app
        self._retry_after_s = retry_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, begun = scope["state"]["request_id"], False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            with (
                tracing.extracted(Headers(scope=scope).get("traceparent")),
                tracing.span(f"{scope['method']} request", request_id=request_id),
            ):
                await self.app(scope, receive, send_noting)
        except ClientDisconnect:
            raise
        except asyncio.CancelledError:
            if not scope["app"].state.context.stopping:
                raise
            # It takes longer than a stop waits. Who has nothing of an answer yet is told to ask again.
            if begun:
                raise ClientDisconnect from None
            error = Unavailable("The service is stopping; send this again in a moment.")
            await problems.of_error(error, retry_after_s=self._retry_after_s, request_id=request_id)(
                scope, receive, send
            )
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if begun:
                # Half an answer is out: only an aborted connection tells the client that it is half.
                raise
            await problems.internal(request_id)(scope, receive, send)


class Guard:
    def __init__(self, app: ASGIApp, *, config: ApiConfig) -> None:
        self.app = app
        self._config = config
        self._hosts = {host.lower() for host in (*LOOPBACK_HOSTS, *config.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_upload = _is_upload(scope["method"], scope["path"])
        try:
            self._check_host(headers)
            if scope["method"] not in SAFE_METHODS:
                self._check_origin(scope["scheme"], headers)
            limit = self._config.max_json_bytes
            if not is_upload and content_length(headers) > limit:
                raise TooLarge(f"The request body is over the limit of {limit} bytes.")
        except FolioscopeError as error:
            response = problems.of_error(
                error, retry_after_s=self._config.retry_after_s, request_id=scope["state"]["request_id"]
            )
            await response(scope, receive, send)
            return
        await self.app(scope, receive if is_upload else _bounded(receive, limit, self._config.body_timeout_s), send)

    def _check_host(self, headers: Headers) -> None:
        if "*" in self._hosts:
            return
        host = headers.get("host", "")
        if split_host(host)[0] not in self._hosts:
            raise problems.HostNotAllowed(
                "The request is addressed to a host name that is not this service's. "
                "Names beside localhost are set in FOLIOSCOPE_ALLOWED_HOSTS."
            )

    def _check_origin(self, scheme: str, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None:
            # No browser, or a same-origin request of an old one; new ones also say where a request comes from.
            if headers.get("sec-fetch-site") not in {"cross-site", "same-site"}:
                return
        elif origin in self._config.cors_origins:
            return
        else:
            page_scheme, _, place = origin.partition("://")
            ours = split_host(headers.get("host", ""))
            theirs = split_host(place)
            # Behind a proxy that ends TLS our own scheme is http while the page's is https: the ports then differ
            # only by their defaults, which the absent port of the Host header stands for.
            default = _DEFAULT_PORTS.get(page_scheme, _DEFAULT_PORTS.get(scheme, 0))
            same_name = page_scheme in _DEFAULT_PORTS and ours[0] == theirs[0]
            if same_name and (ours[1] or default) == (theirs[1] or default):
                return
        raise problems.OriginNotAllowed("Pages of another origin may not change anything here.")


def split_host(host: str) -> tuple[str, int]:
    """Host name (lower case, IPv6 with brackets) and port (0: none, -1: nonsense) of a `Host` header."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return host.lower(), 0
    return name.lower(), int(port) if port.isascii() and port.isdecimal() and len(port) <= _PORT_DIGITS else -1


def content_length(headers: Headers) -> int:
    """Of the body, as announced; 0 where nothing or nonsense is announced (the stream is counted anyway)."""
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else 0


def _bounded(receive: Receive, limit: int, timeout_s: float) -> Receive:
    """Bodies without an announced length are counted as they come, and none may take for ever."""
    size = 0
    deadline = anyio.current_time() + timeout_s
    whole = False

    async def counted() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()  # what comes now is the end of the connection, which may take its time
        try:
            with anyio.fail_after(max(0.0, deadline - anyio.current_time())):
                message = await receive()
        except TimeoutError:
            # FastAPI makes its own 400 of every other exception that reading a body raises.
            raise HTTPException(408, f"The request's body did not come within {timeout_s:.0f} seconds.") from None
        whole = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, f"The request body is over the limit of {limit} bytes.")
        return message

    return counted
