"""Answers as they come about: `worker.asking` events as server-sent events, or drained into the last one.

Steps run in threads, one at a time. A client that goes away ends the work at the next step: the generator is closed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio

from api import convert, problems
from api.context import Context
from index.errors import FolioscopeError, InternalError
from worker.asking.pipeline import Cited, Done, Event, Selected, Told


async def first_step(context: Context, run: Iterator[Event]) -> Event:
    """The first event; what fails before it is a problem and no broken stream."""
    return await context.call(next, run)


async def drain(context: Context, run: Iterator[Event]) -> Done:
    """The end of it."""
    try:
        while True:
            event = await context.call(next, run, None)
            if isinstance(event, Done):
                return event
            if event is None:
                raise InternalError("An answer ended without its end.")
    finally:
        await close(context, run)


async def events(context: Context, first: Event, run: Iterator[Event]) -> AsyncIterator[Event | FolioscopeError]:
    """All events; a failure on the way is the last one."""
    event: Event | None = first
    try:
        while event is not None:
            yield event
            try:
                event = await context.call(next, run, None)
            except FolioscopeError as error:
                yield error
                return
    finally:
        await close(context, run)


async def close(context: Context, run: Iterator[Event]) -> None:
    """End the work, also when the request was cancelled."""
    with anyio.CancelScope(shield=True):
        await context.call(getattr(run, "close", lambda: None))


async def stream(context: Context, first: Event, run: Iterator[Event]) -> AsyncIterator[bytes]:
    """`selection`, `text`, `citations` and `done`; or `error` with a problem."""
    async for event in events(context, first, run):
        if isinstance(event, FolioscopeError):
            context.metrics.answers.labels("failed").inc()
            yield _event("error", problems.content(event))
        elif isinstance(event, Selected):
            yield _event(
                "selection",
                {
                    "question": event.question,
                    "considered": [convert.considered(one).model_dump() for one in event.considered],
                    "timings_ms": {"retrieve": round(event.retrieve_ms, 2), "select": round(event.select_ms, 2)},
                },
            )
        elif isinstance(event, Told):
            yield _event("text", {"text": event.text})
        elif isinstance(event, Cited):
            yield _event("citations", [one.model_dump() for one in convert.citations(event.citations)])
        else:
            count(context, event)
            yield _event("done", convert.answer(event).model_dump())


def count(context: Context, done: Done) -> None:
    context.metrics.answers.labels("found" if done.answer.found else "not_found").inc()


def _event(kind: str, data: Any) -> bytes:
    # ASCII escapes: text of a page may hold what UTF-8 cannot carry.
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
