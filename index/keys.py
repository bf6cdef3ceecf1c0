"""API keys: what they look like, and the directory that remembers them.

A key is `fsk_<id>_<secret><checksum>`: a prefix that secret scanners find, 8 hexadecimal digits that name it, 43
characters of base 62 (256 random bits) and the CRC-32 of all before it, in 6, so that a mistyped key is known
as such. It is shown once; `keys/<id>.json` (mode 0600) keeps its SHA-256. A slow hash would protect guessable
passwords; 256 random bits cannot be guessed.

A file is written whole when a key is made and replaced whole when it is revoked, so any number of processes can look
without a lock. Knows no HTTP; who may do what with a scope is the API's business.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from index.errors import InvalidRequest, NotFound, StoreUnavailable
from index.files import locked, make_directory, write_atomic

log = logging.getLogger("folioscope.keys")

PREFIX = "fsk_"
TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_CHARS = 43  # log2(62) * 43 = 256.03 bits
_CHECKSUM_CHARS = 6  # 62 ** 6 > 2 ** 32
_FORMAT = re.compile(rf"{PREFIX}([0-9a-f]{{8}})_([0-9A-Za-z]{{{_SECRET_CHARS}}})([0-9A-Za-z]{{{_CHECKSUM_CHARS}}})")
_ID = re.compile(r"[0-9a-f]{8}")
_MAX_NAME = 100
# "Last used" is for people who tidy up: once a minute is often enough for them, and cheap.
_NOTE_EVERY = timedelta(minutes=1)


class Scope(enum.StrEnum):
    """What a key may do. None includes another: a scanner's key can add and see nothing, a monitor's only measure."""

    READ = "read"  # look, search, ask
    WRITE = "write"  # add and delete
    ADMIN = "admin"  # what concerns all tenants (metrics, the overview), and the webhooks of its own


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Of one key, instead of the service's own; None leaves those."""

    requests_per_minute: int | None = None
    concurrent_answers: int | None = None
    upload_bytes_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is remembered: everything but the key. `sha256` is of the whole key, in hexadecimal."""

    key_id: str
    sha256: str
    name: str
    tenant: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    limits: KeyLimits = KeyLimits()

    def usable(self, at: datetime) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def matches(self, token: str) -> bool:
        """In a time that says nothing about how much of it is right."""
        return hmac.compare_digest(digest(token), self.sha256)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def key_id_of(token: str) -> str | None:
    """The id in a key, or None for what is no whole key of ours."""
    found = _FORMAT.fullmatch(token)
    if found is None or not hmac.compare_digest(_checksum(token[:-_CHECKSUM_CHARS]), found[3]):
        return None
    return found[1]


class KeyDirectory:
    """The keys of one data directory. Thread-safe; several processes may use it at once."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "keys"

    def create(
        self,
        *,
        name: str,
        tenant: str,
        scopes: frozenset[Scope],
        now: datetime,
        expires_at: datetime | None = None,
        limits: KeyLimits | None = None,
    ) -> tuple[str, ApiKey]:
        """A new key, and what is remembered of it. `InvalidRequest` for a tenant that cannot be one, or no name."""
        shown = " ".join(name.split())[:_MAX_NAME]
        if not shown:
            raise InvalidRequest("A key needs a name that says whose it is.")
        if not TENANT.fullmatch(tenant):
            raise InvalidRequest(f"{tenant[:100]!r} cannot name a tenant: up to 64 of a-z, 0-9, - and _.")
        if not scopes:
            raise InvalidRequest("A key needs at least one scope: read, write, admin.")
        while True:
            key_id = secrets.token_hex(4)
            body = f"{PREFIX}{key_id}_{''.join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARS))}"
            token = body + _checksum(body)
            key = ApiKey(key_id, digest(token), shown, tenant, scopes, now, expires_at, limits=limits or KeyLimits())
            if write_atomic(self._path(key_id), _dump(key), mode=0o600):
                return token, key

    def get(self, key_id: str) -> ApiKey | None:
        """`StoreUnavailable` when its file is there and cannot be read."""
        if not _ID.fullmatch(key_id):
            return None
        path = self._path(key_id)
        try:
            return _load(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("the key file %s cannot be read: %s", path, error)
            raise StoreUnavailable(f"The key {key_id} cannot be checked now; the log says why.") from None

    def all(self) -> list[ApiKey]:
        """All, oldest first, revoked and expired ones included."""
        found = [self.get(path.stem) for path in self._files()]
        return sorted((key for key in found if key), key=lambda key: (key.created_at, key.key_id))

    def exists(self) -> bool:
        """Whether there ever was a key, which closes what is open without one. A revoked key counts."""
        return bool(self._files())

    def revoke(self, key_id: str, now: datetime) -> ApiKey:
        """`NotFound` for an unknown id. A key that was revoked before stays as it was."""
        make_directory(self._root)
        with locked(self._root / "lock"):
            key = self.get(key_id)
            if key is None:
                raise NotFound(f"There is no key {key_id[:100]}. `folioscope keys list` shows all.")
            if key.revoked_at is None:
                key = replace(key, revoked_at=now)
                write_atomic(self._path(key_id), _dump(key), replace=True, mode=0o600)
            return key

    def note_use(self, key_id: str, at: datetime) -> None:
        """Remember when it was used, to the minute. Losing it harms nothing, so nothing waits for the disk."""
        last = self.last_used(key_id)
        if last is not None and abs(at - last) < _NOTE_EVERY:  # a clock may have been set back
            return
        path = self._root / f"{key_id}.used"
        with suppress(OSError):
            path.touch()
            os.utime(path, (at.timestamp(), at.timestamp()))

    def last_used(self, key_id: str) -> datetime | None:
        try:
            return datetime.fromtimestamp((self._root / f"{key_id}.used").stat().st_mtime, UTC)
        except OSError:
            return None

    def session_secret(self) -> bytes:
        """What all API processes sign short-lived sessions with; made at the first call, write-once."""
        path = self._root / "session.secret"
        if not path.exists():
            write_atomic(path, secrets.token_hex(32).encode(), mode=0o600)
        return path.read_bytes()

    def _path(self, key_id: str) -> Path:
        return self._root / f"{key_id}.json"

    def _files(self) -> list[Path]:
        return [path for path in self._root.glob("*.json") if _ID.fullmatch(path.stem)]


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), []
    for _ in range(_CHECKSUM_CHARS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _dump(key: ApiKey) -> bytes:
    content = asdict(key) | {"scopes": sorted(key.scopes)}
    return json.dumps(content, default=datetime.isoformat, indent=1).encode()


def _load(content: bytes) -> ApiKey:
    found = json.loads(content)
    for name in ("created_at", "expires_at", "revoked_at"):
        found[name] = datetime.fromisoformat(found[name]) if found[name] else None
    scopes = frozenset(Scope(scope) for scope in found.pop("scopes"))
    return ApiKey(**found | {"scopes": scopes, "limits": KeyLimits(**found["limits"])})
