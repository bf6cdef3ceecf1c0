"""Which ends of documents were told already: one line for each, in a file for each tenant.

`reported/<tenant>.jsonl` begins with the time since which documents count. After that the last line about a document
holds: how often its end was told, what the end was (`outcome`), when, and when another reading was asked for. Lines are
appended and flushed to the disk; one that a crash cut off is passed over. Several processes may append; whoever does
holds the catalog's lock, as does who writes the file anew.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from index.files import remove, write_atomic

OLD = "-"
"""The outcome of what had ended before anybody wanted to be told."""


@dataclass(frozen=True, slots=True)
class Line:
    """About one document. `created`: of its manifest, so that it is another one once it was deleted and sent in again.
    `outcome` is empty while nothing was told.
    """

    document_id: str
    created: str
    told: int = 0
    outcome: str = ""
    told_at: float = 0.0
    again_at: float = 0.0


class Journal:
    """Of one tenant. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0
        self._lines: dict[str, Line] = {}
        self.since = ""

    @property
    def there(self) -> bool:
        """Whether a file was begun, as far as was read; one without its first line was not."""
        return bool(self.since)

    def begin(self, since: str, lines: Iterable[Line]) -> None:
        """Begin a file: documents that came before `since` (ISO time) count only if they are among these, and those of
        after unless these say that their end is `OLD`.
        """
        first = json.dumps({"since": since})
        write_atomic(self._path, "\n".join([first, *map(_dump, lines), ""]).encode(), replace=True)

    def end(self) -> None:
        remove(self._path)

    def refresh(self) -> None:
        """Read what others have written since."""
        try:
            with self._path.open("rb") as file:
                facts = os.fstat(file.fileno())
                if facts.st_ino != self._inode or facts.st_size < self._offset:
                    self._inode, self._offset, self._lines, self.since = facts.st_ino, 0, {}, ""
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            self._inode, self._offset, self._lines, self.since = 0, 0, {}, ""
            return
        whole = content.rfind(b"\n") + 1
        self._offset += whole
        for text in content[:whole].splitlines():
            with contextlib.suppress(ValueError, TypeError):
                found = json.loads(text)
                if "since" in found:
                    self.since = found["since"]
                else:
                    line = Line(**found)
                    self._lines[line.document_id] = line

    def get(self, document_id: str) -> Line | None:
        return self._lines.get(document_id)

    def __len__(self) -> int:
        return len(self._lines)

    def append(self, line: Line) -> None:
        """Durable when it returns. Nothing happens where no file was begun, or it was ended."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        with os.fdopen(handle, "rb+") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    file.write(b"\n")  # after a line that a crash cut off
            file.write(_dump(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.refresh()

    def compact(self, keep: Iterable[str]) -> None:
        """Write the file anew with one line for each of these documents."""
        known = [line for one in keep if (line := self._lines.get(one)) is not None]
        self.begin(self.since, known)


def _dump(line: Line) -> str:
    return json.dumps(asdict(line))
