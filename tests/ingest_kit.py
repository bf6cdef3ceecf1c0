"""Files for the tests of ingest, made here: honest ones of every kind, and hostile ones."""

from __future__ import annotations

import io
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pymupdf
import pytest
from PIL import Image, ImageChops, ImageDraw

from index.errors import FolioscopeError
from ingest.sandbox import SandboxRenderer

PDF, PNG, JPEG, WEBP, TIFF = "application/pdf", "image/png", "image/jpeg", "image/webp", "image/tiff"
LINES = ("Resolved that the minutes be approved", "Carried unanimously", "The meeting rose at noon")


def picture(width: int = 120, height: int = 80, mode: str = "RGB") -> Image.Image:
    """No symmetry at all: each corner has a colour of its own."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2, height // 4), fill=(200, 30, 30))
    draw.rectangle((width - width // 4, 0, width, height // 2), fill=(30, 160, 30))
    draw.rectangle((0, height - height // 4, width // 4, height), fill=(30, 30, 200))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    """An image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pdf_bytes(*, pages: int = 1, rotation: int = 0, size=(595, 842), crop=None, **options) -> bytes:
    """Born digital: a few lines of text on each page."""
    document = pymupdf.open()
    for number in range(pages):
        page = document.new_page(width=size[0], height=size[1])
        for row, line in enumerate((f"Page {number + 1}", *LINES)):
            page.insert_text((72, 100 + 30 * row), line, fontsize=14)
        if crop:
            page.set_cropbox(pymupdf.Rect(*crop))
        page.set_rotation(rotation)
    return document.tobytes(**options)


def locked_pdf(user: str = "open sesame", owner: str = "owner") -> bytes:
    """AES-256; an empty `user` password leaves only the owner's."""
    return pdf_bytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=user, owner_pw=owner)


def scan_pdf(image: bytes, size=(595, 842)) -> bytes:
    """One image that fills the page."""
    document = pymupdf.open()
    page = document.new_page(width=size[0], height=size[1])
    page.insert_image(page.rect, stream=image, keep_proportion=False)
    return document.tobytes()


def raw_pdf(content: bytes, *, page: bytes = b"/MediaBox [0 0 200 200]", objects: tuple[bytes, ...] = ()) -> bytes:
    """A PDF written by hand: object 3 is the page, 4 its content, `objects` follow from number 5."""
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R " + page + b" >>",
        stream_object(b"", content),
        *objects,
    ]
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, table)
    return bytes(out)


def stream_object(entries: bytes, data: bytes) -> bytes:
    return b"<< /Length %d " % len(data) + entries + b" >>\nstream\n" + data + b"\nendstream"


def endless_pdf(levels: int = 12) -> bytes:
    """A page that draws a form that draws ten forms that draw ten forms: 10^levels rectangles in 3 KB."""
    forms = []
    for level in range(levels):
        number = 5 + level
        deeper = b"/Resources << /XObject << /F %d 0 R >> >>" % (number + 1)
        last = level == levels - 1
        content = b"0 0 50 50 re f" if last else b"/F Do " * 10
        entries = b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] " + (b"" if last else deeper)
        forms.append(stream_object(entries, content))
    return raw_pdf(
        b"/F Do", page=b"/MediaBox [0 0 200 200] /Resources << /XObject << /F 5 0 R >> >>", objects=tuple(forms)
    )


def huge_image_pdf(side: int) -> bytes:
    """A page with an RGB image of `side` x `side` pixels, a thousandth of that packed."""
    packer = zlib.compressobj(9)
    row = bytes(3 * side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    entries = b"/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8 " % (side, side)
    image = stream_object(entries + b"/ColorSpace /DeviceRGB /Filter /FlateDecode", data)
    return raw_pdf(
        b"q 200 0 0 200 0 0 cm /I Do Q",
        page=b"/MediaBox [0 0 200 200] /Resources << /XObject << /I 5 0 R >> >>",
        objects=(image,),
    )


def png_declaring(width: int, height: int) -> bytes:
    """A PNG whose header claims any size, with a little data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + chunk(b"IEND", b"")
    )


def tiff_bytes(pages: int = 3, **options) -> bytes:
    """A multi-page TIFF; page n is n * 10 pixels wide."""
    images = [picture(10 * (number + 1), 40) for number in range(pages)]
    return saved(images[0], "TIFF", save_all=True, append_images=images[1:], **options)


def looped_tiff() -> bytes:
    """Two pages whose chain leads back to the first."""
    data = bytearray(tiff_bytes(2))
    first = struct.unpack_from("<I", data, 4)[0]
    (entries,) = struct.unpack_from("<H", data, first)
    second = struct.unpack_from("<I", data, first + 2 + 12 * entries)[0]
    (entries,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * entries, first)
    return bytes(data)


def zip_bytes(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tar_bytes(members: dict[str, bytes], mode: str = "w", *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return buffer.getvalue()


def overlapping_zip(copies: int = 200, size: int = 1 << 20) -> bytes:
    """Many entries of the table of contents that share one packed member (after D. Fifield, WOOT 2019)."""
    data = bytearray(zip_bytes({"00000.pdf": bytes(size)}))
    directory = data.rindex(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entry = bytes(data[directory:end])
    table = bytearray()
    for number in range(copies):
        table += entry.replace(b"00000.pdf", b"%05d.pdf" % number)
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, copies, copies, len(table))
    return bytes(data[:directory]) + bytes(table) + bytes(tail)


def encrypted_zip(members: dict[str, bytes], password: bytes) -> bytes:
    """Classic ZIP encryption (APPNOTE 6.1), stored: the standard library can only read it."""
    table = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ 0xEDB88320 if value & 1 else value >> 1
        table.append(value)

    def encrypt(data: bytes) -> bytes:
        keys = [0x12345678, 0x23456789, 0x34567890]

        def update(byte: int) -> None:
            keys[0] = keys[0] >> 8 ^ table[(keys[0] ^ byte) & 0xFF]
            keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
            keys[2] = keys[2] >> 8 ^ table[(keys[2] ^ keys[1] >> 24) & 0xFF]

        for byte in password:
            update(byte)
        out = bytearray()
        for byte in data:
            temp = keys[2] | 2
            out.append(byte ^ (temp * (temp ^ 1) >> 8 & 0xFF))
            update(byte)
        return bytes(out)

    buffer, directory = bytearray(), bytearray()
    for name, data in members.items():
        crc, raw = zlib.crc32(data), name.encode()
        body = encrypt(bytes(11) + bytes([crc >> 24]) + data)
        common = struct.pack("<HHHHHIIIHH", 20, 1, 0, 0, 0x21, crc, len(body), len(data), len(raw), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(buffer)) + raw
        buffer += b"PK\x03\x04" + common + raw + body
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(buffer), 0)
    return bytes(buffer + directory) + end


def open_descriptors(pid: int | None = None) -> int:
    """How many files this process, or on Linux another one, holds open."""
    return len(list(Path(f"/proc/{pid}/fd" if pid else "/dev/fd").iterdir()))


PATIENT = {"page_timeout_s": 250.0, "text_timeout_s": 250.0, "start_timeout_s": 250.0}
"""Limits of a sandbox for pages that end by themselves: a machine that stands still for a while costs none of them."""


def until(condition, seconds: float = 90.0) -> None:
    """Until the condition holds; an assertion error after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two images of one size, 0..255."""
    assert one.size == other.size
    histogram = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).convert("L").histogram()
    return sum(shade * count for shade, count in enumerate(histogram)) / (one.width * one.height)


def the_child(renderer: SandboxRenderer) -> int:
    """The process of a renderer's only child."""
    (child,) = {*renderer._busy, *renderer._idle}
    return child.pid


def code_of(call) -> str:
    """Of the error of ours that the call must raise."""
    with pytest.raises(FolioscopeError) as refused:
        call()
    return refused.value.code
