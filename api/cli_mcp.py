"""`folioscope mcp`: the MCP server on standard input and output, in front of the service that the options mean."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec

import anyio

from api.cli_client import Client, connect
from index.errors import ConfigError
from worker.settings import Settings

_HEARTBEAT_S = 15.0
"""Some assistants give up a call after a minute of silence."""


def run(url: str | None, settings: Settings) -> int:
    """Serve until standard input ends. Nothing but the protocol goes to standard output."""
    if not find_spec("mcp"):
        raise ConfigError("This needs the package `mcp`: pip install 'folioscope[mcp]'.", code="missing_extra")
    anyio.run(_serve, url, settings)
    return 0


async def _serve(url: str | None, settings: Settings) -> None:
    from api.mcp_tools import build

    async with connect(url, settings) as client:

        @asynccontextmanager
        async def same(_headers: Mapping[str, str]) -> AsyncIterator[Client]:
            yield client  # one user, one service: the client that was opened at the start

        print("Folioscope answers MCP on standard input and output; end it with Ctrl-D.", file=sys.stderr)
        await build(same, heartbeat_s=_HEARTBEAT_S).run_stdio_async()
