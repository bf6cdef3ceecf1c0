"""Receives a file: streams the request body into the service's staging area while it arrives.

Memory stays bounded by `_BATCH_BYTES` whatever the size of the file, and the event loop never waits for the disk.
When anything goes wrong, a client that went away included, what was staged is discarded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import anyio
from starlette.requests import Request

from api import filenames
from api.context import Context
from api.middleware import content_length
from api.multipart import UploadForm, boundary_of
from api.problems import UploadStalled
from index.errors import BadDocument, FolioscopeError, InvalidRequest, TooLarge, UnsupportedMedia
from index.types import TextLayerPolicy
from worker.service import DocumentView, Staging

PASSWORD_HEADER = "Folioscope-Password"  # noqa: S105  the header's name, not a password

_BATCH_BYTES = 1 << 20
_FORM_OVERHEAD_BYTES = 64 << 10
# Files go by their content, so nearly every type is welcome. These say that the body is something else than a file.
_NO_FILE_TYPES = ("application/json", "application/x-www-form-urlencoded", "text/", "multipart/", "message/")


class _Writer:
    """Gathers small chunks into writes that are worth a thread, and holds the limit."""

    def __init__(self, context: Context, staged: Staging) -> None:
        self._context = context
        self._staged = staged
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
            await self._context.call(self._staged.write, cast("bytes", batch))


async def receive(
    request: Request, context: Context, tenant: str, *, filename: str | None, text_layer: TextLayerPolicy | None
) -> tuple[DocumentView, bool]:
    """The accepted document and whether it is new. `filename` and `text_layer` come from the query (raw bodies)."""
    try:
        view, new = await _receive(request, context, tenant, filename, text_layer)
    except FolioscopeError as error:
        context.metrics.uploads.labels(error.code if error.code == "storage_full" else "refused").inc()
        raise
    context.metrics.uploads.labels("new" if new else "existing").inc()
    return view, new


async def _receive(
    request: Request, context: Context, tenant: str, filename: str | None, text_layer: TextLayerPolicy | None
) -> tuple[DocumentView, bool]:
    limit = context.config.max_upload_bytes
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    is_form = media_type == "multipart/form-data"
    if content_length(request.headers) > limit + (_FORM_OVERHEAD_BYTES if is_form else 0):
        raise _too_large(limit)
    boundary = boundary_of(content_type) if is_form else b""
    if not is_form and media_type.startswith(_NO_FILE_TYPES):
        raise UnsupportedMedia(
            f"A body of type {media_type[:100]} is not a file. Send a form (curl -F file=@scan.pdf) or the file itself "
            "with a Content-Type such as application/octet-stream."
        )
    staged = await context.call(context.service.stage)
    try:
        writer = _Writer(context, staged)
        if is_form:
            form = UploadForm(boundary, writer.feed)
            async for chunk in _chunks(request, context.config.upload_idle_s):
                form.write(chunk)
                await writer.flush(at_least=_BATCH_BYTES)
            form.finish()
            name = form.filename or filename or ""
            password = form.fields.get("password")
            text_layer = _policy(form.fields.get("text_layer")) or text_layer
        else:
            async for chunk in _chunks(request, context.config.upload_idle_s):
                writer.feed(chunk)
                await writer.flush(at_least=_BATCH_BYTES)
            disposition = request.headers.get("content-disposition", "")
            name = filename or filenames.from_content_disposition(disposition) or ""
            password = _header_text(request.headers.get(PASSWORD_HEADER))
        await writer.flush()
        if not staged.size:
            raise BadDocument("The file is empty.", code="empty")
        return await context.call(
            context.service.accept,
            tenant,
            staged,
            filename=filenames.display_name(name),
            password=password or None,
            text_layer=text_layer or TextLayerPolicy.AUTO,
        )
    finally:
        # Harmless after `accept`; and a cancelled request must not leave its file behind.
        with anyio.CancelScope(shield=True):
            await context.call(staged.discard)


async def _chunks(request: Request, idle_s: float) -> AsyncIterator[bytes]:
    stream = aiter(request.stream())
    while True:
        try:
            with anyio.fail_after(idle_s):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadStalled(f"The upload sent nothing for {idle_s:.0f} seconds and was given up.") from None
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
