"""The `Queue` over a broker: rings from a thread of its own, so that nobody waits for a broker that is away.

The list of what is still to be sent is bounded, and so is the number of pages that wait in the broker; what does not
fit is dropped, which a doorbell may do, and `worker.housekeeping` rings for it when the broker's list is empty.
The first pages of a document have room of their own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from index.errors import Unavailable
from worker import messages
from worker.queue import Expand, Job

log = logging.getLogger("folioscope.queue")

_PIECE = 200
_AWAY_S = 2.0


class Sends(Protocol):
    """What is needed of `worker.celery_app.Sender`."""

    def send(self, jobs: Iterable[tuple[Job, str]]) -> None: ...

    def close(self) -> None: ...


class Depths(Protocol):
    """What is needed of `worker.broker.Broker`."""

    def depth(self, queues: Sequence[str] = ...) -> int: ...


class CeleryQueue:
    """`read_queue` names the queue that pages go to now. Rings at once, sends as soon as the broker is there."""

    def __init__(
        self,
        sender: Sends,
        depths: Depths,
        *,
        read_queue: Callable[[], str],
        running: Callable[[], int] = lambda: 0,
        max_waiting: int = 20_000,
    ) -> None:
        self._sender = sender
        self._depths = depths
        self._read_queue = read_queue
        self._running = running
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        # Keys only: a list without doubles that keeps its order.
        self._unsent: OrderedDict[Job, None] = OrderedDict()
        self._sending = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="ringer", daemon=True)
        self._thread.start()

    def ring(self, jobs: Iterable[Job]) -> None:
        with self._changed:
            for job in jobs:
                # Documents are few and open the way to all else; pages can be rung for again.
                if isinstance(job, Expand) or len(self._unsent) < self._most_before(job):
                    self._unsent[job] = None
            self._changed.notify_all()

    def depth(self) -> int:
        return self.unsent() + self._depths.depth(messages.QUEUES) + self._running()

    def unsent(self) -> int:
        """Jobs that the broker has not got yet."""
        with self._changed:
            return len(self._unsent) + self._sending

    def close(self, *, timeout_s: float) -> None:
        """Send what is still to be sent, for at most `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._sender.close()

    def _work(self) -> None:
        away = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unsent or self._closed)
                if not self._unsent:
                    return
                piece = [self._unsent.popitem(last=False)[0] for _ in range(min(_PIECE, len(self._unsent)))]
                self._sending = len(piece)
            try:
                self._send(piece)
                if away:
                    log.warning("the broker is back")
                away = False
            except Unavailable as error:
                if not away:
                    log.error("%s What is to be read is kept and rung for when it is back.", error.message)
                away = True
            except Exception:
                # The thread must live; what it could not send, reconcile rings for.
                log.exception("jobs could not be sent")
            finally:
                with self._changed:
                    self._sending = 0
            if away:
                with self._changed:
                    for job in reversed(piece):
                        self._unsent[job] = None
                        self._unsent.move_to_end(job, last=False)
                    if self._changed.wait_for(lambda: self._closed, _AWAY_S):
                        return

    def _send(self, piece: list[Job]) -> None:
        queue = self._read_queue()
        waiting = self._depths.depth([queue])
        sent = []
        for job in piece:
            if isinstance(job, Expand):
                sent.append((job, messages.HOUSEKEEPING))
            elif waiting < self._most_before(job):
                sent.append((job, queue))
                waiting += 1
        self._sender.send(sent)

    def _most_before(self, job: Job) -> int:
        """So many pages may wait already where this one is still taken. First pages have as much room again for
        themselves, or a letter would wait until all of a full list was read.
        """
        first = messages.priority(job) <= messages.STEPS[1]
        return 2 * self._max_waiting if first else self._max_waiting
