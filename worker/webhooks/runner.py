"""A thread that finds ends and sends messages, in one process at a time.

Each process that talks to people has one; the one that gets a lock in the data directory works until it ends, then the
next. Workers have none: where documents are parsed there is no way out of the network.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from pathlib import Path

from index.errors import Unavailable
from index.files import make_directory
from worker.webhooks.ends import Ends
from worker.webhooks.outbox import Outbox
from worker.webhooks.sender import Sender

log = logging.getLogger("folioscope.webhooks")

_SHUTDOWN_S = 5.0
_TIDY_S = 600.0


class Runner:
    def __init__(self, directory: Path, ends: Ends, outbox: Outbox, sender: Sender, *, look_s: float = 1.0) -> None:
        self._lock_path = directory / "lock"
        self._ends = ends
        self._outbox = outbox
        self._sender = sender
        self._look_s = look_s
        self._handle: int | None = None
        self._tidied_at: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        make_directory(self._lock_path.parent)
        self._thread.start()

    def stop(self) -> None:
        """Harmless without `start`."""
        self._stop.set()
        self._sender.stop()
        if self._thread.is_alive():
            self._thread.join(_SHUTDOWN_S)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _run(self) -> None:
        while not self._stop.wait(self._look_s):
            try:
                if self._chosen():
                    self._look()
            except Unavailable as error:
                log.warning("webhooks wait: %s", error.message)
            except Exception:
                log.exception("webhooks failed; they go on")

    def _look(self) -> None:
        self._ends.look()
        self._sender.look()
        now = time.monotonic()
        if self._tidied_at is None or now - self._tidied_at >= _TIDY_S:
            self._tidied_at = now
            self._ends.tidy()
            self._outbox.sweep(time.time())

    def _chosen(self) -> bool:
        if self._handle is None:
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            self._handle = handle
        return True
