"""HTTP/1.1 over a socket, for clients that mean well: headers have to arrive within a stated time.

uvicorn waits without end for the first request of a connection, and for the rest of headers that began; a few thousand
connections that send a byte now and then would hold all of the process's files. Bodies are the application's business
(`api.middleware`, `api.upload`). What is no HTTP at all never reaches the application; it is answered here, with a
problem like everything else.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import Any

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from api import problems
from api.middleware import SECURITY_HEADERS

HEADER_TIMEOUT_S = 20.0


class PatientProtocol(H11Protocol):
    """Closes a connection whose headers are not complete `header_timeout_s` after they could have begun."""

    header_timeout_s = HEADER_TIMEOUT_S

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answers in plain text. Called while h11's error is handled, which says of which kind it is."""
        del msg
        error = sys.exception()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = _refusal(getattr(error, "error_status_hint", 400), str(error or ""))
            told = {**SECURITY_HEADERS, "X-Request-ID": uuid.uuid4().hex, "Connection": "close"}
            headers = [*answer.raw_headers, *((name.encode(), value.encode()) for name, value in told.items())]
            response = h11.Response(
                status_code=answer.status_code, headers=headers, reason=_REASONS[answer.status_code]
            )
            for event in (response, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        # Otherwise half an answer is out, to what turned out to be no request: only its end can be told.
        self.transport.close()

    def _watch(self) -> None:
        """A request that is under way stops the clock; it runs on from the first byte of the next one's headers."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._deadline is None and (self.cycle is None or self.timeout_keep_alive_task is None):
            # Between requests uvicorn's own keep-alive timeout runs.
            self._deadline = self.loop.call_later(self.header_timeout_s, self._give_up)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


_REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


def _refusal(status: int, reason: str) -> Response:
    """`reason` is in h11's words, which may quote a line of the request."""
    if status == 431:
        return problems.problem(431, "headers_too_large", "The address and headers of a request may have 64 KiB.")
    detail = f"This is not a request of HTTP/1.1 ({reason[:100].rstrip('.')})."
    return problems.problem(400, "bad_request", detail)
