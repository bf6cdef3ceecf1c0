"""Pages for which there was no memory: waited for while the device is short of it, given up when they are too large.

A GPU that another program has filled costs no page its attempt. But a page for which there is never room would be tried
for ever. So it is tried alone, since beside others there is less; after six tries there are pauses that double, and a
shortage counts as an attempt if the engine has read other pages since the try before. Where it reads nothing at all,
that takes half a day. Kept in memory: a new process begins anew, and attempts that were counted stand in the index.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from index.types import PageKey

FREE_TRIES = 6
"""Each a moment after the one before, as after any shortage: most are over within seconds."""
FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 600.0
FREE_TRIES_WHERE_NOTHING_IS_READ = 72
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Short:
    tries: int
    others: int
    """Pages that had been read when it was tried last."""
    due_at: float


class Shortages:
    """Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._read = 0
        self._short: OrderedDict[PageKey, _Short] = OrderedDict()

    def __contains__(self, key: PageKey) -> bool:
        """Whether there was no memory for the page: it is to be read alone."""
        with self._guard:
            return key in self._short

    def due(self, key: PageKey) -> bool:
        """Whether the page may be tried now. Who finds that it may not leaves it to the next reconcile."""
        with self._guard:
            short = self._short.get(key)
            return short is None or self._clock() >= short.due_at

    def met(self, key: PageKey) -> bool:
        """There was no memory for the page; whether that counts as an attempt."""
        with self._guard:
            before = self._short.pop(key, _Short(0, self._read, 0.0))
            tries = before.tries + 1
            more = tries - FREE_TRIES
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(more, 10)) if more >= 0 else 0.0
            self._short[key] = _Short(tries, self._read, self._clock() + pause)
            while len(self._short) > _REMEMBERED:
                self._short.popitem(last=False)
            free = FREE_TRIES if self._read > before.others else FREE_TRIES_WHERE_NOTHING_IS_READ
            return tries > free

    def read(self, key: PageKey) -> None:
        """The engine has read a page."""
        with self._guard:
            self._read += 1
            self._short.pop(key, None)
