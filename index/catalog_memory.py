"""What a catalog directory holds of one tenant, in memory: listings need all manifests, sorted.

Changes made through this object are seen at once. Those of other processes are seen at once by id (every change
touches the manifest), in listings after a second or, where a scan of the directory takes long, ten times that, and at
once in listings too after `outdated`. One scan does for all documents that were new then, however many are asked for
one by one. The first listing reads all files, which takes a minute where there are a million; what is asked for by its
id, or put, does not wait for it. Files that could not be read are tried again. Knows the files of a document, not who
may change them when.
"""

from __future__ import annotations

import bisect
import os
import re
import threading
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

from index.catalog import Entry
from index.catalog_records import is_unreadable, load, manifest_of, origin_of, password_of
from index.types import Origin

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Stamp = tuple[int, int]

# Splits and tombstones change while a document lives; they are read when they are asked for.
_NOT_OF_ENTRY = frozenset({"split.json", "gone.json", "opening.json"})
_LOOK_S = 1.0
_PIECE = 200
"""Documents whose files are read before others that wait get their turn."""
_AGAIN_S = 10.0
_AGAIN_AT_ONCE = 100
"""Documents with files that could not be read which are tried again at a time, on what may be a dying disk."""
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


class _Read(NamedTuple):
    """What the files of a document said; `unread` are those that are there and could not be read."""

    parts: frozenset[str]
    stamp: Stamp | None
    entry: Entry | None
    unread: tuple[Path, ...] = ()


class TenantCache:
    """Entries of one tenant's directory. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Held by who scans the directory; `_guard` never for as long as many files are read.
        self._looking = threading.Lock()
        self._guard = threading.Lock()
        self._outdated = 0
        self._meanwhile: set[str] = set()
        self._unread: dict[str, _Read] = {}  # some of their files
        self._hidden: dict[str, _Read] = {}  # for want of a manifest that can be understood
        self._next_again = 0.0
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
            self._outdated += 1
            self._stamp = -1
            self._next_look = 0.0

    def entries(self) -> list[Entry]:
        with self._looking:
            if time.monotonic() >= self._next_look:
                self._look()
        with self._guard:
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

    def _look(self) -> None:
        """Read what has changed in the directory. The caller holds `_looking`."""
        began, at = time.monotonic(), time.time_ns()
        with self._guard:
            outdated = self._outdated
            self._meanwhile = set()
        try:
            stamp = self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            stamp = self._stamp
        changed = self._scan() if stamp != self._stamp else {}
        # A tenth of the time at most goes into scans: who asks for a document by its id may wait for one. What is read
        # after one does not count: at a start it is all manifests, and what other processes accept would be missing for
        # nine times as long.
        scan_s = time.monotonic() - began
        waiting = iter((self._due_again() | changed).items())
        while piece := [self._read(*one) for one in islice(waiting, _PIECE)]:
            with self._guard:
                for document_id, read in piece:
                    if document_id not in self._meanwhile:  # else another thread has read what is newer
                        self._keep(document_id, read)
        with self._guard:
            if outdated == self._outdated:  # else others changed something after the scan
                # Of when it was scanned: to read what was found may take a minute.
                self._stamp = stamp if at - stamp > _SETTLED_NS else -1
                self._next_look = time.monotonic() + max(_LOOK_S, 9 * scan_s)

    def _scan(self) -> dict[str, frozenset[str]]:
        """The files of each document that are not those that are known."""
        found: dict[str, set[str]] = {}
        with os.scandir(self._directory) as files:
            for file in files:
                document_id, _, part = file.name.partition(".")
                if ID.fullmatch(document_id) and part not in _NOT_OF_ENTRY:
                    found.setdefault(document_id, set()).add(part)
        changed: dict[str, frozenset[str]] = {}
        with self._guard:
            for document_id in self._names.keys() | found.keys():
                parts = frozenset(found.get(document_id, ()))
                if parts != self._names.get(document_id) and not self._is_hidden(document_id, parts):
                    changed[document_id] = parts
        return changed

    def _is_hidden(self, document_id: str, parts: frozenset[str]) -> bool:
        """Whether what hides a document still is what was read: to read it anew would be logged each time."""
        read = self._hidden.get(document_id)
        return read is not None and (read.parts, read.stamp) == (
            parts,
            stamp_of(self._directory / f"{document_id}.json"),
        )

    def _due_again(self) -> dict[str, frozenset[str]]:
        """Documents whose files could not be read, and can be now: nothing tells when a disk or a mount is well."""
        if not self._unread or time.monotonic() < self._next_again:
            return {}
        self._next_again = time.monotonic() + _AGAIN_S
        with self._guard:
            tried = dict(islice(self._unread.items(), _AGAIN_AT_ONCE))
            for document_id in tried:  # the next time it is others' turn
                self._unread[document_id] = self._unread.pop(document_id)
        return {one: read.parts for one, read in tried.items() if not any(map(is_unreadable, read.unread))}

    def _put(self, document_id: str, parts: frozenset[str]) -> None:
        """Read a document's files. The caller holds the guard."""
        self._meanwhile.add(document_id)
        self._keep(*self._read(document_id, parts))

    def _keep(self, document_id: str, read: _Read) -> None:
        if read.entry is None or read.stamp is None:
            self._names.pop(document_id, None)
            self._stamps.pop(document_id, None)
            self._entries.pop(document_id, None)
        else:
            self._names[document_id] = read.parts
            self._stamps[document_id] = read.stamp
            self._entries[document_id] = read.entry
        for kept, belongs in ((self._unread, bool(read.unread)), (self._hidden, read.stamp and not read.entry)):
            kept.pop(document_id, None)
            if belongs:
                kept[document_id] = read
        self._sorted = None

    def _read(self, document_id: str, parts: frozenset[str]) -> tuple[str, _Read]:
        path = self._directory / f"{document_id}.json"
        # Before reading, so that a change while it is read is seen the next time.
        stamp = stamp_of(path) if "json" in parts else None
        if stamp is None:
            return document_id, _Read(parts, None, None)
        files = [path.with_suffix(f".{part}") for part in sorted(parts) if part.startswith("origin-")]
        manifest = load(path, manifest_of)
        origins = [_way_in(file) for file in files] if manifest else []
        password = None
        if "secret.json" in parts:
            files.append(path.with_suffix(".secret.json"))
            password = load(files[-1], password_of)
        entry = None
        if manifest:
            told = (origin or Origin(None, manifest.filename) for origin in origins if origin is not _GONE)
            entry = Entry(manifest, tuple(dict.fromkeys(told)), password)
        whole = manifest and None not in origins and (password is not None or "secret.json" not in parts)
        unread = () if whole else tuple(file for file in (path, *files) if is_unreadable(file))
        return document_id, _Read(parts, stamp, entry, unread)


_GONE = Origin(None, "")


def _way_in(path: Path) -> Origin | None:
    """None for one that is damaged, which may have been an upload: its document must not go with an archive. `_GONE`
    for one that was taken by a deletion since the directory was listed.
    """
    origin = load(path, origin_of)
    return _GONE if origin is None and not path.exists() else origin


def stamp_of(path: Path) -> Stamp | None:
    """Changes with the file; None where there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_mtime_ns, facts.st_ino
