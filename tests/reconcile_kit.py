"""An archive whose messages were lost, and what housekeeping makes of it: real jobs and store, no broker."""

from __future__ import annotations

from index.store import PageUpdate
from tests.kit import TENANT, pdf
from worker import messages
from worker.broker import WorkerFacts
from worker.claims import Claims
from worker.housekeeping import HousekeepingConfig, Reconciler
from worker.jobs import now
from worker.queue import Read
from worker.shell import dump


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
        self.waiting = 0

    def ring(self, jobs):
        self.rung.extend(jobs)

    def unsent(self):
        return self.waiting


class House:
    """A reconciler over an archive; `look` says what it rang for, as if no moment had passed since it last rang."""

    def __init__(self, archive, recovery=None, **config):
        self.queue, self.broker = FakeQueue(), FakeBroker()
        self.reconciler = Reconciler(
            archive.store,
            self.queue,
            self.broker,
            Claims(archive.root / "claims", "house"),
            recovery or archive.recovery,
            read_queue=lambda: messages.READ_CPU,
            config=HousekeepingConfig(**config),
        )

    def look(self, *, forget=True):
        self.queue.rung.clear()
        if forget:
            self.reconciler._rung.clear()
        self.reconciler.look()
        return list(self.queue.rung)
