"""Progress of a document as server-sent events.

One thread call for each look, none in between, so that a hundred open streams hold no thread. The stream ends when the
document is read or deleted, when the client goes away (the framework cancels it) or when the service stops.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import anyio

from api import convert
from api.context import Context
from index.errors import NotFound, Unavailable
from index.types import DocumentState
from worker.service import DocumentView

_UNFINISHED = frozenset({DocumentState.ACCEPTED, DocumentState.READING})
_RECONNECT_MS = 2000
# Looking at a large archive may take a while; then it is done at most this share of the time. Heartbeats come all the
# same: after one look that hung for a minute, silence for five would be taken for the end.
_LOOKING_SHARE = 0.2


async def progress(context: Context, tenant: str, first: DocumentView) -> AsyncIterator[bytes]:
    view, number = first, 1
    yield f"retry: {_RECONNECT_MS}\n\n".encode()
    yield _event("progress", view, number)
    pause = context.config.poll_s
    sent_at = time.monotonic()
    while view.state in _UNFINISHED and not context.stopping:
        await anyio.sleep(pause)
        started_at = time.monotonic()
        try:
            now = await context.call(context.service.document, tenant, view.manifest.document_id)
        except NotFound:
            break
        except Unavailable:
            now = view
        took = time.monotonic() - started_at
        pause = max(context.config.poll_s, min(took / _LOOKING_SHARE, context.config.heartbeat_s))
        if (now.state, now.pages) != (view.state, view.pages):
            number += 1
            yield _event("progress", now, number)
            sent_at = time.monotonic()
        elif time.monotonic() - sent_at > context.config.heartbeat_s:
            yield b": still reading\n\n"
            sent_at = time.monotonic()
        view = now
    if not context.stopping or view.state not in _UNFINISHED:
        yield _event("end", view, number + 1)


def _event(kind: str, view: DocumentView, number: int) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {convert.progress(view).model_dump_json()}\n\n".encode()
