"""The `Embedder` port: texts to unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class Embedder(Protocol):
    """Thread-safe. Loads its model on first use, not on construction."""

    name: str
    """What is recorded in the index, e.g. `sentence-transformers/all-MiniLM-L6-v2@53aa5117`."""
    dim: int

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 `(len(texts), dim)`, rows of unit length. Long texts are cut by the model's own limit."""
