"""`Answerer` that quotes: the few sentences of the pages found that answer the question, or an honest no.

It promises: every citation is an exact slice of its page's Markdown (`quote == text[start:end]`); `found=False`
with `NOT_FOUND` and no citation when nothing on these pages supports an answer, and always for a question of stop
words alone. Documents are text to it, whatever they say.

The steps: read the question (`asking`), cut pages into candidates (`candidates`), measure what speaks for each
(`features`), have a judge read the windows that are nearest to the question, and add it up (`judged`). Where no judge
can run the most promising candidates are embedded by themselves and their words compared (`vectors` remembers them),
and that is added up (`model`). Then quote (`quoting`). Look-ups of identifiers and quoted phrases go by spelling
(`lookup`). The same question over the same pages gets the same answer. Thread-safe.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import chain

import numpy as np

from index.embedder import Embedder
from index.judge import Judge
from index.matching import Matcher, matcher_of
from index.types import Answer, Citation, Hit, PagePoint
from worker.answer import features, judged, model, records, rows
from worker.answer.asking import Question, read_over
from worker.answer.below import with_what_follows
from worker.answer.candidates import Candidate, candidates_of
from worker.answer.fields import SURE, fields_asked
from worker.answer.lookup import look_up
from worker.answer.quoting import NOT_FOUND, cite, each_once, introduced, without_copies, wording
from worker.answer.series import tells_of_sisters
from worker.answer.vectors import Vectors

Pages = Sequence[tuple[Hit, PagePoint]]

MAX_CITATIONS = 3
MAX_QUESTION = 2000
"""Characters of a question that are looked at, as many as search looks at."""
_CLOSER_LOOK = 4
"""Candidates whose words are compared one by one with the question's, where there is no judge."""
_HEARD = 8
"""Candidates that are embedded by themselves then; search has compared all of them within their context."""
_UNCOMPARED = 24
"""Candidates that are embedded for the judge's choice of windows where search has compared no sentences."""
_RERANKED = 2
"""Rounds of windows that the judge reads to rank search results, which are more pages than an answer looks at."""
_SECOND = 0.7
"""Another candidate is cited too when its log-odds are at most this much below the best."""
_CACHE_BYTES = 64 * 1024 * 1024


class ExtractiveAnswerer:
    name = "extractive"
    reads_everything = True

    def __init__(self, embedder: Embedder, judge: Judge | None = None, *, cache_bytes: int = _CACHE_BYTES) -> None:
        self._vectors = Vectors(embedder, cache_bytes)
        self._judge = judge

    def prepare(self) -> None:
        """See `worker.answerer.PreparingAnswerer`."""
        if self._judge is not None:
            self._judge.prepare()

    def _reader(self, *, wait: bool = True) -> Judge | None:
        return self._judge if self._judge is not None and self._judge.ready(wait=wait) else None

    def answer(self, question: str, pages: Pages) -> Answer:
        """An answer from these pages, best first. Never raises for what is in a page or a question."""
        began = time.perf_counter()
        pages = [(hit, page) for hit, page in pages if page.text.strip()]
        asked = _read(question, pages)
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
        matcher = matcher_of(asked.plan)
        held = _candidates(pages)
        found = self._found(asked, matcher, pages, held)
        if lines := fields_asked(asked, found):
            lines = without_copies(lines, lambda c: pages[c.page][1].text[c.start : c.end])[:MAX_CITATIONS]
            return [cite(*pages[c.page], (c.start, c.end), SURE) for c in lines], SURE
        if asked.lookup:
            places = look_up(asked, matcher, [page.text for _, page in pages], held)
            best = [p for p in places if p.quality == places[0].quality]
            best = without_copies(best, lambda p: pages[p.page][1].text)[:MAX_CITATIONS]
            cited = (introduced(*pages[p.page], (p.start, p.end), p.quality) for p in best)
            return each_once(chain.from_iterable(cited)), best[0].quality if best else 0.0
        if (judge := self._reader()) is not None:
            threshold = judged.THRESHOLD
            ranked, top = self._heard(asked, found, self._judged(judge, asked, found))
        else:
            threshold = model.THRESHOLD
            ranked, top = self._ranked(asked, found, self._compared(asked, found))
        if not ranked:
            return [], model.confidence(top, threshold)
        near = [(s, c) for s, c in ranked if s >= max(threshold, top - _SECOND)]
        near = [(s, said) for s, c in near for said in self._spoken_of(asked, found, c)]
        chosen = without_copies(near, lambda p: pages[p[1].page][1].text[p[1].start : p[1].end])[:MAX_CITATIONS]
        sure = [model.confidence(s, threshold) for s in (top, *(s for s, _ in chosen))]
        cited = (introduced(*pages[c.page], (c.start, c.end), s) for s, (_, c) in zip(sure[1:], chosen, strict=True))
        return each_once(chain.from_iterable(cited)), sure[0]

    def odds(self, query: str, pages: Pages) -> list[float] | None:
        """For each page the log-odds that the best of its candidates that were read answers, -inf where none was; None
        for a query that goes by spelling, without a judge, and while it is not prepared: search does not wait for it.
        """
        asked = _read(query, pages)
        if asked.empty or asked.lookup or (judge := self._reader(wait=False)) is None:
            return None
        found = self._found(asked, matcher_of(asked.plan), pages, _candidates(pages))
        best = [-np.inf] * len(pages)
        self._place(asked, found)
        heard = judged.read(judge, asked, found, rounds=_RERANKED)
        features.look_at_form(asked, found, heard)
        for one in heard:
            best[one.candidate.page] = max(best[one.candidate.page], judged.score(one))
        return best

    def evidence(self, question: str, pages: Pages) -> list[features.Evidence]:
        """What `answer` decides by: the most promising candidates with their features (for fitting and curiosity)."""
        asked = _read(question, pages)
        if asked.empty:
            return []
        found = self._found(asked, matcher_of(asked.plan), pages, _candidates(pages))
        if (judge := self._reader()) is not None:
            heard = self._judged(judge, asked, found)
            features.look_at_form(asked, found, heard)
            return [e for e in heard if not self._misnamed(asked, found, e.candidate)]
        evidence = self._compared(asked, found)
        for one in evidence:
            self._liken(asked, found, one)
        return evidence

    def _found(
        self, asked: Question, matcher: Matcher, pages: Pages, held: list[list[Candidate]]
    ) -> list[features.Found]:
        """The pages with what of the question stands on them; none to cite where something is not that must be."""
        found = []
        best = max((hit.score for hit, _ in pages), default=0.0)
        for (hit, page), candidates in zip(pages, held, strict=True):
            title = " ".join({hit.labels.filename, *hit.labels.paths})
            found.append(features.Found(page.text, title, candidates, hit.score - best, compared=bool(hit.sentences)))
            features.look(asked, matcher, found[-1], hit.sentences)
            if not features.has_all_that_must_be(asked, found[-1]) or tells_of_sisters(asked, found[-1]):
                found[-1].candidates = []
            rows.bar_unnamed(asked, found[-1])
            records.bar_unnamed(asked, found[-1])
        return found

    def _judged(self, judge: Judge, asked: Question, found: list[features.Found]) -> list[features.Evidence]:
        """What the judge says of the candidates in the windows that are nearest to the question."""
        self._place(asked, found)
        return judged.read(judge, asked, found)

    def _place(self, asked: Question, found: list[features.Found]) -> None:
        """How near candidates are to the question, where search has not seen to it: those with most of its words."""
        likeliest = features.sift(features.gather(asked, [p for p in found if not p.compared]), _UNCOMPARED)
        if not likeliest:
            return
        vectors = self._vectors.of([asked.text, *(e.candidate.voiced for e in likeliest)])
        for one, cosine in zip(likeliest, (vectors[1:] @ vectors[0]).tolist(), strict=True):
            found[one.candidate.page].near[one.candidate.order] = cosine

    def _compared(self, asked: Question, found: list[features.Found]) -> list[features.Evidence]:
        """The most promising candidates with all features but those of likened words."""
        evidence = features.sift(features.measure(asked, found, keep=_HEARD), _HEARD)
        evidence = [e for e in evidence if not self._misnamed(asked, found, e.candidate)]
        if not evidence:
            return []
        vectors = self._vectors.of([asked.text, *(e.candidate.voiced for e in evidence)])
        features.deepen(evidence, vectors[1:] @ vectors[0], in_context=any(page.compared for page in found))
        return features.sift(evidence, _CLOSER_LOOK)

    def _heard(
        self, asked: Question, found: list[features.Found], evidence: list[features.Evidence]
    ) -> tuple[list[tuple[float, Candidate]], float]:
        """As `_ranked`, of candidates that the judge has read. Whether a row is misnamed is looked at last: it may take
        embedding its sisters' labels, and few rows are near enough to matter.
        """
        ranked: list[tuple[float, Candidate]] = []
        for value, one in judged.best_first(asked, found, evidence):
            if value < (max(judged.THRESHOLD, ranked[0][0] - _SECOND) if ranked else judged.THRESHOLD):
                return ranked, ranked[0][0] if ranked else value
            if not self._misnamed(asked, found, one.candidate):
                ranked.append((value, one.candidate))
        return ranked, ranked[0][0] if ranked else -np.inf

    def _ranked(
        self, asked: Question, found: list[features.Found], evidence: list[features.Evidence]
    ) -> tuple[list[tuple[float, Candidate]], float]:
        """Candidates that may be cited with their log-odds, best first, and the highest log-odds there are; where none
        may be cited, a number that none of them exceeds.

        To compare a candidate's words costs more than all else about it. So a candidate is compared only if it could be
        cited should every word of the question be meant by one of its own: nothing is decided otherwise than if all
        were.
        """
        ranges = [self._range(asked, found, e) for e in evidence]
        known = {n: low for n, (low, high) in enumerate(ranges) if low == high}
        while True:
            best = max([*known.values(), *(low for low, _ in ranges)], default=-np.inf)
            least = max(model.THRESHOLD, best - _SECOND)
            open_ = [n for n in range(len(evidence)) if n not in known and ranges[n][1] >= least]
            if not open_:
                break
            most = max(open_, key=lambda n: ranges[n][1])
            self._liken(asked, found, evidence[most])
            known[most] = model.score(evidence[most].row)
        ranked = [(s, evidence[n].candidate) for n, s in known.items() if s >= model.THRESHOLD]
        highest = [known.get(n, high) for n, (_, high) in enumerate(ranges)]
        return sorted(ranked, key=lambda p: -p[0]), max((s for s, _ in ranked), default=max(highest, default=-np.inf))

    def _range(self, asked: Question, found: list[features.Found], evidence: features.Evidence) -> tuple[float, float]:
        """The lowest and the highest log-odds that comparing the candidate's words can lead to."""
        scores = []
        for likeness in (1.0, 0.0):
            best = np.zeros(len(asked.plan.terms), np.float32)
            best[features.words_to_liken(asked, evidence)] = likeness
            features.soften(asked, found, evidence, best)
            scores.append(model.score(evidence.row))
        return scores[1], scores[0]

    def _spoken_of(self, asked: Question, found: list[features.Found], chosen: Candidate) -> list[Candidate]:
        """What is quoted for a candidate: itself, with what it only names; or, for the header or caption of a table,
        those of its rows that are asked about or, where none is named, all that fit.
        """
        named = rows.named_below(asked, found[chosen.page], chosen)[:MAX_CITATIONS]
        if named:
            return [row for row in named if not self._misnamed(asked, found, row)] or [chosen]
        whole = rows.with_its_table(found[chosen.page], chosen)
        return [whole] if whole.end > chosen.end else with_what_follows(asked, found[chosen.page], chosen)

    def _misnamed(self, asked: Question, found: list[features.Found], candidate: Candidate) -> bool:
        def likeness(words: Sequence[str], labels: Sequence[str]) -> np.ndarray:
            vectors = self._vectors.of([*words, *labels])
            return vectors[: len(words)] @ vectors[len(words) :].T

        if candidate.is_row and not candidate.is_heading:
            return rows.misnamed(asked, found[candidate.page], candidate, likeness)
        return rows.names_another(asked, found[candidate.page], candidate)

    def _liken(self, asked: Question, found: list[features.Found], evidence: features.Evidence) -> None:
        """Compare the question's words that are missing with the words that are there, by meaning."""
        terms = asked.plan.terms
        best = np.zeros(len(terms), np.float32)
        needed = features.words_to_liken(asked, evidence)
        words = features.words_around(found, evidence) if needed else []
        if words:
            vectors = self._vectors.of([*(terms[i].form for i in needed), *words])
            best[needed] = (vectors[: len(needed)] @ vectors[len(needed) :].T).max(axis=1)
        features.soften(asked, found, evidence, best)


def _read(text: str, pages: Pages) -> Question:
    return read_over(text[:MAX_QUESTION], [one for hit, page in pages for one in (page.text, hit.labels.filename)])


def _candidates(pages: Pages) -> list[list[Candidate]]:
    return [
        candidates_of(page.text, number, [(s.start, s.end) for s in hit.snippets])
        for number, (hit, page) in enumerate(pages)
    ]
