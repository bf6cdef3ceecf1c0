"""The small protocol between the sandbox and its render children. Standard library only.

A frame is a 12-byte prefix (magic, header length, payload length), a JSON header and raw bytes.
Both lengths are bounded before anything is read. Outcomes cross as `Status` integers, never as a
library's words. The document itself crosses as an open file descriptor beside an `open` frame.

One request is answered by one frame; `render` with `text` by two: the pixels first, so that a page
whose text layer kills the child is still a page.
"""

from __future__ import annotations

import array
import enum
import json
import socket
import struct
from typing import Any

MAGIC = b"FSR1"
PREFIX = struct.Struct(">4sII")
MAX_HEADER_BYTES = 16 << 20
MAX_PAYLOAD_BYTES = 256 << 20

MAX_WORDS = 20_000
MAX_WORD_CHARS = 200
MAX_RULES = 2_000


class Status(enum.IntEnum):
    """How a request ended."""

    OK = 0
    PASSWORD_NEEDED = 1
    PASSWORD_WRONG = 2
    DAMAGED = 3
    EMPTY = 4
    TOO_MANY_PAGES = 5
    PAGE_TOO_LARGE = 6
    MEMORY = 7
    BOMB = 8
    NO_SUCH_PAGE = 9
    PORTFOLIO = 10


class WireError(Exception):
    """The other side is gone, or did not speak the protocol."""


def pack(header: dict[str, Any], payload_bytes: int = 0) -> bytes:
    """Prefix and header of a frame; the payload of `payload_bytes` follows."""
    text = json.dumps(header, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    return PREFIX.pack(MAGIC, len(text), payload_bytes) + text


def send(sock: socket.socket, header: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """Write one frame."""
    sock.sendall(pack(header, len(payload)))
    if len(payload):
        sock.sendall(payload)


def send_with_fd(sock: socket.socket, header: dict[str, Any], fd: int) -> None:
    """Write one frame without payload, the descriptor beside its first byte."""
    data = pack(header)
    sent = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    sock.sendall(data[sent:])


def unpack_prefix(prefix: bytes) -> tuple[int, int]:
    """Lengths of header and payload, within the bounds."""
    magic, header_bytes, payload_bytes = PREFIX.unpack(prefix)
    if magic != MAGIC or header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise WireError("not a frame")
    return header_bytes, payload_bytes


def parse_header(raw: bytes | bytearray) -> dict[str, Any]:
    """The header as a dict. Deep nesting, bad UTF-8 and non-objects are a `WireError`."""
    try:
        header = json.loads(bytes(raw))
    except (ValueError, RecursionError) as error:
        raise WireError("header is not JSON") from error
    if not isinstance(header, dict):
        raise WireError("header is not an object")
    return header
