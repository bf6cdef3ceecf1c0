"""Answers as they come about: `worker.asking` events as server-sent events, or drained into the last one.

Steps run in threads, one at a time. A client that goes away ends the work: what runs is told by `Run.cancelled`, and a
step that cannot listen ends by itself, in its thread, for nobody. Only then its place among the key's answers is free.
A page that is decoded for an answer may take minutes: comments meanwhile keep proxies from closing the stream.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request

from api import convert, problems
from api.context import Context
from index.errors import FolioscopeError, InternalError
from worker.asking.decoding import Decoding
from worker.asking.pipeline import Cited, Done, Event, Selected, Told

if TYPE_CHECKING:
    from api.filtering import Unknown
    from api.tenants import Answering


STREAM_HEADERS = {"X-Accel-Buffering": "no"}
"""Some proxies (nginx) hold a response back until they have all of it, unless they are told."""
HEARTBEAT = b": still working\n\n"


class Run:
    """One question under way. `start` gets the function that tells whether anybody still listens. The answer's place is
    given back when the last of the work has ended, which may be later than its request.
    """

    def __init__(
        self, context: Context, answering: Answering, start: Callable[[Callable[[], bool]], Iterator[Event]]
    ) -> None:
        self._context = context
        self._place = answering.place
        self._gone = threading.Event()
        self._stepping = threading.Lock()
        self._events = start(self._gone.is_set)
        answering.run = self  # last: where nothing was begun, the request itself gives the place back

    async def next(self) -> Event | None:
        """The next event; None after the last."""
        return await self._context.call_abandoned(self._step)

    def leave(self) -> None:
        """Nobody listens any more. Harmless twice."""
        self._gone.set()
        self._close()

    def _step(self) -> Event | None:
        try:
            with self._stepping:
                return next(self._events, None)
        except Exception:
            if not self._gone.is_set():
                self._context.metrics.answers.labels("failed").inc()
            raise
        finally:
            if self._gone.is_set():
                self._close()

    def _close(self) -> None:
        """End the work, unless a step runs: a generator that runs can be closed by its own thread only, which looks
        whether anybody is left after it let go of the lock, so that one of the two always closes.
        """
        if not self._stepping.acquire(blocking=False):
            return
        try:
            if close := getattr(self._events, "close", None):
                close()
        finally:
            self._stepping.release()
            self._place.give_back()


async def drain(run: Run, request: Request) -> Done:
    """The end of it. `ClientDisconnect` when nobody waits for it any more; the work is ended then."""
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            continue  # the body has been read: what comes now is the end
        gone = True
        run.leave()

    watching = asyncio.ensure_future(watch())
    try:
        while (event := await run.next()) is not None:
            if isinstance(event, Done):
                return event
        if gone:
            raise ClientDisconnect
        raise InternalError("An answer ended without its end.")
    finally:
        watching.cancel()
        run.leave()


async def events(context: Context, first: Event | None, run: Run) -> AsyncIterator[Event | FolioscopeError | None]:
    """All events; a failure on the way, ours too, is the last one. None after each `heartbeat_s` without an event."""
    event = first
    try:
        while event is not None:
            yield event
            step = asyncio.ensure_future(run.next())
            try:
                while not (await asyncio.wait({step}, timeout=context.config.heartbeat_s))[0]:
                    yield None
                event = step.result()
            except FolioscopeError as error:
                yield error
                return
            except Exception as error:
                # Half an answer is out: its end has to be told as one.
                failure = InternalError("An answer was broken off by an error of ours.")
                failure.__cause__ = error
                yield failure
                return
            finally:
                if not step.cancel() and not step.cancelled():
                    step.exception()  # it ended just when this was left, and nobody else asks how
    finally:
        run.leave()


def has_pages(event: Event | None) -> bool:
    """Whether an answer's first or last event tells of pages that its filter leaves."""
    return isinstance(event, Selected | Done) and bool(event.considered)


async def stream(context: Context, first: Event | None, run: Run, unknown: Unknown) -> AsyncIterator[bytes]:
    """`selection`, `decoding`, `text`, `citations` and `done`; or `error` with a problem."""
    async for event in events(context, first, run):
        if event is None:
            yield HEARTBEAT
        elif isinstance(event, FolioscopeError):
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
        elif isinstance(event, Decoding):
            yield _event("decoding", convert.decoding(event).model_dump(exclude_none=True))
        elif isinstance(event, Told):
            yield _event("text", {"text": event.text})
        elif isinstance(event, Cited):
            yield _event("citations", [one.model_dump() for one in convert.citations(event.citations)])
        else:
            count(context, event)
            yield _event("done", convert.answer(event, unknown.documents, unknown.folder).model_dump())


def count(context: Context, done: Done) -> None:
    context.metrics.answers.labels("found" if done.answer.found else "not_found").inc()
    for one in done.decoded:
        context.metrics.decoded.labels(one.prompt, "done" if one.ok else one.code or "error").inc()


def _event(kind: str, data: Any) -> bytes:
    # ASCII escapes: text of a page may hold what UTF-8 cannot carry.
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
