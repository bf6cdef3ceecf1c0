"""`folioscope keys`: made, listed and revoked in the data directory itself, whether a service runs on it or not."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from api.cli_output import ERROR, OK, PARTIAL, Output, safe
from index.errors import NotFound
from index.keys import ApiKey, KeyDirectory, KeyLimits, Scope
from worker.settings import Settings

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=365)}
_LONGEST = 100 * _UNITS["y"]
_MOST_DIGITS = 9  # of a hundred years in minutes there are eight


def lifetime_of(value: str) -> timedelta:
    """`90d`, `12h`, `1y`: from now on."""
    number, unit = value[:-1], value[-1:]
    if not (number.isascii() and number.isdecimal() and unit in _UNITS):
        raise _refused(f"{value!r} is no length of time: write 30m, 12h, 90d or 1y.")
    if len(number) > _MOST_DIGITS or not 0 < int(number) <= _LONGEST // _UNITS[unit]:
        raise _refused("a key is good for some time, and for at most 100 years; without this option it never expires.")
    return int(number) * _UNITS[unit]


def _refused(why: str) -> click.BadParameter:
    return click.BadParameter(why, param_hint="'--expires'")


def create(
    output: Output,
    settings: Settings,
    *,
    name: str,
    tenant: str,
    scopes: tuple[str, ...],
    lifetime: timedelta | None,
    limits: KeyLimits,
) -> int:
    now = datetime.now(UTC)
    token, key = KeyDirectory(settings.data_dir).create(
        name=name,
        tenant=tenant,
        scopes=frozenset(map(Scope, scopes)),
        now=now,
        expires_at=None if lifetime is None else now + lifetime,
        limits=limits,
    )
    if output.as_json:
        output.json({"key": token, **_shown(key, None)})
        return OK
    output.note(f"Key {key.key_id} for tenant {key.tenant}: {', '.join(sorted(key.scopes))}. It is shown this once:")
    # Unstyled and alone on its line, for `$(…)` and for copying.
    click.echo(token)
    return OK


def show(output: Output, settings: Settings) -> int:
    directory = KeyDirectory(settings.data_dir)
    table = Table(box=None, pad_edge=False)
    for column in ("id", "name", "tenant", "scopes", "state", "created", "last used"):
        table.add_column(column, no_wrap=column in {"id", "state"})
    keys = directory.all()
    now = datetime.now(UTC)
    for key in keys:
        used = directory.last_used(key.key_id)
        if output.as_json:
            output.json(_shown(key, used))
        state = _state(key, now)
        table.add_row(
            key.key_id,
            Text(safe(key.name)),
            key.tenant,
            " ".join(sorted(key.scopes)),
            Text(state, style="" if state == "good" else "dim"),
            f"{key.created_at:%Y-%m-%d}",
            f"{used:%Y-%m-%d %H:%M}" if used else "never",
        )
    if not keys:
        output.note("There are no keys: folioscope keys create --name NAME")
    elif not output.as_json:
        output.out.print(table)
    return OK


def revoke(output: Output, settings: Settings, key_ids: tuple[str, ...]) -> int:
    directory = KeyDirectory(settings.data_dir)
    revoked = 0
    for key_id in key_ids:
        try:
            key = directory.revoke(key_id, datetime.now(UTC))
        except NotFound as error:  # one mistyped id must not leave the others good
            output.error(error.message)
            continue
        revoked += 1
        if output.as_json:
            output.json(_shown(key, directory.last_used(key_id)))
        output.say(f"revoked {key.key_id} ({safe(key.name)}); running services refuse it within 5 seconds")
    return OK if revoked == len(key_ids) else PARTIAL if revoked else ERROR


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    if not key.usable(now):
        return "expired"
    return f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "good"


def _shown(key: ApiKey, used: datetime | None) -> dict[str, Any]:
    """Everything but the hash."""
    at = {name: getattr(key, name) for name in ("created_at", "expires_at", "revoked_at")} | {"last_used_at": used}
    return {
        "id": key.key_id,
        "name": key.name,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
        **{name: value.isoformat() if value else None for name, value in at.items()},
        "limits": asdict(key.limits),
    }
