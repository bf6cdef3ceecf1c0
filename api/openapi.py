"""The OpenAPI document: what routes say of their answers, and what every route can answer besides.

Routes name the problem codes they can answer with; this module turns them into documented responses, one for each
status, in the shape that `api.problems` sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import compile_path

from api import problems
from api.schemas import ProblemJSON

DESCRIPTION = """
Search and question an archive of scanned pages.

Boxes are `[x0, y0, x1, y1]` in fractions of the upright page, spans are `[start, end)` in characters of the page's
text, pages count from 1. Every error is a problem (RFC 9457, `application/problem+json`) with a stable `code`.
"""

TAGS = [
    {"name": "documents", "description": "Send files in, follow their reading, take them out again."},
    {"name": "pages", "description": "What stands on a page, and how it looks."},
    {"name": "questions", "description": "Find pages, and answers with citations."},
    {"name": "webhooks", "description": "Tell other programs that a document was read."},
    {"name": "operations", "description": "For orchestrators and monitoring."},
]

_DETAILS = {
    "bad_request": "The multipart body ends before its closing boundary.",
    "not_found": "There is no document 0b8f7e56-3c1d-5a86-9a39-2f6d3c0f7a11.",
    "too_large": "The file is over the limit of 8589934592 bytes (FOLIOSCOPE_MAX_UPLOAD_BYTES).",
    "invalid_request": "`limit` should be less than or equal to 100.",
    "empty": "The file is empty.",
    "internal_error": "Something went wrong on our side. The log has the details under the request id 7d1c0e.",
}


def answers(
    status: int,
    description: str,
    example: object,
    *codes: str,
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
    also: dict[str, str] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its success, and the problems it can answer with beside those of all routes. `also`:
    further media types that it can be asked for, with an example each.
    """
    content = {media_type: {"example": example}}
    content |= {other: {"example": text} for other, text in (also or {}).items()}
    success: dict[str, Any] = {"description": description, "content": content}
    if headers:
        success["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    return {status: success, **refusals((*codes, "host_not_allowed", "internal_error"))}


def binary(status: int, description: str, media_types: Iterable[str], *codes: str) -> dict[int | str, dict[str, Any]]:
    """The same for a route that answers with bytes, which have no example."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {
        status: {"description": description, "content": dict.fromkeys(media_types, schema)},
        **refusals((*codes, "host_not_allowed", "internal_error")),
    }


def empty(status: int, description: str, *codes: str) -> dict[int | str, dict[str, Any]]:
    """The same for a route that answers without a body."""
    return {status: {"description": description}, **refusals((*codes, "host_not_allowed", "internal_error"))}


def refusals(codes: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of problems, one for each status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(problems.CODES[code].status, []).append(code)
    return {
        status: {
            "description": " ".join(problems.CODES[code].meaning for code in of_status),
            "content": {
                problems.MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/ProblemJSON"},
                    "examples": {code: {"value": _example(code)} for code in of_status},
                }
            },
        }
        for status, of_status in sorted(by_status.items())
    }


def _example(code: str) -> dict[str, object]:
    known = problems.CODES[code]
    example: dict[str, object] = {
        "type": f"urn:folioscope:error:{code}",
        "title": known.title,
        "status": known.status,
        "detail": _DETAILS.get(code, known.meaning),
        "code": code,
    }
    if code == "invalid_request":
        message = "Input should be less than or equal to 100"
        example["errors"] = [{"where": "body.limit", "message": message, "type": "less_than_equal"}]
    return example


def document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """A replacement for `app.openapi` that knows problems."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=TAGS
            )
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            components["ProblemJSON"] = ProblemJSON.model_json_schema()
            for operations in schema["paths"].values():
                for operation in operations.values():
                    _add_general_problems(operation)
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi


def _add_general_problems(operation: dict[str, Any]) -> None:
    """What every route that needs a key can answer, and every route that takes a body."""
    codes: tuple[str, ...] = ()
    if operation.get("security"):
        codes += ("key_required", "key_not_valid", "scope_missing", "rate_limited", "store_unavailable")
    if operation.get("requestBody"):
        codes += ("bad_request", "upload_stalled")
    responses = operation["responses"]
    for status, general in refusals(codes).items():
        known = responses.setdefault(str(status), general)
        content = known["content"][problems.MEDIA_TYPE]
        told = content["examples"] | general["content"][problems.MEDIA_TYPE]["examples"]
        known["content"] = {problems.MEDIA_TYPE: content | {"examples": told}}
        known["description"] = " ".join(problems.CODES[code].meaning for code in told)
    operation["responses"] = dict(sorted(responses.items()))


class Methods:
    """Which methods an address takes, for the `Allow` header of a 405."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._routes = [
            (compile_path(path)[0], [method.upper() for method in operations])
            for path, operations in schema["paths"].items()
        ]

    def of(self, path: str) -> list[str]:
        return sorted({method for pattern, methods in self._routes if pattern.match(path) for method in methods})
