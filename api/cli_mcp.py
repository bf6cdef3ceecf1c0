"""`folioscope mcp`: the MCP server on standard input and output, in front of the service that the options mean.

It promises: where no service runs, the archive is open for calls only. Assistants keep their servers for as long as
they run themselves, and several of them may have one: what held the archive all that time would shut out the others,
`folioscope add` and a service that is to start.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from importlib.util import find_spec

import anyio

from api.cli_client import ApiError, Client, connect
from index.errors import ConfigError, FolioscopeError, StoreUnavailable
from worker.settings import Settings

log = logging.getLogger("folioscope.mcp")

_HEARTBEAT_S = 15.0
"""Some assistants give up a call after a minute of silence."""
_REST_S = 20.0
"""To open an archive again takes a second or two."""
_PATIENCE_S = 30.0
"""Longer than another assistant's rest, and shorter than assistants wait."""


def run(url: str | None, settings: Settings) -> int:
    """Serve until standard input ends. Nothing but the protocol goes to standard output."""
    if not find_spec("mcp"):
        raise ConfigError("This needs the package `mcp`: pip install 'folioscope[mcp]'.", code="missing_extra")
    anyio.run(_serve, url, settings)
    return 0


class Archive:
    """The service for calls, which is let go of after `rest_s` seconds without one: one that `find` opened in this
    process holds the archive, and one that runs may end, or start anew at another address, before the next call. Not
    sooner: who starts a service anew must not find its archive taken. Where the archive is another process's, calls
    wait for it up to `patience_s`.
    """

    def __init__(
        self,
        find: Callable[[], AbstractAsyncContextManager[Client]],
        *,
        rest_s: float = _REST_S,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._find = find
        self._rest_s = rest_s
        self._patience_s = patience_s
        self._turn = anyio.Lock()
        self._open: tuple[AsyncExitStack, Client] | None = None
        self._callers = 0
        self._left_at = 0.0

    @asynccontextmanager
    async def call(self, _headers: Mapping[str, str]) -> AsyncIterator[Client]:
        """A client for one call. `ApiError`, also for what keeps the archive from being opened."""
        deadline = anyio.current_time() + self._patience_s  # also of those that wait behind another
        async with self._turn:
            client = await self._taken(deadline)
            self._callers += 1
        try:
            yield client
        finally:
            self._callers -= 1
            self._left_at = anyio.current_time()

    async def look(self) -> None:
        """Open it before the first call, as far as it can be had: what is wrong with it is told at the start."""
        with suppress(StoreUnavailable):
            await self._take()

    async def rest(self) -> None:
        """Without end: lets go of what nobody calls."""
        while True:
            await anyio.sleep(self._rest_s / 10)
            async with self._turn:
                if not self._callers and anyio.current_time() - self._left_at >= self._rest_s:
                    try:
                        await self.close()
                    except Exception:  # a full disk, say: the next call is told if it is still so
                        log.exception("the archive could not be closed in order")

    async def close(self) -> None:
        """Let go of it now. Harmless twice."""
        if self._open is not None:
            stack, self._open = self._open[0], None
            await stack.aclose()
            # A service is full of rings: what is left to the collector grows by 300 MB with each one that was open.
            del stack
            gc.collect()

    async def _taken(self, deadline: float) -> Client:
        while True:
            try:
                return await self._take()
            except FolioscopeError as error:
                if error.code != "data_dir_in_use" or anyio.current_time() >= deadline:
                    raise ApiError(error.message, code=error.code) from error
            await anyio.sleep(self._patience_s / 100)

    async def _take(self) -> Client:
        if self._open is None:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(self._find())
                self._open = (stack.pop_all(), client)
            self._left_at = anyio.current_time()
        return self._open[1]


async def _serve(url: str | None, settings: Settings) -> None:
    from api.mcp_tools import build

    archive = Archive(lambda: connect(url, settings))
    try:
        await archive.look()
        print("Folioscope answers MCP on standard input and output; end it with Ctrl-D.", file=sys.stderr)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(archive.rest)
            await build(archive.call, heartbeat_s=_HEARTBEAT_S).run_stdio_async()
            tasks.cancel_scope.cancel()
    finally:
        await archive.close()
