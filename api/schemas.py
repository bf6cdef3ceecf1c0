"""The JSON of the HTTP API: what all of it shares, documents, and the service itself. Pages are in `api.schemas_pages`,
search and answers in `api.schemas_asking`. These models are the contract with every client.

Boxes are `[x0, y0, x1, y1]` in fractions of the upright page; spans are `[start, end)` in characters.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    unknown_folder: str | None = None  # the one that was asked for, where no document lies in it


class ProgressJSON(Model):
    """One server-sent event (`event: progress`, and `event: end` with the last one)."""

    document_id: str
    state: Literal["accepted", "reading", "done", "partial", "failed"]
    pages: PageCountsJSON


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
