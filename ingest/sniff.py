"""What a file is, by its first bytes. Names and declared types are not looked at.

`sniff` answers one of `SUPPORTED` or raises: `BadDocument` (`empty`) for no bytes at all, `UnsupportedMedia`
(`unsupported_media_type`) for everything else, with the file's kind in the message where it is known. It reads
at most a few KiB (of the archive too, when it looks for a TAR inside GZIP or an Office document in a ZIP).

A file that begins as one format and carries another one further on is what it begins as. Only PDF may have
something before its header, as readers have always allowed: up to 1024 bytes that are no format known here.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from index.errors import BadDocument, UnsupportedMedia

PDF, PNG, JPEG, WEBP, TIFF = "application/pdf", "image/png", "image/jpeg", "image/webp", "image/tiff"
ZIP, TAR, GZIP = "application/zip", "application/x-tar", "application/gzip"
DOCUMENTS = (PDF, PNG, JPEG, WEBP, TIFF)
ARCHIVES = (ZIP, TAR, GZIP)  # GZIP: always a compressed TAR
SUPPORTED = (*DOCUMENTS, *ARCHIVES)

PDF_HEADER_WITHIN = 1024
_HEAD_BYTES = 8192
_TAR_BLOCK = 512
_ZIP_NAMES_TO_LOOK_AT = 16

_OFFICE = "an Office document: save it as PDF and upload that"
_IMAGE = "an image of a kind that is not read: convert it to PNG, JPEG or TIFF"
_PACKED = "an archive of a kind that is not opened: repack it as ZIP or TAR"
_WEB = "a web page: print it to PDF and upload that"
_MEDIA = "an audio or video file"

# What people upload by mistake: (offset, bytes, what it looks like). Checked in order, before PDF's leading junk.
_KNOWN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF87a", "a GIF image; " + _IMAGE),
    (0, b"GIF89a", "a GIF image; " + _IMAGE),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image; " + _IMAGE),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image; " + _IMAGE),
    (0, b"\xff\x0a", "a JPEG XL image; " + _IMAGE),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image; " + _IMAGE),
    (0, b"8BPS", "a Photoshop file; " + _IMAGE),
    (0, b"AT&TFORM", "a DjVu document: convert it to PDF"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; " + _PACKED),
    (0, b"Rar!\x1a\x07", "a RAR archive; " + _PACKED),
    (0, b"\xfd7zXZ\x00", "xz-compressed; " + _PACKED),
    (0, b"BZh", "bzip2-compressed; " + _PACKED),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed; " + _PACKED),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an older Office document or a message file: save it as PDF"),
    (0, b"{\\rtf", "a Rich Text document: save it as PDF"),
    (0, b"%!PS", "a PostScript file: convert it to PDF"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"SQLite format 3\x00", "a database"),
    (0, b"ID3", _MEDIA),
    (0, b"OggS", _MEDIA),
    (0, b"fLaC", _MEDIA),
    (0, b"\x1aE\xdf\xa3", _MEDIA),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_RIFF_KINDS = {b"WAVE": _MEDIA, b"AVI ": _MEDIA}


def sniff(path: Path) -> str:
    """The media type of the file at `path`, one of `SUPPORTED`. OSError passes through."""
    with Path(path).open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if not head:
            raise BadDocument("The file is empty.", code="empty")
        found = _supported(head)
        if found == ZIP and (office := _office_in_zip(file)):
            raise _unsupported(office)
        if found == GZIP and not is_tar(_gunzip_head(head)):
            raise _unsupported("gzip-compressed, but not a TAR archive: unpack it and upload what is inside")
    if found is None:
        raise _unsupported(_looks_like(head))
    return found


def _unsupported(looks_like: str | None) -> UnsupportedMedia:
    seen = f"It looks like {looks_like}." if looks_like else "Its content is none of these."
    return UnsupportedMedia(
        f"Only PDF, PNG, JPEG, WebP and TIFF files and ZIP or TAR archives of them can be read. {seen}",
        code="unsupported_media_type",
    )


def _supported(head: bytes) -> str | None:
    if head.startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return TIFF
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or head[:8] == b"PK00PK\x03\x04":
        return ZIP
    if head[:3] == b"\x1f\x8b\x08":
        return GZIP
    if is_tar(head):
        return TAR
    pdf = head.find(b"%PDF-", 0, PDF_HEADER_WITHIN + 5)
    if pdf >= 0 and not _begins_as_something_else(head):
        return ZIP if b"PK\x03\x04" in head[:pdf] else PDF  # a self-extracting archive whose first member is not packed
    return None


def is_tar(head: bytes) -> bool:
    """Whether a TAR header begins here: its checksum is right (old archives have no magic word)."""
    block = head[:_TAR_BLOCK]
    if len(block) < _TAR_BLOCK or not block[0]:
        return False
    digits = block[148:156].strip(b" \0")
    if not digits or any(digit not in b"01234567" for digit in digits):
        return False
    others = block[:148] + b" " * 8 + block[156:]
    signed = sum(struct.unpack("512b", others))
    return int(digits, 8) in (sum(others), signed)  # some old programs summed signed bytes


def _gunzip_head(head: bytes) -> bytes:
    """The first bytes inside a gzip file, as far as they can be had from its head."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _TAR_BLOCK)
    except zlib.error:
        return b""


def _office_in_zip(file: BinaryIO) -> str | None:
    """What program's document a ZIP really is, told by the names of its first members; None for a plain one."""
    names: list[bytes] = []
    offset = 0
    for _ in range(_ZIP_NAMES_TO_LOOK_AT):
        file.seek(offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            break
        flags, packed, _, name_bytes, extra_bytes = struct.unpack("<6xH10xIIHH", header)
        name = file.read(min(name_bytes, 1024))
        names.append(name)
        if name == b"mimetype":
            file.seek(offset + 30 + name_bytes + extra_bytes)
            kind = file.read(64)
            if kind.startswith(b"application/epub"):
                return "an e-book (EPUB): convert it to PDF"
            if kind.startswith(b"application/vnd.oasis"):
                return _OFFICE
        if flags & 8 and not packed:  # its length comes after its data: the next member cannot be found from here
            break
        offset += 30 + name_bytes + extra_bytes + packed
    if b"[Content_Types].xml" in names and any(
        name.startswith((b"_rels/", b"word/", b"xl/", b"ppt/")) for name in names
    ):
        return _OFFICE
    if names[:1] == [b"[Content_Types].xml"]:
        return _OFFICE
    if b"META-INF/MANIFEST.MF" in names[:3]:
        return "a Java program"
    return None


def _begins_as_something_else(head: bytes) -> bool:
    """Whether what stands before a PDF header is a document of another kind, not just junk."""
    looks = _looks_like(head)
    return looks is not None and looks != "text"


def _looks_like(head: bytes) -> str | None:
    """A few words for a type that is not read."""
    for offset, magic, words in _KNOWN:
        if head[offset : offset + len(magic)] == magic:
            return words
    if _is_bmp(head):
        return "a BMP image; " + _IMAGE
    if head[4:8] == b"ftyp":
        return "a HEIC or AVIF image; " + _IMAGE if head[8:12] in _HEIF_BRANDS else _MEDIA
    if head[:4] == b"RIFF" and head[8:12] in _RIFF_KINDS:
        return _RIFF_KINDS[head[8:12]]
    return _looks_like_text(head)


def _is_bmp(head: bytes) -> bool:
    return (
        head[:2] == b"BM"
        and len(head) > 18
        and head[6:10] == b"\0\0\0\0"
        and head[14:18]
        in (
            b"\x28\0\0\0",
            b"\x6c\0\0\0",
            b"\x7c\0\0\0",
            b"\x0c\0\0\0",
        )
    )


def _looks_like_text(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:512].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return _WEB
    if start.startswith((b"<svg", b"<!doctype svg")) or (start.startswith(b"<?xml") and b"<svg" in head.lower()):
        return "an SVG drawing: convert it to PDF"
    if start.startswith(b"<?xml"):
        return "an XML file"
    if start.startswith((b"from ", b"received:", b"return-path:", b"mime-version:", b"message-id:")):
        return "an e-mail: print it to PDF"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "text"
    if any(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head):
        return None
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return "text" if error.start > len(head) - 4 else None
    return "text"
