"""What makes a lost doorbell, a crash and a power cut harmless: compare truth with points, ring again.

`reconcile` may run at any time. `reclaim` runs once at a start, before the queue does: pages with
an attempt that never ended belong to the process that died. If that process died of itself (its
crash log says so, see `CrashLog`), the attempt stands and three of them fail the page. If it was
killed from outside, the attempt is given back, so that killing the service any number of times
fails no innocent page; but not for ever, since a page that eats all memory also ends in SIGKILL.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from index.catalog import Catalog
from index.payload import labels_as_stored
from index.store import PageUpdate, Store
from index.types import PagePoint, PageState
from worker.labels import labels
from worker.queue import Expand, Job, Read
from worker.splits import Splits

log = logging.getLogger("folioscope.recovery")

CRASHED, KILLED = "reader_crashed", "reader_killed"
MAX_INTERRUPTIONS = 10
_CHUNK = 1_000


class CrashLog:
    """Tells a crash of this process from a kill: Python's faulthandler writes to a file on a fatal signal
    (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL), which SIGKILL and power cuts cannot.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self.crashed = path.exists() and path.stat().st_size > 0

    def arm(self) -> None:
        """Watch this process from now on. What the last one left was heeded by now: it moves away, and not before."""
        if self.crashed:
            kept = self._path.with_name(f"{self._path.name}.last")
            self._path.replace(kept)
            log.error("the last run of this service crashed; what Python knows of it is in %s", kept)
        self._file = self._path.open("w")
        faulthandler.enable(self._file)

    def disarm(self) -> None:
        """Harmless without `arm`: a start that failed."""
        if self._file is None:
            return
        faulthandler.disable()
        self._file.close()
        with contextlib.suppress(OSError):  # an empty one says nothing
            self._path.unlink(missing_ok=True)


class _Held(NamedTuple):
    """How many pages, and the hash of the labels that all of them tell; None where they differ."""

    pages: int
    labels: int | None


_NOTHING = _Held(0, None)


class Recovery:
    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        ring: Callable[[Iterable[Job]], None],
        clock: Callable[[], datetime],
        *,
        tidy: Callable[[], bool] = lambda: True,
        splits: Splits | None = None,
    ) -> None:
        """While `tidy` says no the catalog may be incomplete, and pages without a document are left alone."""
        self._splits = splits or Splits(catalog)
        self._catalog = catalog
        self._store = store
        self._ring = ring
        self._clock = clock
        self._may_tidy = tidy
        self._compared = False

    def reclaim(self, *, crashed: bool) -> int:
        """Settle attempts that a dead process left open; how many. No job may be running."""
        open_attempts = [point for point in self._store.scan(None, states=[PageState.PENDING]) if is_open(point)]
        settle = let_stand if crashed else give_back
        self._store.update([settle(point, self._clock()) for point in open_attempts])
        return len(open_attempts)

    def reconcile(self) -> int:
        """Ring for everything that is accepted and not finished; how many jobs."""
        rung = 0
        jobs: list[Job] = []
        for point in self._store.scan(None, states=[PageState.PENDING]):
            jobs.append(Read(point.key))
            if len(jobs) >= _CHUNK:
                rung += self._send(jobs)
        jobs += self.compare(thorough=not self._compared)
        self._compared = True
        return rung + self._send(jobs)

    def compare(self, *, thorough: bool) -> list[Expand]:
        """Documents that were never opened, whose pages are not all in the index, or whose pages do not tell the ways
        that lead to them now: another came, and the ring for it was lost. Pages without a document go.

        Counting pages is cheap, going through them is not: unless `thorough`, as a process should be once after what
        happened before it, only those of tenants are gone through whose number is wrong.
        """
        expected: Counter[str] = Counter()
        jobs: list[Expand] = []
        for entry, split in self._splits.walk():
            tenant = entry.manifest.tenant
            expected[tenant] += split.pages or 0
            if split.pages is None:
                jobs.append(Expand(tenant, entry.manifest.document_id))
        there = self._store.count(None).total  # first: what comes meanwhile is no tenant's that nobody knows
        unsure: list[str] = []
        for tenant, pages in expected.items():
            held = self._store.count(tenant).total
            there -= held
            if thorough or held != pages:
                unsure.append(tenant)
        jobs += self._compare_pages(unsure)
        if there > 0 and self._may_tidy():
            # Of tenants of whom no document is left. Not looked at where they stay: each comparison would go through
            # the whole index in vain.
            others = {(key.tenant, key.document_id) for key in (point.key for point in self._store.scan(None))}
            self.drop_unowned(document for document in others if document[0] not in expected)
        return jobs

    def _compare_pages(self, tenants: Sequence[str]) -> list[Expand]:
        """In one walk for all of them, and after the index was looked at: what comes meanwhile has its document."""
        if not tenants:
            return []
        found = {tenant: self._held(tenant) for tenant in tenants}
        jobs: list[Expand] = []
        for entry, split in self._splits.walk():
            tenant, document_id = entry.manifest.tenant, entry.manifest.document_id
            if tenant not in found:
                continue
            held = found[tenant].pop(document_id, _NOTHING)
            if held.pages < (split.pages or 0) or (
                held.pages and held.labels != hash(labels_as_stored(labels(self._catalog, entry)))
            ):
                jobs.append(Expand(tenant, document_id))
        self.drop_unowned((tenant, one) for tenant, unowned in found.items() for one in unowned)
        return jobs

    def _held(self, tenant: str) -> dict[str, _Held]:
        """What the index has of each document of a tenant."""
        found: dict[str, _Held] = {}
        for point in self._store.scan(tenant):
            told = hash(point.labels)
            before = found.get(point.key.document_id, _Held(0, told))
            found[point.key.document_id] = _Held(before.pages + 1, told if told == before.labels else None)
        return found

    def drop_unowned(self, documents: Iterable[tuple[str, str]]) -> None:
        """Points without a manifest: a power cut took the end of a deletion out of the index's log."""
        unowned = list(documents)
        # Asked each time: files may be damaged, and mended, while a process runs.
        if not unowned or not self._may_tidy():
            return
        for tenant, document_id in unowned:
            with self._catalog.lock():
                if self._catalog.get(tenant, document_id) is None and self._store.delete(tenant, document_id):
                    log.warning("pages of %s were left over from its deletion; they are gone now", document_id)

    def _send(self, jobs: list[Job]) -> int:
        count = len(jobs)
        self._ring(sorted(jobs, key=_page_order))
        jobs.clear()
        return count


def is_open(point: PagePoint) -> bool:
    """Whether the page's last attempt was begun, and neither ended nor was settled."""
    return point.state is PageState.PENDING and point.attempts > 0 and not point.error_code


def is_suspect(point: PagePoint) -> bool:
    """Whether the page may have taken a process down."""
    return point.interruptions > 0 or point.error_code in {CRASHED, KILLED} or is_open(point)


def let_stand(point: PagePoint, at: datetime) -> PageUpdate:
    """Settle an attempt that took its process down: it counts, whatever happens to those that follow."""
    return PageUpdate(point.key, at, error_code=CRASHED)


def give_back(point: PagePoint, at: datetime, *, killed: bool = True) -> PageUpdate:
    """Take back an attempt that was cut off from outside; for ever that is not done with a page that is `killed`."""
    interruptions = point.interruptions + killed
    if interruptions > MAX_INTERRUPTIONS:
        return PageUpdate(point.key, at, state=PageState.FAILED, error_code=KILLED)
    # Those that came before it stay, with a code: without one they would be taken for open, and given back too.
    code = KILLED if point.attempts > 1 else None
    return PageUpdate(point.key, at, attempts=point.attempts - 1, interruptions=interruptions, error_code=code)


def _page_order(job: Job) -> int:
    return job.key.page if isinstance(job, Read) else 0
