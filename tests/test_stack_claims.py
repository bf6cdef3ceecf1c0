"""Claims, lanes and crash logs: what keeps many processes from doing a job twice and from blaming the innocent."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from index.errors import StorageFull, StoreUnavailable
from worker.claims import NOBODY, Claims
from worker.crashes import CrashLogs
from worker.elected import ElectedThread
from worker.lanes import Lanes

HOLD = """
import sys, time
from pathlib import Path
from worker.claims import Claims
with Claims(Path(sys.argv[1]), "dead").hold("page", "the job") as claim:
    print(claim is not None, flush=True)
    time.sleep(600)
"""


def holder(directory):
    """A process that has the claim on `page`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    return process


def test_only_one_has_a_claim(tmp_path):
    """A second one gets None, and whoever has it learns at its end that somebody asked."""
    claims = Claims(tmp_path, "one")
    with claims.hold("page") as claim:
        assert claim is not None
        assert claim.left_by is None
        with Claims(tmp_path, "two").hold("page") as other:
            assert other is None
    assert claim.again
    with claims.hold("page") as claim:
        pass
    assert not claim.again
    assert list(tmp_path.iterdir()) == []


def test_a_wish_that_comes_as_the_claim_ends_is_not_lost(tmp_path, monkeypatch):
    """Whoever leaves the wish when its holder has looked for wishes the last time takes the claim itself."""
    claims = Claims(tmp_path, "one")
    held = claims.hold("page")
    held.__enter__()
    touch = Path.touch

    def late(path, *args, **options):
        held.__exit__(None, None, None)
        touch(path, *args, **options)

    monkeypatch.setattr(Path, "touch", late)
    with Claims(tmp_path, "two").hold("page") as claim:
        assert claim is not None
    assert not claim.again


def test_a_wish_that_a_dead_process_left_is_over(tmp_path):
    """Whoever has the claim next does what was wished for, and need not do it twice."""
    process = holder(tmp_path)
    claims = Claims(tmp_path, "next")
    with claims.hold("page") as claim:
        assert claim is None
    process.kill()
    process.wait()
    with claims.hold("page") as claim:
        assert claim is not None
    assert not claim.again


def test_a_claim_ends_with_its_process(tmp_path):
    """After SIGKILL the next one gets it, is told who had it, and the job is listed until then."""
    process = holder(tmp_path)
    claims = Claims(tmp_path, "next")
    assert claims.left() == []
    assert claims.held("page")
    with claims.hold("page") as claim:
        assert claim is None
    process.kill()
    process.wait()
    assert not claims.held("page")
    [(job, taken_at)] = claims.left()
    assert job == "the job"
    assert taken_at == pytest.approx(time.time(), abs=60)
    with claims.hold("page", "mine") as claim:
        assert claim.left_by == "dead"
        assert claims.left() == []
    assert claims.left() == []


def test_giving_up_in_order_blames_nobody(tmp_path):
    """When something else is down the claim stays, held by nobody."""
    claims = Claims(tmp_path, "one")
    with pytest.raises(StoreUnavailable), claims.hold("page", "job"):
        raise StoreUnavailable("down")
    assert [job for job, _ in claims.left()] == ["job"]
    with claims.hold("page") as claim:
        assert claim.left_by == NOBODY


def test_a_bug_is_no_death(tmp_path):
    """Its process lives: nobody is to look for what it left, or its job would be done again at every look, for ever."""
    claims = Claims(tmp_path, "one")
    with pytest.raises(ValueError, match="bug"), claims.hold("page", "job"):
        raise ValueError("our bug")
    assert claims.left() == []
    with claims.hold("page") as claim:
        assert claim.left_by is None


def test_a_full_disk_is_said_as_such(tmp_path, monkeypatch):
    """Whoever claims on a full disk is told to wait, like everybody else there, and holds nothing."""
    claims = Claims(tmp_path, "one")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StorageFull), claims.hold("page", "job"):
            raise AssertionError("it was held")
    assert not claims.held("page")
    with claims.hold("page") as claim:
        assert claim is not None


def test_no_file_stays_open_where_there_are_no_locks(tmp_path, monkeypatch):
    """A file system that refuses to lock is an error each time, and costs nothing each time."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    thread = ElectedThread("t", tmp_path / "lock", lambda: None, every_s=1, shutdown_s=1, log=logging.getLogger("t"))
    monkeypatch.setattr(fcntl, "flock", refuse)
    claims = Claims(tmp_path, "one")
    for _ in range(10):
        with pytest.raises(OSError, match="No locks"), claims.hold("page", "job"):
            raise AssertionError("it was held")
        with pytest.raises(OSError, match="No locks"):
            thread._elected()
    assert not [path for path in map(os.path.realpath, Path("/proc/self/fd").iterdir()) if str(tmp_path) in path]


def test_work_that_outlasts_its_stop_keeps_the_lock(tmp_path):
    """Nobody is elected beside it; once it has ended, the next one is."""
    begun, end = threading.Event(), threading.Event()

    def elected(name, work, **options):
        return ElectedThread(name, tmp_path / "lock", work, log=logging.getLogger(name), **options)

    def work():
        begun.set()
        end.wait(60)

    first = elected("first", work, every_s=0.001, shutdown_s=0.01)
    second = elected("second", lambda: None, every_s=1, shutdown_s=1)
    first.start()
    assert begun.wait(60)
    first.stop()
    assert not second._elected()
    end.set()
    first._thread.join(60)
    assert second._elected()


def test_claims_exclude_each_other_under_load(tmp_path):
    """Many threads that take and leave a few claims never have the same one together, and nothing is left over."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    inside, wrong, taken = [0] * 3, [], [0]

    def work(number):
        rng = random.Random(seed + number)
        claims = Claims(tmp_path, str(number))
        for _ in range(150):
            place = rng.randrange(3)
            with claims.hold(f"page-{place}") as claim:
                if claim is None:
                    continue
                inside[place] += 1
                if inside[place] != 1:
                    wrong.append(place)
                time.sleep(rng.random() / 5000)
                inside[place] -= 1
                taken[0] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert taken[0] > 100
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".again"]


def test_old_claims_are_swept(tmp_path):
    """A day after a death its claim goes; one that is held stays, however old."""
    process = holder(tmp_path)
    claims = Claims(tmp_path, "one")
    old = time.time() + 90_000
    assert claims.sweep(now=old) == 0
    process.kill()
    process.wait()
    assert claims.sweep() == 0
    assert claims.sweep(now=old) == 1
    assert list(tmp_path.iterdir()) == []


def test_lanes():
    """Those who want to be alone are alone, and do not wait for as long as others come."""
    lanes = Lanes()
    together, alone, wrong = [0], [0], []
    stop = threading.Event()

    def many():
        while not stop.is_set():
            with lanes.enter(alone=False):
                together[0] += 1
                if alone[0]:
                    wrong.append("a page beside a suspect")
                time.sleep(0.001)
                together[0] -= 1

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with lanes.enter(alone=True):
            alone[0] += 1
            time.sleep(0.002)
            alone[0] -= 1
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_crash_logs_tell_a_crash_from_a_kill(tmp_path):
    """Who dies of a fatal signal leaves a trace, who is killed does not, who ends removes its file."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom worker.crashes import CrashLogs\n"
        "logs = CrashLogs(Path(sys.argv[1])); logs.arm(sys.argv[2])\n"
        "os.kill(os.getpid(), int(sys.argv[3])) if int(sys.argv[3]) else logs.disarm()\n"
    )
    for name, number in (("crashed", 11), ("killed", 9), ("ended", 0)):
        subprocess.run([sys.executable, "-c", code, str(tmp_path), name, str(number)], check=False)
    logs = CrashLogs(tmp_path)
    assert logs.crashed("crashed")
    assert not logs.crashed("killed")
    assert not logs.crashed("ended")
    assert not (tmp_path / "ended.log").exists()


def test_crash_logs_of_the_living_are_kept(tmp_path):
    """Sweeping removes old empty files of the dead only."""
    logs = CrashLogs(tmp_path)
    logs.arm("alive")
    (tmp_path / "dead.log").touch()
    for name in ("alive", "dead"):
        os.utime(tmp_path / f"{name}.log", (0, 0))
    CrashLogs(tmp_path).sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["alive.log"]
    logs.disarm()
