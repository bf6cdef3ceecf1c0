"""TAR and TAR.GZ for `ingest.archives`: read forwards once, in bounded pieces.

The standard library reads the headers; what it may read at once, and where it may go, is decided here, because
a header can claim a gigabyte of extended attributes or a member of negative size.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from index.errors import BadDocument, FolioscopeError
from index.types import MemberFailure
from ingest.archives import CHUNK_BYTES, REST, BadMember, Meter, RawMember

_MAX_HEADER_BYTES = 1 << 20  # extended headers and long names
_BROKEN = "The archive is damaged or breaks off here; what followed is lost."


class _Damaged(Exception):
    """A header that asks for what no honest one needs."""


class _Source:
    """What `tarfile` reads from: forwards only, each read bounded, unpacked bytes counted."""

    def __init__(self, file: BinaryIO, meter: Meter, *, compressed: bool) -> None:
        self._file = gzip.GzipFile(fileobj=file) if compressed else file
        self._meter = meter
        self._compressed = compressed
        self._position = 0
        self.last = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise _Damaged
        self.last = self._file.read(size)
        self._position += len(self.last)
        if self._compressed:
            self._meter.add(len(self.last))
        return self.last

    def seek(self, position: int) -> None:
        """Go forwards. Compressed bytes on the way are unpacked, and so they are counted."""
        if position < self._position:
            raise _Damaged
        if not self._compressed:
            self._position = self._file.seek(position)
        while self._position < position and self.read(min(CHUNK_BYTES, position - self._position)):
            pass


def tar_members(path: Path, meter: Meter, *, compressed: bool) -> Iterator[RawMember | MemberFailure]:
    """All entries but directories."""
    with Path(path).open("rb") as file:
        source = _Source(file, meter, compressed=compressed)
        first = True
        try:
            # pax and GNU headers are in UTF-8 nowadays; what is not comes back as lone surrogates: see `_name`.
            archive = tarfile.TarFile(fileobj=source, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
            offset = -1
            while (entry := archive.next()) is not None:
                first, offset = False, _further(entry, offset)
                archive.members.clear()  # it would keep every header
                meter.count_member()
                if not entry.isdir():
                    yield _member(source, entry)
        except FolioscopeError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
                raise
            if first:
                raise BadDocument("The TAR archive is damaged or incomplete.", code="damaged") from error
            yield MemberFailure(REST, "damaged", _BROKEN)
        else:
            # tarfile takes a header that is none for the end. A real end is a block of zeros, or nothing at all.
            if source.last.strip(b"\0"):
                yield MemberFailure(REST, "damaged", _BROKEN)


def _further(entry: tarfile.TarInfo, offset: int) -> int:
    """Where the entry begins, if that is behind `offset`: a negative size would lead round in circles."""
    if entry.offset <= offset or entry.size < 0:
        raise _Damaged
    return entry.offset


def _member(source: _Source, entry: tarfile.TarInfo) -> RawMember:
    refusal = None
    if not entry.isfile():
        refusal = BadMember("The member is a link or a device, not a file.", code="not_a_file")
    elif entry.sparse is not None:
        refusal = BadMember("The member is a sparse file: repack it as a plain one.", code="not_a_file")
    return RawMember(_name(entry), entry.size, lambda: _chunks(source, entry), refusal)


def _chunks(source: _Source, entry: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        source.seek(entry.offset_data)
        left = entry.size
        while left:
            chunk = source.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise BadMember("The archive breaks off in this member.", code="damaged")
            left -= len(chunk)
            yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile, _Damaged) as error:
        raise BadMember("The member is damaged or incomplete.", code="damaged") from error


def _name(entry: tarfile.TarInfo) -> str:
    """The name; bytes that are no UTF-8 are read as Latin-1."""
    try:
        entry.name.encode("utf-8")
    except UnicodeEncodeError:
        return entry.name.encode("utf-8", "surrogateescape").decode("latin-1")
    return entry.name
