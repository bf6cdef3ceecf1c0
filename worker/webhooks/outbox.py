"""What is to be sent, on the disk from the moment that it is known until it was taken or given up.

`outbox/<tenant>/<hook>/<about>.<message>.json` waits, `failed/…` under the same name was given up and is kept for
people to look at. `<about>` is the document, so that its deletion finds them by name. A message keeps its id over all
attempts, crashes and restarts: a receiver that gets it twice can tell.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from index.files import make_directory, remove, sync_directory, write_atomic

MAX_FAILED = 100
"""Given-up messages that are kept of one hook: the newest."""
_FAILED_KEPT_S = 7 * 86_400.0

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NAME = re.compile(r"[0-9a-f-]{1,64}")

Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one hook. Times are UNIX seconds; `body` is what is signed and sent, byte for byte."""

    message_id: str
    tenant: str
    hook_id: str
    about: str
    kind: str
    body: str
    created_at: float
    next_at: float
    attempts: int = 0
    last_error: str = ""


class Outbox:
    def __init__(self, directory: Path) -> None:
        self._waiting = directory / "outbox"
        self._failed = directory / "failed"
        # Of each hook's messages, by what `retrying` read last: when they are tried again, None where never tried yet.
        self._tries: dict[Path, dict[Path, tuple[Stamp, float | None]]] = {}

    def put(self, message: Message) -> bool:
        """Keep a new message; False if it is there already."""
        return write_atomic(self._path(self._waiting, message), _dump(message))

    def retry(self, message: Message, *, next_at: float, error: str) -> Message | None:
        """Note a failed attempt; None if the message was dropped meanwhile."""
        path = self._path(self._waiting, message)
        if not path.exists():
            return None
        changed = replace(message, attempts=message.attempts + 1, next_at=next_at, last_error=error)
        write_atomic(path, _dump(changed), replace=True)
        return changed

    def give_up(self, message: Message, error: str) -> None:
        """No more attempts; kept for people to look at."""
        ended = replace(message, attempts=message.attempts + 1, last_error=error)
        target = self._path(self._failed, message)
        path = self._path(self._waiting, message)
        make_directory(target.parent)
        with contextlib.suppress(FileNotFoundError):
            write_atomic(path, _dump(ended), replace=True)
            path.replace(target)
            sync_directory(target.parent)
        for old in self._files(self._failed, message.tenant, message.hook_id)[:-MAX_FAILED]:
            remove(old)

    def done(self, message: Message) -> None:
        remove(self._path(self._waiting, message))

    def hooks(self) -> Iterator[tuple[str, str]]:
        """`(tenant, hook id)` of those for whom something waits, or did."""
        for path in self._waiting.glob("*/*"):
            if path.is_dir():
                yield path.parent.name, path.name

    def waiting(self, tenant: str, hook_id: str) -> list[Path]:
        """Files of a hook's waiting messages, oldest first; `load` reads one."""
        return self._files(self._waiting, tenant, hook_id)

    def retrying(self, tenant: str, hook_id: str, waiting: list[Path], most: int) -> list[Message]:
        """Of those that `waiting` gave for this hook: the ones whose last try failed. At most so many, the next to be
        tried first. A file is read once, and again when it was changed: to read a thousand takes 50 ms.
        """
        folder = self._waiting / tenant / hook_id
        known = self._tries.get(folder, {})
        tries: dict[Path, tuple[Stamp, float | None]] = {}
        for path in waiting:
            if (stamp := _stamp(path)) is None:
                continue  # taken meanwhile
            found = known.get(path)
            tries[path] = found if found is not None and found[0] == stamp else (stamp, _next_try(path))
        if tries:
            self._tries[folder] = tries
        else:
            self._tries.pop(folder, None)
        tried = [(at, path) for path, (_, at) in tries.items() if at is not None]
        nearest = (load(path) for _, path in heapq.nsmallest(most, tried))
        return [message for message in nearest if message is not None and message.attempts]

    def failed(self, tenant: str, hook_id: str) -> list[Message]:
        """What was given up, newest first."""
        found = [load(path) for path in reversed(self._files(self._failed, tenant, hook_id))]
        return [message for message in found if message is not None]

    def drop_about(self, tenant: str, about: str) -> int:
        """Forget all messages about a document; how many."""
        if not _TENANT.fullmatch(tenant) or not _NAME.fullmatch(about):
            return 0
        return sum(
            remove(path)
            for root in (self._waiting, self._failed)
            for path in list((root / tenant).glob(f"*/{about}.*"))
        )

    def drop_hook(self, tenant: str, hook_id: str) -> None:
        """Forget all messages to a hook."""
        self._tries.pop(self._waiting / tenant / hook_id, None)
        for root in (self._waiting, self._failed):
            folder = root / tenant / hook_id
            for path in list(folder.glob("*")):
                remove(path)
            with contextlib.suppress(OSError):
                folder.rmdir()

    def sweep(self, now: float) -> None:
        """Remove old failures."""
        for path in list(self._failed.glob("*/*/*")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < now - _FAILED_KEPT_S:
                    remove(path)

    @staticmethod
    def _files(root: Path, tenant: str, hook_id: str) -> list[Path]:
        found = []
        for path in (root / tenant / hook_id).glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found)]

    @staticmethod
    def _path(root: Path, message: Message) -> Path:
        return root / message.tenant / message.hook_id / f"{message.about}.{message.message_id}.json"


def load(path: Path) -> Message | None:
    """None for what is gone, or damaged."""
    try:
        return Message(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _next_try(path: Path) -> float | None:
    message = load(path)
    return message.next_at if message is not None and message.attempts else None


def _stamp(path: Path) -> Stamp | None:
    """Changes with the file, which is replaced whole; None where there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_mtime_ns, facts.st_ino


def _dump(message: Message) -> bytes:
    return json.dumps(asdict(message)).encode()
