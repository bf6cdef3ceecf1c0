"""Whose turn it is to write to a resumable upload.

A line that dies without a word (another network, a laptop that was shut) leaves its request waiting for bytes, up to
`upload_idle_s`; its client is back long before, and public ones give up after a few refusals. So a request that has
been silent for `SILENT_S` gives way to another one that wants to go on with the same upload, at whichever API process
that is; one that still receives is never interrupted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import anyio

from api.context import Context
from index.errors import Conflict
from worker.uploads import Appending, Upload

SILENT_S = 2.0
_PATIENCE_S = 5.0
"""How long a request waits for its turn: more than the other one may be silent."""
_LOOK_S = 0.25


async def taken(
    context: Context, known: Upload, offset: int, *, checked: bool
) -> tuple[AbstractContextManager[Appending], Appending]:
    """The end of the upload's file, entered, and what leaves it again. Waits a moment where somebody writes to it;
    `Conflict` (`upload_busy`) where that goes on, and as `ResumableUploads.appending`.
    """
    uploads = context.service.uploads
    deadline = anyio.current_time() + _PATIENCE_S
    while True:
        writing = uploads.appending(known.tenant, known.id, offset, checked=checked)
        try:
            return writing, await context.call(writing.__enter__)
        except Conflict as error:
            if error.code != "upload_busy" or anyio.current_time() >= deadline:
                raise
        await context.call(uploads.want, known.tenant, known.id)
        await anyio.sleep(_LOOK_S)


async def handed_over(context: Context, known: Upload) -> Upload:
    """The upload as its last byte leaves it: a document, where it is whole. Waits a moment where another request, which
    asked how far it is, is making it one; `Conflict` (`upload_busy`) where that goes on.
    """
    deadline = anyio.current_time() + _PATIENCE_S
    while True:
        try:
            return await context.call(context.service.finish_upload, known.tenant, known.id)
        except Conflict as error:
            if error.code != "upload_busy" or anyio.current_time() >= deadline:
                raise
        await anyio.sleep(_LOOK_S)


class Turn:
    """The time in which a request writes."""

    def __init__(self, context: Context, target: Appending) -> None:
        self._context = context
        self._target = target
        self._silent_since: float | None = None

    def listening(self) -> None:
        """From now on the client is waited for."""
        self._silent_since = anyio.current_time()

    def writing(self) -> None:
        """The disk is waited for now, which is not the client's silence."""
        self._silent_since = None

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """Left with `Conflict` (`upload_busy`) when the client says nothing and another request wants to go on."""
        with anyio.CancelScope() as scope:
            looking = asyncio.ensure_future(self._until_wanted(scope))
            try:
                yield
            finally:
                looking.cancel()
        if scope.cancelled_caught:
            raise Conflict("Another request goes on with this upload.", code="upload_busy")

    async def _until_wanted(self, scope: anyio.CancelScope) -> None:
        while True:
            await anyio.sleep(_LOOK_S)
            if self._is_silent() and await self._context.call(self._target.wanted) and self._is_silent():
                scope.cancel()
                return

    def _is_silent(self) -> bool:
        since = self._silent_since
        return since is not None and anyio.current_time() - since >= SILENT_S
