"""The `ServiceProtocol`: everything a person can ask of Folioscope, without HTTP.

The API, the command line and the tests talk to this and to nothing below it. All methods
block (the API runs them in threads) and raise `index.errors`. Unknown ids and another tenant's
ids raise the same `NotFound`. `worker.library.Library` implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from index.store import PageCounts
from index.types import (
    DocumentState,
    Manifest,
    Origin,
    PagePoint,
    SearchFilter,
    SearchResult,
    Split,
    TextLayerPolicy,
)
from worker.asking.conversation import Turn
from worker.asking.pipeline import Event
from worker.decoding import Located
from worker.deletion import Receipt
from worker.engine.engine import Decoded
from worker.engine.prompts import Prompt
from worker.folders import Folder
from worker.idempotency import IdempotencyKeys
from worker.listing import Order
from worker.read_again import Asked, Step
from worker.uploads import ResumableUploads, Upload

if TYPE_CHECKING:
    from worker.overview import Disk, Inside, Overview  # which knows Readiness
    from worker.webhooks.desk import Webhooks  # whose parts know DocumentView


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document with what is known of it now."""

    manifest: Manifest
    state: DocumentState
    pages: PageCounts
    split: Split | None
    origins: tuple[Origin, ...]
    failed_pages: tuple[PagePoint, ...] = ()  # without content; only from `document()`


@dataclass(frozen=True, slots=True)
class Readiness:
    ready: bool
    engine: str
    embedder: str
    checks: dict[str, str]


class Staging(Protocol):
    """An upload on its way in: write chunks, then `Service.accept` it or `discard` it."""

    size: int

    def write(self, chunk: bytes) -> None:
        """Append to the temporary file and the hash. `TooLarge` past the limit, `StorageFull`."""

    def discard(self) -> None:
        """Remove the temporary file. Harmless twice, and after `accept`."""


class ServiceProtocol(Protocol):
    """What `api` relies on (implemented by `worker.library.Library`)."""

    uploads: ResumableUploads  # uploads that may break off and go on later

    idempotency: IdempotencyKeys  # answers that are given again
    webhooks: Webhooks  # who is told that a document was read

    def finish_upload(self, tenant: str, upload_id: str) -> Upload:
        """Accept a resumable upload that is complete; it then names its document."""
        ...

    def stage(self) -> Staging: ...

    def accept(
        self,
        tenant: str,
        staged: Staging,
        *,
        filename: str,
        password: str | None = None,
        text_layer: TextLayerPolicy = TextLayerPolicy.AUTO,
    ) -> tuple[DocumentView, bool]:
        """The document, durable, and whether it is new. `filename` may stand in folders that were sent in."""
        ...

    def documents(
        self,
        tenant: str,
        *,
        cursor: str | None = None,
        limit: int = 50,
        uploaded_only: bool = False,
        name: str | None = None,
        folder: str | None = None,
        troubled: bool = False,
        order: Order = Order.NEWEST,
    ) -> tuple[list[DocumentView], str | None]:
        """Documents in `order`, and the cursor of the next page. `uploaded_only` leaves out what only archives hold;
        with `name`: those in whose file name or folders all its words stand, whatever the case and the accents; with
        `folder`: those in it or below, members of archives too; with `troubled`: those that could not be read whole.
        """
        ...

    def count_documents(
        self,
        tenant: str,
        *,
        uploaded_only: bool = False,
        name: str | None = None,
        folder: str | None = None,
        troubled: bool = False,
    ) -> int:
        """How many there are for `documents` to list."""
        ...

    def folders(self, tenant: str, within: str = "") -> list[Folder]:
        """The folders directly in that one, or the outermost: those that were sent in, and those inside archives."""
        ...

    def document(self, tenant: str, document_id: str) -> DocumentView: ...

    def unknown(self, tenant: str, document_ids: Sequence[str]) -> tuple[str, ...]:
        """Those of the ids that name no document of the tenant."""
        ...

    def watch(self, tenant: str, document_id: str, *, poll_s: float = 0.3) -> Iterator[DocumentView]:
        """A view at once and at every change; ends when nothing is pending any more or it is deleted."""
        ...

    def original(self, tenant: str, document_id: str) -> tuple[Manifest, Path]: ...

    def page(self, tenant: str, document_id: str, page: int) -> tuple[DocumentView, PagePoint]: ...

    def page_image(self, tenant: str, document_id: str, page: int, *, width: int, kind: str) -> bytes:
        """`kind` is "png" or "webp"; upright, `width` pixels wide at most."""
        ...

    def decode(self, tenant: str, document_id: str, page: int, prompt: Prompt) -> Decoded:
        """The page's stored vision tokens under another prompt. Changes nothing. `NotFound`, `Conflict` (`not_ready`,
        `not_read`, `no_vision_tokens`, `wrong_tokens`), `Unavailable` (`no_decoder`, `decode_timeout`).
        """
        ...

    def locate(self, tenant: str, document_id: str, page: int, phrase: str) -> Located:
        """Where a phrase stands on the page. Raises as `decode`."""
        ...

    def read_again(self, tenant: str, document_id: str, page: int | None = None, *, everything: bool = False) -> Asked:
        """Try a document's failed pages again, or one page, and files that could not be opened; `everything`: pages
        that are done too, whose text is dropped at once. `NotFound`, `Conflict` (`not_ready`).
        """
        ...

    def read_failed_again(self, tenant: str, *, cursor: str | None = None, limit: int = 200) -> Step:
        """A step through all that failed of a tenant: at most `limit` pages, or files that could not be opened, are
        tried again. `InvalidRequest` for a cursor that no step returned.
        """
        ...

    def export(self, tenant: str, where: SearchFilter) -> Iterator[PagePoint]:
        """Every page that is done and that the filter leaves, with its content; documents newest first."""
        ...

    def delete(self, tenant: str, document_id: str) -> Receipt: ...

    def search(
        self,
        tenant: str,
        query: str,
        where: SearchFilter,
        *,
        limit: int,
        offset: int = 0,
        rerank: bool = False,
    ) -> SearchResult:
        """`rerank`: the judge of answers reads the first pages, where there is one (`worker.reranking`)."""

    def converse(
        self,
        tenant: str,
        question: str,
        where: SearchFilter,
        *,
        conversation_id: str | None = None,
        history: Sequence[Turn] = (),
        verify: bool = False,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[Event]:
        """An answer as it comes about, `Done` last; without it once `cancelled()`. Closing it ends the work too. With
        `verify` pages that are cited are decoded again, to check the quotes.
        """
        ...

    def new_conversation(self) -> str:
        """An id under which follow-up questions are understood."""
        ...

    def counts(self, tenant: str | None) -> PageCounts:
        """Pages by state of one tenant, or (None) of all, for metrics."""
        ...

    def reading(self, tenant: str) -> tuple[PageCounts, int]:
        """Pages by state, also those that nobody has begun with, and how many files are still to be opened."""
        ...

    def queue_depth(self) -> int:
        """Jobs that wait or run, for metrics."""
        ...

    def inside(self) -> Inside:
        """What runs, for metrics."""
        ...

    def disk(self) -> Disk | None:
        """Where the data directory lies, for metrics; None where there is none."""
        ...

    def overlook(self, tenant: str) -> Overview:
        """What an administrator looks at: numbers of all tenants, names of this one."""
        ...

    def ready(self) -> Readiness: ...


__all__ = ["DocumentView", "Readiness", "Receipt", "ServiceProtocol", "Staging"]
