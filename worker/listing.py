"""Documents in a listing: which of them, in which order, from where on. Functions over entries of the catalog, and a
memory of what was chosen last.

A name is looked for as people remember it: every word of what is asked has to stand somewhere in the file's name or in
the folders it came in, whatever the case and the accents, and in any order. Names are put in order as people number
them: `no 2` before `no 10`.
"""

from __future__ import annotations

import heapq
import math
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice

from index.catalog import Catalog, Entry
from index.errors import InvalidRequest
from index.words import fold
from worker.labels import EachFolder, labels

_fold = fold.__wrapped__  # names of files are not kept among the folded words, which are asked for far more often
_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile(r"-?\d+\.\d+|-?\d(?:\.\d+)?e[+-]\d+", re.ASCII)  # as `repr` writes them
_LONGEST = 200  # characters of a name that give it its place, since cursors carry them
_CHOICES = 8  # each holds a reference for each document that it chose

_Place = tuple[float | str, str]


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    PAGES = "pages"  # most pages first; archives, whose members have the pages, and unopened files last
    SIZE = "size"  # largest first


_DESCENDING = frozenset({Order.NEWEST, Order.PAGES, Order.SIZE})


def chosen(
    entries: Iterable[Entry],
    *,
    uploaded_only: bool,
    name: str | None,
    folder: str | None = None,
    catalog: Catalog | None = None,
) -> Iterator[Entry]:
    """Those that a listing is about, in their order. A `name` without any word chooses all. With `folder` (and the
    `catalog`, to look up archives): what lies in it, or below, as the filter of a search means it; also what only
    archives hold, whatever `uploaded_only` says.
    """
    asked = _fold(name or "").split()
    within = (folder or "").strip("/")
    lies_within = EachFolder(lambda entry: catalog is not None and within in labels(catalog, entry).folders)
    for entry in entries:
        if within and catalog is not None:
            if not any(lies_within.of(entry)):
                continue
        elif uploaded_only and not entry.uploaded:
            continue
        if not asked or _is_named(entry, asked):
            yield entry


class Choices:
    """What listings chose last, while nothing has changed: all the steps through one, and their total, look through the
    archive once. A folder among two hundred thousand documents takes a sixth of a second. A tenant's next choice after
    a change drops all that it chose before: entries hold the passwords of their documents. Thread-safe.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Hashable], tuple[Sequence[Entry], Sequence[Entry]]] = {}
        self._guard = threading.Lock()

    def of(
        self,
        tenant: str,
        entries: Sequence[Entry],
        which: Hashable,
        choose: Callable[[Sequence[Entry]], Iterable[Entry]],
    ) -> Sequence[Entry]:
        """`choose(entries)`, or what it gave for the same (not equal) `entries` before. `which` names the choice."""
        with self._guard:
            for key in [key for key, kept in self._kept.items() if key[0] == tenant and kept[0] is not entries]:
                del self._kept[key]
            known = self._kept.get((tenant, which))
        if known is None:
            known = entries, list(choose(entries))
        with self._guard:
            self._kept.pop((tenant, which), None)
            self._kept[tenant, which] = known  # the last one that was asked for, last
            if len(self._kept) > _CHOICES:
                del self._kept[next(iter(self._kept))]
        return known[1]


def _is_named(entry: Entry, asked: list[str]) -> bool:
    names = _fold(" ".join([entry.manifest.filename, *(origin.path for origin in entry.origins)]))
    return all(word in names for word in asked)


def natural(name: str) -> str:
    """A text that sorts as people sort names: numbers by their value, whatever the case and the accents."""
    return _DIGITS.sub(lambda digits: digits.group().lstrip("0").rjust(12, "0"), _fold(name))[:_LONGEST]


def step(
    entries: Iterable[Entry],
    cursor: str | None,
    limit: int,
    *,
    order: Order = Order.NEWEST,
    pages_of: Callable[[Entry], int] = lambda _: 0,
) -> tuple[list[Entry], str | None]:
    """At most `limit` of `entries` (newest first) after `cursor`, and the cursor of the next step. `InvalidRequest`.

    Ids are in no order, so a cursor names the last document that was listed by its place and its id: what comes and
    goes meanwhile neither repeats nor hides another. It goes on in its own order only: a place among sizes is a number
    as a time is, and would be taken for one.
    """

    def place(entry: Entry) -> _Place:
        facts = entry.manifest
        if order is Order.NAME:
            return natural(facts.filename), facts.document_id
        if order is Order.SIZE:
            return float(facts.size), facts.document_id
        if order is Order.PAGES:
            return float(pages_of(entry)), facts.document_id
        return facts.created_at.timestamp(), facts.document_id

    descending = order in _DESCENDING
    if cursor is not None:
        last = _parse(cursor, order)
        entries = (entry for entry in entries if (place(entry) < last if descending else place(entry) > last))
    if order is Order.NEWEST:
        found = list(islice(entries, limit + 1))
    else:
        found = (heapq.nlargest if descending else heapq.nsmallest)(limit + 1, entries, key=place)
    if len(found) <= limit:
        return found, None
    at, last_id = place(found[limit - 1])
    return found[:limit], f"{_mark(order)}{at if isinstance(at, str) else repr(at)}_{last_id}"


def _mark(order: Order) -> str:
    """How cursors of an order begin."""
    return "" if order is Order.NEWEST else f"{order}:"


def _parse(cursor: str, order: Order) -> _Place:
    marked, (at, _, last_id) = cursor.startswith(_mark(order)), cursor.removeprefix(_mark(order)).rpartition("_")
    if marked and order is Order.NAME:
        return at, last_id
    if not marked or not _NUMBER.fullmatch(at) or not math.isfinite(float(at)):
        raise InvalidRequest("This cursor is not one that a listing in this order returned.")
    return float(at), last_id
