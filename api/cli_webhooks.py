"""`folioscope webhooks`: registered, listed, given new secrets and removed in the data directory itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from api.cli_output import ERROR, OK, PARTIAL, Output, safe
from api.webhook_facts import facts
from index.errors import NotFound
from worker.settings import Settings
from worker.webhooks.desk import HookView, Webhooks
from worker.webhooks.hooks import EVENTS
from worker.webhooks.targets import HostRules


def add(output: Output, settings: Settings, *, url: str, tenant: str, events: tuple[str, ...]) -> int:
    hook = _desk(settings).register(tenant, url, events or EVENTS)
    if output.as_json:
        output.json({"secret": hook.secret, **_shown(HookView(hook, 0, (), None))})
        return OK
    output.note(f"Webhook {hook.hook_id} for tenant {hook.tenant}: {', '.join(hook.events)}. Its secret, this once:")
    # Unstyled and alone on its line, for `$(…)` and for copying.
    click.echo(hook.secret)
    return OK


def rotate(output: Output, settings: Settings, webhook_id: str, *, tenant: str, overlap_hours: float) -> int:
    view = _desk(settings).rotate(tenant, webhook_id, timedelta(hours=overlap_hours))
    hook = view.hook
    until = hook.rotating_until(datetime.now(UTC))
    if output.as_json:
        output.json({"secret": hook.secret, **_shown(view)})
        return OK
    former = f"signs too until {until:%Y-%m-%d %H:%M} UTC" if until else "signs nothing any more"
    output.note(f"Webhook {hook.hook_id} has a new secret; the former one {former}. The new one, this once:")
    click.echo(hook.secret)
    return OK


def show(output: Output, settings: Settings, *, tenant: str) -> int:
    table = Table(box=None, pad_edge=False)
    for column in ("id", "url", "events", "state", "waiting", "given up"):
        table.add_column(column, no_wrap=column == "id")
    views = _desk(settings).list(tenant)
    for view in views:
        hook = view.hook
        if output.as_json:
            output.json(_shown(view))
        events = " ".join(event.removeprefix("document.") for event in hook.events)
        row = (Text(_state(view)), str(view.waiting), str(len(view.failed)))
        table.add_row(hook.hook_id, Text(safe(hook.url)), events, *row)
    if not views:
        output.note(f"There are no webhooks of tenant {safe(tenant)}: folioscope webhooks add URL")
    elif not output.as_json:
        output.out.print(table)
    return OK


def _state(view: HookView) -> str:
    if view.hook.disabled:
        return f"disabled: {safe(view.hook.disabled)}"
    if not view.retrying:
        return "good"
    message = view.retrying[0]
    next_try = datetime.fromtimestamp(message.next_at, UTC)
    return f"{safe(message.last_error)} (attempt {message.attempts}); the next at {next_try:%Y-%m-%d %H:%M:%S} UTC"


def remove(output: Output, settings: Settings, webhook_ids: tuple[str, ...], *, tenant: str) -> int:
    desk = _desk(settings)
    removed = 0
    for webhook_id in webhook_ids:
        try:
            desk.delete(tenant, webhook_id)
        except NotFound as error:  # one mistyped id must not leave the others there
            output.error(error.message)
            continue
        removed += 1
        if output.as_json:
            output.json({"id": webhook_id, "tenant": tenant})
        output.say(f"removed {webhook_id}")
    return OK if removed == len(webhook_ids) else PARTIAL if removed else ERROR


def _desk(settings: Settings) -> Webhooks:
    # Documents that are being read now are found by the service, at its next look.
    return Webhooks(settings.data_dir / "webhooks", HostRules(settings.webhook_hosts, settings.webhook_networks))


def _shown(view: HookView) -> dict[str, Any]:
    """Everything but the secret."""
    told = facts(view)
    return _spelled({"id": told["id"], "tenant": view.hook.tenant, **told})


def _spelled(value: Any) -> Any:
    """With times as text, for JSON."""
    if isinstance(value, dict):
        return {name: _spelled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_spelled(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value
