"""The folders that documents came in, as a tree to walk down. Pure functions over the catalog.

A folder is one that was sent in, or one inside an archive, whose file name is then its outermost folder. What lies in
it is what a search or a listing with that folder as its filter is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from index.catalog import Catalog, Entry
from worker.labels import paths
from worker.listing import natural


@dataclass(frozen=True, slots=True)
class Folder:
    """`path` from the outermost folder on, without a final slash; `documents` that lie in it or below."""

    path: str
    documents: int


def folders(catalog: Catalog, entries: Iterable[Entry], within: str = "") -> list[Folder]:
    """The folders directly in `within` (empty: the outermost ones), by their names."""
    above = within.strip("/").split("/") if within.strip("/") else []
    depth = len(above)
    found: Counter[str] = Counter()
    for entry in entries:
        ways = (way.split("/")[:-1] for way in paths(catalog, entry))
        found.update({"/".join(way[: depth + 1]) for way in ways if len(way) > depth and way[:depth] == above})
    return [Folder(path, found[path]) for path in sorted(found, key=lambda path: (natural(path), path))]
