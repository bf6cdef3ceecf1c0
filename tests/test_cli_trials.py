"""Trials (`make demo`, `folioscope bench`) leave alone what the environment names: service, stack and first key."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from api import bench, demo
from tests.api_kit import FakeService
from tests.cli_kit import fake_cli
from worker import wiring

WORDS = b"which animal was rescued from a ship INV-2018-0226\fa swarm of bees in the flood of 1953 harbour"


@pytest.fixture
def folioscope(capsys, monkeypatch, tmp_path):
    with fake_cli(capsys, monkeypatch, tmp_path / "data") as command:
        yield command


@pytest.fixture
def opened(monkeypatch):
    """Settings of the services that are opened, none of which is real."""
    seen = []

    @contextmanager
    def open_service(settings):
        settings.data_dir.mkdir(exist_ok=True)
        service = FakeService()
        seen.append(settings)
        yield service
        service.close()

    monkeypatch.setattr(wiring, "open_service", open_service)
    return seen


@pytest.fixture
def occupied(folioscope, monkeypatch):
    """An environment in which somebody works with an archive of their own."""
    monkeypatch.setenv("FOLIOSCOPE_URL", folioscope.url)
    monkeypatch.setenv("FOLIOSCOPE_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("FOLIOSCOPE_QDRANT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("FOLIOSCOPE_INITIAL_KEY", "k" * 40)
    return folioscope.service


def test_a_measurement(folioscope, occupied, opened, monkeypatch):
    """Its drawn pages are nobody's documents."""
    monkeypatch.setattr(bench, "_draw_page", lambda _draw, path: path if path.write_bytes(path.name.encode()) else None)
    result = folioscope("bench", "--json", url=False)
    assert result.code == 0
    assert set(result.json) == {"pages_per_second", "search_p50_ms", "search_p95_ms"}
    assert occupied.accepted == []
    assert [settings.broker_url for settings in opened] == [None]


def test_a_demonstration(occupied, opened, monkeypatch, tmp_path):
    """It is open, and of itself alone."""
    (tmp_path / "archive.zip").write_bytes(WORDS)
    monkeypatch.setattr(demo, "ARCHIVE", tmp_path / "archive.zip")
    monkeypatch.setattr(demo, "DATA", tmp_path / "demo")
    monkeypatch.setenv("FOLIOSCOPE_PORT", "0")
    assert demo.main(["--exit"]) == 0
    assert occupied.accepted == []
    assert [settings.broker_url for settings in opened] == [None]


@pytest.mark.parametrize("given", ["environment", "option"])
def test_a_tilde_is_the_home(folioscope, monkeypatch, tmp_path, given):
    """No shell makes it one in a file of variables or behind `--data=`; a folder of that name is nobody's wish."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLIOSCOPE_DATA_DIR", "~/archive" if given == "environment" else str(tmp_path / "other"))
    more = [] if given == "environment" else ["--data=~/archive"]
    assert folioscope("keys", "create", "--name", "me", *more, url=False).code == 0
    assert (tmp_path / "home" / "archive" / "keys").is_dir()
    assert not Path("~").exists()
    assert "home" in folioscope("keys", "list", "--data=~nobody-of-this-name/x", url=False).err
