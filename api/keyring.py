"""Who is calling: the answer to a bearer key, a session cookie, or neither.

`KeyRing` remembers what it read of a key for `FRESH_S`, so that revoking takes effect within that time in every API
process, and a request seldom costs a look at the disk. Sessions are signed, not stored: any process can check them, and
they end with their key. They carry the read scope at most (see `api.access` for where they count at all).
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from api.problems import KeyNotValid, KeyRequired
from index.keys import ApiKey, KeyDirectory, Scope, digest, key_id_of

FRESH_S = 2.0
SESSION_S = 15 * 60
DEFAULT_TENANT = "default"
ALL_SCOPES = frozenset(Scope)
INITIAL_ID = "initial"  # of the key in FOLIOSCOPE_INITIAL_KEY; no file has this name

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """`key` is None for the local user of an open service."""

    tenant: str
    scopes: frozenset[Scope]
    key: ApiKey | None = None


LOCAL_USER = Caller(DEFAULT_TENANT, ALL_SCOPES)


class KeyRing:
    """Without `directory` everybody is the local user. `required` closes the service even while there is no key;
    `trusted` keeps it open to whoever gives none, for a command line that runs the service in its own process.
    """

    def __init__(
        self,
        directory: KeyDirectory | None = None,
        *,
        initial_key: str | None = None,
        required: bool = False,
        trusted: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory = directory
        self._initial = _initial(initial_key, now()) if initial_key else None
        self._trusted = trusted
        self._closed = required or self._initial is not None
        self._now = now
        self._guard = threading.Lock()
        self._seen: dict[str, tuple[ApiKey | None, float]] = {}
        self._noted: dict[str, float] = {}
        self._looked_at = float("-inf")
        self._secret = b""

    @property
    def open(self) -> bool:
        """Whether there are no keys to look at, and never will be."""
        return self._directory is None

    def has_usable(self) -> bool:
        """Whether anybody could come in with a key."""
        if self._initial:
            return True
        return self._directory is not None and any(key.usable(self._now()) for key in self._directory.all())

    def caller(self, token: str | None) -> Caller:
        """May read files. `KeyRequired`, `KeyNotValid`, `StoreUnavailable`."""
        if self._directory is None:
            return LOCAL_USER
        if token is None:
            if self._trusted or not self._is_closed():
                return LOCAL_USER
            raise KeyRequired("This needs a key: send it as `Authorization: Bearer fsk_…`.")
        if self._initial is not None and self._initial.matches(token):
            return _caller(self._initial)
        key_id = key_id_of(token)
        key = self._find(key_id) if key_id else None
        if key is None or not key.matches(token):
            if not self._is_closed():
                return LOCAL_USER  # clients that cannot go without a key send any
            raise KeyNotValid("There is no such key. Was it copied whole?")
        return self._admit(key)

    def session(self, caller: Caller) -> tuple[str, datetime]:
        """A cookie's value for the caller's key, and when it ends. The local user needs none."""
        assert caller.key is not None
        expires = int(self._now().timestamp()) + SESSION_S
        return self._sign(f"{caller.key.key_id}.{expires}", caller.key), datetime.fromtimestamp(expires, UTC)

    def caller_of_session(self, cookie: str) -> Caller:
        """May read files. `KeyNotValid` for one that ended, was tampered with, or whose key is revoked; where no key is
        needed it may be another service's on the same machine, since browsers send it to every port.
        """
        body, _, _ = cookie.rpartition(".")
        key_id, _, expires = body.partition(".")
        key = self._find(key_id)
        ours = key is not None and cookie.isascii() and hmac.compare_digest(self._sign(body, key), cookie)
        if not ours or int(expires) <= self._now().timestamp():
            if not self._is_closed():
                return LOCAL_USER
            raise KeyNotValid("The session has ended; sign in again.")
        caller = self._admit(key)
        return Caller(caller.tenant, caller.scopes & {Scope.READ}, caller.key)

    def _admit(self, key: ApiKey) -> Caller:
        if not key.usable(self._now()):
            raise KeyNotValid("This key was revoked." if key.revoked_at else "This key has expired.")
        if key is not self._initial:
            self._note_use(key.key_id)
        return _caller(key)

    def _note_use(self, key_id: str) -> None:
        """Only of who had the whole key: its id is no secret, and "last used" says whether it can be revoked."""
        at = time.monotonic()
        with self._guard:
            if at - self._noted.get(key_id, float("-inf")) < FRESH_S:
                return
            self._noted[key_id] = at
        assert self._directory is not None
        self._directory.note_use(key_id, self._now())

    def _find(self, key_id: str) -> ApiKey | None:
        if self._initial is not None and key_id == INITIAL_ID:
            return self._initial
        assert self._directory is not None
        with self._guard:
            known, at = self._seen.get(key_id, (None, float("-inf")))
            if time.monotonic() - at < FRESH_S:
                return known
        started_at = time.monotonic()  # what is revoked while we read must not count as fresh for longer
        key = self._directory.get(key_id)
        if key is not None:
            with self._guard:
                if len(self._seen) >= _MOST_REMEMBERED:
                    self._seen.clear()
                self._seen[key_id] = (key, started_at)
        return key

    def _is_closed(self) -> bool:
        """Once there is a key, the service stays closed until it ends, whatever happens to the files."""
        if not self._closed and time.monotonic() - self._looked_at >= FRESH_S:
            self._looked_at = time.monotonic()
            assert self._directory is not None
            self._closed = self._directory.exists()
        return self._closed

    def _sign(self, body: str, key: ApiKey) -> str:
        """With the key's hash: the initial key may be another at the next start, under the same id."""
        if not self._secret:
            assert self._directory is not None
            self._secret = self._directory.session_secret()
        signed = f"{body}.{key.sha256}".encode("utf-8", "surrogateescape")
        mark = hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        return f"{body}.{mark}"


def _caller(key: ApiKey) -> Caller:
    return Caller(key.tenant, key.scopes, key)


def _initial(token: str, now: datetime) -> ApiKey:
    return ApiKey(INITIAL_ID, digest(token), "FOLIOSCOPE_INITIAL_KEY", DEFAULT_TENANT, ALL_SCOPES, now)
