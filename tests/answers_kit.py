"""What tests of answering share: pages with word boxes, hits for them, and an embedder without weights."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from index.sentences import sentence_spans
from index.types import Box, Hit, PageKey, PageLabels, PagePoint, PageState, Snippet, Word
from index.words import STOPWORDS, stem, tokens

DIM = 96


class BagEmbedder:
    """Texts with the same stems are near: each stem is a fixed random direction. Counts what it embeds."""

    name = "bag"
    dim = DIM

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        return np.array([_vector(text) for text in texts], np.float32).reshape(len(texts), DIM)


def _vector(text: str) -> np.ndarray:
    total = np.full(DIM, 1e-3)
    for token in tokens(text):
        if token.form not in STOPWORDS:
            total += np.random.default_rng(zlib.crc32(stem(token.form).encode())).normal(size=DIM)
    return total / np.linalg.norm(total)


def page(text: str, *, document: str = "doc", number: int = 1, boxes: bool = True, score: float = 1.0,
         question: str = "", name: str = "letter.pdf") -> tuple[Hit, PagePoint]:  # fmt: skip
    """A found page; each line of the text is a line on the paper. With a question, search has compared sentences."""
    labels = PageLabels(name, "application/pdf", datetime(2024, 1, 1, tzinfo=UTC))
    key = PageKey("t", document, number)
    words = tuple(_words(text)) if boxes else ()
    point = PagePoint(key, PageState.DONE, labels, text=text, words=words, width=1000, height=1400)
    spans = sentence_spans(text)
    near = tuple((s, e, float(_vector(text[s:e]) @ _vector(question))) for s, e in spans) if question else ()
    snippet = (Snippet(text[:200], 0, min(200, len(text)), (), (), score),) if text.strip() else ()
    return Hit(key, labels, score, snippet, 1000, 1400, 1.0, near), point


def _words(text: str):
    for number, line in enumerate(text.split("\n")):
        start = sum(len(other) + 1 for other in text.split("\n")[:number])
        for match in re.finditer(r"\S+", line):
            left, right = 0.1 + match.start() * 0.006, 0.1 + match.end() * 0.006
            box = Box(left, 0.1 + 0.02 * number, right, 0.115 + 0.02 * number)
            yield Word(start + match.start(), start + match.end(), box)
