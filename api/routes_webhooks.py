"""`/v1/webhooks`: who is told that a document was read. For administrators, each for the tenant of its key."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Path, Response

from api import examples_webhooks as examples
from api.context import AppContext
from api.openapi import answers, empty
from api.schemas_webhooks import (
    NewWebhookJSON,
    RotationRequestJSON,
    WebhookJSON,
    WebhookRequestJSON,
    WebhooksJSON,
    WebhookTestJSON,
)
from api.tenants import Administrator
from api.webhook_facts import facts
from worker.webhooks.desk import HookView
from worker.webhooks.sender import explain

router = APIRouter(tags=["webhooks"])

_A_DAY = RotationRequestJSON()
WebhookId = Annotated[str, Path(description="A webhook's id.", examples=[examples.WEBHOOK_ID])]


@router.post(
    "/v1/webhooks",
    status_code=201,
    responses=answers(
        201,
        "Registered. The secret is shown this once.",
        examples.NEW_WEBHOOK,
        "bad_request",
        "origin_not_allowed",
        "too_large",
        "unsupported_media_type",
        "invalid_request",
        "webhook_not_allowed",
        "too_many_webhooks",
        "storage_full",
    ),
)
async def add_webhook(
    context: AppContext,
    administrator: Administrator,
    asked: Annotated[
        WebhookRequestJSON, Body(openapi_examples={"all": {"summary": "All ends", "value": examples.WEBHOOK_REQUEST}})
    ],
) -> NewWebhookJSON:
    """Tell a URL of every document of the key's tenant whose reading ends from now on.

    Messages are signed as Standard Webhooks says, with the secret of this answer.
    """
    hook = await context.call(context.service.webhooks.register, administrator.tenant, asked.url, asked.events)
    return NewWebhookJSON(**facts(HookView(hook, 0, (), None)), secret=hook.secret)


@router.get("/v1/webhooks", responses=answers(200, "All of this tenant, oldest first.", examples.WEBHOOKS))
async def list_webhooks(context: AppContext, administrator: Administrator) -> WebhooksJSON:
    """The webhooks of the key's tenant, what waits for each, why it was not taken yet, and what was given up.

    Secrets are not among it.
    """
    views = await context.call(context.service.webhooks.list, administrator.tenant)
    return WebhooksJSON(items=[WebhookJSON(**facts(view)) for view in views])


@router.delete(
    "/v1/webhooks/{webhook_id}",
    status_code=204,
    response_class=Response,
    responses=empty(204, "It is forgotten.", "origin_not_allowed", "not_found", "invalid_request"),
)
async def delete_webhook(webhook_id: WebhookId, context: AppContext, administrator: Administrator) -> Response:
    """Forget a webhook, with all that waits for it."""
    await context.call(context.service.webhooks.delete, administrator.tenant, webhook_id)
    return Response(status_code=204)


@router.post(
    "/v1/webhooks/{webhook_id}/rotate",
    responses=answers(
        200,
        "It has a new secret, which is shown this once.",
        examples.ROTATED_WEBHOOK,
        "bad_request",
        "origin_not_allowed",
        "not_found",
        "too_large",
        "unsupported_media_type",
        "invalid_request",
        "storage_full",
    ),
)
async def rotate_webhook(
    webhook_id: WebhookId,
    context: AppContext,
    administrator: Administrator,
    asked: Annotated[
        RotationRequestJSON, Body(openapi_examples={"day": {"summary": "A day", "value": examples.ROTATION_REQUEST}})
    ] = _A_DAY,
) -> NewWebhookJSON:
    """Give a webhook a new secret. Messages are signed with the former one too for a while, so that none is refused.

    `overlap_hours` says how long; with 0 the former secret ends at once, as where it has become known.
    """
    overlap = timedelta(hours=asked.overlap_hours)
    view = await context.call(context.service.webhooks.rotate, administrator.tenant, webhook_id, overlap)
    return NewWebhookJSON(**facts(view), secret=view.hook.secret)


@router.post(
    "/v1/webhooks/{webhook_id}/test",
    responses=answers(
        200,
        "Tried; `delivered` says whether it was taken.",
        examples.WEBHOOK_TEST,
        "origin_not_allowed",
        "not_found",
        "invalid_request",
    ),
)
async def test_webhook(webhook_id: WebhookId, context: AppContext, administrator: Administrator) -> WebhookTestJSON:
    """Send a message of type `webhook.test`, now and once. A disabled webhook that takes it is enabled again."""
    outcome, seconds = await context.call_waiting(context.service.webhooks.test, administrator.tenant, webhook_id)
    return WebhookTestJSON(
        delivered=outcome.taken,
        status=outcome.status,
        detail=explain(outcome),
        took_ms=round(seconds * 1000, 1),
    )
