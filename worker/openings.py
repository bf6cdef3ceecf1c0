"""Guards the unpacking of archives, which happens in this process and may be all of a long job.

An archive that takes its process down at every try is given up after ten, and one that met a full disk is not unpacked
again until there is room. Thread-safe as far as the catalog is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.catalog import Catalog, Entry
from index.errors import BadDocument, StorageFull
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
        """The opening has ended, one way or another. Harmless where none began."""
        self._catalog.opening(entry.manifest.tenant, entry.manifest.document_id, begins=False)
