"""Embeddings of sentences and words, remembered.

Sentences come back with every question about the same pages, and the words of an archive repeat on all of them,
so vectors are kept in a least-recently-used memory that is bounded in bytes. Keys are hashes: the memory holds
no text. Thread-safe; two threads that miss at once both embed, which is harmless.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from index.embedder import Embedder

if TYPE_CHECKING:
    import numpy as np

_OVERHEAD = 240  # bytes of key, array head and dictionary entry beside the numbers


class Vectors:
    """Unit vectors for texts, float16 in memory, float32 `(texts, dim)` when given out."""

    def __init__(self, embedder: Embedder, max_bytes: int) -> None:
        self._embedder = embedder
        self._max_bytes = max_bytes
        self._held: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors in the order of `texts`; only those that are not remembered cost an embedding."""
        import numpy as np

        keys = [_key(text) for text in texts]
        with self._lock:
            known = {key: self._held[key] for key in keys if key in self._held}
            for key in known:
                self._held.move_to_end(key)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            fresh = self._embedder.embed(list(missing.values())).astype(np.float16)
            known.update(zip(missing, fresh, strict=True))
            self._keep({key: known[key].copy() for key in missing})
        if not keys:
            return np.zeros((0, self._embedder.dim), np.float32)
        return np.stack([known[key] for key in keys]).astype(np.float32)

    @property
    def held_bytes(self) -> int:
        return self._bytes

    def _keep(self, fresh: dict[bytes, np.ndarray]) -> None:
        with self._lock:
            for key, vector in fresh.items():
                if key not in self._held:
                    self._bytes += vector.nbytes + _OVERHEAD
                self._held[key] = vector
            while self._bytes > self._max_bytes and self._held:
                _, old = self._held.popitem(last=False)
                self._bytes -= old.nbytes + _OVERHEAD


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
