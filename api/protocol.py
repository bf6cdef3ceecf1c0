"""HTTP/1.1 over a socket, for clients that mean well: headers have to arrive within a stated time.

uvicorn waits without end for the first request of a connection, and for the rest of headers that began; a few thousand
connections that send a byte now and then would hold all of the process's files. Bodies are the application's business
(`api.middleware`, `api.upload`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

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
