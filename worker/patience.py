"""How long somebody waits for work that can be given up: a time limit, and whether anybody still listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from threading import Lock
from typing import TypeVar

from index.errors import Unavailable

T = TypeVar("T")

_LOOK_S = 0.1  # how often it is asked whether anybody still listens


class Patience:
    """From its making on, `seconds` long (None: without end) and while not `cancelled()`. Thread-safe."""

    def __init__(self, seconds: float | None = None, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self._cancelled = cancelled

    @property
    def left_s(self) -> float | None:
        """Seconds, 0 when it is over; None without end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def cancelled(self) -> bool:
        return self._cancelled()

    @property
    def over(self) -> bool:
        return self.left_s == 0.0 or self._cancelled()

    def check(self) -> None:
        """Raises `Unavailable`: `cancelled` where nobody listens, `decode_timeout` when the time is over."""
        if self._cancelled():
            raise Unavailable("Nobody waits for this any more.", code="cancelled")
        if self.left_s == 0.0:
            raise Unavailable(
                f"The page was not decoded within {self._seconds:.3g} s. Try again in a moment, or set "
                "FOLIOSCOPE_DECODE_BUDGET_S higher.",
                code="decode_timeout",
            )

    def result(self, future: Future[T]) -> T:
        """The future's result. When patience ends the future is cancelled. Raises as `check`."""
        while True:
            try:
                return future.result(self._step())
            except NotYet:
                if future.done():
                    return future.result()  # ended just now, or this was the work's own error
                try:
                    self.check()
                except Unavailable:
                    future.cancel()
                    raise

    def acquire(self, lock: Lock) -> None:
        """Take a lock. Raises as `check`, without it."""
        while not lock.acquire(timeout=self._step()):
            self.check()

    def pause(self) -> None:
        """A moment. Raises as `check`."""
        self.check()
        time.sleep(self._step())

    def _step(self) -> float:
        left = self.left_s
        return _LOOK_S if left is None else max(0.001, min(_LOOK_S, left))
