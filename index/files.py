"""Files that survive a power cut: atomic, write-once, fsynced with their directory.

Knows nothing of what is in them. `ENOSPC` and `EDQUOT` become `StorageFull`, `EROFS` becomes `Unavailable`: a system
makes a disk read-only after an error of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from index.errors import StorageFull, Unavailable

FULL = {errno.ENOSPC, errno.EDQUOT}
"""What the system says where there is no room."""


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn "no space left" and "read-only" into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(
                "The disk that holds the data directory is full. Nothing was stored; free some space and try again."
            ) from error
        if error.errno == errno.EROFS:
            raise Unavailable(
                "The disk that holds the data directory is read-only, as after an error of the disk. Nothing was "
                "changed; look at the system's log, and try again once it can be written to."
            ) from error
        raise


def leave_room(directory: Path, coming: int, min_free: int) -> None:
    """`StorageFull` if `coming` bytes more would leave less than `min_free` on the disk of `directory`: the index needs
    room to finish what was accepted, so uploads stop before the disk is full.
    """
    if shutil.disk_usage(directory).free - coming < min_free:
        raise StorageFull(
            f"Less than {min_free} bytes would be left on the disk of the data directory (setting "
            "FOLIOSCOPE_MIN_FREE_BYTES). Nothing was stored; free some space and try again."
        )


def sync_directory(path: Path) -> None:
    """Make renames and links in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(path: Path) -> None:
    """Create a directory and its parents, durably."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    with storage_errors():
        for part in reversed(missing):
            with contextlib.suppress(FileExistsError):
                part.mkdir()
            sync_directory(part.parent)


def write_atomic(path: Path, content: bytes, *, replace: bool = False, mode: int = 0o644) -> bool:
    """Write a whole file durably. False, and nothing changed, if it exists and `replace` is not set."""
    make_directory(path.parent)
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    with storage_errors():
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                # link() refuses to overwrite, rename() would not: that makes write-once atomic.
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
            sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have the lock of a file, which is made if there is none, while the block runs: one at a time, of all threads and
    processes. It is opened for writing, without which NFS locks none; a folder it locks for one machine only.
    """
    with storage_errors():
        file = path.open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(path: Path, *, create: bool = True, mode: int = 0o644) -> int | None:
    """A locked handle, to be closed, of the file at `path`, which who has it may remove; None when another has it, or,
    without `create`, when there is none.
    """
    while True:
        try:
            with storage_errors():
                handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), mode)
        except FileNotFoundError:
            if create:  # its folder is gone, which nobody holds
                raise
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:  # a file system without locks
            os.close(handle)
            raise
        try:
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        except FileNotFoundError:
            pass
        # Its last holder removed the file between our opening and locking it: the lock is on nothing.
        os.close(handle)


def sweep_half_written(folder: Path, *, older_than_s: float) -> int:
    """Remove what kills left of `write_atomic` here and in the folders below, which may be somebody's password."""
    swept, oldest = 0, time.time() - older_than_s
    for path in folder.rglob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            swept += path.stat().st_mtime < oldest and remove(path)
    return swept


def rename(path: Path, target: Path) -> bool:
    """Give a file another name in its directory, durably; whether it was there."""
    try:
        with storage_errors():
            path.rename(target)
    except FileNotFoundError:
        return False
    sync_directory(path.parent)
    return True


def remove(path: Path) -> bool:
    """Delete a file durably; whether it was there."""
    try:
        with storage_errors():
            path.unlink()
    except FileNotFoundError:
        return False
    sync_directory(path.parent)
    return True
