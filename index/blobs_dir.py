"""Blobs as files of one directory: `blobs/<sha256>`, uploads in `incoming/` until they are whole.

The order is write, fsync, rename, fsync of the directory: a name in `blobs/` always has all its
bytes. What a crash leaves in `incoming/` belongs to nobody and is removed at the next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from index.errors import NotFound, StorageFull, TooLarge
from index.files import leave_room, make_directory, remove, storage_errors, sync_directory
from index.types import Blob

_NAME = re.compile(r"[0-9a-f]{64}")
_HASH_CHUNK = 1 << 20


class StagedFile:
    """An upload in `incoming/`, hashed as it is written."""

    def __init__(self, path: Path, limit: int, min_free: int) -> None:
        self.size = 0
        self._path = path
        self._limit = limit
        self._min_free = min_free
        self._hash = hashlib.sha256()
        self._checked = 0
        with storage_errors():
            self._file = path.open("xb")

    @property
    def path(self) -> Path:
        """The file with all bytes so far."""
        if not self._file.closed:
            with storage_errors():
                self._file.flush()
        return self._path

    def write(self, chunk: bytes) -> None:
        if self.size + len(chunk) > self._limit:
            self.discard()
            raise TooLarge(
                f"The file is larger than the limit of {self._limit} bytes (setting FOLIOSCOPE_MAX_UPLOAD_BYTES)."
            )
        try:
            self._leave_room(len(chunk))
            with storage_errors():
                self._file.write(chunk)
        except StorageFull:
            self.discard()
            raise
        self._hash.update(chunk)
        self.size += len(chunk)

    def _leave_room(self, coming: int) -> None:
        """Look at the disk now and then, not at every chunk."""
        if self.size and self.size + coming - self._checked < 16 << 20:
            return
        self._checked = self.size + coming
        leave_room(self._path.parent, coming, self._min_free)

    def seal(self) -> str:
        if not self._file.closed:
            with storage_errors():
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
        return self._hash.hexdigest()

    def discard(self) -> None:
        # What cannot be removed, as from a disk that became read-only, is swept later.
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class DirBlobStore:
    """`BlobStore` on a local or shared directory."""

    def __init__(self, root: Path, *, min_free_bytes: int = 0) -> None:
        self._blobs = root / "blobs"
        self._incoming = root / "incoming"
        self._min_free = min_free_bytes
        make_directory(self._blobs)
        make_directory(self._incoming)

    def sweep(self, *, older_than_s: float = 0.0) -> int:
        """Remove what a crash left in `incoming/`. Without an age only for the one process that owns the directory."""
        leftovers = []
        for path in list(self._incoming.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                if not older_than_s or time.time() - path.stat().st_mtime > older_than_s:
                    leftovers.append(path)
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)

    def stage(self, limit: int) -> StagedFile:
        return StagedFile(self._incoming / f"{secrets.token_hex(16)}.part", limit, self._min_free)

    def commit(self, staged: StagedFile) -> Blob:
        try:
            sha256 = staged.seal()
            target = self._blobs / sha256
            with storage_errors():
                # Also over a blob that is there: the bytes are the same, unless the old ones have rotted.
                staged.path.replace(target)
                sync_directory(self._blobs)
            return Blob(sha256, staged.size)
        finally:
            staged.discard()

    def has(self, sha256: str) -> bool:
        return bool(_NAME.fullmatch(sha256)) and (self._blobs / sha256).is_file()

    def path(self, sha256: str) -> Path:
        if not self.has(sha256):
            raise NotFound(f"There is no blob {sha256}.", code="blob_missing")
        return self._blobs / sha256

    def delete(self, sha256: str) -> bool:
        return bool(_NAME.fullmatch(sha256)) and remove(self._blobs / sha256)

    def blobs(self) -> Iterator[Blob]:
        with os.scandir(self._blobs) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name):
                    try:
                        size = entry.stat().st_size
                    except FileNotFoundError:
                        continue  # deleted since, maybe by another process
                    yield Blob(entry.name, size)

    def check(self, sha256: str) -> bool:
        digest = hashlib.sha256()
        with self.path(sha256).open("rb") as file:
            while chunk := file.read(_HASH_CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == sha256
