"""The JSON of the HTTP API. These models are the contract with every client.

Boxes are `[x0, y0, x1, y1]` in fractions of the upright page; spans are `[start, end)` in characters.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.numbers import Moment, Whole

BoxJSON = Annotated[list[float], Field(min_length=4, max_length=4)]
SpanJSON = Annotated[list[int], Field(min_length=2, max_length=2)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PageCountsJSON(Model):
    pending: int
    done: int
    failed: int
    total: int
    undecoded: int = 0  # of `done`: kept as vision tokens, without text until a question needs them
    drafts: int = 0  # of `done`: the same with a quick reading for search, until a question needs them


class PageFailureJSON(Model):
    document_id: str  # of an archive: the member that the page belongs to
    page: int
    code: str
    attempts: int


class MemberJSON(Model):
    """A member of an archive that became a document."""

    path: str
    document_id: str


class MemberFailureJSON(Model):
    path: str
    code: str
    message: str


class OriginJSON(Model):
    archive_id: str
    path: str


class FailureJSON(Model):
    code: str
    message: str


class DocumentItemJSON(Model):
    """A document in a listing: without what failed in it and what it holds, which only a look at it tells."""

    id: str
    filename: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime
    text_layer: Literal["auto", "never"]  # as it was first sent in with
    state: Literal["accepted", "reading", "done", "partial", "failed"]
    kind: Literal["document", "archive"]
    pages: PageCountsJSON  # of an archive: of all its members together
    failure: FailureJSON | None = None  # the whole file could not be opened, or nothing in it
    origins: list[OriginJSON] = []
    paths: list[str] = []  # where it lay in folders that were sent in


class DocumentJSON(DocumentItemJSON):
    page_failures: list[PageFailureJSON] = []
    members: list[MemberJSON] = []  # archives only
    member_failures: list[MemberFailureJSON] = []  # archives only


class DocumentListJSON(Model):
    items: list[DocumentItemJSON]  # newest first
    total: int  # of all steps of this listing together
    next_cursor: str | None = None


class ProgressJSON(Model):
    """One server-sent event (`event: progress`, and `event: end` with the last one)."""

    document_id: str
    state: Literal["accepted", "reading", "done", "partial", "failed"]
    pages: PageCountsJSON


class WordJSON(Model):
    span: SpanJSON
    box: BoxJSON


class RegionJSON(Model):
    kind: str
    box: BoxJSON
    span: SpanJSON


class ReaderJSON(Model):
    engine: str
    revision: str
    mode: str


class NoteJSON(Model):
    """What the decoder said of the page under another prompt than that of reading. It is no part of `text`."""

    prompt: str
    text: str
    trust: float


class VisionJSON(Model):
    """The vision tokens that are stored for a page, and what made them."""

    engine: str
    revision: str
    mode: str
    tile_grid: Annotated[list[int], Field(min_length=2, max_length=2)]  # columns, rows; [0, 0] without tiles
    page_size: Annotated[list[int], Field(min_length=2, max_length=2)]  # pixels of the upright page
    tokens: int | None = None  # how many; None for an engine that is not known here


class PageJSON(Model):
    document_id: str
    page: int
    pages: int  # of the document
    filename: str
    state: Literal["pending", "done", "failed"]
    error_code: str | None = None
    text: str  # Markdown
    regions: list[RegionJSON]
    words: list[WordJSON] = []  # with ?words=true
    width: int
    height: int
    rotation: int
    trust: float
    marks: list[Literal["cut_off", "loop"]] = []  # what went wrong while it was read
    reader: ReaderJSON | None = None
    vision: VisionJSON | None = None  # with it, the page can be decoded under other prompts
    decoded: bool = True  # false: a question that needs the page has it decoded; until then `text` is empty or a draft
    draft: bool = False  # `text` is a quick reading by another engine, for search to find the page by
    notes: list[NoteJSON] = []
    image_url: str


class DecodeRequestJSON(Model):
    """One of the model's tasks, or a prompt of your own."""

    task: Literal["markdown", "ocr", "text", "figure", "describe"] = "markdown"
    prompt: str | None = Field(default=None, min_length=1, max_length=2000)

    @model_validator(mode="after")
    def _one_of_them(self) -> DecodeRequestJSON:
        if self.prompt is not None and "task" in self.model_fields_set:
            raise ValueError("give a task or a prompt, not both")
        return self


class DecodedJSON(Model):
    document_id: str
    page: int
    task: Literal["markdown", "ocr", "text", "figure", "describe", "free"]
    prompt: str  # the words that the model got
    text: str  # without tags
    regions: list[RegionJSON]
    trust: float
    finish: Literal["end", "length", "loop"]  # by itself, at the limit of tokens, or because it repeated itself
    tokens: int
    took_ms: float


class LocateRequestJSON(Model):
    phrase: str = Field(min_length=1, max_length=2000)


class LocatedJSON(Model):
    document_id: str
    page: int
    phrase: str
    boxes: list[BoxJSON]
    trust: float
    finish: Literal["end", "length", "loop"]
    took_ms: float


class PageRowJSON(Model):
    """A page as `/v1/export` gives it: a line of JSON, or a row of Parquet."""

    document_id: str
    page: int
    filename: str
    paths: list[str]  # in each archive it came from
    media_type: str
    created_at: datetime
    text: str
    regions: list[RegionJSON]
    words: list[WordJSON] | None = None  # where they were asked for
    width: int
    height: int
    rotation: int
    trust: float
    marks: list[str]
    engine: str | None
    revision: str | None
    mode: str | None
    updated_at: datetime | None


class FilterJSON(Model):
    document_ids: list[str] = Field(default=[], max_length=1000)
    folder: str | None = Field(default=None, max_length=4096)
    media_types: list[str] = Field(default=[], max_length=20)
    created_from: Moment | None = None
    created_to: Moment | None = None


class SearchRequestJSON(Model):
    query: str = Field(min_length=1, max_length=2000)
    filter: FilterJSON = FilterJSON()
    limit: Whole = Field(default=10, ge=1, le=100)
    offset: Whole = Field(default=0, ge=0, le=1000)
    group_by_document: bool = False


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
    considered: list[ConsideredJSON]
    took_ms: float
    timings_ms: dict[str, float]
    conversation_id: str | None = None
    decoded: list[DecodedPageJSON] = []
    incomplete: bool = False  # whether something that might have had a say was not heard
    missing: list[MissingJSON] = []
    undecoded_pages: int = 0  # pages that the filter leaves and that no search finds, having no text yet
    answerer: str = ""
    note: str | None = None  # what to know of this answerer


class ReceiptJSON(Model):
    """Of a deletion: what existed, and what a look afterwards still found of it, members included (all zero, unless
    `archives`: kept archives whose originals still contain it).
    """

    document_id: str
    filename: str
    sha256: str
    deleted_at: datetime
    pages_deleted: int
    documents_deleted: int  # itself and, for an archive, members that nothing else holds
    blobs_deleted: int
    remaining: dict[str, int]  # {"points": 0, "manifests": 0, "blobs": 0, "archives": 0}


class LiveJSON(Model):
    status: Literal["ok"] = "ok"


class ReadyJSON(Model):
    """Where keys are needed, callers without one get `ready` alone."""

    ready: bool
    version: str | None = None
    engine: str | None = None
    embedder: str | None = None
    checks: dict[str, str] | None = None


class SessionJSON(Model):
    """Whose key a request carries. `name` is null for the local user of a service without keys."""

    tenant: str
    scopes: list[Literal["read", "write", "admin"]]
    name: str | None
    key_expires_at: datetime | None = None
    session_expires_at: datetime | None = None  # null: no session is needed


class ProblemJSON(BaseModel):
    """RFC 9457 problem details; `code` is stable."""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
