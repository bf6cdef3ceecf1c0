"""A GPU that is lost to its process: told from a page's own errors, and a worker that met it ends and comes back."""

from __future__ import annotations

import threading

import pytest
import torch
from engine_decode_kit import engine as decode_engine
from engine_decode_kit import prefixes
from engine_deepseek_kit import model, page

from index.errors import ConfigError, InternalError, Unavailable
from tests.engine_vision_kit import engine
from worker.broker import WorkerFacts
from worker.crashes import CrashLogs
from worker.engine.deepseek.encoder import Encoder
from worker.engine.deepseek.faults import is_gone, told
from worker.engine.deepseek.modes import TINY
from worker.gpu_guard import GuardedEngine
from worker.watch import EXIT_GPU, Watch, WatchConfig

ASSERTION = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at ..."
LOST = [
    ASSERTION,
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: unspecified launch failure",
    "CUDA error: misaligned address",
    "CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx",
    # With its C++ frames (TORCH_SHOW_CPP_STACKTRACES), which name what was called and not what is wrong.
    "CUDA error: an illegal memory access was encountered\nframe #7: c10::cuda::CUDACachingAllocator::malloc",
]


def lost(*_, **__):
    raise RuntimeError(ASSERTION)


@pytest.mark.parametrize("words", LOST)
def test_what_cuda_says_when_a_context_has_ended(words):
    """Also where another error took its place on the way."""
    assert is_gone(RuntimeError(words))
    assert told(RuntimeError(words)).code == "gpu_failed"
    try:
        try:
            raise RuntimeError(words)
        except RuntimeError as error:
            raise ValueError("while packing") from error
    except ValueError as error:
        assert is_gone(error)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: invalid configuration argument"),
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        ValueError("device-side assert"),  # a page's words, not the runtime's
        None,
    ],
)
def test_other_errors_are_a_pages_own(error):
    """Memory that ran out, and what is wrong with one call, leave the device in order."""
    assert not is_gone(error)


def test_a_gpu_that_is_lost_while_memory_is_made_is_lost():
    """What led to it was a lack of memory, and is over."""
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        except torch.OutOfMemoryError:
            lost()
    except RuntimeError as error:
        assert is_gone(error)
        assert told(error).code == "gpu_failed"
    assert told(torch.OutOfMemoryError("CUDA out of memory")).code == "not_enough_memory"


def test_where_words_do_not_tell_the_device_is_asked(monkeypatch):
    """A GPU whose every call fails is lost, whatever the first error said; a processor is never asked."""
    error = RuntimeError("CUDNN said something new")
    monkeypatch.setattr("torch.cuda.synchronize", lambda _device: None)
    assert not is_gone(error, torch.device("cuda:0"))
    monkeypatch.setattr("torch.cuda.synchronize", lost)
    assert is_gone(error, torch.device("cuda:0"))
    assert not is_gone(error, torch.device("cpu"))
    assert not is_gone(torch.OutOfMemoryError("full"), torch.device("cuda:0"))


def test_encoding_on_a_lost_gpu():
    """No smaller batches, no trying one by one: `gpu_failed`, with what CUDA said."""
    encoder, calls = Encoder(model()), []
    encoder._network = lambda views: calls.append(len(views)) or lost()
    with pytest.raises(Unavailable, match="device-side assert") as caught:
        encoder.encode([page(n, (300, 300)) for n in range(2)], [TINY] * 2)
    assert caught.value.code == "gpu_failed"
    assert len(calls) == 1


@pytest.mark.parametrize("where", ["prefill", "step"])
def test_decoding_on_a_lost_gpu(where, monkeypatch):
    """All pages that are under way or wait get `gpu_failed`, none an error of its own; no more are taken."""
    loaded = model()
    running = decode_engine(loaded, slots=2)
    all_wait = threading.Event()

    def lost_in_the_end(*_, **__):
        assert all_wait.wait(120)
        lost()

    try:
        if where == "prefill":
            monkeypatch.setattr(running._slots, "prefill", lost_in_the_end)
        else:
            monkeypatch.setattr(running._steps, "run", lost_in_the_end)
        futures = [running.submit(prefix) for prefix in prefixes(loaded, (20, 25, 30, 35, 40))]
        all_wait.set()
        for future in futures:
            with pytest.raises(Unavailable) as caught:
                future.result(120)
            assert caught.value.code == "gpu_failed"
        assert not running.alive
        with pytest.raises(Unavailable):
            running.submit(prefixes(loaded, (20,))[0])
    finally:
        running.close()


def test_loading_on_a_lost_gpu(monkeypatch):
    """The engine does not come back in a process that lost its GPU, and says so with the same code."""
    made = engine()
    monkeypatch.setattr("worker.engine.deepseek.engine.load_model", lost)
    with pytest.raises(Unavailable) as caught:
        made.read([page(1)])
    assert caught.value.code == "gpu_failed"
    with pytest.raises(ConfigError) as at_start:
        made.warm()
    assert at_start.value.code == "gpu_failed"


def test_an_engine_under_guard_is_the_engine():
    """What it can do and what it gives are the same; only a lost GPU is told, before anybody hears of the error."""
    told = []
    made = engine(write=lambda tokens, prompt: ("A text.", {}))
    guarded = GuardedEngine(made, told.append)
    assert (guarded.name, guarded.dim, hasattr(guarded, "nothing")) == (made.name, made.dim, False)
    assert guarded.read([page(1)])[0].text == "A text."

    def answer(error):
        def write(tokens, prompt):
            raise error

        return GuardedEngine(engine(write=write), told.append)

    with pytest.raises(InternalError):
        answer(InternalError("a page's own")).read([page(1)])
    with pytest.raises(Unavailable):
        answer(Unavailable("full", code="gpu_memory")).read([page(1)])
    assert told == []
    with pytest.raises(Unavailable):
        answer(Unavailable("the GPU is lost", code="gpu_failed")).read([page(1)])
    assert told == ["the GPU is lost"]


def test_a_worker_that_lost_its_gpu_ends_as_by_a_crash(tmp_path, monkeypatch):
    """With a code of its own, having said so to the crash log and the broker."""
    ended, left = [], []
    monkeypatch.setattr("os._exit", ended.append)

    class Broker:
        def leave(self, name):
            left.append(name)

    crashes = CrashLogs(tmp_path)
    crashes.arm("w")
    facts = WorkerFacts("w", (), "", 1, 0.0, 0, 0)
    Watch(Broker(), crashes, lambda: facts, lambda: "the page", WatchConfig()).gpu_failed("the GPU is lost")
    assert (ended, left) == ([EXIT_GPU], ["w"])
    assert crashes.crashed("w")
    crashes.disarm()
