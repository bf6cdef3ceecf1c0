"""The jobs: accept, expand, read. The only implementation; queues are thin shells around it.

What they promise:

* `accept` returns when the document is durable. Nothing later can lose it.
* `expand` and `read` may be rung any number of times, at any time, by anybody: what is done
  already is not done again, and a job that was cut off half-way is simply done again.
* A page that fails fails alone, with a code; its number stays.
* `keep` decodes a page that was read without that, when somebody needs it (`worker/writeback.py`).

They know no HTTP, no threads and no broker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from index import ids
from index.blobs import BlobStore, Staged
from index.catalog import Catalog, Entry
from index.embedder import Embedder
from index.errors import BadDocument, FolioscopeError, RequestError, TooLarge, Unavailable
from index.passages import embed_passages
from index.store import PageUpdate, Store
from index.types import (
    Manifest,
    MemberFailure,
    Origin,
    PageKey,
    PagePoint,
    PageState,
    Split,
    TextLayerPolicy,
)
from ingest.archives import ARCHIVE_TYPES, REST, ArchiveLimits, Member, members
from ingest.renderer import Renderer
from ingest.sniff import sniff
from worker import logs, metrics, tracing
from worker.engine.engine import NO_MEMORY
from worker.labels import MAX_DEPTH, above, depth, labels
from worker.lanes import Lanes
from worker.links import mend_links
from worker.openings import Openings
from worker.queue import Expand, Job, Read
from worker.read_again import ReadAgain
from worker.reading import PageReader
from worker.recovery import is_open
from worker.shortages import Shortages
from worker.textlayer import LAYER_ENGINE
from worker.writeback import Hold, Writeback

log = logging.getLogger("folioscope.jobs")

# Trying again cannot help: the file is what it is.
PERMANENT = frozenset(
    {
        "encrypted",
        "damaged",
        "empty",
        "page_too_fine",
        "page_too_large",
        "too_large",
        "too_many_pages",
        "no_such_page",
        "bomb",
        "unsupported_media_type",
        "blob_missing",
    }
)
_PENDING_CHUNK = 500


@dataclass(frozen=True, slots=True)
class JobLimits:
    max_attempts: int = 3
    max_file_bytes: int = 8 << 30
    archives: ArchiveLimits = ArchiveLimits()


def now() -> datetime:
    """The clock of all records."""
    return datetime.now(UTC)


class Jobs:
    """The jobs over one set of ports. Thread-safe as far as its ports are."""

    def __init__(
        self,
        *,
        blobs: BlobStore,
        catalog: Catalog,
        store: Store,
        renderer: Renderer,
        reader: PageReader,
        embedder: Embedder,
        ring: Callable[[Iterable[Job]], None],
        limits: JobLimits | None = None,
        clock: Callable[[], datetime] = now,
        hold: Hold | None = None,
    ) -> None:
        self._blobs = blobs
        self._catalog = catalog
        self._store = store
        self._renderer = renderer
        self._reader = reader
        self._embedder = embedder
        self._ring = ring
        self._limits = limits or JobLimits()
        self._clock = clock
        self._lanes = Lanes()
        self._openings = Openings(catalog)
        self._shortages = Shortages()
        self.again = ReadAgain(catalog, store, ring, clock)
        self.keep = Writeback(
            store=store, catalog=catalog, blobs=blobs, reader=reader, embedder=embedder, clock=clock, hold=hold
        )

    def run(self, job: Job) -> None:
        """What a queue calls for a message."""
        match job:
            case Expand(tenant, document_id):
                with logs.about(document_id), tracing.document_span("expand", document_id):
                    self.expand(tenant, document_id)
            case Read(key):
                with logs.about(key.document_id, key.page):
                    self.read(key)

    # -- accept -------------------------------------------------------------------------------

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
            entry, new = self._register(
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
            self.again.document(entry)
        self._ring([Expand(tenant, entry.manifest.document_id)])
        return entry, new

    def _register(
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
        between the two.
        """
        blob = self._blobs.commit(staged)
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
        return entry, new

    # -- expand -------------------------------------------------------------------------------

    def expand(self, tenant: str, document_id: str) -> None:
        """Find a document's pages or an archive's members, record them, and ring for each."""
        entry = self._catalog.get(tenant, document_id)
        if entry is None:
            return
        split = self._catalog.split(tenant, document_id)
        if split is None or split.error_code or self._password_came(entry, split) or self._rose(entry, split):
            try:
                split = self._opened(entry)
            finally:
                # Once it is recorded what is in it: before that it would be told as one that waits again.
                if entry.manifest.media_type in ARCHIVE_TYPES:
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

    def _password_came(self, entry: Entry, split: Split) -> bool:
        """Whether an archive has a password that parts of it, locked when it was opened, were not tried with."""
        if entry.password is None or not (split.members or split.member_failures):
            return False
        if any(failure.code == "encrypted" for failure in split.member_failures):
            return True
        tenant = entry.manifest.tenant
        for _, member in split.members:
            found, child = self._catalog.split(tenant, member), self._catalog.get(tenant, member)
            if found and child and child.password != entry.password and not found.final:
                return True
        return False

    def _rose(self, entry: Entry, split: Split) -> bool:
        """Whether an archive lies less deep than when its members were found to lie too deep: it was sent in by itself
        since. What is opened does not depend on which came first.
        """
        too_deep = any(failure.code == "too_deep" for failure in split.member_failures)
        return too_deep and depth(self._catalog, entry) + 1 < MAX_DEPTH

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
            limits=self._limits.archives,
            password=entry.password,
        )
        try:
            for member in found_or_failed:
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
        staged = self._blobs.stage(self._limits.max_file_bytes)
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
                entry, _ = self._register(
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
        unread = []
        for point in self._store.scan(manifest.tenant, document_ids=[manifest.document_id]):
            if point.state is PageState.PENDING:
                unread.append(point.key)
            if point.labels != wanted:
                self._store.update([PageUpdate(point.key, self._clock(), labels=wanted)])
        self._ring([Read(key) for key in sorted(unread, key=lambda key: key.page)])

    # -- read ---------------------------------------------------------------------------------

    def read(self, key: PageKey) -> None:
        """Read one page and commit it, or record why not."""
        point = self._store.get([key])[0]
        entry = self._catalog.get(key.tenant, key.document_id)
        if point is None or entry is None or point.state is not PageState.PENDING or not self._shortages.due(key):
            return
        attempt = point.attempts + 1
        if attempt > self._limits.max_attempts:
            self._fail(key, point.error_code or "reader_crashed", point.attempts)
            return
        # An attempt that never ended, or did not by the page's own doing: read alone, so that if its process dies again
        # no page beside it is blamed. So is a page for which there was no memory, of which there is less beside others.
        suspect = point.interruptions > 0 or is_open(point) or key in self._shortages
        with self._lanes.enter(alone=suspect), tracing.document_span("page", key.document_id, page=key.page):
            self._attempt(entry, point, attempt)

    def _attempt(self, entry: Entry, point: PagePoint, attempt: int) -> None:
        key = point.key
        # Written before the work: a page that takes its process down has had its attempt.
        if not self._store.update([PageUpdate(key, self._clock(), attempts=attempt, error_code="")])[0]:
            return
        try:
            reading = self._reader.read(
                self._blobs.path(entry.manifest.sha256), entry.manifest, key.page, entry.password
            )
            with metrics.step("embed"):
                passages = embed_passages(self._embedder, reading.text)
            commit = PageUpdate(
                key, self._clock(), state=PageState.DONE, error_code="", reading=reading, passages=passages
            )
            with metrics.step("commit"):
                self._store.update([commit])
            metrics.attempt_ended("done")
            if reading.reader.engine != LAYER_ENGINE:
                self._shortages.read(key)
        except Unavailable as error:
            if error.code in NO_MEMORY and self._shortages.met(key):
                self._failed_once(key, error.code, attempt, permanent=False)
                return
            # Not the page's fault, so not its attempt.
            self._store.update([PageUpdate(key, self._clock(), attempts=point.attempts, error_code=point.error_code)])
            raise
        except FolioscopeError as error:
            self._failed_once(key, error.code, attempt, permanent=error.code in PERMANENT)
        except Exception:
            log.exception("page %s of %s: attempt %d failed", key.page, key.document_id, attempt)
            self._failed_once(key, "internal_error", attempt, permanent=False)

    def _failed_once(self, key: PageKey, code: str, attempt: int, *, permanent: bool) -> None:
        metrics.attempt_ended(code)
        log.warning("page %s of %s: %s (attempt %d)", key.page, key.document_id, code, attempt)
        if permanent or attempt >= self._limits.max_attempts:
            self._fail(key, code, attempt)
        else:
            self._store.update([PageUpdate(key, self._clock(), error_code=code)])
            self._ring([Read(key)])

    def _fail(self, key: PageKey, code: str, attempts: int) -> None:
        self._store.update([PageUpdate(key, self._clock(), state=PageState.FAILED, attempts=attempts, error_code=code)])
