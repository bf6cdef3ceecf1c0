"""Images whose file is whole but holds too few pixels are damaged, and whole ones never are."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image

from index.errors import BadDocument
from ingest.child_complete import png_is_short
from tests import ingest_kit as kit

pytest_plugins = ("tests.ingest_fixtures",)

DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colours, *, interlaced=False, missing=0, noise=None, palette=True) -> bytes:
    """Pixels are zeros, or out of `noise`; the last `missing` rows are left out before they are packed."""
    rows: list[bytes] = []
    for x, y, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns = -(-(width - x) // across)
        size = -(-columns * depth * CHANNELS[colours] // 8)
        for _ in range(-(-(height - y) // down) if columns > 0 else 0):
            rows.append(b"\0" + (noise.randbytes(size) if noise else bytes(size)))
    packed = zlib.compress(b"".join(rows[: len(rows) - missing]))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)),
            chunk(b"PLTE", bytes(3 << depth)) if colours == 3 and palette else b"",
            chunk(b"IDAT", packed[:9]),
            chunk(b"IDAT", packed[9:]),
            chunk(b"IEND", b""),
        )
    )


def tiff_of_strips(keep: int) -> bytes:
    """Pixels as they are, ten strips of 20 rows, the first `keep` of which are listed."""
    data = bytearray(kit.saved(kit.picture(300, 200), "TIFF", tiffinfo={278: 20}))
    (start,) = struct.unpack_from("<I", data, 4)
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] in (273, 279):
            struct.pack_into("<I", data, entry + 4, keep)
    return bytes(data)


@pytest.mark.parametrize(
    ("media_type", "whole", "short"),
    [
        ("image/png", png(300, 200, 8, 0), png(300, 200, 8, 0, missing=20)),
        ("image/png", png(300, 200, 8, 2, interlaced=True), png(300, 200, 8, 2, interlaced=True, missing=1)),
        ("image/png", png(300, 200, 8, 3), png(300, 200, 8, 3, palette=False)),
        ("image/tiff", tiff_of_strips(10), tiff_of_strips(5)),
    ],
)
def test_missing_rows_are_no_blank_page(renderer, put, media_type, whole, short):
    """A scan that its program cut short ends as `damaged`; the same with all its rows is a page."""
    assert renderer.render(put(whole), media_type, 1, None).image.size[0] > 0
    with pytest.raises(BadDocument) as refused:
        renderer.render(put(short), media_type, 1, None)
    assert refused.value.code == "damaged"


def test_a_page_is_read_again_from_the_open_file(renderer, put):
    """Strips are judged before they are read: a page already in memory is not taken for one without any."""
    path = put(kit.tiff_bytes(pages=2))
    for _ in range(2):
        assert renderer.render(path, "image/tiff", 2, None).image.size[0] > 0


def test_every_kind_of_png_is_judged_right():
    """All depths, colours and interlacings at small sizes: short where a row is missing, and only there."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    noise = random.Random(seed)
    judged = {False: 0, True: 0}
    for number in range(1000):
        colours = noise.choice(tuple(DEPTHS))
        depth = noise.choice(DEPTHS[colours])
        missing = noise.choice((0, 1))
        data = png(
            *(noise.randint(1, 20), noise.randint(1, 20), depth, colours),
            interlaced=noise.random() < 0.5,
            missing=missing,
            noise=noise if number % 2 else None,
        )
        file = io.BytesIO(data)
        image = Image.open(file)
        try:
            image.load()
        except (OSError, SyntaxError):
            assert missing, number  # Pillow may see it itself
            continue
        assert png_is_short(image, file) == (missing > 0), (number, data)
        judged[missing > 0] += 1
    assert min(judged.values()) > 100
