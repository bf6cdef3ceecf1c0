"""The `Library`: documents, pages, search and answers over one set of ports, for one process.

Implements `worker.service.ServiceProtocol`. Knows the jobs and the ports, no HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from index.blobs import BlobStore, Staged
from index.catalog import Catalog, Entry
from index.embedder import Embedder
from index.errors import Conflict, NotFound
from index.store import PageCounts, Store
from index.types import (
    Answer,
    DocumentState,
    Hit,
    Manifest,
    PageKey,
    PagePoint,
    PageState,
    SearchFilter,
    SearchResult,
    TextLayerPolicy,
)
from worker import listing
from worker.answerer import Answerer, PreparingAnswerer
from worker.asking.conversation import Conversations, Turn
from worker.asking.cooldown import Cooldowns
from worker.asking.decoding import DecodingConfig
from worker.asking.pipeline import Asking, Event
from worker.decoding import Located, PageDecoder, locate, require_tokens
from worker.deletion import Deletion, Receipt
from worker.engine.engine import Decoded
from worker.engine.prompts import Prompt
from worker.export import export_pages
from worker.folders import Folder, folders
from worker.idempotency import IdempotencyKeys
from worker.images import PageImages
from worker.jobs import Jobs
from worker.labels import above, below
from worker.listing import Choices, Order
from worker.overview import Inside, Overlook, Overview
from worker.queue import Queue
from worker.read_again import Asked, Step
from worker.reranking import Reranker
from worker.service import DocumentView, Readiness
from worker.uploads import ResumableUploads, Upload, accepting
from worker.views import told_split, view_of
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
        self._images = images
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
        self._choices = Choices()

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
        view = self._view(entry)
        if not new and view.state is not DocumentState.DONE:
            self.webhooks.again(tenant, entry.manifest.document_id)
        return view, new

    def finish_upload(self, tenant: str, upload_id: str) -> Upload:
        return self.uploads.finish(tenant, upload_id, accepting(self))

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
        entries = self._listed(tenant, uploaded_only=uploaded_only, name=name, folder=folder, troubled=troubled)
        pages = self._overlook.page_counts(tenant) if order is Order.PAGES else {}
        pages_of = lambda entry: pages.get(entry.manifest.document_id, 0)  # noqa: E731
        found, next_cursor = listing.step(entries, cursor, limit, order=order, pages_of=pages_of)
        return [self._view(entry) for entry in found], next_cursor

    def count_documents(
        self,
        tenant: str,
        *,
        uploaded_only: bool = False,
        name: str | None = None,
        folder: str | None = None,
        troubled: bool = False,
    ) -> int:
        return len(self._listed(tenant, uploaded_only=uploaded_only, name=name, folder=folder, troubled=troubled))

    def _listed(
        self, tenant: str, *, uploaded_only: bool, name: str | None, folder: str | None, troubled: bool
    ) -> Sequence[Entry]:
        entries, which = self._catalog.listed(tenant), (uploaded_only, name, folder)
        if uploaded_only or name or folder:
            wanted = {"uploaded_only": uploaded_only, "name": name, "folder": folder, "catalog": self._catalog}
            entries = self._choices.of(tenant, entries, which, partial(listing.chosen, **wanted))
        if not troubled:
            return entries
        only = self._troubled(tenant)
        return [entry for entry in entries if entry.manifest.document_id in only]

    def _troubled(self, tenant: str) -> set[str]:
        """Documents of which something could not be read, and the archives that they lie in."""
        failed = {point.key.document_id for point in self._store.scan(tenant, states=[PageState.FAILED])}
        failed |= self._overlook.unreadable(tenant)
        return {one for document_id in failed for one in above(self._catalog, tenant, document_id)}

    def folders(self, tenant: str, within: str = "") -> list[Folder]:
        return folders(self._catalog, self._catalog.entries(tenant), within)

    def document(self, tenant: str, document_id: str) -> DocumentView:
        entry = self._entry(tenant, document_id)
        view = self._view(entry)
        if view.split and view.split.members:
            view = replace(view, split=told_split(self._catalog, view, view.split))
        if not view.pages.failed:
            return view
        members = below(self._catalog, tenant, view.split)
        failed = self._store.scan(tenant, document_ids=[document_id, *members], states=[PageState.FAILED])
        return replace(
            view, failed_pages=tuple(sorted(failed, key=lambda point: (point.key.document_id, point.key.page)))
        )

    def unknown(self, tenant: str, document_ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(one for one in document_ids if self._catalog.get(tenant, one) is None)

    def watch(self, tenant: str, document_id: str, *, poll_s: float = 0.3) -> Iterator[DocumentView]:
        last = None
        while True:
            try:
                view = self.document(tenant, document_id)
            except NotFound:
                if last is None:
                    raise
                return
            if last is None or (view.state, view.pages) != (last.state, last.pages):
                yield view
            last = view
            if view.state not in {DocumentState.ACCEPTED, DocumentState.READING}:
                return
            time.sleep(poll_s)

    def original(self, tenant: str, document_id: str) -> tuple[Manifest, Path]:
        manifest = self._entry(tenant, document_id).manifest
        return manifest, self._blobs.path(manifest.sha256)

    def delete(self, tenant: str, document_id: str) -> Receipt:
        documents = self._with_members(tenant, document_id)
        receipt = self._deletion.delete(tenant, document_id)
        self._cooldowns.lift(tenant, documents)
        self.idempotency.forget(tenant, document_id)
        self.webhooks.forget(tenant, document_id)
        return receipt

    # -- pages --------------------------------------------------------------------------------

    def page(self, tenant: str, document_id: str, page: int) -> tuple[DocumentView, PagePoint]:
        entry = self._entry(tenant, document_id)
        point = self._store.get([PageKey(tenant, document_id, page)])[0]
        if point is None:
            raise self._no_page(entry, page)
        return self._view(entry), point

    def page_image(self, tenant: str, document_id: str, page: int, *, width: int, kind: str) -> bytes:
        entry = self._entry(tenant, document_id)
        manifest = entry.manifest
        split = self._catalog.split(tenant, document_id)
        if split is None or not 1 <= page <= len(split.pages):
            raise self._no_page(entry, page)
        point = self._store.get([PageKey(tenant, document_id, page)])[0]
        return self._images.image(
            self._blobs.path(manifest.sha256),
            manifest,
            page,
            entry.password,
            size=split.pages[page - 1],
            rotation=point.rotation if point else 0,
            width=width,
            kind=kind,
        )

    def decode(self, tenant: str, document_id: str, page: int, prompt: Prompt) -> Decoded:
        _, point = self.page(tenant, document_id, page)
        require_tokens(point)
        return self._decoder.decode(point.key, prompt)

    def locate(self, tenant: str, document_id: str, page: int, phrase: str) -> Located:
        _, point = self.page(tenant, document_id, page)
        require_tokens(point)
        return locate(self._decoder, point.key, phrase)

    def read_again(self, tenant: str, document_id: str, page: int | None = None, *, everything: bool = False) -> Asked:
        if page is None:
            asked = self._jobs.again.document(self._entry(tenant, document_id), everything=everything)
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

    def overlook(self, tenant: str) -> Overview:
        """What an administrator looks at: numbers of all tenants, names of this one."""
        return self._overlook.look(tenant, self.ready())

    def ready(self) -> Readiness:
        self._store.count("default")  # raises StoreUnavailable when the index does not answer
        return self._readiness() if callable(self._readiness) else self._readiness

    def _entry(self, tenant: str, document_id: str) -> Entry:
        entry = self._catalog.get(tenant, document_id)
        if entry is None:
            raise NotFound(f"There is no document {document_id}.")
        return entry

    def _with_members(self, tenant: str, document_id: str) -> list[str]:
        """A document and, of an archive, all that lies in it."""
        return [document_id, *below(self._catalog, tenant, self._catalog.split(tenant, document_id))]

    def _opened(self, tenant: str, where: SearchFilter) -> SearchFilter:
        """The filter with all that lies in its archives, which have no pages of their own."""
        inside = [one for document_id in where.document_ids for one in self._with_members(tenant, document_id)]
        return replace(where, document_ids=tuple(dict.fromkeys(inside)))

    def _no_page(self, entry: Entry, page: int) -> NotFound | Conflict:
        split = self._catalog.split(entry.manifest.tenant, entry.manifest.document_id)
        if split is None:
            return Conflict("The document was accepted but not opened yet; ask again in a moment.", code="not_ready")
        if split.error_code:
            return NotFound(f"The file could not be opened ({split.error_code}); it has no pages.")
        if not split.pages:
            return NotFound("This is an archive: the documents in it, its `members`, have the pages.")
        count = len(split.pages)
        return NotFound(f"The document has {count} page{'' if count == 1 else 's'}; there is no page {page}.")

    def _view(self, entry: Entry) -> DocumentView:
        return view_of(self._catalog, self._store, entry)
