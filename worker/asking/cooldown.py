"""Pages that fail when a question needs them are left alone for a while, so that not every question pays for them.

A page cools down for a minute after its first failure, twice as long after each further one, an hour at most; decoding
it successfully, reading the document again and deleting it end that. What is known is in files of the data directory,
one for each page and what was wanted of it, so that all API processes of an installation and a restarted one know the
same. Two that fail at once on the same page count as one failure or two: nothing depends on it.

Only what speaks of the page counts: that nobody decodes, that a worker is away or that the time was nearly spent when
its turn came says nothing of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from index.errors import Conflict, FolioscopeError, InternalError, NotFound, Unavailable
from index.files import remove, write_atomic
from index.types import PageKey
from worker.decoding import PageDecoder
from worker.engine.engine import NO_MEMORY
from worker.patience import Patience
from worker.writeback import Want

log = logging.getLogger("folioscope.asking")

FIRST_S = 60.0
LONGEST_S = 3600.0
_REMEMBERED_S = 24 * 3600.0
"""After that a page that fails again fails as if for the first time."""
_SWEEP_S = 600.0
_NAME = re.compile(r"([0-9a-f]{16}-[0-9a-f-]{36})\.(\d+)\.\w+\.json")


@dataclass(frozen=True, slots=True)
class Cooling:
    """`failures` in a row, the last with `code` and `message`; not tried again before `until` (UNIX seconds)."""

    code: str
    message: str
    failures: int
    until: float

    @property
    def reason(self) -> str:
        """For people."""
        at = datetime.fromtimestamp(self.until, UTC)
        times = "once" if self.failures == 1 else f"{self.failures} times in a row"
        return (
            f"{self.message} That failed {times}, so it is not tried before {at:%H:%M} UTC, "
            "unless somebody has it read again."
        )


class Cooldowns:
    """Of one data directory. Thread-safe; any number of processes may have one."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._swept_at = clock()

    def of(self, key: PageKey, want: Want) -> Cooling | None:
        """What it failed with, while it cools down."""
        known = self._load(self._path(key, want))
        return known if known is not None and self._lasts(known) else None

    def failed(self, key: PageKey, want: Want, error: FolioscopeError) -> None:
        self._sweep()
        path = self._path(key, want)
        known = self._load(path)
        failures = known.failures + 1 if known is not None else 1
        pause = min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 50))
        cooling = Cooling(error.code, error.message, failures, self._clock() + pause)
        log.warning(
            "page %s of %s cools down for %.0f s: %s (%s, failure %d)",
            *(key.page, key.document_id, pause, error.code, want.value, failures),
        )
        try:
            write_atomic(path, json.dumps(asdict(cooling)).encode(), replace=True, mode=0o600)
        except (FolioscopeError, OSError):
            log.warning("that could not be noted: the page is tried again by the next question", exc_info=True)

    def worked(self, key: PageKey, want: Want) -> None:
        path = self._path(key, want)
        if path.exists():
            remove(path)

    def lift(self, tenant: str, document_ids: Iterable[str] | None = None, page: int | None = None) -> int:
        """Have pages of these documents (None: of all) tried again by the next question: how many cooled down."""
        names = None if document_ids is None else {_owner(tenant, one) for one in document_ids}
        lifted = set()
        for path in list(self._directory.glob("*.json")):
            found = _NAME.fullmatch(path.name)
            if found is None or page not in (None, int(found[2])):
                continue
            if found[1] in names if names is not None else found[1].startswith(_owner(tenant, "")):
                known = self._load(path)
                if remove(path) and known is not None and self._lasts(known):
                    lifted.add(found.groups())
        return len(lifted)

    def _lasts(self, cooling: Cooling) -> bool:
        """Whether it is not over. What would last twice as long as the longest pause was noted by a clock that was far
        ahead, and has been set back since.
        """
        return 0.0 < cooling.until - self._clock() < 2 * LONGEST_S

    def _sweep(self) -> None:
        now = self._clock()
        if 0 <= now - self._swept_at < _SWEEP_S:  # below 0 the clock was set back since
            return
        self._swept_at = now
        for path in list(self._directory.iterdir()) if self._directory.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < now - LONGEST_S - _REMEMBERED_S:
                    remove(path)

    def _load(self, path: Path) -> Cooling | None:
        try:
            return Cooling(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return None  # damaged: the page is tried

    def _path(self, key: PageKey, want: Want) -> Path:
        return self._directory / f"{_owner(key.tenant, key.document_id)}.{key.page}.{want.value}.json"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Has something done to a page and written back (`PageDecoder.keep`), and notes how that ended. `whole_s` is what
    an answer may take for decoding.
    """

    decoder: PageDecoder
    cooldowns: Cooldowns | None
    key: PageKey
    want: Want
    whole_s: float

    def __call__(self, patience: Patience) -> bool:
        left_s = patience.left_s
        try:
            done = self.decoder.keep(self.key, self.want, patience)
        except Exception as error:
            if self.cooldowns is not None and _speaks_of_the_page(error, left_s, self.whole_s):
                own = isinstance(error, FolioscopeError)
                told = error if own else InternalError("Decoding the page failed: our bug. The log has the details.")
                self.cooldowns.failed(self.key, self.want, told)
            raise
        if self.cooldowns is not None:
            self.cooldowns.worked(self.key, self.want)
        return done


def _speaks_of_the_page(error: Exception, left_s: float | None, whole_s: float) -> bool:
    if isinstance(error, Unavailable):
        long_enough = left_s is None or left_s >= whole_s / 2
        return error.code in NO_MEMORY or (error.code == "decode_timeout" and long_enough)
    # What is gone or being read, or has tokens of other weights, is seen at once and costs nothing to ask again.
    return not isinstance(error, NotFound | Conflict)


def _owner(tenant: str, document_id: str) -> str:
    """A document of two tenants has the same bytes and is not the same."""
    return f"{hashlib.sha256(tenant.encode()).hexdigest()[:16]}-{document_id}"
