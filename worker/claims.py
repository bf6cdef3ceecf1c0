"""Claims: two processes that are rung for the same job do it once.

A claim is a lock (`flock`) on a small file in the shared data directory, so it ends with the process that holds it,
however that ends, and needs no clock, no lease and no server. The file holds its holder's name and the job, and goes
when the job ends. One that is there and not locked was left by a process that died, and says by which and at what.

What it needs of the file system: `flock` that works between all machines that share the directory (local disks and
Docker volumes, NFS 4, CephFS, Lustre with `flock`; not NFS 3 without its lock daemon).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from index.errors import Unavailable
from index.files import make_directory, storage_errors, try_lock

# Stands where a holder's name would: the job was given up because something else was down.
NOBODY = "-"
_KEPT_S = 86_400.0
_MAX_BYTES = 4096
_MARKER = ".again"


@dataclass(slots=True)
class Claim:
    """`left_by` names the process that had it before and died (`NOBODY`: it gave up in order; None: nobody had it).
    `again`, true after the end, says that somebody wanted it meanwhile: what they wanted may not have been seen.
    """

    left_by: str | None = None
    again: bool = False


class Claims:
    """Claims of one process, named `holder`. Thread-safe: two threads are as strange to each other as processes."""

    def __init__(self, directory: Path, holder: str) -> None:
        make_directory(directory)
        self._directory = directory
        self._holder = holder

    @contextmanager
    def hold(self, name: str, job: str = "") -> Iterator[Claim | None]:
        """The claim while the block runs; None when another has it, who is told to look again. `job` is what `left`
        tells those who come after a death.
        """
        path, marker = self._directory / name, self._directory / f"{name}{_MARKER}"
        handle = try_lock(path)
        if handle is None:
            with storage_errors():
                marker.touch()
            # Its holder may have let go before the marker was there to be seen.
            handle = try_lock(path)
        if handle is None:
            yield None
            return
        marker.unlink(missing_ok=True)
        claim = Claim(left_by=_read(handle)[0] or None)
        try:
            _write(handle, self._holder, job)
            yield claim
        except Unavailable:
            # The attempt may stand open in the index, which could not be told; it is nobody's fault.
            _write(handle, NOBODY, job)
            raise
        except Exception:
            # Ended by an error of ours: left there, it would be told as a death, and be rung for at every look.
            path.unlink(missing_ok=True)
            raise
        else:
            path.unlink(missing_ok=True)
        finally:
            os.close(handle)
            if marker.exists():
                marker.unlink(missing_ok=True)
                claim.again = True

    def left(self) -> list[tuple[str, float]]:
        """The jobs of claims that nobody holds any more, and when each was taken."""
        jobs = []
        for path in self._files():
            if (handle := try_lock(path, create=False)) is not None:
                jobs.append((_read(handle)[1], os.fstat(handle).st_mtime))
                os.close(handle)
        return [(job, at) for job, at in jobs if job]

    def held(self, name: str) -> bool:
        """Whether somebody has it now."""
        handle = try_lock(self._directory / name, create=False)
        if handle is None:
            return (self._directory / name).exists()
        os.close(handle)
        return False

    def sweep(self, *, now: float | None = None) -> int:
        """Remove claims that were left by the dead, a day after; their pages are done or deleted."""
        removed = 0
        for path in self._files(markers=True):
            try:
                old = (now or time.time()) - path.stat().st_mtime > _KEPT_S
            except FileNotFoundError:
                continue
            # Removed under its own lock, or a claim that somebody takes just now would be on nothing.
            if old and (handle := try_lock(path, create=False)) is not None:
                path.unlink(missing_ok=True)
                os.close(handle)
                removed += 1
        return removed

    def _files(self, *, markers: bool = False) -> list[Path]:
        return [path for path in self._directory.iterdir() if markers or path.suffix != _MARKER]


def _write(handle: int, holder: str, job: str) -> None:
    content = f"{holder}\n{job}".encode()
    with storage_errors():
        os.pwrite(handle, content, 0)
        os.ftruncate(handle, len(content))


def _read(handle: int) -> tuple[str, str]:
    """Holder and job."""
    holder, _, job = os.pread(handle, _MAX_BYTES, 0).decode("utf-8", "replace").partition("\n")
    return holder, job
