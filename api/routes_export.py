"""`GET /v1/export`: the archive as data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api import examples, export, filtering
from api.context import AppContext, Context
from api.numbers import LastMoment, Moment
from api.openapi import answers
from api.schemas_asking import FilterJSON
from api.tenants import Tenant
from index.errors import InvalidRequest, NotFound

router = APIRouter(tags=["documents"])

_TYPES = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}


@router.get(
    "/v1/export",
    response_class=StreamingResponse,
    responses=answers(
        200,
        "One page a line, documents newest first; or the same as a Parquet file.",
        examples.PAGE_ROW,
        "invalid_request",
        "not_found",
        "store_unavailable",
        media_type=_TYPES["jsonl"],
        also={_TYPES["parquet"]: "PAR1…"},
    ),
)
async def get_export(
    context: AppContext,
    tenant: Tenant,
    format: Annotated[Literal["jsonl", "parquet"], Query(description="File format.", examples=["jsonl"])] = "jsonl",  # noqa: A002
    words: Annotated[bool, Query(description="With every word and its box.", examples=[False])] = False,
    document_id: Annotated[
        list[str] | None, Query(max_length=1000, description="Only these documents.", examples=[[examples.DOCUMENT_ID]])
    ] = None,
    folder: Annotated[
        str | None, Query(max_length=4096, description="Only this folder of archives.", examples=["council/1931"])
    ] = None,
    media_type: Annotated[
        list[str] | None,
        Query(max_length=20, description="Only these types; short names do (`pdf`).", examples=[["application/pdf"]]),
    ] = None,
    created_from: Annotated[
        Moment | None, Query(description="Only documents added since.", examples=["2026-01-01T00:00:00Z"])
    ] = None,
    created_to: Annotated[
        LastMoment | None,
        Query(
            description="Only documents added until then, that moment or day included.",
            examples=["2027-01-01T00:00:00Z"],
        ),
    ] = None,
) -> StreamingResponse:
    """All pages that are read, with text, layout and trust, filtered as search is. Streamed: an archive of any size.

    A stream that breaks off before its end was cut: JSON Lines end with a whole line, Parquet with its footer.
    """
    if format == "parquet" and not find_spec("pyarrow"):
        raise InvalidRequest("This service writes no Parquet: install 'folioscope[parquet]', or take format=jsonl.")
    where, unknown = await filtering.taken(
        context,
        tenant,
        FilterJSON(
            document_ids=document_id or [],
            folder=folder,
            media_types=media_type or [],
            created_from=created_from,
            created_to=created_to,
        ),
    )
    unknown = await filtering.with_folder(context, tenant, where, unknown, seen=False)
    if unknown:
        # A file of pages has no line that could tell it.
        raise NotFound(
            f"There is no document {unknown.documents[0][:100]}."
            if unknown.documents
            else f"No document lies in the folder {where.folder!r}."
        )
    points = context.service.export(tenant, where)
    pieces = export.parquet(points, words=words) if format == "parquet" else export.json_lines(points, words=words)
    # The first piece is made before the answer begins, so that an index that is away is a problem and no broken file.
    first = await context.call(next, pieces, b"")
    headers = {"Content-Disposition": f'attachment; filename="folioscope-pages.{format}"', "Cache-Control": "no-store"}
    return StreamingResponse(_stream(context, first, pieces), media_type=_TYPES[format], headers=headers)


async def _stream(context: Context, first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece is made when the client has taken the one before; a client that leaves ends it."""
    piece: bytes | None = first
    while piece is not None:
        yield piece
        piece = await context.call(next, pieces, None)
