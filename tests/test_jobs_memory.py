"""Pages for which there is no memory: waited for, read alone, and given up when it is they who are too large."""

from __future__ import annotations

import contextlib

import pytest

from index.errors import Unavailable
from index.types import DocumentState, PageKey, PageState
from tests.kit import TENANT, Archive, FakeEngine, pdf
from worker.queue import Expand, Read
from worker.shortages import FREE_TRIES, FREE_TRIES_WHERE_NOTHING_IS_READ, LONGEST_PAUSE_S, Shortages


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Device(FakeEngine):
    """Has room for no page whose text begins with `huge`; while `full`, for none."""

    full = False

    def _read(self, image):
        text = image.tobytes().rstrip(b"\0").decode()
        self.reads[text] += 1
        if self.full or text.startswith("huge"):
            raise Unavailable("no memory", code="gpu_memory")
        self.reads[text] -= 1
        return super()._read(image)


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path, engine=Device())
    archive.clock = Clock()
    archive.jobs.attempts._shortages = Shortages(archive.clock)
    yield archive
    archive.close()


def point(archive, document, page=1):
    return archive.store.get([PageKey(TENANT, document, page)])[0]


def ring(archive, document, page=1):
    """As a reconcile does, again and again; whether the page was tried."""
    before = archive.engine.reads.total()
    with contextlib.suppress(Unavailable):
        archive.jobs.run(Read(PageKey(TENANT, document, page)))
    return archive.engine.reads.total() > before


def test_a_page_for_which_there_is_never_room_fails_in_the_end(archive):
    """While other pages are read it has six tries and then three attempts, and its code says why."""
    document = archive.upload(pdf("huge"))
    archive.jobs.run(Expand(TENANT, document))
    tries = 0
    for number in range(200):
        if point(archive, document).state is not PageState.PENDING:
            break
        tries += ring(archive, document)
        other = archive.upload(pdf(f"small {number}"))
        archive.jobs.run(Expand(TENANT, other))
        assert ring(archive, other)
        archive.clock.now += 60.0
    found = point(archive, document)
    assert (found.state, found.error_code, found.attempts) == (PageState.FAILED, "gpu_memory", 3)
    assert tries == FREE_TRIES + 3
    assert archive.clock.now > 600


def test_a_device_that_others_have_filled_costs_no_attempt(archive):
    """Pages wait for hours without one, and are read when there is room again."""
    archive.engine.full = True
    document = archive.upload(pdf("one", "two"))
    archive.jobs.run(Expand(TENANT, document))
    while archive.clock.now < 8 * 3600:
        for page in (1, 2):
            ring(archive, document, page)
        archive.clock.now += 30.0
    assert [point(archive, document, page).attempts for page in (1, 2)] == [0, 0]
    archive.engine.full = False
    archive.clock.now += LONGEST_PAUSE_S
    assert all(ring(archive, document, page) for page in (1, 2))
    assert archive.view(document).state is DocumentState.DONE


def test_tries_become_rare(archive):
    """However often the page is rung for: six times at once, then after pauses that double, up to ten minutes."""
    archive.engine.full = True
    document = archive.upload(pdf("one"))
    archive.jobs.run(Expand(TENANT, document))
    tried = []
    for second in range(3600):
        archive.clock.now = float(second)
        if ring(archive, document):
            tried.append(second)
    assert tried == [0, 1, 2, 3, 4, 5, 65, 185, 425, 905, 1505, 2105, 2705, 3305]


def test_such_a_page_is_read_alone(archive):
    """After its first shortage, so that it does not fail for what its neighbours need."""
    lanes, alone = archive.jobs.attempts._lanes, []
    enter = lanes.enter
    lanes.enter = lambda *, alone: noted.append(alone) or enter(alone=alone)
    noted = alone
    document = archive.upload(pdf("huge", "small"))
    archive.jobs.run(Expand(TENANT, document))
    ring(archive, document)
    ring(archive, document, 2)
    archive.clock.now += 60
    ring(archive, document)
    assert noted == [False, False, True]


def test_where_nothing_is_ever_read_it_takes_half_a_day():
    """A single page on a device that reads nothing is not tried for ever either."""
    clock = Clock()
    shortages, key = Shortages(clock), PageKey(TENANT, "d", 1)
    tries = 0
    while not shortages.met(key):
        tries += 1
        while not shortages.due(key):
            clock.now += 10.0
    assert tries == FREE_TRIES_WHERE_NOTHING_IS_READ
    assert 10 * 3600 < clock.now < 14 * 3600


def test_a_page_that_was_read_is_forgotten():
    """Its next shortage, on a later day, is its first."""
    clock = Clock()
    shortages, key = Shortages(clock), PageKey(TENANT, "d", 1)
    for _ in range(FREE_TRIES):
        assert not shortages.met(key)
    assert key in shortages
    assert not shortages.due(key)
    shortages.read(key)
    assert key not in shortages
    assert shortages.due(key)
    assert not shortages.met(key)
