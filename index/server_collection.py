"""The collection on a Qdrant server: made once, however many processes start at once, and checked ever after.

The facts that shaped it (`index/schema.py`) are the collection's metadata, which a server stores in the same step
that makes the collection: there is no moment at which it exists without them. Payload indexes come after it; every
opening makes those that are missing, so a process that died in between leaves nothing half done.

Vectors: HNSW is built for each tenant and not over all (`m=0`, `payload_m`), because no query spans tenants. Only
passages are searched; sentences are asked about pages that were found already, and so have no graph. Quantisation
is a smaller copy of the passages beside the whole ones; nothing else is ever quantised.
"""

from __future__ import annotations

import contextlib
from typing import Any

from qdrant_client import models as m

from index import vision
from index.embedder import Embedder
from index.errors import ConfigError
from index.schema import INDEXED, PASSAGES, SENTENCES, WORDS, check_facts, facts, tokens_misfit
from index.server_client import AlreadyExists, CollectionMissing, ServerClient
from index.server_config import Placement, Quantization, ServerConfig

_NO_GRAPH = m.HnswConfigDiff(m=0, payload_m=0)
_TENANT_GRAPH = m.HnswConfigDiff(m=0, payload_m=16)
_MAX_SIM = m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)
_MADE_BY = "folioscope"


def prepare(client: ServerClient, embedder: Embedder) -> int | None:
    """Make the collection if there is none; `ConfigError` where it was made for something else. The dimension of the
    vision tokens that it has room for.
    """
    config = client.config
    wanted = {"made_by": _MADE_BY, **facts(embedder, config.words)}
    try:
        info = _info(client)
    except CollectionMissing:
        with contextlib.suppress(AlreadyExists):  # another process was faster
            _create(client, embedder.dim, wanted)
        info = _info(client)
    recorded = info.config.metadata or {}
    place = f"{config.collection} on {config.url}"
    if recorded.get("made_by") != _MADE_BY:
        raise ConfigError(
            f"The collection {place} is not one of Folioscope's. Set FOLIOSCOPE_QDRANT_COLLECTION to another name.",
            code="foreign_collection",
        )
    check_facts(recorded, wanted, place)
    for name, kind in INDEXED.items():
        if name not in info.payload_schema:
            _index(client, name, kind)
    return _room(client, info, place)


def drop(client: ServerClient) -> None:
    """Throw the collection away. Harmless where there is none."""
    with contextlib.suppress(CollectionMissing):
        client.run(lambda c: c.delete_collection(client.config.collection))


def _info(client: ServerClient) -> m.CollectionInfo:
    return client.run(lambda c: c.get_collection(client.config.collection))


def _create(client: ServerClient, dim: int, metadata: dict[str, Any]) -> None:
    config = client.config
    client.run(
        lambda c: c.create_collection(
            config.collection,
            vectors_config=vectors(dim, config),
            sparse_vectors_config={WORDS: m.SparseVectorParams(modifier=m.Modifier.IDF)},
            hnsw_config=_TENANT_GRAPH,
            payload=m.PayloadStorageParams(memory=m.Memory.COLD),
            shard_number=config.shards,
            replication_factor=config.replicas,
            # A majority, so that one replica may be away and two writers still meet in one.
            write_consistency_factor=config.replicas // 2 + 1,
            metadata=metadata,
        )
    )


def vectors(dim: int, config: ServerConfig) -> dict[str, m.VectorParams]:
    """The dense vectors of a page, by name."""
    placement = {Placement.CACHED: m.Memory.CACHED, Placement.COLD: m.Memory.COLD}[config.placement]
    small = None
    if config.quantization is Quantization.INT8:
        small = m.ScalarQuantization(
            scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.99, memory=m.Memory.PINNED)
        )
    return {
        PASSAGES: m.VectorParams(
            size=dim,
            distance=m.Distance.COSINE,
            multivector_config=_MAX_SIM,
            datatype=m.Datatype.FLOAT16,  # half the memory, and no different result was seen
            hnsw_config=_TENANT_GRAPH,
            quantization_config=small,
            memory=placement,
        ),
        SENTENCES: _plain(dim, m.Distance.COSINE),
        **({} if config.vision_dim is None else {n: _plain(config.vision_dim, m.Distance.DOT) for n in vision.NAMES}),
    }


def _plain(dim: int, distance: m.Distance) -> m.VectorParams:
    """Half precision on disk, without a graph: only ever asked about pages that were found already."""
    return m.VectorParams(
        size=dim,
        distance=distance,
        multivector_config=_MAX_SIM,
        datatype=m.Datatype.FLOAT16,
        hnsw_config=_NO_GRAPH,
        memory=m.Memory.COLD,
    )


def _room(client: ServerClient, info: m.CollectionInfo, place: str) -> int | None:
    """Make room for vision tokens where an engine that has them comes later than the collection."""
    dense = info.config.params.vectors if isinstance(info.config.params.vectors, dict) else {}
    held = dense[vision.VISION].size if vision.VISION in dense else None
    wanted = client.config.vision_dim
    if wanted is None:
        return held
    if held is not None and held != wanted:
        raise ConfigError(tokens_misfit(place, held, wanted))
    # Each by itself: whoever began may have been killed between the two.
    for name in (name for name in vision.NAMES if name not in dense):
        try:
            client.run(
                lambda c, name=name: c.create_vector_name(
                    client.config.collection,
                    name,
                    m.DenseVectorNameConfig(
                        dense=m.DenseVectorConfig(
                            size=wanted,
                            distance=m.Distance.DOT,
                            multivector_config=_MAX_SIM,
                            datatype=m.VectorStorageDatatype.FLOAT16,
                        )
                    ),
                    wait=True,
                )
            )
        except AlreadyExists:
            continue
    return wanted


def _index(client: ServerClient, name: str, kind: str) -> None:
    schema: Any
    if kind == "keyword":
        # Only the tenant gets graphs of its own: one for each folder and type would cost more than they find.
        tenant = name == "tenant"
        schema = m.KeywordIndexParams(type=m.KeywordIndexType.KEYWORD, is_tenant=tenant or None, enable_hnsw=tenant)
    elif kind == "datetime":
        schema = m.DatetimeIndexParams(type=m.DatetimeIndexType.DATETIME, enable_hnsw=False)
    else:
        schema = m.IntegerIndexParams(type=m.IntegerIndexType.INTEGER, lookup=True, range=True, enable_hnsw=False)
    client.run(lambda c: c.create_payload_index(client.config.collection, name, field_schema=schema, wait=True))
