"""Headers of TAR archives: what they say of a member, and that no header costs more than a header."""

from __future__ import annotations

import tarfile
import time
import tracemalloc

import pytest

from index.errors import BadDocument
from index.types import MemberFailure
from ingest.archives import REST, members

BLOCK = 512


def header(kind: bytes, name: str, body: bytes = b"", *, size: int | None = None) -> bytes:
    """A header of this type and what follows it."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(body) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % BLOCK)


def record(keyword: str, value: str) -> bytes:
    """A record of an extended header: its own length comes first."""
    rest = f" {keyword}={value}\n".encode()
    length = len(rest) + len(str(len(rest)))
    length += len(str(length)) > len(str(len(rest)))
    return str(length).encode() + rest


def opened(tmp_path, data: bytes, end: bytes = bytes(2 * BLOCK)):
    """Bytes of good members and codes of failures, by path."""
    path = tmp_path / "archive.tar"
    path.write_bytes(data + end)
    good, bad = {}, {}
    for member in members(path, "application/x-tar"):
        if isinstance(member, MemberFailure):
            bad[member.path] = member.code
        else:
            good[member.path] = b"".join(member.chunks())
    return good, bad


def test_a_header_of_digits_takes_no_time(tmp_path):
    """The standard library's patterns went back and forth in them: 15 s for these, half an hour for a megabyte, in
    which nothing else of the process ran.
    """
    data = header(b"x", "x", b"1" * 100_000) + header(b"0", "a.pdf", b"%PDF")
    began = time.process_time()
    assert opened(tmp_path, data) == ({"a.pdf": b"%PDF"}, {})
    assert time.process_time() - began < 3.0


def test_global_headers_do_not_add_up(tmp_path):
    """What they say is of no use here; all of it was kept until the archive's end, at twenty bytes for each."""
    data = b""
    for number in range(20):
        records = b"".join(record(f"{number:x}-{key:x}", "1") for key in range(5000))
        data += header(b"g", "g", records) + header(b"0", f"{number}.pdf", b"%PDF")
    tracemalloc.start()
    good, bad = opened(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(good), bad) == (20, {})
    assert peak < 8 << 20


def test_all_headers_of_a_member_are_bounded_together(tmp_path):
    """Each of them may be short, and there is no end of them: here of one that lists the pieces of a sparse file."""
    piece = b"%011o\0%011o\0" % (7, 7)
    more = piece * 21 + b"\1" + bytes(BLOCK - 21 * 24 - 1)  # and another one follows
    first = bytearray(header(b"S", "sparse"))
    first[482] = 1  # of GNU's old header: further blocks follow
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first[:BLOCK])
    good, bad = opened(tmp_path, header(b"0", "a.pdf", b"%PDF") + bytes(first) + more * 20_000)
    assert (good, bad) == ({"a.pdf": b"%PDF"}, {REST: "damaged"})
    with pytest.raises(BadDocument):
        opened(tmp_path, header(b"x", "x", record("comment", "c" * 1000)) * 2000)


def test_an_extended_header_gives_name_and_size(tmp_path):
    """Of the member behind it alone: the header's own size field says nothing then, nor does a global header."""
    said = record("mtime", "1.5") + record("path", "häuser/1911.pdf") + record("size", "600")
    data = header(b"g", "g", record("path", "all.pdf") + record("comment", "0f3a"))
    data += header(b"x", "PaxHeader", said) + header(b"0", "x", b"b" * 600, size=0)
    data += header(b"0", "c.pdf", b"c")
    assert opened(tmp_path, data) == ({"häuser/1911.pdf": b"b" * 600, "c.pdf": b"c"}, {})


def test_a_long_keyword_hides_nothing_behind_it(tmp_path):
    """Go sorts records by keyword: attributes, whose names have up to 255 bytes, come before path and size."""
    said = record("SCHILY.xattr.user." + "n" * 250, "=\n1") + record("path", "a.pdf") + record("size", "600")
    data = header(b"x", "x", said) + header(b"0", "short", b"a" * 600, size=0) + header(b"0", "b.pdf", b"b")
    assert opened(tmp_path, data) == ({"a.pdf": b"a" * 600, "b.pdf": b"b"}, {})


@pytest.mark.parametrize("size", ["-1", "1e3", "9" * 30, ""])
def test_an_extended_size_that_is_none(tmp_path, size):
    """Where the next member begins cannot be known."""
    data = header(b"0", "a.pdf", b"a") + header(b"x", "x", record("size", size)) + header(b"0", "b.pdf", b"b")
    assert opened(tmp_path, data) == ({"a.pdf": b"a"}, {REST: "damaged"})


def test_sparse_files_of_extended_headers_are_refused_by_their_name(tmp_path):
    """They are not unpacked, and what follows is."""
    said = record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "map.tif")
    data = header(b"x", "x", said) + header(b"0", "GNUSparseFile.0/map.tif", b"1\n0\n3\n".ljust(BLOCK, b"\0") + b"abc")
    assert opened(tmp_path, data + header(b"0", "b.pdf", b"b")) == ({"b.pdf": b"b"}, {"map.tif": "not_a_file"})


@pytest.mark.parametrize("letter", ["x", "g", "X"])
def test_a_long_name_is_taken_for_no_header(tmp_path, letter):
    """It fills a block like one, and may have any letter where a header has its type."""
    name = ("n" * 156 + letter).ljust(300, "n") + ".pdf"
    info = tarfile.TarInfo(name)
    info.size = 1
    data = info.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(BLOCK, b"\0") + header(b"0", "b.pdf", b"b")
    assert opened(tmp_path, data) == ({name: b"a", "b.pdf": b"b"}, {})


def test_an_incremental_backup_of_gnu_tar(tmp_path):
    """It has times in its headers where names go on in others', lists of what was in its folders, and a label."""

    def timed(kind, name, body):
        block = bytearray(header(kind, name, body))
        block[257:265], block[345:369] = b"ustar  \0", b"15301000035\0" * 2
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block[:BLOCK])
        return bytes(block)

    long = "n" * 200 + ".pdf"
    data = timed(b"V", "Monday", b"") + timed(b"D", "scans/", b"Ya.pdf\0\0" * 90) + timed(b"0", "scans/a.pdf", b"a")
    data += timed(b"L", "././@LongLink", long.encode() + b"\0") + timed(b"0", long[:99], b"n")
    assert opened(tmp_path, data) == ({"scans/a.pdf": b"a", long: b"n"}, {})


def test_a_name_of_accents_takes_no_time(tmp_path):
    """They are put in order one by one, minutes for a name of half a million: it is refused for its length before."""
    data = header(b"x", "x", record("path", "a" + "\u0301\u0316" * 60_000)) + header(b"0", "x", b"a")
    began = time.process_time()
    good, bad = opened(tmp_path, data + header(b"x", "x", record("path", "e\u0301" * 600)) + header(b"0", "x", b"b"))
    assert good == {"é" * 600: b"b"}
    assert list(bad.values()) == ["unsafe_path"]
    assert time.process_time() - began < 3.0
