"""Search results read again: the judge of answers reads the best of them, and those that answer come first.

Search compares vectors and words that were made beforehand; a cross-encoder reads query and page together, which sees
more and costs too much for more than a few pages (Nogueira & Cho 2019, arXiv 1901.04085). So it reads the likeliest
places of the first pages, and its word is added to search's own score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from index.store import Store
from index.types import Hit, PagePoint, SearchFilter
from worker.answer_extractive import ExtractiveAnswerer


@dataclass(frozen=True, slots=True)
class RerankConfig:
    """Chosen on the samples' `tune` half and the development archives (docs/lab.md)."""

    pages: int = 25
    """Of the first ones; what comes after them keeps its place."""
    weight: float = 0.2
    """Of the log-odds that the best candidate of a page answers, beside search's score, which is about 0 to 1."""
    least: float = -8.0
    """Log-odds of a page on which nothing was read, and the least of any: a hit only gains."""


class Reranker:
    """Over one store. Thread-safe."""

    def __init__(self, store: Store, reader: ExtractiveAnswerer, config: RerankConfig | None = None) -> None:
        self._store = store
        self._reader = reader
        self._config = config or RerankConfig()

    def prepare(self) -> None:
        """Make what the first query would wait for."""
        self._reader.prepare()

    def search(
        self, tenant: str, query: str, where: SearchFilter, *, limit: int, offset: int = 0
    ) -> tuple[list[Hit], bool]:
        """As `Store.search`, and whether the judge has read the pages: it has not where the query is spelled to the
        letter (identifiers, quoted phrases), nor beyond the first pages, nor where it cannot run.
        """
        if offset >= self._config.pages:
            return self._store.search(tenant, query, where, limit=limit, offset=offset), False
        hits = self._store.search(tenant, query, where, limit=max(self._config.pages, offset + limit))
        first, rest = hits[: self._config.pages], hits[self._config.pages :]
        points = self._store.get([hit.key for hit in first])
        # A page may be deleted between the two calls.
        pages = [(hit, point) for hit, point in zip(first, points, strict=True) if point is not None]
        ranked = self._ranked(query, pages)
        if ranked is None:
            return hits[offset : offset + limit], False
        return [*ranked, *rest][offset : offset + limit], True

    def _ranked(self, query: str, pages: Sequence[tuple[Hit, PagePoint]]) -> list[Hit] | None:
        odds = self._reader.odds(query, pages)
        if odds is None:
            return None
        least, weight = self._config.least, self._config.weight
        gains = [weight * (max(least, one) - least) for one in odds]
        hits = [replace(hit, score=round(hit.score + gain, 6)) for (hit, _), gain in zip(pages, gains, strict=True)]
        return sorted(hits, key=lambda hit: -hit.score)
