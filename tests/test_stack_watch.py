"""A worker's watch over itself: what hangs or grows ends, and nothing keeps the watch from looking."""

from __future__ import annotations

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from index.store import PageUpdate
from index.types import PageKey
from tests.api_kit import wait_for
from tests.kit import TENANT, Archive, pdf
from tests.test_jobs import zipped
from worker import lanes, shell, watch
from worker.broker import WorkerFacts
from worker.crashes import CrashLogs
from worker.jobs import now
from worker.watch import Watch, WatchConfig


class Beats:
    def __init__(self):
        self.left, self.told = [], []

    def beat(self, facts):
        self.told.append(facts)

    def leave(self, name):
        self.left.append(name)


@pytest.mark.parametrize(("oldest_s", "exits"), [(9.0, []), (11.0, [70])])
def test_a_job_that_hangs_ends_its_worker_as_a_crash(tmp_path, monkeypatch, oldest_s, exits):
    """The crash log says which job, so that its attempt stands."""
    ended = []
    monkeypatch.setattr("os._exit", ended.append)
    crashes = CrashLogs(tmp_path)
    crashes.arm("w")
    facts = WorkerFacts("w", (), "", 1, oldest_s, 0, 0)
    Watch(Beats(), crashes, lambda: facts, lambda: "the page", WatchConfig(hard_limit_s=10)).look()
    assert ended == exits
    assert crashes.crashed("w") == bool(exits)
    crashes.disarm()


def test_a_large_archive_that_is_unpacked_does_not_hang(tmp_path, monkeypatch):
    """However long it takes, as on a slow disk: each member counts, also one that is looked at and refused, of this job
    and of no other.
    """
    ended, clock = [], SimpleNamespace(now=0.0)
    monkeypatch.setattr("os._exit", ended.append)
    monkeypatch.setattr(shell.time, "monotonic", lambda: clock.now)
    archive, activity = Archive(tmp_path / "archive"), shell.Activity()
    crashes = CrashLogs(tmp_path / "crashes")
    crashes.arm("w")

    def facts():
        jobs, oldest_s, _ = activity.now()
        return WorkerFacts("w", (), "", jobs, oldest_s, activity.done, 0)

    eye = Watch(Beats(), crashes, facts, lambda: activity.now()[2], WatchConfig(hard_limit_s=10))
    stage, looks = archive.blobs.stage, []

    def slowly(limit):
        clock.now += 6
        eye.look()
        looks.append(list(ended))
        return stage(limit)

    box = archive.upload(zipped(a=pdf("one"), b=b"no document", c=b"nor this", d=pdf("two")), "box.zip")
    archive.jobs.expansion._progress = activity.progress
    monkeypatch.setattr(archive.blobs, "stage", slowly)
    with activity.job("unpacking"):
        archive.jobs.expand(TENANT, box)
    split = archive.catalog.split(TENANT, box)
    assert (len(split.members), len(split.member_failures)) == (2, 2)
    assert looks == [[], [], [], []]
    activity.progress()  # of nothing
    with activity.job("a page"), ThreadPoolExecutor(1) as other:
        clock.now += 6
        other.submit(activity.progress).result()
        clock.now += 6
        eye.look()
    assert ended == [watch.EXIT_HUNG]
    crashes.disarm()
    archive.close()


def test_a_page_that_waits_for_its_turn_does_not_hang(tmp_path, monkeypatch):
    """Pages of a process that died are read alone, one after the other: the last one waits for all others. Its own time
    begins when its turn comes.
    """
    monkeypatch.setattr(lanes, "_TELL_S", 0.001)
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(shell.time, "monotonic", lambda: clock.now)
    archive, activity = Archive(tmp_path), shell.Activity()
    archive.jobs.attempts._lanes = lanes.Lanes(activity.progress)
    document = archive.upload(pdf("first", "second"))
    archive.jobs.expand(TENANT, document)
    first, second = (PageKey(TENANT, document, page) for page in (1, 2))
    archive.store.update([PageUpdate(key, now(), interruptions=1) for key in (first, second)])
    archive.engine.gate = threading.Event()

    def read(key):
        with activity.job(str(key.page)):
            archive.jobs.read(key)

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(read, first)]
        wait_for(lambda: archive.engine.reads["first"])
        done.append(pool.submit(read, second))
        wait_for(lambda: archive.jobs.attempts._lanes._waiting_alone)
        for _ in range(3):
            clock.now += 6
            wait_for(lambda: min(activity._running.values(), key=lambda one: -one[0]) == (clock.now, "2"))
        assert activity.now() == (2, 18.0, "1")
        archive.engine.gate.set()
        for one in done:
            one.result(60)
    archive.close()


def test_a_worker_above_its_memory_ends_once(tmp_path, monkeypatch):
    """It asks itself to end in order, one time, and below the limit never."""
    signals = []
    monkeypatch.setattr("os.kill", lambda _pid, number: signals.append(number))
    size = [100]
    watch = Watch(
        Beats(),
        CrashLogs(tmp_path),
        lambda: WorkerFacts("w", (), "", 0, 0.0, 0, size[0]),
        str,
        WatchConfig(memory_bytes=200),
    )
    watch.look()
    assert signals == []
    size[0] = 201
    watch.look()
    watch.look()
    assert signals == [15]


def test_a_full_disk_keeps_no_hanging_worker_alive(tmp_path, monkeypatch):
    """What cannot be written about its end is left out."""
    ended = []
    monkeypatch.setattr("os._exit", ended.append)
    crashes = CrashLogs(tmp_path)
    crashes.arm("w")

    def full(_text):
        raise OSError(errno.ENOSPC, "No space left on device")

    file = crashes._file
    monkeypatch.setattr(crashes, "_file", SimpleNamespace(write=full, fileno=file.fileno))
    facts = WorkerFacts("w", (), "", 1, 11.0, 0, 0)
    Watch(Beats(), crashes, lambda: facts, lambda: "the page", WatchConfig(hard_limit_s=10)).look()
    assert ended == [watch.EXIT_HUNG]
    monkeypatch.setattr(crashes, "_file", file)
    crashes.disarm()


def test_the_watch_outlives_its_own_errors(tmp_path, monkeypatch):
    """A look that fails is followed by others, and the worker goes on being heard of."""
    monkeypatch.setattr(watch, "BEAT_S", 0.01)
    asked, beats = [], Beats()

    def facts():
        asked.append(1)
        if len(asked) < 3:
            raise OSError(errno.ENFILE, "Too many open files")
        return WorkerFacts("w", (), "", 0, 0.0, 0, 0)

    watching = Watch(beats, CrashLogs(tmp_path), facts, str, WatchConfig())
    watching.start()
    try:
        wait_for(lambda: len(asked) > 4)
    finally:
        watching.stop()
    assert beats.told
