"""What a catalog directory holds of one tenant, in memory: listings need all manifests, sorted.

Changes made through this object are seen at once. Those of other processes are seen at once by id (every change
touches the manifest), in listings after a second or, where a scan of the directory takes long, ten times that, and at
once in listings too after `outdated`. One scan does for all documents that were new then, however many are asked for
one by one. Knows the files of a document, not who may change them when.
"""

from __future__ import annotations

import bisect
import os
import re
import threading
import time
from pathlib import Path
from typing import Self

from index.catalog import Entry
from index.catalog_records import load, manifest_of, origin_of, password_of
from index.types import Manifest, Origin

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Stamp = tuple[int, int]

# Splits and tombstones change while a document lives; they are read when they are asked for.
_NOT_OF_ENTRY = frozenset({"split.json", "gone.json", "opening.json"})
_LOOK_S = 1.0
_SETTLED_NS = 2_000_000_000
"""File systems tell times in steps of up to two seconds: a directory that was changed so shortly before may be changed
again without another time."""


class _Listing:
    """Names of all files of a directory, whose own time was `at` before they were listed."""

    def __init__(self, names: list[str], at: int) -> None:
        self.at = at
        self._names = names
        self._asked = 0

    @classmethod
    def of_directory(cls, directory: Path) -> Self:
        at = directory.stat().st_mtime_ns
        with os.scandir(directory) as files:
            return cls([file.name for file in files], at)

    def of(self, document_id: str) -> frozenset[str]:
        """The files of a document but split and tombstone."""
        prefix = f"{document_id}."
        self._asked += 1
        if self._asked == 1:  # mostly the only time, and to sort costs more than to look through all
            names = [name for name in self._names if name.startswith(prefix)]
        else:
            if self._asked == 2:
                self._names.sort()
            first = bisect.bisect_left(self._names, prefix)
            names = self._names[first : bisect.bisect_left(self._names, f"{document_id}/", first)]  # "/" follows "."
        return frozenset(name.removeprefix(prefix) for name in names) - _NOT_OF_ENTRY


class TenantCache:
    """Entries of one tenant's directory. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._guard = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._stamps: dict[str, Stamp] = {}
        self._stamp = -1
        self._next_look = 0.0
        self._sorted: list[Entry] | None = None
        self._listing = _Listing([], -1)

    def parts(self, document_id: str) -> frozenset[str]:
        """The files of a document but split and tombstone, without a scan where they are known."""
        self._refresh(document_id)
        return self._names.get(document_id, frozenset())

    def put(self, document_id: str, parts: frozenset[str]) -> None:
        """Read one document's files, which are these, again."""
        with self._guard:
            self._put(document_id, parts)

    def entry(self, document_id: str) -> Entry | None:
        self._refresh(document_id)
        return self._entries.get(document_id)

    def outdated(self) -> None:
        """Another process changed something: the next listing looks again, whatever the directory's time says."""
        with self._guard:
            self._stamp = -1
            self._next_look = 0.0

    def entries(self) -> list[Entry]:
        with self._guard:
            if time.monotonic() >= self._next_look:
                scan_s = self._look()
                # A tenth of the time at most goes into scans: who asks for a document by its id may wait for one. What
                # is read after one does not count: at a start it is all manifests, and what other processes accept
                # would be missing for nine times as long.
                self._next_look = time.monotonic() + max(_LOOK_S, 9 * scan_s)
            if self._sorted is None:
                self._sorted = sorted(
                    self._entries.values(),
                    key=lambda entry: (entry.manifest.created_at, entry.manifest.document_id),
                    reverse=True,
                )
            return self._sorted

    def _refresh(self, document_id: str) -> None:
        """Read one document's files again, if they changed."""
        if stamp_of(self._directory / f"{document_id}.json") == self._stamps.get(document_id):
            return
        with self._guard:
            stamp = stamp_of(self._directory / f"{document_id}.json")
            if stamp == self._stamps.get(document_id):
                return  # another thread was faster
            if stamp is None:
                self._put(document_id, frozenset())
                return
            # A manifest comes after its document's other files. One that is older than the change of the directory that
            # was seen before it was listed has all of them on the list. A document that is known already was changed
            # since, so it is looked at anew: a clock that was set back should not hide that.
            if (
                document_id not in self._names
                and stamp[0] < self._listing.at
                and (parts := self._listing.of(document_id))
            ):
                self._put(document_id, parts)
                return
            self._listing = _Listing.of_directory(self._directory)
            self._put(document_id, self._listing.of(document_id))

    def _look(self) -> float:
        """Read what has changed in the directory; how many seconds its scan took."""
        began = time.monotonic()
        try:
            stamp = self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            return 0.0
        if stamp == self._stamp:
            return 0.0
        found: dict[str, set[str]] = {}
        with os.scandir(self._directory) as files:
            for file in files:
                document_id, _, part = file.name.partition(".")
                if ID.fullmatch(document_id) and part not in _NOT_OF_ENTRY:
                    found.setdefault(document_id, set()).add(part)
        changed: dict[str, frozenset[str]] = {}
        for document_id in self._names.keys() | found.keys():
            parts = frozenset(found.get(document_id, ()))
            if parts != self._names.get(document_id):
                changed[document_id] = parts
        scan_s = time.monotonic() - began
        for document_id, parts in changed.items():
            self._put(document_id, parts)
        self._stamp = stamp if time.time_ns() - stamp > _SETTLED_NS else -1
        return scan_s

    def _put(self, document_id: str, parts: frozenset[str]) -> None:
        # Before reading, so that a change while it is read is seen the next time.
        stamp = stamp_of(self._directory / f"{document_id}.json")
        entry = self._read(document_id, parts) if "json" in parts else None
        if entry is None or stamp is None:
            self._names.pop(document_id, None)
            self._stamps.pop(document_id, None)
            self._entries.pop(document_id, None)
        else:
            self._names[document_id] = parts
            self._stamps[document_id] = stamp
            self._entries[document_id] = entry
        self._sorted = None

    def _read(self, document_id: str, parts: frozenset[str]) -> Entry | None:
        stem = self._directory / document_id
        manifest = load(stem.with_suffix(".json"), manifest_of)
        if manifest is None:
            return None
        names = sorted(part for part in parts if part.startswith("origin-"))
        origins = [_way_in(stem.with_suffix(f".{part}"), manifest) for part in names]
        password = load(stem.with_suffix(".secret.json"), password_of)
        return Entry(manifest, tuple(dict.fromkeys(origin for origin in origins if origin)), password)


def _way_in(path: Path, manifest: Manifest) -> Origin | None:
    """One that is damaged may have been an upload: its document must not go with an archive. One that is gone was
    taken by a deletion since the directory was listed.
    """
    origin = load(path, origin_of)
    return Origin(None, manifest.filename) if origin is None and path.exists() else origin


def stamp_of(path: Path) -> Stamp | None:
    """Changes with the file; None where there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_mtime_ns, facts.st_ino
