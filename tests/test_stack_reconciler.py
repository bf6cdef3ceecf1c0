"""What housekeeping of many processes rings for: what was lost, what was never opened, and what a dead worker held."""

from __future__ import annotations

import os
import time

import pytest

from index.errors import StoreUnavailable
from index.types import PageKey, PageSize, Split
from tests.kit import TENANT, Archive, pdf
from tests.reconcile_kit import House, attempt, uploaded
from worker import messages
from worker.claims import Claims
from worker.jobs import now
from worker.labels import labels
from worker.queue import Expand, Read
from worker.recovery import Recovery
from worker.shell import dump


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path)
    yield archive
    archive.close()


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


def test_an_emptied_broker_makes_ways_be_compared(archive):
    """A document whose pages are all there was sent in again under another name, and the message was lost."""
    document = archive.upload(pdf("one"), "may.pdf")
    archive.settle()
    house = House(archive)
    assert house.look() == []
    archive.upload(pdf("one"), "letters/may.pdf")
    assert house.look() == []
    house.broker.emptied = True
    assert house.look() == [Expand(TENANT, document)]
    archive.jobs.expand(TENANT, document)
    house.broker.emptied = True
    assert house.look() == []


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


def test_what_was_lost_again_is_rung_for_again(archive, monkeypatch):
    """Remembered is a ring for half a minute: a message that was lost too is not waited for longer."""
    key = PageKey(TENANT, uploaded(archive, "one"), 1)
    house = House(archive)
    assert house.look() == [Read(key)]
    assert house.look(forget=False) == []
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert house.look(forget=False) == [Read(key)]


def test_what_waits_to_be_sent_is_not_rung_for(archive):
    """Before the broker has it: a page is never rung for beside its own message."""
    document_id = uploaded(archive, "one")
    house = House(archive)
    house.queue.waiting = 1
    assert house.look() == []
    house.queue.waiting = 0
    assert house.look() == [Read(PageKey(TENANT, document_id, 1))]


def test_a_document_of_which_pages_are_missing_is_opened_again(archive):
    """Also when others of its pages are there: whoever opened it died half-way. In one process as in many."""
    document_id = archive.upload(pdf("one", "two"))
    archive.catalog.split(TENANT, document_id, Split(pages=(PageSize(595.0, 842.0),) * 2))
    first = PageKey(TENANT, document_id, 1)
    archive.store.add_pending([first], labels(archive.catalog, archive.catalog.get(TENANT, document_id)), now())
    archive.jobs.read(first)
    assert House(archive).look() == [Expand(TENANT, document_id)]
    archive.rung.clear()
    archive.recovery.reconcile()
    assert archive.rung == [Expand(TENANT, document_id)]


def test_pages_of_a_deleted_document_go(archive):
    """A power cut may take the end of a deletion out of the index's log; pages of others stay."""
    kept, gone = uploaded(archive, "kept"), uploaded(archive, "gone")
    archive.catalog.forget(TENANT, gone)
    House(archive).look()
    assert {point.key.document_id for point in archive.store.scan(None)} == {kept}


def test_pages_of_a_tenant_go_whose_last_document_was_deleted(archive):
    """Nothing of it is listed any more, and its text would be found for ever."""
    kept, gone = uploaded(archive, "kept"), PageKey("other", "0" * 8 + "-0000-4000-8000-" + "0" * 12, 1)
    archive.store.add_pending([gone], archive.store.get([PageKey(TENANT, kept, 1)])[0].labels, now())
    house = House(archive)
    for _ in range(2):
        house.look()
        assert {point.key.document_id for point in archive.store.scan(None)} == {kept}
        archive.store.add_pending([gone], archive.store.get([PageKey(TENANT, kept, 1)])[0].labels, now())
        house.reconciler._due = True


@pytest.mark.parametrize("many", [True, False])
def test_pages_of_a_damaged_manifest_stay(archive, many):
    """It may be restored from a backup, and its vision tokens would be gone. In one process as in many."""
    document_id, _ = uploaded(archive, "one"), uploaded(archive, "other")
    recovery = Recovery(archive.catalog, archive.store, archive.rung.extend, now, tidy=archive.catalog.complete)
    # After the start: it is asked when something would be removed.
    (archive.root / "documents" / TENANT / f"{document_id}.json").write_text("{")
    assert archive.catalog.get(TENANT, document_id) is None
    House(archive, recovery=recovery).look() if many else recovery.reconcile()
    assert archive.store.count(TENANT).total == 2


def test_an_index_is_not_gone_through_for_pages_that_stay(archive, monkeypatch):
    """Pages of an archive whose documents are not mounted or restored yet: at each comparison, and none may go."""
    document_id = uploaded(archive, "one")
    archive.catalog.forget(TENANT, document_id)
    scan = archive.store.scan
    monkeypatch.setattr(
        archive.store, "scan", lambda *of, **where: scan(*of, **where) if where else pytest.fail("all were looked at")
    )
    recovery = Recovery(archive.catalog, archive.store, archive.rung.extend, now, tidy=lambda: False)
    House(archive, recovery=recovery).look()
    assert archive.store.count(TENANT).total == 1


@pytest.mark.parametrize("many", [True, False])
def test_an_index_that_agrees_is_gone_through_once(archive, monkeypatch, many):
    """At the start; after that pages are counted, and a hundred thousand documents cost a look at each file only where
    it may have changed. What is missing is found all the same. In one process as in many.
    """
    document_id, other = uploaded(archive, "one", "two"), uploaded(archive, "other")
    house, looked, opened = House(archive), [], []
    scan, split = archive.store.scan, archive.catalog.split
    monkeypatch.setattr(
        archive.store, "scan", lambda *of, **where: (looked.append(of) if not where else None) or scan(*of, **where)
    )
    monkeypatch.setattr(archive.catalog, "split", lambda *of: opened.append(of) or split(*of))

    def compared():
        looked.clear()
        opened.clear()
        if not many:
            archive.rung.clear()
            archive.recovery.reconcile()
            return archive.rung
        if house.reconciler._compared_at is not None:
            house.reconciler._compared_at = float("-inf")
        return house.look()

    pages = {
        Read(PageKey(TENANT, document_id, 1)),
        Read(PageKey(TENANT, document_id, 2)),
        Read(PageKey(TENANT, other, 1)),
    }
    assert set(compared()) == pages
    assert looked == [(TENANT,)]
    for _ in range(2):
        assert set(compared()) == pages
        assert looked == opened == []
    archive.store.delete(TENANT, document_id)
    assert set(compared()) == {Expand(TENANT, document_id), Read(PageKey(TENANT, other, 1))}
    assert looked == [(TENANT,)]


def test_documents_are_gone_through_as_often_for_many_tenants_as_for_one(archive, monkeypatch):
    """At the start all of them are compared: not all documents for each of a thousand tenants."""
    lost, entries, walks = [], archive.catalog.entries, []
    for tenant in ("one", "two", "three"):
        for text in ("kept", "lost", "gone"):
            staged = archive.library.stage()
            staged.write(pdf(f"{text} of {tenant}"))
            view, _ = archive.library.accept(tenant, staged, filename=text)
            document_id = view.manifest.document_id
            archive.jobs.expand(tenant, document_id)
            if text == "lost":
                archive.store.delete(tenant, document_id)
                lost.append(Expand(tenant, document_id))
            if text == "gone":
                archive.catalog.forget(tenant, document_id)
    monkeypatch.setattr(archive.catalog, "entries", lambda *of: walks.append(of) or entries(*of))
    assert set(archive.recovery.compare(thorough=True)) == set(lost)
    assert walks == [(None,), (None,)]
    assert archive.store.count(None).total == 3


def test_pages_of_a_document_that_came_back_stay(archive):
    """It was sent in again between the look and the removal."""
    document_id = uploaded(archive, "one")
    archive.recovery.drop_unowned([(TENANT, document_id)])
    assert archive.store.count(TENANT).total == 1
