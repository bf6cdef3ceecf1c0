"""What a file is, told by its content."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import zipfile

import pytest
from PIL import Image

from index.errors import BadDocument, UnsupportedMedia
from ingest.sniff import ARCHIVES, DOCUMENTS, SUPPORTED, sniff
from tests import ingest_kit as kit

KINDS = {
    "application/pdf": kit.raw_pdf(b""),
    "image/png": kit.saved(kit.picture(), "PNG"),
    "image/jpeg": kit.saved(kit.picture(), "JPEG"),
    "image/webp": kit.saved(kit.picture(), "WEBP"),
    "image/tiff": kit.tiff_bytes(),
    "application/zip": kit.zip_bytes({"a.txt": b"a"}),
    "application/x-tar": kit.tar_bytes({"a.txt": b"a"}),
    "application/gzip": kit.tar_bytes({"a.txt": b"a"}, "w:gz"),
}


def told(tmp_path, data: bytes, name: str = "file") -> str:
    path = tmp_path / name
    path.write_bytes(data)
    return sniff(path)


@pytest.mark.parametrize("media_type", SUPPORTED)
def test_every_supported_type_is_known_by_content(tmp_path, media_type):
    """The name says nothing, or lies; the content decides."""
    assert told(tmp_path, KINDS[media_type]) == media_type
    assert told(tmp_path, KINDS[media_type], "holiday.txt") == media_type
    assert set(DOCUMENTS) | set(ARCHIVES) == set(KINDS)


def test_big_endian_and_big_tiff(tmp_path):
    """All four headers of TIFF are TIFF."""
    for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        assert told(tmp_path, magic + bytes(100)) == "image/tiff"


def test_pdf_may_begin_with_junk(tmp_path):
    """Up to 1024 bytes before the header, as PDF readers have always accepted; not more."""
    assert told(tmp_path, b"\r\nHTTP/1.1 200 OK\r\n\r\n" + KINDS["application/pdf"]) == "application/pdf"
    assert told(tmp_path, b"\x01" * 1000 + KINDS["application/pdf"]) == "application/pdf"
    with pytest.raises(UnsupportedMedia):
        told(tmp_path, b"\x01" * 1100 + KINDS["application/pdf"])


@pytest.mark.parametrize("front", [b"<html>", b"<svg xmlns='x'>", b"GIF89a", b"MZ\x90", b"#!"])
def test_a_polyglot_is_what_it_begins_as(tmp_path, front):
    """A known format in front of a PDF header is that format, so that no parser but the PDF one ever sees it."""
    data = front + b" %PDF-1.7 " + bytes(200)
    if front == b"#!":
        assert told(tmp_path, data) == "application/pdf"
    else:
        with pytest.raises(UnsupportedMedia):
            told(tmp_path, data)


def test_a_pdf_within_a_self_extracting_archive_is_its_member(tmp_path):
    """Members that are not packed show their first bytes: the others would be lost without a word."""
    packed = kit.zip_bytes({"a.pdf": KINDS["application/pdf"], "b.pdf": b"%PDF-1.7"}, zipfile.ZIP_STORED)
    for front in (b"#!/bin/sh\nexec unzip $0\n", b"PK\7\10"):
        assert told(tmp_path, front + packed) == "application/zip"


def office(first: str) -> bytes:
    return kit.zip_bytes({"[Content_Types].xml": b"<x/>", first: b"<x/>"})


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (office("word/document.xml"), "Office"),
        (kit.zip_bytes({"_rels/.rels": b"", "[Content_Types].xml": b"", "xl/workbook.xml": b""}), "Office"),
        (kit.zip_bytes({"mimetype": b"application/vnd.oasis.opendocument.text"}, zipfile.ZIP_STORED), "Office"),
        (kit.zip_bytes({"mimetype": b"application/epub+zip"}, zipfile.ZIP_STORED), "EPUB"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "Office"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        (b"GIF89a" + bytes(100), "GIF"),
        (b"<!DOCTYPE html><p>hello</p>", "web page"),
        (b"dear sir, I have the honour to remain", "text"),
        ("Zürich".encode() * 2000, "text"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "7z"),
        (b"Rar!\x1a\x07\x01\0" + bytes(100), "RAR"),
        (gzip.compress(b"not a tar" * 500), "gzip"),
        (b"\0\0\0\x20ftypisom" + bytes(100), "video"),
    ],
)
def test_what_is_refused_is_named(tmp_path, data, word):
    """The message says what the file looks like, and the code is stable."""
    with pytest.raises(UnsupportedMedia) as refused:
        told(tmp_path, data, "scan.pdf")
    assert word in refused.value.message
    assert refused.value.code == "unsupported_media_type"


def test_bmp_is_named(tmp_path):
    """Text that begins with BM is not an image."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "BMP")
    for data, word in ((buffer.getvalue(), "BMP"), (b"BMW is a car", "text")):
        with pytest.raises(UnsupportedMedia) as refused:
            told(tmp_path, data)
        assert word in refused.value.message


def test_empty_file(tmp_path):
    """No bytes: `empty`, not an unknown type."""
    with pytest.raises(BadDocument) as refused:
        told(tmp_path, b"")
    assert refused.value.code == "empty"


def test_gzip_bomb_is_only_peeked_at(tmp_path):
    """A gzip of zeros is no TAR, and is found out without being unpacked."""
    with pytest.raises(UnsupportedMedia):
        told(tmp_path, gzip.compress(bytes(50 << 20)))


def test_random_bytes_raise_only_our_errors(tmp_path):
    """Whatever comes in, out comes a supported type or one of our errors."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    starts = [b"", *[data[:40] for data in KINDS.values()], b"PK\x03\x04", b"\x1f\x8b\x08"]
    for _ in range(400):
        with contextlib.suppress(BadDocument, UnsupportedMedia):
            assert told(tmp_path, rng.choice(starts) + rng.randbytes(rng.randrange(1, 3000))) in SUPPORTED
