"""Housekeeping where many processes work on one archive: one of them at a time compares, tidies up and rings again.

Every process of the stack has a `Housekeeper`; the one that gets a lock in the data directory does the work until it
ends. Every few seconds it rings for the jobs of processes that died, and, when no page waits in the broker, for pages
that are still to be read: their messages were lost, or were never sent because the broker's list was full. So a page is
never rung for while its message waits. When Redis was emptied, and every few minutes, all documents are compared with
the index.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from index.store import Store
from index.types import PageState
from worker import messages
from worker.broker import Broker
from worker.claims import Claims
from worker.elected import ElectedThread
from worker.housekeeper import each
from worker.queue import Job, Read
from worker.queue_celery import CeleryQueue
from worker.recovery import Recovery
from worker.shell import load

log = logging.getLogger("folioscope.housekeeping")

_SHUTDOWN_S = 20.0
_REMEMBERED_S = 30.0


@dataclass(frozen=True, slots=True)
class HousekeepingConfig:
    """`look_s` between two looks for what died or was lost, `compare_s` between two comparisons of all documents.
    `refill` pages at most are rung for at once.
    """

    look_s: float = 5.0
    compare_s: float = 300.0
    refill: int = 5_000


class Reconciler:
    """Finds what is to be rung for. Not thread-safe."""

    def __init__(
        self,
        store: Store,
        queue: CeleryQueue,
        broker: Broker,
        claims: Claims,
        recovery: Recovery,
        *,
        read_queue: Callable[[], str],
        config: HousekeepingConfig,
    ) -> None:
        self._store = store
        self._queue = queue
        self._broker = broker
        self._claims = claims
        self._recovery = recovery
        self._read_queue = read_queue
        self._config = config
        self._compared_at: float | None = None
        self._due = True
        self._rung: dict[tuple[Job, float], float] = {}
        self._found: Sequence[Job] = []  # by the last comparison, not rung for yet

    def look(self) -> int:
        """What is due now; how many jobs were rung for."""
        left = ((load(line), at) for line, at in self._claims.left())
        # A job that dies again is another death, to be rung for at once.
        rung = self._once((job, at) for job, at in left if job is not None)
        now = time.monotonic()
        # Stays due until it was done: while the index is away it cannot be.
        self._due |= self._broker.was_emptied()
        if self._due or self._compared_at is None or now - self._compared_at >= self._config.compare_s:
            # What an emptied Redis forgot may be of documents whose pages are all there.
            self._found = self._recovery.compare(thorough=self._due)
            self._compared_at, self._due = now, False
        # While messages wait, what was found may be among them: it is kept until none does.
        if self._found and not self._broker.depth([messages.HOUSEKEEPING]):
            rung += self._once((job, 0.0) for job in self._found)
            self._found = []
        self._discard_unserved()
        if not self._queue.unsent() and not self._broker.depth([self._read_queue()]):
            pending = self._store.scan(None, states=[PageState.PENDING])
            lost = (point.key for point in pending if not self._claims.held(messages.claim_name(Read(point.key))))
            rung += self._once((Read(key), 0.0) for key in islice(lost, self._config.refill))
        return rung

    def _discard_unserved(self) -> None:
        """Messages for pages in a queue that nobody serves and that pages do not go to any more, as after the only GPU
        has gone: they would wait, and be counted, for ever. The pages are rung for where they go now.
        """
        served = {queue for worker in self._broker.workers() for queue in worker.queues}
        for queue in {messages.READ_GPU, messages.READ_CPU} - served - {self._read_queue()}:
            if count := self._broker.depth([queue]):
                log.info("nobody serves %s any more: its %d messages are thrown away", queue, count)
                self._broker.discard(queue)

    def _once(self, jobs: Iterable[tuple[Job, float]]) -> int:
        """Ring, but not for what was rung for a moment ago, for the same reason (the number): between the broker's
        list and its claim a job is nowhere to be seen.
        """
        now = time.monotonic()
        self._rung = {job: at for job, at in self._rung.items() if now - at < _REMEMBERED_S}
        fresh = [job for job in dict.fromkeys(jobs) if job not in self._rung]
        self._rung.update(dict.fromkeys(fresh, now))
        self._queue.ring(
            sorted((job for job, _ in fresh), key=lambda job: job.key.page if isinstance(job, Read) else 0)
        )
        return len(fresh)


class Housekeeper:
    """Tries to be the one that keeps house, in a thread."""

    def __init__(
        self, lock: Path, look: Callable[[], int], tidy: Sequence[Callable[[], object]], config: HousekeepingConfig
    ) -> None:
        """`tidy`: steps of tidying up; one that fails holds up neither the others nor `look`."""
        self._look = look
        self._tidy = tidy
        self._compare_s = config.compare_s
        self._tidied_at: float | None = None
        self._thread = ElectedThread(
            "housekeeper", lock, self._keep, every_s=config.look_s, shutdown_s=_SHUTDOWN_S, log=log
        )
        self.start, self.stop = self._thread.start, self._thread.stop

    def _keep(self) -> None:
        now = time.monotonic()
        if self._tidied_at is None or now - self._tidied_at >= self._compare_s:
            each(self._tidy)
            self._tidied_at = now
        if rung := self._look():
            log.info("reconcile: %d jobs were due", rung)
