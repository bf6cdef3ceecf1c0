"""How long a search takes in a large archive: in process and over HTTP.

    python -m benchmarks.search [--pages 10000] [--queries 300] [--keep DIRECTORY]

Synthetic pages of 330 words: Zipf-distributed words of a made-up vocabulary, a topic for each document, names,
amounts and invoice numbers. Their text, words and word boxes are indexed as usual; their vectors are drawn around
topic directions instead of computed, which takes hours less and costs a search the same. Queries are embedded
by the real model, and no query is asked twice.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.report import publish, table
from benchmarks.service import Service, _resident
from index import ids
from index.embedder import Embedder
from index.embedder_st import build_embedder
from index.passages import passage_spans
from index.sentences import sentence_spans
from index.store import PageUpdate, PassageVectors
from index.store_edge import EdgeStore
from index.types import Box, PageKey, PageLabels, PageReading, PageState, Reader, SearchFilter, Word

TENANT = "default"
TARGET_MS = 60.0
_PER_DOCUMENT = 20
_SYLLABLES_TEXT = (
    "ka lo mi ren ter va sol den bri cha mor ne pu ri sta tan ul ver wen xa yor zi ber cor dal el fen gar hol"
)
_SYLLABLES = _SYLLABLES_TEXT.split()


def vocabulary(rng: np.random.Generator, size: int) -> np.ndarray:
    """Distinct made-up words, short ones first, as in a real language."""
    words: dict[str, None] = {}
    while len(words) < size:
        n = 1 + min(4, int(len(words) ** 0.2))
        words.setdefault("".join(rng.choice(_SYLLABLES, size=int(rng.integers(max(1, n - 1), n + 1)))))
        words.setdefault("".join(rng.choice(_SYLLABLES, size=n + 1)))
    return np.array(list(words)[:size])


class Pages:
    """Pages of text by number, the same for the same seed."""

    def __init__(self, seed: int = 7, words: int = 40_000, topics: int = 400) -> None:
        rng = np.random.default_rng(seed)
        self.words = vocabulary(rng, words)
        ranks = np.arange(1, words + 1)
        self.share = (1 / ranks**1.05) / (1 / ranks**1.05).sum()
        self.cumulative = np.cumsum(self.share)
        self.own = rng.integers(500, words, size=(topics, 120))  # each topic's own words
        self.topics = topics

    def text(self, number: int) -> str:
        rng = np.random.default_rng((11, number))
        document = number // _PER_DOCUMENT
        general = np.searchsorted(self.cumulative, rng.random(270)).clip(0, len(self.words) - 1)
        own = rng.choice(self.own[document % self.topics], size=60)
        mixed = self.words[rng.permutation(np.concatenate([general, own]))]
        lines = [
            f"# {' '.join(mixed[:4]).title()}",
            "",
            f"Invoice INV-{2000 + document % 25}-{number:05d}, page {number}",
        ]
        for start in range(4, len(mixed), 14):
            sentence = " ".join(mixed[start : start + 14])
            lines.append(f"{sentence.capitalize()} {int(rng.integers(1, 9999))}.")
        return "\n".join(lines)

    def queries(self, count: int, pages: int, seed: int = 5) -> Iterator[tuple[str, str]]:
        """(kind, query), in turn: words of a page, a question, an identifier, a quoted phrase, a misread word."""
        rng = np.random.default_rng(seed)
        for n in range(count):
            words = self.text(int(rng.integers(pages))).split("\n", 3)[3].replace(".", "").lower().split()
            at = int(rng.integers(0, len(words) - 8))
            kind = ("keywords", "question", "identifier", "phrase", "misread")[n % 5]
            if kind == "keywords":
                yield kind, " ".join(words[at : at + 3])
            elif kind == "question":
                yield (
                    kind,
                    f"Who asked about the {words[at]} {words[at + 1]} and the {words[at + 4]} of {words[at + 6]}?",
                )
            elif kind == "identifier":
                number = int(rng.integers(pages))
                yield kind, f"INV-{2000 + number // _PER_DOCUMENT % 25}-{number:05d}"
            elif kind == "phrase":
                yield kind, f'"{" ".join(words[at : at + 4])}"'
            else:
                word = max(words[at : at + 8], key=len)
                yield kind, word[:2] + "x" + word[3:]


def fill(store: EdgeStore, embedder: Embedder, pages: Pages, count: int) -> None:
    """Index `count` pages."""
    rng = np.random.default_rng(3)
    directions = embedder.embed([" ".join(pages.words[own[:12]]) for own in pages.own])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, count, _PER_DOCUMENT):
        document = ids.document_id(TENANT, f"{start:064x}")
        keys = [PageKey(TENANT, document, n + 1) for n in range(min(_PER_DOCUMENT, count - start))]
        labels = PageLabels(
            f"box-{start}.pdf", "application/pdf", at - timedelta(days=start // 20), (f"box{start % 7}",)
        )
        store.add_pending(keys, labels, at)
        changes = []
        for number, key in enumerate(keys, start=start):
            text = pages.text(number)
            topic = directions[start // _PER_DOCUMENT % len(directions)]
            spans, sentences = passage_spans(text), sentence_spans(text)
            reading = PageReading(text, (), _boxes(text), 0.95, 1654, 2339, 0, Reader("synthetic", "1", "ocr"))
            vectors = PassageVectors(
                tuple(spans), _around(topic, len(spans), rng), tuple(sentences), _around(topic, len(sentences), rng)
            )
            changes.append(PageUpdate(key, at, state=PageState.DONE, reading=reading, passages=vectors))
        store.update(changes)


def _around(direction: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rows = direction + rng.normal(scale=0.06, size=(count, len(direction)))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _boxes(text: str) -> tuple[Word, ...]:
    words, at = [], 0
    for number, word in enumerate(text.split()):
        start = text.index(word, at)
        at = start + len(word)
        x, y = number % 14 / 14, min(0.97, number // 14 / 40)
        words.append(Word(start, at, Box(x, y, x + 0.06, y + 0.02)))
    return tuple(words)


def timed(ask: Callable[[str], object], queries: Sequence[tuple[str, str]]) -> dict[str, list[float]]:
    """Milliseconds by kind of query, in order of asking."""
    taken: dict[str, list[float]] = {}
    for kind, query in queries:
        start = time.perf_counter()
        ask(query)
        taken.setdefault(kind, []).append((time.perf_counter() - start) * 1000)
    return taken


def _rows(place: str, taken: dict[str, list[float]]) -> list[list[object]]:
    groups = {"all": [ms for times in taken.values() for ms in times], **taken}
    rows = []
    for kind, times in groups.items():
        quantiles = statistics.quantiles(times, n=100, method="inclusive")
        target = (
            [f"{TARGET_MS:.0f} ms", quantiles[94] <= TARGET_MS] if (place, kind) == ("over HTTP", "all") else ["–", "–"]
        )
        rows.append([place, kind, len(times), *(f"{quantiles[q - 1]:.1f}" for q in (50, 95, 99)), *target])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="a data directory to make once and use again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.keep or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        pages = Pages()
        embedder = build_embedder(None, root / "cache")
        store = EdgeStore.open(root / "index", embedder)
        started = time.perf_counter()
        if store.count(TENANT).done < arguments.pages:
            fill(store, embedder, pages, arguments.pages)
        filled = time.perf_counter() - started
        queries = list(pages.queries(arguments.queries + 20, arguments.pages))
        where = SearchFilter()
        timed(lambda query: store.search(TENANT, query, where, limit=10), queries[:20])
        inside = timed(lambda query: store.search(TENANT, query, where, limit=10), queries[20:])
        store.close()
        running = Service(root)
        try:
            fresh = list(pages.queries(arguments.queries + 20, arguments.pages, seed=6))

            def ask(query: str) -> None:
                running.http.post("/v1/search", json={"query": query, "limit": 10}).raise_for_status()

            timed(ask, fresh[:20])
            outside = timed(ask, fresh[20:])
            memory = _resident(running.process.pid)
        finally:
            running.stop()
    header = ["where", "query", "n", "p50 ms", "p95 ms", "p99 ms", "target for p95", "met"]
    rows = [*_rows("in process", inside), *_rows("over HTTP", outside)]
    note = (
        f"{arguments.pages} pages, written in {filled:.0f} s; the service that answers over HTTP has {memory:.0f} MiB "
        "resident. One client, one query after another."
    )
    publish("search", "Latency of search", note, table(header, rows))


if __name__ == "__main__":
    main()
