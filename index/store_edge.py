"""`Store` on Qdrant Edge: one shard in a directory, in this process, without a server.

* One process owns the directory; a second gets `StoreUnavailable` with the owner's number.
* A method returns when its change is in Qdrant's write-ahead log, which survives SIGKILL
  (`tests/test_index_durability.py`). The log is not fsynced at every commit: after a power cut
  the last seconds may be missing, and recovery reads those pages again from the originals.
* Another embedder or schema than the index was made with is a `ConfigError` (`index/edge_shard.py`).
* Qdrant Edge holds Python's interpreter lock during each call (measured), so calls run one after
  another and must be short: scans go in pieces, and building HNSW is not done behind a caller's
  back (`EdgeStore.optimize`).
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import qdrant_edge as q

from index import edge_query, edge_shard, vision
from index import payload as codec
from index.edge_shard import Shard
from index.embedder import Embedder
from index.errors import StorageFull
from index.schema import SENTENCES, check_tokens, page_vectors, point_id, replaces
from index.search import DEFAULT_SEARCH, Candidate, HybridSearch, LegQuery, SearchConfig
from index.store import PageCounts, PageUpdate
from index.types import Hit, PageKey, PageLabels, PagePoint, PageState, SearchFilter
from index.words import DEFAULT_WORDS, WordsConfig


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """How the store works; none of this but `words` and `vision_dim` shapes what is stored."""

    scan_piece: int = 256
    """Points fetched at once by a scan: some megabytes with content, a few milliseconds without."""
    insert_piece: int = 512
    counts: int = 256
    """Counts of pages that are kept while nothing changes: one for each tenant and filter that is asked about."""
    flush_every: int = 500
    """Changes after which Qdrant's log is folded into its segments: bounds the replay after a kill to
    about a second, and costs some 0.1 s each time."""
    least_free: int = 128 << 20
    """Bytes that have to be free on the disk before a page is added; half of it for its state. Qdrant writes through
    mapped files with holes, the log's alone of twice 32 MiB, and the kernel ends a process (SIGBUS) when there is no
    room to fill one."""
    words: WordsConfig = DEFAULT_WORDS
    vision_dim: int | None = None
    """Numbers in a vision token that will be stored; None leaves the index as it is, which is without room for tokens
    when it is new."""
    search: SearchConfig = field(default_factory=lambda: DEFAULT_SEARCH)


DEFAULT_STORE = StoreConfig()


class EdgeStore:
    """Implements `index.store.Store`. Make one with `open`. Thread-safe."""

    def __init__(self, shard: Shard, embedder: Embedder, config: StoreConfig) -> None:
        self._shard = shard
        self._config = config
        self._write = threading.RLock()
        self._unflushed = 0
        self._search = HybridSearch(embedder, config.search, config.words)
        self._counted: dict[tuple, PageCounts] = {}
        self._tenants = set(shard.values("tenant", limit=2))

    @classmethod
    def open(cls, path: Path, embedder: Embedder, config: StoreConfig = DEFAULT_STORE) -> Self:
        """The store in directory `path`, made if there is none. `StoreUnavailable` where another process has it,
        `ConfigError` where it was made with another embedder, or holds vision tokens of another dimension.
        """
        return cls(Shard.open(path, embedder, config.words, config.vision_dim), embedder, config)

    @staticmethod
    def drop(path: Path) -> None:
        """Throw the index in a directory away; for `folioscope rebuild`. `ConfigError` where it cannot be removed."""
        edge_shard.drop(path)

    def close(self) -> None:
        """Fold the log in and let go of the directory. Harmless twice."""
        with self._write:
            self._shard.close()

    def add_pending(self, keys: Sequence[PageKey], labels: PageLabels, at: datetime) -> None:
        for start in range(0, len(keys), self._config.insert_piece):
            piece = keys[start : start + self._config.insert_piece]
            points = [q.Point(point_id(key), {}, codec.new_pending(key, labels, at)) for key in piece]
            with self._write:
                self._apply(q.UpdateOperation.upsert_points(points, update_mode=q.UpdateMode.InsertOnly), len(points))
                self._tenants.update(key.tenant for key in piece)

    def update(self, changes: Sequence[PageUpdate]) -> list[bool]:
        # Counting words needs no lock and is the slow part.
        vectors = [self._vectors(change) for change in changes]
        return [self._update(change, vector) for change, vector in zip(changes, vectors, strict=True)]

    def get(self, keys: Sequence[PageKey], *, with_vision: bool = False) -> list[PagePoint | None]:
        found = self._shard.retrieve([point_id(key) for key in keys])
        points: list[PagePoint | None] = []
        for key in keys:
            payload = found.get(point_id(key))
            points.append(codec.decode(payload) if payload is not None and payload["tenant"] == key.tenant else None)
        if not with_vision:
            return points
        # A page at a time: its tokens are some megabytes as Python's numbers.
        return [point and self._with_tokens(point) for point in points]

    def _with_tokens(self, point: PagePoint) -> PagePoint:
        if point.vision is None:
            return point
        name = point_id(point.key)
        # Format and tokens in one call: the page may have been read again since it was fetched.
        records = self._shard.run(lambda shard: shard.retrieve([name], ["vision"], list(vision.NAMES)))
        if not records:
            return point
        form = vision.decode_format((records[0].payload or {}).get("vision"))
        return replace(point, vision=form, vision_tokens=vision.tokens(form, records[0].vector or {}))

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
        pages = edge_query.page_filter(
            tenant, where=where, document_ids=tuple(document_ids), states=tuple(states), undecoded=undecoded
        )
        fields = True if with_content else q.PayloadSelector.Exclude(list(codec.CONTENT))
        return self._scan(pages, fields)

    def _scan(self, where: q.Filter | None, fields: bool | q.PayloadSelector) -> Iterator[PagePoint]:
        offset = None
        while True:
            request = q.ScrollRequest(offset=offset, limit=self._config.scan_piece, filter=where, with_payload=fields)
            records, offset = self._shard.run(lambda shard, r=request: shard.scroll(r))
            yield from (codec.decode(record.payload) for record in records)
            if offset is None:
                return

    def count(
        self, tenant: str | None, *, document_id: str | None = None, where: SearchFilter | None = None
    ) -> PageCounts:
        """Kept until the next change: each search says how many pages it was about, and counting takes some time."""
        kept = self._counted
        asked = (tenant, document_id, where)
        counts = kept.get(asked)
        if counts is None:
            counts = self._count(tenant, document_id, where)
            if len(kept) >= self._config.counts:
                kept.clear()
            kept[asked] = counts
        return counts

    def _count(self, tenant: str | None, document_id: str | None, where: SearchFilter | None) -> PageCounts:
        documents = (document_id,) if document_id is not None else ()
        counts = self._shard.facet("state", edge_query.page_filter(tenant, where=where, document_ids=documents))
        done = edge_query.page_filter(tenant, where=where, document_ids=documents, states=(PageState.DONE,))
        return codec.page_counts(counts, self._shard.facet("awaits", done))

    def search(self, tenant: str, query: str, where: SearchFilter, *, limit: int, offset: int = 0) -> list[Hit]:
        return self._search.search(self, tenant, query, where, limit=limit, offset=offset)

    def delete(self, tenant: str, document_id: str) -> int:
        with self._write:
            where = edge_query.page_filter(tenant, document_ids=(document_id,))
            there = self._shard.run(lambda shard: shard.count(q.CountRequest(exact=True, filter=where)))
            if there:
                self._shard.note_deletion()
                self._apply(q.UpdateOperation.delete_points_by_filter(where), there, room=0)
            return there

    # What `index.search.Retriever` asks.

    def candidates(self, tenant: str, query: LegQuery, where: SearchFilter) -> list[Candidate]:
        pages = edge_query.page_filter(tenant, where=where, states=(PageState.DONE,))
        # IDF over the tenant's own pages; counting it costs milliseconds, so only where there are others.
        corpus = edge_query.page_filter(tenant) if len(self._tenants) > 1 else None
        found = self._shard.run(lambda shard: shard.query(edge_query.hybrid(query, pages, corpus)))
        return [Candidate.of(str(p.id), p.score, p.payload or {}) for p in found]

    def details(self, points: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], np.ndarray]]:
        records = self._shard.run(lambda shard: shard.retrieve(list(points), True, [SENTENCES]))
        return {
            str(r.id): (r.payload, _rows((r.vector or {}).get(SENTENCES, ())))
            for r in records
            if r.payload and r.payload["state"] == PageState.DONE.value
        }

    # Beyond the port.

    def flush(self) -> None:
        """Fold the log into the segments: for idle moments. Left for later while the disk is full."""
        with self._write:
            if self._unflushed and self._free() >= self._config.least_free // 2:
                self._unflushed = 0
                self._shard.run(lambda shard: shard.flush())

    def optimize(self) -> bool:
        """Merge segments, drop deleted points and build HNSW. Blocks the whole process (some 3 s for 1,000 pages),
        so it is for maintenance, not for a service that people wait for; up to tens of thousands of pages search
        does not need it.
        """
        with self._write:
            return bool(self._shard.run(lambda shard: shard.optimize()))

    def _update(self, change: PageUpdate, vectors: dict[str, Any]) -> bool:
        point = point_id(change.key)
        with self._write:
            # Content is fetched only where it is needed again: passages without a new reading.
            keep_text = change.passages is not None and change.reading is None
            fields = True if keep_text else q.PayloadSelector.Exclude(list(codec.CONTENT))
            payload = self._shard.retrieve([point], fields).get(point)
            if payload is None or payload["tenant"] != change.key.tenant:
                return False
            if change.only_in is not None and payload["state"] != change.only_in.value:
                return False
            new = codec.changed(payload, change)
            room = self._config.least_free
            if replaces(change):
                if keep_text:
                    vectors = self._vectors(change, text=payload.get("text", "")) | self._stored_tokens(point, payload)
                operation = q.UpdateOperation.upsert_points(
                    [q.Point(point, vectors, new)], update_mode=q.UpdateMode.UpdateOnly
                )
            else:
                # One operation, so that a kill cannot leave half of it: fields that go become null.
                gone = {name: None for name in payload if name not in new}
                operation = q.UpdateOperation.set_payload([point], {**new, **gone})
                room //= 2  # an attempt that met a full disk is taken back
            self._apply(operation, 1 + vision.weight(change.reading and change.reading.vision), room=room)
            return True

    def _stored_tokens(self, point: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The vectors that a page keeps when only its passages are replaced."""
        if not payload.get("vision"):
            return {}
        records = self._shard.run(lambda shard: shard.retrieve([point], False, list(vision.NAMES)))
        return dict(records[0].vector or {}) if records else {}

    def _vectors(self, change: PageUpdate, text: str | None = None) -> dict[str, Any]:
        check_tokens(change, self._shard.vision_dim, str(self._shard.directory))
        # As lists: Qdrant Edge takes them in less time than arrays.
        return {
            name: edge_query.sparse(*vector) if isinstance(vector, tuple) else vector.tolist()
            for name, vector in page_vectors(change, self._config.words, text).items()
        }

    def _free(self) -> int:
        disk = os.statvfs(self._shard.directory)
        return disk.f_bavail * disk.f_frsize

    def _apply(self, operation: q.UpdateOperation, changes: int, *, room: int | None = None) -> None:
        """`StorageFull` where not `room` bytes are free. Deleting needs none: it makes room."""
        self._shard.require_writable()
        room = self._config.least_free if room is None else room
        if self._free() < room:
            raise StorageFull(
                f"Less than {room >> 20} MiB are free on the disk that holds the index. Free some space; what waits "
                "goes on by itself."
            )
        try:
            self._shard.run(lambda shard: shard.update(operation))
        finally:
            self._counted = {}  # a new one: a count that is under way lands in the old
        self._unflushed += changes
        if self._unflushed >= self._config.flush_every:
            self.flush()


def _rows(lists: Sequence[Sequence[float]]) -> np.ndarray:
    """float32 (rows, dim). Packed row by row, which takes a third of the time that `np.array` takes for such lists."""
    if not lists:
        return np.zeros((0, 0), np.float32)
    packed = struct.Struct(f"{len(lists[0])}f")
    return np.frombuffer(b"".join([packed.pack(*row) for row in lists]), np.float32).reshape(len(lists), -1)
