"""One POST to an address that was checked: bounded in time and in what is read, and following nothing.

An HTTP library would resolve the name again, follow proxies of the environment, and read as long as somebody drips.
Here the socket is connected to the given address, TLS is checked against the name, one request is written, the
answer's head is read up to `MAX_ANSWER` bytes before one deadline for all of it, and its status is all that is kept.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from worker.webhooks.targets import Target

MAX_ANSWER = 64 << 10
_LINGER_S = 0.5

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
_SAFE_VALUE = re.compile(r"[ -~]*")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` of the answer, or None and the reason why there is none."""

    status: int | None
    reason: str = ""

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(
    target: Target,
    addresses: Sequence[tuple[socket.AddressFamily, tuple]],
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    tls: ssl.SSLContext | None = None,
) -> Outcome:
    """Send `body` and hear what status comes back, within `timeout_s`. Never raises for what the other side does."""
    deadline = time.monotonic() + timeout_s
    try:
        with closing(_connect(target, addresses, deadline, tls)) as line:
            line.settimeout(_left(deadline))
            line.sendall(_request(target, body, headers))
            return _answer(line, deadline)
    except TimeoutError:
        return Outcome(None, f"no answer within {timeout_s:.0f} s")
    except ssl.SSLCertVerificationError as error:
        return Outcome(None, f"its certificate is not valid: {error.verify_message}")
    except ssl.SSLError as error:
        return Outcome(None, f"TLS failed: {error.reason or type(error).__name__}")
    except OSError as error:
        return Outcome(None, error.strerror or type(error).__name__)


def _connect(
    target: Target, addresses: Sequence[tuple[socket.AddressFamily, tuple]], deadline: float, tls: ssl.SSLContext | None
) -> socket.socket:
    """The first address that takes the call. One that says nothing costs its share of the time, not all of it: behind a
    dead IPv6 route there is often a live IPv4 address.
    """
    last: OSError | None = None
    for number, (family, address) in enumerate(addresses):
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            line.settimeout(_left(deadline) / (len(addresses) - number))
            try:
                line.connect(address)
            except TimeoutError as error:
                line.close()
                last = error
                continue
            if target.scheme != "https":
                return line
            line.settimeout(_left(deadline))
            return (tls or ssl.create_default_context()).wrap_socket(line, server_hostname=target.host)
        except TimeoutError:
            line.close()
            raise
        except OSError as error:
            line.close()
            last = error
    raise last or OSError("there is no address")


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {target.path} HTTP/1.1"]
    sent = {"Host": target.host_header, **headers, "Content-Length": str(len(body)), "Connection": "close"}
    for name, value in sent.items():
        assert _SAFE_VALUE.fullmatch(value), name
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _answer(line: socket.socket, deadline: float) -> Outcome:
    buffer = b""
    while len(buffer) < MAX_ANSWER:
        head, whole, rest = buffer.partition(b"\r\n\r\n")
        if whole:
            found = _STATUS.match(head + b"\r")
            if found is None:
                return Outcome(None, "the answer is no HTTP")
            status = int(found[1])
            if status < 200:  # an interim answer: the one that counts follows
                buffer = rest
                continue
            _linger(line, deadline, len(rest))
            return Outcome(status)
        line.settimeout(_left(deadline))
        piece = line.recv(8192)
        if not piece:
            return Outcome(None, "the connection was closed before an answer")
        buffer += piece
    return Outcome(None, f"the answer's head is longer than {MAX_ANSWER} bytes")


def _linger(line: socket.socket, deadline: float, read: int) -> None:
    """Let a short body come before the connection is closed: a reset in the middle looks like an error over there."""
    end = min(deadline, time.monotonic() + _LINGER_S)
    with suppress(OSError):
        while read < MAX_ANSWER and time.monotonic() < end:
            line.settimeout(_left(end))
            piece = line.recv(8192)
            if not piece:
                return
            read += len(piece)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
