"""Ends the process when its GPU is lost to it: an engine whose calls are looked at.

What such an engine raises (`gpu_failed`) it raises for every page from then on, and nothing in the process mends that.
So the process ends before anybody hears of the error: the attempts that are under way stay open, as after a crash, and
the next process begins with a GPU that works. A page that loses the GPU each time is then read alone, and failed after
its attempts, like any page that takes its reader down.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from index.errors import Unavailable
from worker.engine.engine import GPU_FAILED


class GuardedEngine:
    """`engine` itself, whatever it can do; `end` gets the error's words and should not return."""

    def __init__(self, engine: object, end: Callable[[str], None]) -> None:
        self._engine = engine
        self._end = end

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return self._guarded(found) if callable(found) else found

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def guarded(*arguments: Any, **options: Any) -> Any:
            try:
                return call(*arguments, **options)
            except Unavailable as error:
                if error.code == GPU_FAILED:
                    self._end(error.message)
                raise

        return guarded
