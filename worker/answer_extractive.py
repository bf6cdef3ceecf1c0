"""`Answerer` that quotes: the few sentences of the pages found that answer the question, or an honest no.

It promises: every citation is an exact slice of its page's Markdown (`quote == text[start:end]`); `found=False`
with `NOT_FOUND` and no citation when nothing on these pages supports an answer, and always for a question of stop
words alone. It uses the embedder that the index uses and no other model; documents are text to it, whatever they say.

The steps: read the question (`asking`), cut pages into candidates (`candidates`), sift them by words and matched
passages so that a few dozen are embedded (`vectors` remembers them), measure the evidence (`features`), add it up
(`model`), quote (`quoting`). Look-ups of identifiers and quoted phrases go by spelling (`lookup`). Thread-safe.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from index.embedder import Embedder
from index.matching import Matcher
from index.types import Answer, Citation, Hit, PagePoint
from worker.answer import features, model
from worker.answer.asking import Question, read_question
from worker.answer.candidates import Candidate, candidates_of
from worker.answer.lookup import look_up
from worker.answer.quoting import NOT_FOUND, cite, wording
from worker.answer.vectors import Vectors

Pages = Sequence[tuple[Hit, PagePoint]]

MAX_CITATIONS = 3
_CLOSER_LOOK = 8
"""Candidates whose words are compared one by one with the question's."""
_FRESH = 40
"""Candidates that may be embedded for one question, beside those that are remembered: what two cores do in 100 ms."""
_SECOND = 0.7
"""Another candidate is cited too when its log-odds are at most this much below the best."""
_CACHE_BYTES = 64 * 1024 * 1024


class ExtractiveAnswerer:
    name = "extractive"

    def __init__(self, embedder: Embedder, *, cache_bytes: int = _CACHE_BYTES) -> None:
        self._vectors = Vectors(embedder, cache_bytes)

    def answer(self, question: str, pages: Pages) -> Answer:
        """An answer from these pages, best first. Never raises for what is in a page or a question."""
        began = time.perf_counter()
        asked = read_question(question)
        pages = [(hit, page) for hit, page in pages if page.text.strip()]
        citations, sure = ([], 0.0) if asked.empty or not pages else self._citations(asked, pages)
        return Answer(
            question=question,
            found=bool(citations),
            text=wording(citations) if citations else NOT_FOUND,
            citations=tuple(citations),
            confidence=round(sure, 4),
            considered=tuple(page.key for _, page in pages),
            took_ms=(time.perf_counter() - began) * 1000,
        )

    def _citations(self, asked: Question, pages: Pages) -> tuple[list[Citation], float]:
        """What is cited, and how sure that is (without citations: how near it came)."""
        matcher = Matcher(asked.plan)
        held = [
            candidates_of(page.text, number, [(s.start, s.end) for s in hit.snippets])
            for number, (hit, page) in enumerate(pages)
        ]
        if asked.lookup:
            places = look_up(asked, matcher, [page.text for _, page in pages], held)
            best = [p for p in places if p.quality == places[0].quality][:MAX_CITATIONS]
            return [cite(*pages[p.page], (p.start, p.end), p.quality) for p in best], best[0].quality if best else 0.0
        ranked = self._ranked(asked, matcher, pages, held)
        if not ranked:
            return [], 0.0
        top = ranked[0][0]
        if top < model.THRESHOLD:
            return [], model.confidence(top)
        chosen = [(s, c) for s, c in ranked[:MAX_CITATIONS] if s >= max(model.THRESHOLD, top - _SECOND)]
        return [cite(*pages[c.page], (c.start, c.end), model.confidence(s)) for s, c in chosen], model.confidence(top)

    def _ranked(
        self, asked: Question, matcher: Matcher, pages: Pages, held: list[list[Candidate]]
    ) -> list[tuple[float, Candidate]]:
        """The best candidates with their log-odds, best first."""
        found = []
        for (hit, page), candidates in zip(pages, held, strict=True):
            title = " ".join({hit.labels.filename, *hit.labels.paths})
            found.append(features.Found(page.text, title, candidates))
            features.look(asked, matcher, found[-1])
        chosen = self._sift(asked, pages, found)
        if not chosen:
            return []
        vectors = self._vectors.of([asked.text, *(c.voiced for c in chosen)])
        evidence = features.measure(asked, found, chosen, vectors[0], vectors[1:])
        evidence = features.sift(evidence, _CLOSER_LOOK)
        self._liken(asked, found, evidence)
        scored = [(model.score(e.row), e.candidate) for e in evidence]
        return sorted(scored, key=lambda pair: -pair[0])

    def _sift(self, asked: Question, pages: Pages, found: list[features.Found]) -> list[Candidate]:
        """All candidates that are remembered, and as many of the most promising others as there is time for."""
        weights = features.weights_of(asked, found)
        promising: list[tuple[float, Candidate]] = []
        for (hit, _), page in zip(pages, found, strict=True):
            words = page.qualities @ weights
            matched = [(s.start, s.end) for s in hit.snippets]
            for candidate in page.candidates:
                if not any(c.isalnum() for c in candidate.voiced):
                    continue
                inside = any(a < candidate.end and candidate.start < b for a, b in matched[:1])
                around = words[max(0, candidate.order - 1) : candidate.order + 2].max()
                promise = words[candidate.order] + 0.5 * around + 0.6 * inside + 0.5 / (1 + candidate.page)
                promising.append((float(promise), candidate))
        promising.sort(key=lambda pair: -pair[0])
        fresh = 0
        chosen = []
        for (_, candidate), known in zip(promising, self._vectors.known([c.voiced for _, c in promising]), strict=True):
            fresh += not known
            if known or fresh <= _FRESH:
                chosen.append(candidate)
        return chosen

    def _liken(self, asked: Question, found: list[features.Found], evidence: list[features.Evidence]) -> None:
        """Compare the question's words that are missing with the words that are there, by meaning."""
        terms = asked.plan.terms
        around = [features.words_around(found, e) for e in evidence]
        wanted = [features.words_to_liken(asked, e) for e in evidence]
        needed = sorted({i for numbers in wanted for i in numbers})
        vocabulary = list(dict.fromkeys(w for words, n in zip(around, wanted, strict=True) if n for w in words))
        place = {word: i for i, word in enumerate(vocabulary)}
        vectors = self._vectors.of([*(terms[i].form for i in needed), *vocabulary])
        likeness = vectors[: len(needed)] @ vectors[len(needed) :].T  # (needed, vocabulary)
        for e, words, numbers in zip(evidence, around, wanted, strict=True):
            best = np.zeros(len(terms), np.float32)
            if words and numbers:
                columns = [place[w] for w in words]
                for number in numbers:
                    best[number] = likeness[needed.index(number), columns].max()
            features.soften(asked, found, e, best)
