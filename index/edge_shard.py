"""One Qdrant Edge shard in a directory: made, opened, owned, and spoken to with our errors.

    DIRECTORY/owner.lock   held while a process has it
    DIRECTORY/index.json   schema, embedder, dimensions and word settings that shaped the index
    DIRECTORY/shard/       Qdrant's files
    DIRECTORY/unclean      they still hold text of deleted documents

`index.json` is written last: a directory without it was never opened successfully, holds no
acknowledged change, and is made again. Knows vectors and payload indexes, not their meaning.

The vectors of vision tokens are made when an engine that has tokens comes first: an index that is only ever read
by other engines has nothing of them, in memory or on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import qdrant_edge as q

from index import edge_compact, vision
from index.embedder import Embedder
from index.errors import ConfigError, FolioscopeError, InternalError, StorageFull, StoreUnavailable, Unavailable
from index.files import FULL, remove, write_atomic
from index.ownership import Ownership
from index.schema import INDEXED, PASSAGES, REBUILD, SENTENCES, WORDS, check_facts, tokens_misfit
from index.schema import facts as wanted_facts
from index.words import WordsConfig

_KINDS = {
    "keyword": q.PayloadSchemaType.Keyword,
    "datetime": q.PayloadSchemaType.Datetime,
    "integer": q.PayloadSchemaType.Integer,
}

_FACTS = "index.json"
_READ_ONLY = (
    "The disk that holds the index is read-only, as after an error of the disk. Look at the system's log, and try "
    "again once it can be written to."
)
_CLOSED = "The index is closed: the service is stopping. Try again when it is up."
_OS_ERROR = re.compile(r"\(os error (\d+)\)|\bOs \{ code: (\d+)")
"""As Rust displays one, and as it debugs one, which Qdrant's log does."""
_NOT_THE_INDEX = {errno.EPERM, errno.EACCES, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors of the system that say nothing of what is in the files."""

log = logging.getLogger("folioscope.index")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Layout:
    """Vectors of `dim` numbers for text, and of `vision_dim` for vision tokens (None: no room for them).

    `half`: passages in half precision. All of them are compared for each search, and what that takes is reading them:
    3 instead of 8 ms at 10,000 pages. Indexes from before have them in single precision, and keep that.
    """

    dim: int
    vision_dim: int | None
    half: bool = True


class Shard:
    def __init__(self, directory: Path, shard: q.EdgeShard, owner: Ownership, vision_dim: int | None) -> None:
        self.directory = directory
        self.vision_dim = vision_dim
        self._shard: q.EdgeShard | None = shard
        self._owner = owner

    @classmethod
    def open(cls, directory: Path, embedder: Embedder, words: WordsConfig, vision_dim: int | None = None) -> Self:
        """`vision_dim`: make room for vision tokens of so many numbers; None leaves it as it is."""
        owner = Ownership(directory)
        try:
            shard, vision_dim = _open(directory, embedder, words, vision_dim)
            return cls(directory, shard, owner, vision_dim)
        except BaseException:
            owner.release()
            raise

    def close(self) -> None:
        """Flush and let go. Harmless twice."""
        if self._shard is not None:
            shard, self._shard = self._shard, None
            try:
                try:
                    shard.flush()
                finally:
                    shard.close()
            except Exception as error:
                # As on a full disk. Nothing is lost: what is not in the segments is in the log.
                log.warning("the index could not be folded together, which the next opening does: %s", error)
            finally:
                self._owner.release()

    def run(self, call: Callable[[q.EdgeShard], T]) -> T:
        """Speak to Qdrant. `StoreUnavailable` after `close`; `StorageFull`; `Unavailable` on a read-only disk; else
        what it says is our bug.
        """
        shard = self._shard
        if shard is None:
            raise StoreUnavailable(_CLOSED)
        try:
            return call(shard)
        except Exception as error:
            if self._shard is None:  # closed while it ran
                raise StoreUnavailable(_CLOSED) from error
            number = _number(error)
            if number in FULL:
                raise StorageFull("The disk that holds the index is full. Free some space and try again.") from error
            if number == errno.EROFS:
                raise Unavailable(_READ_ONLY) from error
            raise InternalError(f"The index refused an operation: {error}") from error

    def require_writable(self) -> None:
        """`Unavailable` on a disk that became read-only. Qdrant would not tell: it writes to files that it mapped when
        they could be written to, and what it writes there is forgotten.
        """
        try:
            os.close(os.open(self.directory / _FACTS, os.O_WRONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno == errno.EROFS:
                raise Unavailable(_READ_ONLY) from error

    def note_deletion(self) -> None:
        """Have deleted text taken out of the files at the next opening (`index/edge_compact.py`)."""
        edge_compact.note_deletion(self.directory)

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


def drop(directory: Path) -> None:
    """Throw away what is in the directory of an index; itself it may be a link, or where another disk is mounted.
    `ConfigError` where something cannot be removed.
    """
    with _removing(directory):
        # Without it the next opening makes the index anew, whatever a kill left of the rest.
        remove(directory / _FACTS)
        for path in directory.iterdir() if directory.exists() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextlib.contextmanager
def _removing(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"The index {directory} cannot be removed: {error}. Mend that, or empty it by hand."
        ) from error


def _open(
    directory: Path, embedder: Embedder, words: WordsConfig, vision_dim: int | None
) -> tuple[q.EdgeShard, int | None]:
    """The shard, and the dimension of vision tokens that it has room for."""
    facts = directory / _FACTS
    files = directory / "shard"
    wanted = wanted_facts(embedder, words)
    with _opening(directory):
        if not facts.is_file():
            with _removing(directory), contextlib.suppress(FileNotFoundError):
                shutil.rmtree(files)
            layout = Layout(embedder.dim, vision_dim)
            shard = _create(files, layout)
            _record(facts, wanted, layout)
            return shard, vision_dim
        recorded = _recorded(facts)
        check_facts(recorded, wanted, str(directory))
        held = Layout(embedder.dim, recorded.get("vision_dim"), half=bool(recorded.get("half")))
        edge_compact.recover(directory)
        shard = edge_compact.clean(
            directory,
            q.EdgeShard.load(str(files)),
            lambda path: _create(path, held),
            tokens=held.vision_dim is not None,
        )
        _index_fields(shard)  # a version before may have known fewer
        if vision_dim is None or vision_dim == held.vision_dim:
            return shard, held.vision_dim
        roomy = replace(held, vision_dim=vision_dim)
        shard = _make_room(shard, directory, held, roomy)
        _record(facts, wanted, roomy)
        return shard, vision_dim


@contextlib.contextmanager
def _opening(directory: Path) -> Iterator[None]:
    """Says why an index cannot be opened. To make it anew, which may take days, is advised only where it may be
    damaged: not on a full disk, nor where its files are somebody else's.
    """
    try:
        yield
    except FolioscopeError:
        raise
    except Exception as error:
        number = _number(error)
        if "WouldBlock" in str(error):
            raise StoreUnavailable(f"The index {directory} is in use by another process.") from error
        if number in FULL:
            raise StorageFull(
                f"The disk that holds the index {directory} is full. Free some space and start again."
            ) from error
        advice = "Nothing says that it is damaged: mend that, and start again" if number in _NOT_THE_INDEX else REBUILD
        raise ConfigError(f"The index {directory} cannot be opened: {error}. {advice}.") from error


def _number(error: Exception) -> int | None:
    """The system's number of an error, which Qdrant tells in words."""
    if isinstance(error, OSError):
        return error.errno
    found = _OS_ERROR.search(str(error))
    return int(found[1] or found[2]) if found else None


def _recorded(facts: Path) -> dict[str, Any]:
    try:
        return json.loads(facts.read_bytes())
    except ValueError as error:
        raise ConfigError(f"The file {facts} is damaged ({error}). {REBUILD}.") from error


def _record(facts: Path, wanted: Mapping[str, Any], layout: Layout) -> None:
    known = dict(wanted)
    if layout.half:
        known["half"] = True
    if layout.vision_dim is not None:
        known["vision_dim"] = layout.vision_dim
    write_atomic(facts, json.dumps(known, indent=1).encode(), replace=True)


def _make_room(shard: q.EdgeShard, directory: Path, held: Layout, roomy: Layout) -> q.EdgeShard:
    """The shard with vectors for vision tokens as `roomy` has them, in place of those that it has and no page uses.

    `index.json` is written afterwards, so a kill half-way does this again; until then nothing can have been stored.
    """
    if held.vision_dim is not None:
        used = q.Filter(must=[q.HasVectorCondition(vision.VISION)])
        if shard.count(q.CountRequest(exact=True, filter=used)):
            shard.close()
            raise ConfigError(tokens_misfit(str(directory), held.vision_dim, roomy.vision_dim))
    for name in vision.NAMES:
        shard.update(q.UpdateOperation.delete_vector_name(name))
        shard.update(
            q.UpdateOperation.create_dense_vector(
                name, roomy.vision_dim, q.Distance.Dot, _most_similar(), q.VectorStorageDatatype.Float16
            )
        )
    shard.flush()
    shard.close()
    # Opened with its whole configuration, since the operation above cannot say that there shall be no HNSW.
    return q.EdgeShard.load(str(directory / "shard"), _config(roomy))


def _create(files: Path, layout: Layout) -> q.EdgeShard:
    files.mkdir(parents=True)
    shard = q.EdgeShard.create(str(files), _config(layout))
    _index_fields(shard)
    shard.flush()
    return shard


def _index_fields(shard: q.EdgeShard) -> None:
    there = shard.info().payload_schema
    for key, kind in INDEXED.items():
        if key not in there:
            shard.update(q.UpdateOperation.create_field_index(key, _KINDS[kind]))


def _config(layout: Layout) -> q.EdgeConfig:
    vectors = {
        PASSAGES: q.EdgeVectorParams(
            size=layout.dim,
            distance=q.Distance.Cosine,
            multivector_config=_most_similar(),
            datatype=q.VectorStorageDatatype.Float16 if layout.half else q.VectorStorageDatatype.Float32,
        ),
        SENTENCES: _plain(layout.dim, q.Distance.Cosine),
    }
    if layout.vision_dim is not None:
        vectors |= {name: _plain(layout.vision_dim, q.Distance.Dot) for name in vision.NAMES}
    return q.EdgeConfig(vectors=vectors, sparse_vectors={WORDS: q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)})


def _plain(dim: int, distance: q.Distance) -> q.EdgeVectorParams:
    """Half precision in files, without HNSW (m=0): only ever asked about pages that were found already."""
    return q.EdgeVectorParams(
        size=dim,
        distance=distance,
        multivector_config=_most_similar(),
        datatype=q.VectorStorageDatatype.Float16,
        memory=q.Memory.Cold,
        hnsw_config=q.HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10_000),
    )


def _most_similar() -> q.MultiVectorConfig:
    return q.MultiVectorConfig(q.MultiVectorComparator.MaxSim)
