"""`/v1/documents/{id}/pages`: the text of a page and its image."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api import convert, examples
from api.conditional import unchanged
from api.context import AppContext
from api.document_ids import document_id_of
from api.numbers import Whole
from api.openapi import answers, binary
from api.routes_documents import DocumentId
from api.schemas_pages import PageJSON
from api.tenants import Tenant

router = APIRouter(tags=["pages"])

PageNumber = Annotated[Whole, Path(ge=1, le=1_000_000, description="Counts from 1.", examples=[2])]


@router.get(
    "/v1/documents/{document_id}/pages/{page}",
    responses=answers(
        200,
        "The page as it is now; empty while it is pending.",
        examples.PAGE,
        "not_found",
        "not_ready",
        "invalid_request",
        "store_unavailable",
    ),
)
async def get_page(
    document_id: DocumentId,
    page: PageNumber,
    context: AppContext,
    tenant: Tenant,
    words: Annotated[bool, Query(description="With every word and its box.", examples=[True])] = False,
) -> PageJSON:
    """The text of a page as Markdown in reading order, with its regions."""
    view, point = await context.call(context.service.page, tenant, document_id_of(document_id), page)
    return convert.page(view, point, words=words)


@router.get(
    "/v1/documents/{document_id}/pages/{page}/image",
    response_class=Response,
    responses={
        **binary(
            200,
            "The upright page, as wide as asked for or, where it has fewer pixels, as wide as it is.",
            ["image/webp", "image/png"],
            "not_found",
            "not_ready",
            "invalid_request",
            "bad_document",
            "store_unavailable",
        ),
        304: {"description": "The image that the client has (`If-None-Match`) is the current one."},
    },
)
async def get_page_image(
    request: Request,
    document_id: DocumentId,
    page: PageNumber,
    context: AppContext,
    tenant: Tenant,
    width: Annotated[Whole, Query(ge=16, le=4000, description="In pixels.", examples=[1200])] = 1200,
    format: Annotated[Literal["png", "webp"], Query(description="Image format.", examples=["webp"])] = "webp",  # noqa: A002
) -> Response:
    """The page as an image, turned upright."""
    checked_id = document_id_of(document_id)
    _, point = await context.call(context.service.page, tenant, checked_id, page)
    # The id is a hash of the bytes, so these say which pixels; how the page is turned is known once it is read.
    etag = f'"{checked_id}-{page}-{width}-{format}-{point.rotation}"'
    # Asked for anew each time, at the price of a 304: a page that is read again may turn, and one that is deleted goes.
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    image = await context.call_image(context.service.page_image, tenant, checked_id, page, width=width, kind=format)
    return Response(image, media_type=f"image/{format}", headers=headers)
