"""`/v1/documents/{id}/pages/{n}/decode` and `/locate`: a stored page under another prompt."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Body

from api import convert, examples
from api.context import AppContext
from api.document_ids import document_id_of
from api.openapi import answers
from api.routes_documents import DocumentId
from api.routes_pages import PageNumber
from api.schemas_pages import DecodedJSON, DecodeRequestJSON, LocatedJSON, LocateRequestJSON
from api.tenants import AnswerPlace, Tenant
from index.errors import InvalidRequest
from worker.engine.prompts import Prompt, Task, plain

router = APIRouter(tags=["pages"])

_CODES = (
    "bad_request",
    "origin_not_allowed",
    "not_found",
    "not_ready",
    "not_read",
    "no_vision_tokens",
    "wrong_tokens",
    "too_large",
    "unsupported_media_type",
    "invalid_request",
    "too_many_answers",
    "unavailable",
    "store_unavailable",
    "broker_unavailable",
    "no_decoder",
    "decode_timeout",
)


@router.post(
    "/v1/documents/{document_id}/pages/{page}/decode",
    responses=answers(200, "What the decoder wrote. Nothing is stored.", examples.DECODED, *_CODES),
)
async def decode(
    document_id: DocumentId,
    page: PageNumber,
    context: AppContext,
    tenant: Tenant,
    _place: AnswerPlace,
    asked: Annotated[
        DecodeRequestJSON,
        Body(
            openapi_examples={
                "task": {"summary": "A chart as data", "value": examples.DECODE_REQUEST},
                "prompt": {"summary": "A prompt of your own", "value": examples.PROMPT_REQUEST},
            }
        ),
    ],
) -> DecodedJSON:
    """Read a page again under another prompt, from its stored vision tokens: the file is not needed.

    The tasks are what the model was trained for; it was not trained to follow free prompts or to answer questions.
    """
    prompt = Prompt(Task(asked.task))
    if asked.prompt is not None:
        prompt = Prompt(Task.FREE, _words(asked.prompt, "prompt"))
    began = time.perf_counter()
    checked_id = document_id_of(document_id)
    decoded = await context.call_waiting(context.service.decode, tenant, checked_id, page, prompt)
    return convert.decoded(checked_id, page, decoded, took_ms=_since(began))


@router.post(
    "/v1/documents/{document_id}/pages/{page}/locate",
    responses=answers(200, "Where the phrase stands; no boxes where it was not found.", examples.LOCATED, *_CODES),
)
async def locate(
    document_id: DocumentId,
    page: PageNumber,
    context: AppContext,
    tenant: Tenant,
    _place: AnswerPlace,
    asked: Annotated[LocateRequestJSON, Body(openapi_examples={"phrase": {"value": examples.LOCATE_REQUEST}})],
) -> LocatedJSON:
    """Find a phrase, or a thing that it describes, on a page: boxes, from its stored vision tokens."""
    phrase = _words(asked.phrase, "phrase")
    began = time.perf_counter()
    checked_id = document_id_of(document_id)
    found = await context.call_waiting(context.service.locate, tenant, checked_id, page, phrase)
    return convert.located(checked_id, page, phrase, found, took_ms=_since(began))


def _words(value: str, name: str) -> str:
    """What is left of a prompt without the model's own signs."""
    words = plain(value.encode("utf-8", "replace").decode("utf-8"))
    if not words:
        raise InvalidRequest(f"The {name} has no words.")
    return words


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
