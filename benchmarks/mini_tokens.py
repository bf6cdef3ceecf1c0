"""What vision tokens of the mini model hold: precision against compression, and what smaller numbers cost.

    python -m benchmarks.mini_tokens [CHECKPOINT] [--pages N] [--plot PNG]

* Compression: held-out text on cards with more and more characters, in the training's type sizes, and the same number
  of characters in one size after the other. A card is always 16 vision tokens.
* Storage: tokens as float16, as int8 with a scale for each token, and as 4 bits after a random rotation
  (a normal distribution's best 16 levels; a scale that keeps the token's length, as in RaBitQ, arXiv 2405.12497, and
  TurboQuant, arXiv 2504.19874), decoded.
* Store: what is decoded from the index's tokens against what was decoded at once, and against transformers' own
  `generate` from the pixels, where tokens are never rounded.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.mini_kit import encoded, engine_or_end, errors, last_stage, texts
from benchmarks.report import publish, table
from index.errors import ConfigError
from index.store import PageUpdate
from index.store_edge import EdgeStore, StoreConfig
from index.types import PageKey, PageLabels, PageReading, PageState, Reader, VisionTokens
from worker.engine.deepseek.engine import DeepSeekOcrEngine
from worker.train.measure import held_out, read, usual
from worker.train.pages import Page, Wanted

CHARACTERS = (20, 40, 60, 80, 100, 120)
SIZES = (12, 14, 16, 18, 20, 23, 26, 30)
_AT_SIZES = 60  # characters: what fits on a card in the largest type
_TOKENS = 16
# The 16 levels that lose least of a normal distribution (J. Max, 1960), the positive half.
_LEVELS = np.array([0.1284, 0.3881, 0.6568, 0.9424, 1.2562, 1.6180, 2.0690, 2.7326], np.float32)


def compression(reader: DeepSeekOcrEngine, usually: Wanted, names: Sequence[str], count: int) -> list[tuple]:
    """Rows: characters wanted, type sizes, characters really on a card, of them for each vision token, CER, words."""
    kinds = [replace(usually, chars=chars) for chars in CHARACTERS]
    kinds += [replace(usually, chars=_AT_SIZES, sizes=(size, size)) for size in SIZES]
    rows = []
    for kind in kinds:
        pages = held_out(kind, count, faces_too=False, names=names)
        found = errors(pages, texts(reader, encoded(reader, [page.pixels for page in pages])))
        each = found.characters / len(pages)
        low, high = kind.sizes
        sizes = f"{low}" if low == high else f"{low} to {high}"
        rows.append((kind.chars, sizes, each, each / _TOKENS, found.cer, found.words))
    return rows


def int8(tokens: np.ndarray) -> tuple[np.ndarray, int]:
    """(T, D) float16 through 8 bits and a float16 scale for each token; and the bytes that takes."""
    values = tokens.astype(np.float32)
    scale = (np.abs(values).max(axis=1, keepdims=True) / 127).astype(np.float16).astype(np.float32)
    small = np.round(values / np.maximum(scale, 1e-8)).clip(-127, 127).astype(np.int8)
    return (small * scale).astype(np.float16), small.nbytes + 2 * len(tokens)


def rotated4(tokens: np.ndarray, seed: int = 0) -> tuple[np.ndarray, int]:
    """(T, D) float16 through a rotation and 4 bits, with a float16 scale for each token; and the bytes that takes."""
    values = tokens.astype(np.float32)
    dim = values.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0].astype(np.float32)
    turned = values @ rotation
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    unit = turned * dim**0.5 / np.maximum(length, 1e-8)  # coordinates of deviation 1
    levels = np.concatenate([-_LEVELS[::-1], _LEVELS])
    code = np.abs(unit[..., None] - levels).argmin(axis=-1).astype(np.uint8)
    guess = levels[code]
    scale = (length**2 / np.maximum((guess * turned).sum(axis=1, keepdims=True), 1e-8)).astype(np.float16)
    return ((guess * scale.astype(np.float32)) @ rotation.T).astype(np.float16), code.size // 2 + 2 * len(tokens)


def storage(reader: DeepSeekOcrEngine, pages: Sequence[Page]) -> list[tuple]:
    """Rows: format, bytes of a card, relative error of its tokens, CER, words, cards with unchanged text."""
    tokens = encoded(reader, [page.pixels for page in pages])
    formats: dict[str, Callable[[np.ndarray], tuple[np.ndarray, int]]] = {
        "float16": lambda array: (array, array.nbytes),
        "int8, a scale for each token": int8,
        "4 bits, rotated": rotated4,
    }
    rows, plain = [], None
    for name, through in formats.items():
        made = [through(one.array) for one in tokens]
        kept = [replace(one, array=array) for one, (array, _) in zip(tokens, made, strict=True)]
        lost = np.mean([_relative(one.array, other.array) for one, other in zip(tokens, kept, strict=True)])
        written = texts(reader, kept)
        plain = plain or written
        found = errors(pages, written)
        same = np.mean([one == other for one, other in zip(plain, written, strict=True)])
        rows.append((name, made[0][1], float(lost), found.cer, found.words, float(same)))
    return rows


def _relative(true: np.ndarray, other: np.ndarray) -> float:
    true, other = true.astype(np.float32), other.astype(np.float32)
    return float(np.linalg.norm(true - other) / np.linalg.norm(true))


def from_store(reader: DeepSeekOcrEngine, tokens: Sequence[VisionTokens], folder: Path) -> list[VisionTokens]:
    """The tokens put into an index and got out of it again, after it was closed and opened."""
    now, keys = datetime.now(UTC), [PageKey("bench", "cards", number + 1) for number in range(len(tokens))]
    config = StoreConfig(vision_dim=reader.dim)
    store = EdgeStore.open(folder, _Unsearched(), config)
    store.add_pending(keys, PageLabels("cards.zip", "image/png", now), now)
    store.update(
        [
            PageUpdate(
                key,
                now,
                state=PageState.DONE,
                reading=PageReading("", (), (), 0.0, 256, 256, 0, Reader("mini", "", "card"), one, decoded=False),
            )
            for key, one in zip(keys, tokens, strict=True)
        ]
    )
    store.close()
    store = EdgeStore.open(folder, _Unsearched(), config)
    try:
        return [point.vision_tokens for point in store.get(keys, with_vision=True)]
    finally:
        store.close()


class _Unsearched:
    """An embedder for an index in which nobody searches."""

    name, dim = "none@0", 8

    def embed(self, texts_: Sequence[str]) -> np.ndarray:
        return np.eye(1, self.dim, dtype=np.float32).repeat(len(texts_), axis=0)


def stored(reader: DeepSeekOcrEngine, pages: Sequence[Page], checkpoint: Path) -> list[tuple]:
    """Rows: what is compared, cards, cards with another text."""
    import torch

    from worker.engine.deepseek.load import load_model

    tokens = encoded(reader, [page.pixels for page in pages])
    at_once = texts(reader, tokens)
    with tempfile.TemporaryDirectory(prefix="folioscope-mini-") as scratch:
        later = texts(reader, from_store(reader, tokens, Path(scratch)))
    model = load_model(checkpoint, device="cpu", dtype=torch.float32)
    whole = [
        text
        for start in range(0, len(pages), _TOKENS)
        for text in read(
            model.model,
            model.tokenizer,
            np.stack([page.pixels for page in pages[start : start + _TOKENS]]),
            max(map(len, at_once)) + 24,
        )
    ]
    differ = [sum(a != b for a, b in zip(at_once, other, strict=True)) for other in (later, whole)]
    return [
        ("from the index against at once, both float16", len(pages), differ[0]),
        ("from pixels in float32 (`generate`) against float16 tokens", len(pages), differ[1]),
    ]


def plot(rows: Sequence[tuple], picture: Path) -> None:
    """Precision over characters for each vision token, and over type size."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError("plots need matplotlib: pip install 'folioscope[train]'", code="not_installed") from error
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True, sharey=True)
    by_count, by_size = rows[: len(CHARACTERS)], rows[len(CHARACTERS) :]
    left.plot([row[3] for row in by_count], [1 - row[4] for row in by_count], "o-")
    left.set_xlabel("characters for each vision token")
    left.set_ylabel("characters right")
    right.plot(SIZES, [1 - row[4] for row in by_size], "o-")
    right.set_xlabel(f"type size in pixels ({_AT_SIZES} characters)")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set_ylim(min(0.5, *(1 - row[4] for row in rows)), 1.0)
    figure.savefig(picture, dpi=90)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mini_tokens", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("checkpoint", type=Path, nargs="?", help="default: the packaged one")
    parser.add_argument("--pages", type=int, default=48, help="cards for each row")
    parser.add_argument("--plot", type=Path)
    chosen = parser.parse_args()
    reader = engine_or_end(chosen.checkpoint)
    from worker.engine.mini import packaged

    stage = last_stage()
    usually = usual(stage)
    by_size = compression(reader, usually, stage.faces, chosen.pages)
    pages = held_out(usually, chosen.pages, faces_too=False, names=stage.faces)
    parts = (
        table(("characters asked for", "type, pixels", "on a card", "for each token", "CER", "words right"), by_size),
        table(
            ("format", "bytes of a card", "error of the tokens", "CER", "words right", "unchanged texts"),
            storage(reader, pages),
        ),
        table(("decoded", "cards", "with another text"), stored(reader, pages, chosen.checkpoint or packaged())),
    )
    publish("mini_tokens", f"Vision tokens of the mini model `{reader.revision}`", *parts)
    if chosen.plot:
        plot(by_size, chosen.plot)
    reader.close()


if __name__ == "__main__":
    main()
