"""`/v1/admin/overview`, and reading again what failed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from api import convert, examples_admin
from api.config import version
from api.context import AppContext
from api.document_ids import document_id_of
from api.numbers import Whole
from api.openapi import answers
from api.routes_documents import DocumentId
from api.routes_pages import PageNumber
from api.schemas_admin import (
    CodeCountJSON,
    DiskJSON,
    FailedDocumentJSON,
    FailedPageJSON,
    FailuresJSON,
    OverviewJSON,
    QueueJSON,
    ReadAgainJSON,
    ReadFailedAgainJSON,
    WorkerJSON,
)
from api.tenants import Administrator, WritingTenant
from worker.overview import Overview, WorkerState
from worker.read_again import Asked

router = APIRouter()

All = Annotated[
    bool,
    Query(
        alias="all",
        description="Pages that are done too: their text is dropped at once and comes back page by page.",
        examples=[False],
    ),
]
_CODES = ("origin_not_allowed", "not_found", "invalid_request", "store_unavailable", "broker_unavailable")


@router.get(
    "/v1/admin/overview",
    tags=["operations"],
    responses=answers(200, "How things stand now.", examples_admin.OVERVIEW, "service_not_ready", "store_unavailable"),
)
async def overview(context: AppContext, administrator: Administrator) -> OverviewJSON:
    """Documents and pages by state, queues, workers, failures and disk, for who runs the service.

    Numbers are of all tenants; names and ids are of the key's own tenant, since no scope opens another tenant's
    documents.
    """
    return _overview(await context.call(context.service.overlook, administrator.tenant))


@router.post(
    "/v1/read-again",
    status_code=202,
    tags=["documents"],
    responses=answers(202, "What this step has tried again.", examples_admin.READ_FAILED_AGAIN, *_CODES),
)
async def read_failed_again(
    context: AppContext,
    tenant: WritingTenant,
    cursor: Annotated[
        str | None,
        Query(max_length=100, description="`next_cursor` of the step before.", examples=["1772442847.25_pages"]),
    ] = None,
    limit: Annotated[Whole, Query(ge=1, le=1000, description="Pages, or files, of a step.", examples=[200])] = 200,
) -> ReadFailedAgainJSON:
    """Try again all that failed of the key's tenant, a step at a time: failed pages, then files that did not open.

    Ask on with `next_cursor` until it is null. What fails again after the first step is left for another time.
    """
    step = await context.call(context.service.read_failed_again, tenant, cursor=cursor, limit=limit)
    asked = step.asked
    return ReadFailedAgainJSON(
        pages=asked.pages, documents=asked.documents, lifted=asked.lifted, next_cursor=step.cursor
    )


@router.post(
    "/v1/documents/{document_id}/read-again",
    status_code=202,
    tags=["documents"],
    responses=answers(202, "What is tried again; nothing, where nothing failed.", examples_admin.READ_AGAIN, *_CODES),
)
async def read_document_again(
    document_id: DocumentId, context: AppContext, tenant: WritingTenant, everything: All = False
) -> ReadAgainJSON:
    """Try again what failed in a document, and, of an archive, in its members: pages, and files that did not open.

    Follow it under the document or its `events`, as after sending it in.
    """
    checked_id = document_id_of(document_id)
    asked = await context.call(context.service.read_again, tenant, checked_id, everything=everything)
    return _asked(checked_id, asked)


@router.post(
    "/v1/documents/{document_id}/pages/{page}/read-again",
    status_code=202,
    tags=["pages"],
    responses=answers(
        202, "Whether it is tried again (`pages`).", examples_admin.READ_PAGE_AGAIN, *_CODES, "not_ready"
    ),
)
async def read_page_again(
    document_id: DocumentId, page: PageNumber, context: AppContext, tenant: WritingTenant, everything: All = False
) -> ReadAgainJSON:
    """Try a page again that could not be read; with `all`, one that was read too."""
    checked_id = document_id_of(document_id)
    asked = await context.call(context.service.read_again, tenant, checked_id, page, everything=everything)
    return _asked(checked_id, asked)


def _asked(document_id: str, asked: Asked) -> ReadAgainJSON:
    return ReadAgainJSON(document_id=document_id, pages=asked.pages, documents=asked.documents, lifted=asked.lifted)


def _overview(given: Overview) -> OverviewJSON:
    inside, readiness = given.inside, given.readiness
    return OverviewJSON(
        version=version(),
        stack=inside.stack,
        engine=readiness.engine,
        embedder=readiness.embedder,
        checks=dict(readiness.checks),
        documents=given.documents,
        uploaded=given.uploaded,
        unopened=given.unopened,
        pages=convert.counts(given.pages),
        queues=[QueueJSON(**asdict(queue)) for queue in inside.queues],
        workers=[_worker(worker) for worker in inside.workers],
        problem=inside.problem or None,
        failures=FailuresJSON(
            codes=[CodeCountJSON(code=code, pages=pages) for code, pages in given.codes],
            pages=[FailedPageJSON(**asdict(page)) for page in given.failed_pages],
            more_pages=given.more_pages,
            documents=[FailedDocumentJSON(**asdict(document)) for document in given.failed_documents],
            more_documents=given.more_documents,
        ),
        disk=DiskJSON(**asdict(given.disk)) if given.disk else None,
    )


def _worker(worker: WorkerState) -> WorkerJSON:
    return WorkerJSON(
        name=worker.name,
        queues=list(worker.queues),
        engine=worker.engine or None,
        jobs=worker.jobs,
        oldest_s=round(worker.oldest_s, 1),
        done=worker.done,
        seen_s=round(worker.seen_s, 1),
        memory_bytes=worker.memory_bytes,
    )
