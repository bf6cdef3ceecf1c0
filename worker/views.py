"""What is told of a document: its state and its pages by state, counted from what is stored and never kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from index.catalog import Catalog, Entry
from index.store import PageCounts, Store
from index.types import DocumentState, MemberFailure, SearchFilter, Split
from ingest.archives import ARCHIVE_TYPES
from worker.labels import below
from worker.service import DocumentView
from worker.splits import is_awaited


def view_of(catalog: Catalog, store: Store, entry: Entry) -> DocumentView:
    """A document as it is now; an archive as all that lies in it together."""
    manifest = entry.manifest
    tenant, document_id = manifest.tenant, manifest.document_id
    split = catalog.split(tenant, document_id)
    if split is None and manifest.media_type in ARCHIVE_TYPES:
        # To unpack a large archive takes minutes, in which its first members are read already.
        if catalog.being_opened(tenant, document_id):
            return DocumentView(manifest, DocumentState.READING, PageCounts(), None, entry.origins)
        split = catalog.split(tenant, document_id)  # it may have been opened between the two looks
    if split is None:
        return DocumentView(manifest, DocumentState.ACCEPTED, PageCounts(), None, entry.origins)
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
    waits = is_awaited(catalog, tenant, entry.manifest.document_id, split)
    if waits:
        split = replace(split, member_failures=())  # of before: what is still so, its opening finds again
    inside = zip(members, splits, strict=True)
    if waits or counts.pending or any(not found or is_awaited(catalog, tenant, one, found) for one, found in inside):
        state = DocumentState.READING
    elif broken or counts.failed:
        read = counts.done or _has_lost(catalog, tenant, [split, *filter(None, splits)])
        state = DocumentState.PARTIAL if read else DocumentState.FAILED
    else:
        state = DocumentState.DONE  # also where all that it held was deleted: nothing has failed
    return DocumentView(entry.manifest, state, counts, split, entry.origins)


def _has_lost(catalog: Catalog, tenant: str, splits: Iterable[Split]) -> bool:
    """Whether a member was deleted. Nobody knows any more how it was read: not that nothing was."""
    return any(catalog.get(tenant, member) is None for split in splits for _, member in split.members)


def told_split(catalog: Catalog, view: DocumentView, split: Split) -> Split:
    """What is told of an archive's members: those that are still there, and what in it is no document or, once it is
    read, turned out not to open, archives inside included.
    """
    tenant = view.manifest.tenant
    there = tuple(member for member in split.members if catalog.get(tenant, member[1]))
    if view.state in {DocumentState.PARTIAL, DocumentState.FAILED}:
        split = replace(split, member_failures=tuple(_member_failures(catalog, tenant, split)))
    return replace(split, members=there)


def _member_failures(catalog: Catalog, tenant: str, split: Split, above: str = "") -> Iterator[MemberFailure]:
    for failure in split.member_failures:
        yield replace(failure, path=above + failure.path)
    for path, member in split.members:
        found = catalog.split(tenant, member) if catalog.get(tenant, member) else None
        if found and found.error_code:
            yield MemberFailure(above + path, found.error_code, found.error_message or "")
        elif found:
            yield from _member_failures(catalog, tenant, found, f"{above}{path}/")


def _state(counts: PageCounts) -> DocumentState:
    if counts.pending:
        return DocumentState.READING
    if not counts.failed:
        return DocumentState.DONE
    return DocumentState.PARTIAL if counts.done else DocumentState.FAILED
