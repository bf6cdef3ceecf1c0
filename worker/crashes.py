"""Crash logs of many processes that share a data directory: who died of itself, and who was killed.

Each process has a file named after it (see `worker.recovery.CrashLog`), locked while it lives. Python writes to it on
a fatal signal, and `worker.watch` before it ends a process that hangs; a kill from outside leaves it empty.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import time
from pathlib import Path
from typing import IO

from index.files import make_directory

_EMPTY_KEPT_S = 3_600.0
_FULL_KEPT_S = 30 * 86_400.0


class CrashLogs:
    def __init__(self, directory: Path) -> None:
        make_directory(directory)
        self._directory = directory
        self._file: IO[str] | None = None

    def arm(self, process: str) -> None:
        """Watch this process from now on, under this name."""
        self._file = self._path(process).open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        faulthandler.enable(self._file)

    def note(self, text: str) -> None:
        """Say that this process ends by its own fault, with what all its threads are doing. A full disk does not keep
        it from ending.
        """
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(text + "\n")
                self._file.flush()
            with contextlib.suppress(OSError):
                faulthandler.dump_traceback(self._file)

    def disarm(self) -> None:
        """The process ends in order. Harmless without `arm`."""
        if self._file is not None:
            faulthandler.disable()
            with contextlib.suppress(OSError):  # an empty one says nothing
                Path(self._file.name).unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def crashed(self, process: str) -> bool:
        """Whether a process that is gone died of itself."""
        try:
            return self._path(process).stat().st_size > 0
        except FileNotFoundError:
            return False

    def sweep(self) -> None:
        """Remove the files of the dead: empty ones after an hour, by when their pages were taken over; full ones,
        which people may want to read, after a month.
        """
        for path in self._directory.glob("*.log"):
            try:
                facts = path.stat()
                kept = _FULL_KEPT_S if facts.st_size else _EMPTY_KEPT_S
                if time.time() - facts.st_mtime > kept and not _locked(path):
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue

    def _path(self, process: str) -> Path:
        return self._directory / f"{process}.log"


def _locked(path: Path) -> bool:
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
