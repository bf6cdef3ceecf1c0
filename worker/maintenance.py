"""`verify` and `rebuild`: checking and remaking an archive while no service runs on it.

Both need the data directory for themselves; `StoreUnavailable` says which process has it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from index import ids
from index.catalog import Entry
from index.errors import ConfigError, NotFound
from index.ownership import Ownership
from index.store import PageCounts
from index.types import Blob, PageState, Tombstone
from worker.settings import Settings
from worker.wiring import Truth, drop_index, open_service, open_truth


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement. `code` is stable, `subject` an id or a hash."""

    code: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, and everything that does not agree (none: all is well). `unfinished` counts
    pages and documents that wait to be read, which is no fault: the next start of the service goes on.
    """

    documents: int
    pages: int
    blobs: int
    bytes: int
    unfinished: int
    findings: tuple[Finding, ...]


def verify(settings: Settings, *, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Hash every blob again and compare manifests, splits and points. Changes nothing.

    `progress(done, total)` counts bytes of blobs. `ConfigError` where there is no archive.
    """
    _require_archive(settings)
    truth = open_truth(settings)
    try:
        return _verify(truth, progress or (lambda _done, _total: None))
    finally:
        truth.close()


def _require_archive(settings: Settings) -> None:
    """A mistyped path must not be made a data directory, and be said to agree with itself."""
    if not any((settings.data_dir / part).is_dir() for part in ("documents", "blobs")):
        raise ConfigError(
            f"There is no archive in {settings.data_dir}. Name its data directory (--data, FOLIOSCOPE_DATA_DIR)."
        )


def _verify(truth: Truth, progress: Callable[[int, int], None]) -> Verification:
    findings: list[Finding] = []
    blobs = list(truth.blobs.blobs())
    stored = _check_blobs(truth, blobs, findings, progress)
    # After what may take hours: other processes may go on meanwhile.
    entries = list(truth.catalog.entries(None))
    wanted = {entry.manifest.sha256 for entry in entries}
    unowned = _unowned(truth, sorted(stored - wanted))
    findings += [Finding("blob_unowned", sha, "no document refers to this blob") for sha in unowned]
    pages, unfinished = _compare_points(truth, findings)
    for entry in entries:
        manifest = entry.manifest
        if not truth.blobs.has(manifest.sha256) and truth.catalog.get(manifest.tenant, manifest.document_id):
            findings.append(Finding("blob_missing", manifest.document_id, f"blob {manifest.sha256} is gone"))
        if manifest.document_id != ids.document_id(manifest.tenant, manifest.sha256):
            message = f"the manifest names blob {manifest.sha256}, which is another document's"
            findings.append(Finding("id_wrong", manifest.document_id, message))
    findings += _compare_members(truth, entries)
    findings += [
        Finding("file_damaged", path.name, "this file of the catalog does not hold what it should")
        for path in truth.catalog.damaged()
    ]
    findings += [
        Finding("deletion_unfinished", stone.document_id, "the next start of the service ends it")
        for stone in _unfinished_deletions(truth)
    ]
    size = sum(blob.size for blob in blobs)
    return Verification(len(entries), pages, len(blobs), size, unfinished, tuple(findings))


def _check_blobs(
    truth: Truth, blobs: Sequence[Blob], findings: list[Finding], progress: Callable[[int, int], None]
) -> set[str]:
    """Hash them all; those that are there. One that cannot be read says nothing of the others, and one that somebody
    deletes meanwhile is none.
    """
    stored: set[str] = set()
    total, done = sum(blob.size for blob in blobs), 0
    for blob in blobs:
        problem = None
        try:
            if not truth.blobs.check(blob.sha256):
                problem = "the stored bytes are not those that were uploaded"
        except (NotFound, FileNotFoundError):
            continue
        except OSError as error:
            problem = f"the stored bytes cannot be read: {error.strerror}"
        finally:
            done += blob.size
            progress(done, total)
        stored.add(blob.sha256)
        if problem:
            findings.append(Finding("blob_damaged", blob.sha256, problem))
    return stored


def _unowned(truth: Truth, blobs: Sequence[str]) -> list[str]:
    """Those of `blobs` that are there, and no document's. Asked under the lock, which an upload that just wrote the one
    holds until it has written the other.
    """
    if not blobs:
        return []
    with truth.catalog.lock():
        return [sha for sha in blobs if truth.blobs.has(sha) and not truth.catalog.holds(sha)]


def _unfinished_deletions(truth: Truth) -> list[Tombstone]:
    """Asked again under the lock, which another process may hold since it is just deleting."""
    if not truth.catalog.bury():
        return []
    with truth.catalog.lock():
        return truth.catalog.bury()


def _compare_points(truth: Truth, findings: list[Finding]) -> tuple[int, int]:
    """Every page that a split promises has one point, and no point is without a document; pages, unfinished."""
    found: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, str, int]] = set()
    pages = unfinished = 0
    for point in truth.store.scan(None):
        key = point.key
        pages += 1
        if (key.tenant, key.document_id, key.page) in seen:
            findings.append(Finding("page_twice", key.document_id, f"page {key.page} has two points"))
        seen.add((key.tenant, key.document_id, key.page))
        found[key.tenant, key.document_id] += 1
        there = truth.catalog.get(key.tenant, key.document_id) is not None
        split = truth.catalog.split(key.tenant, key.document_id)
        if there and split is not None and key.page <= len(split.pages):
            unfinished += point.state is PageState.PENDING
        elif truth.store.get([key])[0] is None:
            continue  # its document was deleted after this was read
        elif there:
            findings.append(Finding("page_unknown", key.document_id, f"page {key.page} is not in the split"))
        else:
            findings.append(Finding("page_unowned", key.document_id, f"page {key.page} has no document"))
    for entry in truth.catalog.entries(None):
        manifest = entry.manifest
        split = truth.catalog.split(manifest.tenant, manifest.document_id)
        if split is None:
            unfinished += 1
        elif len(split.pages) > found[manifest.tenant, manifest.document_id]:
            # Counted again: it may have come, or be gone, since the index was gone through.
            missing = len(split.pages) - truth.store.count(manifest.tenant, document_id=manifest.document_id).total
            if missing > 0 and truth.catalog.get(manifest.tenant, manifest.document_id) is not None:
                told = f"{missing} of its {len(split.pages)} pages without a point"
                findings.append(Finding("pages_missing", manifest.document_id, told))
    return pages, unfinished


def _compare_members(truth: Truth, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Archives and their members name each other. A member that was deleted by itself is no disagreement: it has its
    tombstone. Nor is one that was then sent in again, by itself or in another archive: it has that way in, and stays
    when this archive goes.
    """
    for entry in entries:
        tenant, archive = entry.manifest.tenant, entry.manifest.document_id
        if truth.catalog.get(tenant, archive) is None:
            continue  # deleted meanwhile
        if not entry.origins:
            yield Finding("origin_missing", archive, "no file says how it came; it counts as uploaded by itself")
        split = truth.catalog.split(tenant, archive)
        for path, member in split.members if split else ():
            child = truth.catalog.get(tenant, member)
            if child is None:
                if not truth.catalog.buried(tenant, member):
                    yield Finding("member_missing", archive, f"member {path} ({member}) is not in the catalog")
                continue
            ways = {origin.archive_id for origin in child.origins}
            if ways.isdisjoint({archive, None}) and not truth.catalog.sent_again(tenant, member):
                yield Finding("member_unlinked", member, f"it does not know that it lies in {archive}, as {path}")
        for archive_id in {origin.archive_id for origin in entry.origins if origin.archive_id}:
            if truth.catalog.get(tenant, archive_id) is None:
                yield Finding("archive_missing", archive, f"it lies in {archive_id}, which is not in the catalog")


def rebuild(settings: Settings, *, progress: Callable[[int, int], None] | None = None) -> PageCounts:
    """Throw the index away and read every original again; the pages by state afterwards.

    Needed after a change of the embedder, and the way out of a damaged index. Blobs and manifests
    are not touched, so an interrupted rebuild is simply started again. In a full stack no other process may run when
    it begins, since each of them believes in the old index; once it has begun, the workers that are to read may start.
    """
    _require_archive(settings)
    ownership = Ownership(settings.data_dir)
    try:
        drop_index(settings)
    finally:
        ownership.release()
    with open_service(settings) as library:
        while True:
            counts, unfinished = library.overview()
            if progress:
                progress(counts.done + counts.failed, counts.total)
            if not unfinished:
                return counts
            time.sleep(0.5)
