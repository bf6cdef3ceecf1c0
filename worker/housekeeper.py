"""Housekeeping where one process does everything, in a thread. `worker.housekeeping` is for many processes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from index.errors import Unavailable
from worker.recovery import Recovery

log = logging.getLogger("folioscope.housekeeping")

_SHUTDOWN_S = 20.0


def each(steps: Iterable[Callable[[], object]]) -> None:
    """One after the other. One that fails is logged, and keeps the others from nothing: it runs again with them."""
    for step in steps:
        try:
            step()
        except Unavailable as error:
            log.warning("housekeeping waits: %s", error.message)
        except Exception:
            log.exception("a step of housekeeping failed; the others go on")


class LocalHousekeeper:
    """Reconciles and tidies up at the start and every few minutes."""

    def __init__(self, recovery: Recovery, tidy: Sequence[Callable[[], object]], every_s: float) -> None:
        self._recovery = recovery
        self._tidy = tidy
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_SHUTDOWN_S)

    def _run(self) -> None:
        while True:
            each((self._reconcile, *self._tidy))
            if self._stop.wait(self._every_s):
                return

    def _reconcile(self) -> None:
        rung = self._recovery.reconcile()
        if rung:
            log.info("reconcile: %d jobs were due", rung)
