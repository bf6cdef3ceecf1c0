"""Hybrid search: what is asked of Qdrant, and how its candidates become hits.

1. The query is analysed (`index/query.py`) and embedded.
2. Qdrant prefetches three legs over the pages that the filter leaves: passages by meaning (dense,
   MaxSim, and their pages scored again by their nearest sentence), words exactly (BM25), words by
   near spelling; and fuses them with a formula over their scores (`Weights`): scores, not ranks,
   because ranks forget how sure a leg is. Each shape of query has its own weights.
3. The best candidates are looked at again with their text: quoted phrases and identifiers that
   stand there literally come first, then how much of the query the page covers, and how closely
   together.
4. Hits get snippets (`index/snippets.py`). A page without any of the query's words whose best
   passage is not near in meaning is not a hit.

A store supplies `Retriever`; this module knows no Qdrant class, so that an embedded shard and a
server share it. Scores are comparable within one query only.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from index import payload as codec
from index.dates import date_pattern
from index.embedder import Embedder
from index.flat import flat
from index.matching import Match, Matcher, PageMatches, PageSummary, matcher_of
from index.parts import part_spans
from index.query import QueryPlan, Shape, analyse, fuzzy_features, is_year, word_features
from index.snippets import snippets
from index.types import Hit, PageKey, SearchFilter
from index.words import DEFAULT_WORDS, WordsConfig


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each evidence counts for one shape of query."""

    dense: float
    words: float
    fuzzy: float
    coverage: float
    nearness: float


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """Chosen on the `tune` half of the sample questions and on the archives in benchmarks/answering_dev, read
    truly and with 3 % of characters misread; never on the reported half. The optimum is flat: half or double of
    a weight changes the mean reciprocal rank by about 0.01.
    """

    question: Weights = Weights(dense=1.0, words=0.4, fuzzy=0.1, coverage=0.0, nearness=0.0)
    keywords: Weights = Weights(dense=1.0, words=0.5, fuzzy=0.2, coverage=0.1, nearness=0.2)
    lookup: Weights = Weights(dense=0.25, words=1.0, fuzzy=0.2, coverage=0.0, nearness=0.3)
    half_score: float = 6.0
    """BM25 of one term at which it counts half: the words leg's score s becomes s / (s + terms * this)."""
    prefetch: int = 80
    """Candidates of each leg. A page that two legs know is rarely below this place in both."""
    rerank: int = 25
    """Candidates whose text is looked at."""
    phrase: float = 3.0
    """What a literal quoted phrase adds: more than all else together, so that such pages come first."""
    identifier: float = 2.0
    """The same for an identifier that stands on the page."""
    part: float = 1.0
    """The same for a numbered part of a document ("clause 4.3(b)") that the page has and does not only refer to."""
    document: float = 0.2
    """What a page with such a part gains when all other words of the query stand elsewhere in its document. For other
    queries that found less: the page that names a thing is more often the one that is asked for.
    """
    date: float = 0.3
    """The same for a whole date, in whichever form it is written."""
    floor: float = 0.22
    """Cosine below which a page without any of the query's words is not a hit. Unrelated English text
    scores 0.0 to 0.15 with all-MiniLM-L6-v2."""
    snippets: int = 3
    query_cache: int = 512
    """Embedded queries kept: search-as-you-type and paging ask the same again."""
    max_query: int = 2000
    """Characters of a query that are looked at."""

    def weights(self, shape: Shape) -> Weights:
        return {Shape.QUESTION: self.question, Shape.KEYWORDS: self.keywords, Shape.LOOKUP: self.lookup}[shape]


DEFAULT_SEARCH = SearchConfig()


@dataclass(frozen=True, slots=True)
class LegQuery:
    """One question to the store. `dense` is (dim,); sparse parts are (places, weights) and may be empty.

    The fused score of a page is `weights.dense * cosine + weights.words * s / (s + words_half) +
    weights.fuzzy * f / (f + fuzzy_half)`, with s and f the BM25 scores of the two word legs.
    """

    dense: np.ndarray
    words: tuple[np.ndarray, np.ndarray]
    fuzzy: tuple[np.ndarray, np.ndarray]
    weights: Weights
    words_half: float
    fuzzy_half: float
    prefetch: int
    limit: int

    def word_legs(self) -> list[tuple[tuple[np.ndarray, np.ndarray], float, float]]:
        """The word legs that can find anything: features, weight and the score that counts half."""
        legs = (
            (self.words, self.weights.words, self.words_half),
            (self.fuzzy, self.weights.fuzzy, self.fuzzy_half),
        )
        return [leg for leg in legs if len(leg[0][0]) and leg[1] != 0.0]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A page that Qdrant found: its point id, fused score and Markdown; its document and that one's name."""

    point: str
    score: float
    text: str
    document: str = ""
    title: str = ""

    @classmethod
    def of(cls, point: str, score: float, payload: Mapping[str, Any]) -> Candidate:
        """From the fields that a store asks for (`CANDIDATE_FIELDS`)."""
        return cls(point, score, *(payload.get(name, "") for name in CANDIDATE_FIELDS))


CANDIDATE_FIELDS = ["text", "document_id", "filename"]


class Retriever(Protocol):
    """What a store must answer for hybrid search."""

    def candidates(self, tenant: str, query: LegQuery, where: SearchFilter) -> list[Candidate]:
        """The best pages that are done, by fused score."""

    def details(self, points: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], np.ndarray]]:
        """By point id: payload, and sentence vectors float32 (sentences, dim). Points that are gone are left out."""


@dataclass(slots=True)
class HybridSearch:
    """Thread-safe."""

    embedder: Embedder
    config: SearchConfig = DEFAULT_SEARCH
    words: WordsConfig = DEFAULT_WORDS
    _cache: OrderedDict[str, np.ndarray] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def search(
        self, retriever: Retriever, tenant: str, query: str, where: SearchFilter, *, limit: int, offset: int = 0
    ) -> list[Hit]:
        """Hits `offset` to `offset + limit`, best first. Empty for a query without letters and digits."""
        plan = self.analyse(query)
        if plan.empty or limit <= 0 or offset < 0:
            return []
        vector = self.embed(plan.text)
        wanted = offset + limit
        found = retriever.candidates(tenant, self.legs(plan, vector, wanted), where)
        matcher = matcher_of(plan, self.words)
        ranked = self._rank(plan, matcher, found)
        hits: list[Hit] = []
        skip = offset
        for start in range(0, len(ranked), limit):
            piece = ranked[start : start + limit]
            details = retriever.details([candidate.point for candidate, _, _ in piece])
            for candidate, score, summary in piece:
                if candidate.point not in details:
                    continue  # deleted since
                payload, vectors = details[candidate.point]
                cosines = vectors @ vector if len(vectors) else np.zeros(0, np.float32)
                if summary.empty and float(cosines.max(initial=0.0)) < self.config.floor:
                    continue
                if skip:
                    skip -= 1
                    continue
                hits.append(self._hit(plan, matcher, payload, score, cosines))
                if len(hits) == limit:
                    return hits
        return hits

    def analyse(self, query: str) -> QueryPlan:
        # Half of a surrogate pair can come through JSON; nothing behind here can encode it.
        text = query[: self.config.max_query].encode("utf-8", "replace").decode("utf-8")
        return analyse(text, self.words)

    def embed(self, text: str) -> np.ndarray:
        with self._lock:
            known = self._cache.get(text)
            if known is not None:
                self._cache.move_to_end(text)
                return known
        vector = np.asarray(self.embedder.embed([text])[0], np.float32)
        with self._lock:
            self._cache[text] = vector
            if len(self._cache) > self.config.query_cache:
                self._cache.popitem(last=False)
        return vector

    def legs(self, plan: QueryPlan, vector: np.ndarray, wanted: int) -> LegQuery:
        terms = max(1, sum(not t.part for t in plan.terms))
        limit = max(self.config.rerank, wanted + wanted // 2)
        return LegQuery(
            dense=vector,
            words=word_features(plan, self.words),
            fuzzy=fuzzy_features(plan),
            weights=self.config.weights(plan.shape),
            words_half=self.config.half_score * terms,
            fuzzy_half=self.config.half_score * terms,
            prefetch=max(self.config.prefetch, limit),
            limit=limit,
        )

    def _rank(
        self, plan: QueryPlan, matcher: Matcher, found: Sequence[Candidate]
    ) -> list[tuple[Candidate, float, PageSummary]]:
        """Candidates with their final scores, best first."""
        weights = self.config.weights(plan.shape)
        pages = matcher.summaries([candidate.text for candidate in found])
        rarity = _rarity(plan, pages)
        strong = [n for n, term in enumerate(plan.terms) if term.strong]
        elsewhere = _in_document(plan, found, pages, matcher) if plan.parts else []
        scored = []
        for number, (candidate, page) in enumerate(zip(found, pages, strict=True)):
            covered, near = _coverage(page, rarity)
            score = candidate.score + weights.coverage * covered + weights.nearness * near
            if page.phrases:
                score += self.config.phrase * sum(page.phrases) / len(page.phrases)
            if plan.parts:
                score += self.config.part * _part_quality(plan, candidate.text)
                score += self.config.document * _credit(page, elsewhere[number], rarity)
            if plan.dates:
                score += self.config.date * _dates_there(plan, candidate.text)
            if strong:
                score += self.config.identifier * sum(page.terms.get(n, 0.0) for n in strong) / len(strong)
            scored.append((candidate, score, page))
        return sorted(scored, key=lambda item: -item[1])

    def _hit(
        self, plan: QueryPlan, matcher: Matcher, payload: Mapping[str, Any], score: float, cosines: np.ndarray
    ) -> Hit:
        text = payload.get("text", "")
        spans = [(int(s), int(e)) for s, e in payload.get("sentences", ())]
        return Hit(
            key=PageKey(payload["tenant"], payload["document_id"], int(payload["page"])),
            labels=codec.decode_labels(payload),
            score=round(float(score), 6),
            snippets=snippets(
                text,
                sentences=spans,
                words=codec.WordTable(payload.get("words", "")),
                regions=() if payload.get("words") else codec.decode_regions(payload),
                cosines=cosines,
                matches=_worth_showing(plan, matcher.find(text)),
                meaning=self.config.weights(plan.shape).dense,
                limit=self.config.snippets,
            ),
            width=int(payload.get("width", 0)),
            height=int(payload.get("height", 0)),
            trust=float(payload.get("trust", 0.0)),
            sentences=tuple((s, e, cosine) for (s, e), cosine in zip(spans, cosines.tolist(), strict=False)),
            draft=payload.get("awaits") == codec.HAS_DRAFT,
        )


def _worth_showing(plan: QueryPlan, found: PageMatches) -> PageMatches:
    """Matches without the parts of identifiers: where INV-2018-0117 stands, each other 2018 means nothing. On a page
    without the whole, a part may be what is left of it, unless it is a year or a few letters as many are.
    """
    whole = any(m.term >= 0 and plan.terms[m.term].identifier and not plan.terms[m.term].part for m in found.matches)

    def shown(match: Match) -> bool:
        if match.term < 0 or not plan.terms[match.term].part:
            return True
        form = plan.terms[match.term].form
        return not whole and len(form) >= _TELLING_PART and not is_year(form)

    return PageMatches(tuple(m for m in found.matches if shown(m)), found.phrases)


def _rarity(plan: QueryPlan, pages: Sequence[PageSummary]) -> list[float]:
    """For each term how much it tells the candidates apart: 0 for parts of identifiers, little for what all have."""
    total = max(1, len(pages))
    counts = [0] * len(plan.terms)
    for page in pages:
        for term in page.terms:
            counts[term] += 1
    return [
        0.0 if term.part else math.log(1 + (total - count + 0.5) / (count + 0.5)) + 0.1
        for term, count in zip(plan.terms, counts, strict=True)
    ]


def _in_document(
    plan: QueryPlan, found: Sequence[Candidate], pages: Sequence[PageSummary], matcher: Matcher
) -> list[Mapping[int, float]]:
    """For each candidate, which words beside the numbered part stand in its document: in its file's name, or on a page
    of it that is a candidate too. Whose lease it is stands on its first page, and what is asked about on its third.
    """
    held: dict[str, dict[int, float]] = {}
    names = [number for number, term in enumerate(plan.terms) if term.form in plan.names]
    titles = matcher.summaries([candidate.title for candidate in found])
    for candidate, page, title in zip(found, pages, titles, strict=True):
        terms = held.setdefault(candidate.document, {})
        for term in names:
            terms[term] = max(terms.get(term, 0.0), page.terms.get(term, 0.0), title.terms.get(term, 0.0))
    return [held[candidate.document] for candidate in found]


def _part_quality(plan: QueryPlan, text: str) -> float:
    """0..1: how many of the query's numbered parts the page has."""
    best = [max((span.quality for span in part_spans(text, part)), default=0.0) for part in plan.parts]
    return sum(best) / len(best)


def _dates_there(plan: QueryPlan, text: str) -> float:
    """0..1: how many of the query's dates the page has."""
    low = flat(text)
    return sum(date_pattern(d.year, d.month, d.day).search(low) is not None for d in plan.dates) / len(plan.dates)


def _credit(page: PageSummary, document: Mapping[int, float], rarity: Sequence[float]) -> float:
    """Share of the query's weight, 0..1, that the page lacks and its document has."""
    total = sum(rarity)
    if total <= 0:
        return 0.0
    lacking = (rarity[term] * quality for term, quality in document.items() if term not in page.terms)
    return sum(lacking) / total


_TELLING_PART = 4
"""Characters of an identifier's part that is more than a chance."""
_WINDOW = 60
"""Words: terms that stand this close together are about the same thing."""


def _coverage(page: PageSummary, rarity: Sequence[float]) -> tuple[float, float]:
    """(share of the query's weight on the page, largest share within a window), both 0..1."""
    total = sum(rarity)
    if total <= 0 or not page.terms:
        return 0.0, 0.0
    worth = {term: rarity[term] * quality for term, quality in page.terms.items()}
    near = weight = 0.0
    left = 0
    inside: dict[int, int] = {}
    for number, term in page.order:
        if not inside.get(term):
            weight += worth[term]
        inside[term] = inside.get(term, 0) + 1
        while number - page.order[left][0] > _WINDOW:
            gone = page.order[left][1]
            inside[gone] -= 1
            if not inside[gone]:
                weight -= worth[gone]
            left += 1
        near = max(near, weight)
    # Identifiers are found by their characters, not as one of the words: each stands for itself.
    alone = max((worth[term] for term in worth if term not in inside), default=0.0)
    return sum(worth.values()) / total, max(near, alone) / total
