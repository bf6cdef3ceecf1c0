"""The `Embedder` port: texts to unit vectors; and `ContextEmbedder`, for parts of texts in their context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np


class Embedder(Protocol):
    """Thread-safe. Loads its model on first use, not on construction."""

    name: str
    """What is recorded in the index, e.g. `sentence-transformers/all-MiniLM-L6-v2@53aa5117`."""
    dim: int

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 `(len(texts), dim)`, rows of unit length. Long texts are cut by the model's own limit."""


@runtime_checkable
class ContextEmbedder(Embedder, Protocol):
    """An embedder that can also give vectors of parts of a text as the model saw them in the whole.

    Models that average their token vectors can (all-MiniLM-L6-v2 does): a part's vector is the mean of its
    own tokens' vectors. A sentence keeps its own meaning and still knows what "it" and "the Company" are.
    """

    def embed_parts(
        self, texts: Sequence[str], parts: Sequence[Sequence[tuple[int, int]]]
    ) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """For each text: float32 sums of token vectors `(parts, dim)`, not of unit length, and int token counts
        `(parts,)`, 0 for what the model cut off. `parts` are character spans. None where this model cannot.
        """
