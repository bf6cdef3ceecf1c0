"""What an administrator looks at: documents and pages by state, queues, workers, failures, disk.

Numbers are of all tenants, since that is what an administrator answers for; names and ids are of the asking tenant
alone, since no scope opens another tenant's documents. Nothing is counted along: everything is asked when it is shown,
and what cannot change since the last time is remembered (`worker.splits`).
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from index.catalog import Catalog
from index.store import PageCounts, Store
from index.types import PageState
from worker.labels import paths
from worker.service import Readiness
from worker.splits import Splits

MOST_LISTED = 200
"""Failed pages, and failed documents, that are listed; the newest ones."""
_MOST_COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """`waiting` jobs of one queue; those that run are told by the workers."""

    name: str
    waiting: int


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker of the full stack, or one thread of an embedded service. `seen_s` ago it said so; `oldest_s` is how
    long the one of its jobs has run that got no further for longest; `done` how many jobs it did since it began.
    """

    name: str
    queues: tuple[str, ...]
    engine: str
    jobs: int
    oldest_s: float
    done: int
    seen_s: float = 0.0
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """What runs. `problem` says why nothing is known, or is empty."""

    stack: bool = False
    queues: tuple[QueueFacts, ...] = ()
    workers: tuple[WorkerState, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes where the data directory lies. Uploads are refused when fewer than `reserved` would stay free."""

    total: int
    free: int
    reserved: int


@dataclass(frozen=True, slots=True)
class FailedPage:
    document_id: str
    filename: str
    page: int
    code: str
    attempts: int
    failed_at: datetime | None
    paths: tuple[str, ...] = ()  # by which it came: of a member, with its archive in front


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """A file that could not be opened."""

    document_id: str
    filename: str
    code: str
    message: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """Of the `documents` so many were `uploaded` by themselves, archives among them; the others came in archives only.
    `codes` are failed pages of all tenants by code, most first. `failed_pages` and `failed_documents` are the
    newest `MOST_LISTED` of one tenant; `more_pages` and `more_documents` say how many are not listed.
    """

    readiness: Readiness
    documents: int
    unopened: int
    pages: PageCounts
    codes: tuple[tuple[str, int], ...]
    failed_pages: tuple[FailedPage, ...]
    more_pages: int
    failed_documents: tuple[FailedDocument, ...]
    more_documents: int
    inside: Inside
    disk: Disk | None
    uploaded: int = 0


class Overlook:
    """Gathers an `Overview`. `inside` says what runs, `data_dir` whose disk is looked at (None: none)."""

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        inside: Callable[[], Inside],
        *,
        data_dir: Path | None = None,
        reserved_bytes: int = 0,
        splits: Splits | None = None,
    ) -> None:
        self._catalog = catalog
        self._splits = splits or Splits(catalog)
        self._store = store
        self.inside = inside
        self._data_dir = data_dir
        self._reserved = reserved_bytes

    def look(self, tenant: str, readiness: Readiness) -> Overview:
        documents, uploaded, unopened, failed_documents = self._documents(tenant)
        codes, failed_pages = self._pages(tenant)
        return Overview(
            readiness=readiness,
            documents=documents,
            unopened=unopened,
            pages=self._store.count(None),
            codes=tuple(codes.most_common()),
            failed_pages=tuple(failed_pages[:MOST_LISTED]),
            more_pages=max(0, len(failed_pages) - MOST_LISTED),
            failed_documents=tuple(failed_documents[:MOST_LISTED]),
            more_documents=max(0, len(failed_documents) - MOST_LISTED),
            inside=self.inside(),
            disk=self.disk(),
            uploaded=uploaded,
        )

    def disk(self) -> Disk | None:
        """As it is now; None without a data directory."""
        if self._data_dir is None:
            return None
        usage = shutil.disk_usage(self._data_dir)
        return Disk(usage.total, usage.free, self._reserved)

    def progress(self) -> tuple[PageCounts, bool]:
        """Pages by state of all tenants, as far as they are known, and whether anything is still to be done."""
        counts, unopened = self.reading(None)
        return counts, counts.pending > 0 or unopened > 0

    def reading(self, tenant: str | None) -> tuple[PageCounts, int]:
        """The same of one tenant, or (None) of all, and how many files nobody has opened yet."""
        counts, expected, unopened = self._store.count(tenant), 0, 0
        for entry, split in self._splits.walk():
            if tenant in {None, entry.manifest.tenant}:
                expected += split.pages or 0
                unopened += split.pages is None
        return replace(counts, pending=counts.pending + max(0, expected - counts.total)), unopened

    def page_counts(self, tenant: str) -> dict[str, int]:
        """How many pages the opened files of a tenant have, by id."""
        walk = self._splits.walk()
        return {
            entry.manifest.document_id: split.pages or 0 for entry, split in walk if entry.manifest.tenant == tenant
        }

    def unreadable(self, tenant: str) -> set[str]:
        """Ids of files of a tenant that could not be opened."""
        walk = self._splits.walk()
        return {entry.manifest.document_id for entry, split in walk if split.code and entry.manifest.tenant == tenant}

    def _documents(self, tenant: str) -> tuple[int, int, int, Sequence[FailedDocument]]:
        """How many there are, how many of them were uploaded by themselves, how many nobody has opened yet, and those
        of the tenant that could not be opened.
        """
        documents = uploaded = unopened = 0
        failed: list[FailedDocument] = []
        for entry, split in self._splits.walk():
            documents += 1
            uploaded += entry.uploaded
            unopened += split.pages is None
            if split.code is not None and entry.manifest.tenant == tenant:
                failed.append(
                    FailedDocument(
                        entry.manifest.document_id,
                        entry.manifest.filename,
                        split.code,
                        split.message,
                        paths(self._catalog, entry) if len(failed) < MOST_LISTED else (),
                    )
                )
        return documents, uploaded, unopened, failed

    def _pages(self, tenant: str) -> tuple[Counter[str], list[FailedPage]]:
        codes: Counter[str] = Counter()
        listed: list[FailedPage] = []
        for point in islice(self._store.scan(None, states=[PageState.FAILED]), _MOST_COUNTED):
            code = point.error_code or "error"
            codes[code] += 1
            if point.key.tenant == tenant:
                key, labels = point.key, point.labels
                facts = (key.document_id, labels.filename, key.page, code, point.attempts, point.updated_at)
                listed.append(FailedPage(*facts, labels.paths))
        listed.sort(key=lambda one: (one.failed_at.timestamp() if one.failed_at else 0.0, -one.page), reverse=True)
        return codes, listed
