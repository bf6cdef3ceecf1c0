"""What keys use up, counted over all API processes of a full stack: requests per minute and answers under way.

The counts are in Redis, worked out there in one step each, by its clock. They are a courtesy among processes and no
truth: while Redis is away everybody counts for itself (`None` says so) and asks again only every `_AGAIN_S` seconds,
and what an emptied Redis forgot is told again by those who hold it.

A place for an answer is a lease: held by who renews it, free soon after its process has died. Renewing and giving back
is a thread's business, so that nobody who ends an answer waits for Redis.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING

from index.errors import Unavailable

if TYPE_CHECKING:
    from worker.broker import Broker
    from worker.settings import Settings

log = logging.getLogger("folioscope.limits")

_PREFIX = "folioscope:limit:"
_LEASE_S = 30.0
_AGAIN_S = 5.0
_PATIENCE_S = 0.5

# A token bucket that holds a minute's requests. Answers how many milliseconds to wait, 0 when one was taken.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local limit = tonumber(ARGV[1])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(limit, (tonumber(kept[1]) or limit))
tokens = math.min(limit, tokens + math.max(0, now - (tonumber(kept[2]) or now)) * limit / 60000)
local wait = 0
if tokens < 1 then
  wait = math.ceil((1 - tokens) * 60000 / limit)
else
  tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], 120000)
return wait
"""

# A set of leases by their ends. Answers 1 when there was a place.
_HOLD = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""

# The leases of one key that one process still holds (ARGV from 2 on), each for another while.
_RENEW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for at = 2, #ARGV do
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[at])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return #ARGV - 1
"""

_FREE = "return redis.call('ZREM', KEYS[1], ARGV[1])"


class SharedCounts:
    """Over one broker. Thread-safe; no method raises, and none but `take` and `hold` waits for Redis."""

    def __init__(self, broker: Broker, *, lease_s: float = _LEASE_S, again_s: float = _AGAIN_S) -> None:
        self._broker = broker
        self._lease_s = lease_s
        self._again_s = again_s
        self._scripts = {text: broker.script(text) for text in (_TAKE, _HOLD, _RENEW, _FREE)}
        self._guard = threading.Lock()
        self._away_until = 0.0
        self._away = False
        self._held: dict[str, set[str]] = {}
        self._freed: list[tuple[str, str]] = []
        self._changed = threading.Event()
        self._keeper: threading.Thread | None = None
        self._closed = False

    def take(self, key_id: str, limit: int) -> float | None:
        """Take one of `limit` requests per minute: seconds until there is one, 0.0 when it was taken."""
        wait = self._ask(_TAKE, f"rate:{key_id}", limit)
        return None if wait is None else wait / 1000

    def hold(self, key_id: str, limit: int) -> str | None:
        """A ticket for one of `limit` places, None when all are taken. While Redis is away there is a ticket for
        everybody, which counts as soon as it is back.
        """
        ticket = secrets.token_hex(8)
        found = self._ask(_HOLD, f"answers:{key_id}", ticket, limit, int(self._lease_s * 1000))
        if found == 0:
            return None
        with self._guard:
            self._held.setdefault(key_id, set()).add(ticket)
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = threading.Thread(target=self._keep, name="limits", daemon=True)
                self._keeper.start()
        return ticket

    def free(self, key_id: str, ticket: str) -> None:
        """Give a place back."""
        with self._guard:
            self._held.get(key_id, set()).discard(ticket)
            self._freed.append((key_id, ticket))
        self._changed.set()

    def close(self) -> None:
        """Give back what is held, and the connection."""
        with self._guard:
            self._closed = True
            self._freed += [(key_id, ticket) for key_id, tickets in self._held.items() for ticket in tickets]
            self._held.clear()
            keeper = self._keeper
        self._changed.set()
        if keeper is not None:
            keeper.join(2 * _PATIENCE_S)
        self._broker.close()

    def _keep(self) -> None:
        """Until nothing is held: renew in time, however often something is given back, and give back at once."""
        every = self._lease_s / 3
        renew_at = time.monotonic() + every
        while True:
            self._changed.wait(max(0.0, renew_at - time.monotonic()))
            self._changed.clear()
            due = time.monotonic() >= renew_at
            if due:
                renew_at = time.monotonic() + every
            with self._guard:
                freed, self._freed = self._freed, []
                self._held = {key_id: tickets for key_id, tickets in self._held.items() if tickets}
                held = {key_id: list(tickets) for key_id, tickets in self._held.items()}
                if not freed and not held:
                    self._keeper = None
                    return
            for key_id, ticket in freed:
                self._ask(_FREE, f"answers:{key_id}", ticket)
            for key_id, tickets in held.items() if due else ():
                self._ask(_RENEW, f"answers:{key_id}", int(self._lease_s * 1000), *tickets)

    def _ask(self, script: str, key: str, *arguments: str | int) -> int | None:
        """None while Redis does not answer: one call finds out, the others go on without it for a while."""
        if time.monotonic() < self._away_until:
            return None
        try:
            found = self._scripts[script]([_PREFIX + key], arguments)
        except Unavailable as error:
            self._away_until = time.monotonic() + self._again_s
            if not self._away:
                self._away = True
                log.warning("limits of keys are counted by each process for itself: %s", error.message)
            return None
        if self._away:
            self._away = False
            log.info("limits of keys are counted over all processes again")
        return int(found)


def open_counts(settings: Settings) -> SharedCounts | None:
    """The counts of a full stack; None where one process does all."""
    if settings.broker_url is None:
        return None
    from worker.broker import Broker
    from worker.stack import celery_config

    return SharedCounts(Broker(celery_config(settings).broker_url, timeout_s=_PATIENCE_S))
