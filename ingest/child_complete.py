"""Whether an image file has pixels for all of its rows. Runs only inside the render child.

Pillow takes a compressed stream that ends well but early, and a TIFF that lists too few strips, for whole, and leaves
the rest of the page blank. A scan that a faulty program cut short must be told as damaged, not read as half empty.
What libtiff decodes it checks itself, but for faxes, where lines get lost in transmission and the others are good.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from PIL import Image

_SIGNATURE_BYTES, _CHUNK_HEAD, _CRC_BYTES = 8, 8, 4
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PALETTE = 3
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 1 << 20
_PLANAR_CONFIGURATION, _SEPARATE = 284, 2


def tiff_is_short(image: Image.Image) -> bool:
    """Before `image` is loaded: whether its strips or tiles, as listed, leave pixels out."""
    if not image.tile:
        return False  # loaded already
    listed = sum((right - left) * (lower - upper) for _, (left, upper, right, lower), *_ in image.tile)
    separate = image.tag_v2.get(_PLANAR_CONFIGURATION) == _SEPARATE and image.tile[0].codec_name == "raw"
    return listed < image.width * image.height * (len(image.getbands()) if separate else 1)


def png_is_short(image: Image.Image, file: BinaryIO) -> bool:
    """After `image` was loaded from `file`: whether pixels, or the palette that they need, are missing."""
    file.seek(_SIGNATURE_BYTES + _CHUNK_HEAD)
    width, height, depth, colours, *_, interlaced = struct.unpack(">IIBBBBB", file.read(13))
    if colours == _PALETTE and image.palette is None:
        return True
    # Rows that did not come are zeros. Where the last one is not, all came, and nothing need be unpacked again.
    if not interlaced and image.crop((0, height - 1, width, height)).getbbox() is not None:
        return False
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in passes)
    bits = depth * _CHANNELS[colours]
    wanted = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)
    return _unpacked_bytes(file, wanted) < wanted


def _unpacked_bytes(file: BinaryIO, enough: int) -> int:
    """How many bytes the pixel chunks hold once unpacked; no further than `enough`."""
    unpacker, count = zlib.decompressobj(), 0
    file.seek(_SIGNATURE_BYTES)
    while count < enough and len(head := file.read(_CHUNK_HEAD)) == _CHUNK_HEAD:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            break
        if kind != b"IDAT":
            file.seek(size + _CRC_BYTES, 1)
            continue
        while size and (piece := file.read(min(size, _PIECE))):
            size -= len(piece)
            while piece and count < enough and not unpacker.eof:
                count += len(unpacker.decompress(piece, _PIECE))
                piece = unpacker.unconsumed_tail
        file.seek(_CRC_BYTES, 1)
    return count
