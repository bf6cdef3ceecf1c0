"""One render child as its parent sees it: start it, ask it, kill it.

A child is used by one thread at a time. Every wait has a deadline; after `ChildDied` or `ChildTooSlow` the
child is dead and reaped, and its socket is closed. Knows the frames of `ingest.wire`, not their meaning.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from ingest import wire

_BOOT = (
    "import sys;"
    " sys.path += [path for path in sys.argv.pop().splitlines() if path not in sys.path];"
    " from ingest.render_child import main; main()"
)
_PARSERS = ("pymupdf", "PIL")
_RECEIVE_BYTES = 1 << 20


class ChildDied(Exception):
    """The child ended or spoke nonsense. `cpu` says that it used up its CPU seconds."""

    def __init__(self, message: str, *, cpu: bool = False) -> None:
        super().__init__(message)
        self.cpu = cpu


class ChildTooSlow(Exception):
    """No answer before the deadline."""


def default_command() -> tuple[str, ...]:
    """Python that runs the render child, isolated from environment variables, user site and working directory.

    Package directories that isolation would hide (a checkout, a user install) are named to it one by one.
    """
    places = [str(Path(__file__).resolve().parent.parent)]
    for name in _PARSERS:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            places.append(str(Path(spec.origin).parent.parent))
    return (sys.executable, "-I", "-B", "-c", _BOOT, "{fd}", "{memory}", "{parent}", "\n".join(dict.fromkeys(places)))


class RenderChild:
    """A running child: its process, its socket, and which documents it holds open."""

    def __init__(self, command: Sequence[str], memory_bytes: int, start_timeout_s: float) -> None:
        ours, theirs = socket.socketpair()
        values = {"{fd}": str(theirs.fileno()), "{memory}": str(memory_bytes), "{parent}": str(os.getpid())}
        self._sock = ours
        self.open_documents: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # key -> (slot, pages)
        self.served = 0
        try:
            self._process = subprocess.Popen(
                [values.get(part, part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(),
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is the parent's to handle
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.hello, _ = self.receive(time.monotonic() + start_timeout_s)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, header: dict[str, Any], deadline: float, fd: int | None = None) -> None:
        """Ask something; `fd` travels with it."""
        try:
            self._sock.settimeout(max(0.001, deadline - time.monotonic()))
            if fd is None:
                wire.send(self._sock, header)
            else:
                wire.send_with_fd(self._sock, header, fd)
        except TimeoutError as error:
            self.kill()
            raise ChildTooSlow from error
        except OSError as error:
            raise self._died("cannot be asked") from error

    def receive(self, deadline: float) -> tuple[dict[str, Any], bytearray]:
        """The next frame: header and payload."""
        try:
            header_bytes, payload_bytes = wire.unpack_prefix(bytes(self._exactly(wire.PREFIX.size, deadline)))
            return wire.parse_header(self._exactly(header_bytes, deadline)), self._exactly(payload_bytes, deadline)
        except TimeoutError as error:
            self.kill()
            raise ChildTooSlow from error
        except (OSError, EOFError, wire.WireError) as error:
            raise self._died("gave no valid answer") from error

    def _exactly(self, size: int, deadline: float) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        filled = 0
        while filled < size:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._sock.settimeout(remaining)
            got = self._sock.recv_into(view[filled : filled + _RECEIVE_BYTES])
            if got == 0:
                raise EOFError
            filled += got
        return data

    def _died(self, what: str) -> ChildDied:
        try:
            code = self._process.wait(timeout=1.0)  # its socket is closed: it is ending, or misbehaves
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        return ChildDied(f"render child {what} (exit {code})", cpu=code == -signal.SIGXCPU)

    def interrupt(self) -> None:
        """End it under the hands of another thread, which then finds it dead, and reaps it."""
        self._process.kill()

    def kill(self) -> None:
        """End it now, reap it, close its socket. For the thread that uses it; may be called twice."""
        self._process.kill()
        self._process.wait()
        self._sock.close()


def _environment() -> dict[str, str]:
    """Next to nothing: no keys, no proxies, no Python settings. Only what finds shared libraries is kept."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    # One malloc arena: every further one would reserve 64 MiB of the limited address space.
    return {"LANG": "C.UTF-8", "PATH": "/nonexistent", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"} | kept
