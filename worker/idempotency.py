"""Answers that are given once: what a request with an `Idempotency-Key` was answered, for those who ask again.

What it promises:

* One request at a time for a key: a second one meanwhile gets `Conflict` (`idempotency_in_progress`). A process that
  dies lets go of its keys.
* The same key with the same request gets the stored answer; with another request `InvalidRequest`
  (`idempotency_key_reused`). What the request is, is said by a fingerprint, which may be known only at its end.
* `begin` is on the disk before the work: work that was cut off between its end and its answer is done again, by the
  same request only, and told what was found the first time.
* What is stored is forgotten after `keep_s`, and a document's answers with the document.

Keys mean something to their tenant and operation only. For each tenant a directory holds `<key>.json` (the
fingerprint, what it is about) and `<subject>.<key>.answer` (the answer: it may name the document's file); `<key>` is a
hash. Knows no HTTP. Source: the draft httpapi-idempotency-key-header of the IETF.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from index.errors import Conflict, InvalidRequest
from index.files import make_directory, remove, try_lock, write_atomic

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SUBJECT = re.compile(r"[0-9a-f-]{1,64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer: `status`, `headers`, `body`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What a key was used for. `found` is what `begin` noted; `done` once there is an answer."""

    fingerprint: str
    subject: str
    found: bool
    done: bool
    at: float


class IdempotencyKeys:
    """Thread-safe, and safe among processes that share the directory."""

    def __init__(self, directory: Path, *, keep_s: float = 24 * 3600.0, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._keep_s = keep_s
        self._clock = clock

    def claim(self, tenant: str, operation: str, key: str) -> Claim:
        """Take a key for one request, until `Claim.close`. `Conflict` while another request has it."""
        if not _TENANT.fullmatch(tenant):
            raise InvalidRequest(f"{tenant[:100]!r} cannot name a tenant.")
        name = hashlib.sha256(f"{operation}|{key}".encode()).hexdigest()
        folder = self._directory / tenant
        make_directory(folder)
        handle = try_lock(folder / f"{name}.lock", mode=0o600)
        if handle is None:
            raise Conflict(
                "A request with this Idempotency-Key is under way; ask again when it has ended.",
                code="idempotency_in_progress",
            )
        return Claim(folder, name, handle, oldest=self._clock() - self._keep_s, clock=self._clock)

    def forget(self, tenant: str, subject: str) -> int:
        """Drop the answers about something that is deleted; how many. Its keys go on meaning that one request."""
        if not _TENANT.fullmatch(tenant) or not _SUBJECT.fullmatch(subject):
            return 0
        return sum(remove(path) for path in list((self._directory / tenant).glob(f"{subject}.*.answer")))

    def sweep(self) -> int:
        """Remove what is too old; how many files."""
        swept, oldest = 0, self._clock() - self._keep_s
        for path in list(self._directory.glob("*/*")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= oldest:
                    continue
                swept += _unlock(path) if path.suffix == ".lock" else remove(path)
        return swept


class Claim:
    """A key in the hands of one request."""

    def __init__(self, folder: Path, name: str, handle: int, *, oldest: float, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._name = name
        self._handle: int | None = handle
        self._clock = clock
        self.record = self._load(oldest)

    def check(self, fingerprint: str) -> Stored | None:
        """The answer that this request was given before; None when it is the first one, or was never answered.

        `InvalidRequest` when the key was used for another request, `Conflict` when what the answer is about was
        deleted since: to give the old answer would be wrong, to do the work again would bring it back.
        """
        if self.record is None:
            return None
        if self.record.fingerprint != fingerprint:
            raise InvalidRequest(
                "This Idempotency-Key was used for another request; take a new key for each.",
                code="idempotency_key_reused",
            )
        if not self.record.done:
            return None
        try:
            stored = json.loads(self._answer(self.record.subject).read_bytes())
        except FileNotFoundError:
            raise gone() from None
        return Stored(stored["status"], stored["headers"], base64.b64decode(stored["body"]))

    def begin(self, fingerprint: str, subject: str, *, found: bool = False) -> bool:
        """Note what is about to be done; `found`, or what was noted before the same work was cut off."""
        if self.record is None:
            self._write(Record(fingerprint, subject, found, done=False, at=self._clock()))
        assert self.record is not None
        return self.record.found

    def finish(self, stored: Stored) -> None:
        """Keep the answer: from now on it is given again."""
        record = self.record
        assert record is not None
        content = {
            "status": stored.status,
            "headers": dict(stored.headers),
            "body": base64.b64encode(stored.body).decode(),
        }
        write_atomic(self._answer(record.subject), json.dumps(content).encode(), replace=True, mode=0o600)
        self._write(Record(record.fingerprint, record.subject, record.found, done=True, at=record.at))

    def give_up(self) -> None:
        """Forget the key: nothing came of its request, which may be mended and sent again."""
        if self.record is not None and not self.record.done:
            remove(self._path())
            self.record = None

    def close(self) -> None:
        """Let go of the key. Harmless twice."""
        if self._handle is not None:
            # While it is still locked: who waits with it open sees that it is no file any more.
            (self._folder / f"{self._name}.lock").unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _write(self, record: Record) -> None:
        content = {name: getattr(record, name) for name in Record.__slots__}
        write_atomic(self._path(), json.dumps(content).encode(), replace=True, mode=0o600)
        self.record = record

    def _load(self, oldest: float) -> Record | None:
        try:
            record = Record(**json.loads(self._path().read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return record if record.at >= oldest else None

    def _path(self) -> Path:
        return self._folder / f"{self._name}.json"

    def _answer(self, subject: str) -> Path:
        return self._folder / f"{subject}.{self._name}.answer"


def gone() -> Conflict:
    return Conflict(
        "What this Idempotency-Key was used for is deleted; take a new key to send it again.", code="idempotency_gone"
    )


def _unlock(path: Path) -> bool:
    """Remove a lock that a process left behind, unless somebody has it."""
    handle = try_lock(path, create=False)
    if handle is None:
        return False
    path.unlink(missing_ok=True)
    os.close(handle)
    return True
