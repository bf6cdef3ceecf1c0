"""Points on their way to a server: as gRPC messages, or as what becomes JSON.

A page with vision tokens has two million numbers; the client's own models would look at each of them several times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from qdrant_client import grpc as g
from qdrant_client import models as m
from qdrant_client.conversions.conversion import RestToGrpc

from index.schema import Sparse

Named = Mapping[str, "np.ndarray | Sparse"]


def point(name: str, payload: dict[str, Any], vectors: Named, *, grpc: bool) -> Any:
    """A point as `QdrantClient.upsert` takes it. Dense vectors are float32 `(rows, dim)`."""
    if not grpc:
        # Half precision has four significant digits and a bit: five say it exactly, in a third of the characters.
        return m.PointStruct.model_construct(
            id=name, payload=payload, vector={key: _json(value) for key, value in vectors.items()}
        )
    return g.PointStruct(
        id=g.PointId(uuid=name),
        payload=RestToGrpc.convert_payload(payload),
        vectors=g.Vectors(vectors=g.NamedVectors(vectors={key: _message(value) for key, value in vectors.items()})),
    )


def name(given: Any) -> str:
    """The id of a point in either form."""
    return given.id.uuid if isinstance(given, g.PointStruct) else str(given.id)


def size(payload: Mapping[str, Any], vectors: Named) -> int:
    """About how many bytes a point takes in a request, at the worst of both forms for all but vision tokens."""
    numbers = sum(2 * v[0].size if isinstance(v, tuple) else v.size for v in vectors.values())
    characters = sum(len(v) for v in payload.values() if isinstance(v, str))
    rows = sum(len(v) for v in payload.values() if isinstance(v, list))
    return 2_000 + 4 * characters + 80 * rows + 10 * numbers


def _message(vector: np.ndarray | Sparse) -> g.Vector:
    if isinstance(vector, tuple):
        places, weights = vector
        return g.Vector(sparse=g.SparseVector(indices=places.tolist(), values=weights.tolist()))
    rows = [g.DenseVector(data=row) for row in vector.tolist()]
    return g.Vector(multi_dense=g.MultiDenseVector(vectors=rows))


def _json(vector: np.ndarray | Sparse) -> Any:
    if isinstance(vector, tuple):
        places, weights = vector
        return m.SparseVector(indices=places.tolist(), values=weights.tolist())
    half = vector.astype(np.float16)
    if np.array_equal(half.astype(np.float32), vector):
        return [[float(f"{x:.5g}") for x in row] for row in vector.tolist()]
    return vector.tolist()
