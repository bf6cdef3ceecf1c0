"""One Qdrant Edge shard in a directory: made, opened, owned, and spoken to with our errors.

    DIRECTORY/owner.lock   held while a process has it
    DIRECTORY/index.json   schema, embedder, dimension and word settings that shaped the index
    DIRECTORY/shard/       Qdrant's files
    DIRECTORY/unclean      they still hold text of deleted documents

`index.json` is written last: a directory without it was never opened successfully, holds no
acknowledged change, and is made again. Knows vectors and payload indexes, not their meaning.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import qdrant_edge as q

from index import edge_compact
from index.embedder import Embedder
from index.errors import ConfigError, InternalError, StorageFull, StoreUnavailable
from index.files import write_atomic
from index.ownership import Ownership
from index.schema import INDEXED, PASSAGES, REBUILD, SENTENCES, WORDS, check_facts
from index.schema import facts as wanted_facts
from index.words import WordsConfig

_KINDS = {
    "keyword": q.PayloadSchemaType.Keyword,
    "datetime": q.PayloadSchemaType.Datetime,
    "integer": q.PayloadSchemaType.Integer,
}

T = TypeVar("T")


class Shard:
    def __init__(self, directory: Path, shard: q.EdgeShard, owner: Ownership) -> None:
        self._directory = directory
        self._shard: q.EdgeShard | None = shard
        self._owner = owner

    @classmethod
    def open(cls, directory: Path, embedder: Embedder, words: WordsConfig) -> Self:
        owner = Ownership(directory)
        try:
            return cls(directory, _open(directory, embedder, words), owner)
        except BaseException:
            owner.release()
            raise

    def close(self) -> None:
        """Flush and let go. Harmless twice."""
        if self._shard is not None:
            shard, self._shard = self._shard, None
            try:
                shard.flush()
                shard.close()
            finally:
                self._owner.release()

    def run(self, call: Callable[[q.EdgeShard], T]) -> T:
        """Speak to Qdrant. `StoreUnavailable` after `close`; `StorageFull`; else what it says is our bug."""
        if self._shard is None:
            raise StoreUnavailable("The index is closed: the service is stopping. Try again when it is up.")
        try:
            return call(self._shard)
        except Exception as error:
            if "No space left" in str(error) or "os error 28" in str(error):
                raise StorageFull("The disk that holds the index is full. Free some space and try again.") from error
            raise InternalError(f"The index refused an operation: {error}") from error

    def note_deletion(self) -> None:
        """Have deleted text taken out of the files at the next opening (`index/edge_compact.py`)."""
        edge_compact.note_deletion(self._directory)

    def retrieve(self, points: Sequence[str], fields: bool | q.PayloadSelector = True) -> dict[str, Mapping[str, Any]]:
        """Payloads by point id; ids that are not there are left out."""
        records = self.run(lambda shard: shard.retrieve(list(points), fields, False)) if points else []
        return {str(record.id): record.payload or {} for record in records}

    def facet(self, key: str, where: q.Filter | None, limit: int = 16) -> dict[str, int]:
        """Exact counts by value of an indexed keyword."""
        request = q.FacetRequest(key, limit=limit, exact=True, filter=where)
        return {str(hit.value): hit.count for hit in self.run(lambda shard: shard.facet(request)).hits}

    def values(self, key: str, limit: int) -> list[str]:
        """Some of the values that an indexed keyword has."""
        return list(self.facet(key, None, limit))


def _open(directory: Path, embedder: Embedder, words: WordsConfig) -> q.EdgeShard:
    facts = directory / "index.json"
    files = directory / "shard"
    wanted = wanted_facts(embedder, words)
    if not facts.is_file():
        shutil.rmtree(files, ignore_errors=True)
        shard = _create(files, embedder.dim)
        write_atomic(facts, json.dumps(wanted, indent=1).encode(), replace=True)
        return shard
    try:
        recorded = json.loads(facts.read_text())
    except ValueError as error:
        raise ConfigError(f"The file {facts} is damaged ({error}). {REBUILD}.") from error
    check_facts(recorded, wanted, str(directory))
    edge_compact.recover(directory)
    try:
        return edge_compact.clean(directory, q.EdgeShard.load(str(files)), lambda path: _create(path, embedder.dim))
    except Exception as error:
        if "WouldBlock" in str(error):
            raise StoreUnavailable(f"The index {directory} is in use by another process.") from error
        raise ConfigError(f"The index {directory} cannot be opened: {error}. {REBUILD}.") from error


def _create(files: Path, dim: int) -> q.EdgeShard:
    files.mkdir(parents=True)
    most_similar = q.MultiVectorConfig(q.MultiVectorComparator.MaxSim)
    config = q.EdgeConfig(
        vectors={
            PASSAGES: q.EdgeVectorParams(size=dim, distance=q.Distance.Cosine, multivector_config=most_similar),
            # Only ever asked about pages that were found already, so no HNSW (m=0) and half precision.
            SENTENCES: q.EdgeVectorParams(
                size=dim,
                distance=q.Distance.Cosine,
                multivector_config=most_similar,
                datatype=q.VectorStorageDatatype.Float16,
                memory=q.Memory.Cold,
                hnsw_config=q.HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10_000),
            ),
        },
        sparse_vectors={WORDS: q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)},
    )
    shard = q.EdgeShard.create(str(files), config)
    for key, kind in INDEXED.items():
        shard.update(q.UpdateOperation.create_field_index(key, _KINDS[kind]))
    shard.flush()
    return shard
