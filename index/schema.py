"""What every index looks like, whichever Qdrant holds it: named vectors, indexed fields, and the facts that shaped it.

The facts (schema, embedder, dimension, word settings) are recorded in an index when it is made and compared
whenever it is opened: vectors of two models cannot be compared, and mixing word settings would quietly lose pages.
Knows no Qdrant class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from index import ids, vision
from index.embedder import Embedder
from index.errors import ConfigError
from index.store import PageUpdate
from index.types import PageKey
from index.words import WordsConfig, page_vector

SCHEMA = 3
"""Version of payload and vectors. Raised when an older index must be rebuilt."""

PASSAGES = "passages"
SENTENCES = "sentences"
WORDS = "words"

INDEXED = {
    "tenant": "keyword",
    "document_id": "keyword",
    "state": "keyword",
    "folders": "keyword",
    "media_type": "keyword",
    "created_at": "datetime",
    "page": "integer",
    "awaits": "keyword",
}
"""Payload fields that filters use, and their kind in Qdrant's words."""

REBUILD = "Run `folioscope rebuild`, which makes the index again from the originals"

Sparse = tuple[np.ndarray, np.ndarray]
"""Places (uint32, rising) and weights (float32) of a sparse vector."""


def point_id(key: PageKey) -> str:
    return ids.page_id(key.document_id, key.page)


def facts(embedder: Embedder, words: WordsConfig) -> dict[str, Any]:
    """What is recorded in an index, as plain JSON values."""
    return {"schema": SCHEMA, "embedder": embedder.name, "dim": embedder.dim, "words": asdict(words)}


def check_facts(recorded: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> None:
    """`ConfigError` that says what to do where an index was made otherwise than it is opened."""
    if recorded.get("embedder") != wanted["embedder"] or recorded.get("dim") != wanted["dim"]:
        raise ConfigError(
            f"The index {place} was made with the embedder {recorded.get('embedder')}, but "
            f"{wanted['embedder']} is set. Vectors of two models cannot be compared. {REBUILD} with the new "
            "embedder, or set the old one again."
        )
    if recorded.get("schema") != wanted["schema"]:
        raise ConfigError(
            f"The index {place} has schema {recorded.get('schema')}, this version needs {wanted['schema']}. {REBUILD}."
        )
    if recorded.get("words") != wanted["words"]:
        raise ConfigError(
            f"The index {place} was made with the word settings {recorded.get('words')}, but {wanted['words']} "
            f"are set. {REBUILD} with the new settings, or set the old ones again."
        )


def check_tokens(change: PageUpdate, dim: int | None, place: str) -> None:
    """`ConfigError` where a change brings vision tokens for which an index with room for `dim` numbers has no room."""
    tokens = change.reading.vision if change.reading is not None else None
    if tokens is not None and tokens.array.shape[-1] != dim:
        raise ConfigError(tokens_misfit(place, dim, tokens.array.shape[-1]))


def tokens_misfit(place: str, dim: int | None, given: int) -> str:
    """What to do where an index cannot take tokens of another dimension."""
    has = "no room for vision tokens" if dim is None else f"vision tokens of {dim} numbers"
    return (
        f"The index {place} has {has}, but the engine that is set makes tokens of {given} numbers. {REBUILD} with the "
        "new engine; or set the old engine again; or set FOLIOSCOPE_KEEP_TOKENS=false, and pages are read without "
        "keeping tokens."
    )


def replaces(change: PageUpdate) -> bool:
    """Whether a change gives the page new vectors or takes them away, so that the whole point is written."""
    return change.reading is not None or change.passages is not None or starts_anew(change)


def starts_anew(change: PageUpdate) -> bool:
    """Whether a change asks for reading again and drops what was read."""
    return change.state is not None and change.state.value == "pending" and change.attempts == 0


def page_vectors(change: PageUpdate, words: WordsConfig, text: str | None = None) -> dict[str, np.ndarray | Sparse]:
    """The named vectors of a commit; a page without text, passages or vision tokens goes without that vector. `text` is
    the page's where the change brings no reading. Raises what `vision.check` does.
    """
    text = change.reading.text if change.reading is not None else text
    if text is None:
        return {}
    vectors: dict[str, np.ndarray | Sparse] = {}
    if change.passages is not None:
        for name, rows in ((PASSAGES, change.passages.vectors), (SENTENCES, change.passages.sentence_vectors)):
            if rows is not None and len(rows):
                vectors[name] = np.asarray(rows, np.float32)
    places, weights = page_vector(text, words)
    if len(places):
        vectors[WORDS] = (places, weights)
    if change.reading is not None and change.reading.vision is not None:
        vectors.update(vision.vectors(change.reading.vision))
    return vectors
