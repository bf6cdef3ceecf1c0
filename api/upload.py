"""Receives a file: streams the request body into the service's staging area while it arrives.

Memory stays bounded by `_BATCH_BYTES` whatever the size of the file, and the event loop never waits for the disk.
When anything goes wrong, a client that went away included, what was staged is discarded.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import anyio
from starlette.requests import Request

from api import filenames
from api.config import ApiConfig
from api.context import Context
from api.idempotency import fingerprint
from api.limits import UploadMeter
from api.middleware import content_length
from api.multipart import UploadForm, boundary_of
from api.problems import UploadStalled
from index import ids
from index.errors import (
    BadDocument,
    FolioscopeError,
    InvalidRequest,
    NotFound,
    RequestError,
    TooLarge,
    UnsupportedMedia,
)
from index.types import TextLayerPolicy
from worker import tracing
from worker.idempotency import Claim, Stored
from worker.service import DocumentView, Staging

PASSWORD_HEADER = "Folioscope-Password"  # noqa: S105  the header's name, not a password

_BATCH_BYTES = 1 << 20
_FORM_OVERHEAD_BYTES = 64 << 10
# Files go by their content, so nearly every type is welcome. These say that the body is something else than a file.
_NO_FILE_TYPES = ("application/json", "application/x-www-form-urlencoded", "text/", "multipart/", "message/")


class _Writer:
    """Gathers small chunks into writes that are worth a thread, and holds the limit. `sha256` is of what was written,
    where it is asked for.
    """

    def __init__(self, context: Context, staged: Staging, meter: UploadMeter, *, hashing: bool) -> None:
        self.sha256 = hashlib.sha256() if hashing else None
        self._context = context
        self._staged = staged
        self._meter = meter
        self._buffer = bytearray()
        self._size = 0

    def feed(self, data: bytes | memoryview) -> None:
        self._size += len(data)
        limit = self._context.config.max_upload_bytes
        if self._size > limit:
            raise _too_large(limit)
        self._buffer += data

    async def flush(self, *, at_least: int = 1) -> None:
        if len(self._buffer) >= at_least:
            batch, self._buffer = self._buffer, bytearray()
            self._context.metrics.upload_bytes.inc(len(batch))
            await self._context.call(self._keep, cast("bytes", batch))

    def _keep(self, batch: bytes) -> None:
        self._meter.check(len(batch))
        self._meter.count(len(batch))
        self._staged.write(batch)
        if self.sha256 is not None:
            self.sha256.update(batch)


async def receive(
    request: Request,
    context: Context,
    tenant: str,
    *,
    filename: str | None,
    path: str | None = None,
    text_layer: TextLayerPolicy | None,
    meter: UploadMeter,
    claim: Claim | None = None,
) -> tuple[DocumentView, bool] | Stored:
    """The accepted document and whether it is new. `filename`, `path` and `text_layer` come from the query.

    With the `claim` of a key that the same file was sent with before: the answer of then. What the file is is known
    when all of it has come; of one that the key was not used for (`InvalidRequest`) nothing is kept.
    """
    try:
        received = await _receive(request, context, tenant, filename, path, text_layer, meter, claim)
    except FolioscopeError as error:
        context.metrics.uploads.labels(error.code if error.code == "storage_full" else "refused").inc()
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await context.call(meter.close)
    if isinstance(received, Stored):
        context.metrics.uploads.labels("replayed").inc()
        return received
    view, new = received
    tracing.link(view.manifest.document_id)
    context.metrics.uploads.labels("new" if new else "existing").inc()
    return view, new


async def _receive(
    request: Request,
    context: Context,
    tenant: str,
    filename: str | None,
    path: str | None,
    text_layer: TextLayerPolicy | None,
    meter: UploadMeter,
    claim: Claim | None,
) -> tuple[DocumentView, bool] | Stored:
    boundary = _boundary(request, context.config.max_upload_bytes)
    await context.call(meter.check, max(1, content_length(request.headers)))
    staged = await context.call(context.service.stage)
    try:
        writer = _Writer(context, staged, meter, hashing=claim is not None)
        if boundary is None:
            sent = await _take_raw(request, context, writer)
        else:
            sent = await _take_form(request, context, writer, boundary)
        if not staged.size:
            raise BadDocument("The file is empty.", code="empty")
        # A form says for itself what it holds; a raw body's own header comes after the query.
        name = (filename or sent.filename) if boundary is None else (sent.filename or filename)
        name = filenames.placed(sent.path or path, name)
        policy = sent.text_layer or text_layer or TextLayerPolicy.AUTO
        return await _accept(context, tenant, staged, writer, name, sent.password or None, policy, claim)
    finally:
        # Harmless after `accept`; and a cancelled request must not leave its file behind.
        with anyio.CancelScope(shield=True):
            await context.call(staged.discard)


def _boundary(request: Request, limit: int) -> bytes | None:
    """What parts the fields of a form; None for a body that is the file itself. Raises for what is neither."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    is_form = media_type == "multipart/form-data"
    if content_length(request.headers) > limit + (_FORM_OVERHEAD_BYTES if is_form else 0):
        raise _too_large(limit)
    if is_form:
        return boundary_of(content_type)
    if media_type.startswith(_NO_FILE_TYPES):
        raise UnsupportedMedia(
            f"A body of type {media_type[:100]} is not a file. Send a form (curl -F file=@scan.pdf) or the file itself "
            "with a Content-Type such as application/octet-stream."
        )
    return None


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a body, or the headers with it, says beside the file's bytes."""

    filename: str | None
    password: str | None
    path: str | None = None
    text_layer: TextLayerPolicy | None = None


async def _take_form(request: Request, context: Context, writer: _Writer, boundary: bytes) -> _Sent:
    form = UploadForm(boundary, writer.feed)
    limit, came = context.config.max_upload_bytes, 0
    async for chunk in body(request, context.config):
        came += len(chunk)
        if came > limit + _FORM_OVERHEAD_BYTES:  # behind its end anything may follow, which is passed over
            raise _too_large(limit)
        form.write(chunk)
        await writer.flush(at_least=_BATCH_BYTES)
    form.finish()
    await writer.flush()
    fields = form.fields
    return _Sent(form.filename, fields.get("password"), fields.get("path"), _policy(fields.get("text_layer")))


async def _take_raw(request: Request, context: Context, writer: _Writer) -> _Sent:
    async for chunk in body(request, context.config):
        writer.feed(chunk)
        await writer.flush(at_least=_BATCH_BYTES)
    await writer.flush()
    disposition = request.headers.get("content-disposition", "")
    return _Sent(filenames.from_content_disposition(disposition), _header_text(request.headers.get(PASSWORD_HEADER)))


async def _accept(
    context: Context,
    tenant: str,
    staged: Staging,
    writer: _Writer,
    name: str,
    password: str | None,
    policy: TextLayerPolicy,
    claim: Claim | None,
) -> tuple[DocumentView, bool] | Stored:
    """Make the whole file a document; with a `claim`, as its key was answered before or notes down now."""
    known = False
    if claim is not None and writer.sha256 is not None:
        sha256 = writer.sha256.hexdigest()
        request_print = fingerprint(sha256, name, password, policy.value)
        if (stored := await context.call(claim.check, request_print)) is not None:
            return stored
        known = await context.call(_begin, context, claim, request_print, tenant, sha256)
    try:
        view, new = await context.call(
            context.service.accept, tenant, staged, filename=name, password=password, text_layer=policy
        )
    except RequestError:
        if claim is not None:
            await context.call(claim.give_up)
        raise
    # Cut off after the document was accepted, and sent again, it is as new as it was then.
    return view, new if claim is None else not known


def _begin(context: Context, claim: Claim, request_print: str, tenant: str, sha256: str) -> bool:
    """Note that this file is about to be accepted; whether it was there before."""
    document_id = ids.document_id(tenant, sha256)
    try:
        context.service.document(tenant, document_id)
        known = True
    except NotFound:
        known = False
    return claim.begin(request_print, document_id, found=known)


def body(request: Request, config: ApiConfig, outcome: str = "Nothing of it was kept.") -> AsyncIterator[bytes]:
    """A body piece by piece; `UploadStalled` when its sender stalls or drips, with what then came of it."""
    return _chunks(request, _Pace(config, outcome))


class _Pace:
    """Gives up on who sends nothing, or hardly anything. Only the time that we wait for the client counts, so a
    slow disk of ours is never the client's fault.
    """

    def __init__(self, config: ApiConfig, outcome: str) -> None:
        self._outcome = outcome
        self._idle_s = config.upload_idle_s
        self._window_s = config.upload_window_s
        self._needed = math.ceil(config.upload_min_bytes_per_s * config.upload_window_s)
        self._waited_s = 0.0
        self._came = 0

    def patience(self) -> float:
        """Seconds that the next piece may take."""
        return min(self._idle_s, self._window_s - self._waited_s if self._came < self._needed else self._window_s)

    def note(self, waited_s: float, size: int) -> None:
        self._waited_s += waited_s
        self._came += size
        if self._waited_s >= self._window_s:
            if self._came < self._needed:
                raise self.stalled()
            self._waited_s, self._came = 0.0, 0

    def stalled(self) -> UploadStalled:
        return UploadStalled(
            f"The upload sent nothing for {self._idle_s:.0f} seconds, or less than {self._needed} bytes in "
            f"{self._window_s:.0f}, and was given up. {self._outcome}"
        )


async def _chunks(request: Request, pace: _Pace) -> AsyncIterator[bytes]:
    stream = aiter(request.stream())
    while True:
        started_at = anyio.current_time()
        try:
            with anyio.fail_after(pace.patience()):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise pace.stalled() from None
        pace.note(anyio.current_time() - started_at, len(chunk))
        yield chunk


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The file is over the limit of {limit} bytes (FOLIOSCOPE_MAX_UPLOAD_BYTES).")


def _policy(value: str | None) -> TextLayerPolicy | None:
    if not value:
        return None
    try:
        return TextLayerPolicy(value)
    except ValueError:
        raise InvalidRequest(f"text_layer can be auto or never, not {value[:100]!r}.") from None


def _header_text(value: str | None) -> str | None:
    """Header values arrive as latin-1; a client that sends UTF-8 is understood."""
    if value is None:
        return None
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
