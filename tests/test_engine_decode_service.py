"""The decode engine as a service: bad requests, cancelling, failures, too little memory, closing."""

from __future__ import annotations

import threading
import time
import weakref

import pytest
import torch
from engine_decode_kit import engine, prefixes
from engine_deepseek_kit import model

from index.errors import ConfigError, InternalError, InvalidRequest, Unavailable
from worker.engine.deepseek.plan import is_out_of_memory, planned_slots, take
from worker.engine.deepseek.requests import Prefix
from worker.engine.deepseek.slots import Slots


@pytest.fixture
def loaded():
    return model()


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def held(running, monkeypatch):
    """The event that lets the engine's steps go on: until then a page that runs has not ended, whatever takes long."""
    go, step = threading.Event(), running._steps.run

    def run(*given):
        assert go.wait(120)
        return step(*given)

    monkeypatch.setattr(running._steps, "run", run)
    return go


def test_a_cancelled_future_frees_its_slot(loaded, monkeypatch):
    """While it runs, and while it waits: the next page gets the only slot long before the first would have ended."""
    first, second, third = prefixes(loaded, (10, 11, 12))
    running = engine(loaded, slots=1, max_context=4096, max_new_tokens=4000)
    go = held(running, monkeypatch)
    try:
        endless = running.submit(first)
        waiting = running.submit(second)
        wait_for(lambda: running._running)
        assert waiting.cancel()
        assert endless.cancel()
        go.set()
        assert len(running.submit(third, max_new_tokens=5).result(120).tokens) == 5
        assert not running._running
    finally:
        go.set()
        running.close()


def test_bad_requests_are_refused_at_once(loaded):
    """With what is wrong; nothing is queued."""
    running = engine(loaded, max_context=100)
    rows = torch.zeros(2, loaded.dim)
    try:
        for prefix in (
            torch.zeros(3, loaded.dim + 1),
            torch.zeros(0, loaded.dim),
            torch.zeros(3, loaded.dim, dtype=torch.int64),
            Prefix(()),
            Prefix((1, 10**9)),
            Prefix((1, loaded.image_id), rows),
            Prefix((1, loaded.image_id)),
            torch.zeros(100, loaded.dim),
        ):
            with pytest.raises(InvalidRequest):
                running.submit(prefix)
        with pytest.raises(InvalidRequest):
            running.submit(torch.zeros(3, loaded.dim), max_new_tokens=0)
    finally:
        running.close()


def test_numbers_that_are_not_finite_fail_their_page_only(loaded):
    """A damaged vision token: that page is an error, its neighbours' texts are what they were."""
    pages = prefixes(loaded, (20, 30, 25))
    running = engine(loaded)
    try:
        expected = [one.tokens for one in running.generate(pages)]
        pages[1] = pages[1].clone()
        pages[1][4, 2] = float("nan")
        futures = [running.submit(prefix) for prefix in pages]
        with pytest.raises(InternalError, match="not finite"):
            futures[1].result(120)
        assert [futures[0].result(120).tokens, futures[2].result(120).tokens] == [expected[0], expected[2]]
    finally:
        running.close()


def test_a_failing_prefill_fails_its_page_only(loaded, monkeypatch):
    """Packed with others, it is found and taken out."""
    pages = prefixes(loaded, (20, 31, 25))
    running = engine(loaded)
    try:
        expected = [one.tokens for one in running.generate(pages)]
        whole = running._slots.prefill

        def fails(pieces):
            if any(len(piece.x) == 31 for piece in pieces):
                raise ValueError("no")
            return whole(pieces)

        monkeypatch.setattr(running._slots, "prefill", fails)
        futures = [running.submit(prefix) for prefix in pages]
        with pytest.raises(InternalError, match="no"):
            futures[1].result(120)
        assert [futures[0].result(120).tokens, futures[2].result(120).tokens] == [expected[0], expected[2]]
    finally:
        running.close()


def test_a_failing_step_fails_what_runs_and_nothing_else(loaded, monkeypatch):
    """The engine goes on with the next page."""
    first, second = prefixes(loaded, (20, 25))
    running = engine(loaded)
    try:
        expected = running.generate([second])[0].tokens
        step = running._steps.run
        monkeypatch.setattr(running._steps, "run", lambda *_: (_ for _ in ()).throw(ValueError("device lost")))
        with pytest.raises(InternalError, match="device lost"):
            running.submit(first).result(120)
        monkeypatch.setattr(running._steps, "run", step)
        assert running.generate([second])[0].tokens == expected
    finally:
        running.close()


def test_memory_that_runs_out_while_decoding_halves_the_slots(loaded, monkeypatch):
    """All pages are decoded all the same, and their texts are the same."""
    pages = prefixes(loaded, (20, 25, 30, 35))
    running = engine(loaded, slots=4)
    try:
        expected = [one.tokens for one in running.generate(pages)]

        def full(*_):
            raise torch.OutOfMemoryError("no memory")

        monkeypatch.setattr(running._steps, "run", full)
        assert [one.tokens for one in running.generate(pages)] == expected
        assert running.slots == 2
    finally:
        running.close()


def test_the_old_slots_are_free_when_fewer_are_made(loaded, monkeypatch):
    """The exception that told of it holds none of their memory: otherwise half would have to fit beside the whole."""
    pages = prefixes(loaded, (20, 25))
    running = engine(loaded, slots=4)
    try:
        before, made, alive = weakref.ref(running._slots), running._make_slots, []
        step = Slots.step

        def full(self, *arguments):
            if self is before():
                raise torch.OutOfMemoryError("no memory")
            return step(self, *arguments)

        def make(slots):
            alive.append(before() is not None)
            return made(slots)

        monkeypatch.setattr(Slots, "step", full)
        monkeypatch.setattr(running, "_make_slots", make)
        assert len(running.generate(pages)) == 2
        assert alive == [False]
    finally:
        running.close()


def test_a_thread_that_ends_leaves_nobody_waiting(loaded, monkeypatch):
    """Trouble while recovering from trouble: every page gets an answer, and the engine says that it is not alive."""
    running = engine(loaded)
    submitted = threading.Event()

    def broken(*_):
        assert submitted.wait(120)  # else a thread that ends early refuses the pages that come after it
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(running._slots, "prefill", broken)
    monkeypatch.setattr(running, "_prefill_failed", broken)
    monkeypatch.setattr(running, "_recover", broken)
    futures = [running.submit(prefix) for prefix in prefixes(loaded, (20, 25, 30))]
    submitted.set()
    for future in futures:
        with pytest.raises(Unavailable):
            future.result(120)
    assert not running.alive
    with pytest.raises(Unavailable):
        running.submit(prefixes(loaded, (20,))[0])
    running.close()


@pytest.mark.parametrize(
    "message",
    ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", "can't allocate memory"],
)
def test_running_out_of_memory_is_recognised(message):
    """In the words of CUDA, its libraries and the processor's allocator, and where another error took its place."""
    assert is_out_of_memory(RuntimeError(message))
    covered = RuntimeError("capture failed")
    covered.__context__ = RuntimeError(message)
    assert is_out_of_memory(covered)
    assert not is_out_of_memory(RuntimeError("capture failed"))


def test_memory_that_runs_out_in_a_prefill_makes_it_smaller_and_then_an_error(loaded, monkeypatch):
    """Fewer tokens at a time; when that does not help either, the page's error says what to do."""
    (prefix,) = prefixes(loaded, (200,))
    running = engine(loaded, prefill_tokens=128)
    try:
        expected = running.generate([prefix])[0].tokens
        whole, sizes = running._slots.prefill, []

        def small_only(pieces):
            sizes.append(sum(len(piece.x) for piece in pieces))
            if sizes[-1] > most:
                raise torch.OutOfMemoryError("no memory")
            return whole(pieces)

        monkeypatch.setattr(running._slots, "prefill", small_only)
        most = 300
        assert running.generate([prefix])[0].tokens == expected
        most = 0
        with pytest.raises(Unavailable) as caught:
            running.generate([prefix])
        assert caught.value.code == "not_enough_memory"
    finally:
        running.close()


def test_slots_are_planned_from_free_memory_and_taken_with_care():
    """As many as fit; half as many while memory runs out; a clear error when one is too many."""
    assert planned_slots(128, 1 << 30, 40 << 30) == 32
    assert planned_slots(8, 1 << 20, 40 << 30) == 8
    assert planned_slots(8, 1 << 30, 1 << 30) == 1
    assert planned_slots(8, 1 << 30, None) == 8

    def make(slots):
        if slots > 3:
            raise torch.OutOfMemoryError("no")
        return "x" * slots

    assert take(16, make) == ("xx", 2)
    with pytest.raises(ConfigError) as caught:
        take(4, lambda _: (_ for _ in ()).throw(RuntimeError("DefaultCPUAllocator: can't allocate memory")))
    assert caught.value.code == "not_enough_memory"
    with pytest.raises(RuntimeError, match="else"):
        take(4, lambda _: (_ for _ in ()).throw(RuntimeError("something else")))


def test_closing_answers_everybody(loaded, monkeypatch):
    """What runs and what waits gets `Unavailable`; so does who comes afterwards."""
    running = engine(loaded, slots=1, max_context=4096, max_new_tokens=4000)
    go = held(running, monkeypatch)
    futures = [running.submit(prefix) for prefix in prefixes(loaded, (10, 11))]
    wait_for(lambda: running._running)
    closing = threading.Thread(target=running.close)
    closing.start()
    wait_for(lambda: not running.alive)
    go.set()
    closing.join()
    running.close()
    for future in futures:
        with pytest.raises(Unavailable):
            future.result(120)
    with pytest.raises(Unavailable):
        running.submit(prefixes(loaded, (5,))[0])
