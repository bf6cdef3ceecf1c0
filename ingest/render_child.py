"""The process that parses untrusted documents: reads requests from a socket, answers with pixels and words.

Started by `ingest.sandbox` as `python -I -B -c ... <socket fd> <memory bytes> <parent pid>`. It limits itself,
loads and warms up everything, seals itself (`ingest.confine`), says hello, and serves until the socket closes.
A document arrives as a read-only descriptor and stays open in one of a few slots that the parent numbers.
"""

from __future__ import annotations

import array
import codecs
import contextlib
import os
import socket
import sys
from dataclasses import dataclass
from typing import Any, Protocol

from ingest import confine, wire
from ingest.budget import Budget
from ingest.wire import Status

_ENCODINGS = ("utf-8", "ascii", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp437")  # of metadata


class OpenDocument(Protocol):
    """What `child_pdf.Pdf` and `child_image.Picture` have in common."""

    pages: int

    def sizes(self) -> list[tuple[float, float]]: ...
    def render(self, number: int, budget: Budget) -> tuple[int, int, bytes]: ...
    def text(self, number: int) -> dict[str, Any] | None: ...
    def close(self) -> None: ...


@dataclass
class Slot:
    """An open document, its descriptor and how much of the address space its file takes."""

    document: OpenDocument
    fd: int
    mapped: int


class Child:
    """Serves requests. Knows nothing of other children."""

    def __init__(self, sock: socket.socket, memory_bytes: int) -> None:
        from ingest import child_image, child_pdf  # heavy; and never in the parent

        self._image, self._pdf = child_image, child_pdf
        self._sock = sock
        self._memory_bytes = memory_bytes
        self._slots: dict[int, Slot] = {}

    def serve(self) -> None:
        """Answer until the other side closes."""
        while (request := self._receive()) is not None:
            header, fd = request
            confine.arm_cpu(header["cpu_s"])
            if header["op"] == "open":
                self._open(header, fd)
            elif header["op"] == "render":
                self._render(header)

    def _receive(self) -> tuple[dict[str, Any], int] | None:
        data, ancillary, _, _ = self._sock.recvmsg(wire.PREFIX.size, socket.CMSG_SPACE(4))
        fd = -1
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(raw[:4])
                fd = fds[0]
        if not data:
            return None
        data += self._exactly(wire.PREFIX.size - len(data))
        header_bytes, _ = wire.unpack_prefix(data)
        return wire.parse_header(self._exactly(header_bytes)), fd

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._sock.recv(size - len(parts))
            if not part:
                sys.exit(0)
            parts += part
        return bytes(parts)

    def _open(self, header: dict[str, Any], fd: int) -> None:
        self._drop(header["slot"])
        is_pdf = header["media_type"] == "application/pdf"
        try:
            mapped = os.fstat(fd).st_size if is_pdf else 0
            self._allow(mapped)
            document: OpenDocument
            if is_pdf:
                document = self._pdf.Pdf(fd, header["password"], header["max_pages"])
            else:
                document = self._image.Picture(
                    fd, header["media_type"], header["max_pages"], header["max_image_pixels"]
                )
            self._slots[header["slot"]] = Slot(document, fd, mapped)
            reply = {"status": Status.OK, "pages": document.pages}
            if header["sizes"]:
                reply["sizes"] = document.sizes()
        except Exception as error:
            reply = {"status": self._status_of(error, is_pdf)}
            if header["slot"] in self._slots:
                self._drop(header["slot"])
            else:
                os.close(fd)
        wire.send(self._sock, reply)

    def _render(self, header: dict[str, Any]) -> None:
        slot = self._slots[header["slot"]]
        is_pdf = isinstance(slot.document, self._pdf.Pdf)
        number = header["page"] - 1
        try:
            if not 0 <= number < slot.document.pages:
                wire.send(self._sock, {"status": Status.NO_SUCH_PAGE})
                return
            width, height, pixels = slot.document.render(number, Budget(header["max_pixels"]))
        except Exception as error:
            wire.send(self._sock, {"status": self._status_of(error, is_pdf)})
            return
        wire.send(self._sock, {"status": Status.OK, "width": width, "height": height}, pixels)
        del pixels
        if header["text"]:
            try:
                layer = slot.document.text(number)
            except Exception as error:
                wire.send(self._sock, {"status": self._status_of(error, is_pdf)})
            else:
                wire.send(self._sock, {"status": Status.OK, "text": layer})

    def _status_of(self, error: Exception, is_pdf: bool) -> Status:
        if isinstance(error, self._image.ImageRefused):
            return error.status
        return (self._pdf if is_pdf else self._image).status_of(error)

    def _drop(self, number: int) -> None:
        slot = self._slots.pop(number, None)
        if slot is not None:
            with contextlib.suppress(Exception):
                slot.document.close()
            os.close(slot.fd)

    def _allow(self, mapped: int) -> None:
        """A mapped file takes address space, not memory: it does not count against the limit."""
        confine.set_soft_memory(self._memory_bytes + mapped + sum(slot.mapped for slot in self._slots.values()))

    def warm_up(self) -> None:
        """Use every code path once, so that nothing is left to be loaded from disk after sealing."""
        for encoding in _ENCODINGS:
            codecs.lookup(encoding)
        self._image.rehearse()
        self._pdf.rehearse()


def main() -> None:
    """Entry point; arguments as in the module's docstring."""
    fd, memory_bytes, parent_pid = (int(argument) for argument in sys.argv[1:4])
    sock = socket.socket(fileno=fd)
    protections = confine.limit(memory_bytes=memory_bytes, parent_pid=parent_pid)
    child = Child(sock, memory_bytes)
    child.warm_up()
    protections += confine.seal()
    wire.send(sock, {"hello": 1, "protections": protections})
    try:
        child.serve()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
