"""Deleting documents so that nothing remains, also when the process dies half-way.

The order is tombstone, points, files of the catalog (manifest last), blob. A tombstone whose
manifest still exists is an unfinished deletion, and a blob without a manifest the end of one;
`finish_begun` ends the first at the next start, `finish` both, there in the background and every few minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from index.blobs import BlobStore
from index.catalog import Catalog, Entry
from index.errors import NotFound
from index.payload import labels_as_stored
from index.store import PageUpdate, Store
from index.types import SearchFilter, Tombstone
from worker.labels import below, labels
from worker.links import mend_links


@dataclass(frozen=True, slots=True)
class Receipt:
    """What existed, and what a look afterwards still finds of all that was to go, members included.
    `remaining["archives"]` counts kept archives whose original still contains a deleted document: delete those too if
    nothing is to remain. A blob that another document holds is that document's, and not counted.
    """

    document_id: str
    filename: str
    sha256: str
    deleted_at: datetime
    pages_deleted: int
    documents_deleted: int
    blobs_deleted: int
    remaining: dict[str, int]


@dataclass(slots=True)
class _Tally:
    """What was removed so far, in numbers and by entry; and, looked up once, what each archive of the tenant holds."""

    pages: int = 0
    documents: int = 0
    blobs: int = 0
    gone: list[Entry] = field(default_factory=list)
    members: dict[str, list[str]] | None = None


class Deletion:
    def __init__(self, blobs: BlobStore, catalog: Catalog, store: Store, clock: Callable[[], datetime]) -> None:
        self._blobs = blobs
        self._catalog = catalog
        self._store = store
        self._clock = clock

    def delete(self, tenant: str, document_id: str) -> Receipt:
        """Delete a document, and with an archive the members that came by no other way. `NotFound`."""
        with self._catalog.lock():
            entry = self._catalog.get(tenant, document_id)
            if entry is None:
                raise NotFound(f"There is no document {document_id}.")
            tally = _Tally()
            manifest = entry.manifest
            at = self._clock()
            self._remove(entry, at, tally)
            return Receipt(
                document_id=document_id,
                filename=manifest.filename,
                sha256=manifest.sha256,
                deleted_at=at,
                pages_deleted=tally.pages,
                documents_deleted=tally.documents,
                blobs_deleted=tally.blobs,
                remaining=self._remaining(tenant, tally),
            )

    def finish(self, *, sweep: Callable[[], bool] = lambda: True) -> int:
        """End deletions that a crash cut short; how many. Where `sweep` says no, blobs that no manifest names stay:
        for a catalog that may be incomplete. To find them all manifests are read.
        """
        ended = self.finish_begun()
        if self._unheld():  # mostly there are none, and uploads need not wait for that
            with self._catalog.lock():
                if sweep():
                    for sha256 in self._unheld():
                        self._blobs.delete(sha256)
        return ended

    def finish_begun(self) -> int:
        """End deletions that a crash cut short before the manifest went; how many. All others are hidden already."""
        ended = 0
        for stone in self._catalog.bury():
            with self._catalog.lock():
                # It may have been under way, and have ended since, and its document may have been sent in again.
                entry = self._catalog.get(stone.tenant, stone.document_id)
                if entry is not None and self._catalog.buried(stone.tenant, stone.document_id):
                    self._remove(entry, stone.deleted_at, _Tally())
                    ended += 1
        return ended

    def _unheld(self) -> list[str]:
        """Blobs that no manifest names: the last step of a deletion, or the first of an upload, was not taken. Without
        the lock, some whose manifest was just written may be among them.
        """
        stored = [blob.sha256 for blob in self._blobs.blobs()]  # first: an upload that ends meanwhile is held
        held = {entry.manifest.sha256 for entry in self._catalog.entries(None)}
        return [sha256 for sha256 in stored if sha256 not in held]

    def _members(self, tenant: str, document_id: str, tally: _Tally) -> list[str]:
        """What lies in a document, or did before a deletion that was cut short. All of the tenant's documents are
        looked through for it, while uploads wait; but not where it has pages.
        """
        split = self._catalog.split(tenant, document_id)
        if split is not None and split.pages:
            return []
        if tally.members is None:
            tally.members = defaultdict(list)
            for entry in self._catalog.entries(tenant):
                for archive in {origin.archive_id for origin in entry.origins if origin.archive_id}:
                    tally.members[archive].append(entry.manifest.document_id)
        # A member that cannot say any more that it lies here would stay as if it had been uploaded.
        mended = mend_links(self._catalog, tenant, document_id)
        listed = [member for _, member in split.members] if split is not None else []
        return list(dict.fromkeys([*tally.members.get(document_id, ()), *mended, *listed]))

    def _remove(self, entry: Entry, at: datetime, tally: _Tally) -> None:
        manifest = entry.manifest
        tenant, document_id = manifest.tenant, manifest.document_id
        pages = self._store.count(tenant, document_id=document_id).total
        stone = Tombstone(tenant, document_id, at, pages)
        self._catalog.bury(stone)
        for member in self._members(tenant, document_id, tally):
            # Asked again: an archive inside this one may have been its other way in.
            if child := self._catalog.get(tenant, member):
                self._orphan(child, document_id, at, tally)
        tally.pages += self._store.delete(tenant, document_id)
        self._catalog.forget(tenant, document_id)
        self._catalog.bury(stone)  # what was written in want of room
        tally.documents += 1
        tally.gone.append(entry)
        if not self._catalog.holds(manifest.sha256) and self._blobs.delete(manifest.sha256):
            tally.blobs += 1

    def _orphan(self, child: Entry, archive_id: str, at: datetime, tally: _Tally) -> None:
        """A member loses an archive: its only way in, or one of several, or one that it has lost already."""
        tenant, document_id = child.manifest.tenant, child.manifest.document_id
        gone = [origin for origin in child.origins if origin.archive_id == archive_id]
        if gone and len(gone) == len(child.origins):
            self._remove(child, at, tally)
            return
        for origin in gone:
            self._catalog.forget(tenant, document_id, origin)
        for one in (document_id, *below(self._catalog, tenant, self._catalog.split(tenant, document_id))):
            if entry := self._catalog.get(tenant, one):
                self._label(entry, at)

    def _label(self, entry: Entry, at: datetime) -> None:
        """Have the pages of a document tell the ways that still lead to it."""
        wanted = labels(self._catalog, entry)
        points = self._store.scan(entry.manifest.tenant, document_ids=[entry.manifest.document_id])
        told = labels_as_stored(wanted)
        changed = [PageUpdate(point.key, at, labels=wanted) for point in points if point.labels != told]
        self._store.update(changed)

    def _remaining(self, tenant: str, tally: _Tally) -> dict[str, int]:
        deleted = [entry.manifest for entry in tally.gone]
        where = SearchFilter(document_ids=tuple(manifest.document_id for manifest in deleted))
        archives = {origin.archive_id for entry in tally.gone for origin in entry.origins if origin.archive_id}
        unheld = {manifest.sha256 for manifest in deleted if not self._catalog.holds(manifest.sha256)}
        return {
            "points": self._store.count(tenant, where=where).total,
            "manifests": sum(self._catalog.get(tenant, m.document_id) is not None for m in deleted),
            "blobs": sum(self._blobs.has(sha256) for sha256 in unheld),
            "archives": sum(self._catalog.get(tenant, archive) is not None for archive in archives),
        }
