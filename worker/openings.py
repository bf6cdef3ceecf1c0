"""Guards the unpacking of archives, which happens in this process and may be all of a long job.

An archive that takes its process down at every try is given up after ten, and one that met a full disk is not unpacked
again until there is room. Thread-safe as far as the catalog is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from index.catalog import Catalog, Entry
from index.errors import BadDocument, StorageFull, Unavailable
from index.types import Split
from ingest.archives import ARCHIVE_TYPES
from worker.labels import MAX_DEPTH, below, depth
from worker.recovery import MAX_INTERRUPTIONS

_ROOM = 32 << 20
"""Bytes that must have become free before an archive is unpacked again into what was a full disk."""


class Openings:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        # Free bytes when an archive last met a full disk: trying again costs its whole unpacking.
        self._full_at: dict[str, int] = {}

    @contextmanager
    def of(self, entry: Entry, path: Path) -> Iterator[None]:
        """Around the unpacking of an archive whose blob is `path`. `end` it once what was found is recorded.

        `StorageFull` while the disk is as full as it was; `BadDocument` (`opening_killed`) once too many openings
        never ended.
        """
        tenant, document_id = entry.manifest.tenant, entry.manifest.document_id
        if shutil.disk_usage(path.parent).free < self._full_at.get(document_id, -_ROOM) + _ROOM:
            raise StorageFull("There is no room to unpack the archive; it goes on once there is.")
        began = self._catalog.opening(tenant, document_id, begins=True)
        try:
            if began > MAX_INTERRUPTIONS:
                message = f"The service died each of the {MAX_INTERRUPTIONS} times that it opened this archive."
                raise BadDocument(message, code="opening_killed")
            yield
        except StorageFull:
            self._full_at[document_id] = shutil.disk_usage(path.parent).free
            raise
        self._full_at.pop(document_id, None)

    def end(self, entry: Entry) -> None:
        """The opening of `entry` has ended, one way or another. Harmless where none began. Where another password came
        meanwhile it is still to be opened with that: its ring may be lost.
        """
        if not is_archive(entry):
            return
        tenant, document_id = entry.manifest.tenant, entry.manifest.document_id
        with self._catalog.lock():
            current = self._catalog.get(tenant, document_id)
            if current is None or current.password == entry.password:
                self._catalog.opening(tenant, document_id, begins=False)

    def put_off(self, entry: Entry) -> None:
        """The opening could not be, and comes another time: that of an archive that was opened before is remembered,
        since what is recorded of it does not tell that it waits.
        """
        tenant, document_id = entry.manifest.tenant, entry.manifest.document_id
        if not is_archive(entry) or self._catalog.split(tenant, document_id) is None:
            self.end(entry)
            return
        with suppress(Unavailable):  # as on a full disk
            self._catalog.await_opening(tenant, document_id)


def is_archive(entry: Entry) -> bool:
    return entry.manifest.media_type in ARCHIVE_TYPES


def is_due_again(catalog: Catalog, entry: Entry, split: Split) -> bool:
    """Whether an archive that was opened is to be opened once more: something in it that could not be, can be now."""
    return _password_came(catalog, entry, split) or _rose(catalog, entry, split)


def _password_came(catalog: Catalog, entry: Entry, split: Split) -> bool:
    """Whether an archive has a password that parts of it, locked when it was opened, were not tried with: those in
    archives inside, too, which get it from this one.
    """
    if entry.password is None or not (split.members or split.member_failures):
        return False
    if any(failure.code == "encrypted" for failure in split.member_failures):
        return True
    tenant = entry.manifest.tenant
    for member in below(catalog, tenant, split):
        found, child = catalog.split(tenant, member), catalog.get(tenant, member)
        # One without a split is just tried again, with what it has.
        if child and child.password != entry.password and not (found and found.final):
            return True
    return False


def _rose(catalog: Catalog, entry: Entry, split: Split) -> bool:
    """Whether an archive lies less deep than when its members were found to lie too deep: it was sent in by itself
    since. What is opened does not depend on which came first.
    """
    too_deep = any(failure.code == "too_deep" for failure in split.member_failures)
    return too_deep and depth(catalog, entry) + 1 < MAX_DEPTH
