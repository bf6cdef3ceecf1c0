"""The HTTP application: `create_app` puts routes, errors and protections around a service.

It owns nothing: whoever opened the service closes it. Several apps can live in one process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.gzip import GZipMiddleware

from api import (
    openapi,
    problems,
    query,
    routes_admin,
    routes_chat,
    routes_decode,
    routes_documents,
    routes_export,
    routes_listing,
    routes_operations,
    routes_pages,
    routes_search,
    routes_session,
    routes_uploads,
    routes_web,
    routes_webhooks,
)
from api.access import Access
from api.config import ApiConfig, version
from api.context import Context
from api.cors import Cors
from api.head import HeadAsGet
from api.keyring import KeyRing
from api.limits import Limits
from api.metrics import Metrics
from api.middleware import Guard, RequestContext, Traced
from api.override import MethodOverride
from worker.service import ServiceProtocol


def create_app(
    service: ServiceProtocol,
    config: ApiConfig | None = None,
    *,
    ring: KeyRing | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    """An app that talks to `service` and to nothing else. Without `ring` it is open: everybody is the local user."""
    config, ring, limits = config or ApiConfig(), ring or KeyRing(), limits or Limits()
    app = FastAPI(
        title="Folioscope",
        version=version(),
        # Swagger UI and ReDoc load scripts of third parties; /docs is a page of our own.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        lifespan=_lifespan,
    )
    metrics = Metrics(service)
    app.state.context = Context(service, config, metrics, ring, limits)
    problems.install(app, retry_after_s=config.retry_after_s)
    for routes in (
        routes_documents,
        routes_listing,
        routes_export,
        routes_pages,
        routes_decode,
        routes_search,
        routes_session,
        routes_webhooks,
        routes_admin,
    ):
        app.include_router(
            routes.router, dependencies=[query.ONLY_KNOWN], responses=openapi.refusals(["invalid_request"])
        )
    # Clients of OpenAI's API and of tus, probes, scrapers and links to the page add parameters of their own.
    for routes in (routes_uploads, routes_chat, routes_operations, routes_web):
        app.include_router(routes.router)
    app.state.running = []
    if find_spec("mcp"):  # the extra `mcp`
        from api import mcp_http

        app.state.running.append(mcp_http.mount(app, heartbeat_s=config.heartbeat_s))
    app.mount("/web", GZipMiddleware(routes_web.WebFiles(directory=config.web_dir, check_dir=False)), name="web")
    app.openapi = openapi.document(app)  # type: ignore[method-assign]
    app.state.methods = openapi.Methods(app.openapi())
    app.state.parameters = query.parameters(app.openapi())
    # The last one added is the outermost.
    app.add_middleware(HeadAsGet, methods=app.state.methods.of)
    app.add_middleware(Access, ring=ring, limits=limits, retry_after_s=config.retry_after_s)
    app.add_middleware(Guard, config=config)
    app.add_middleware(Traced, retry_after_s=config.retry_after_s)
    app.add_middleware(Cors, origins=config.cors_origins)  # a page may read what it is refused for, and our errors
    app.add_middleware(MethodOverride)
    app.add_middleware(RequestContext, metrics=metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for part in app.state.running:
            await stack.enter_async_context(part)
        yield


def _operation_id(route: APIRoute) -> str:
    return route.name
