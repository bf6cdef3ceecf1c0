"""The in-process queue: every job once, in fair turns, none lost."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from index.errors import StoreUnavailable
from index.types import PageKey
from worker import queue_local
from worker.queue import Expand, Read
from worker.queue_local import LocalQueue


def read(document, page):
    return Read(PageKey("default", document, page))


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


@pytest.fixture
def queues():
    made = []

    def make(run, **options):
        queue = LocalQueue(run, **{"readers": 2, **options})
        made.append(queue)
        return queue

    yield make
    for queue in made:
        queue.close(timeout_s=60)


def test_rung_many_times_done_once(queues):
    """Ringing for a waiting job again does not do it twice."""
    done = Counter()
    queue = queues(lambda job: done.update([job]))
    for _ in range(5):
        queue.ring([read("a", page) for page in range(1, 21)])
    queue.start()
    wait_until(lambda: queue.depth() == 0)
    assert done == Counter({read("a", page): 1 for page in range(1, 21)})


def test_rung_while_it_runs_is_done_again_later(queues):
    """A ring during a run is not lost, and the job never runs twice at the same time."""
    running, most, runs = Counter(), Counter(), Counter()
    go_on = threading.Event()

    def run(job):
        running[job] += 1
        most[job] = max(most[job], running[job])
        runs[job] += 1
        assert go_on.wait(60)
        running[job] -= 1

    queue = queues(run, readers=3)
    queue.start()
    queue.ring([read("a", 1)])
    wait_until(lambda: runs[read("a", 1)] == 1)
    queue.ring([read("a", 1)])
    queue.ring([read("a", 1)])
    go_on.set()
    wait_until(lambda: queue.depth() == 0)
    assert runs[read("a", 1)] == 2
    assert most[read("a", 1)] == 1


def test_documents_take_turns(queues):
    """A short document that comes later does not wait for the end of a long one."""
    order = []
    queue = queues(order.append, readers=1)
    queue.ring([read("long", page) for page in range(1, 101)])
    queue.ring([read("short", 1)])
    queue.start()
    wait_until(lambda: queue.depth() == 0)
    assert order.index(read("short", 1)) <= 2
    assert [job.key.page for job in order if job.key.document_id == "long"] == list(range(1, 101))


def test_reading_does_not_hold_up_expanding(queues):
    """New documents are opened while all readers are busy."""
    go_on, expanded = threading.Event(), threading.Event()

    def run(job):
        if isinstance(job, Expand):
            expanded.set()
        else:
            assert go_on.wait(60)

    queue = queues(run)
    queue.start()
    queue.ring([read("a", page) for page in range(1, 10)])
    queue.ring([Expand("default", "b")])
    assert expanded.wait(60)
    go_on.set()


def test_overflow_is_rung_for_again(queues):
    """What does not fit into the waiting list is rung for by reconcile once the list is empty."""
    todo = {read("a", page) for page in range(1, 51)}
    done = Counter()

    def run(job):
        done[job] += 1

    queue = queues(run, max_waiting=7, on_drained=lambda: queue.ring(todo - done.keys()))
    queue.ring(sorted(todo, key=lambda job: job.key.page))
    queue.start()
    wait_until(lambda: len(done) == 50)
    assert set(done.values()) == {1}


def test_unavailable_is_tried_again(queues, monkeypatch):
    """A job that met an unavailable store is done when the store is back."""
    monkeypatch.setattr(queue_local, "_BACK_OFF_S", 0.01)
    tries = Counter()

    def run(job):
        tries[job] += 1
        if tries[job] < 3:
            raise StoreUnavailable("not now")

    queue = queues(run)
    queue.start()
    queue.ring([read("a", 1)])
    wait_until(lambda: tries[read("a", 1)] == 3 and queue.depth() == 0)


def test_a_bug_in_one_job_stops_no_other(queues):
    """An exception ends its job, not its thread."""
    done = []

    def run(job):
        if job.key.page % 2:
            raise RuntimeError("bug")
        done.append(job.key.page)

    queue = queues(run, readers=1)
    queue.start()
    queue.ring([read("a", page) for page in range(1, 9)])
    wait_until(lambda: queue.depth() == 0)
    assert done == [2, 4, 6, 8]


def test_close_waits_for_running_jobs_only(queues):
    """Closing lets a running job end and starts no other."""
    started, go_on, done = threading.Event(), threading.Event(), []

    def run(job):
        started.set()
        assert go_on.wait(60)
        time.sleep(0.1)  # who did not wait for it would be back before
        done.append(job)

    queue = queues(run, readers=1)
    queue.start()
    queue.ring([read("a", 1), read("a", 2)])
    assert started.wait(60)
    queue.close(timeout_s=0.01)  # closed while the first one runs
    assert done == []
    closing = threading.Thread(target=queue.close, kwargs={"timeout_s": 60})
    closing.start()
    go_on.set()
    closing.join(60)
    assert done == [read("a", 1)]


def test_a_letter_does_not_wait_for_a_full_list(queues):
    """When one document's pages fill the waiting list, another is still opened and read in its turn."""
    order = []
    queue = queues(order.append, readers=1, max_waiting=10)
    queue.ring([read("long", page) for page in range(1, 51)])
    queue.ring([Expand("default", "letter"), read("letter", 1)])
    assert queue.depth() == 12
    queue.start()
    wait_until(lambda: queue.depth() == 0)
    assert Expand("default", "letter") in order
    assert order.index(read("letter", 1)) <= 3


def test_a_large_archive_does_not_hold_up_opening(queues):
    """A document is opened while an archive is still being unpacked."""
    go_on, opened = threading.Event(), threading.Event()

    def run(job):
        if job.document_id == "archive":
            assert go_on.wait(60)
        else:
            opened.set()

    queue = queues(run)
    queue.start()
    queue.ring([Expand("default", "archive"), Expand("default", "letter")])
    assert opened.wait(60)
    go_on.set()


def test_refilling_may_fail(queues):
    """A reconcile that fails ends no thread, and is asked again after the next job."""
    asked, done = [], []

    def refill():
        asked.append(1)
        if len(asked) == 1:
            raise StoreUnavailable("not now")

    queue = queues(done.append, readers=1, max_waiting=2, on_drained=refill)
    queue.ring([read("a", page) for page in range(1, 6)])
    queue.start()
    wait_until(lambda: asked)
    queue.ring([read("a", 9)])
    wait_until(lambda: len(asked) == 2)
    assert done[-1] == read("a", 9)
