"""Gives memory back after a while without work.

A network keeps what it computed with for its next call: some 250 MB for each page that is read at the same
time. A service that waits for documents has no use for it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Rest:
    """Calls `release` once there has been no work for `after_s` seconds; never while work is going on."""

    def __init__(self, release: Callable[[], None], after_s: float) -> None:
        self._release = release
        self._after_s = after_s
        self._guard = threading.Lock()
        self._working = 0
        self._timer: threading.Timer | None = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work is going on inside; several threads may be in here at once."""
        with self._guard:
            self._working += 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        try:
            yield
        finally:
            with self._guard:
                self._working -= 1
                if not self._working:
                    self._timer = threading.Timer(self._after_s, self._rest)
                    self._timer.daemon = True
                    self._timer.start()

    def _rest(self) -> None:
        # Under the guard: work that begins now waits the few milliseconds until all is released.
        with self._guard:
            if self._working:
                return
            self._timer = None
            self._release()


def trim_heap() -> None:
    """Hand freed memory back to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
