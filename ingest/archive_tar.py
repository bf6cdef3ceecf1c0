"""TAR and TAR.GZ for `ingest.archives`: read forwards once, in bounded pieces.

The standard library reads the headers; what it may read for a member, and where it may go, is decided here, because
a header can claim a gigabyte of extended attributes or a member of negative size. Extended headers of the pax format
are read here too: its patterns for them go back and forth in a row of digits (CVE-2024-6232: half an hour for one
header, in Python before 3.11.10 and 3.12.6), and it keeps all that global ones say. Of them a name and a size mean
something to us. Source: POSIX.1-2017, pax, "pax Extended Header".
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from index.errors import BadDocument, FolioscopeError
from index.types import MemberFailure
from ingest.archives import CHUNK_BYTES, REST, BadMember, Meter, RawMember

_MAX_HEADER_BYTES = 1 << 20  # of one member, with extended headers and long names
_BLOCK, _TYPE_AT = 512, 156
_NO_MEMBERS = (b"V", b"D")  # of GNU: the archive's label, and what was in a folder when a backup was made
_MAGIC, _PREFIX, _GNU = slice(257, 265), slice(345, 500), b"ustar  \0"
_TIME = re.compile(rb"[0-7 ]{11,12}")
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LENGTH = re.compile(rb"(\d{1,7}) ")  # of a whole record of an extended header; a keyword, "=" and a value follow
_PATH, _SIZE, _SPARSE, _SPARSE_NAME = b"path", b"size", b"GNU.sparse.", b"GNU.sparse.name"
_MAX_DIGITS = 19
_BROKEN = "The archive is damaged or breaks off here; what followed is lost."


class _Damaged(Exception):
    """A header that asks for what no honest one needs."""


class _Source:
    """What `tarfile` reads from: forwards only, each read and each member's headers bounded, unpacked bytes counted."""

    def __init__(self, file: BinaryIO, meter: Meter, *, compressed: bool) -> None:
        self._file = gzip.GzipFile(fileobj=file) if compressed else file
        self._meter = meter
        self._compressed = compressed
        self._position = 0
        self._left = _MAX_HEADER_BYTES
        self._kind = b""
        self._told: dict[bytes, bytes] = {}
        self.last = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Of headers, for `tarfile`; of an extended one it is given zeros, which say nothing."""
        if not 0 <= size <= self._left:
            raise _Damaged
        self._left -= size
        self.last = self.piece(size)
        kind, self._kind = self._kind, b""
        if kind in _EXTENDED:
            if kind != tarfile.XGLTYPE:  # what is said of all members cannot be the name of one
                self._told |= _records(self.last)
            return bytes(len(self.last))
        if kind not in _LONG_NAMES and size == _BLOCK:
            self._kind = self.last[_TYPE_AT : _TYPE_AT + 1]
        return self.last

    def told(self) -> dict[bytes, bytes]:
        """What extended headers said of the member whose header was read last. What is read next is another's."""
        told, self._told = self._told, {}
        self._left, self._kind = _MAX_HEADER_BYTES, b""
        return told

    def piece(self, size: int) -> bytes:
        """Of a member."""
        piece = self._file.read(size)
        self._position += len(piece)
        if self._compressed:
            self._meter.add(len(piece))
        return piece

    def seek(self, position: int) -> None:
        """Go forwards. Compressed bytes on the way are unpacked, and so they are counted."""
        if position < self._position:
            raise _Damaged
        if not self._compressed:
            self._position = self._file.seek(position)
        while self._position < position and self.piece(min(CHUNK_BYTES, position - self._position)):
            pass


def _records(header: bytes) -> dict[bytes, bytes]:
    """The records of an extended header that mean something here, by keyword; any of a sparse file is `_SPARSE`."""
    found: dict[bytes, bytes] = {}
    at = 0
    while length := _LENGTH.match(header, at):
        end = at + int(length[1])
        if end <= length.end():
            break
        keyword, _, value = header[length.end() : end - 1].partition(b"=")
        if keyword.startswith(_SPARSE):
            found[_SPARSE] = b""
        if keyword in (_PATH, _SIZE, _SPARSE_NAME):
            found[keyword] = value
        at = end
    return found


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
                header, told = source.last, source.told()
                _unprefix(entry, header)
                _extend(entry, told, archive)
                first, offset = False, _further(entry, offset)
                archive.members.clear()  # it would keep every header
                meter.count_member()
                if not entry.isdir() and entry.type not in _NO_MEMBERS:
                    yield _member(source, entry, sparse=entry.sparse is not None or _SPARSE in told)
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


def _unprefix(entry: tarfile.TarInfo, header: bytes) -> None:
    """Take the time of last access off a name: GNU's incremental backups have it where others' names begin."""
    at = header[_PREFIX].partition(b"\0")[0]
    if header[_MAGIC] == _GNU and _TIME.fullmatch(at):
        entry.name = entry.name.removeprefix(f"{at.decode()}/")


def _extend(entry: tarfile.TarInfo, told: dict[bytes, bytes], archive: tarfile.TarFile) -> None:
    """Give a member the name and the size that its extended header says; the next one's place goes by that size."""
    name = told.get(_SPARSE_NAME, told.get(_PATH))
    if name is not None:
        entry.name = name.decode("utf-8", "surrogateescape").rstrip("/")
    size = told.get(_SIZE)
    if size is not None:
        if not size.isdigit() or len(size) > _MAX_DIGITS:
            raise _Damaged
        entry.size = int(size)
        if entry.isreg() or entry.type not in tarfile.SUPPORTED_TYPES:
            archive.offset = entry.offset_data + -(-entry.size // _BLOCK) * _BLOCK


def _further(entry: tarfile.TarInfo, offset: int) -> int:
    """Where the entry begins, if that is behind `offset`: a negative size would lead round in circles."""
    if entry.offset <= offset or entry.size < 0:
        raise _Damaged
    return entry.offset


def _member(source: _Source, entry: tarfile.TarInfo, *, sparse: bool) -> RawMember:
    refusal = None
    if not entry.isfile():
        refusal = BadMember("The member is a link or a device, not a file.", code="not_a_file")
    elif sparse:
        refusal = BadMember("The member is a sparse file: repack it as a plain one.", code="not_a_file")
    return RawMember(_name(entry), entry.size, lambda: _chunks(source, entry), refusal)


def _chunks(source: _Source, entry: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        source.seek(entry.offset_data)
        left = entry.size
        while left:
            chunk = source.piece(min(CHUNK_BYTES, left))
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
