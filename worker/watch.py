"""A worker's watch over itself: says that it is there, ends what hangs, and makes room before memory runs out.

Celery's own limits on time and memory are for its child processes; a worker here is one process with threads.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from index.errors import Unavailable
from worker.broker import BEAT_S, Broker, WorkerFacts
from worker.crashes import CrashLogs

log = logging.getLogger("folioscope.worker")

# sysexits.h: an internal error, an error of the system, and a temporary failure. All make a supervisor start the worker
# again.
EXIT_HUNG = 70
EXIT_GPU = 71
EXIT_LATE = 75


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """A job that gets no further for `hard_limit_s` ends the process as a crash does. Above `memory_bytes` (0: never)
    the process ends when its jobs have. After SIGTERM jobs have `grace_s` to end; what is cut off then is not blamed.
    """

    hard_limit_s: float = 1800.0
    memory_bytes: int = 0
    grace_s: float = 60.0


def resident_bytes() -> int:
    """Physical memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Watch:
    def __init__(
        self,
        broker: Broker,
        crashes: CrashLogs,
        facts: Callable[[], WorkerFacts],
        job: Callable[[], str],
        config: WatchConfig,
    ) -> None:
        self._broker = broker
        self._crashes = crashes
        self._facts = facts
        self._job = job
        self._config = config
        self._stopping_since: float | None = None
        self._recycling = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()

    def stopping(self) -> None:
        """The process was asked to end: it is not counted on any more."""
        self._stopping_since = time.monotonic()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(BEAT_S)

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S / 4 if self._stopping_since else BEAT_S):
            try:
                self.look()
            except Exception:
                # Without its watch a worker would be taken for dead, and could hang or grow for ever.
                log.exception("the watch failed; it goes on")

    def look(self) -> None:
        """One round; public for tests."""
        facts = self._facts()
        self._tell(facts)
        if facts.oldest_s > self._config.hard_limit_s:
            text = f"a job ran for {facts.oldest_s:.0f} s, longer than FOLIOSCOPE_JOB_TIMEOUT_S: {self._job()}"
            log.critical("%s; this worker ends itself", text)
            self._crashes.note(text)
            os._exit(EXIT_HUNG)
        late = self._stopping_since and time.monotonic() - self._stopping_since > self._config.grace_s
        if late:
            log.warning("jobs did not end within %.0f s of being asked to; others will do them", self._config.grace_s)
            os._exit(EXIT_LATE)
        if 0 < self._config.memory_bytes < facts.memory_bytes and not self._recycling:
            self._recycling = True
            log.warning("%d MiB are in use: this worker ends its jobs and then itself", facts.memory_bytes >> 20)
            os.kill(os.getpid(), signal.SIGTERM)

    def gpu_failed(self, message: str) -> None:
        """End the process now, as a crash does: its GPU is lost to it (`worker.gpu_guard`). Called by any thread."""
        log.critical("%s This worker ends itself; it was at: %s", message, self._job())
        self._crashes.note(f"gpu_failed: {message}")
        try:
            # Or who waits for a page to be decoded would wait until the heartbeat is missed.
            self._broker.leave(self._facts().name)
        except Unavailable:
            log.debug("the broker did not hear that this worker is gone")
        os._exit(EXIT_GPU)

    def _tell(self, facts: WorkerFacts) -> None:
        try:
            if self._stopping_since is None:
                self._broker.beat(facts)
            else:
                self._broker.leave(facts.name)
        except Unavailable:
            log.debug("the broker did not hear that this worker is there")
