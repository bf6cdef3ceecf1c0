"""`/v1/uploads`: uploads that may break off and go on later, in the protocol tus 1.0.

Source: https://tus.io/protocols/resumable-upload, core protocol with creation, creation-with-upload, checksum,
expiration and termination. `worker.uploads` keeps what came; this module only speaks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from email.utils import formatdate
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Header, HTTPException, Path, Request, Response

from api import filenames, idempotency, upload, upload_turns
from api.context import AppContext, Context
from api.limits import UploadMeter
from api.numbers import Whole
from api.openapi import empty
from api.problems import TusVersion, WrongChecksum
from api.tenants import CurrentCaller, WritingTenant
from index.errors import BadDocument, Conflict, InvalidRequest, NotFound, UnsupportedMedia
from index.types import TextLayerPolicy
from worker.idempotency import Claim, Stored, gone
from worker.uploads import Appending, Upload

router = APIRouter(tags=["documents"])

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
CHECKSUMS = ("sha1", "sha256", "md5")
OFFSET_TYPE = "application/offset+octet-stream"
_METADATA_CHARS = 16 << 10
_BATCH_BYTES = 1 << 20

UploadId = Annotated[str, Path(description="An upload's id.", examples=["9c1185a5c5e9fc54612808977ee8f548"])]
Length = Annotated[
    Whole | None, Header(alias="Upload-Length", ge=0, description="Bytes of the whole file.", examples=[2481152])
]
Offset = Annotated[
    Whole | None, Header(alias="Upload-Offset", ge=0, description="Where these bytes begin.", examples=[0])
]
Checksum = Annotated[
    str | None,
    Header(
        alias="Upload-Checksum",
        description="Of this request's bytes: `sha1`, `sha256` or `md5`, and the sum in Base64.",
        examples=["sha1 Lve95gjOVATpfV8EL5X4nxwjKHE="],
    ),
]
Metadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        description="Keys with values in Base64: `filename`, `path`, `password`, `text_layer`; others are ignored.",
        examples=["filename c2Nhbi5wZGY="],
    ),
]


async def _speaks_tus(
    version: Annotated[
        str | None, Header(alias="Tus-Resumable", description="The protocol's version.", examples=[VERSION])
    ] = None,
) -> None:
    if version != VERSION:
        raise TusVersion(f"Resumable uploads speak tus {VERSION}: send `Tus-Resumable: {VERSION}`.")


SpeaksTus = Depends(_speaks_tus)

_OFFSET_BODY = {
    "requestBody": {
        "description": "The bytes that follow.",
        "content": {OFFSET_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.options("/v1/uploads", status_code=204, response_class=Response, responses=empty(204, "In the headers."))
async def get_upload_options(context: AppContext) -> Response:
    """What resumable uploads can do here."""
    limit = context.service.uploads.max_bytes
    told = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Checksum-Algorithm": ",".join(CHECKSUMS)}
    return _answer(204, told | {"Tus-Max-Size": str(limit)})


@router.post(
    "/v1/uploads",
    status_code=201,
    response_class=Response,
    dependencies=[SpeaksTus],
    responses=empty(
        201,
        "Begun; go on with `PATCH` at `Location`.",
        "origin_not_allowed",
        "tus_version",
        "too_large",
        "unsupported_media_type",
        "bad_request",
        "checksum_mismatch",
        "invalid_request",
        "empty",
        "bad_document",
        "too_many_uploads",
        *idempotency.CODES,
        "quota_exceeded",
        "storage_full",
    ),
    openapi_extra=_OFFSET_BODY,
)
async def create_upload(
    request: Request,
    context: AppContext,
    tenant: WritingTenant,
    caller: CurrentCaller,
    length: Length = None,
    metadata: Metadata = None,
    checksum: Checksum = None,
    idempotency_key: idempotency.IdempotencyKey = None,
) -> Response:
    """Begin a resumable upload. The request may carry the first bytes.

    Sent again with the same `Idempotency-Key`, it names the upload that it began, and how far that is; bytes that come
    along are passed over then.
    """
    if "upload-concat" in request.headers:
        raise InvalidRequest("Uploads are not put together here (Upload-Concat): send the file as one upload.")
    if length is None:
        raise InvalidRequest("Upload-Length is missing: the file's length must be known when its upload begins.")
    if length == 0:
        raise BadDocument("The file is empty.", code="empty")
    expected = _checksum(checksum)
    given = _metadata(metadata or "")
    filename = _filename(given)
    text_layer, password = _policy(given.get("text_layer")), given.get("password") or None
    has_bytes = request.headers.get("content-type", "").partition(";")[0].strip() == OFFSET_TYPE
    async with idempotency.claimed(context, tenant, "uploads", idempotency_key) as claim:
        request_print = idempotency.fingerprint(str(length), filename, text_layer, password)
        if claim is not None and await context.call(claim.check, request_print) is not None:
            return await _begun_before(request, context, claim, tenant, has_bytes=has_bytes)
        created = await context.call(
            context.service.uploads.create,
            tenant,
            length,
            filename=filename,
            text_layer=text_layer,
            password=password,
            metadata=_without_password(metadata or ""),
        )
        headers = {"Location": f"/v1/uploads/{created.id}"}
        if claim is not None:
            # Before the bytes: where they break off, this is what the client asks for again.
            await context.call(claim.begin, request_print, created.id)
            await context.call(claim.finish, Stored(201, headers, b""))
        if has_bytes:
            created = await _append(request, context, created, 0, context.limits.upload(caller.key), expected)
            headers |= _standing(created)
        return _answer(201, headers | {"Upload-Expires": formatdate(created.expires_at, usegmt=True)})


async def _begun_before(request: Request, context: Context, claim: Claim, tenant: str, *, has_bytes: bool) -> Response:
    """The answer to a creation that came before: the upload, and where it stands now."""
    assert claim.record is not None
    try:
        standing = await _standing_now(context, tenant, claim.record.subject)
    except NotFound:
        raise gone() from None
    if has_bytes:
        # An answer before the end of a body looks like a broken line to many clients.
        room = standing.length
        async for chunk in upload.body(request, context.config):
            room -= len(chunk)
            if room < 0:
                break
    headers = {"Location": f"/v1/uploads/{standing.id}", idempotency.REPLAYED: "true", **_standing(standing)}
    return _answer(201, headers | {"Upload-Expires": formatdate(standing.expires_at, usegmt=True)})


@router.head(
    "/v1/uploads/{upload_id}",
    response_class=Response,
    dependencies=[SpeaksTus],
    responses=empty(200, "In the headers.", "not_found", "tus_version", "invalid_request", "bad_document"),
)
async def get_upload(upload_id: UploadId, context: AppContext, tenant: WritingTenant) -> Response:
    """How far an upload is."""
    standing = await _standing_now(context, tenant, upload_id)
    if standing.offset == standing.length and not standing.document_id:
        # All bytes were there when something broke off: nobody would send another request to end it.
        try:
            standing = await context.call(context.service.finish_upload, tenant, upload_id)
        except Conflict:
            # The request that brought them is still at it. Public clients begin from the start when `HEAD` fails.
            standing = await context.call(context.service.uploads.get, tenant, upload_id)
    headers = {"Upload-Length": str(standing.length), "Cache-Control": "no-store"}
    if standing.metadata:
        headers["Upload-Metadata"] = standing.metadata
    return _answer(200, _standing(standing) | headers)


async def _standing_now(context: Context, tenant: str, upload_id: str) -> Upload:
    """An upload. `NotFound` also where its document was deleted since: clients remember uploads by their file, and who
    sends that file once more would hear that all of it had come, while there is no document.
    """
    standing = await context.call(context.service.uploads.get, tenant, upload_id)
    if standing.document_id and await context.call(context.service.unknown, tenant, [standing.document_id]):
        raise NotFound("The document of this upload was deleted; begin a new upload to send it again.")
    return standing


@router.patch(
    "/v1/uploads/{upload_id}",
    status_code=204,
    response_class=Response,
    dependencies=[SpeaksTus],
    responses=empty(
        204,
        "They are kept; `Folioscope-Document` names the document when these were the last.",
        "origin_not_allowed",
        "not_found",
        "wrong_offset",
        "upload_busy",
        "tus_version",
        "too_large",
        "unsupported_media_type",
        "bad_request",
        "checksum_mismatch",
        "invalid_request",
        "bad_document",
        "quota_exceeded",
        "storage_full",
    ),
    openapi_extra=_OFFSET_BODY,
)
async def continue_upload(
    request: Request,
    upload_id: UploadId,
    context: AppContext,
    tenant: WritingTenant,
    caller: CurrentCaller,
    offset: Offset = None,
    checksum: Checksum = None,
) -> Response:
    """Send the bytes that follow. What came before a line broke is kept."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != OFFSET_TYPE:
        raise UnsupportedMedia(f"The bytes of a resumable upload come as {OFFSET_TYPE}.")
    if offset is None:
        raise InvalidRequest("Upload-Offset is missing.")
    expected = _checksum(checksum)
    known = await context.call(context.service.uploads.get, tenant, upload_id)
    standing = await _append(request, context, known, offset, context.limits.upload(caller.key), expected)
    return _answer(204, _standing(standing))


@router.delete(
    "/v1/uploads/{upload_id}",
    status_code=204,
    response_class=Response,
    dependencies=[SpeaksTus],
    responses=empty(204, "It is forgotten.", "origin_not_allowed", "not_found", "tus_version", "invalid_request"),
)
async def delete_upload(upload_id: UploadId, context: AppContext, tenant: WritingTenant) -> Response:
    """Give an upload up. A document that it became stays."""
    await context.call(context.service.uploads.delete, tenant, upload_id)
    return _answer(204, {})


Expected = tuple[str, bytes] | None
"""A checksum that was announced: algorithm and digest."""


async def _append(
    request: Request, context: Context, known: Upload, offset: int, meter: UploadMeter, expected: Expected
) -> Upload:
    """Write the body at `offset`; the document, when it is whole."""
    try:
        writing, target = await upload_turns.taken(context, known, offset, checked=expected is not None)
        try:
            await _copy(request, context, target, meter, expected)
        finally:
            # A client that went away is the very case: what came is flushed, whatever else is cancelled.
            with anyio.CancelScope(shield=True):
                await context.call(writing.__exit__, None, None, None)
    finally:
        with anyio.CancelScope(shield=True):
            await context.call(meter.close)
    return await upload_turns.handed_over(context, known)


async def _copy(request: Request, context: Context, target: Appending, meter: UploadMeter, expected: Expected) -> None:
    sum_of = hashlib.new(expected[0], usedforsecurity=False) if expected else None

    def keep(batch: bytes) -> None:
        meter.check(len(batch))
        meter.count(len(batch))
        target.write(batch)
        if sum_of is not None:
            sum_of.update(batch)

    held = bytearray()
    turn = upload_turns.Turn(context, target)
    outcome = "None of its bytes were kept." if expected else "The bytes that came are kept."
    try:
        async with turn.lasting():
            turn.listening()
            async for chunk in upload.body(request, context.config, outcome):
                held += chunk
                if len(held) >= _BATCH_BYTES:
                    batch, held = bytes(held), bytearray()
                    context.metrics.upload_bytes.inc(len(batch))
                    turn.writing()
                    await context.call(keep, batch)
                turn.listening()
            turn.writing()
    finally:
        if held:
            with anyio.CancelScope(shield=True):
                context.metrics.upload_bytes.inc(len(held))
                await context.call(keep, bytes(held))
        # Bytes that are not known to be right are not kept, be they wrong or cut off.
        if expected and sum_of and sum_of.digest() == expected[1]:
            target.confirm()
    if expected and not target.confirmed:
        raise WrongChecksum(f"The bytes do not have the {expected[0]} that came with them; none of them were kept.")


def _standing(standing: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(standing.offset)}
    if standing.document_id:
        return headers | {"Folioscope-Document": standing.document_id}
    return headers | {"Upload-Expires": formatdate(standing.expires_at, usegmt=True)}


def _answer(status: int, headers: dict[str, str]) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": VERSION, **headers})


def _checksum(header: str | None) -> Expected:
    """`sha1 Base64`. The status of an unknown algorithm is that of the protocol."""
    if header is None:
        return None
    algorithm, _, encoded = header.strip().partition(" ")
    if algorithm not in CHECKSUMS:
        raise HTTPException(400, f"Upload-Checksum: the algorithms are {', '.join(CHECKSUMS)}.")
    try:
        return algorithm, base64.b64decode(encoded.strip(), validate=True)
    except ValueError:
        raise HTTPException(400, "Upload-Checksum: the sum is not Base64.") from None


def _filename(given: dict[str, str]) -> str:
    """Under the names that clients use. Uppy sends a `relativePath` with every file: `null` where it lay in no folder
    (transloadit/uppy#2248).
    """
    name, relative = given.get("filename") or given.get("name"), given.get("relativePath", "").replace("\\", "/")
    return filenames.placed(given.get("path") or (relative if not name or "/" in relative else None), name)


def _policy(given: str | None) -> str:
    try:
        return TextLayerPolicy(given or "auto").value
    except ValueError:
        raise InvalidRequest("`text_layer` is `auto` or `never`.") from None


def _without_password(header: str) -> str:
    """The metadata as tus has `HEAD` give it back; a secret is not told again."""
    pairs = [part.strip() for part in header.split(",") if part.strip().isascii()]
    return ",".join(pair for pair in pairs if pair and pair.partition(" ")[0] != "password")


def _metadata(header: str) -> dict[str, str]:
    """`key base64,key base64`; a key may come without a value. Raises `InvalidRequest`."""
    if len(header) > _METADATA_CHARS:
        raise InvalidRequest("Upload-Metadata is too long.")
    found = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            raise InvalidRequest(f"Upload-Metadata: the value of {key[:50]!r} is not Base64.") from None
    return found
