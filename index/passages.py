"""Passages: the pieces of a page that get an embedding each.

`passage_spans(text)` returns spans of about 120 words that are cut at sentences and overlap
by a sentence or two, so that an answer that straddles a cut is whole in one of them. A span
is a contiguous slice of the page's Markdown, never empty, never longer than what the
embedding model reads (about 256 word pieces). Sentences that are longer than a passage are
cut at spaces, and tokens that are longer than that (hashes, scripts without spaces) anywhere.

`embed_passages` turns them into vectors; the model sees the words without Markdown's marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from index.sentences import sentence_spans
from index.store import PassageVectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from index.embedder import Embedder


@dataclass(frozen=True, slots=True)
class PassageConfig:
    """Sizes in words. A "word" here is a unit of the model's attention: long tokens and digits count more."""

    target: int = 120
    """Shorter passages blur less, but each costs an embedding: 120 is what the model was trained around."""
    overlap: int = 24
    """About one sentence. More costs embeddings and finds nothing more."""
    heading_break: int = 60
    """A heading begins a new passage once the current one has this many words."""


DEFAULT_PASSAGES = PassageConfig()
_TOKEN = re.compile(r"\S+")
_MARKUP = re.compile(r"\|[\s:\-|]*\||[|*_`#>]+|-{3,}|_{3,}|\.{4,}")
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
    """Passages of a page and their vectors, float32 `(passages, dim)`; no rows for a page without letters or digits."""
    import numpy as np

    spans = []
    plains = []
    for start, end in passage_spans(text, config):
        words = plain(text[start:end])
        if any(c.isalnum() for c in words):
            spans.append((start, end))
            plains.append(words)
    if not spans:
        return PassageVectors((), np.zeros((0, embedder.dim), np.float32))
    return PassageVectors(tuple(spans), embedder.embed(plains))


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
