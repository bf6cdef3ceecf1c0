"""Starts of the full stack's processes: what one that fails lets go of, and what one says of itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from index.errors import StoreUnavailable
from worker import stack, wiring
from worker.settings import Settings
from worker.stack import WorkerConfig, run_worker


class Engine:
    name, revision = "test", "1"

    def __init__(self):
        self.done = []

    def warm(self):
        self.done.append("warm")

    def close(self):
        self.done.append("close")


def test_without_an_index_the_engine_is_closed(tmp_path, monkeypatch):
    """Its weights were loaded first: whoever tries again in this process must find their memory free."""

    def away(*_args, **_options):
        raise StoreUnavailable("No index server answers.")

    engine = Engine()
    monkeypatch.setattr(wiring, "build_engine", lambda _settings: engine)
    monkeypatch.setattr(wiring, "open_truth", away)
    settings = Settings(data_dir=tmp_path, broker_url="redis://127.0.0.1:1/0", qdrant_url="http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable):
        run_worker(settings, WorkerConfig("w1"))
    assert engine.done == ["warm", "close"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [({}, "full"), ({"reading": "lazy"}, "lazy, with drafts"), ({"reading": "lazy", "drafts": False}, "lazy")],
)
def test_a_front_says_how_its_workers_are_to_read(tmp_path, monkeypatch, asked, told):
    """In the words of a single process, which knows its engine."""

    class Nobody:
        truth = SimpleNamespace(embedder=SimpleNamespace(name="test"), catalog=None, store=None, close=lambda: None)
        queue = SimpleNamespace(ring=None)
        deletion = None
        broker = SimpleNamespace(workers=list)

        def __init__(self, *_args, **_options):
            pass

        def start(self):
            pass

    built = {}
    runner = SimpleNamespace(start=lambda: None, stop=lambda: None)
    monkeypatch.setattr(stack, "Member", Nobody)
    monkeypatch.setattr(stack, "webhook_parts", lambda *_: SimpleNamespace(runner=lambda _: runner))
    monkeypatch.setattr(wiring, "build_jobs", lambda *_: None)
    monkeypatch.setattr(
        wiring, "build_library", lambda *_, **parts: built.update(parts) or SimpleNamespace(document=None)
    )
    with stack.open_front(Settings(data_dir=tmp_path, broker_url="redis://127.0.0.1:1/0", **asked)):
        assert built["readiness"]().checks["reading"] == told
