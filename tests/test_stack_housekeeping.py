"""What happens between a message and its job, and what housekeeping rings for: over the real jobs and store, without a
broker."""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace

import pytest

from index.errors import StorageFull, StoreUnavailable
from index.store import PageUpdate
from index.types import PageKey, PageState
from tests.api_kit import wait_for
from tests.kit import TENANT, Archive, pdf
from worker import messages
from worker.broker import WorkerFacts
from worker.claims import Claims
from worker.crashes import CrashLogs
from worker.housekeeping import Housekeeper, HousekeepingConfig, Reconciler
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


def uploaded(archive, *texts):
    """A document that is opened and not read."""
    document_id = archive.upload(pdf(*texts))
    archive.jobs.expand(TENANT, document_id)
    archive.rung.clear()
    return document_id


def attempt(archive, key, left_by):
    """What a process that died in the middle of a page leaves."""
    archive.store.update([PageUpdate(key, now(), attempts=1, error_code="")])
    (archive.root / "claims").mkdir(exist_ok=True)
    (archive.root / "claims" / messages.claim_name(Read(key))).write_text(f"{left_by}\n{dump(Read(key))}")


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


class FakeBroker:
    def __init__(self):
        self.depths = {}
        self.emptied = False
        self.served = ()

    def workers(self):
        return [WorkerFacts("w", self.served, "", 0, 0.0, 0, 0)]

    def discard(self, queue):
        del self.depths[queue]

    def depth(self, queues):
        return sum(self.depths.get(queue, 0) for queue in queues)

    def was_emptied(self):
        self.emptied, was = False, self.emptied
        return was


class FakeQueue:
    def __init__(self):
        self.rung = []

    def ring(self, jobs):
        self.rung.extend(jobs)

    def unsent(self):
        return 0


class House:
    """A reconciler over an archive; `look` says what it rang for, as if no moment had passed since it last rang."""

    def __init__(self, archive, **config):
        self.queue, self.broker = FakeQueue(), FakeBroker()
        self.reconciler = Reconciler(
            archive.catalog,
            archive.store,
            self.queue,
            self.broker,
            Claims(archive.root / "claims", "house"),
            archive.recovery,
            read_queue=lambda: messages.READ_CPU,
            config=HousekeepingConfig(**config),
        )

    def look(self, *, forget=True):
        self.queue.rung.clear()
        if forget:
            self.reconciler._rung.clear()
        self.reconciler.look()
        return list(self.queue.rung)


def test_pages_are_rung_for_when_none_waits(archive):
    """Lost messages are rung for again once the broker's list is empty, never beside those that wait, at most so many
    at once, and not again a moment later."""
    document_id = uploaded(archive, *(f"page {n}" for n in range(10)))
    keys = [PageKey(TENANT, document_id, page) for page in range(1, 11)]
    house = House(archive, refill=6)
    house.broker.depths[messages.READ_CPU] = 1
    assert house.look() == []
    house.broker.depths.clear()
    rung = house.look()
    assert len(rung) == 6
    assert set(rung) <= {Read(key) for key in keys}
    second = house.look(forget=False)
    assert not set(second) & set(rung)
    for key in keys:
        archive.jobs.read(key)
    assert house.look() == []


def test_messages_that_nobody_will_take_are_thrown_away(archive):
    """Those of a queue that no worker serves and that pages do not go to; the pages are rung for where they go now."""
    document_id = uploaded(archive, "one")
    house = House(archive)
    house.broker.depths = {messages.READ_GPU: 5, messages.HOUSEKEEPING: 1}
    house.broker.served = (messages.READ_GPU,)
    assert house.look() == [Read(PageKey(TENANT, document_id, 1))]
    assert house.broker.depths == {messages.READ_GPU: 5, messages.HOUSEKEEPING: 1}
    house.broker.served = (messages.DECODE,)
    house.broker.depths[messages.READ_CPU] = 2  # nobody serves it now, but pages go there
    house.look()
    assert house.broker.depths == {messages.HOUSEKEEPING: 1, messages.READ_CPU: 2}


def test_what_was_found_is_kept_while_messages_wait(archive):
    """Rung for at the next look, without another comparison."""
    unopened = archive.upload(pdf("never opened"))
    house = House(archive)
    house.broker.depths[messages.HOUSEKEEPING] = 1
    assert house.look() == []
    assert not house.reconciler._due
    house.broker.depths.clear()
    assert house.look() == [Expand(TENANT, unopened)]


def test_a_page_that_is_being_read_is_not_rung_for(archive):
    """Its claim says so."""
    document_id = uploaded(archive, "one", "two")
    house = House(archive)
    with Claims(archive.root / "claims", "w1").hold(messages.claim_name(Read(PageKey(TENANT, document_id, 1)))):
        assert house.look() == [Read(PageKey(TENANT, document_id, 2))]


def test_what_a_dead_worker_held_is_rung_for_at_once(archive):
    """Even while many messages wait: documents and pages."""
    document_id = uploaded(archive, "one", "two")
    key = PageKey(TENANT, document_id, 2)
    attempt(archive, key, "killed")
    other = archive.upload(pdf("other"))
    (archive.root / "claims" / other).write_text(f"killed\n{dump(Expand(TENANT, other))}")
    house = House(archive)
    house.reconciler._compared_at, house.reconciler._due = time.monotonic(), False
    house.broker.depths = dict.fromkeys(messages.QUEUES, 100)
    assert set(house.look()) == {Read(key), Expand(TENANT, other)}
    assert house.look(forget=False) == []
    attempt(archive, key, "killed again")
    os.utime(archive.root / "claims" / messages.claim_name(Read(key)), (1, 1))
    assert house.look(forget=False) == [Read(key)]


def test_an_emptied_broker_makes_all_documents_be_compared(archive):
    """Documents that were never opened are rung for; also those whose pages the index has lost."""
    opened = uploaded(archive, "one")
    archive.jobs.read(PageKey(TENANT, opened, 1))
    house = House(archive)
    assert house.look() == []
    new = archive.upload(pdf("new"))
    assert house.look() == []
    house.broker.emptied = True
    assert house.look() == [Expand(TENANT, new)]
    archive.jobs.expand(TENANT, new)
    archive.jobs.read(PageKey(TENANT, new, 1))
    archive.store.delete(TENANT, opened)
    house.broker.emptied = True
    assert house.look() == [Expand(TENANT, opened)]


def test_a_comparison_that_failed_stays_due(archive):
    """While the index is away nothing can be compared; what was to be found is found when it is back."""
    house = House(archive)
    house.look()
    new = archive.upload(pdf("new"))
    count = archive.store.count
    archive.store.count = _away
    house.broker.emptied = True
    with pytest.raises(StoreUnavailable):
        house.look()
    archive.store.count = count
    assert house.look() == [Expand(TENANT, new)]


def _away(*_args, **_options):
    raise StoreUnavailable("down")


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
