"""The catalog as small JSON files: `documents/<tenant>/<document_id>.<part>`.

`json` (manifest), `split.json`, `gone.json` (`index/tombstones.py`), `origin-<hash>.json` (one for each way
in), `secret.json` (a password, mode 0600), `opening.json` (openings that never ended, so far) and
`former-<time>.json` (the tombstone of a life before this one, by which listings know one from the other).
All are written whole, fsynced, and never changed; only a split that another look could add to is
replaced by a later one, and so is the count of openings.

Manifests are kept in memory (`index/catalog_memory.py`). Who holds the lock sees all that other processes changed
before: the length of `catalog.lock` counts changes of manifests, origins and passwords. It grows without holding
anything, which needs no room on a full disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from index import ids, tombstones
from index.catalog import Entry
from index.catalog_memory import ID, Stamp, TenantCache, stamp_of
from index.catalog_records import dump, is_damaged, load, manifest_of, openings_of, origin_of, split_of
from index.errors import InvalidRequest
from index.files import make_directory, remove, rename, storage_errors, write_atomic
from index.types import Manifest, Origin, Split, Tombstone

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SPLITS_KEPT = 20_000


class DirCatalog:
    """`Catalog` on a local or shared directory."""

    def __init__(self, root: Path) -> None:
        self._root = root / "documents"
        make_directory(self._root)
        self._guard = threading.RLock()
        self._depth = 0
        self._lock_path = root / "catalog.lock"
        self._lock_file: IO[str] | None = None
        self._changes = -1
        self._cache: dict[str, TenantCache] = {}
        # Not `_guard`: looking something up must not wait for a long deletion that holds the lock.
        self._cache_guard = threading.Lock()
        # Kept with the stamp of their file, since other processes change them. Document ids are unique across tenants.
        self._splits: dict[str, tuple[Stamp, Split]] = {}
        self._thinned = False

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
            with storage_errors():
                lock = self._lock_path.open("a")
            with lock as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                changes = os.fstat(file.fileno()).st_size
                if changes != self._changes:
                    self._changes = changes
                    with self._cache_guard:
                        for cache in self._cache.values():
                            cache.outdated()
                self._lock_file = file
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth = 0
                    self._lock_file = None

    def _count_change(self) -> None:
        """Tell other processes that what they remember is old. Before the change, or a kill in between would hide it.
        The caller holds the lock.
        """
        assert self._lock_file is not None
        with storage_errors():
            os.ftruncate(self._lock_file.fileno(), self._changes + 1)
        self._changes += 1

    def add(self, manifest: Manifest, origin: Origin, password: str | None = None) -> bool:
        stem = self._stem(manifest.tenant, manifest.document_id)
        if stem is None:
            raise InvalidRequest(f"{manifest.tenant!r} or {manifest.document_id!r} cannot name a document.")
        with self.lock():
            self._count_change()
            cache, origin_path = self._tenant(manifest.tenant), _origin_path(stem, origin)
            secret_path, manifest_path = stem.with_suffix(".secret.json"), stem.with_suffix(".json")
            parts = cache.parts(manifest.document_id) | {"json", origin_path.name.partition(".")[2]}
            if not (known := manifest_path.exists()):
                # Left by an upload that a crash cut off before its manifest.
                remove(secret_path)
                parts -= {"secret.json"}
            fresh = [path for path in (secret_path, origin_path) if not (known and path.exists())]
            # A tombstone of the same bytes is over: they were uploaded again. Who did not look in between would see no
            # other names than before, and take the document for the one that was deleted.
            tombstone, former = stem.with_suffix(f".{tombstones.GONE}"), _former_path(stem, manifest)
            if rename(tombstone, former):
                parts |= {former.name.partition(".")[2]}
            try:
                if password is not None:
                    write_atomic(secret_path, dump({"password": password}), replace=True, mode=0o600)
                    parts |= {"secret.json"}
                # What is damaged is written anew: sending a document in again is how people mend it.
                write_atomic(origin_path, dump(asdict(origin)), replace=load(origin_path, origin_of) is None)
                # The manifest last: a document exists when its manifest does.
                unread = load(manifest_path, manifest_of) is None
                new = write_atomic(manifest_path, dump(asdict(manifest)), replace=unread)
            except Exception:
                if known or not manifest_path.exists():  # as on a full disk: then neither name nor password stay
                    for path in fresh:
                        remove(path)
                    rename(former, tombstone)
                raise
            if not new:
                # Sent again to be tried again: until that is done, the old failure says nothing.
                self.reopen(manifest.tenant, manifest.document_id)
                _touch(manifest_path)
            cache.put(manifest.document_id, parts)
            return new

    def mend(self, tenant: str, document_id: str, origin: Origin) -> bool:
        stem = self._stem(tenant, document_id)
        if stem is None or not is_damaged(path := _origin_path(stem, origin)):
            return False
        with self.lock():
            if not (is_damaged(path) and stem.with_suffix(".json").exists()):
                return False
            self._count_change()
            cache = self._tenant(tenant)
            parts = cache.parts(document_id)  # before the change, after which they would cost a scan
            write_atomic(path, dump(asdict(origin)), replace=True)
            _touch(stem.with_suffix(".json"))
            cache.put(document_id, parts)
            return True

    def get(self, tenant: str, document_id: str) -> Entry | None:
        stem = self._stem(tenant, document_id)
        return None if stem is None else self._tenant(tenant).entry(document_id)

    def entries(self, tenant: str | None = None) -> Iterator[Entry]:
        for name in [tenant] if tenant else self._tenants():
            yield from self.listed(name)

    def _tenants(self) -> list[str]:
        with os.scandir(self._root) as folders:
            return sorted(folder.name for folder in folders if folder.is_dir())

    def listed(self, tenant: str) -> Sequence[Entry]:
        return self._tenant(tenant).entries()

    def holds(self, sha256: str) -> bool:
        return any((self._root / one / f"{ids.document_id(one, sha256)}.json").exists() for one in self._tenants())

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
                write_atomic(path, dump(asdict(found)), replace=True)
                split = self._recorded(document_id, path)
            return split

    def reopen(self, tenant: str, document_id: str) -> bool:
        stem = self._stem(tenant, document_id)
        if stem is None or not self._has_failed(document_id, path := stem.with_suffix(".split.json")):
            return False
        with self.lock():
            return self._has_failed(document_id, path) and remove(path)

    def _has_failed(self, document_id: str, path: Path) -> bool:
        split = self._recorded(document_id, path)
        return split is not None and split.error_code is not None

    def _recorded(self, document_id: str, path: Path) -> Split | None:
        """The split in a file. Without the lock, which a long deletion may hold: files are replaced whole."""
        stamp = stamp_of(path)
        known = self._splits.get(document_id)
        if known is not None and known[0] == stamp:
            return known[1]
        split = load(path, split_of) if stamp is not None else None
        if split is not None and stamp is not None and stamp_of(path) == stamp:
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
            began = (load(path, openings_of) or 0) + 1
            write_atomic(path, dump({"began": began}), replace=True)
            return began

    def await_opening(self, tenant: str, document_id: str) -> None:
        if (stem := self._stem(tenant, document_id)) is None:
            return
        with self.lock():
            if stem.with_suffix(".json").exists():
                write_atomic(stem.with_suffix(".opening.json"), dump({"began": 0}), replace=True)

    def being_opened(self, tenant: str, document_id: str) -> bool:
        stem = self._stem(tenant, document_id)
        return stem is not None and stem.with_suffix(".opening.json").exists()

    def bury(self, tombstone: Tombstone | None = None) -> list[Tombstone]:
        if tombstone is None:
            return tombstones.unfinished(self._root)
        if (stem := self._stem(tombstone.tenant, tombstone.document_id)) is None:
            return []

        def spare() -> Iterator[Path]:
            yield stem.with_suffix(".split.json")
            yield from stem.parent.glob(f"{stem.name}.origin-*.json")

        # One that could not be written as it should be is looked for another time.
        self._thinned &= tombstones.write(stem.with_suffix(f".{tombstones.GONE}"), tombstone, instead=spare)
        return [tombstone]

    def thin_tombstones(self) -> None:
        """Take out of them what older versions wrote there, and fill in what a full disk left empty. Once for each
        process, and again after a full disk; one by one, as all uploads wait for the lock.
        """
        if self._thinned:
            return
        for path in tombstones.odd(self._root):
            with self.lock():
                tombstones.mend(path)
        self._thinned = True

    def forget(self, tenant: str, document_id: str, origin: Origin | None = None) -> None:
        stem = self._stem(tenant, document_id)
        if stem is None:
            return
        with self.lock():
            self._count_change()
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
        return stem is not None and stem.with_suffix(f".{tombstones.GONE}").exists()

    def sent_again(self, tenant: str, document_id: str) -> bool:
        stem = self._stem(tenant, document_id)
        return stem is not None and any(part.startswith("former-") for part in self._tenant(tenant).parts(document_id))

    def damaged(self) -> list[Path]:
        """Files that do not hold what they should."""
        return [path for path in self._root.glob("*/*.json") if is_damaged(path)]

    def empty(self) -> bool:
        """Whether there is no file of any document, readable or not, nor of one that was deleted: what a directory
        looks like that was not mounted or restored. An upload that is being accepted is waited for.
        """
        if any(self._names()):  # which every process asks at its start: the first of millions will do
            return False
        with self.lock():
            return not any(self._names())

    def complete(self) -> bool:
        """Whether a blob or a page that no manifest names is really left over, and may be removed: not while manifests
        are damaged, and not in an empty catalog, which is what one looks like that was not mounted or restored.
        """
        for _ in self.entries():  # read now and remembered: while the lock is held all uploads wait
            pass
        with self.lock():  # what another process adds between the two looks would be taken for damage
            manifests = [bool(ID.fullmatch(name)) for name in self._names()]
            return bool(manifests) and sum(manifests) == len(list(self.entries()))

    def _names(self) -> Iterator[str]:
        """Of all files, without their suffix."""
        for tenant in self._tenants():
            with os.scandir(self._root / tenant) as files:
                yield from (file.name.removesuffix(".json") for file in files if file.name.endswith(".json"))

    def sweep(self) -> None:
        """Remove what a crash left: half-written files, and passwords of documents that were never accepted.
        Under the lock, since every other process writes under it too; but they need not wait for the looking.
        """
        if left := [path for tenant in self._root.iterdir() if tenant.is_dir() for path in _left_over(tenant)]:
            with self.lock():
                for path in left:
                    if path.suffix == ".tmp" or not path.with_name(_manifest_beside(path.name)).exists():
                        remove(path)

    def _stem(self, tenant: str, document_id: str) -> Path | None:
        """Path without suffix; None for what cannot be an id (and could name another file)."""
        if not _TENANT.fullmatch(tenant) or not ID.fullmatch(document_id):
            return None
        return self._root / tenant / document_id

    def _tenant(self, tenant: str) -> TenantCache:
        with self._cache_guard:
            if tenant not in self._cache:
                self._cache[tenant] = TenantCache(self._root / tenant)
            return self._cache[tenant]


def _left_over(tenant: Path) -> list[Path]:
    """Files that a crash may have left; some of them may just be being written."""
    with os.scandir(tenant) as files:
        names = {file.name for file in files}
    half_written = [name for name in names if name.startswith(".") and name.endswith(".tmp")]
    beside = [name for name in names if name.endswith((".secret.json", ".opening.json"))]
    return [tenant / name for name in (*half_written, *(n for n in beside if _manifest_beside(n) not in names))]


def _manifest_beside(name: str) -> str:
    return f"{name.partition('.')[0]}.json"


def _touch(manifest: Path) -> None:
    """Tell other processes that the files beside a manifest have changed."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(manifest)


def _former_path(stem: Path, manifest: Manifest) -> Path:
    return stem.with_suffix(f".former-{round(manifest.created_at.timestamp() * 1e6):x}.json")


def _origin_path(stem: Path, origin: Origin) -> Path:
    digest = hashlib.sha256(f"{origin.archive_id}|{origin.path}".encode("utf-8", "surrogatepass")).hexdigest()
    return stem.with_suffix(f".origin-{digest[:16]}.json")
