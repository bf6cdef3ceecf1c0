"""From when on documents count: what ends after a webhook was added is told, what had ended before is not."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta

import pytest

from index.types import DocumentState
from tests.kit import TENANT, Archive, pdf
from tests.webhook_kit import URL, Telling
from worker.jobs import now
from worker.webhooks.beginning import journal_of


@pytest.fixture
def telling(tmp_path):
    made = Telling(tmp_path)
    yield made
    made.archive.close()


def told(telling):
    return {one["data"]["document_id"] for one in telling.told()}


def test_an_end_while_the_webhook_is_being_added(telling, monkeypatch):
    """The last page is read between the look at what is unfinished and the hook's file: it is told."""
    before = telling.archive.upload(pdf("before"))
    telling.archive.settle()
    document = telling.archive.upload(pdf("meanwhile"))
    add = telling.desk.hooks.add

    def slowly(*arguments):
        telling.archive.settle()
        return add(*arguments)

    monkeypatch.setattr(telling.desk.hooks, "add", slowly)
    telling.desk.register(TENANT, URL)
    telling.look()
    assert told(telling) == {document}
    assert before not in told(telling)


def test_an_end_while_what_is_unfinished_is_looked_at(telling, monkeypatch):
    """It may count as before or after, but a document that is still waiting when the hook is there is told."""
    documents = [telling.archive.upload(pdf(f"page {number}")) for number in range(6)]
    scan = telling.archive.store.scan

    def slowly(*arguments, **options):
        found = list(scan(*arguments, **options))
        for _ in range(3):
            if telling.archive.rung:
                telling.archive.jobs.run(telling.archive.rung.pop(0))
        return iter(found)

    with monkeypatch.context() as patch:
        patch.setattr(telling.archive.store, "scan", slowly)
        telling.desk.register(TENANT, URL)
    ended = {one for one in documents if telling.archive.view(one).state is DocumentState.DONE}
    telling.archive.settle()
    telling.look()
    assert set(documents) - ended <= told(telling)


def test_clocks_that_differ(telling):
    """What another process accepts after the hook was added is told, though its clock is minutes behind."""
    telling.desk.register(TENANT, URL)
    telling.archive.jobs.intake._clock = lambda: now() - timedelta(minutes=3)
    document = telling.archive.upload(pdf("late clock"))
    telling.archive.settle()
    telling.look()
    assert told(telling) == {document}


def test_accepted_by_another_process_a_moment_ago(telling):
    """A listing is a second old at most: a document that is not in it yet counts."""
    list(telling.archive.catalog.entries(TENANT))
    other = Archive.__new__(Archive)
    other.__dict__.update(telling.archive.__dict__)
    other.catalog = type(telling.archive.catalog)(telling.archive.root)
    for part in (other.jobs.intake, other.jobs.expansion, other.jobs.attempts):
        part._catalog = other.catalog
    document = other.upload(pdf("elsewhere"))
    telling.desk.register(TENANT, URL)
    other.settle()
    time.sleep(1.1)
    telling.look()
    assert told(telling) == {document}


def test_pages_that_are_not_in_the_index_yet(telling, monkeypatch):
    """A file that was opened, whose process died before its pages were noted, is not at its end."""

    def dies(*_):
        raise KeyboardInterrupt

    document = telling.archive.upload(pdf("one", "two"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(telling.archive.store, "add_pending", dies)
        telling.archive.settle()
    assert telling.archive.catalog.split(TENANT, document) is not None
    telling.desk.register(TENANT, URL)
    telling.archive.restart()
    telling.open()
    telling.archive.settle()
    telling.look()
    assert told(telling) == {document}


def test_an_end_between_the_command_line_and_the_next_look(telling):
    """The hook's file is there and nobody has seen it yet: what ends then is told, what ended before is not."""
    old = telling.archive.upload(pdf("old"))
    torn = telling.archive.upload(pdf("!broken"))
    telling.archive.settle()
    telling.desk.hooks.add(TENANT, URL, ["document.done", "document.failed"], now())
    waited = telling.archive.upload(pdf("one", "two"))
    telling.archive.settle()
    telling.look()
    assert told(telling) == {waited}
    assert not {old, torn} & told(telling)


def test_an_old_end_is_told_when_it_is_read_again(telling):
    """It had ended before the hook; asked for again it is told once, when that has ended, not before."""
    telling.archive.engine.fail["two"] = [RuntimeError("once")] * 3
    document = telling.archive.upload(pdf("one", "two"))
    telling.archive.settle()
    telling.desk.register(TENANT, URL)
    telling.look()
    telling.archive.library.read_again(TENANT, document)
    telling.look()
    assert told(telling) == set()
    telling.archive.settle()
    telling.late += 31
    telling.look()
    telling.look()
    assert [one["type"] for one in telling.told()] == ["document.done"]


def test_a_webhook_added_while_documents_are_read(telling):
    """Readers go on in a thread while the hook is added: every end after it is told once, none of long before."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    draw = random.Random(seed)
    archive = telling.archive
    documents = [archive.upload(pdf(f"page {number}")) for number in range(40)]
    # Its end is between these two: a moment after it would not do, since the thread may stop right behind it.
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}

    def read() -> None:
        while archive.rung:
            job = archive.rung.pop(0)
            at = time.monotonic()
            archive.jobs.run(job)
            if hasattr(job, "key"):
                begun[job.key.document_id], ended[job.key.document_id] = at, time.monotonic()

    thread = threading.Thread(target=read)
    thread.start()
    while len(ended) < draw.randrange(2, 30):
        time.sleep(0.001)
    began = time.monotonic()
    telling.desk.register(TENANT, URL)
    added = time.monotonic()
    thread.join(120)
    assert not thread.is_alive()
    telling.look()
    heard = [one["data"]["document_id"] for one in telling.told()]
    assert len(heard) == len(set(heard))
    assert {one for one in documents if begun[one] > added} <= set(heard)
    assert not {one for one in documents if ended[one] < began} & set(heard)


def test_the_last_webhook_goes_while_one_comes(telling):
    """A journal that is ended in between is begun again with the new hook: never a hook without one."""
    first = telling.desk.register(TENANT, URL)
    telling.desk.delete(TENANT, first.hook_id)
    telling.desk.register(TENANT, URL)
    telling.look()
    journal = journal_of(telling.archive.root / "webhooks", TENANT)
    journal.refresh()
    assert journal.there
    document = telling.archive.upload(pdf("one"))
    telling.archive.settle()
    telling.look()
    assert told(telling) == {document}
