"""The JSON of `/v1/admin/overview` and of reading again."""

from __future__ import annotations

from datetime import datetime

from api.schemas import Model, PageCountsJSON


class QueueJSON(Model):
    name: str
    waiting: int  # jobs; those that run are told by the workers


class WorkerJSON(Model):
    """A worker of the full stack, or a thread of an embedded service."""

    name: str
    queues: list[str]  # what it does
    engine: str | None = None  # null: it reads nothing
    jobs: int  # that run now
    oldest_s: float  # how long the longest of them has run
    done: int  # jobs since it began
    seen_s: float  # how many seconds ago it said so
    memory_bytes: int | None = None  # of its process; null for a thread


class DiskJSON(Model):
    """Bytes where the data directory lies. Uploads are refused when fewer than `reserved` would stay free."""

    total: int
    free: int
    reserved: int


class CodeCountJSON(Model):
    code: str
    pages: int


class FailedPageJSON(Model):
    document_id: str
    filename: str
    page: int
    code: str
    attempts: int
    failed_at: datetime | None = None
    paths: list[str]  # by which it came: of a member, with its archive in front


class FailedDocumentJSON(Model):
    """A file that could not be opened."""

    document_id: str
    filename: str
    code: str
    message: str
    paths: list[str]


class FailuresJSON(Model):
    """`codes` counts failed pages of all tenants. The rest are the newest 200 of the key's own tenant, and how many
    more there are.
    """

    codes: list[CodeCountJSON]
    pages: list[FailedPageJSON]
    more_pages: int
    documents: list[FailedDocumentJSON]
    more_documents: int


class OverviewJSON(Model):
    """Numbers are of all tenants together; names and ids are of the key's own tenant."""

    version: str
    stack: bool  # workers are processes of their own
    engine: str
    embedder: str
    checks: dict[str, str]
    documents: int  # members of archives among them, and the archives
    uploaded: int  # of these: sent in by themselves, as `GET /v1/documents?uploaded=true` lists them
    unopened: int  # documents that were accepted and not looked into yet
    pages: PageCountsJSON
    queues: list[QueueJSON]
    workers: list[WorkerJSON]
    problem: str | None = None  # why nothing is known of queues and workers
    failures: FailuresJSON
    disk: DiskJSON | None = None


class ReadAgainJSON(Model):
    """What is tried again: `pages` pages, and `documents` files that could not be opened. `lifted`: pages that failed
    when a question needed them, and that the next question may have decoded at once.
    """

    document_id: str
    pages: int
    documents: int
    lifted: int = 0


class ReadFailedAgainJSON(Model):
    """A step through all that failed: `pages` pages and `documents` files that could not be opened are tried again.
    `next_cursor` is for the next step, null after the last. `lifted`: as in reading one document again.
    """

    pages: int
    documents: int
    lifted: int = 0
    next_cursor: str | None = None
