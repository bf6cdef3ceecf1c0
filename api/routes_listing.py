"""`/v1/folders` and `/v1/progress`: what there is, at a glance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api import convert, filtering
from api.context import AppContext
from api.openapi import answers
from api.schemas_listing import FolderJSON, FolderListJSON, ReadingJSON
from api.tenants import Tenant
from index.types import SearchFilter

router = APIRouter(tags=["documents"])

MOST_FOLDERS = 1000

_FOLDERS = {
    "items": [{"path": "council/1930", "documents": 12}, {"path": "council/1931", "documents": 40}],
    "more": 0,
    "unknown_folder": None,
}
_PAGES = {"pending": 14, "done": 3120, "failed": 2, "total": 3136, "undecoded": 0, "drafts": 0}
_READING = {"pages": _PAGES, "unopened": 1}


@router.get(
    "/v1/folders",
    responses=answers(200, "The folders.", _FOLDERS, "invalid_request", "store_unavailable"),
)
async def list_folders(
    context: AppContext,
    tenant: Tenant,
    within: Annotated[
        str, Query(max_length=4096, description="The folder to look into; empty: the outermost.", examples=["council"])
    ] = "",
) -> FolderListJSON:
    """The folders directly inside a folder, with how many documents lie in each: those that were sent in, and those in
    archives, which are folders too. The filter `folder` of listings, searches and exports takes their paths.
    """
    where = SearchFilter(folder=await filtering.folder(context, tenant, within))
    found = await context.call(context.service.folders, tenant, where.folder or "")
    items = [FolderJSON(path=one.path, documents=one.documents) for one in found[:MOST_FOLDERS]]
    unknown = await filtering.with_folder(context, tenant, where, filtering.Unknown(), seen=bool(found))
    return FolderListJSON(items=items, more=len(found) - len(items), unknown_folder=unknown.folder)


@router.get("/v1/progress", responses=answers(200, "The counts as they are now.", _READING, "store_unavailable"))
async def reading_progress(context: AppContext, tenant: Tenant) -> ReadingJSON:
    """How far reading is, over all documents: pages by state, and files that are still to be opened."""
    pages, unopened = await context.call(context.service.reading, tenant)
    return ReadingJSON(pages=convert.counts(pages), unopened=unopened)
