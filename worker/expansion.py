"""Expansion: what is in a document is found and recorded, the pages of a file or the members of an archive.

The record is the split. Pages enter the index as `pending` after it, and members are documents before it, so a kill
anywhere is mended by expanding once more: nothing is found twice, and nothing without its document. What cannot be
opened has a split that says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import PurePosixPath

from index.blobs import BlobStore
from index.catalog import Catalog, Entry
from index.errors import BadDocument, RequestError, TooLarge, Unavailable
from index.payload import labels_as_stored
from index.store import PageUpdate, Store
from index.types import MemberFailure, Origin, PageKey, PageState, Split
from ingest.archives import ARCHIVE_TYPES, REST, ArchiveLimits, Member, members
from ingest.renderer import Renderer
from ingest.sniff import sniff
from worker.intake import Intake
from worker.labels import MAX_DEPTH, depth, labels
from worker.links import mend_links
from worker.openings import Openings, is_due_again
from worker.queue import Expand, Job, Read

log = logging.getLogger("folioscope.jobs")

_PENDING_CHUNK = 500


class Expansion:
    """Thread-safe as far as its ports are. `progress` is called whenever another member of an archive is come to, be it
    stored or refused: to unpack a large one takes as long as all its members.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        catalog: Catalog,
        store: Store,
        renderer: Renderer,
        intake: Intake,
        ring: Callable[[Iterable[Job]], None],
        max_file_bytes: int,
        archives: ArchiveLimits,
        clock: Callable[[], datetime],
        progress: Callable[[], None],
    ) -> None:
        self._blobs = blobs
        self._catalog = catalog
        self._store = store
        self._renderer = renderer
        self._intake = intake
        self._ring = ring
        self._max_file_bytes = max_file_bytes
        self._archives = archives
        self._clock = clock
        self._progress = progress
        self._openings = Openings(catalog)

    def expand(self, tenant: str, document_id: str) -> None:
        """Find a document's pages or an archive's members, record them, and ring for each."""
        entry = self._catalog.get(tenant, document_id)
        if entry is None:
            return
        split = self._catalog.split(tenant, document_id)
        try:
            if split is None or split.error_code or is_due_again(self._catalog, entry, split):
                split = self._opened(entry)
        except Exception:
            self._openings.put_off(entry)
            raise
        # Once it is recorded what is in it: before that it would be told as one that waits again.
        self._openings.end(entry)
        if split is None:
            return
        self._add_pages(entry, len(split.pages))
        mend_links(self._catalog, tenant, document_id)
        self._ring([Expand(tenant, child) for _, child in split.members])

    def _opened(self, entry: Entry) -> Split | None:
        """What is in a document, recorded; None if it was deleted meanwhile."""
        tenant, document_id = entry.manifest.tenant, entry.manifest.document_id
        try:
            found = self._look_into(entry)
        except RequestError as error:
            found = Split(error_code=error.code, error_message=error.message)
        except Unavailable:
            raise
        except Exception:
            # Recorded, or it would be met again at every reconcile, for ever.
            log.exception("document %s cannot be opened", document_id)
            found = Split(error_code="internal_error", error_message="Opening the file failed: our bug.")
        with self._catalog.lock():
            return None if self._gone(entry) else self._catalog.split(tenant, document_id, found)

    def _gone(self, entry: Entry) -> bool:
        """Whether a document was deleted meanwhile. One that was uploaded again since then is another one: its
        members are not those that were found so far, and its own ring expands it. The caller holds the lock.
        """
        current = self._catalog.get(entry.manifest.tenant, entry.manifest.document_id)
        return current is None or current.manifest != entry.manifest

    def _look_into(self, entry: Entry) -> Split:
        manifest = entry.manifest
        path = self._blobs.path(manifest.sha256)
        if manifest.media_type in ARCHIVE_TYPES:
            with self._openings.of(entry, path):
                return self._unpack(entry)
        return Split(pages=self._renderer.split(path, manifest.media_type, entry.password))

    def _unpack(self, entry: Entry) -> Split:
        manifest = entry.manifest
        found: list[tuple[str, str]] = []
        failures: list[MemberFailure] = []
        level = depth(self._catalog, entry) + 1
        found_or_failed = members(
            self._blobs.path(manifest.sha256),
            manifest.media_type,
            limits=self._archives,
            password=entry.password,
        )
        try:
            for member in found_or_failed:
                self._progress()
                if isinstance(member, MemberFailure):
                    failures.append(member)
                    continue
                try:
                    child = self._add_member(entry, member, level)
                except RequestError as error:
                    failures.append(MemberFailure(member.path, error.code, error.message))
                    continue
                if child is None:
                    break  # the archive was deleted meanwhile
                found.append((member.path, child))
                self._ring([Expand(manifest.tenant, child)])
        except RequestError as error:
            # Over a limit, or a bomb, further on: what came before it is kept, and the rest is reported.
            if not found:
                raise
            failures.append(MemberFailure(REST, error.code, error.message))
        if not found and not failures:
            raise BadDocument("The archive holds no files.", code="empty")
        return Split(members=tuple(found), member_failures=tuple(failures))

    def _add_member(self, archive: Entry, member: Member, level: int) -> str | None:
        """Store one member as a document; its id, or None if the archive is gone."""
        staged = self._blobs.stage(self._max_file_bytes)
        try:
            for chunk in member.chunks():
                staged.write(chunk)
            media_type = sniff(staged.path)
            if media_type in ARCHIVE_TYPES and level >= MAX_DEPTH:
                raise TooLarge(f"Archives are opened {MAX_DEPTH} deep; this one lies deeper.", code="too_deep")
            tenant = archive.manifest.tenant
            staged.seal()
            with self._catalog.lock():
                if self._gone(archive):
                    return None
                entry, _ = self._intake.register(
                    tenant,
                    staged,
                    Origin(archive.manifest.document_id, member.path),
                    PurePosixPath(member.path).name,
                    media_type,
                    archive.manifest.text_layer,
                    archive.password,
                )
            return entry.manifest.document_id
        finally:
            staged.discard()

    def _add_pages(self, entry: Entry, count: int) -> None:
        manifest = entry.manifest
        keys = [PageKey(manifest.tenant, manifest.document_id, page) for page in range(1, count + 1)]
        wanted = labels(self._catalog, entry)
        for start in range(0, count, _PENDING_CHUNK):
            chunk = keys[start : start + _PENDING_CHUNK]
            with self._catalog.lock():
                # Inserting points of a document that is being deleted would bring it back.
                if self._catalog.get(manifest.tenant, manifest.document_id) is None:
                    return
                self._store.add_pending(chunk, wanted, self._clock())
        unread, told = [], labels_as_stored(wanted)
        for point in self._store.scan(manifest.tenant, document_ids=[manifest.document_id]):
            if point.state is PageState.PENDING:
                unread.append(point.key)
            if point.labels != told:
                self._store.update([PageUpdate(point.key, self._clock(), labels=wanted)])
        self._ring([Read(key) for key in sorted(unread, key=lambda key: key.page)])
