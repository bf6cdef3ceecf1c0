"""Intake: an upload, or a member of an archive, becomes a document that nothing later can lose.

Blob, then manifest, under the catalog's lock, and only then a ring: what a kill leaves is a blob that no manifest names
(`worker.deletion` removes it), or a document that nobody was told of (reconcile rings for it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import PurePosixPath

from index import ids
from index.blobs import BlobStore, Staged
from index.catalog import Catalog, Entry
from index.errors import BadDocument, FolioscopeError, Unavailable
from index.types import Blob, Manifest, Origin, TextLayerPolicy
from ingest.sniff import sniff
from worker.labels import above
from worker.openings import is_due_again
from worker.queue import Expand, Job
from worker.read_again import ReadAgain


class Intake:
    """Thread-safe as far as its ports are."""

    def __init__(
        self,
        *,
        blobs: BlobStore,
        catalog: Catalog,
        again: ReadAgain,
        ring: Callable[[Iterable[Job]], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._blobs = blobs
        self._catalog = catalog
        self._again = again
        self._ring = ring
        self._clock = clock

    def accept(
        self,
        tenant: str,
        staged: Staged,
        *,
        filename: str,
        password: str | None,
        text_layer: TextLayerPolicy,
    ) -> tuple[Entry, bool]:
        """Make an upload durable and ring for it; the entry, and whether it is new. `filename` may stand in folders
        (`letters/1911/may.pdf`); it has been made harmless.
        """
        try:
            media_type = sniff(staged.path)
            staged.seal()
        except FolioscopeError:
            staged.discard()
            raise
        with self._catalog.lock():
            entry, new = self.register(
                tenant,
                staged,
                Origin(None, filename),
                PurePosixPath(filename).name,
                media_type,
                text_layer,
                password,
            )
        if not new:
            # Uploading the same bytes again is how a person asks for another try of what failed, members included.
            self._again.document(entry)
        self._ring([Expand(tenant, entry.manifest.document_id)])
        return entry, new

    def register(
        self,
        tenant: str,
        staged: Staged,
        origin: Origin,
        filename: str,
        media_type: str,
        text_layer: TextLayerPolicy,
        password: str | None,
    ) -> tuple[Entry, bool]:
        """Blob, then manifest. The caller holds the catalog's lock, or a deletion could take the blob away
        between the two. What cannot be recorded, as on a full disk, is not kept.
        """
        there = self._blobs.has(staged.seal())
        blob = self._blobs.commit(staged)
        try:
            return self._record(tenant, blob, origin, filename, media_type, text_layer, password)
        except Exception:
            if not there and not self._catalog.holds(blob.sha256):
                self._blobs.delete(blob.sha256)
            raise

    def _record(
        self,
        tenant: str,
        blob: Blob,
        origin: Origin,
        filename: str,
        media_type: str,
        text_layer: TextLayerPolicy,
        password: str | None,
    ) -> tuple[Entry, bool]:
        document_id = ids.document_id(tenant, blob.sha256)
        if origin.archive_id and document_id in above(self._catalog, tenant, origin.archive_id):
            raise BadDocument("The archive contains itself.", code="bomb")
        known = self._catalog.split(tenant, document_id)
        if known is not None and known.pages:
            password = None  # it was opened with what it has; another password could only close it again
        manifest = Manifest(
            tenant, document_id, blob.sha256, blob.size, filename, media_type, self._clock(), text_layer
        )
        new = self._catalog.add(manifest, origin, password)
        entry = self._catalog.get(tenant, document_id)
        if entry is None:
            raise BadDocument("The document was deleted while it was being accepted.", code="deleted")
        if known is not None and is_due_again(self._catalog, entry, known):
            with suppress(Unavailable):  # as on a full disk: then the old failure is told until it has been opened
                self._catalog.await_opening(tenant, document_id)
        return entry, new
