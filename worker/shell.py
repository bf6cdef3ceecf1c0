"""What stands between a message and its job where many processes work on one archive.

`JobShell` claims the job, so that two messages do it once; settles what a dead process left of it; and rings again,
after a pause, for what could not be done because something else was down.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from index.errors import StorageFull, Unavailable
from index.store import Store
from worker import messages
from worker.claims import NOBODY, Claim, Claims
from worker.crashes import CrashLogs
from worker.queue import Expand, Job, Read
from worker.recovery import give_back, is_open, let_stand

log = logging.getLogger("folioscope.jobs")

_BACK_OFF_S = 1.0
_BACK_OFF_FULL_S = 30.0


class Activity:
    """The jobs that run in this process, one in a thread, for its heartbeat and its watch. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: dict[int, tuple[float, str]] = {}
        self.done = 0

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        thread = threading.get_ident()
        with self._guard:
            self._running[thread] = (time.monotonic(), name)
        try:
            yield
        finally:
            with self._guard:
                del self._running[thread]
                self.done += 1

    def progress(self) -> None:
        """Say that the calling thread's job has got further: it is long, but does not hang. Harmless without one."""
        thread = threading.get_ident()
        with self._guard:
            if thread in self._running:
                self._running[thread] = (time.monotonic(), self._running[thread][1])

    def now(self) -> tuple[int, float, str]:
        """How many run, how long the one has run in seconds that has got no further for longest, and its name."""
        with self._guard:
            if not self._running:
                return 0, 0.0, ""
            since, name = min(self._running.values(), key=lambda started: started[0])
            return len(self._running), time.monotonic() - since, name


class JobShell:
    """Calls `run` for a job, once however often it is rung for. Never raises."""

    def __init__(
        self,
        run: Callable[[Job], None],
        *,
        ring: Callable[[Iterable[Job]], None],
        claims: Claims,
        crashes: CrashLogs,
        store: Store,
        activity: Activity,
        stopping: threading.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self._run = run
        self._ring = ring
        self._claims = claims
        self._crashes = crashes
        self._store = store
        self._activity = activity
        self._stopping = stopping
        self._clock = clock

    def __call__(self, job: Job) -> None:
        try:
            with self._activity.job(str(job)):
                self._claimed(job)
        except Unavailable as error:
            log.warning("%s: %s; trying again", job, error.message)
            # Keeps the message, and with it the room for one: what is down is not asked as fast as possible.
            self._stopping.wait(_BACK_OFF_FULL_S if isinstance(error, StorageFull) else _BACK_OFF_S)
            self._ring([job])
        except Exception:
            # State is in the index, so nothing is lost: reconcile rings again.
            log.exception("job failed: %s", job)

    def _claimed(self, job: Job) -> None:
        with self._claims.hold(messages.claim_name(job), dump(job)) as claim:
            if claim is None:
                return
            if isinstance(job, Read):
                self._settle(job, claim)
            self._run(job)
        if claim.again:
            # Somebody rang while it ran, perhaps for what came too late to be seen.
            self._ring([job])

    def _settle(self, job: Read, claim: Claim) -> None:
        """An attempt that never ended belongs to a process that died: the claim is ours, so nobody is at it."""
        point = self._store.get([job.key])[0]
        if point is None or not is_open(point):
            return
        if claim.left_by and self._crashes.crashed(claim.left_by):
            log.warning("page %s of %s took its reader down", job.key.page, job.key.document_id)
            settled = let_stand(point, self._clock())
        else:
            settled = give_back(point, self._clock(), killed=claim.left_by != NOBODY)
        self._store.update([settled])


def dump(job: Job) -> str:
    """A job as one line."""
    return json.dumps(messages.pack(job))


def load(line: str) -> Job | None:
    """The job of a line that `dump` wrote; None for what a crash left of one."""
    try:
        task, arguments = json.loads(line)
        return Expand(*arguments) if task == messages.EXPAND_TASK else messages.read_job(*arguments)
    except (ValueError, TypeError):
        return None
