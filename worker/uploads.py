"""Uploads that may break off and go on later, also on another day, after a restart, or at another API process.

What they promise:

* A byte that `append` has counted survives a crash: it is on the disk before the offset is told.
* Of a piece that is checked nothing counts before it was confirmed, whatever ends it, a kill too.
* One writer at a time: a second one gets `Conflict` (`upload_busy`) instead of mixing its bytes in. It can say that it
  waits (`want`), and the first one can look whether somebody does (`Appending.wanted`).
* `finish` hands the whole file to the service once; asked again, after a crash say, it gives the same document.
* An upload nobody went on with for `keep_s` is removed. A finished one keeps nothing but the document's id.

One directory holds them: `<id>.json` (what it is), `<id>.part` (the bytes so far), `<id>.unchecked` (from where on they
are not confirmed), `<id>.done` (the document's id), `<id>.next` (somebody waits to write).
They know no HTTP; `api.routes_uploads` speaks tus 1.0 in front of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from index.errors import Conflict, NotFound, RequestError, TooLarge
from index.files import leave_room, make_directory, remove, storage_errors, write_atomic
from index.types import TextLayerPolicy

if TYPE_CHECKING:
    from worker.service import DocumentView, Staging

_ID = re.compile(r"[0-9a-f]{32}")
_COPY = 1 << 20
_WANTED_S = 5.0
"""So long it counts that somebody said that he waits."""


@dataclass(frozen=True, slots=True)
class Upload:
    """`length` in bytes; `offset` so many have come; `document_id` once it is finished. `expires_at`: UNIX seconds.
    `metadata` is what its client said of it, to be given back as it came.
    """

    id: str
    tenant: str
    length: int
    filename: str
    text_layer: str
    offset: int
    document_id: str | None
    expires_at: float
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """`per_tenant` bounds what half uploads can hold on the disk."""

    max_bytes: int
    min_free_bytes: int = 0
    keep_s: float = 24 * 3600.0
    per_tenant: int = 1000


Finish = Callable[[Upload, str | None, Iterator[bytes]], str]
"""Accepts the whole file (its facts, its password, its bytes) and returns the document's id."""


class ResumableUploads:
    """Thread-safe, and safe among processes that share the directory."""

    def __init__(self, directory: Path, config: UploadConfig, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._config = config
        self._clock = clock
        make_directory(directory)

    @property
    def max_bytes(self) -> int:
        return self._config.max_bytes

    def create(
        self,
        tenant: str,
        length: int,
        *,
        filename: str,
        text_layer: str = "auto",
        password: str | None = None,
        metadata: str = "",
    ) -> Upload:
        """A new upload without bytes. `TooLarge` over the limit, `StorageFull`, `Conflict` when there are too many."""
        config = self._config
        if length > config.max_bytes:
            raise TooLarge(
                f"The file is larger than the limit of {config.max_bytes} bytes (setting FOLIOSCOPE_MAX_UPLOAD_BYTES)."
            )
        self._leave_room(length)
        self.sweep()
        open_ones = sum(1 for facts in self._all() if facts["tenant"] == tenant)
        if open_ones >= config.per_tenant:
            raise Conflict(
                f"There are {open_ones} unfinished uploads; finish or delete some of them.", code="too_many_uploads"
            )
        upload_id = secrets.token_hex(16)
        facts = {"tenant": tenant, "length": length, "filename": filename, "text_layer": text_layer}
        facts |= {"metadata": metadata}
        with storage_errors():
            self._path(upload_id, "part").touch(mode=0o600, exist_ok=False)
        # The facts come last: an upload that has them is whole. They may hold a password.
        write_atomic(self._path(upload_id, "json"), json.dumps({**facts, "password": password}).encode(), mode=0o600)
        return self.get(tenant, upload_id)

    def get(self, tenant: str, upload_id: str) -> Upload:
        """How far it is. `NotFound` for an unknown id and for another tenant's alike."""
        facts = self._facts(tenant, upload_id)
        done = self._path(upload_id, "done")
        document_id: str | None = None
        with contextlib.suppress(FileNotFoundError):
            document_id = done.read_text()
        unchecked = self._unchecked(upload_id)
        try:
            status = (done if document_id else self._path(upload_id, "part")).stat()
        except FileNotFoundError:
            raise _unknown() from None
        came = status.st_size if unchecked is None else min(unchecked, status.st_size)
        return Upload(
            id=upload_id,
            tenant=tenant,
            length=facts["length"],
            filename=facts["filename"],
            text_layer=facts["text_layer"],
            offset=facts["length"] if document_id else came,
            document_id=document_id,
            expires_at=status.st_mtime + self._config.keep_s,
            metadata=facts.get("metadata", ""),
        )

    @contextlib.contextmanager
    def appending(self, tenant: str, upload_id: str, offset: int, *, checked: bool = False) -> Iterator[Appending]:
        """Write at `offset`, which must be where the upload stands (`Conflict` `wrong_offset` else). What is written
        `checked` is kept only once it is confirmed.
        """
        upload = self.get(tenant, upload_id)
        if upload.document_id:
            raise Conflict("The upload is finished: it takes no more bytes.", code="wrong_offset")
        try:
            with storage_errors():
                file = self._path(upload_id, "part").open("r+b")
        except FileNotFoundError:
            raise _unknown() from None
        # Closing writes what could not be flushed once more: a full disk is told as one there too.
        with storage_errors(), file:
            _lock(file)
            stands = self._settle(file, upload_id)
            if stands != offset:
                raise _wrong_offset(stands, offset)
            remove(self._path(upload_id, "next"))
            if checked:
                write_atomic(self._path(upload_id, "unchecked"), str(stands).encode(), replace=True, mode=0o600)
            writing = Appending(file, stands, upload.length, self._leave_room, lambda: self._wanted(upload_id))
            try:
                yield writing
            finally:
                if checked and not writing.confirmed:
                    writing.undo()
                # Whatever broke it off, all other bytes that came are kept: that is what a resumable upload is for.
                with storage_errors():
                    file.flush()
                    os.fsync(file.fileno())
                if checked:
                    remove(self._path(upload_id, "unchecked"))

    def _settle(self, file: BinaryIO, upload_id: str) -> int:
        """Where the upload stands, for who has locked its file: what a kill left unconfirmed is cut off."""
        stands = file.seek(0, os.SEEK_END)
        if (unchecked := self._unchecked(upload_id)) is not None:
            stands = min(stands, unchecked)
            file.truncate(stands)
            file.seek(stands)
            os.fsync(file.fileno())
            remove(self._path(upload_id, "unchecked"))
        return stands

    def _unchecked(self, upload_id: str) -> int | None:
        """From where on the bytes are not confirmed; None where all are."""
        try:
            return int(self._path(upload_id, "unchecked").read_bytes())
        except FileNotFoundError:
            return None

    def want(self, tenant: str, upload_id: str) -> None:
        """Say that somebody waits to write to it, which counts for a moment. `NotFound`."""
        self.get(tenant, upload_id)
        path = self._path(upload_id, "next")
        with contextlib.suppress(OSError):  # as on a full disk: then it is refused as before
            path.touch(mode=0o600)
            os.utime(path, (self._clock(), self._clock()))

    def _wanted(self, upload_id: str) -> bool:
        try:
            said_at = self._path(upload_id, "next").stat().st_mtime
        except OSError:
            return False
        return abs(self._clock() - said_at) < _WANTED_S

    def finish(self, tenant: str, upload_id: str, finish: Finish) -> Upload:
        """Hand a complete upload over; what `finish` raises of a file that cannot be taken ends the upload."""
        upload = self.get(tenant, upload_id)
        if upload.document_id or upload.offset < upload.length:
            self._strip(upload)
            return upload
        part = self._path(upload_id, "part")
        try:
            with storage_errors():
                file = part.open("r+b")  # to be locked over NFS, too, it has to be open for writing
        except FileNotFoundError:  # another process finished it in the meantime
            return self.get(tenant, upload_id)
        with storage_errors(), file:
            _lock(file)
            if self._path(upload_id, "done").exists():  # finished between the look and the lock
                return self.get(tenant, upload_id)
            if self._settle(file, upload_id) < upload.length:  # a checked piece, begun and cut in between
                return self.get(tenant, upload_id)
            file.seek(0)
            password = self._facts(tenant, upload_id)["password"]
            try:
                document_id = finish(upload, password, _chunks(file))
            except RequestError:
                self.delete(tenant, upload_id)
                raise
            write_atomic(self._path(upload_id, "done"), document_id.encode())
            self._strip(self.get(tenant, upload_id))
        return self.get(tenant, upload_id)

    def _strip(self, upload: Upload) -> None:
        """Of a finished upload only the document's id is kept: the document may be deleted before the id expires, and
        then neither its bytes nor its name nor its password may be left here.
        """
        if not upload.document_id or not self._path(upload.id, "part").exists():
            return
        facts = {"tenant": upload.tenant, "length": upload.length, "filename": "", "text_layer": upload.text_layer}
        content = json.dumps({**facts, "password": None}).encode()
        write_atomic(self._path(upload.id, "json"), content, replace=True, mode=0o600)
        remove(self._path(upload.id, "part"))  # last: while it is there, this is not done

    def delete(self, tenant: str, upload_id: str) -> None:
        """Forget an upload and its bytes; a document that it became stays."""
        self._facts(tenant, upload_id)
        self._remove(upload_id)

    def sweep(self) -> int:
        """Remove uploads that nobody went on with; how many."""
        swept = 0
        oldest = self._clock() - self._config.keep_s
        for path in list(self._directory.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                if path.suffix in {".part", ".done", ".next"} and path.stat().st_mtime < oldest:
                    if path.suffix == ".next":  # that somebody waited says nothing of the upload
                        remove(path)
                        continue
                    self._remove(path.stem)
                    swept += 1
        return swept

    def _remove(self, upload_id: str) -> None:
        for kind in ("json", "unchecked", "part", "done", "next"):
            remove(self._path(upload_id, kind))

    def _facts(self, tenant: str, upload_id: str) -> dict[str, object]:
        if not _ID.fullmatch(upload_id):
            raise _unknown()
        try:
            facts = json.loads(self._path(upload_id, "json").read_bytes())
        except FileNotFoundError:
            raise _unknown() from None
        if facts["tenant"] != tenant:
            raise _unknown()
        return facts

    def _all(self) -> Iterator[dict[str, object]]:
        for path in self._directory.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                yield json.loads(path.with_suffix(".json").read_bytes())

    def _leave_room(self, coming: int) -> None:
        leave_room(self._directory, coming, self._config.min_free_bytes)

    def _path(self, upload_id: str, kind: str) -> Path:
        return self._directory / f"{upload_id}.{kind}"


class Accepting(Protocol):
    """The part of the service that takes files in."""

    def stage(self) -> Staging: ...

    def accept(
        self, tenant: str, staged: Staging, *, filename: str, password: str | None, text_layer: TextLayerPolicy
    ) -> tuple[DocumentView, bool]: ...


def accepting(service: Accepting) -> Finish:
    """A `Finish` that sends the whole file the way of every upload."""

    def finish(upload: Upload, password: str | None, chunks: Iterator[bytes]) -> str:
        staged = service.stage()
        try:
            for chunk in chunks:
                staged.write(chunk)
            policy = TextLayerPolicy(upload.text_layer)
            view, _ = service.accept(
                upload.tenant, staged, filename=upload.filename, password=password, text_layer=policy
            )
            return view.manifest.document_id
        finally:
            staged.discard()

    return finish


class Appending:
    """The end of an upload's file, open for one writer."""

    def __init__(
        self, file: BinaryIO, begin: int, length: int, room: Callable[[int], None], wanted: Callable[[], bool]
    ) -> None:
        self._file = file
        self._begin = begin
        self._at = begin
        self._length = length
        self._room = room
        self.wanted = wanted
        """Whether somebody else waits to write."""
        self.confirmed = False

    def write(self, chunk: bytes) -> None:
        """`TooLarge` past the length that was announced, and then nothing of this writer is kept: a file that is
        longer than was said is another file, and its beginning must not become a document.
        """
        if self._at + len(chunk) > self._length:
            self.undo()
            raise TooLarge("More bytes came than the upload was announced with; none of these were kept.")
        self._room(len(chunk))
        with storage_errors():
            self._file.write(chunk)
        self._at += len(chunk)

    def confirm(self) -> None:
        """What this writer wrote is right: it may be kept."""
        self.confirmed = True

    def undo(self) -> None:
        """Forget what this writer wrote."""
        self._file.seek(self._begin)
        self._file.truncate()
        self._at = self._begin


def _lock(file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(
            "Somebody else is writing to this upload; ask for its offset in a moment.", code="upload_busy"
        ) from None


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_COPY):
        yield chunk


def _unknown() -> NotFound:
    return NotFound("There is no such upload; it may have expired.")


def _wrong_offset(stands: int, given: int) -> Conflict:
    return Conflict(f"The upload stands at {stands}, not at {given}.", code="wrong_offset")
