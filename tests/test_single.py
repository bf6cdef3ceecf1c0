"""One process that does all: what a start that fails leaves behind."""

import os

import pytest

from index.errors import ConfigError, InternalError
from index.ownership import Ownership
from ingest.sandbox import SandboxRenderer
from tests import crash_service
from tests.api_kit import wait_for
from tests.kit import HashEmbedder
from worker import wiring
from worker.recovery import Recovery


@pytest.fixture(autouse=True)
def light_models(monkeypatch):
    monkeypatch.setattr(wiring, "build_engine", lambda _settings: crash_service.PixelEngine())
    monkeypatch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())


def fails_to_start(root):
    settings = crash_service.settings(root).model_copy(update={"answerer": "llm", "llm_model": ""})
    with pytest.raises(ConfigError, match="FOLIOSCOPE_LLM_MODEL"), wiring.open_service(settings):
        raise AssertionError("it started")


def test_a_start_that_fails_lets_go_of_everything(tmp_path, monkeypatch):
    """The data directory can be had again at once, and no rendering process is left."""
    made, closed = [], []
    build, close = wiring.build_renderer, SandboxRenderer.close
    monkeypatch.setattr(
        wiring, "build_renderer", lambda *given, **named: made.append(build(*given, **named)) or made[-1]
    )
    monkeypatch.setattr(SandboxRenderer, "close", lambda self: (closed.append(self), close(self)))
    fails_to_start(tmp_path)
    assert closed == made != []
    Ownership(tmp_path).release()


def test_a_crash_is_not_forgotten_by_a_start_that_fails(tmp_path):
    """What the crash log says is heeded by the next start that works, and is kept then under another name."""
    log = tmp_path / "crash.log"
    log.write_text("Fatal Python error: Segmentation fault")
    fails_to_start(tmp_path)
    assert log.read_text().startswith("Fatal")
    with wiring.open_service(crash_service.settings(tmp_path)):
        assert (tmp_path / "crash.log.last").read_text().startswith("Fatal")
        assert log.read_text() == ""
    assert not log.exists()


def test_more_time_for_a_page_is_more_time_to_compute(tmp_path):
    """Who raises the limit by the clock would gain nothing if that of the processor stayed."""
    usual = crash_service.settings(tmp_path)
    longer = usual.model_copy(update={"page_timeout_s": 10 * usual.page_timeout_s})
    with wiring.build_renderer(usual, children=1) as one, wiring.build_renderer(longer, children=1) as other:
        assert other._config.page_cpu_s == pytest.approx(10 * one._config.page_cpu_s)
        assert one._config.page_cpu_s < one._config.page_timeout_s


def test_what_is_kept_for_a_time_goes_without_anybody_asking(tmp_path, monkeypatch):
    """An upload that nobody went on with, bytes and password, also where no other is begun and a step before fails."""

    def fail(_):
        raise InternalError("a bug")

    settings = crash_service.settings(tmp_path).model_copy(update={"housekeeping_s": 0.1})
    with wiring.open_service(settings) as library:
        upload = library.uploads.create("default", 4, filename="a.pdf", password="secret")
        assert len(list((tmp_path / "uploads").iterdir())) == 2
        monkeypatch.setattr(Recovery, "reconcile", fail)
        os.utime(tmp_path / "uploads" / f"{upload.id}.part", (0, 0))  # nobody went on with it for a long time
        wait_for(lambda: not list((tmp_path / "uploads").iterdir()))


@pytest.mark.parametrize("folder", ["uploads", "webhooks/hooks/default", "conversations", "keys"])
def test_what_a_kill_left_half_written_goes(tmp_path, folder):
    """Passwords, secrets and questions are in such files; one that is just being written stays."""
    left, fresh = tmp_path / folder / ".0123.tmp", tmp_path / folder / ".4567.tmp"
    for path in (left, fresh):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"password": "secr')
    os.utime(left, (0, 0))
    with wiring.open_service(crash_service.settings(tmp_path)):
        wait_for(lambda: not left.exists())
        assert fresh.exists()
