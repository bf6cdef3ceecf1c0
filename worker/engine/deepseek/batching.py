"""Calls of many threads, each for one thing, done as a few calls for many things.

Queue threads read a page each; a GPU is busy only with many at a time. `Batcher.submit` puts an item down, and one
thread takes all that lie there, up to `most`, while the batch before was running: nobody waits for a batch to fill.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from index.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """`run` gets items in the order in which they came, and gives a result for each."""

    def __init__(self, run: Callable[[Sequence[T]], Sequence[R]], *, most: int, name: str) -> None:
        self._run = run
        self._most = most
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, Future[R]]] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: T) -> Future[R]:
        """The future gets what `run` raised for this item. `Unavailable` after `close`. Who gives up may cancel it,
        which does nothing once `run` has the item.
        """
        future: Future[R] = Future()
        with self._changed:
            if self._closed:
                raise _closing()
            self._waiting.append((item, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """The batch that runs is ended; what waits gets `Unavailable`. Harmless twice."""
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        for _, future in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(_closing())
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            # From here on nobody can cancel them: a result that cannot be told would end this thread.
            if batch := [(item, future) for item, future in taken if future.set_running_or_notify_cancel()]:
                self._do(batch)

    def _do(self, batch: list[tuple[T, Future[R]]]) -> None:
        try:
            results = list(zip(batch, self._run([item for item, _ in batch]), strict=True))
        except BaseException as error:
            if len(batch) == 1 or isinstance(error, Unavailable):
                for _, future in batch:
                    future.set_exception(error)
                return
            # One of them is at fault: the others shall not suffer.
            for one in batch:
                self._do([one])
        else:
            for (_, future), result in results:
                future.set_result(result)


def _closing() -> Unavailable:
    return Unavailable("The reading engine is stopping. Try again when the service is up.")
