"""The in-process queue: a bounded number of threads around `Jobs.run`.

Documents take turns, so that a letter that comes after a book of 5,000 pages is read at once.
The list of waiting pages is bounded; what does not fit is dropped, which a doorbell may do, and `on_drained`
(reconcile) rings for it again once the list is empty. Each document has its share of the list whatever
others wait for. Two documents are opened at a time, so that a letter does not wait for a large archive.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable

from index.errors import StorageFull, Unavailable
from worker.overview import Inside, QueueFacts, WorkerState
from worker.queue import Expand, Job, Read

log = logging.getLogger("folioscope.queue")

OPEN, READ = "open", "read"
"""Queues of an embedded service: documents that are to be opened, pages that are to be read."""
_OPENERS = 2
_BACK_OFF_S = 1.0
# A full disk is not emptied within a second, and trying costs reads and writes.
_BACK_OFF_FULL_S = 30.0


class LocalQueue:
    """`Queue` with threads. `start` begins work; jobs may be rung before."""

    def __init__(
        self,
        run: Callable[[Job], None],
        *,
        readers: int,
        max_waiting: int = 20_000,
        on_drained: Callable[[], None] | None = None,
    ) -> None:
        self._run = run
        self._max_waiting = max_waiting
        self._share = max(1, max_waiting // 100)
        self._on_drained = on_drained
        self._changed = threading.Condition()
        self._expands: deque[Expand] = deque()
        self._reads: OrderedDict[str, deque[Read]] = OrderedDict()
        self._waiting: set[Job] = set()
        self._active: set[Job] = set()
        self._again: set[Job] = set()
        self._dropped = False
        self._closed = False
        self._since: dict[str, float] = {}  # thread -> when its job began
        self._done: Counter[str] = Counter()  # thread -> jobs
        self._threads = [
            threading.Thread(target=self._work, args=(self._next_read,), name=f"reader-{n}", daemon=True)
            for n in range(readers)
        ] + [
            threading.Thread(target=self._work, args=(self._next_expand,), name=f"opener-{n}", daemon=True)
            for n in range(_OPENERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def ring(self, jobs: Iterable[Job]) -> None:
        with self._changed:
            for job in jobs:
                if job in self._active:
                    self._again.add(job)
                elif job not in self._waiting:
                    self._enqueue(job)
            self._changed.notify_all()

    def depth(self) -> int:
        with self._changed:
            return len(self._waiting) + len(self._active)

    def inside(self, engine: str) -> Inside:
        """What waits, and what each thread does."""
        with self._changed:
            opening = len(self._expands)
            queues = (QueueFacts(OPEN, opening), QueueFacts(READ, len(self._waiting) - opening))
            now = time.monotonic()
            workers = tuple(
                WorkerState(
                    thread.name,
                    (OPEN,) if thread.name.startswith(OPEN) else (READ,),
                    "" if thread.name.startswith(OPEN) else engine,
                    int(thread.name in self._since),
                    now - self._since.get(thread.name, now),
                    self._done[thread.name],
                )
                for thread in self._threads
                if thread.is_alive()
            )
        return Inside(stack=False, queues=queues, workers=workers)

    def close(self, *, timeout_s: float) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _enqueue(self, job: Job) -> None:
        if isinstance(job, Expand):
            self._expands.append(job)
        else:
            pages = self._reads.get(job.key.document_id, ())
            if len(self._waiting) >= self._max_waiting and len(pages) >= self._share:
                self._dropped = True
                return
            self._reads.setdefault(job.key.document_id, deque()).append(job)
        self._waiting.add(job)

    def _next_expand(self) -> Job | None:
        return self._expands.popleft() if self._expands else None

    def _next_read(self) -> Job | None:
        if not self._reads:
            return None
        document_id, pages = self._reads.popitem(last=False)
        job = pages.popleft()
        if pages:
            self._reads[document_id] = pages  # to the end of the line: the next document's turn
        return job

    def _work(self, take: Callable[[], Job | None]) -> None:
        thread = threading.current_thread().name
        while True:
            with self._changed:
                while not self._closed and (job := take()) is None:
                    self._changed.wait()
                if self._closed:
                    return
                self._waiting.discard(job)
                self._active.add(job)
                self._since[thread] = time.monotonic()
            self._do(job)
            with self._changed:
                self._active.discard(job)
                del self._since[thread]
                self._done[thread] += 1
                if job in self._again:
                    self._again.discard(job)
                    self._enqueue(job)
                drained = self._dropped and not self._waiting and not self._active
                if drained:
                    self._dropped = False
                self._changed.notify_all()
            if drained and self._on_drained:
                self._refill(self._on_drained)

    def _refill(self, on_drained: Callable[[], None]) -> None:
        try:
            on_drained()
        except Exception:
            # The thread must live; the next job that ends, or housekeeping, asks again.
            log.exception("what was dropped could not be rung for again")
            with self._changed:
                self._dropped = True

    def _do(self, job: Job) -> None:
        try:
            self._run(job)
        except Unavailable as error:
            log.warning("%s: %s; trying again", job, error.message)
            self._pause(_BACK_OFF_FULL_S if isinstance(error, StorageFull) else _BACK_OFF_S)
            self.ring([job])
        except Exception:
            # State is in the store, so nothing is lost: the next reconcile rings again.
            log.exception("job failed: %s", job)

    def _pause(self, seconds: float) -> None:
        """Wait, but not for a queue that closes (other changes wake the condition too)."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
