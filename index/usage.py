"""Bytes that each key has sent today, counted over all processes of a data directory and over restarts.

Each process writes a file of its own, `keys/usage/<day>/<key_id>.<process>`, and adds up everybody's: no lock, no lost
count, and what another process counted is seen within `_LOOK_AGAIN_S`. Days are UTC days; older
files are removed.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

from index.errors import Unavailable
from index.files import make_directory

_LOOK_AGAIN_S = 2.0


class DailyUsage:
    """Thread-safe. A count that cannot be written is kept in memory: a full disk refuses uploads by itself."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "keys" / "usage"
        self._process = secrets.token_hex(8)
        self._guard = threading.Lock()
        self._day: date | None = None
        self._own: dict[str, int] = {}
        self._others: dict[str, tuple[int, float]] = {}

    def total(self, key_id: str, day: date) -> int:
        """Of all processes, this one's uploads that are still running included."""
        with self._guard:
            self._turn(day)
            count, looked_at = self._others.get(key_id, (0, float("-inf")))
            if time.monotonic() - looked_at > _LOOK_AGAIN_S:
                count = self._read_others(key_id, day)
                self._others[key_id] = (count, time.monotonic())
            return count + self._own.get(key_id, 0)

    def add(self, key_id: str, count: int, day: date) -> None:
        """In memory only; `save` shares it."""
        with self._guard:
            self._turn(day)
            self._own[key_id] = self._own.get(key_id, 0) + count

    def save(self, key_id: str) -> None:
        with self._guard, suppress(OSError, Unavailable):
            if self._day is None or not self._own.get(key_id):
                return
            folder = self._root / self._day.isoformat()
            make_directory(folder)
            partial = folder / f".{key_id}.{self._process}"
            partial.write_text(str(self._own[key_id]))
            partial.replace(folder / f"{key_id}.{self._process}")

    def _turn(self, day: date) -> None:
        if day == self._day:
            return
        self._day, self._own, self._others = day, {}, {}
        if self._root.is_dir():
            for folder in self._root.iterdir():
                if folder.name < day.isoformat():
                    shutil.rmtree(folder, ignore_errors=True)

    def _read_others(self, key_id: str, day: date) -> int:
        count = 0
        for path in (self._root / day.isoformat()).glob(f"{key_id}.*"):
            if path.name != f"{key_id}.{self._process}":
                with suppress(OSError, ValueError):
                    count += int(path.read_text())
        return count
