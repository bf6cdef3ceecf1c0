"""Helpers for tests of the index: a deterministic embedder without weights, pages, labels."""

from __future__ import annotations

import signal
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from index.passages import embed_passages
from index.store import PageUpdate
from index.types import (
    Box,
    PageKey,
    PageLabels,
    PageReading,
    PageState,
    Reader,
    Region,
    RegionKind,
    VisionFormat,
    VisionTokens,
    Word,
)
from index.words import fold, stem, tokens

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@contextmanager
def processor_s(most: float) -> Iterator[None]:
    """Fails when the block takes more seconds of processor time: however slow the machine, and though a pattern that
    tries everything lets nobody else run. What other threads of the process use meanwhile does not count.
    """
    began = time.thread_time()

    def give_up(_number: int, _frame: object) -> None:
        left = most - (time.thread_time() - began)
        if left <= 0:
            raise AssertionError(f"more than {most} s of processor time")
        signal.setitimer(signal.ITIMER_VIRTUAL, max(left, 0.01))

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, most)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class HashEmbedder:
    """A bag of stems, each a fixed random direction: texts that share words are near, nothing else is."""

    def __init__(self, name: str = "hash@1", dim: int = 64) -> None:
        self.name = name
        self.dim = dim
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        out = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for token in tokens(text):
                seed = zlib.crc32(stem(fold(token.form)).encode())
                out[row] += np.random.default_rng(seed).normal(size=self.dim)
            out[row, 0] += 1e-3
        return out / np.linalg.norm(out, axis=1, keepdims=True)


def labels(
    filename: str = "a.pdf",
    media_type: str = "application/pdf",
    created_at: datetime = NOW,
    folders: tuple[str, ...] = (),
) -> PageLabels:
    return PageLabels(filename, media_type, created_at, folders, tuple(f"{f}/{filename}" for f in folders[-1:]))


def words_of(text: str, per_line: int = 8) -> tuple[Word, ...]:
    """Word boxes in lines of eight: word n stands in column n % 8, line n // 8."""
    words = []
    at = 0
    for number, raw in enumerate(text.split()):
        start = text.index(raw, at)
        at = start + len(raw)
        x, y = (number % per_line) / per_line, (number // per_line) * 0.02
        words.append(Word(start, at, Box(x, y, x + 0.115, y + 0.015)))
    return tuple(words)


def reading(text: str, trust: float = 0.93) -> PageReading:
    regions = (Region(RegionKind.PARAGRAPH, Box(0.1, 0.1, 0.9, 0.5), 0, len(text)),) if text else ()
    return PageReading(text, regions, words_of(text), trust, 1240, 1754, 90, Reader("fake", "7", "ocr"))


def tokens_of(rows: int = 16, tiles: int = 0, dim: int = 1280, seed: int = 0) -> VisionTokens:
    """Vision tokens of all float16 values there are, the odd ones first: subnormal, minus zero, the largest."""
    bits = np.random.default_rng(seed).integers(0, 1 << 16, (rows + tiles, dim), np.uint16)
    array = bits.view(np.float16)
    array[~np.isfinite(array)] = -0.0
    array[0, :6] = np.array([0x0001, 0x8000, 0x7BFF, 0xFBFF, 0x03FF, 0x0400], np.uint16).view(np.float16)
    grid = (tiles, 1) if tiles else (0, 0)
    form = VisionFormat("deepseek-ocr", "abc123", "gundam" if tiles else "base", grid, (1240, 1754))
    return VisionTokens(form, array[:rows], array[rows:] if tiles else None)


def same_bits(ours: VisionTokens, theirs: VisionTokens) -> bool:
    """Whether two pages have the same tokens, minus zero and zero told apart."""
    assert (ours.tiles is None) == (theirs.tiles is None)
    pairs = [(ours.array, theirs.array)] + ([(ours.tiles, theirs.tiles)] if ours.tiles is not None else [])
    return ours.format == theirs.format and all(
        a.dtype == b.dtype == np.float16 and a.shape == b.shape and (a.view(np.uint16) == b.view(np.uint16)).all()
        for a, b in pairs
    )


def commit(
    embedder, key: PageKey, text: str, at: datetime = NOW, *, vision: VisionTokens | None = None, marks=()
) -> PageUpdate:
    read = replace(reading(text), vision=vision, marks=marks)
    return PageUpdate(key, at, state=PageState.DONE, reading=read, passages=embed_passages(embedder, text))


def fill(store, embedder, tenant: str, document: str, texts: Sequence[str], of: PageLabels | None = None) -> None:
    """A document with these pages, read."""
    keys = [PageKey(tenant, document, n + 1) for n in range(len(texts))]
    store.add_pending(keys, of or labels(), NOW)
    assert all(store.update([commit(embedder, key, text) for key, text in zip(keys, texts, strict=True)]))
