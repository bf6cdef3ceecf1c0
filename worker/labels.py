"""What page points repeat of their document, worked out from its origins. Pure functions over the catalog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from index.catalog import Catalog, Entry
from index.types import PageLabels, Split

Made = TypeVar("Made")

MAX_DEPTH = 2
"""Archives inside archives that are opened: the uploaded one is depth 1, one inside it depth 2."""


def depth(catalog: Catalog, entry: Entry, *, limit: int = MAX_DEPTH + 2) -> int:
    """How many archives a document lies in, by its shortest way (0: uploaded by itself)."""
    if entry.uploaded or limit == 0:
        return 0
    parents = [catalog.get(entry.manifest.tenant, origin.archive_id) for origin in entry.origins if origin.archive_id]
    return 1 + min((depth(catalog, parent, limit=limit - 1) for parent in parents if parent), default=0)


def above(catalog: Catalog, tenant: str, document_id: str) -> set[str]:
    """Ids of a document and of every archive that it lies in, by any way."""
    found: set[str] = set()
    todo = [document_id]
    while todo:
        current = todo.pop()
        if current not in found and (entry := catalog.get(tenant, current)):
            found.add(current)
            todo.extend(origin.archive_id for origin in entry.origins if origin.archive_id)
    return found


def below(catalog: Catalog, tenant: str, split: Split | None) -> list[str]:
    """Ids of an archive's members, and of members of archives inside: those that still exist, each once."""
    found: dict[str, None] = {}
    todo = [split]
    while todo:
        for _, member in current.members if (current := todo.pop()) else ():
            if member not in found and catalog.get(tenant, member) is not None:
                found[member] = None
                todo.append(catalog.split(tenant, member))
    return list(found)


def paths(catalog: Catalog, entry: Entry, *, limit: int = MAX_DEPTH + 2, from_folders: bool = True) -> tuple[str, ...]:
    """Every path that leads to a document: `box.zip/letters.tar/1923/may.pdf`, or just its file name. What was sent in
    with a folder has that in front, unless not `from_folders`.
    """
    found: list[str] = []
    for origin in entry.origins:
        if origin.archive_id is None:
            found.append(origin.path if from_folders and "/" in origin.path else entry.manifest.filename)
        elif limit and (parent := catalog.get(entry.manifest.tenant, origin.archive_id)):
            over = paths(catalog, parent, limit=limit - 1, from_folders=from_folders)
            found.extend(f"{above}/{origin.path}" for above in over)
    return tuple(sorted(set(found)))


def labels(catalog: Catalog, entry: Entry) -> PageLabels:
    """Labels of a document's pages. Folders are given with the archive's name in front and without it,
    so that both `box.zip/letters` and `letters` find what lies in that folder; and so are folders that were sent in.
    """
    ways = paths(catalog, entry)
    folders: set[str] = set()
    for way in {*ways, *paths(catalog, entry, from_folders=False)}:
        parts = PurePosixPath(way).parts[:-1]
        for end in range(1, len(parts) + 1):
            folders.add("/".join(parts[:end]))
            if end > 1:
                folders.add("/".join(parts[1:end]))
    manifest = entry.manifest
    return PageLabels(manifest.filename, manifest.media_type, manifest.created_at, tuple(sorted(folders)), ways)


class EachFolder(Generic[Made]):
    """What follows from the folder that a document came in, worked out once for each folder of a walk through many:
    to look up the archives of two hundred thousand members one by one takes seconds. `work_out` gets a document with
    one way in, and must not mind its name.
    """

    def __init__(self, work_out: Callable[[Entry], Made]) -> None:
        self._work_out = work_out
        self._known: dict[tuple[str, str | None, str, str], Made] = {}

    def of(self, entry: Entry) -> list[Made]:
        """One for each way in."""
        found = []
        for origin in entry.origins:
            end = origin.path.rfind("/") + 1
            name = origin.path[end:]
            # Names that count as folders, or bring some of their own, stand for themselves.
            odd = name in {"", "."} or "/" in entry.manifest.filename
            own = f"{entry.manifest.document_id}/{name}" if odd else ""
            key = (entry.manifest.tenant, origin.archive_id, origin.path[:end], own)
            if key not in self._known:
                self._known[key] = self._work_out(Entry(entry.manifest, (origin,)))
            found.append(self._known[key])
        return found
