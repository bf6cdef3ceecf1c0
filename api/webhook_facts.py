"""What is told of a webhook, to programs that ask the API and to those that ask the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from worker.webhooks.desk import HookView
from worker.webhooks.outbox import Message


def facts(view: HookView) -> dict[str, Any]:
    """Everything but the secret, in the shape of `WebhookJSON`; times are `datetime`s."""
    hook = view.hook
    return {
        "id": hook.hook_id,
        "url": hook.url,
        "events": list(hook.events),
        "created_at": hook.created_at,
        "disabled": hook.disabled,
        "last_success_at": view.last_success,
        "rotating_until": hook.rotating_until(datetime.now(UTC)),
        "waiting": view.waiting,
        "retrying": [{**_delivery(one), "next_try_at": _moment(one.next_at)} for one in view.retrying],
        "failed": [_delivery(one) for one in view.failed],
    }


def _delivery(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "type": message.kind,
        "document_id": message.about,
        "attempts": message.attempts,
        "error": message.last_error,
        "created_at": _moment(message.created_at),
    }


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
