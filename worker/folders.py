"""The folders that documents came in, as a tree to walk down. Pure functions over the catalog.

A folder is one that was sent in, or one inside an archive, whose file name is then its outermost folder. What lies in
it is what a search or a listing with that folder as its filter is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from index.catalog import Catalog, Entry
from worker.labels import EachFolder, paths
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

    def told(entry: Entry) -> frozenset[str]:
        ways = (way.split("/")[:-1] for way in paths(catalog, entry))
        return frozenset("/".join(way[: depth + 1]) for way in ways if len(way) > depth and way[:depth] == above)

    each = EachFolder(told)
    together: Counter[frozenset[str]] = Counter()  # mostly few sets for many documents
    for entry in entries:
        sets = each.of(entry)
        together[sets[0] if len(sets) == 1 else frozenset().union(*sets)] += 1
    found: Counter[str] = Counter()
    for paths_told, documents in together.items():
        found.update(dict.fromkeys(paths_told, documents))
    return [Folder(path, found[path]) for path in sorted(found, key=lambda path: (natural(path), path))]
