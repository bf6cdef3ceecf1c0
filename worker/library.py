"""The `Library`: documents, pages, search and answers over one set of ports, for one process.

Implements `worker.service.ServiceProtocol`: puts together what lists (`worker.holdings`), shows pages (`worker.pages`),
searches and answers, and changes what there is by the jobs. Knows no HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from index.blobs import BlobStore, Staged
from index.catalog import Catalog
from index.embedder import Embedder
from index.store import PageCounts, Store
from index.types import (
    Answer,
    DocumentState,
    Hit,
    PagePoint,
    SearchFilter,
    SearchResult,
    TextLayerPolicy,
)
from worker.answerer import Answerer, PreparingAnswerer
from worker.asking.conversation import Conversations, Turn
from worker.asking.cooldown import Cooldowns
from worker.asking.decoding import DecodingConfig
from worker.asking.pipeline import Asking, Event
from worker.decoding import PageDecoder
from worker.deletion import Deletion, Receipt
from worker.export import export_pages
from worker.holdings import Holdings
from worker.idempotency import IdempotencyKeys
from worker.images import PageImages
from worker.jobs import Jobs
from worker.labels import below
from worker.overview import Disk, Inside, Overlook, Overview
from worker.pages import Pages
from worker.queue import Queue
from worker.read_again import Asked, Step
from worker.reranking import Reranker
from worker.service import DocumentView, Readiness
from worker.uploads import ResumableUploads, Upload, accepting
from worker.webhooks.desk import Webhooks


class Library:
    """Thread-safe. Construct through `worker.wiring.open_service`."""

    def __init__(
        self,
        *,
        blobs: BlobStore,
        catalog: Catalog,
        store: Store,
        jobs: Jobs,
        queue: Queue,
        deletion: Deletion,
        images: PageImages,
        answerer: Answerer,
        readiness: Readiness | Callable[[], Readiness],
        max_upload_bytes: int,
        uploads: ResumableUploads,
        conversations: Conversations,
        decoder: PageDecoder,
        decoding: DecodingConfig | None = None,
        embedder: Embedder | None = None,
        overlook: Overlook | None = None,
        idempotency: IdempotencyKeys,
        webhooks: Webhooks,
        cooldowns: Cooldowns,
        reranker: Reranker | None = None,
    ) -> None:
        self._decoder = decoder
        self._cooldowns = cooldowns
        self._overlook = overlook or Overlook(catalog, store, Inside)
        self.uploads = uploads
        self.idempotency = idempotency
        self.webhooks = webhooks
        self._blobs = blobs
        self._catalog = catalog
        self._store = store
        self._jobs = jobs
        self._queue = queue
        self._deletion = deletion
        self.conversations = conversations
        self._asking = Asking(
            *(store, answerer, conversations),
            decoder=decoder,
            decoding=decoding,
            embedder=embedder,
            cooldowns=cooldowns,
            reranker=reranker,
        )
        self._readiness = readiness
        self._max_upload_bytes = max_upload_bytes
        self._answerer = answerer
        self._reranker = reranker
        self._holdings = documents = Holdings(blobs, catalog, store, self._overlook)
        self.documents, self.count_documents = documents.documents, documents.count_documents
        self.folders, self.unknown = documents.folders, documents.unknown
        self.document, self.watch, self.original = documents.document, documents.watch, documents.original
        pages = Pages(blobs, catalog, store, holdings=documents, images=images, decoder=decoder)
        self.page, self.page_image = pages.page, pages.page_image
        self.decode, self.locate = pages.decode, pages.locate

    def prepare(self) -> None:
        """Make what the first question would wait for."""
        if isinstance(self._answerer, PreparingAnswerer):
            self._answerer.prepare()
        elif self._reranker is not None:
            self._reranker.prepare()

    # -- documents ----------------------------------------------------------------------------

    def stage(self) -> Staged:
        return self._blobs.stage(self._max_upload_bytes)

    def accept(
        self,
        tenant: str,
        staged: Staged,
        *,
        filename: str,
        password: str | None = None,
        text_layer: TextLayerPolicy = TextLayerPolicy.AUTO,
    ) -> tuple[DocumentView, bool]:
        entry, new = self._jobs.accept(tenant, staged, filename=filename, password=password, text_layer=text_layer)
        view = self._holdings.view(entry)
        if not new and view.state is not DocumentState.DONE:
            self.webhooks.again(tenant, entry.manifest.document_id)
        return view, new

    def finish_upload(self, tenant: str, upload_id: str) -> Upload:
        return self.uploads.finish(tenant, upload_id, accepting(self))

    def delete(self, tenant: str, document_id: str) -> Receipt:
        documents = self._with_members(tenant, document_id)
        receipt = self._deletion.delete(tenant, document_id)
        self._cooldowns.lift(tenant, documents)
        self.idempotency.forget(tenant, document_id)
        self.webhooks.forget(tenant, document_id)
        return receipt

    # -- pages --------------------------------------------------------------------------------

    def read_again(self, tenant: str, document_id: str, page: int | None = None, *, everything: bool = False) -> Asked:
        if page is None:
            asked = self._jobs.again.document(self._holdings.entry(tenant, document_id), everything=everything)
        else:
            _, point = self.page(tenant, document_id, page)
            asked = self._jobs.again.page(point, everything=everything)
        if asked != Asked():
            self.webhooks.again(tenant, document_id)
        documents = self._with_members(tenant, document_id) if page is None else [document_id]
        return replace(asked, lifted=self._cooldowns.lift(tenant, documents, page))

    def read_failed_again(self, tenant: str, *, cursor: str | None = None, limit: int = 200) -> Step:
        step = self._jobs.again.failed(tenant, cursor, limit)
        for document_id in step.touched:
            self.webhooks.again(tenant, document_id)
        lifted = self._cooldowns.lift(tenant) if cursor is None else 0
        return replace(step, asked=replace(step.asked, lifted=lifted))

    def export(self, tenant: str, where: SearchFilter) -> Iterator[PagePoint]:
        # Only once the first page is asked for: to look into archives takes its time.
        yield from export_pages(self._catalog, self._store, tenant, self._opened(tenant, where))

    # -- questions ----------------------------------------------------------------------------

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
        start = time.perf_counter()
        where = self._opened(tenant, where)
        search = self._reranker.search if rerank and self._reranker is not None else self._searched
        hits, reranked = search(tenant, query, where, limit=limit, offset=offset)
        total = self._store.count(tenant, where=where)
        took_ms = (time.perf_counter() - start) * 1000
        return SearchResult(query, tuple(hits), took_ms, total.done, total.undecoded, reranked)

    def _searched(
        self, tenant: str, query: str, where: SearchFilter, *, limit: int, offset: int
    ) -> tuple[list[Hit], bool]:
        return self._store.search(tenant, query, where, limit=limit, offset=offset), False

    def ask(self, tenant: str, question: str, where: SearchFilter) -> Answer:
        """The answer by itself."""
        return self._asking.ask(tenant, question, self._opened(tenant, where)).answer

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
        # Only once the first event is asked for: to look into archives takes its time.
        yield from self._asking.run(
            tenant,
            question,
            self._opened(tenant, where),
            conversation_id=conversation_id,
            history=history,
            verify=verify,
            cancelled=cancelled,
        )

    def new_conversation(self) -> str:
        return self.conversations.start()

    # -- the service itself -------------------------------------------------------------------

    def counts(self, tenant: str | None) -> PageCounts:
        """Pages by state of one tenant, or (None) of all, for metrics."""
        return self._store.count(tenant)

    def reading(self, tenant: str) -> tuple[PageCounts, int]:
        return self._overlook.reading(tenant)

    def overview(self) -> tuple[PageCounts, bool]:
        """Pages by state of all tenants, as far as they are known, and whether anything is still to be done."""
        return self._overlook.progress()

    def queue_depth(self) -> int:
        """Jobs that wait or run, for metrics."""
        return self._queue.depth()

    def inside(self) -> Inside:
        """What runs, for metrics."""
        return self._overlook.inside()

    def disk(self) -> Disk | None:
        """Where the data directory lies, for metrics; None where there is none."""
        return self._overlook.disk()

    def overlook(self, tenant: str) -> Overview:
        """What an administrator looks at: numbers of all tenants, names of this one."""
        return self._overlook.look(tenant, self.ready())

    def ready(self) -> Readiness:
        self._store.count("default")  # raises StoreUnavailable when the index does not answer
        return self._readiness() if callable(self._readiness) else self._readiness

    def _with_members(self, tenant: str, document_id: str) -> list[str]:
        """A document and, of an archive, all that lies in it."""
        return [document_id, *below(self._catalog, tenant, self._catalog.split(tenant, document_id))]

    def _opened(self, tenant: str, where: SearchFilter) -> SearchFilter:
        """The filter with all that lies in its archives, which have no pages of their own."""
        inside = [one for document_id in where.document_ids for one in self._with_members(tenant, document_id)]
        return replace(where, document_ids=tuple(dict.fromkeys(inside)))
