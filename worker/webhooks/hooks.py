"""Who wants to be told: the registered hooks of each tenant, their secrets, and the signature of a message.

Signed as Standard Webhooks says (https://github.com/standard-webhooks/standard-webhooks, version 1): HMAC-SHA256 over
`id.timestamp.body`, keyed with the bytes behind `whsec_`. The secret is shown once; its file
(`hooks/<tenant>/<id>.json`, mode 0600) has to keep it as it is, since signing needs it. `<id>.off` says since when and
why a hook is disabled.

A secret is replaced without a break: for a while messages carry the signatures of the former one too, as the standard
says, so that a receiver takes them with whichever it has (`Hooks.rotate`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from index.errors import Conflict, InvalidRequest, NotFound
from index.files import locked, remove, write_atomic

log = logging.getLogger("folioscope.webhooks")

EVENTS = ("document.done", "document.partial", "document.failed")
TEST_EVENT = "webhook.test"
MAX_HOOKS = 20
"""Of one tenant."""
DEFAULT_OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=7)
MAX_FORMER = 3
"""Former secrets that sign beside the new one: each makes every message a signature longer."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ID = re.compile(r"[0-9a-f]{32}")
_SECRET_BYTES = 32
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Former:
    """A secret that was replaced, and signs beside the new one `until` then."""

    secret: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Hook:
    """`disabled`: why nothing is sent any more."""

    hook_id: str
    tenant: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    secret: str = field(repr=False)
    disabled: str | None = None
    former: tuple[Former, ...] = field(default=(), repr=False)

    def secrets(self, now: datetime) -> list[str]:
        """What messages are signed with, the newest first."""
        return [self.secret, *(one.secret for one in self.former if now < one.until)]

    def rotating_until(self, now: datetime) -> datetime | None:
        """How long a former secret still signs; None where none does."""
        return max((one.until for one in self.former if now < one.until), default=None)


def new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature of `webhook-signature`, which holds one for each secret, separated by spaces."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    mark = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mark).decode()


class Hooks:
    """The hooks of one data directory. Any number of processes may use it at once."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "hooks"

    def add(self, tenant: str, url: str, events: Sequence[str], now: datetime) -> Hook:
        """A new hook with its secret. `InvalidRequest`, `Conflict` (`too_many_webhooks`)."""
        if not _TENANT.fullmatch(tenant):
            raise InvalidRequest(f"{tenant[:100]!r} cannot name a tenant: up to 64 of a-z, 0-9, - and _.")
        unknown = set(events) - set(EVENTS)
        if unknown or not events:
            raise InvalidRequest(f"Events are {', '.join(EVENTS)}; one at least.")
        if len(self.all(tenant)) >= MAX_HOOKS:
            raise Conflict(f"There are {MAX_HOOKS} webhooks; delete one first.", code="too_many_webhooks")
        wanted = tuple(event for event in EVENTS if event in events)
        hook = Hook(secrets.token_hex(16), tenant, url, wanted, now, new_secret())
        self._write(hook)
        return hook

    def rotate(self, tenant: str, hook_id: str, overlap: timedelta, now: datetime) -> Hook:
        """A new secret; the former one signs beside it for `overlap`, and so do those of rotations before whose time is
        not over, `MAX_FORMER` in all. Without overlap all former ones end at once. `NotFound`, `InvalidRequest`.
        """
        if not timedelta() <= overlap <= MAX_OVERLAP:
            raise InvalidRequest(f"Both secrets sign for 0 to {MAX_OVERLAP.days * 24} hours.")
        with self._changing(tenant):
            hook = self.get(tenant, hook_id)
            former = (Former(hook.secret, now + overlap), *hook.former) if overlap else ()
            kept = tuple(one for one in former if now < one.until)[:MAX_FORMER]
            changed = replace(hook, secret=new_secret(), former=kept)
            self._write(changed, over=True)
        log.info("webhook %s of tenant %s has a new secret", hook_id, tenant)
        return changed

    def forget_former(self, tenant: str, now: datetime) -> None:
        """Remove secrets whose time is over from the files."""
        for hook in self.all(tenant):
            if any(one.until <= now for one in hook.former):
                with self._changing(tenant), suppress(NotFound):
                    hook = self.get(tenant, hook.hook_id)  # noqa: PLW2901 as it is now
                    self._write(replace(hook, former=tuple(one for one in hook.former if now < one.until)), over=True)

    def get(self, tenant: str, hook_id: str) -> Hook:
        """`NotFound` for an unknown id and for another tenant's alike."""
        if not _TENANT.fullmatch(tenant) or not _ID.fullmatch(hook_id):
            raise _unknown()
        try:
            found = json.loads(self._path(tenant, hook_id).read_bytes())
            at = datetime.fromisoformat(found["created_at"])
            former = tuple(
                Former(one["secret"], datetime.fromisoformat(one["until"])) for one in found.get("former", ())
            )
            off = self._off(tenant, hook_id)
            return Hook(hook_id, tenant, found["url"], tuple(found["events"]), at, found["secret"], off, former)
        except FileNotFoundError:
            raise _unknown() from None
        except (ValueError, KeyError, TypeError) as error:
            log.error("the webhook %s cannot be read: %s", hook_id, type(error).__name__)
            raise _unknown() from None

    def all(self, tenant: str) -> list[Hook]:
        """Oldest first."""
        found = []
        for path in (self._root / tenant).glob("*.json") if _TENANT.fullmatch(tenant) else ():
            with suppress(NotFound):
                found.append(self.get(tenant, path.stem))
        return sorted(found, key=lambda hook: (hook.created_at, hook.hook_id))

    def tenants(self) -> Iterator[str]:
        """Those that have hooks."""
        with suppress(FileNotFoundError):
            for path in self._root.iterdir():
                if _TENANT.fullmatch(path.name) and any(path.glob("*.json")):
                    yield path.name

    def delete(self, tenant: str, hook_id: str) -> None:
        """`NotFound`."""
        with self._changing(tenant):
            self.get(tenant, hook_id)
            for suffix in ("json", "off", "ok"):
                remove(self._path(tenant, hook_id, suffix))

    def disable(self, hook: Hook, reason: str, now: datetime) -> None:
        log.warning("webhook %s of tenant %s is disabled: %s", hook.hook_id, hook.tenant, reason)
        content = {"at": now.isoformat(), "reason": reason}
        write_atomic(self._path(hook.tenant, hook.hook_id, "off"), json.dumps(content).encode(), replace=True)

    def succeeded(self, hook: Hook, at: float) -> None:
        """A message was taken: remembered for `last_success`, and a hook that was disabled works again."""
        if hook.disabled is not None:
            remove(self._path(hook.tenant, hook.hook_id, "off"))
        path = self._path(hook.tenant, hook.hook_id, "ok")
        with suppress(OSError):
            path.touch()
            os.utime(path, (at, at))

    def last_success(self, hook: Hook) -> datetime | None:
        try:
            return datetime.fromtimestamp(self._path(hook.tenant, hook.hook_id, "ok").stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def _write(self, hook: Hook, *, over: bool = False) -> None:
        former = [{"secret": one.secret, "until": one.until.isoformat()} for one in hook.former]
        content = {
            "url": hook.url,
            "events": hook.events,
            "created_at": hook.created_at.isoformat(),
            "secret": hook.secret,
            **({"former": former} if former else {}),
        }
        path = self._path(hook.tenant, hook.hook_id)
        write_atomic(path, json.dumps(content, indent=1).encode(), replace=over, mode=0o600)

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[None]:
        """One at a time, of all processes: of two that give a hook a new secret at once, both secrets sign."""
        folder = self._root / tenant
        if not _TENANT.fullmatch(tenant) or not folder.is_dir():
            raise _unknown()
        with locked(folder / "lock"):
            yield

    def _off(self, tenant: str, hook_id: str) -> str | None:
        try:
            return str(json.loads(self._path(tenant, hook_id, "off").read_bytes())["reason"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return "disabled"

    def _path(self, tenant: str, hook_id: str, suffix: str = "json") -> Path:
        return self._root / tenant / f"{hook_id}.{suffix}"


def _unknown() -> NotFound:
    return NotFound("There is no such webhook.")
