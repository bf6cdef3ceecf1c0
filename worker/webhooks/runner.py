"""What finds ends and sends messages, in a thread, in one process at a time.

Each process that talks to people has one. Workers have none: where documents are parsed there is no way out of the
network.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from index.errors import Unavailable
from worker.elected import ElectedThread
from worker.webhooks.ends import Ends
from worker.webhooks.outbox import Outbox
from worker.webhooks.sender import Sender

log = logging.getLogger("folioscope.webhooks")

_SHUTDOWN_S = 5.0
_TIDY_S = 600.0
_LONGEST_REST_S = 60.0


class Runner:
    def __init__(self, directory: Path, ends: Ends, outbox: Outbox, sender: Sender, *, look_s: float = 1.0) -> None:
        self._ends = ends
        self._outbox = outbox
        self._sender = sender
        self._tidied_at: float | None = None
        self._ends_at = 0.0
        self._away = False
        self._thread = ElectedThread(
            "webhooks", directory / "lock", self._look, every_s=look_s, shutdown_s=_SHUTDOWN_S, log=log
        )
        self.start = self._thread.start

    def stop(self) -> None:
        """Harmless without `start`."""
        self._sender.stop()
        self._thread.stop()

    def _look(self) -> None:
        if time.monotonic() >= self._ends_at:
            self._find()
        self._sender.look()
        now = time.monotonic()
        if self._tidied_at is None or now - self._tidied_at >= _TIDY_S:
            self._tidied_at = now
            self._ends.tidy()
            self._outbox.sweep(time.time())

    def _find(self) -> None:
        began = time.monotonic()
        try:
            self._ends.look()
            self._away = False
        except Unavailable as error:  # what is known already is sent all the same
            if not self._away:
                log.warning("webhooks wait for ends of documents: %s", error.message)
            self._away = True
        # Archives of many members take long to look at: a tenth of the time at most goes into it.
        self._ends_at = time.monotonic() + min(_LONGEST_REST_S, 9 * (time.monotonic() - began))
