"""The JSON of search and answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.numbers import LastMoment, Moment, Whole
from api.schemas import BoxJSON, Model, SpanJSON


class FilterJSON(Model):
    document_ids: list[str] = Field(default=[], max_length=1000)
    folder: str | None = Field(default=None, max_length=4096)
    media_types: list[str] = Field(default=[], max_length=20)  # or short: pdf, png, jpeg, webp, tiff
    created_from: Moment | None = None
    created_to: LastMoment | None = None  # a day without a time: its end


class SearchRequestJSON(Model):
    query: str = Field(min_length=1, max_length=2000)
    filter: FilterJSON = FilterJSON()
    limit: Whole = Field(default=10, ge=1, le=100)
    offset: Whole = Field(default=0, ge=0, le=1000)
    group_by_document: bool = False
    rerank: bool = False  # have the judge of answers read the first pages: slower, better for questions


class SnippetJSON(Model):
    text: str
    span: SpanJSON  # of `text` in the page's text
    highlights: list[SpanJSON]  # inside `text`
    boxes: list[BoxJSON]
    score: float


class HitJSON(Model):
    document_id: str
    page: int
    filename: str
    media_type: str
    paths: list[str]
    score: float
    trust: float
    width: int
    height: int
    snippets: list[SnippetJSON]
    draft: bool = False  # found by a quick reading; a question that needs the page has it decoded
    image_url: str


class GroupJSON(Model):
    document_id: str
    filename: str
    hits: list[HitJSON]


class SearchResponseJSON(Model):
    query: str
    hits: list[HitJSON]  # empty when grouped
    groups: list[GroupJSON] | None = None
    total_pages: int
    undecoded_pages: int = 0  # of these: without text yet, so that no search finds them
    reranked: bool = False  # whether the judge has read the first pages
    unknown_documents: list[str] = Field(default=[])  # ids of the filter that name no document here (any more)
    unknown_folder: str | None = None  # the filter's, where no document lies in it
    took_ms: float


class AnswerRequestJSON(Model):
    question: str = Field(min_length=1, max_length=2000)
    filter: FilterJSON = FilterJSON()
    stream: bool = False  # server-sent events instead of one answer at the end
    conversation_id: str | None = Field(default=None, pattern="^(new|[0-9a-f]{32})$")  # "new" begins one
    verify: bool = False  # decode the cited pages again and compare their quotes


class CitationJSON(Model):
    number: int  # [1], [2]… as in the answer's text
    document_id: str
    page: int
    filename: str
    quote: str  # literally on the page
    span: SpanJSON  # in the page's text or, with `note`, in the text of that note
    boxes: list[BoxJSON]
    score: float
    image_url: str
    verified: bool | None = None  # whether decoding the page again says so; null: not asked for, or not possible
    note: str | None = None  # the prompt of the page's note that is quoted
    draft: bool = False  # the quote is from a quick reading: the page could not be decoded for this answer


class ConsideredJSON(Model):
    """A page that was looked at for the answer."""

    document_id: str
    page: int
    score: float
    selected: bool
    reason: str  # why it was selected, or why not


class DecodedPageJSON(Model):
    """A page that was decoded for this answer, or was to be."""

    document_id: str
    page: int
    prompt: str  # markdown (its text), figure, finer (read again in a larger mode), free
    reason: str
    took_ms: float
    ok: bool
    code: str | None = None  # why not


class DecodingJSON(Model):
    """A server-sent event (`event: decoding`)."""

    document_id: str
    page: int
    prompt: str
    reason: str
    state: Literal["started", "done", "failed"]
    took_ms: float | None = None
    code: str | None = None


class MissingJSON(Model):
    """A page that might have had something to say and was not heard."""

    document_id: str
    page: int
    code: str
    reason: str


class AnswerJSON(Model):
    question: str
    found: bool
    text: str
    citations: list[CitationJSON]
    confidence: float
    weak_support: bool = False  # found, and not sure enough to go without a look at the page
    considered: list[ConsideredJSON]
    took_ms: float
    timings_ms: dict[str, float]
    conversation_id: str | None = None
    decoded: list[DecodedPageJSON] = Field(default=[])
    incomplete: bool = False  # whether something that might have had a say was not heard
    missing: list[MissingJSON] = Field(default=[])
    undecoded_pages: int = 0  # pages that the filter leaves and that no search finds, having no text yet
    unknown_documents: list[str] = Field(default=[])  # ids of the filter that name no document here (any more)
    unknown_folder: str | None = None  # the filter's, where no document lies in it
    answerer: str = ""
    note: str | None = None  # what to know of this answerer
