"""The cache of converted graphs: what is used stays, and nothing else of ours does."""

from __future__ import annotations

import locale
import os
import sys
import time

import pytest

from index import graphs

DAY_S = 86_400
MARK = "meta.json"


@pytest.fixture
def cache(tmp_path):
    """With a graph of this version, made a year ago."""
    return age(graph(tmp_path, "model-v2-openvino-2026.4.1"), 365).parent


@pytest.fixture(autouse=True)
def version(monkeypatch):
    monkeypatch.setattr("openvino.__version__", "2026.4.1-1234-abcdef")


def graph(cache, name):
    """A folder as a conversion leaves it."""
    (cache / name).mkdir()
    (cache / name / MARK).write_text("{}")
    return cache / name


def age(path, days):
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def opened(cache):
    """This version's, as a start opens it."""
    return graphs.made(cache, "model-v2", MARK, lambda _: pytest.fail("it was made"), 1.0)


def test_graphs_of_other_versions_go_after_a_month(cache):
    """Not at once: an older version may be started again, as after an upgrade that did not please."""
    old, recent = graph(cache, "model-v1-openvino-2025.1"), graph(cache, "model-v2-openvino-2026.4.0")
    age(old, 31)
    age(recent, 29)
    assert opened(cache) in set(cache.iterdir())
    assert not old.exists()
    assert recent.exists()


def test_what_is_opened_counts_as_used(cache):
    """However long ago it was made; another version's start does not remove it then."""
    before = time.time() - DAY_S
    mine = opened(cache)
    assert mine.stat().st_mtime > before
    other = age(graph(cache, "judge-v3-openvino-2026.4.1"), 31)
    graphs.made(cache, "judge-v3", MARK, lambda _: pytest.fail("it was made"), 1.0)
    assert mine.exists()
    assert other.exists()


def test_a_graph_that_goes_is_whole_or_not_there(cache, monkeypatch):
    """Its version may be started again after a kill. What was left of it goes the next time."""
    old = age(graph(cache, "model-v1-openvino-2025.1"), 31)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda path, **_: (path / MARK).rename(path / "half"))
        opened(cache)
    assert not old.exists()
    assert [len(list(path.iterdir())) for path in cache.iterdir()] == [1, 1]
    for path in cache.iterdir():
        age(path, 2)
    whole = opened(cache)
    assert list(cache.iterdir()) == [whole]


@pytest.mark.parametrize("end", ["aaaa_bb1", "20261122"])
def test_what_a_kill_left_half_made_goes(cache, end):
    """Which may still be under way in another process; that takes minutes. Drawn digits are no version."""
    with pytest.raises(KeyboardInterrupt), graphs.whole(cache / "model-v3-openvino-2026.4.1", MARK) as made:
        left, fresh = (cache / f"{made.name[:-8]}{drawn}" for drawn in (end, "12345678"))
        graph(cache, left.name)
        graph(cache, fresh.name)
        raise KeyboardInterrupt
    age(left, 2)
    opened(cache)
    assert not left.exists()
    assert fresh.exists()


def test_other_folders_are_none_of_ours(cache):
    others = [graph(cache, name) for name in ("mine", "model-v1", "model-openvino-2026.4.1.old", "openvino-2026")]
    for other in others:
        age(other, 365)
    opened(cache)
    assert all(other.exists() for other in others)


def test_made_while_another_thread_compiles(tmp_path, monkeypatch):
    """OpenVINO sets the locale to C meanwhile: the bar that a conversion draws was no text then, and torch did the
    work of that process, which is slower.
    """
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf 'Loading \\342\\226\\210' >&2\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    try:
        made = graphs.made(tmp_path, "model-v9", MARK, lambda _: ["convert"], 10.0)
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    assert made.name.startswith("model-v9")
