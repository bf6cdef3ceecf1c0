"""Asking for another try: failed pages, on request pages that are done too, and files that could not be opened.

A page is put back only if it still is what it was when it was looked at, in one step with the look where the store
decides: what somebody else read meanwhile stays read. Pages that wait or are being read are left alone. All failures of
a tenant are gone through in steps (`ReadAgain.failed`), so that no request lasts for as long as there are failures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from index.catalog import Catalog, Entry
from index.errors import InvalidRequest
from index.store import PageUpdate, Store
from index.types import PagePoint, PageState
from worker.labels import below
from worker.queue import Expand, Job, Read

_PIECE = 500
_APART = timedelta(minutes=10)
"""More than the clocks of processes differ."""
_CURSOR = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,9})?)_(?:pages|files-([0-9a-f-]{0,36}))")


@dataclass(frozen=True, slots=True)
class Asked:
    """How many pages, and how many files, are tried again; and how many pages, which failed when a question needed
    them, the next question may try again at once (`lifted`).
    """

    pages: int = 0
    documents: int = 0
    lifted: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One of several: `cursor` begins the next one, None where this was the last. `touched`: ids of documents of which
    something is tried again.
    """

    asked: Asked
    touched: tuple[str, ...]
    cursor: str | None


class ReadAgain:
    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        ring: Callable[[Iterable[Job]], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._ring = ring
        self._clock = clock

    def document(self, entry: Entry, *, everything: bool = False) -> Asked:
        """All that failed in a document and, of an archive, in its members; `everything`: what is done too, whose text
        is dropped at once and comes back page by page.
        """
        manifest = entry.manifest
        members = below(self._catalog, manifest.tenant, self._catalog.split(manifest.tenant, manifest.document_id))
        documents = [manifest.document_id, *members]
        states = [PageState.FAILED, PageState.DONE] if everything else [PageState.FAILED]
        pages = self._put_back(self._store.scan(manifest.tenant, document_ids=documents, states=states))
        unopened = [one for one in documents if self._catalog.reopen(manifest.tenant, one)]
        # An archive that is to be opened once more rings for what is in it, once that has the password which came.
        waits = self._catalog.being_opened(manifest.tenant, manifest.document_id)
        ring_for = [manifest.document_id] if waits else unopened
        self._ring([Expand(manifest.tenant, one) for one in ring_for])
        return Asked(pages, len(unopened))

    def page(self, point: PagePoint, *, everything: bool = False) -> Asked:
        """One page, if it failed or (`everything`) is done."""
        wanted = point.state is PageState.FAILED or (everything and point.state is PageState.DONE)
        return Asked(self._put_back([point]) if wanted else 0)

    def failed(self, tenant: str, cursor: str | None, limit: int) -> Step:
        """At most `limit` of a tenant's failed pages or, once there are no more of those, of its files that could not
        be opened. What fails again after the first step is not tried another time: steps come to an end.

        `InvalidRequest` for a cursor that no step returned.
        """
        before, files_from = _where(cursor, self._clock())
        if files_from is None:
            failed, ahead = self._store.scan(tenant, states=[PageState.FAILED]), self._clock() + _APART
            points = list(islice((point for point in failed if _is_due(point, before, ahead)), limit))
            pages = self._put_back(points)
            touched = tuple(sorted({point.key.document_id for point in points}))
            # Where nothing could be put back others are at it, and these points would be found again for ever.
            files_from = None if len(points) == limit and pages else ""
            return Step(Asked(pages), touched if pages else (), _cursor(before, files_from))
        ids = sorted(entry.manifest.document_id for entry in self._catalog.entries(tenant))
        found = list(islice((one for one in ids if one > files_from and self._catalog.reopen(tenant, one)), limit))
        self._ring([Expand(tenant, one) for one in found])
        return Step(
            Asked(documents=len(found)), tuple(found), _cursor(before, found[-1]) if len(found) == limit else None
        )

    def _put_back(self, points: Iterable[PagePoint]) -> int:
        # All of them first: a scan that goes on while its pages change would miss some.
        found = list(points)
        return sum(self._change(found[start : start + _PIECE]) for start in range(0, len(found), _PIECE))

    def _change(self, points: list[PagePoint]) -> int:
        at = self._clock()
        changes = [
            PageUpdate(
                point.key, at, state=PageState.PENDING, attempts=0, interruptions=0, error_code="", only_in=point.state
            )
            for point in points
        ]
        done = [point.key for point, there in zip(points, self._store.update(changes), strict=True) if there]
        self._ring([Read(key) for key in sorted(done, key=lambda key: (key.document_id, key.page))])
        return len(done)


def _is_due(point: PagePoint, before: datetime, ahead: datetime) -> bool:
    """Whether a page failed before the first step. So did one that failed in the future: the clock was set back
    since.
    """
    at = point.updated_at
    return at is None or at <= before or at > ahead


def _cursor(before: datetime, files_from: str | None) -> str:
    return f"{before.timestamp()!r}_{'pages' if files_from is None else f'files-{files_from}'}"


def _where(cursor: str | None, now: datetime) -> tuple[datetime, str | None]:
    """Failures of before when count, and after which document files are looked at (None: pages still are)."""
    if cursor is None:
        return now, None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidRequest("This cursor is not one that reading again returned.")
    return datetime.fromtimestamp(float(found[1]), UTC), found[2]
