"""Calls of many threads as a few for many: what waited goes together, and what one of them does harms no other."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import pytest

from index.errors import Unavailable
from worker.engine.deepseek.batching import Batcher
from worker.patience import Patience


class Gated:
    """A `Batcher` that makes capitals, once its gate is open. `seen`: the batches."""

    def __init__(self, most=3):
        self.gate, self.seen = threading.Event(), []
        self.batcher = Batcher(self._run, most=most, name="test")

    def _run(self, items):
        self.seen.append(list(items))
        assert self.gate.wait(120)
        return [item.upper() for item in items if item != "lost"]

    def submit(self, *items):
        """The futures, once the first item is at work."""
        futures = [self.batcher.submit(item) for item in items[:1]]
        while not self.seen:
            time.sleep(0.001)
        return futures + [self.batcher.submit(item) for item in items[1:]]


def test_a_batch_is_what_waited():
    """Items that come while a batch runs go together; one that fails fails alone; after closing nothing is taken."""
    gate, seen = threading.Event(), []

    def run(items):
        seen.append(list(items))
        assert gate.wait(120)
        if "bad" in items:
            raise ValueError("bad")
        return [item.upper() for item in items]

    batcher = Batcher(run, most=3, name="test")
    first = batcher.submit("a")
    while not seen:
        time.sleep(0.001)
    rest = [batcher.submit(item) for item in ("b", "bad", "c", "d")]
    gate.set()
    assert first.result(120) == "A"
    assert [future.result(120) for future in (rest[0], rest[2], rest[3])] == ["B", "C", "D"]
    with pytest.raises(ValueError, match="bad"):
        rest[1].result(120)
    assert seen[:2] == [["a"], ["b", "bad", "c"]]
    batcher.close()
    batcher.close()
    with pytest.raises(Unavailable):
        batcher.submit("e")


def test_who_gives_up_while_the_batch_runs_harms_nobody():
    """A person went away, or the time for an answer is over: what is encoded then is thrown away, and others go on."""
    gated = Gated()
    first, *waiting = gated.submit("a", "b", "c", "d")
    with pytest.raises(Unavailable):
        Patience(None, lambda: True).result(first)
    for future in waiting[:2]:
        with pytest.raises(Unavailable):
            Patience(None, lambda: True).result(future)
    gated.gate.set()
    assert waiting[2].result(120) == "D"
    assert gated.seen == [["a"], ["d"]], "what nobody waits for any more is not begun"
    assert gated.batcher.submit("e").result(120) == "E"
    gated.batcher.close()


def test_closing_tells_those_who_wait_and_nobody_else():
    """Also where one of them gave up before."""
    gated = Gated()
    running, gone, waiting = gated.submit("a", "b", "c")
    assert gone.cancel()
    closing = threading.Thread(target=gated.batcher.close)
    closing.start()
    with pytest.raises(Unavailable):
        waiting.result(120)
    gated.gate.set()
    closing.join(120)
    assert running.result(120) == "A"


def test_a_result_too_few_is_the_fault_of_one():
    """Nobody gets another's, and nobody waits for ever."""
    gated = Gated()
    gated.gate.set()
    batch = [("b", Future()), ("lost", Future()), ("c", Future())]
    gated.batcher._do(batch)
    assert [batch[0][1].result(0), batch[2][1].result(0)] == ["B", "C"]
    with pytest.raises(ValueError, match="shorter"):
        batch[1][1].result(0)
    gated.batcher.close()
