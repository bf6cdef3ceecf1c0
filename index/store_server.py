"""`Store` on a Qdrant server, for several processes at once.

* A method returns when the server has applied its change (`wait=true`) and logged it.
* `update` is update-only however many processes write, because the server decides: an upsert in the mode
  `update_only` never brings a point back, and a change of fields goes by a filter, which finds nothing where nothing
  is. A commit needs the old payload (labels stay as they are), so it is a compare-and-set: every write leaves a fresh
  `stamp`, and the upsert's `update_filter` wants the stamp that was read. If another process was faster, nothing
  happens, and the commit is made again from what is there now. Reading the stamps afterwards says what was applied.
* All requests may be repeated with the same outcome, so `index/server_client.py` may try them again.
* Requests stay below the server's limit of 32 MB; a page with all its vision tokens is about 8 MB over gRPC.
* Writes are ordered by a shard's leader (`strong`), so that replicas judge conditions alike.
* `close` ends this process's connections and nothing else.

Search is that of the embedded store, from the same request. IDF is always counted over the tenant's own pages.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

import numpy as np
from qdrant_client import models as m

from index import payload as codec
from index import server_collection, server_points, server_query, vision
from index.conditions import Condition
from index.embedder import Embedder
from index.errors import StoreUnavailable
from index.schema import SENTENCES, check_tokens, page_vectors, point_id, replaces
from index.search import CANDIDATE_FIELDS, Candidate, HybridSearch, LegQuery
from index.server_client import ServerClient
from index.server_config import ServerConfig
from index.store import PageCounts, PageUpdate
from index.types import Hit, PageKey, PageLabels, PagePoint, PageState, SearchFilter

_STRONG = m.WriteOrdering.STRONG
_TRIES = 12
"""How often a commit is made again because another process changed the page meanwhile. Each time somebody got
through, so more than two or three are a sign of something else."""
_WITHOUT_CONTENT = m.PayloadSelectorExclude(exclude=list(codec.CONTENT))
STAMP = codec.STAMP


class ServerStore:
    """Implements `index.store.Store`. Make one with `open`. Thread-safe; not to be carried over a fork."""

    def __init__(self, client: ServerClient, embedder: Embedder, vision_dim: int | None) -> None:
        self._client = client
        self._config = client.config
        self._vision_dim = vision_dim
        self._search = HybridSearch(embedder, self._config.search, self._config.words)

    @classmethod
    def open(cls, config: ServerConfig, embedder: Embedder) -> Self:
        """The store on the server, its collection made if there is none. `StoreUnavailable` where no server answers,
        `ConfigError` where the collection was made with another embedder, or is not ours.
        """
        client = ServerClient(config)
        try:
            client.check_version()
            return cls(client, embedder, server_collection.prepare(client, embedder))
        except BaseException:
            client.close()
            raise

    @staticmethod
    def drop(config: ServerConfig) -> None:
        """Throw the whole collection away, of all tenants; for `folioscope rebuild`."""
        client = ServerClient(config)
        try:
            server_collection.drop(client)
        finally:
            client.close()

    def close(self) -> None:
        """Harmless twice."""
        self._client.close()

    def add_pending(self, keys: Sequence[PageKey], labels: PageLabels, at: datetime) -> None:
        for start in range(0, len(keys), self._config.insert_piece):
            points = [
                m.PointStruct(id=point_id(key), vector={}, payload=_stamped(codec.new_pending(key, labels, at)))
                for key in keys[start : start + self._config.insert_piece]
            ]
            self._upsert(points, m.UpdateMode.INSERT_ONLY)

    def update(self, changes: Sequence[PageUpdate]) -> list[bool]:
        found: list[bool] = []
        for run in _runs(changes, self._config.insert_piece):
            fields = [change for change in run if not replaces(change)]
            whole = [change for change in run if replaces(change)]
            there = self._set_fields(fields) | self._replace(whole)
            found += [point_id(change.key) in there for change in run]
        return found

    def get(self, keys: Sequence[PageKey], *, with_vision: bool = False) -> list[PagePoint | None]:
        wanted = [point_id(key) for key in keys]
        names = list(vision.NAMES) if with_vision and self._vision_dim is not None else None
        records = self._retrieve(wanted, True, names)
        points: list[PagePoint | None] = []
        for key, point in zip(keys, wanted, strict=True):
            record = records.get(point)
            payload = record.payload if record is not None else None
            if record is None or not payload or payload["tenant"] != key.tenant:
                points.append(None)
                continue
            page = codec.decode(payload)
            if names:
                page = replace(page, vision_tokens=vision.tokens(page.vision, record.vector or {}))
            points.append(page)
        return points

    def scan(
        self,
        tenant: str | None,
        *,
        document_ids: Sequence[str] = (),
        states: Sequence[PageState] = (),
        where: SearchFilter | None = None,
        undecoded: bool = False,
        with_content: bool = False,
    ) -> Iterable[PagePoint]:
        pages = server_query.page_filter(
            tenant, where=where, document_ids=tuple(document_ids), states=tuple(states), undecoded=undecoded
        )
        return self._scan(pages, with_content or _WITHOUT_CONTENT)

    def _scan(self, where: m.Filter | None, fields: bool | m.PayloadSelectorExclude) -> Iterator[PagePoint]:
        offset: Any = None
        while True:
            records, offset = self._client.run(
                lambda client, at=offset: client.scroll(
                    self._config.collection,
                    scroll_filter=where,
                    limit=self._config.scan_piece,
                    offset=at,
                    with_payload=fields,
                )
            )
            yield from (codec.decode(record.payload) for record in records)
            if offset is None:
                return

    def count(
        self, tenant: str | None, *, document_id: str | None = None, where: SearchFilter | None = None
    ) -> PageCounts:
        documents = (document_id,) if document_id is not None else ()
        pages = server_query.page_filter(tenant, where=where, document_ids=documents)
        done = server_query.page_filter(tenant, where=where, document_ids=documents, states=(PageState.DONE,))
        return codec.page_counts(self._facet("state", pages), self._facet("awaits", done))

    def _facet(self, key: str, where: m.Filter | None) -> dict[str, int]:
        """Exact counts by value of an indexed keyword."""
        name = self._config.collection
        answer = self._client.run(lambda client: client.facet(name, key, facet_filter=where, limit=16, exact=True))
        return {str(hit.value): hit.count for hit in answer.hits}

    def search(self, tenant: str, query: str, where: SearchFilter, *, limit: int, offset: int = 0) -> list[Hit]:
        return self._search.search(self, tenant, query, where, limit=limit, offset=offset)

    def delete(self, tenant: str, document_id: str) -> int:
        where = server_query.page_filter(tenant, document_ids=(document_id,))
        name = self._config.collection
        there = self._client.run(lambda client: client.count(name, count_filter=where, exact=True)).count
        # Also where nothing was seen: a page may have come between the two requests.
        self._client.run(
            lambda client: client.delete(name, m.FilterSelector(filter=where), wait=True, ordering=_STRONG)
        )
        return there

    # What `index.search.Retriever` asks.

    def candidates(self, tenant: str, query: LegQuery, where: SearchFilter) -> list[Candidate]:
        pages = server_query.page_filter(tenant, where=where, states=(PageState.DONE,))
        prefetch, formula = server_query.hybrid(query, pages, server_query.page_filter(tenant))
        answer = self._client.run(
            lambda client: client.query_points(
                self._config.collection,
                query=formula,
                prefetch=prefetch,
                limit=query.limit,
                with_payload=CANDIDATE_FIELDS,
            )
        )
        return [Candidate.of(str(p.id), p.score, p.payload or {}) for p in answer.points]

    def details(self, points: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], np.ndarray]]:
        return {
            point: (record.payload, np.array((record.vector or {}).get(SENTENCES, ()), np.float32))
            for point, record in self._retrieve(list(points), True, [SENTENCES]).items()
            if record.payload and record.payload["state"] == PageState.DONE.value
        }

    # Beyond the port.

    def _set_fields(self, changes: Sequence[PageUpdate]) -> set[str]:
        """Changes without content: only the fields that they name. The points that are there."""
        if not changes:
            return set()
        patches = [_stamped(codec.patch(change), conditional=change.only_in is not None) for change in changes]
        operations = [
            m.SetPayloadOperation(
                set_payload=m.SetPayload(
                    payload=stamped,
                    filter=server_query.this_page(point_id(change.key), change.key.tenant, change.only_in),
                )
            )
            for change, stamped in zip(changes, patches, strict=True)
        ]
        self._client.run(
            lambda client: client.batch_update_points(self._config.collection, operations, wait=True, ordering=_STRONG)
        )
        records = self._retrieve([point_id(change.key) for change in changes], ["tenant", STAMP, codec.CONDITIONAL])
        there = {point_id(c.key) for c in changes if _owner(records.get(point_id(c.key))) == c.key.tenant}
        refused = {
            point_id(c.key)
            for c, stamped in zip(changes, patches, strict=True)
            if c.only_in is not None
            and point_id(c.key) in there
            and not _is_made(c, records[point_id(c.key)], stamped[STAMP])
        }
        return there - refused

    def _replace(self, changes: Sequence[PageUpdate]) -> set[str]:
        """Changes that write whole points; the points that were there."""
        applied: set[str] = set()
        for change in changes:
            check_tokens(change, self._vision_dim, f"{self._config.collection} on {self._config.url}")
        # Counting words is the slow part, and need not be done again when another process was faster.
        vectors = {point_id(change.key): page_vectors(change, self._config.words) for change in changes}
        left = {point_id(change.key): change for change in changes}
        for attempt in range(_TRIES):
            if not left:
                return applied
            if attempt:
                time.sleep(random.uniform(0, 0.01) * 2 ** min(attempt, 6))
            before = self._before(left)
            left = {
                point: change for point, change in left.items() if point in before and _wanted(change, before[point][0])
            }
            stamps: dict[str, str] = {}
            batch: list[m.PointStruct] = []
            size = 0
            for point, change in left.items():
                payload, kept = before[point]
                new = _stamped(codec.changed(payload, change), conditional=change.only_in is not None)
                stamps[point] = new[STAMP]
                named = vectors[point] or page_vectors(change, self._config.words, payload.get("text"))
                weight = server_points.size(new, named | kept)
                if batch and size + weight > self._config.request_bytes:
                    self._compare_and_set(batch, before)
                    batch, size = [], 0
                batch.append(server_points.point(point, new, named | kept, text=not self._config.grpc))
                size += weight
            if batch:
                self._compare_and_set(batch, before)
            after = self._retrieve(list(left), [STAMP, codec.CONDITIONAL])
            done = {p for p, change in left.items() if p in after and _is_made(change, after[p], stamps[p])}
            applied |= done
            left = {point: change for point, change in left.items() if point not in done}
        if left:
            raise StoreUnavailable("Other processes keep changing these pages. Try again in a moment.")
        return applied

    def _before(self, changes: Mapping[str, PageUpdate]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """By point: its payload, as far as the change leaves it, and vectors that it keeps. Only points that exist."""
        # Content is fetched only where it is needed again: passages without a new reading.
        keeping = [p for p, change in changes.items() if change.passages is not None and change.reading is None]
        others = [point for point in changes if point not in set(keeping)]
        names = list(vision.NAMES) if self._vision_dim is not None else None
        records = self._retrieve(others, _WITHOUT_CONTENT)
        records |= self._retrieve(keeping, True, names)
        return {
            point: (dict(record.payload or {}), _kept(record) if point in keeping else {})
            for point, record in records.items()
            if _owner(record) == changes[point].key.tenant
        }

    def _compare_and_set(
        self, points: Sequence[m.PointStruct], before: Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
    ) -> None:
        """Write points that are still as they were read. Stamps are random, so one of them is the point's own."""
        seen = tuple(before[str(point.id)][0][STAMP] for point in points)
        self._upsert(
            points,
            m.UpdateMode.UPDATE_ONLY,
            m.Filter(must=[server_query.condition(Condition(STAMP, seen))]),
        )

    def _upsert(self, points: Sequence[m.PointStruct], mode: m.UpdateMode, where: m.Filter | None = None) -> None:
        self._client.run(
            lambda client: client.upsert(
                self._config.collection,
                list(points),
                wait=True,
                ordering=_STRONG,
                update_mode=mode,
                update_filter=where,
            )
        )

    def _retrieve(self, points: Sequence[str], fields: Any, names: list[str] | None = None) -> dict[str, m.Record]:
        """Points by id, in pieces; ids that are not there are left out."""
        piece = self._config.vision_piece if names and vision.VISION in names else self._config.scan_piece
        records: dict[str, m.Record] = {}
        for start in range(0, len(points), piece):
            found = self._client.run(
                lambda client, wanted=list(points[start : start + piece]): client.retrieve(
                    self._config.collection, wanted, with_payload=fields, with_vectors=names or False
                )
            )
            records.update((str(record.id), record) for record in found)
        return records


def _stamped(payload: dict[str, Any], *, conditional: bool = False) -> dict[str, Any]:
    stamp = secrets.token_hex(8)
    return {**payload, STAMP: stamp, **({codec.CONDITIONAL: stamp} if conditional else {})}


def _is_made(change: PageUpdate, record: m.Record, stamp: str) -> bool:
    """Whether a change was made. Where it had a condition its stamp may be another's already: who looks for pages that
    wait finds one as soon as it was put back, and begins to read it.
    """
    return (record.payload or {}).get(STAMP if change.only_in is None else codec.CONDITIONAL) == stamp


def _owner(record: m.Record | None) -> str | None:
    return (record.payload or {}).get("tenant") if record is not None else None


def _kept(record: m.Record) -> dict[str, np.ndarray]:
    """Vision tokens that a page keeps when only its passages are replaced."""
    return {name: np.asarray(rows, np.float32) for name, rows in (record.vector or {}).items()}


def _wanted(change: PageUpdate, payload: Mapping[str, Any]) -> bool:
    return change.only_in is None or payload["state"] == change.only_in.value


def _runs(changes: Sequence[PageUpdate], most: int) -> Iterator[list[PageUpdate]]:
    """The changes in order, in pieces in which no page comes twice: within a piece order does not matter."""
    run: list[PageUpdate] = []
    seen: set[PageKey] = set()
    for change in changes:
        if change.key in seen or len(run) >= most:
            yield run
            run, seen = [], set()
        run.append(change)
        seen.add(change.key)
    if run:
        yield run
