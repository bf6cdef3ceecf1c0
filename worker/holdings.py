"""Holdings: the documents that there are, listed, looked at and watched. Changes nothing.

Behind `worker.library`, whose promises these are (`worker.service`); knows neither engine nor answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from index.blobs import BlobStore
from index.catalog import Catalog, Entry
from index.errors import NotFound
from index.store import Store
from index.types import DocumentState, Manifest, PageState
from worker import listing
from worker.folders import Folder, folders
from worker.labels import above, below
from worker.listing import Choices, Order
from worker.overview import Overlook
from worker.service import DocumentView
from worker.views import told_split, view_of


class Holdings:
    """Thread-safe."""

    def __init__(self, blobs: BlobStore, catalog: Catalog, store: Store, overlook: Overlook) -> None:
        self._blobs = blobs
        self._catalog = catalog
        self._store = store
        self._overlook = overlook
        self._choices = Choices()

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
        return [self.view(entry) for entry in found], next_cursor

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
        entry = self.entry(tenant, document_id)
        view = self.view(entry)
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
        manifest = self.entry(tenant, document_id).manifest
        return manifest, self._blobs.path(manifest.sha256)

    def entry(self, tenant: str, document_id: str) -> Entry:
        entry = self._catalog.get(tenant, document_id)
        if entry is None:
            raise NotFound(f"There is no document {document_id}.")
        return entry

    def view(self, entry: Entry) -> DocumentView:
        return view_of(self._catalog, self._store, entry)
