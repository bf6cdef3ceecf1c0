"""Members of archives: all that are good, each bad one by name, and no bomb."""

from __future__ import annotations

import gc
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from index.errors import BadDocument, FolioscopeError, TooLarge
from index.types import MemberFailure
from ingest.archives import REST, ArchiveLimits, members
from tests import ingest_kit as kit

ZIP, TAR, GZIP = "application/zip", "application/x-tar", "application/gzip"
FILES = {"a.pdf": b"first" * 1000, "folder/b.pdf": b"second", "folder/deeper/ç.pdf": os.urandom(300_000)}


def opened(tmp_path, data: bytes, media_type: str, **options):
    """What the archive gives: bytes of good members and codes of failures, by path."""
    path = tmp_path / "archive"
    path.write_bytes(data)
    good, bad = {}, {}
    for member in members(path, media_type, **options):
        if isinstance(member, MemberFailure):
            bad[member.path] = member.code
            continue
        try:
            good[member.path] = b"".join(member.chunks())
        except BadDocument as error:
            bad[member.path] = error.code
    return good, bad


@pytest.mark.parametrize(
    ("data", "media_type"),
    [(kit.zip_bytes(FILES), ZIP), (kit.tar_bytes(FILES), TAR), (kit.tar_bytes(FILES, "w:gz"), GZIP)],
)
def test_all_members_come_out(tmp_path, data, media_type):
    """Same paths, same bytes, whatever the format."""
    assert opened(tmp_path, data, media_type) == (FILES, {})


def test_a_self_extracting_zip_gives_its_members(tmp_path):
    """Whatever stands before them."""
    assert opened(tmp_path, b"#!/bin/sh\nexec unzip $0\n" + kit.zip_bytes(FILES), ZIP) == (FILES, {})


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_tar_dialect(tmp_path, form):
    """GNU long names and pax paths are understood."""
    name = "/".join(["folder" * 3] * 6) + "/letter.pdf"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        info = tarfile.TarInfo(name)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert opened(tmp_path, buffer.getvalue(), TAR) == ({name: b"abc"}, {})


def test_nested_archives_are_members_like_any_other(tmp_path):
    """What is inside them is the caller's business."""
    inner = kit.zip_bytes({"x.pdf": b"x"})
    assert opened(tmp_path, kit.zip_bytes({"inner.zip": inner}), ZIP)[0] == {"inner.zip": inner}


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("../../etc/passwd", None),
        ("a/../../b.pdf", None),
        ("..\\..\\windows\\b.pdf", None),
        ("x" * 2000, None),
        ("/etc/letter.pdf", "etc/letter.pdf"),
        ("C:\\scans\\letter.pdf", "scans/letter.pdf"),
        ("./a//b/./letter.pdf", "a/b/letter.pdf"),
        ("line\nbreak\u202efdp.pdf", "line\ufffdbreak\ufffdfdp.pdf"),
        ("Zu\u0308rich.pdf", "Z\u00fcrich.pdf"),
        ("a..b/..c.pdf", "a..b/..c.pdf"),
    ],
)
@pytest.mark.parametrize("media_type", [ZIP, TAR])
def test_path_like_names(tmp_path, name, result, media_type):
    """A way out of the archive is refused by name; other odd paths are made plain; the neighbours are read."""
    files = {"before.pdf": b"1", name: b"2", "after.pdf": b"3"}
    data = kit.zip_bytes(files) if media_type == ZIP else kit.tar_bytes(files)
    good, bad = opened(tmp_path, data, media_type)
    if result is None:
        assert list(bad.values()) == ["unsafe_path"]
        assert all(len(path) <= 200 for path in bad)
        assert set(good) == {"before.pdf", "after.pdf"}
    else:
        assert set(good) == {"before.pdf", result, "after.pdf"}
        assert not bad


def test_nul_in_a_zip_name(tmp_path):
    """A name is not silently cut at NUL."""
    data = kit.zip_bytes({"letterX.exe": b"1"}).replace(b"letterX.exe", b"letter\0.exe")
    assert opened(tmp_path, data, ZIP) == ({}, {"letter\ufffd.exe": "unsafe_path"})


def test_equal_names_are_told_apart(tmp_path):
    """The second one gets a number; nothing is lost."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for data in (b"1", b"2", b"3"):
            info = tarfile.TarInfo("a/b.pdf")
            info.size = 1
            archive.addfile(info, io.BytesIO(data))
    good, _ = opened(tmp_path, buffer.getvalue(), TAR)
    assert good == {"a/b.pdf": b"1", "a/b (2).pdf": b"2", "a/b (3).pdf": b"3"}


def test_litter_is_left_out(tmp_path):
    """Directories and files of operating systems are neither members nor failures."""
    litter = {"__MACOSX/._a.pdf": b"", "x/.DS_Store": b"", "Thumbs.db": b"", "y/._b.pdf": b"", "folder/": b""}
    assert opened(tmp_path, kit.zip_bytes(FILES | litter), ZIP) == (FILES, {})


@pytest.mark.parametrize(
    "path",
    [
        "deeds/@eaDir/will.pdf/SYNOFILE_THUMB_XL.jpg",
        ".AppleDouble/will.pdf",
        "$RECYCLE.BIN/S-1-5-21/$RABCDEF.pdf",
        "System Volume Information/WPSettings.dat",
        "deeds/will.pdf:Zone.Identifier",
        "Thumbs.db:encryptable",
    ],
)
def test_what_drives_keep_for_themselves_is_no_document(tmp_path, path):
    """A NAS's thumbnail of a scan would be found as another scan, a deleted letter as one that is there."""
    assert opened(tmp_path, kit.zip_bytes(FILES | {path: b"%PDF-1.7"}), ZIP) == (FILES, {})


def test_a_folder_as_windows_writes_it_is_no_file(tmp_path):
    """With a backslash at its end it was told as an empty document that cannot be read."""
    assert opened(tmp_path, kit.zip_bytes(FILES | {"deeds\\": b"", "old\\1911\\": b""}), ZIP) == (FILES, {})


def test_a_folder_that_holds_bytes_is_a_file(tmp_path):
    """A packer's slip at the end of a name costs no member; empty folders are none."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("deeds/", b"")
        entry = zipfile.ZipInfo("deeds/will.pdf")
        archive.writestr(entry, b"%PDF-1.7")
    data = buffer.getvalue().replace(b"deeds/will.pdf", b"deeds/will.pd/")
    assert opened(tmp_path, data, ZIP) == ({"deeds/will.pd": b"%PDF-1.7"}, {})


def test_links_and_devices_are_refused(tmp_path):
    """Symbolic links, hard links and devices are no files, in TAR and in ZIP."""
    odd = []
    for name, kind in (("soft", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("null", tarfile.CHRTYPE)):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        odd.append(info)
    good, bad = opened(tmp_path, kit.tar_bytes({"a.pdf": b"a"}, "w", *odd), TAR)
    assert (good, bad) == ({"a.pdf": b"a"}, dict.fromkeys(("soft", "hard", "null"), "not_a_file"))

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("soft")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.pdf", b"a")
    assert opened(tmp_path, buffer.getvalue(), ZIP) == ({"a.pdf": b"a"}, {"soft": "not_a_file"})


def test_zip_names_without_a_declared_encoding(tmp_path):
    """UTF-8 that does not say so is read as UTF-8; what is no UTF-8 is code page 437."""
    utf8 = kit.zip_bytes({"aaaa.pdf": b"1"}).replace(b"aaaa", "ée".encode() + b"e")
    assert set(opened(tmp_path, utf8, ZIP)[0]) == {"éee.pdf"}
    dos = kit.zip_bytes({"aaaa.pdf": b"1"}).replace(b"aaaa", b"\x81ber")
    assert set(opened(tmp_path, dos, ZIP)[0]) == {"über.pdf"}


def test_tar_name_that_is_no_utf8(tmp_path):
    """Names always come out as text that can be stored."""
    data = bytearray(kit.tar_bytes({"aaaa.pdf": b"1"}))
    data[0:4] = b"\xfcber"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    assert set(opened(tmp_path, bytes(data), TAR)[0]) == {"über.pdf"}


def test_encrypted_zip(tmp_path):
    """The right password opens members; none, or a wrong one, is a failure of each encrypted member."""
    secret = {"a.pdf": b"secret" * 100, "b.pdf": b"more"}
    data = kit.encrypted_zip(secret, b"open sesame")
    assert opened(tmp_path, data, ZIP, password="open sesame") == (secret, {})
    for password in (None, "wrong"):
        good, bad = opened(tmp_path, data, ZIP, password=password)
        assert (good, bad) == ({}, dict.fromkeys(secret, "encrypted"))


def test_unknown_compression_is_one_members_failure(tmp_path):
    """bzip2 and LZMA are not unpacked in this process; neighbours are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.pdf", b"a")
        archive.writestr("b.pdf", b"b", zipfile.ZIP_BZIP2)
        archive.writestr("c.pdf", b"c", zipfile.ZIP_LZMA)
    good, bad = opened(tmp_path, buffer.getvalue(), ZIP)
    assert good == {"a.pdf": b"a"}
    assert bad == dict.fromkeys(("b.pdf", "c.pdf"), "unsupported_compression")


def test_a_flipped_byte_costs_one_member(tmp_path):
    """A wrong checksum is found, and the next member is read."""
    data = bytearray(kit.zip_bytes({"a.pdf": b"a" * 50, "b.pdf": b"b" * 50}, zipfile.ZIP_STORED))
    data[data.index(b"a" * 50)] ^= 1
    good, bad = opened(tmp_path, bytes(data), ZIP)
    assert (good, bad) == ({"b.pdf": b"b" * 50}, {"a.pdf": "damaged"})


def test_zip_without_members_is_sound(tmp_path):
    """An archive of 22 bytes that holds nothing is read as just that, not as a damaged one."""
    assert opened(tmp_path, kit.zip_bytes({}), ZIP) == ({}, {})


def test_truncated_zip_is_damaged(tmp_path):
    """Without the table of contents at its end nothing of a ZIP can be trusted."""
    data = kit.zip_bytes(FILES)
    with pytest.raises(BadDocument) as refused:
        opened(tmp_path, data[:-100], ZIP)
    assert refused.value.code == "damaged"


@pytest.mark.parametrize("media_type", [TAR, GZIP])
def test_truncated_tar_gives_what_it_has(tmp_path, media_type):
    """Members before the cut come out whole; the cut one and the rest are reported."""
    files = {f"{number}.pdf": os.urandom(100_000) for number in range(6)}
    data = kit.tar_bytes(files, "w:gz" if media_type == GZIP else "w")
    good, bad = opened(tmp_path, data[: len(data) // 2], media_type)
    assert set(good) == {"0.pdf", "1.pdf"} or set(good) == {"0.pdf", "1.pdf", "2.pdf"}
    assert all(good[path] == files[path] for path in good)
    assert set(bad.values()) == {"damaged"}
    assert REST in bad


def test_a_damaged_header_in_the_middle_of_a_tar_is_reported(tmp_path):
    """The standard library takes it for the end; then members would be lost without a word."""
    data = bytearray(kit.tar_bytes({"a.pdf": b"a" * 512, "b.pdf": b"b" * 512}))
    data[1024 + 10] ^= 0xFF
    assert opened(tmp_path, bytes(data), TAR) == ({"a.pdf": b"a" * 512}, {REST: "damaged"})


def test_flat_zip_bomb(tmp_path):
    """A gigabyte declared in a megabyte is refused before anything is unpacked."""
    packed = kit.zip_bytes({"a.pdf": bytes(300 << 20)})
    tracemalloc.start()
    with pytest.raises(BadDocument) as refused:
        opened(tmp_path, packed, ZIP)
    assert refused.value.code == "bomb"
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_overlapping_zip_bomb(tmp_path):
    """Members that share packed bytes are refused, whatever they declare."""
    with pytest.raises(BadDocument) as refused:
        opened(tmp_path, kit.overlapping_zip(), ZIP)
    assert refused.value.code == "bomb"


def test_zip_that_declares_too_little(tmp_path):
    """A member never gives more bytes than it declares, and is then found damaged."""
    data = bytearray(kit.zip_bytes({"a.pdf": bytes(1 << 20)}))
    directory = data.rindex(b"PK\x01\x02")
    for offset in (22, directory + 24):
        struct.pack_into("<I", data, offset, 100)
    good, bad = opened(tmp_path, bytes(data), ZIP)
    assert (good, bad) == ({}, {"a.pdf": "damaged"})


@pytest.mark.parametrize("take", [True, False])
def test_gzip_bomb(tmp_path, take):
    """A compressed TAR that goes on and on is given up, whether its members are read or skipped."""
    path = tmp_path / "archive"
    path.write_bytes(kit.tar_bytes({"a.pdf": bytes(200 << 20), "b.pdf": b"b"}, "w:gz"))
    with pytest.raises(BadDocument) as refused:
        for member in members(path, GZIP):
            for _ in member.chunks() if take else ():
                pass
    assert refused.value.code == "bomb"


def test_a_bomb_ends_the_archive_even_if_its_member_was_forgiven(tmp_path):
    """A caller that treats every error as one member's failure still stops."""
    with pytest.raises(BadDocument) as refused:
        opened(tmp_path, kit.tar_bytes({"a.pdf": bytes(200 << 20), "b.pdf": b"b"}, "w:gz"), GZIP)
    assert refused.value.code == "bomb"


def test_limits_of_honest_archives(tmp_path):
    """Too many members or bytes is `too_large`; one member too large is its own failure."""
    data = kit.zip_bytes(FILES)
    for limits in (ArchiveLimits(max_members=2), ArchiveLimits(max_expanded_bytes=100_000)):
        with pytest.raises(TooLarge):
            opened(tmp_path, data, ZIP, limits=limits)
    good, bad = opened(tmp_path, data, ZIP, limits=ArchiveLimits(max_member_bytes=10_000))
    assert set(good) == {"a.pdf", "folder/b.pdf"}
    assert set(bad.values()) == {"too_large"}


def test_a_lying_tar_header_allocates_nothing(tmp_path):
    """Extended attributes of a declared gigabyte are not read into memory."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)
    tracemalloc.start()
    with pytest.raises(FolioscopeError):
        opened(tmp_path, data, TAR)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_a_tar_of_negative_size_ends(tmp_path):
    """A header that points backwards does not make a circle."""
    data = bytearray(kit.tar_bytes({"a.pdf": b"a", "b.pdf": b"b"}))
    data[1024 + 124 : 1024 + 136] = b"\xff" * 11 + b"\x00"
    data[1024 + 148 : 1024 + 156] = b" " * 8
    data[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(data[1024:1536])
    good, bad = opened(tmp_path, bytes(data), TAR)
    assert good == {"a.pdf": b"a"}
    assert bad == {REST: "damaged"}


def test_giant_table_of_contents(tmp_path):
    """The table's declared size is checked before it is read."""
    data = bytearray(kit.zip_bytes({"a.pdf": b"a"}))
    end = data.rindex(b"PK\x05\x06")
    path = tmp_path / "archive"
    with path.open("wb") as file:
        file.write(data[:end])
        file.truncate(2 << 30)
        file.seek(0, os.SEEK_END)
        struct.pack_into("<HHII", data, end + 8, 1, 1, (2 << 30) - 100, 0)
        file.write(data[end:])
    with pytest.raises(TooLarge):
        list(members(path, ZIP))


def test_member_order_and_laziness(tmp_path):
    """Members come in the archive's order, and closing early leaves no file open."""
    path = tmp_path / "archive"
    path.write_bytes(kit.zip_bytes(FILES))
    gc.collect()
    before = kit.open_descriptors()
    found = members(path, ZIP)
    assert next(found).path == "a.pdf"
    found.close()
    # Fewer, where threads of earlier tests let go of theirs meanwhile.
    kit.until(lambda: kit.open_descriptors() <= before)
