"""A worker whose start fails: it says why, and lets go of what it had."""

from __future__ import annotations

import pytest

from index.errors import StoreUnavailable
from worker import wiring
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
