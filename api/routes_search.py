"""`/v1/search` and `/v1/answers`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request
from fastapi.responses import StreamingResponse

from api import answering, convert, examples, filtering, grouping
from api.context import AppContext
from api.openapi import answers
from api.questions import asked_text
from api.schemas_asking import AnswerJSON, AnswerRequestJSON, SearchRequestJSON, SearchResponseJSON
from api.tenants import AnswerPlace, Tenant

router = APIRouter(tags=["questions"])

_CODES = (
    "bad_request",
    "origin_not_allowed",
    "too_large",
    "unsupported_media_type",
    "invalid_request",
    "store_unavailable",
)


@router.post("/v1/search", responses=answers(200, "Pages, best first.", examples.SEARCH, *_CODES))
async def search(
    context: AppContext,
    tenant: Tenant,
    asked: Annotated[
        SearchRequestJSON,
        Body(
            openapi_examples={
                "words": {"summary": "Words in a folder", "value": examples.SEARCH_REQUEST},
                "phrase": {"summary": "A phrase and a number, by document", "value": examples.PHRASE_REQUEST},
            }
        ),
    ],
) -> SearchResponseJSON:
    """Find pages by meaning and by words. Quotes ask for an exact phrase.

    Grouped by document, `limit` and `offset` count documents, and each comes with its few best pages. With `rerank` the
    judge of answers reads the likeliest places of the first 25 pages together with the query; `reranked` says whether
    it did (not for identifiers and quoted phrases, and not while it is made ready after the first start).
    """
    query = asked_text(asked.query, "query")
    where, unknown = await filtering.taken(context, tenant, asked.filter)
    shape = {"limit": asked.limit, "offset": asked.offset, "rerank": asked.rerank}
    if asked.group_by_document:
        found = await context.call(grouping.search, context.service, tenant, query, where, **shape)
    else:
        found = convert.search_response(await context.call(context.service.search, tenant, query, where, **shape))
    seen = found.total_pages + found.undecoded_pages > 0
    unknown = await filtering.with_folder(context, tenant, where, unknown, seen=seen)
    return found.model_copy(update={"unknown_documents": list(unknown.documents), "unknown_folder": unknown.folder})


@router.post(
    "/v1/answers",
    response_model=AnswerJSON,
    responses=answers(
        200,
        "An answer, or that these documents have none (`found`); with `stream`, server-sent events.",
        examples.ANSWER,
        *_CODES,
        "too_many_answers",
        also={"text/event-stream": examples.ANSWER_EVENTS},
    ),
)
async def answer(
    request: Request,
    context: AppContext,
    tenant: Tenant,
    place: AnswerPlace,
    asked: Annotated[
        AnswerRequestJSON,
        Body(
            openapi_examples={
                "question": {"summary": "A question", "value": examples.ANSWER_REQUEST},
                "conversation": {"summary": "A follow-up, streamed", "value": examples.CONVERSATION_REQUEST},
            }
        ),
    ],
) -> AnswerJSON | StreamingResponse:
    """Answer a question with sentences quoted exactly, each with its document, page and place.

    With `stream` the answer comes as server-sent events: `selection`, `decoding` (a page that is being decoded for it),
    `text`, `citations`, `done` (the whole answer), or `error`. Pages that the question needs and that are not decoded
    yet are decoded; `missing` names those for which that failed. With `verify` cited pages are decoded again and their
    quotes compared. With a `conversation_id` follow-up questions are understood; `new` begins a conversation.
    """
    question = asked_text(asked.question, "question")
    where, unknown = await filtering.taken(context, tenant, asked.filter)
    conversation_id = asked.conversation_id
    if conversation_id == "new":
        conversation_id = context.service.new_conversation()
    run = answering.Run(
        context,
        place,
        lambda cancelled: context.service.converse(
            tenant,
            question,
            where,
            conversation_id=conversation_id,
            verify=asked.verify,
            cancelled=cancelled,
        ),
    )
    if asked.stream:
        # The first event comes before the response begins: what fails until then is a problem and no broken stream.
        first = await run.next()
        seen = answering.has_pages(first)
        unknown = await filtering.with_folder(context, tenant, where, unknown, seen=seen)
        body = answering.stream(context, first, run, unknown)
        return StreamingResponse(body, media_type="text/event-stream", headers=answering.STREAM_HEADERS)
    done = await answering.drain(run, request)
    answering.count(context, done)
    unknown = await filtering.with_folder(context, tenant, where, unknown, seen=answering.has_pages(done))
    return convert.answer(done, unknown.documents, unknown.folder)
