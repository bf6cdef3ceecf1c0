"""All pages that a filter leaves, one after the other: the archive as data for other programs.

Documents come newest first, pages in order. Nothing is held but a few pages at a time; what is deleted or read anew
while an export runs is given as it stands when its turn comes. Knows catalog and store, no HTTP and no file format.
"""

from __future__ import annotations

from collections.abc import Iterator

from index.catalog import Catalog, Entry
from index.store import Store
from index.types import Manifest, PageKey, PageLabels, PagePoint, PageState, SearchFilter

_AT_ONCE = 16
"""Pages fetched together; a dense page with its words takes some 200 kB."""


def export_pages(catalog: Catalog, store: Store, tenant: str, where: SearchFilter) -> Iterator[PagePoint]:
    """Pages that are done and decoded, with text, regions and words. Raises `StoreUnavailable` when the index does not
    answer.
    """
    for entry in _entries(catalog, tenant, where):
        manifest = entry.manifest
        split = catalog.split(tenant, manifest.document_id)
        if split is None or not _wanted(manifest, where):
            continue
        for start in range(0, len(split.pages), _AT_ONCE):
            numbers = range(start + 1, min(start + _AT_ONCE, len(split.pages)) + 1)
            for point in store.get([PageKey(tenant, manifest.document_id, number) for number in numbers]):
                if point is not None and _has_text(point) and _in_folder(point.labels, where.folder):
                    yield point


def _has_text(point: PagePoint) -> bool:
    """Pages that nobody needed yet have vision tokens only (`FOLIOSCOPE_READING=lazy`)."""
    return point.state is PageState.DONE and point.decoded


def _entries(catalog: Catalog, tenant: str, where: SearchFilter) -> Iterator[Entry]:
    if not where.document_ids:
        yield from catalog.entries(tenant)
        return
    for document_id in dict.fromkeys(where.document_ids):
        entry = catalog.get(tenant, document_id)
        if entry is not None:
            yield entry


def _wanted(manifest: Manifest, where: SearchFilter) -> bool:
    """As search filters (`index.conditions`): a range of time with both its ends."""
    return (
        (not where.media_types or manifest.media_type in where.media_types)
        and (where.created_from is None or manifest.created_at >= where.created_from)
        and (where.created_to is None or manifest.created_at <= where.created_to)
    )


def _in_folder(labels: PageLabels, folder: str | None) -> bool:
    return not folder or folder.strip("/") == "" or folder.rstrip("/") in labels.folders
