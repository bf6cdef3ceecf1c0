"""Commands that work on the data directory itself, in groups: `folioscope keys` and `folioscope webhooks`."""

from __future__ import annotations

from typing import Any

import click

from api.cli_options import WholeRange
from api.cli_options import as_json as _json
from api.cli_options import data as _data
from api.cli_options import output as _output
from api.cli_settings import settings as _settings


@click.group()
def keys() -> None:
    """Make, list and revoke API keys. Works whether or not a service runs."""


@keys.command("create")
@click.option("--name", required=True, help="Whose key this is, for people.")
@click.option("--tenant", default="default", show_default=True, help="Whose documents it opens.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "write", "admin"]),
    multiple=True,
    default=("read", "write"),
    show_default=True,
    help="What it may do (repeatable).",
)
@click.option("--expires", "lifetime", metavar="TIME", help="How long it is good for: 12h, 90d, 1y.")
@click.option("--requests-per-minute", type=WholeRange(0), help="Instead of the service's own limit; 0: none.")
@click.option("--answers", type=WholeRange(0), help="Answers at once, instead of the service's own limit.")
@click.option("--bytes-per-day", type=WholeRange(0), help="Of uploads, instead of the service's own limit.")
@_data
@_json
def create_key(name: str, tenant: str, scopes: tuple[str, ...], lifetime: str | None, **options: Any) -> int:
    """Make a key, and show it this once."""
    from api import cli_keys
    from index.keys import KeyLimits

    return cli_keys.create(
        _output(options),
        _settings(options["data"]),
        name=name,
        tenant=tenant,
        scopes=scopes,
        lifetime=None if lifetime is None else cli_keys.lifetime_of(lifetime),
        limits=KeyLimits(options["requests_per_minute"], options["answers"], options["bytes_per_day"]),
    )


@keys.command("list")
@_data
@_json
def list_keys(**options: Any) -> int:
    """List all keys, revoked ones included."""
    from api import cli_keys

    return cli_keys.show(_output(options), _settings(options["data"]))


@keys.command("revoke")
@click.argument("key_ids", metavar="ID...", nargs=-1, required=True)
@_data
@_json
def revoke_keys(key_ids: tuple[str, ...], **options: Any) -> int:
    """Take keys back: running services refuse them within 5 seconds."""
    from api import cli_keys

    return cli_keys.revoke(_output(options), _settings(options["data"]), key_ids)


@click.group()
def webhooks() -> None:
    """Register, list, rotate and remove webhooks. Works whether or not a service runs."""


@webhooks.command("add")
@click.argument("url")
@click.option("--tenant", default="default", show_default=True, help="Of whose documents it is told.")
@click.option(
    "--event",
    "events",
    type=click.Choice(["document.done", "document.partial", "document.failed"]),
    multiple=True,
    help="What it is told (repeatable); all if none is given.",
)
@_data
@_json
def add_webhook(url: str, tenant: str, events: tuple[str, ...], **options: Any) -> int:
    """Tell URL of documents whose reading ends. The secret is shown this once."""
    from api import cli_webhooks

    settings = _settings(options["data"])
    return cli_webhooks.add(_output(options), settings, url=url, tenant=tenant, events=events)


@webhooks.command("list")
@click.option("--tenant", default="default", show_default=True, help="Whose.")
@_data
@_json
def list_webhooks(tenant: str, **options: Any) -> int:
    """List webhooks, what waits for each, and what was given up."""
    from api import cli_webhooks

    return cli_webhooks.show(_output(options), _settings(options["data"]), tenant=tenant)


@webhooks.command("rotate")
@click.argument("webhook_id", metavar="ID")
@click.option("--tenant", default="default", show_default=True, help="Whose.")
@click.option(
    "--overlap-hours",
    type=click.FloatRange(0, 168),
    default=24.0,
    show_default=True,
    help="How long the former secret signs too; 0: it ends at once.",
)
@_data
@_json
def rotate_webhook(webhook_id: str, tenant: str, overlap_hours: float, **options: Any) -> int:
    """Give a webhook a new secret, and show it this once."""
    from api import cli_webhooks

    settings = _settings(options["data"])
    return cli_webhooks.rotate(_output(options), settings, webhook_id, tenant=tenant, overlap_hours=overlap_hours)


@webhooks.command("rm")
@click.argument("webhook_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--tenant", default="default", show_default=True, help="Whose.")
@_data
@_json
def remove_webhooks(webhook_ids: tuple[str, ...], tenant: str, **options: Any) -> int:
    """Forget webhooks, with all that waits for them."""
    from api import cli_webhooks

    return cli_webhooks.remove(_output(options), _settings(options["data"]), webhook_ids, tenant=tenant)
