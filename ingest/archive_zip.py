"""ZIP for `ingest.archives`: the table of contents is checked before anything is unpacked.

Only stored and deflated members are read. bzip2 and LZMA are refused: their decoders may need, or give out at
once, gigabytes for a few bytes of input, and this runs in the service's own process.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from index.errors import BadDocument, FolioscopeError, TooLarge
from ingest.archives import CHUNK_BYTES, BadMember, Meter, RawMember

_ENTRY_BYTES = 512  # of the table of contents, on average; names are rarely over 200
_MIN_TABLE_BYTES = 1 << 20
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED, _UTF8 = 0x1, 0x800
_AES = 99
_UNICODE_PATH = 0x7075
_UNIX = 3
_MAX_DECRYPTED_BYTES = 256 << 20  # classic ZIP encryption is undone in Python, at a few MiB a second


class _TableTooLarge(Exception):
    """A read of more than an honest archive needs."""


class _OutsideFile(OSError):
    """A seek to before the file's beginning; zipfile takes an OSError for the end of a small, sound archive."""


class _Bounded(io.RawIOBase):
    """A file that refuses to be read by more than `most` bytes at once, so that a lying size allocates nothing."""

    def __init__(self, file: BinaryIO, size: int, most: int) -> None:
        super().__init__()
        self._file, self._size, self._most = file, size, most

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, self._size - self._file.tell())
        if size > self._most:
            raise _TableTooLarge
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._file.tell(), io.SEEK_END: self._size}[whence] < 0:
            raise _OutsideFile
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def zip_members(path: Path, password: str | None, meter: Meter) -> Iterator[RawMember]:
    """All entries but directories; one of these that holds bytes all the same is a file."""
    with Path(path).open("rb") as file:
        most = max(_MIN_TABLE_BYTES, meter.limits.max_members * _ENTRY_BYTES)
        archive = _open(_Bounded(file, meter.packed_bytes, most))
        entries = archive.infolist()
        _refuse_overlaps(entries, meter)
        meter.check(sum(max(0, entry.file_size) for entry in entries))
        for entry in entries:
            meter.count_member()
            # Some programs of Windows separate by backslashes.
            if entry.orig_filename.endswith(("/", "\\")) and not entry.file_size:
                continue
            yield _member(archive, entry, password, meter)


def _open(file: _Bounded) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)  # type: ignore[arg-type]
    except _TableTooLarge as error:
        raise TooLarge("The ZIP archive's table of contents is larger than is allowed. Split it up.") from error
    except Exception as error:  # zipfile trusts its input, and fails in many ways
        if isinstance(error, OSError) and not isinstance(error, _OutsideFile):
            raise
        message = "The ZIP archive is damaged or incomplete: the table of contents at its end cannot be read."
        raise BadDocument(message, code="damaged") from error


def _refuse_overlaps(entries: list[zipfile.ZipInfo], meter: Meter) -> None:
    """Honest members lie one behind the other. Bombs let thousands of them share the same packed bytes."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            meter.give_up(BadDocument("Members of the ZIP archive overlap: it looks like a bomb.", code="bomb"))
        end = entry.header_offset + _LOCAL_HEADER_BYTES + len(entry.orig_filename) + max(0, entry.compress_size)


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, password: str | None, meter: Meter) -> RawMember:
    def chunks() -> Iterator[bytes]:
        return _chunks(archive, entry, password, meter)

    return RawMember(_name(entry), entry.file_size, chunks, _refusal(entry, password))


def _refusal(entry: zipfile.ZipInfo, password: str | None) -> BadMember | None:
    """Why a member will not be read, as far as the table of contents tells."""
    mode = entry.external_attr >> 16
    if entry.create_system == _UNIX and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return BadMember("The member is a link or a device, not a file.", code="not_a_file")
    if entry.compress_type == _AES:
        return BadMember("The member is encrypted with AES, which is not read: unpack it first.", code="encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return BadMember(
            "The member is compressed in a way that is not read: repack it.", code="unsupported_compression"
        )
    if entry.flag_bits & _ENCRYPTED:
        if not password:
            return BadMember("The member is encrypted. Upload the archive with its password.", code="encrypted")
        if entry.file_size > _MAX_DECRYPTED_BYTES:
            return BadMember(
                "The encrypted member is too large to be decrypted here: unpack it first.", code="too_large"
            )
    return None


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, password: str | None, meter: Meter) -> Iterator[bytes]:
    encrypted = bool(entry.flag_bits & _ENCRYPTED)
    try:
        with archive.open(entry, pwd=password.encode() if password and encrypted else None) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                meter.add(len(chunk))
                yield chunk
    except NotImplementedError as error:
        raise BadMember("The member is packed in a way that is not read.", code="unsupported_compression") from error
    except (OSError, FolioscopeError):
        raise
    except Exception as error:  # a wrong checksum, a wrong password, or anything a damaged header leads to
        if encrypted:
            raise BadMember("The password does not open this member.", code="encrypted") from error
        raise BadMember("The member is damaged or incomplete.", code="damaged") from error


def _name(entry: zipfile.ZipInfo) -> str:
    """The name as its packer meant it: the Unicode field, UTF-8 (also where it is not declared), or code page 437."""
    name = entry.orig_filename
    if entry.flag_bits & _UTF8:
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    declared = _unicode_path(entry.extra, raw)
    if declared is not None:
        return declared
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return name


def _unicode_path(extra: bytes, raw_name: bytes) -> str | None:
    """Info-ZIP's Unicode Path field: version 1, CRC of the plain name, UTF-8 (APPNOTE 4.6.9)."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(body) > 5 and body[0] == 1:
            if struct.unpack("<I", body[1:5])[0] != zlib.crc32(raw_name):
                return None
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None
