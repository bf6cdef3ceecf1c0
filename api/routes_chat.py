"""`/v1/chat/completions` and `/v1/models`: the archive as a model, for clients that speak OpenAI's API."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from fastapi.responses import StreamingResponse

from api import answering, convert, examples, filtering, problems
from api.chat import (
    MODEL,
    AssistantMessageJSON,
    ChatCompletionJSON,
    ChatRequestJSON,
    ChoiceJSON,
    ModelJSON,
    ModelsJSON,
    chunk,
    corrected,
    footnotes,
    harmless,
    question_of,
    remarks,
    usage,
)
from api.context import AppContext, Context
from api.openapi import answers
from api.questions import asked_text
from api.tenants import AnswerPlace, Tenant
from index.errors import FolioscopeError, InvalidRequest, NotFound
from worker.asking.pipeline import Done, Event, Told

router = APIRouter(tags=["questions"])

_THE_MODEL = ModelJSON(id=MODEL, created=1_767_225_600, owned_by="folioscope")  # 2026-01-01


@router.get("/v1/models", responses=answers(200, "The one model there is.", examples.MODELS))
async def get_models(_tenant: Tenant) -> ModelsJSON:
    """The models that chat completions can name: `folioscope`."""
    return ModelsJSON(data=[_THE_MODEL])


@router.get(
    "/v1/models/{model}",
    responses=answers(200, "The model.", examples.MODELS["data"][0], "not_found", "invalid_request"),
)
async def get_model(
    _tenant: Tenant, model: Annotated[str, Path(max_length=200, description="Its name.", examples=[MODEL])]
) -> ModelJSON:
    """One model by its name."""
    if model != MODEL:
        raise _no_model(model)
    return _THE_MODEL


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletionJSON,
    responses=answers(
        200,
        "An answer; with `stream`, server-sent events in OpenAI's shape.",
        examples.CHAT,
        "origin_not_allowed",
        "too_large",
        "invalid_request",
        "not_found",
        "store_unavailable",
        "llm_unavailable",
        "llm_refused",
        "too_many_answers",
        also={"text/event-stream": examples.CHAT_EVENTS},
    ),
)
async def create_chat_completion(
    request: Request,
    context: AppContext,
    tenant: Tenant,
    place: AnswerPlace,
    asked: Annotated[
        ChatRequestJSON,
        Body(openapi_examples={"question": {"summary": "A question", "value": examples.CHAT_REQUEST}}),
    ],
) -> ChatCompletionJSON | StreamingResponse:
    """Answer the last message from the archive. Citations follow the text as footnotes, and are in `folioscope` whole.

    Messages before it are the conversation that a follow-up refers to. Sampling settings and tools have no effect.
    """
    if asked.model != MODEL:
        raise _no_model(asked.model)
    question, turns = question_of(asked.messages)
    if not question:
        raise InvalidRequest("messages: there is no question of a user with text.")
    question = asked_text(question, "question")
    where, unknown = await filtering.taken(context, tenant, asked.folioscope.filter)
    run = answering.Run(
        context,
        place,
        lambda cancelled: context.service.converse(
            tenant, question, where, history=turns, verify=asked.folioscope.verify, cancelled=cancelled
        ),
    )
    completion_id, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
    if asked.stream:
        first = await run.next()
        unknown = await filtering.with_folder(context, tenant, where, unknown, seen=answering.has_pages(first))
        body = _stream(context, first, run, asked, unknown, completion_id, created)
        return StreamingResponse(body, media_type="text/event-stream", headers=answering.STREAM_HEADERS)
    done = await answering.drain(run, request)
    answering.count(context, done)
    unknown = await filtering.with_folder(context, tenant, where, unknown, seen=answering.has_pages(done))
    text = harmless(done.answer.text) + footnotes(done.answer.citations) + remarks(done, unknown)
    return ChatCompletionJSON(
        id=completion_id,
        created=created,
        model=MODEL,
        choices=[ChoiceJSON(message=AssistantMessageJSON(content=text))],
        usage=usage(asked.messages, text),
        folioscope=convert.answer(done, unknown.documents, unknown.folder),
    )


async def _stream(
    context: Context,
    first: Event | None,
    run: answering.Run,
    asked: ChatRequestJSON,
    unknown: filtering.Unknown,
    completion_id: str,
    created: int,
) -> AsyncIterator[bytes]:
    text = told = ""
    # Where the last chunk tells the usage, all others say that they do not.
    with_usage = bool(asked.stream_options and asked.stream_options.include_usage)
    silent = {"usage": None} if with_usage else {}
    yield _data(chunk(completion_id, created, {"role": "assistant", "content": ""}) | silent)
    async for event in answering.events(context, first, run):
        if event is None:
            yield answering.HEARTBEAT
            continue
        if isinstance(event, FolioscopeError):
            problem = problems.content(event)
            yield _data({"error": problems.openai_error(str(problem["detail"]), str(problem["code"]))})
            return
        piece = ""
        if isinstance(event, Told):
            told += event.text
            piece = harmless(event.text)
        if isinstance(event, Done):
            # Only now: a citation that was lost meanwhile has moved the numbers of those behind it.
            answer = event.answer
            piece = corrected(told, answer) + footnotes(answer.citations) + remarks(event, unknown)
        if piece:
            text += piece
            yield _data(chunk(completion_id, created, {"content": piece}) | silent)
        if isinstance(event, Done):
            answering.count(context, event)
            last = chunk(completion_id, created, {}, "stop") | silent
            yield _data({**last, "folioscope": convert.answer(event, unknown.documents, unknown.folder).model_dump()})
    if with_usage:
        end = chunk(completion_id, created, {}) | {"choices": []}
        yield _data({**end, "usage": usage(asked.messages, text).model_dump()})
    yield b"data: [DONE]\n\n"


def _no_model(name: str) -> NotFound:
    return NotFound(f"There is no model {name[:100]!r} here; the one there is is {MODEL!r}.")


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()
