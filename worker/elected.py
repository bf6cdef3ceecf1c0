"""A thread that works at intervals, in one process at a time.

Every process starts one; the one that gets a lock on a file works until it stops or dies, then the next. The kernel
gives a dead process's lock away at once, so there is no lease to wait for and no clock to trust.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from index.errors import Unavailable
from index.files import make_directory, try_lock


class ElectedThread:
    """`work` may raise: it is logged by `log`, and `work` runs again after `every_s`."""

    def __init__(
        self,
        name: str,
        lock: Path,
        work: Callable[[], None],
        *,
        every_s: float,
        shutdown_s: float,
        log: logging.Logger,
    ) -> None:
        self._name = name
        self._lock = lock
        self._work = work
        self._every_s = every_s
        self._shutdown_s = shutdown_s
        self._log = log
        self._handle: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        make_directory(self._lock.parent)
        self._thread.start()

    def stop(self) -> None:
        """Waits for `shutdown_s` at most. Work that takes longer keeps the lock until it ends, or its process does:
        nobody else may begin beside it. Harmless without `start`.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._shutdown_s)

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every_s):
                try:
                    if self._elected():
                        self._work()
                except Unavailable as error:
                    self._log.warning("%s: waits: %s", self._name, error.message)
                except Exception:
                    self._log.exception("%s failed; it goes on in %.0f s", self._name, self._every_s)
        finally:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _elected(self) -> bool:
        if self._handle is None:
            self._handle = try_lock(self._lock)
        return self._handle is not None
