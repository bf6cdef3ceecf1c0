"""What is told of a document: its state and its pages by state, counted from what is stored and never kept."""

from __future__ import annotations

from dataclasses import replace

from index.catalog import Catalog, Entry
from index.store import PageCounts, Store
from index.types import DocumentState, SearchFilter, Split
from ingest.archives import ARCHIVE_TYPES
from worker.labels import below
from worker.service import DocumentView


def view_of(catalog: Catalog, store: Store, entry: Entry) -> DocumentView:
    """A document as it is now; an archive as all that lies in it together."""
    manifest = entry.manifest
    tenant, document_id = manifest.tenant, manifest.document_id
    split = catalog.split(tenant, document_id)
    if split is None:
        # To unpack a large archive takes minutes, in which its first members are read already.
        begun = manifest.media_type in ARCHIVE_TYPES and catalog.being_opened(tenant, document_id)
        state = DocumentState.READING if begun else DocumentState.ACCEPTED
        return DocumentView(manifest, state, PageCounts(), None, entry.origins)
    if split.error_code:
        return DocumentView(manifest, DocumentState.FAILED, PageCounts(), split, entry.origins)
    if split.pages:
        counts = store.count(tenant, document_id=document_id)
        missing = max(0, len(split.pages) - counts.total)
        counts = replace(counts, pending=counts.pending + missing)
        return DocumentView(manifest, _state(counts), counts, split, entry.origins)
    return _archive_view(catalog, store, entry, split)


def _archive_view(catalog: Catalog, store: Store, entry: Entry, split: Split) -> DocumentView:
    tenant = entry.manifest.tenant
    members = below(catalog, tenant, split)
    counts = PageCounts()
    if members:
        counts = store.count(tenant, where=SearchFilter(document_ids=tuple(members)))
    splits = [catalog.split(tenant, member) for member in members]
    expected = sum(len(found.pages) for found in splits if found)
    counts = replace(counts, pending=counts.pending + max(0, expected - counts.total))
    broken = bool(split.member_failures) or any(
        found and (found.error_code or found.member_failures) for found in splits
    )
    if counts.pending or any(found is None for found in splits):
        state = DocumentState.READING
    elif broken or counts.failed:
        state = DocumentState.PARTIAL if counts.done else DocumentState.FAILED
    else:
        state = DocumentState.DONE  # also where all that it held was deleted: nothing has failed
    return DocumentView(entry.manifest, state, counts, split, entry.origins)


def _state(counts: PageCounts) -> DocumentState:
    if counts.pending:
        return DocumentState.READING
    if not counts.failed:
        return DocumentState.DONE
    return DocumentState.PARTIAL if counts.done else DocumentState.FAILED
