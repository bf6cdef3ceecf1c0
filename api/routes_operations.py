"""`/livez`, `/readyz` and `/metrics`, for orchestrators and monitoring."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api import convert, examples, problems
from api.config import version
from api.context import AppContext
from api.metrics import CONTENT_TYPE
from api.openapi import answers
from api.schemas import LiveJSON, ReadyJSON
from api.tenants import Administrator

router = APIRouter(tags=["operations"])


@router.get("/livez", responses=answers(200, "The process answers.", examples.LIVE))
async def livez() -> LiveJSON:
    """Whether the process is alive. Asks nothing else."""
    return LiveJSON()


@router.get(
    "/readyz",
    response_model=ReadyJSON,
    responses=answers(200, "Ready.", examples.READY, "service_not_ready", "store_unavailable"),
)
async def readyz(context: AppContext) -> ReadyJSON | Response:
    """Whether the service can take requests: asks the index."""
    readiness = await context.call_probe(context.service.ready)
    if readiness.ready and not context.stopping:
        return convert.ready(readiness, version())
    return problems.problem(
        503,
        "service_not_ready",
        "The service cannot take requests yet." if not context.stopping else "The service is stopping.",
        headers={"Retry-After": str(context.config.retry_after_s)},
        checks=dict(readiness.checks),
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
