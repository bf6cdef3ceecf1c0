"""A tenant's first webhook: from when on ends of documents count.

Told is every document whose reading ends after the hook was added, and none that had ended before. Which that is cannot
be read off a clock: processes have clocks of their own, and what another one accepted a moment ago may not be listed
yet. So each document is decided by a look at it, and the time only says which need none: those sent in long before that
wait for nothing. Whatever ends after its look is told; the hook is added after all looks, in one step with the
journal's beginning, so that no end falls between the two. A hook of the command line is there before the looks: of what
was sent in shortly before, the times of its pages say whether it ended before or after the hook came.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from index.catalog import Catalog, Entry
from index.store import Store
from index.types import PageState, SearchFilter
from worker.labels import above, below
from worker.webhooks.journal import OLD, Journal, Line

T = TypeVar("T")

_UNSURE_S = 600.0
"""Documents that were sent in so shortly before are looked at one by one: more than clocks differ."""


def journal_of(directory: Path, tenant: str) -> Journal:
    return Journal(directory / "reported" / f"{tenant}.jsonl")


@dataclass(frozen=True, slots=True)
class Beginning:
    """Thread-safe."""

    directory: Path
    catalog: Catalog
    store: Store
    clock: Callable[[], float] = time.time

    def __call__(self, tenant: str, add: Callable[[], T], *, added_at: datetime | None = None) -> T:
        """Do `add`, and let documents of the tenant count from then on, unless they do already. `added_at`: when a hook
        was added that is there already.
        """
        decided: tuple[str, list[Line]] | None = None
        journal = journal_of(self.directory, tenant)
        while True:
            with self.catalog.lock():  # whose holder may also end the journal, of a tenant without hooks
                journal.refresh()
                if not journal.there and decided is not None:
                    journal.begin(*decided)
                    journal.refresh()
                if journal.there:
                    return add()
            decided = self._decide(tenant, added_at)  # may be long, and holds nobody up

    def _decide(self, tenant: str, added_at: datetime | None) -> tuple[str, list[Line]]:
        """The time from which on documents count, and the exceptions: those of before that have not ended, and those of
        after that have.
        """
        since = datetime.fromtimestamp(self.clock() - _UNSURE_S, UTC)
        if added_at is not None and added_at < since:
            added_at = None  # a journal was lost: what ended since that hook has been told
        ended = [
            Line(entry.manifest.document_id, created(entry), outcome=OLD)
            for entry in self.catalog.entries(tenant)
            if entry.uploaded and entry.manifest.created_at >= since and self._has_ended(entry, added_at)
        ]
        waiting = [
            Line(entry.manifest.document_id, created(entry))
            for entry in self._unfinished(tenant)
            if entry.manifest.created_at < since
        ]
        return since.isoformat(), [*ended, *waiting]

    def _has_ended(self, entry: Entry, added_at: datetime | None) -> bool:
        """Whether nothing of it is still to be read, nor was when the hook was added."""
        manifest = entry.manifest
        tenant, document_id = manifest.tenant, manifest.document_id
        split = self.catalog.split(tenant, document_id)
        members = below(self.catalog, tenant, split)
        splits = [split, *(self.catalog.split(tenant, one) for one in members)]
        if any(one is None for one in splits):
            return False
        pages = self.store.count(tenant, where=SearchFilter(document_ids=(document_id, *members)))
        expected = sum(len(one.pages) for one in splits if one and not one.error_code)
        if pages.pending or pages.total < expected:  # pages that are not in the index yet are still to be read
            return False
        if added_at is None:
            return True
        points = self.store.scan(tenant, document_ids=(document_id, *members))
        times = (point.updated_at for point in points) if expected else [manifest.created_at]
        return all(one is not None and one < added_at for one in times)

    def _unfinished(self, tenant: str) -> Iterator[Entry]:
        """Uploaded documents that are still being opened or read, at the cost of what is still to be done."""
        pending = {point.key.document_id for point in self.store.scan(tenant, states=[PageState.PENDING])}
        for entry in self.catalog.entries(tenant):
            if self.catalog.split(tenant, entry.manifest.document_id) is None:
                pending.add(entry.manifest.document_id)
        tops = {top for one in pending for top in above(self.catalog, tenant, one)}
        found = (self.catalog.get(tenant, one) for one in tops)
        yield from (entry for entry in found if entry is not None and entry.uploaded)


def created(entry: Entry) -> str:
    return entry.manifest.created_at.isoformat()
