"""The demonstration as a process, over the fake service. `make demo EXIT=1` is its test over the real one."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from index.ownership import Ownership

ROOT = Path(__file__).parent.parent
RUN = "import sys, pathlib, tests.cli_fake_main; from api import demo; demo.DATA = pathlib.Path(sys.argv[1]); "


def demonstrate(data, change=""):
    command = [sys.executable, "-c", f"{RUN}{change}; sys.exit(demo.main(['--exit']))", str(data)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def texts(tmp_path):
    """An archive that the fake service reads as pages on which everything is found."""
    path = tmp_path / "archive.zip"
    path.write_bytes(b"which animal was rescued from a ship INV-2018-0226\fa swarm of bees in the flood of 1953")
    return f"demo.ARCHIVE = pathlib.Path({str(path)!r})"


def test_the_demonstration_in_a_log(tmp_path, texts):
    """Uploads, reads, searches three times, answers, ends with 0; no escape codes where there is no terminal."""
    done = demonstrate(tmp_path / "demo", texts)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Search: ") == 3
    assert "Question: " in done.stdout
    assert "2 of 2 pages in 1 document were read" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_an_answer_that_is_not_found_is_a_failure(tmp_path, texts):
    """Nobody must take a broken installation for a working one."""
    assert demonstrate(tmp_path / "demo", f"{texts}; demo.QUESTION = 'Where is the zeppelin?'").returncode == 3
    assert demonstrate(tmp_path / "demo", f"{texts}; demo.SEARCHES = ('zeppelin',)").returncode == 3


def test_it_starts_fresh_each_time(tmp_path, texts):
    """What the last one left is gone."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "old").write_text("old")
    assert demonstrate(tmp_path / "demo", texts).returncode == 0
    assert not (tmp_path / "demo" / "old").exists()


def test_a_taken_port_is_passed_by(tmp_path, texts, monkeypatch):
    """Another port is taken and printed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("FOLIOSCOPE_PORT", str(taken.getsockname()[1]))
        done = demonstrate(tmp_path / "demo", texts)
        assert done.returncode == 0, done.stderr
        assert f":{taken.getsockname()[1]}" not in done.stdout


def test_a_second_demonstration_leaves_the_first_alone(tmp_path, texts):
    """One line, exit code 1, and its data is still there."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "precious").write_text("data")
    owner = Ownership(tmp_path / "demo")
    done = demonstrate(tmp_path / "demo", texts)
    owner.release()
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert (tmp_path / "demo" / "precious").exists()


def test_without_the_samples(tmp_path):
    """The message says where it runs."""
    done = demonstrate(tmp_path / "demo", "demo.ARCHIVE = pathlib.Path('/nowhere')")
    assert done.returncode == 1
    assert "checkout" in done.stderr
