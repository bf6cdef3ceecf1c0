"""RFC 9457 problem details: the one shape of every error that leaves the API.

`CODES` is the whole list of codes that HTTP responses carry by themselves; `docs/api.md` is compared with it. A
damaged document answers with the more exact codes of `docs/errors.md` in the same shape.
Nothing of our insides is ever in a problem: unexpected errors are logged under the request id.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import invalid
from index.errors import FolioscopeError, RequestError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

log = logging.getLogger("folioscope.api")

MEDIA_TYPE = "application/problem+json"


class UploadStalled(RequestError):
    code = "upload_stalled"
    status = 408


class HostNotAllowed(RequestError):
    code = "host_not_allowed"
    status = 421


class OriginNotAllowed(RequestError):
    code = "origin_not_allowed"
    status = 403


class KeyRequired(RequestError):
    code = "key_required"
    status = 401


class KeyNotValid(RequestError):
    code = "key_not_valid"
    status = 401


class ScopeMissing(RequestError):
    code = "scope_missing"
    status = 403


class LimitReached(RequestError):
    """`retry_after_s`: when another try makes sense."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, *, code: str, retry_after_s: int) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class TusVersion(RequestError):
    code = "tus_version"
    status = 412


class WrongChecksum(RequestError):
    code = "checksum_mismatch"
    status = 460  # of tus, extension checksum


@dataclass(frozen=True, slots=True)
class Code:
    status: int
    title: str
    meaning: str


CODES: dict[str, Code] = {
    "bad_request": Code(400, "Malformed request", "The request cannot be taken apart, e.g. a broken multipart body."),
    "key_required": Code(401, "Key required", "The service wants a key and the request has none."),
    "key_not_valid": Code(401, "Key not valid", "The key is unknown, revoked or expired, or the session has ended."),
    "scope_missing": Code(403, "Scope missing", "The key is good, but not for this; the message names the scope."),
    "origin_not_allowed": Code(403, "Origin not allowed", "A page of another origin tried to change something."),
    "not_found": Code(404, "Not found", "There is no such route, document or page, or it belongs to somebody else."),
    "method_not_allowed": Code(405, "Method not allowed", "The route exists, the method does not; see `Allow`."),
    "upload_stalled": Code(408, "Upload stalled", "The request's body came too slowly, or not at all."),
    "conflict": Code(409, "Not in this state", "The document or page is not in a state that allows this."),
    "not_ready": Code(409, "Not opened yet", "The document was accepted but its pages are not known yet; ask again."),
    "not_read": Code(409, "Not read yet", "The page is not read yet, or could not be; there is nothing to decode."),
    "no_vision_tokens": Code(409, "No vision tokens", "The page was read without vision tokens: nothing to decode."),
    "wrong_tokens": Code(
        409, "Tokens of another model", "The page's vision tokens were made by another model or revision."
    ),
    "wrong_offset": Code(409, "Wrong offset", "The upload stands at another offset; ask for it with `HEAD`."),
    "upload_busy": Code(409, "Upload busy", "Another request is writing to this upload."),
    "too_many_webhooks": Code(409, "Too many webhooks", "The tenant has as many webhooks as it may; delete one."),
    "idempotency_in_progress": Code(
        409, "Under way", "A request with this `Idempotency-Key` is under way; see `Retry-After`."
    ),
    "idempotency_gone": Code(
        409, "Deleted since", "What this `Idempotency-Key` was used for is deleted; send it again with a new key."
    ),
    "too_many_uploads": Code(409, "Too many uploads", "Finish or delete some of the unfinished uploads."),
    "tus_version": Code(412, "Protocol version", "Resumable uploads speak tus 1.0.0: send `Tus-Resumable: 1.0.0`."),
    "too_large": Code(413, "Too large", "The file is over the upload limit, or a JSON body over 1 MiB."),
    "unsupported_media_type": Code(
        415, "Unsupported media type", "The request body or the file is of a type that cannot be read."
    ),
    "range_not_satisfiable": Code(
        416,
        "No such range",
        "The file has none of the bytes that `Range` asks for; `Content-Range` tells its length.",
    ),
    "headers_too_large": Code(431, "Headers too large", "The address and the headers of a request have over 64 KiB."),
    "checksum_mismatch": Code(460, "Wrong checksum", "The bytes do not have the checksum that came with them."),
    "host_not_allowed": Code(421, "Host not allowed", "The `Host` header is not a name of this service."),
    "invalid_request": Code(422, "Invalid request", "A value makes no sense; `errors` lists which and why."),
    "webhook_not_allowed": Code(
        422, "Not allowed", "Webhooks may not go to this URL; the message says why, and which setting decides."
    ),
    "idempotency_key_reused": Code(
        422, "Key used before", "This `Idempotency-Key` was used for another request; nothing of this one was kept."
    ),
    "bad_document": Code(422, "Unreadable document", "The file is damaged, encrypted or hostile."),
    "empty": Code(422, "Empty file", "The file has no bytes."),
    "rate_limited": Code(429, "Too many requests", "The key's requests per minute are used up; see `Retry-After`."),
    "too_many_answers": Code(429, "Too many answers", "The key has as many answers under way as it may have."),
    "quota_exceeded": Code(429, "Quota exceeded", "The key's bytes of this day (UTC) are used up; see `Retry-After`."),
    "internal_error": Code(500, "Internal error", "Our bug. The log has the details under the request id."),
    "unavailable": Code(503, "Unavailable", "Something is not there at the moment; try again after `Retry-After`."),
    "store_unavailable": Code(503, "Index unavailable", "The index does not answer; try again after `Retry-After`."),
    "llm_unavailable": Code(
        503,
        "Answering model unavailable",
        "The language model that answers is away, or what it replied is no answer; try again.",
    ),
    "llm_refused": Code(
        503,
        "Answering model refused",
        "The language model's server refuses its key or its model, or finds the request too long.",
    ),
    "broker_unavailable": Code(503, "Broker unavailable", "The message broker does not answer; try again later."),
    "no_decoder": Code(503, "Nobody decodes", "Nobody who decodes pages is running; the message says what to start."),
    "decode_timeout": Code(503, "Decoders busy", "All workers that decode pages are busy; try again later."),
    "service_not_ready": Code(503, "Not ready", "The service cannot take requests yet; `checks` says what is missing."),
    "storage_full": Code(507, "Disk full", "There is no room for the file. Nothing of it was kept."),
}

_TUS_PATH, _TUS = "/v1/uploads", "1.0.0"
# Those that there are, and those that clients of OpenAI's API try next.
_OPENAI_PATHS = ("/v1/chat/", "/v1/models", "/v1/completions", "/v1/embeddings", "/v1/responses")

_CODE_OF_STATUS = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "upload_stalled",
    413: "too_large",
    416: "range_not_satisfiable",
}

# The framework's word for whatever kept a body from being read.
_UNREAD = "There was an error parsing the body"
_UNREAD_DETAIL = (
    "The body cannot be read as JSON in UTF-8. Compressed bodies, very deep nesting and very long numbers are not read."
)
_DETAIL_OF_STATUS = {
    404: "There is nothing at this address. /openapi.json lists all routes.",
    405: "This address does not take that method.",
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **extensions: object,
) -> Response:
    """A problem response. `extensions` are further members, such as `errors`."""
    content = {**_content(status, code, detail), **extensions}
    # Text from a request may hold lone surrogates, which UTF-8 cannot carry: ASCII escapes can.
    return _Problem(code, json.dumps(content), status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _content(status: int, code: str, detail: str) -> dict[str, object]:
    known = CODES.get(code)
    title = known.title if known else HTTPStatus(status).phrase
    return {"type": f"urn:folioscope:error:{code}", "title": title, "status": status, "detail": detail, "code": code}


def content(error: FolioscopeError) -> dict[str, object]:
    """An error of ours as a problem's content, for streams that have begun."""
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s: %s", error.code, error.message, exc_info=error)
        return _content(500, "internal_error", CODES["internal_error"].meaning)
    return _content(error.status, error.code, error.message)


def openai_error(message: str, code: str, param: str | None = None) -> dict[str, object]:
    """What clients of OpenAI's API look for in an error, beside the problem. `param`: the value that it is about."""
    return {"message": message, "type": "folioscope_error", "param": param, "code": code}


def _param(problem: Mapping[str, Any]) -> str | None:
    """Where the first value stands that makes no sense, as OpenAI writes it: `messages[0].role`."""
    where = next((one["where"] for one in problem.get("errors", ())), "").removeprefix("body").removeprefix(".")
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", where) or None


class _Problem(Response):
    """Leaves its code with the request, for who counts and logs; speaks the dialects of OpenAI and tus on their routes
    too.
    """

    def __init__(self, code: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._code = code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["problem_code"] = self._code
        if scope["path"].startswith(_OPENAI_PATHS):
            told = json.loads(self.body)
            self.body = json.dumps({**told, "error": openai_error(told["detail"], self._code, _param(told))}).encode()
            self.headers["Content-Length"] = str(len(self.body))
        if scope["path"].startswith(_TUS_PATH):
            self.headers["Tus-Resumable"] = _TUS
            if self._code == "tus_version":
                self.headers["Tus-Version"] = _TUS
        await super().__call__(scope, receive, send)


def of_error(error: FolioscopeError, *, retry_after_s: int, request_id: str) -> Response:
    """The response for an error of ours. Errors of the 500 kind say nothing but the request id."""
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s: %s", error.code, error.message, exc_info=error)
        return internal(request_id)
    headers = {}
    if isinstance(error, LimitReached):
        retry_after_s = error.retry_after_s
    if (
        error.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
        or error.code == "idempotency_in_progress"
    ):
        headers["Retry-After"] = str(retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="folioscope"'
    return problem(error.status, error.code, error.message, headers=headers)


def internal(request_id: str) -> Response:
    detail = f"Something went wrong on our side. The log has the details under the request id {request_id}."
    return problem(500, "internal_error", detail)


def _unread_body(request: Request, errors: Sequence[Mapping[str, Any]]) -> Response | None:
    """The problem of a body that is not JSON at all, or is not said to be: no value in it is at fault."""
    for error in errors:
        if error["type"] == "json_invalid":
            at = next((part for part in error["loc"] if isinstance(part, int)), 0)
            reason = str(error.get("ctx", {}).get("error", "it cannot be read")).rstrip(".")
            return problem(400, "bad_request", f"The body is not valid JSON: {reason}, at character {at + 1}.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    whole_body = any(tuple(error["loc"]) == ("body",) for error in errors)
    if whole_body and not (media_type == "application/json" or media_type.endswith("+json")):
        sent = f"as {media_type}" if media_type else "without a Content-Type"
        if request.headers.get("content-length") == "0":
            sent = "empty"
        detail = f"The body came {sent}; send JSON, with the header Content-Type: application/json."
        return problem(415, "unsupported_media_type", detail)
    return None


def install(app: FastAPI, *, retry_after_s: int) -> None:
    """Make every error that a route raises a problem."""

    async def on_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, FolioscopeError)
        return of_error(error, retry_after_s=retry_after_s, request_id=request.state.request_id)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        unread = _unread_body(request, error.errors())
        if unread is not None:
            return unread
        found = error.errors()
        return problem(422, "invalid_request", invalid.sentence(found), errors=invalid.errors(found))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = error.status_code
        headers = dict(error.headers or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            known = request.app.state.methods.of(request.url.path)
            heads = {"HEAD"} if "GET" in known else set()  # `api.head` answers it
            headers["Allow"] = ", ".join(sorted({*known, *heads})) or headers.get("Allow", "")
        detail = _UNREAD_DETAIL if error.detail == _UNREAD else _DETAIL_OF_STATUS.get(status, str(error.detail))
        return problem(status, _CODE_OF_STATUS.get(status, "bad_request"), detail, headers=headers)

    app.add_exception_handler(FolioscopeError, on_ours)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
