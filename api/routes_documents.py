"""`/v1/documents`: sending files in, looking at them, taking them out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import FileResponse, StreamingResponse

from api import convert, events, examples, filtering, idempotency, upload
from api.conditional import tidy_range, unchanged
from api.context import AppContext
from api.document_ids import document_id_of
from api.filenames import attachment
from api.multipart import MAX_FIELD_BYTES
from api.numbers import Whole
from api.openapi import answers, binary
from api.schemas import DocumentJSON, DocumentListJSON, ReceiptJSON
from api.tenants import CurrentCaller, Tenant, WritingTenant
from index.errors import NotFound
from index.types import SearchFilter, TextLayerPolicy
from worker.idempotency import Stored
from worker.listing import Order

router = APIRouter(tags=["documents"])

# Types that a browser only ever saves or shows as an image. Everything else goes out as plain bytes.
_SAFE_TYPES = convert.ARCHIVE_TYPES | {"application/pdf", "image/png", "image/jpeg", "image/webp", "image/tiff"}

_FILE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "description": "A form with the file, or the file itself. Files are told apart by their content.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "path": {
                            "type": "string",
                            "maxLength": MAX_FIELD_BYTES,
                            "description": "Where it lay in a folder that is sent in, its name last; or, with a slash "
                            "at the end, that folder alone.",
                        },
                        "password": {
                            "type": "string",
                            "maxLength": MAX_FIELD_BYTES,
                            "description": "Opens an encrypted PDF, or what is locked in an archive.",
                        },
                        "text_layer": {"type": "string", "enum": ["auto", "never"], "default": "auto"},
                    },
                },
                "example": examples.UPLOAD_FORM,
            },
            "application/octet-stream": _FILE,
            "application/pdf": _FILE,
            "image/*": _FILE,
            "application/zip": _FILE,
            "application/x-tar": _FILE,
            "application/gzip": _FILE,
        },
    }
}


DocumentId = Annotated[str, Path(description="A document's id.", examples=[examples.DOCUMENT_ID])]


@router.post(
    "/v1/documents",
    status_code=202,
    response_model=DocumentJSON,
    responses=answers(
        202,
        "Accepted and durable. Reading has begun; follow it under `Location` or its `events`.",
        examples.ACCEPTED,
        "bad_request",
        "origin_not_allowed",
        "upload_stalled",
        "too_large",
        "unsupported_media_type",
        "invalid_request",
        "empty",
        "bad_document",
        *idempotency.CODES,
        "quota_exceeded",
        "store_unavailable",
        "storage_full",
        headers={
            "Location": "The document.",
            "Folioscope-Existing": "`true` when the same bytes were there already.",
            idempotency.REPLAYED: "`true` when this is the stored answer of an `Idempotency-Key`.",
        },
    ),
    openapi_extra=_UPLOAD_BODY,
)
async def add_document(
    request: Request,
    context: AppContext,
    tenant: WritingTenant,
    caller: CurrentCaller,
    filename: Annotated[
        str | None,
        Query(max_length=4096, description="Name of a file that is sent as the body.", examples=["scan.pdf"]),
    ] = None,
    path: Annotated[
        str | None,
        Query(
            max_length=4096,
            description="The same for a file out of a folder that is sent in: where it lay there, its name last; or, "
            "with a slash at the end, that folder alone.",
            examples=["letters/1911/may.pdf"],
        ),
    ] = None,
    text_layer: Annotated[
        TextLayerPolicy | None,
        Query(description="`auto` uses trustworthy text layers of PDFs, `never` reads all pages.", examples=["auto"]),
    ] = None,
    idempotency_key: idempotency.IdempotencyKey = None,
) -> Response:
    """Send a file in: a PDF, an image, or a ZIP or TAR archive of those.

    The file is stored durably before the answer. The same bytes again give the same document, with the same answer; its
    `text_layer` stays what it was first sent with (to change it, delete the document before).
    A `path` is kept beside the name, and its folders are found by the filter `folder`.
    An encrypted PDF takes its password in the form, or, with a raw body, in the header `Folioscope-Password`.
    """
    meter = context.limits.upload(caller.key)
    async with idempotency.claimed(context, tenant, "documents", idempotency_key) as claim:
        received = await upload.receive(
            request, context, tenant, filename=filename, path=path, text_layer=text_layer, meter=meter, claim=claim
        )
        if isinstance(received, Stored):
            return idempotency.replay(received, again=True)
        view, new = received
        headers = {
            "Location": f"/v1/documents/{view.manifest.document_id}",
            "Folioscope-Existing": "false" if new else "true",
            "Content-Type": "application/json",
        }
        answer = Stored(202, headers, convert.document(view).model_dump_json().encode())
        if claim is not None:
            await context.call(claim.finish, answer)
        return idempotency.replay(answer, again=False)


@router.get(
    "/v1/documents",
    responses=answers(
        200, "Documents, in the order asked for.", examples.DOCUMENTS, "invalid_request", "store_unavailable"
    ),
)
async def list_documents(
    context: AppContext,
    tenant: Tenant,
    cursor: Annotated[
        str | None,
        Query(max_length=500, description="`next_cursor` of the page before.", examples=["1772442847.0_0b8f"]),
    ] = None,
    limit: Annotated[Whole, Query(ge=1, le=200, description="Most documents to return.", examples=[50])] = 50,
    uploaded: Annotated[
        bool, Query(description="Only what was uploaded by itself, without the members of archives.", examples=[True])
    ] = False,
    name: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Only those in whose file name or folders all of these words, or parts of words, stand.",
            examples=["minutes 1952"],
        ),
    ] = None,
    folder: Annotated[
        str | None,
        Query(
            max_length=4096,
            description="Only what lies in this folder or below it, members of archives too.",
            examples=["council/1931"],
        ),
    ] = None,
    troubled: Annotated[bool, Query(description="Only those that could not be read whole.", examples=[False])] = False,
    order: Annotated[
        Order,
        Query(
            description="`newest`, `oldest`, `name`, `pages` (most first) or `size` (largest first). A cursor is good "
            "for the order that it came with.",
            examples=["newest"],
        ),
    ] = Order.NEWEST,
) -> DocumentListJSON:
    """List documents, newest first unless asked otherwise, without their members and page failures."""
    which: dict[str, Any] = {"uploaded_only": uploaded, "name": name, "troubled": troubled}
    which["folder"] = await filtering.folder(context, tenant, folder)
    views, next_cursor = await context.call(
        context.service.documents, tenant, cursor=cursor, limit=limit, order=order, **which
    )
    total = await context.call(context.service.count_documents, tenant, **which)
    where = SearchFilter(folder=which["folder"])
    unknown = await filtering.with_folder(context, tenant, where, filtering.Unknown(), seen=total > 0)
    return DocumentListJSON(
        items=[convert.item(view) for view in views],
        total=total,
        next_cursor=next_cursor,
        unknown_folder=unknown.folder,
    )


@router.get(
    "/v1/documents/{document_id}",
    responses=answers(
        200, "The document as it is now.", examples.DOCUMENT, "not_found", "invalid_request", "store_unavailable"
    ),
)
async def get_document(document_id: DocumentId, context: AppContext, tenant: Tenant) -> DocumentJSON:
    """One document: its state, its pages by state, and what failed, by page and by member."""
    view = await context.call(context.service.document, tenant, document_id_of(document_id))
    return convert.document(view)


@router.delete(
    "/v1/documents/{document_id}",
    responses=answers(
        200,
        "What existed, and what a look afterwards still finds.",
        examples.RECEIPT,
        "origin_not_allowed",
        "not_found",
        "invalid_request",
        "store_unavailable",
    ),
)
async def delete_document(document_id: DocumentId, context: AppContext, tenant: WritingTenant) -> ReceiptJSON:
    """Delete a document, and with an archive its members, unless something else holds them."""
    return convert.receipt(await context.call(context.service.delete, tenant, document_id_of(document_id)))


@router.get(
    "/v1/documents/{document_id}/events",
    response_class=StreamingResponse,
    responses=answers(
        200,
        "`progress` at once and at every change, `end` when nothing is pending any more or the document is deleted; "
        "comments in between keep the connection alive. Close the stream at `end`.",
        examples.EVENTS,
        "not_found",
        "invalid_request",
        "store_unavailable",
        media_type="text/event-stream",
    ),
)
async def document_events(document_id: DocumentId, context: AppContext, tenant: Tenant) -> StreamingResponse:
    """Follow the reading of a document as server-sent events.

    Each event carries the whole progress, so a stream that was broken off is simply opened again.
    """
    checked_id = document_id_of(document_id)
    first = await context.call(context.service.document, tenant, checked_id)
    return StreamingResponse(
        events.progress(context, tenant, first),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get(
    "/v1/documents/{document_id}/original",
    response_class=FileResponse,
    responses={
        **binary(
            200,
            "The bytes that were uploaded, as an attachment. Ranges are served.",
            ["application/octet-stream", *sorted(_SAFE_TYPES)],
            "not_found",
            "range_not_satisfiable",
            "invalid_request",
            "store_unavailable",
        ),
        206: {"description": "The bytes that `Range` asked for."},
        304: {"description": "The client has them (`If-None-Match`)."},
    },
)
async def get_original(request: Request, document_id: DocumentId, context: AppContext, tenant: Tenant) -> Response:
    """Download the original file."""
    manifest, path = await context.call(context.service.original, tenant, document_id_of(document_id))
    try:
        stat = await context.call(path.stat)
    except FileNotFoundError:
        # Deleted between the two calls.
        raise NotFound("There is no such document.") from None
    etag = f'"{manifest.sha256}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": etag}
    if unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    tidy_range(request, etag, stat)
    headers["Content-Disposition"] = attachment(manifest.filename)
    headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    media_type = manifest.media_type if manifest.media_type in _SAFE_TYPES else "application/octet-stream"
    return FileResponse(path, stat_result=stat, media_type=media_type, headers=headers)
