"""What one key may use up: requests per minute, answers at once, bytes of uploads per day.

Rate and concurrency are counted over all API processes of a full stack (`worker.shared_counts`); while its Redis is
away, and where one process does all, in each process for itself. Bytes per day are counted over all processes and
restarts (`index.usage`). The local user of an open service has no limits. Thread-safe: a place is given back by
whichever thread ends its answer.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

from api.problems import LimitReached
from index.keys import ApiKey
from index.usage import DailyUsage
from worker.shared_counts import SharedCounts

_ANSWER_RETRY_S = 2  # an answer takes about so long


@dataclass(slots=True)
class _Bucket:
    """A token bucket: holds a minute's requests, refilled all the time."""

    tokens: float
    at: float


class Place:
    """A place for one answer. Given back once, however often it is said; `with` gives it back at the end."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back = give_back
        self._held = threading.Lock()

    def give_back(self) -> None:
        if self._held.acquire(blocking=False):  # and never released: the first one does it
            self._give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.give_back()


class Limits:
    """Of all keys in one process. 0 means no limit; a key's own limits go before these."""

    def __init__(
        self,
        *,
        requests_per_minute: int = 0,
        concurrent_answers: int = 0,
        upload_bytes_per_day: int = 0,
        usage: DailyUsage | None = None,
        shared: SharedCounts | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._requests_per_minute = requests_per_minute
        self._concurrent_answers = concurrent_answers
        self._upload_bytes_per_day = upload_bytes_per_day
        self._usage = usage
        self._shared = shared
        self._clock = clock
        self._now = now
        self._buckets: dict[str, _Bucket] = {}  # as many as there are keys that matched: bounded by the key files
        self._answering: Counter[str] = Counter()
        self._guard = threading.Lock()

    @property
    def shared(self) -> bool:
        """Whether `request` and `answer` ask somebody, for which they want a thread."""
        return self._shared is not None

    def request(self, key: ApiKey | None) -> None:
        """Take one request. `LimitReached`."""
        limit = _own(key and key.limits.requests_per_minute, self._requests_per_minute)
        if key is None or not limit:
            return
        wait = self._shared.take(key.key_id, limit) if self._shared is not None else None
        if wait is None:
            wait = self._take(key.key_id, limit)
        if wait:
            raise LimitReached(
                f"This key may make {limit} requests per minute.",
                code="rate_limited",
                retry_after_s=math.ceil(wait),
            )

    def _take(self, key_id: str, limit: int) -> float:
        """Take one by this process's own count; how many seconds until there is one."""
        with self._guard:
            at = self._clock()
            bucket = self._buckets.setdefault(key_id, _Bucket(limit, at))
            bucket.tokens = min(limit, bucket.tokens + (at - bucket.at) * limit / 60)
            bucket.at = at
            if bucket.tokens < 1:
                return (1 - bucket.tokens) * 60 / limit
            bucket.tokens -= 1
            return 0.0

    def answer(self, key: ApiKey | None) -> Place:
        """One of the key's places for answers, held until `Place.give_back`. `LimitReached`."""
        limit = _own(key and key.limits.concurrent_answers, self._concurrent_answers)
        if key is None or not limit:
            return Place(lambda: None)
        full = LimitReached(
            f"This key may have {limit} answers under way at once.",
            code="too_many_answers",
            retry_after_s=_ANSWER_RETRY_S,
        )
        with self._guard:
            if self._answering[key.key_id] >= limit:
                raise full
            self._answering[key.key_id] += 1
        ticket = None
        if self._shared is not None:
            ticket = self._shared.hold(key.key_id, limit)
            if ticket is None:
                self._leave(key.key_id, None)
                raise full
        return Place(partial(self._leave, key.key_id, ticket))

    def _leave(self, key_id: str, ticket: str | None) -> None:
        with self._guard:
            self._answering[key_id] -= 1
        if self._shared is not None and ticket is not None:
            self._shared.free(key_id, ticket)

    def close(self) -> None:
        """At the end of the process."""
        if self._shared is not None:
            self._shared.close()

    def upload(self, key: ApiKey | None) -> UploadMeter:
        limit = _own(key and key.limits.upload_bytes_per_day, self._upload_bytes_per_day)
        return UploadMeter(key.key_id if key and limit else "", limit, self._usage, self._now)


_SHARE_S = 1.0
_SHARE_BYTES = 16 << 20
"""How often other processes hear of an upload that is under way."""


class UploadMeter:
    """Counts the bytes of one upload. Its methods look at files: call `check` and `close` in a thread."""

    def __init__(self, key_id: str, limit: int, usage: DailyUsage | None, now: Callable[[], datetime]) -> None:
        self._key_id = key_id
        self._limit = limit
        self._usage = usage if key_id else None
        self._now = now
        self._shared_at = time.monotonic()
        self._unshared = 0

    def check(self, coming: int) -> None:
        """Whether `coming` bytes more may come. `LimitReached`."""
        if self._usage is None:
            return
        now = self._now()
        if self._usage.total(self._key_id, now.date()) + coming > self._limit:
            midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
            raise LimitReached(
                f"This key may send {self._limit} bytes per day; the next day begins at 00:00 UTC.",
                code="quota_exceeded",
                retry_after_s=math.ceil((midnight - now).total_seconds()),
            )

    def count(self, size: int) -> None:
        """`size` bytes came."""
        if self._usage is None:
            return
        self._usage.add(self._key_id, size, self._now().date())
        self._unshared += size
        if self._unshared >= _SHARE_BYTES or time.monotonic() - self._shared_at >= _SHARE_S:
            self.close()

    def close(self) -> None:
        """Let other processes know; happens while an upload runs, too. Harmless twice."""
        if self._usage is not None:
            self._usage.save(self._key_id)
            self._shared_at, self._unshared = time.monotonic(), 0


def _own(of_key: int | None, general: int) -> int:
    return general if of_key is None else of_key
