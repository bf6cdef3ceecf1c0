"""What happens between a message and its job, and who keeps house: over the real jobs and store, without a broker."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from index.errors import StorageFull, StoreUnavailable, Unavailable
from index.store import PageUpdate
from index.types import PageKey, PageState
from tests.api_kit import wait_for
from tests.kit import TENANT, Archive
from tests.reconcile_kit import attempt, uploaded
from worker.claims import Claims
from worker.crashes import CrashLogs
from worker.housekeeping import Housekeeper, HousekeepingConfig
from worker.jobs import now
from worker.queue import Expand, Read
from worker.shell import Activity, JobShell, dump, load


class Member:
    """One worker process over an archive: `name` is the process's."""

    def __init__(self, archive, name="w1"):
        self.archive = archive
        self.claims = Claims(archive.root / "claims", name)
        self.crashes = CrashLogs(archive.root / "crashes")
        self.stopping = threading.Event()
        self.stopping.set()  # no pauses
        self.activity = Activity()
        self.rung = []
        self.shell = JobShell(
            archive.jobs.run,
            ring=self.rung.extend,
            claims=self.claims,
            crashes=self.crashes,
            store=archive.store,
            activity=self.activity,
            stopping=self.stopping,
            clock=now,
        )


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path)
    yield archive
    archive.close()


def test_a_page_is_read_once_however_often_it_is_rung_for(archive):
    """Also by several processes at the same time; who comes second is rung for again and finds it done."""
    key = PageKey(TENANT, uploaded(archive, "one"), 1)
    archive.engine.gate = threading.Event()
    first, second = Member(archive, "w1"), Member(archive, "w2")
    thread = threading.Thread(target=first.shell, args=(Read(key),))
    thread.start()
    while not archive.engine.reads:
        time.sleep(0.001)
    second.shell(Read(key))
    assert second.rung == []
    archive.engine.gate.set()
    thread.join(60)
    assert archive.engine.reads["one"] == 1
    assert first.rung == [Read(key)]
    first.shell(Read(key))
    assert archive.engine.reads["one"] == 1
    assert archive.store.get([key])[0].state is PageState.DONE


@pytest.mark.parametrize(("left_by", "attempts", "interruptions"), [("killed", 1, 1), ("crashed", 2, 0), ("-", 1, 0)])
def test_what_a_dead_process_left(archive, left_by, attempts, interruptions):
    """Killed: the attempt is given back and counted as an interruption. Crashed: it stands. Given up because something
    else was down: it never was."""
    key = PageKey(TENANT, uploaded(archive, "one"), 1)
    attempt(archive, key, left_by)
    member = Member(archive)
    (archive.root / "crashes" / "crashed.log").write_text("Fatal Python error: Segmentation fault")
    member.shell(Read(key))
    point = archive.store.get([key])[0]
    assert (point.state, point.attempts, point.interruptions) == (PageState.DONE, attempts, interruptions)
    assert member.claims.left() == []


def test_three_crashes_fail_a_page(archive):
    """With `reader_crashed`, without another attempt."""
    key = PageKey(TENANT, uploaded(archive, "one"), 1)
    attempt(archive, key, "crashed")
    archive.store.update([PageUpdate(key, now(), attempts=3)])
    member = Member(archive)
    (archive.root / "crashes" / "crashed.log").write_text("x")
    member.shell(Read(key))
    point = archive.store.get([key])[0]
    assert (point.state, point.error_code) == (PageState.FAILED, "reader_crashed")
    assert not archive.engine.reads


class Died(BaseException):
    """Of a process in the middle of a page."""


@pytest.mark.parametrize("between", ["away", "killed"])
def test_a_crash_counts_whatever_happens_after_it(archive, between):
    """Between two crashes the memory is short, or somebody kills the process: both cost nothing, and give nothing back
    of what the crashes cost.
    """
    key = PageKey(TENANT, uploaded(archive, "poison"), 1)
    crashes = 0
    for number in range(12):
        member, ends = Member(archive, f"w{number}"), Died if number % 2 == 0 or between == "killed" else Unavailable

        def read(_image, ends=ends):
            raise ends("no memory")

        archive.engine._read = read
        with suppress(Died):
            member.shell(Read(key))
        if archive.store.get([key])[0].state is PageState.FAILED:
            break
        if number % 2 == 0:
            crashes += 1
            (archive.root / "crashes" / f"w{number}.log").write_text("Fatal Python error: Segmentation fault")
    point = archive.store.get([key])[0]
    assert (crashes, point.state, point.error_code) == (3, PageState.FAILED, "reader_crashed")


def test_of_a_service_by_itself_a_crash_counts_though_it_was_killed_since(archive):
    """Before the page had its next turn, too."""
    key = PageKey(TENANT, uploaded(archive, "poison"), 1)
    archive.store.update([PageUpdate(key, now(), attempts=1, error_code="")])
    for crashed in (True, False, False):
        archive.restart(crashed=crashed)
    point = archive.store.get([key])[0]
    assert (point.attempts, point.interruptions, point.error_code) == (1, 0, "reader_crashed")


def test_a_suspect_is_read_alone(archive):
    """No page is read beside one whose attempt never ended, so none can be blamed for it."""
    document_id = uploaded(archive, "suspect", "one", "two", "three")
    keys = [PageKey(TENANT, document_id, page) for page in range(1, 5)]
    attempt(archive, keys[0], "crashed")
    together, most = [0], {}
    guard = threading.Lock()
    archive.engine.seconds = 0.02
    before = archive.engine._read

    def read(image):
        text = image.tobytes().rstrip(b"\0").decode()
        with guard:
            together[0] += 1
        reading = before(image)
        with guard:
            most[text] = max(most.get(text, 0), together[0])
            together[0] -= 1
        return reading

    archive.engine._read = read
    member = Member(archive)
    (archive.root / "crashes" / "crashed.log").write_text("x")
    threads = [threading.Thread(target=member.shell, args=(Read(key),)) for key in keys[1:] + keys[:1]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most["suspect"] == 1
    assert archive.store.count(TENANT, document_id=document_id).done == 4


def test_the_index_away_in_the_middle(archive):
    """No attempt is counted, the job is rung for again, and the next one to come reads the page."""
    key = PageKey(TENANT, uploaded(archive, "one"), 1)
    member = Member(archive)
    update, calls = archive.store.update, []

    def fails_after_the_first(changes):
        calls.append(changes)
        if len(calls) > 1:
            raise StoreUnavailable("down")
        return update(changes)

    archive.store.update = fails_after_the_first
    member.shell(Read(key))
    archive.store.update = update
    assert member.rung == [Read(key)]
    assert [job for job, _ in member.claims.left()] == [dump(Read(key))]
    assert archive.store.get([key])[0].attempts == 1
    member.shell(Read(key))
    point = archive.store.get([key])[0]
    assert (point.state, point.attempts, point.interruptions) == (PageState.DONE, 1, 0)


@pytest.mark.parametrize(
    ("error", "pause"), [(StorageFull("full"), 30.0), (StoreUnavailable("down"), 1.0), (RuntimeError("bug"), None)]
)
def test_a_shell_never_raises(archive, error, pause):
    """Whatever the job does; only what may be better later is rung for again, after a pause: a full disk is not
    emptied within a second.
    """
    member, pauses = Member(archive), []

    def run(_job):
        raise error

    member.shell._run = run
    member.shell._stopping = SimpleNamespace(wait=pauses.append)
    job = Expand(TENANT, "00000000-0000-4000-8000-000000000000")
    member.shell(job)
    assert (member.rung, pauses) == (([job], [pause]) if pause else ([], []))
    assert member.activity.now()[0] == 0


def test_jobs_as_lines():
    """What stands in a claim is the job; a torn line is none."""
    for job in (Expand("t", "d"), Read(PageKey("t", "d", 3))):
        assert load(dump(job)) == job
    assert load('["folioscope.read", ["t"') is None
    assert load("[1, 2]") is None


def test_tidying_up_that_fails_holds_nothing_up(tmp_path):
    """Neither the steps behind it nor the look for what was lost."""
    done = []

    def fail():
        done.append("failed")
        raise PermissionError("not mine")

    config = HousekeepingConfig(look_s=0.01, compare_s=60)
    steps = (fail, lambda: done.append("tidied"))
    house = Housekeeper(tmp_path / "lock", lambda: done.append("looked") or 0, steps, config)
    house.start()
    try:
        wait_for(lambda: done.count("looked") > 1)
    finally:
        house.stop()
    assert done[:3] == ["failed", "tidied", "looked"]
    assert done.count("failed") == 1  # not at every look


def test_one_keeps_house_at_a_time(tmp_path):
    """The others wait for its end, and one of them goes on."""
    looked = []
    config = HousekeepingConfig(look_s=0.01)
    keepers = [Housekeeper(tmp_path / "lock", lambda n=n: looked.append(n) or 0, (), config) for n in range(3)]
    for keeper in keepers:
        keeper.start()
    while len(looked) < 10:
        time.sleep(0.005)
    [first] = set(looked)
    keepers[first].stop()
    looked.clear()
    while not looked:
        time.sleep(0.005)
    seen = set(looked)  # before the next one goes, whom another would follow
    for keeper in keepers:
        keeper.stop()
    assert len(seen) == 1
    assert first not in seen
