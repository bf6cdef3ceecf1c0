"""What decoding costs one answer: its budget, what was decoded, and what could not be.

`Effort` belongs to one question. It knows no policy (`needs`) and no store; what it is given to do raises, and it tells
that as events and remembers it for the answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from index.errors import FolioscopeError, InternalError, Unavailable
from index.types import PageKey
from worker.patience import Patience

log = logging.getLogger("folioscope.asking")

BUDGET = "decode_budget"
_SPENT = (
    "The pages or the time that one answer may take for decoding were spent (FOLIOSCOPE_DECODE_PAGES, "
    "FOLIOSCOPE_DECODE_BUDGET_S)."
)


@dataclass(frozen=True, slots=True)
class DecodingConfig:
    """At most `pages` and `seconds` for one answer. Pages that are trusted less than `trust` are read again."""

    pages: int = 4
    seconds: float = 120.0
    trust: float = 0.5


@dataclass(frozen=True, slots=True)
class Decoding:
    """A page is being decoded. `took_ms` at the end, `code` where that is a failure."""

    key: PageKey
    prompt: str
    reason: str
    state: Literal["started", "done", "failed"]
    took_ms: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """A page that was decoded for this answer, or was to be (`ok` False, and `code` says why not)."""

    key: PageKey
    prompt: str
    reason: str
    took_ms: float
    ok: bool
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A page that might have had something to say, and why it was not heard."""

    key: PageKey
    code: str
    reason: str


class Effort:
    def __init__(self, config: DecodingConfig, cancelled: Callable[[], bool]) -> None:
        self._left_pages = config.pages
        self._left_s = config.seconds
        self._cancelled = cancelled
        self.decoded: list[DecodedPage] = []
        self.closed_by: FolioscopeError | None = None
        self._missing: dict[PageKey, Missing] = {}

    @property
    def missing(self) -> tuple[Missing, ...]:
        return tuple(self._missing.values())

    @property
    def spent(self) -> bool:
        """Whether no further page can be decoded for this answer."""
        return self.closed_by is not None or self._left_pages <= 0 or self._left_s <= 0

    def attempt(
        self, key: PageKey, prompt: str, reason: str, do: Callable[[Patience], bool | None], *, missed: bool = True
    ) -> Generator[Decoding, None, bool]:
        """Do it and tell of it; whether it was done. `do` returns False where somebody else was faster. `missed`: a
        failure leaves something unheard. After the budget nothing is begun.
        """
        if self.spent:
            self._give_up(key, prompt, reason, missed=missed)
            return False
        self._left_pages -= 1
        yield Decoding(key, prompt, reason, "started")
        began, own = time.perf_counter(), True
        failure: FolioscopeError | None = None
        try:
            own = do(Patience(self._left_s, self._cancelled)) is not False
        except FolioscopeError as error:
            failure = error
        except Exception:
            log.exception("page %s of %s could not be decoded (%s)", key.page, key.document_id, prompt)
            failure = InternalError("Decoding the page failed: our bug. The log has the details.")
        took_s = time.perf_counter() - began
        self._left_s -= took_s
        code = failure.code if failure is not None else None
        if own:
            self.decoded.append(DecodedPage(key, prompt, reason, took_s * 1000, failure is None, code))
        if failure is None:
            self._missing.pop(key, None)
            yield Decoding(key, prompt, reason, "done", took_s * 1000)
            return True
        if isinstance(failure, Unavailable) and failure.code != "decode_timeout":
            # It says nothing of the page: trying another one now would bring the same.
            self.closed_by = failure
        if missed:
            self.miss(key, failure.code, failure.message)
        yield Decoding(key, prompt, reason, "failed", took_s * 1000, code)
        return False

    def miss(self, key: PageKey, code: str, reason: str) -> None:
        self._missing.setdefault(key, Missing(key, code, reason))

    def note(self, event: Decoding) -> None:
        """Remember what another effort for the same answer told of."""
        if event.state != "started":
            ok, took_ms = event.state == "done", event.took_ms or 0.0
            self.decoded.append(DecodedPage(event.key, event.prompt, event.reason, took_ms, ok, event.code))
            if not ok:
                untold = "The decoder could not be asked about this page."
                self.miss(event.key, event.code or "error", _SPENT if event.code == BUDGET else untold)

    def leave_out(self, key: PageKey) -> None:
        """Say that a page was not even tried, because of what `spent` says."""
        code, message = self._why()
        self.miss(key, code, message)

    def _give_up(self, key: PageKey, prompt: str, reason: str, *, missed: bool) -> None:
        code, _ = self._why()
        self.decoded.append(DecodedPage(key, prompt, reason, 0.0, False, code))
        if missed:
            self.leave_out(key)

    def _why(self) -> tuple[str, str]:
        if self.closed_by is not None:
            return self.closed_by.code, self.closed_by.message
        return BUDGET, _SPENT + " Ask again: what was decoded is kept."
