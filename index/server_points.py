"""Points on their way to a server.

A page with vision tokens has two million numbers, so the client's model is made without looking at each of them; they
come from arrays, and are what they should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from qdrant_client import models as m

from index.schema import Sparse

Named = Mapping[str, "np.ndarray | Sparse"]


def point(name: str, payload: dict[str, Any], vectors: Named, *, text: bool) -> m.PointStruct:
    """A point as `QdrantClient.upsert` takes it. Dense vectors are float32 `(rows, dim)`; `text` says that they travel
    as JSON.
    """
    return m.PointStruct.model_construct(
        id=name, payload=payload, vector={key: _plain(vector, text=text) for key, vector in vectors.items()}
    )


def size(payload: Mapping[str, Any], vectors: Named) -> int:
    """About how many bytes a point takes in a request, at most: in JSON, where a number has some ten characters."""
    numbers = sum(2 * v[0].size if isinstance(v, tuple) else v.size for v in vectors.values())
    characters = sum(len(v) for v in payload.values() if isinstance(v, str))
    rows = sum(len(v) for v in payload.values() if isinstance(v, list))
    return 2_000 + 4 * characters + 80 * rows + 10 * numbers


def _plain(vector: np.ndarray | Sparse, *, text: bool) -> Any:
    if isinstance(vector, tuple):
        places, weights = vector
        return m.SparseVector(indices=places.tolist(), values=weights.tolist())
    if text and np.array_equal(vector.astype(np.float16).astype(np.float32), vector):
        # Half precision has little more than three digits: five say it exactly, in half of the characters.
        return [[float(f"{x:.5g}") for x in row] for row in vector.tolist()]
    return vector.tolist()
