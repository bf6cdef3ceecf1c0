"""Lanes: many pages are read at once, or one alone.

A page whose earlier attempt never ended is a suspect: it may have taken its process down. It is read alone, so that if
it does so again, no page beside it is blamed. Knows threads and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TELL_S = 1.0


class Lanes:
    """One for each process. Those who want to be alone go first, or they would wait for as long as there is work."""

    def __init__(self, waits: Callable[[], None] = lambda: None) -> None:
        """`waits` is called every second by a thread that waits for its turn, and when it has come."""
        self._waits = waits
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False
        self._waiting_alone = 0

    @contextmanager
    def enter(self, *, alone: bool) -> Iterator[None]:
        """Wait for room, and keep it while the block runs. Not reentrant."""
        with self._changed:
            if alone:
                self._waiting_alone += 1
                self._wait_until(lambda: not self._inside)
                self._waiting_alone -= 1
            else:
                self._wait_until(lambda: not self._alone and not self._waiting_alone)
            self._inside += 1
            self._alone = alone
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._alone = False
                self._changed.notify_all()

    def _wait_until(self, free: Callable[[], bool]) -> None:
        while not self._changed.wait_for(free, _TELL_S):
            self._waits()
        self._waits()
