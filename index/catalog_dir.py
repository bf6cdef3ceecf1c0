"""The catalog as small JSON files: `documents/<tenant>/<document_id>.<part>`.

`json` (manifest), `split.json`, `gone.json` (tombstone), `origin-<hash>.json` (one for each way
in), `secret.json` (a password, mode 0600) and `opening.json` (openings that never ended, so far).
All are written whole, fsynced, and never changed; only a split that another look could add to is
replaced by a later one, and so is the count of openings.

Manifests are kept in memory, since listings need them sorted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from index.catalog import Entry
from index.errors import InvalidRequest
from index.files import make_directory, remove, write_atomic
from index.types import Manifest, MemberFailure, Origin, PageSize, Split, TextLayerPolicy, Tombstone

log = logging.getLogger("folioscope.catalog")

_Stamp = tuple[int, int]
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# Splits and tombstones change while a document lives; they are read when they are asked for.
_SPLITS_KEPT = 20_000
_NOT_OF_ENTRY = frozenset({"split.json", "gone.json", "opening.json"})
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DirCatalog:
    """`Catalog` on a local or shared directory."""

    def __init__(self, root: Path) -> None:
        self._root = root / "documents"
        make_directory(self._root)
        self._guard = threading.RLock()
        self._depth = 0
        self._lock_path = root / "catalog.lock"
        self._cache: dict[str, _TenantCache] = {}
        # Not `_guard`: looking something up must not wait for a long deletion that holds the lock.
        self._cache_guard = threading.Lock()
        # Kept with the stamp of their file, since other processes change them. Document ids are unique across tenants.
        self._splits: dict[str, tuple[_Stamp, Split]] = {}

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._guard:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            with self._lock_path.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth = 0

    def add(self, manifest: Manifest, origin: Origin, password: str | None = None) -> bool:
        stem = self._stem(manifest.tenant, manifest.document_id)
        if stem is None:
            raise InvalidRequest(f"{manifest.tenant!r} or {manifest.document_id!r} cannot name a document.")
        with self.lock():
            # A tombstone of the same bytes is over: they were uploaded again.
            remove(stem.with_suffix(".gone.json"))
            cache, origin_path = self._tenant(manifest.tenant), _origin_path(stem, origin)
            parts = cache.parts(manifest.document_id) | {"json", origin_path.name.partition(".")[2]}
            if not stem.with_suffix(".json").exists():
                # Left by an upload that a crash cut off before its manifest.
                remove(stem.with_suffix(".secret.json"))
                parts -= {"secret.json"}
            if password is not None:
                write_atomic(stem.with_suffix(".secret.json"), _dump({"password": password}), replace=True, mode=0o600)
                parts |= {"secret.json"}
            write_atomic(origin_path, _dump(asdict(origin)))
            # The manifest last: a document exists when its manifest does.
            new = write_atomic(stem.with_suffix(".json"), _dump(asdict(manifest)))
            split = None if new else _load_split(stem.with_suffix(".split.json"))
            if split is not None and split.error_code:
                # Sent again to be tried again: until that is done, the old failure says nothing.
                remove(stem.with_suffix(".split.json"))
            if not new:
                _touch(stem.with_suffix(".json"))
            cache.put(manifest.document_id, parts)
            return new

    def get(self, tenant: str, document_id: str) -> Entry | None:
        stem = self._stem(tenant, document_id)
        return None if stem is None else self._tenant(tenant).entry(document_id)

    def entries(self, tenant: str | None = None) -> Iterator[Entry]:
        tenants = [tenant] if tenant else sorted(path.name for path in self._root.iterdir() if path.is_dir())
        for name in tenants:
            yield from self._tenant(name).entries()

    def split(self, tenant: str, document_id: str, found: Split | None = None) -> Split | None:
        stem = self._stem(tenant, document_id)
        if stem is None:
            return None
        path = stem.with_suffix(".split.json")
        split = self._recorded(document_id, path)
        if found is None or (split is not None and split.final):
            return split
        with self.lock():
            split = self._recorded(document_id, path)
            if (split is None or not split.final) and stem.with_suffix(".json").exists():
                write_atomic(path, _dump(asdict(found)), replace=True)
                split = self._recorded(document_id, path)
            return split

    def _recorded(self, document_id: str, path: Path) -> Split | None:
        """The split in a file. Without the lock, which a long deletion may hold: files are replaced whole."""
        stamp = _stamp(path)
        known = self._splits.get(document_id)
        if known is not None and known[0] == stamp:
            return known[1]
        split = _load_split(path) if stamp is not None else None
        if split is not None and stamp is not None and _stamp(path) == stamp:
            if len(self._splits) >= _SPLITS_KEPT:
                self._splits.clear()
            self._splits[document_id] = (stamp, split)
        return split

    def opening(self, tenant: str, document_id: str, *, begins: bool) -> int:
        stem = self._stem(tenant, document_id)
        if stem is None:
            return 0
        path = stem.with_suffix(".opening.json")
        if not begins:
            remove(path)
            return 0
        with self.lock():
            if not stem.with_suffix(".json").exists():
                return 0
            began = int((_load(path) or {}).get("began", 0)) + 1
            write_atomic(path, _dump({"began": began}), replace=True)
            return began

    def bury(self, tombstone: Tombstone | None = None) -> list[Tombstone]:
        if tombstone is not None and (stem := self._stem(tombstone.tenant, tombstone.document_id)):
            write_atomic(stem.with_suffix(".gone.json"), _dump(asdict(tombstone)))
            return [tombstone]
        unfinished = []
        for path in self._root.glob("*/*.gone.json"):
            manifest = path.with_name(path.name.replace(".gone.json", ".json"))
            if manifest.exists() and (stone := _load(path)):
                unfinished.append(Tombstone(**{**stone, "deleted_at": _time(stone["deleted_at"])}))
        return unfinished

    def forget(self, tenant: str, document_id: str, origin: Origin | None = None) -> None:
        stem = self._stem(tenant, document_id)
        if stem is None:
            return
        with self.lock():
            cache = self._tenant(tenant)
            parts = cache.parts(document_id)
            if origin is not None:
                remove(path := _origin_path(stem, origin))
                _touch(stem.with_suffix(".json"))
                cache.put(document_id, parts - {path.name.partition(".")[2]})
            else:
                for part in [*sorted(parts - {"json"}), "split.json", "opening.json"]:
                    remove(stem.with_suffix(f".{part}"))
                # The manifest last, so that a deletion that was cut short is seen as unfinished.
                remove(stem.with_suffix(".json"))
                self._splits.pop(document_id, None)
                cache.put(document_id, frozenset())

    def buried(self, tenant: str, document_id: str) -> bool:
        """Whether a document was deleted, and not sent in again since."""
        stem = self._stem(tenant, document_id)
        return stem is not None and stem.with_suffix(".gone.json").exists()

    def damaged(self) -> list[Path]:
        """Files that are no JSON any more."""
        return [path for path in self._root.glob("*/*.json") if _load(path) is None and path.exists()]

    def complete(self) -> bool:
        """Whether a blob or a page that no manifest names is really left over, and may be removed: not while manifests
        are damaged, and not in an empty catalog, which is what one looks like that was not mounted or restored.
        """
        names = [path.name.removesuffix(".json") for path in self._root.glob("*/*.json")]
        return bool(names) and sum(bool(_ID.fullmatch(name)) for name in names) == len(list(self.entries()))

    def sweep(self) -> None:
        """Remove what a crash left: half-written files, and passwords of documents that were never accepted.
        Under the lock, since every other process writes under it too.
        """
        with self.lock():
            for path in self._root.glob("*/.*.tmp"):
                remove(path)
            for part in (".secret.json", ".opening.json"):
                for path in self._root.glob(f"*/*{part}"):
                    if not path.with_name(path.name.replace(part, ".json")).exists():
                        remove(path)

    def _stem(self, tenant: str, document_id: str) -> Path | None:
        """Path without suffix; None for what cannot be an id (and could name another file)."""
        if not _TENANT.fullmatch(tenant) or not _ID.fullmatch(document_id):
            return None
        return self._root / tenant / document_id

    def _tenant(self, tenant: str) -> _TenantCache:
        with self._cache_guard:
            if tenant not in self._cache:
                self._cache[tenant] = _TenantCache(self._root / tenant)
            return self._cache[tenant]


class _TenantCache:
    """Entries of one tenant's directory in memory.

    Changes made through this object are seen at once. Those of other processes are seen at once
    by id (every change touches the manifest), and in listings after a second: a listing of a large
    directory costs a scan.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._guard = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._stamp = -1
        self._next_look = 0.0
        self._sorted: list[Entry] | None = None

    def renew(self, document_id: str) -> None:
        """Read one document's files again."""
        with self._guard:
            prefix = f"{document_id}."
            parts = frozenset(path.name.removeprefix(prefix) for path in self._directory.glob(f"{prefix}*"))
            self._put(document_id, parts - _NOT_OF_ENTRY)

    def parts(self, document_id: str) -> frozenset[str]:
        """The files of a document but split and tombstone, without a scan where they are known."""
        if document_id not in self._names and (self._directory / f"{document_id}.json").exists():
            self.renew(document_id)
        return self._names.get(document_id, frozenset())

    def put(self, document_id: str, parts: frozenset[str]) -> None:
        """Read one document's files, which are these, again."""
        with self._guard:
            self._put(document_id, parts)

    def entry(self, document_id: str) -> Entry | None:
        if _stamp(self._directory / f"{document_id}.json") != self._stamps.get(document_id):
            self.renew(document_id)
        return self._entries.get(document_id)

    def entries(self) -> list[Entry]:
        with self._guard:
            if time.monotonic() >= self._next_look:
                self._look()
                self._next_look = time.monotonic() + 1.0
            if self._sorted is None:
                self._sorted = sorted(
                    self._entries.values(),
                    key=lambda entry: (entry.manifest.created_at, entry.manifest.document_id),
                    reverse=True,
                )
            return self._sorted

    def _look(self) -> None:
        try:
            stamp = self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if stamp == self._stamp:
            return
        found: dict[str, set[str]] = {}
        with os.scandir(self._directory) as files:
            for file in files:
                document_id, _, part = file.name.partition(".")
                if _ID.fullmatch(document_id) and part not in _NOT_OF_ENTRY:
                    found.setdefault(document_id, set()).add(part)
        for document_id in self._names.keys() | found.keys():
            parts = frozenset(found.get(document_id, ()))
            if parts != self._names.get(document_id):
                self._put(document_id, parts)
        self._stamp = stamp

    def _put(self, document_id: str, parts: frozenset[str]) -> None:
        # Before reading, so that a change while it is read is seen the next time.
        stamp = _stamp(self._directory / f"{document_id}.json")
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
        facts = _load(stem.with_suffix(".json"))
        if facts is None:
            return None
        origins = [_load(stem.with_suffix(f".{part}")) for part in sorted(parts) if part.startswith("origin-")]
        secret = _load(stem.with_suffix(".secret.json")) or {}
        manifest = Manifest(
            **{
                **facts,
                "created_at": _time(facts["created_at"]),
                "text_layer": TextLayerPolicy(facts["text_layer"]),
            }
        )
        return Entry(manifest, tuple(Origin(**origin) for origin in origins if origin), secret.get("password"))


def _stamp(path: Path) -> _Stamp | None:
    """Changes with the file; None where there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_mtime_ns, facts.st_ino


def _touch(manifest: Path) -> None:
    """Tell other processes that the files beside a manifest have changed."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(manifest)


def _origin_path(stem: Path, origin: Origin) -> Path:
    digest = hashlib.sha256(f"{origin.archive_id}|{origin.path}".encode("utf-8", "surrogatepass")).hexdigest()
    return stem.with_suffix(f".origin-{digest[:16]}.json")


def _load_split(path: Path) -> Split | None:
    facts = _load(path)
    if facts is None:
        return None
    return replace(
        Split(**facts),
        pages=tuple(PageSize(**size) for size in facts["pages"]),
        members=tuple((member[0], member[1]) for member in facts["members"]),
        member_failures=tuple(MemberFailure(**failure) for failure in facts["member_failures"]),
    )


def _dump(facts: dict[str, object]) -> bytes:
    return json.dumps(facts, ensure_ascii=True, default=_encode, indent=1).encode()


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _load(path: Path) -> dict | None:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        log.error("%s is damaged; `folioscope verify` lists such files", path)
        return None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
