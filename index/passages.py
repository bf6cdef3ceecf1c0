"""Passages: the pieces of a page that get an embedding each.

`passage_spans(text)` returns spans of about 120 words that are cut at sentences and overlap
by a sentence or two, so that an answer that straddles a cut is whole in one of them. A span
is a contiguous slice of the page's Markdown, never empty, never longer than what the
embedding model reads (about 256 word pieces). Sentences that are longer than a passage are
cut at spaces, and tokens that are longer than that (hashes, scripts without spaces) anywhere.

`embed_passages` turns them and their sentences into vectors; the model sees the words without
Markdown's marks. Of a page with more of them than a Qdrant server takes, neighbours share one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from index.embedder import ContextEmbedder, Embedder
from index.sentences import sentence_spans
from index.store import PassageVectors
from index.vision import most_tokens

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PassageConfig:
    """Sizes in words. A "word" here is a unit of the model's attention: long tokens and digits count more."""

    target: int = 120
    """Shorter passages blur less, but each costs an embedding: 120 is what the model was trained around."""
    overlap: int = 24
    """About one sentence. More costs embeddings and finds nothing more."""
    heading_break: int = 60
    """A heading begins a new passage once the current one has this many words."""
    window: int = 45
    """Words that the model reads at once. Of 30, 45, 60, 90 and 120, the best mean reciprocal rank on
    development questions (docs/decisions/2026-11-21-sentences-in-context.md)."""
    least_tokens: int = 3
    """Shorter sentences (a page number, "Yes.") get no vector of their own: they are near to everything."""


DEFAULT_PASSAGES = PassageConfig()
_TOKEN = re.compile(r"\S+")
_MARKUP = re.compile(r"[\ud800-\udfff]|\|[\s:\-|]*\||[|*_`#>]+|-{3,}|_{3,}|\.{4,}")
_SPACE = re.compile(r"\s+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def passage_spans(text: str, config: PassageConfig = DEFAULT_PASSAGES) -> list[tuple[int, int]]:
    """Spans `[start, end)` in reading order; empty for a blank page."""
    pieces = [piece for span in sentence_spans(text) for piece in _cut(text, *span, config.target)]
    spans: list[tuple[int, int]] = []
    first = 0  # index of the first piece of the passage that is growing
    size = 0
    for number, (_start, _end, words, heading) in enumerate(pieces):
        full = size + words > config.target * 1.15 or (heading and size >= config.heading_break)
        if number > first and full:
            spans.append((pieces[first][0], pieces[number - 1][1]))
            first, size = _overlap(pieces, first, number, 0 if heading else config.overlap)
            if size + words > config.target * 1.15:  # the overlap would make the next one overflow
                first, size = number, 0
        size += words
    if pieces:
        spans.append((pieces[first][0], pieces[-1][1]))
    return spans


def plain(text: str) -> str:
    """The words of a Markdown slice: marks of tables, headings and emphasis become spaces."""
    return _SPACE.sub(" ", _MARKUP.sub(" ", text)).strip()


def embed_passages(embedder: Embedder, text: str, config: PassageConfig = DEFAULT_PASSAGES) -> PassageVectors:
    """Passages and sentences of a page with their vectors; no rows for a page without letters or digits.

    Each sentence is read once by the model, in a window of its neighbours. A sentence's vector is the mean
    of its own tokens in that window, a passage's the mean of all its sentences' tokens: overlap costs nothing,
    and a small window blurs less than the whole passage at once. With an embedder that gives
    no vectors of parts, sentences and passages are embedded one by one.
    """
    spans = [span for span in passage_spans(text, config) if _worded(text, *span)]
    if not spans:
        none = np.zeros((0, embedder.dim), np.float32)
        return PassageVectors((), none, (), none)
    pieces = [
        _Piece(start, end, plain(text[start:end]), words)
        for span in sentence_spans(text)
        for start, end, words, _ in _cut(text, *span, config.window)
        if _worded(text, start, end)
    ]
    pooled = _embed_windows(embedder, _windows(pieces, config.window))
    if pooled is None:
        vectors = embedder.embed([plain(text[s:e]) for s, e in spans] + [piece.plain for piece in pieces])
        sentences = [(piece.start, piece.end) for piece in pieces]
        return _fitting(spans, vectors[: len(spans)], sentences, vectors[len(spans) :])
    sums, counts = pooled
    # Pieces may be cut where passages are not; one belongs to the passages that its middle lies in.
    middles = np.array([(piece.start + piece.end) / 2 for piece in pieces])
    inside = [(middles >= start) & (middles < end) & (counts > 0) for start, end in spans]
    kept = [n for n, rows in enumerate(inside) if rows.any()]
    worth = np.flatnonzero(counts >= max(1, min(config.least_tokens, int(counts.max()))))
    return _fitting(
        [spans[n] for n in kept],
        np.array([sums[inside[n]].sum(axis=0) for n in kept]).reshape(len(kept), embedder.dim),
        [(pieces[n].start, pieces[n].end) for n in worth],
        sums[worth],
    )


def _fitting(
    spans: Sequence[Span], rows: np.ndarray, sentence_spans: Sequence[Span], sentence_rows: np.ndarray
) -> PassageVectors:
    """Passages and sentences with vectors of unit length, of each no more than a store takes."""
    spans, rows = _joined(spans, rows)
    sentence_spans, sentence_rows = _joined(sentence_spans, sentence_rows)
    return PassageVectors(tuple(spans), _unit(rows), tuple(sentence_spans), _unit(sentence_rows))


def _joined(spans: Sequence[Span], rows: np.ndarray) -> tuple[Sequence[Span], np.ndarray]:
    """Where there are too many for one multivector, neighbours as one, as many as it takes: a spreadsheet printed on
    one sheet has thousands of rows, and each of them is a sentence.
    """
    most = most_tokens(rows.shape[1])
    if len(spans) <= most:
        return spans, rows
    first = range(0, len(spans), -(-len(spans) // most))
    ends = [*first[1:], len(spans)]
    joined = [(spans[start][0], spans[end - 1][1]) for start, end in zip(first, ends, strict=True)]
    return joined, np.add.reduceat(rows, list(first), axis=0)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or a part of one that is longer than a window."""

    start: int
    end: int
    plain: str
    words: int


def _windows(pieces: list[_Piece], target: int) -> list[list[_Piece]]:
    """Neighbouring sentences in groups of about `target` words."""
    windows: list[list[_Piece]] = []
    size = 0
    for piece in pieces:
        if not windows or size + piece.words > target * 1.15:
            windows.append([])
            size = 0
        windows[-1].append(piece)
        size += piece.words
    return windows


def _embed_windows(embedder: Embedder, windows: list[list[_Piece]]) -> tuple[np.ndarray, np.ndarray] | None:
    """Sums and counts of token vectors for all pieces in order; None where the embedder gives none."""
    if not isinstance(embedder, ContextEmbedder):
        return None
    texts, parts = [], []
    for window in windows:
        at = 0
        spans = []
        for piece in window:
            spans.append((at, at + len(piece.plain)))
            at += len(piece.plain) + 1
        texts.append(" ".join(piece.plain for piece in window))
        parts.append(spans)
    pooled = embedder.embed_parts(texts, parts)
    if pooled is None:
        return None
    return np.concatenate([sums for sums, _ in pooled]), np.concatenate([counts for _, counts in pooled])


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(norms, 1e-12)).astype(np.float32)


def _worded(text: str, start: int, end: int) -> bool:
    return any(c.isalnum() for c in text[start:end])


def _overlap(pieces: list[tuple[int, int, int, bool]], first: int, number: int, allowed: int) -> tuple[int, int]:
    """Where the next passage begins: so many whole sentences back as fit into the overlap."""
    begin, size = number, 0
    while begin > first + 1 and size + pieces[begin - 1][2] <= allowed:
        begin -= 1
        size += pieces[begin][2]
    return begin, size


def _cut(text: str, start: int, end: int, target: int) -> Iterator[tuple[int, int, int, bool]]:
    """A sentence as (start, end, words, is heading), in several pieces where it is longer than a passage."""
    heading = text.startswith("#", start)
    piece_start, piece_end, size = start, start, 0
    for token_start, token_end, words in _tokens(text, start, end, target):
        if size and size + words > target:
            yield piece_start, piece_end, size, heading
            piece_start, size = token_start, 0
        piece_end = token_end
        size += words
    if size:
        yield piece_start, piece_end, size, heading


def _tokens(text: str, start: int, end: int, target: int) -> Iterator[tuple[int, int, int]]:
    """Tokens with their weight in words; a token heavier than a passage comes in slices."""
    for token in _TOKEN.finditer(text, start, end):
        weight = _weight(token.group())
        if weight <= target:
            yield token.start(), token.end(), weight
            continue
        step = max(1, (token.end() - token.start()) * target // weight)
        for at in range(token.start(), token.end(), step):
            until = min(at + step, token.end())
            yield at, until, _weight(text[at:until])


def _weight(token: str) -> int:
    """About how many English words a token costs the model (measured: 1.3 word pieces for each)."""
    cjk = len(_CJK.findall(token))
    digits = sum(c.isdigit() for c in token)
    letters = len(token) - cjk - digits
    return max(1, round(cjk * 0.75 + digits * 0.35 + letters / 9))
