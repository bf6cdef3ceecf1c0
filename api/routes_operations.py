"""`/livez`, `/readyz` and `/metrics`, for orchestrators and monitoring."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from api import convert, examples, problems
from api.access import bearer_of
from api.config import version
from api.context import AppContext, Context
from api.metrics import CONTENT_TYPE
from api.openapi import answers
from api.schemas import LiveJSON, ReadyJSON
from api.tenants import Administrator
from index.errors import FolioscopeError

router = APIRouter(tags=["operations"])


@router.get("/livez", responses=answers(200, "The process answers.", examples.LIVE))
async def livez() -> LiveJSON:
    """Whether the process is alive. Asks nothing else."""
    return LiveJSON()


@router.get(
    "/readyz",
    response_model=ReadyJSON,
    response_model_exclude_none=True,
    responses=answers(200, "Ready.", examples.READY, "service_not_ready", "store_unavailable"),
)
async def readyz(request: Request, context: AppContext) -> ReadyJSON | Response:
    """Whether the service can take requests: asks the index. Callers with a key are told what it runs on; where keys
    are needed, others learn that it is ready, or that it is not.
    """
    known = await _is_known(request, context)
    try:
        readiness = await context.call_probe(context.service.ready)
    except FolioscopeError as error:
        if known or error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return _not_ready(context)
    if not readiness.ready or context.stopping:
        return _not_ready(context, checks=dict(readiness.checks)) if known else _not_ready(context)
    return convert.ready(readiness, version()) if known else ReadyJSON(ready=True)


async def _is_known(request: Request, context: Context) -> bool:
    """Whether the caller would be let in. No request is counted for it, and a wrong key is no error here."""
    try:
        await context.call_probe(context.ring.caller, bearer_of(request.headers))
    except FolioscopeError:
        return False
    return True


def _not_ready(context: Context, **told: object) -> Response:
    return problems.problem(
        503,
        "service_not_ready",
        "The service cannot take requests yet." if not context.stopping else "The service is stopping.",
        headers={"Retry-After": str(context.config.retry_after_s)},
        **told,
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses=answers(
        200, "Prometheus text format.", examples.METRICS, media_type="text/plain; version=0.0.4; charset=utf-8"
    ),
)
async def metrics(context: AppContext, _administrator: Administrator) -> Response:
    """Requests, latencies, errors, uploads, answers, pages by state and queue depth, of all tenants together."""
    return Response(await context.call(context.metrics.render), headers={"Content-Type": CONTENT_TYPE})
