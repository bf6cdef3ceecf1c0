"""Vision tokens as a store holds them: two named multivectors and a few facts in the payload.

`vision` holds the content tokens of the whole page, `vision_tiles` those of its local tiles; both are float16, compared
by dot product (never cosine, which normalises and loses the length), without HNSW, in files rather than in memory.
Nothing is quantised, so what comes back is what was stored, bit for bit. Row newlines and the separator are constants
of the model, and not stored.

Knows nothing of Qdrant's classes, so that an embedded shard and a server share the names, the limit and the codec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from index.errors import InvalidRequest, TooLarge
from index.types import VisionFormat, VisionTokens

VISION = "vision"
VISION_TILES = "vision_tiles"
NAMES = (VISION, VISION_TILES)

MAX_NUMBERS = 1_048_576
"""A Qdrant server refuses a multivector of so many numbers or more (`MAX_MULTIVECTOR_FLATTENED_LEN`): of 1280 numbers
each, 819 tokens fit. The embedded store keeps to it as well, so that an index can move to a server."""


def most_tokens(dim: int) -> int:
    """How many tokens of `dim` numbers one multivector can hold."""
    return (MAX_NUMBERS - 1) // dim


def check(tokens: VisionTokens) -> None:
    """Raises `TooLarge` with code `tokens_too_large` where a Qdrant server would refuse them, and `InvalidRequest`
    with code `bad_tokens` for arrays that are no finite float16 `(tokens, dim)` of one dimension.
    """
    for array in _arrays(tokens).values():
        if array.ndim != 2 or not array.size or array.dtype != np.float16 or array.shape[1] != tokens.array.shape[1]:
            raise InvalidRequest(
                f"Vision tokens are float16 (tokens, dim); these are {array.dtype} {array.shape}.", code="bad_tokens"
            )
        if array.size >= MAX_NUMBERS:
            raise TooLarge(
                f"{array.shape[0]} vision tokens of {array.shape[1]} are more than the {MAX_NUMBERS - 1} numbers that "
                "Qdrant keeps in one multivector. Read the page with fewer tiles or in a coarser mode.",
                code="tokens_too_large",
            )
        if not np.isfinite(array).all():
            raise InvalidRequest("These vision tokens have values that are no numbers.", code="bad_tokens")


def vectors(tokens: VisionTokens) -> dict[str, np.ndarray]:
    """The named multivectors of a page as float32 `(tokens, dim)`. Every float16 is a float32, so nothing changes on
    the way. Raises as `check`.
    """
    check(tokens)
    return {name: array.astype(np.float32) for name, array in _arrays(tokens).items()}


def tokens(form: VisionFormat | None, found: Mapping[str, Any]) -> VisionTokens | None:
    """The tokens out of a point's named vectors; None where it has none."""
    if form is None or not len(found.get(VISION, ())):
        return None
    tiles = found.get(VISION_TILES, ())
    return VisionTokens(form, _half(found[VISION]), _half(tiles) if len(tiles) else None)


def encode_format(form: VisionFormat) -> dict[str, Any]:
    """What the payload says of the tokens."""
    return {
        "engine": form.engine,
        "revision": form.revision,
        "mode": form.mode,
        "tile_grid": list(form.tile_grid),
        "page_size": list(form.page_size),
    }


def decode_format(given: Mapping[str, Any] | None) -> VisionFormat | None:
    if not given:
        return None
    columns, rows = given["tile_grid"]
    width, height = given["page_size"]
    return VisionFormat(
        given["engine"], given["revision"], given["mode"], (int(columns), int(rows)), (int(width), int(height))
    )


def weight(tokens: VisionTokens | None) -> int:
    """How many changes without tokens a commit with these weighs in a store's log, about."""
    return 0 if tokens is None else sum(array.size for array in _arrays(tokens).values()) // 65_536


def _arrays(tokens: VisionTokens) -> dict[str, np.ndarray]:
    arrays = {VISION: tokens.array}
    if tokens.tiles is not None:
        arrays[VISION_TILES] = tokens.tiles
    return arrays


def _half(rows: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    return np.asarray(rows, np.float32).astype(np.float16)
