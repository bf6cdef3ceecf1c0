"""The JSON of `/v1/webhooks`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas import Model
from worker.webhooks.hooks import DEFAULT_OVERLAP, MAX_OVERLAP
from worker.webhooks.targets import MAX_URL

EventName = Literal["document.done", "document.partial", "document.failed"]
_ALL: list[EventName] = ["document.done", "document.partial", "document.failed"]


class WebhookRequestJSON(Model):
    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=MAX_URL, description="Where to send; its host has to be named in the settings.")
    events: list[EventName] = Field(default=_ALL, min_length=1, max_length=3, description="What to tell.")


class DeliveryJSON(Model):
    """A message that was given up; `error` says why it was not taken the last time."""

    message_id: str
    type: str
    document_id: str
    attempts: int
    error: str
    created_at: datetime


class RetryJSON(DeliveryJSON):
    """A message that was not taken and is tried again."""

    next_try_at: datetime


class WebhookJSON(Model):
    """`waiting` messages are still to be sent; `retrying` are those of them that were not taken the last time, the next
    to be tried first; `failed` ones were given up, the newest first. Of both 20 at most are listed.
    """

    id: str
    url: str
    events: list[EventName]
    created_at: datetime
    disabled: str | None = None  # why nothing is sent any more
    last_success_at: datetime | None = None
    rotating_until: datetime | None = None  # until when messages are signed with a former secret too
    waiting: int = 0
    retrying: list[RetryJSON] = Field(default_factory=list)
    failed: list[DeliveryJSON] = Field(default_factory=list)


class NewWebhookJSON(WebhookJSON):
    secret: str  # shown this once


class RotationRequestJSON(Model):
    model_config = ConfigDict(extra="forbid")

    overlap_hours: float = Field(
        default=DEFAULT_OVERLAP.total_seconds() / 3600,
        ge=0,
        le=MAX_OVERLAP.total_seconds() / 3600,
        allow_inf_nan=False,
        description="How long messages are signed with the former secret too; 0: it ends at once.",
    )


class WebhooksJSON(Model):
    items: list[WebhookJSON]


class WebhookTestJSON(Model):
    """What came of a test message. `status`: of the answer, null when there was none."""

    delivered: bool
    status: int | None
    detail: str
    took_ms: float
