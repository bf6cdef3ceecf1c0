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
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, TypeVar

import qdrant_edge as q

from index import edge_compact
from index.edge_query import PASSAGES, SENTENCES, WORDS
from index.embedder import Embedder
from index.errors import ConfigError, InternalError, StorageFull, StoreUnavailable
from index.files import write_atomic
from index.ownership import Ownership
from index.words import WordsConfig

SCHEMA = 3
"""Version of payload and vectors. Raised when an older index must be rebuilt."""

_INDEXED = {
    "tenant": q.PayloadSchemaType.Keyword,
    "document_id": q.PayloadSchemaType.Keyword,
    "state": q.PayloadSchemaType.Keyword,
    "folders": q.PayloadSchemaType.Keyword,
    "media_type": q.PayloadSchemaType.Keyword,
    "created_at": q.PayloadSchemaType.Datetime,
    "page": q.PayloadSchemaType.Integer,
}
_REBUILD = "Run `folioscope rebuild`, which makes the index again from the originals"

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
    wanted = {"schema": SCHEMA, "embedder": embedder.name, "dim": embedder.dim, "words": asdict(words)}
    if not facts.is_file():
        shutil.rmtree(files, ignore_errors=True)
        shard = _create(files, embedder.dim)
        write_atomic(facts, json.dumps(wanted, indent=1).encode(), replace=True)
        return shard
    try:
        recorded = json.loads(facts.read_text())
    except ValueError as error:
        raise ConfigError(f"The file {facts} is damaged ({error}). {_REBUILD}.") from error
    _check(recorded, wanted, directory)
    edge_compact.recover(directory)
    try:
        return edge_compact.clean(directory, q.EdgeShard.load(str(files)), lambda path: _create(path, embedder.dim))
    except Exception as error:
        if "WouldBlock" in str(error):
            raise StoreUnavailable(f"The index {directory} is in use by another process.") from error
        raise ConfigError(f"The index {directory} cannot be opened: {error}. {_REBUILD}.") from error


def _check(recorded: Mapping[str, Any], wanted: Mapping[str, Any], directory: Path) -> None:
    if recorded.get("embedder") != wanted["embedder"] or recorded.get("dim") != wanted["dim"]:
        raise ConfigError(
            f"The index {directory} was made with the embedder {recorded.get('embedder')}, but "
            f"{wanted['embedder']} is set. Vectors of two models cannot be compared. {_REBUILD} with the new "
            "embedder, or set the old one again."
        )
    if recorded.get("schema") != wanted["schema"]:
        raise ConfigError(
            f"The index {directory} has schema {recorded.get('schema')}, this version needs {wanted['schema']}. "
            f"{_REBUILD}."
        )
    if recorded.get("words") != wanted["words"]:
        raise ConfigError(
            f"The index {directory} was made with the word settings {recorded.get('words')}, but {wanted['words']} "
            f"are set. {_REBUILD} with the new settings, or set the old ones again."
        )


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
    for key, schema in _INDEXED.items():
        shard.update(q.UpdateOperation.create_field_index(key, schema))
    shard.flush()
    return shard
