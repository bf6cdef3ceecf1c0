"""The steps of one question after its pages were found: decode on need, answer, see that citations stand, verify them.

Each is a generator of what is told, and returns what came of it. Knows store, answerer and decoder through `Parts`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from index.embedder import Embedder
from index.sentences import sentence_spans
from index.store import Store
from index.types import Answer, Hit, PageKey, PagePoint, PageState, SearchFilter
from worker.answer.asking import Question, read_over, read_question
from worker.answer.claims import stands_in
from worker.answerer import Answerer, TellingAnswerer
from worker.asking import checking
from worker.asking.cooldown import Cooldowns, Keeping
from worker.asking.decoding import Decoding, DecodingConfig, Effort
from worker.asking.finding import Finder, Found
from worker.asking.joining import together
from worker.asking.needs import Matching, Need, candidates, covered, named_documents, needs_of
from worker.decoding import PageDecoder
from worker.engine.prompts import Prompt, Task
from worker.patience import Patience
from worker.writeback import Want, is_done

LOOKED_AT = 2000
"""Pages without text that are ranked for one question; their payloads are fetched for it."""
_NAMED = 16
"""Documents named in the question of which all pages are ranked, where there are more pages than `LOOKED_AT`."""
MISSING_TOLD = 50
"""Pages that cool down and are told as missing: an archive that a broken decoder left behind may have thousands."""
_TRIES = 3
"""How often an answer is made again because a page that it quotes was deleted or read anew meanwhile."""

Pages = Sequence[tuple[Hit, PagePoint]]


@dataclass(frozen=True, slots=True)
class Told:
    """A piece of the answer's text; all of them in order are the text, unless a page that it quotes was deleted or read
    anew while it was told: then the answer at the end has another.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What questions share. `decoder` None: nothing is decoded for an answer."""

    store: Store
    answerer: Answerer
    finder: Finder
    decoder: PageDecoder | None
    decoding: DecodingConfig
    embedder: Embedder | None = None
    cooldowns: Cooldowns | None = None


class Work:
    """One question under way."""

    def __init__(
        self,
        parts: Parts,
        tenant: str,
        question: str,
        where: SearchFilter,
        effort: Effort,
        cancelled: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._tenant = tenant
        self._question = question
        self._where = where
        self._effort = effort
        self._cancelled = cancelled
        self.waiting = False
        """Whether pages without text were there when the question came."""
        self._made: tuple[Found, list[Answer]] | None = None

    # -- decode on need -----------------------------------------------------------------------

    def decode(self, found: Found) -> Generator[Decoding, None, tuple[Found, Answer | None]]:
        """Have decoded what the question needs, one page after the other, until it is enough or the budget is spent.
        What was found then, and the answer where making it was the test.
        """
        asked, decoder = read_question(self._question), self._parts.decoder
        if decoder is None or not self._parts.decoding.pages:
            self._candidates(found)
            return found, None
        if asked.empty:
            return found, None
        attempted: set[tuple[PageKey, Want]] = set()
        queue: list[Need] | None = None
        while not self._cancelled():
            wanted = self._needs(asked, found)
            due = [need for need in wanted if _name(need) not in attempted and not self._cools(need)]
            if not due:
                if queue is None:
                    queue = self._candidates(found)
                queue = [need for need in queue if _name(need) not in attempted]
                if not queue:
                    break
                if self._enough(found):
                    break
                while queue and self._cools(queue[0]):
                    queue.pop(0)
                if not queue:
                    break
                if self._effort.spent:
                    for need in queue[: self._parts.decoding.pages]:
                        self._effort.leave_out(need.key)
                    break
            need = due[0] if due else queue[0]
            attempted.add(_name(need))
            done = yield from self._effort.attempt(
                need.key, need.want.value, need.reason, self._keeping(decoder, need), missed=need.vital
            )
            if done:
                found = self._parts.finder.find(self._tenant, self._question, self._where)
        ready = self._made is not None and self._made[0] is found
        return found, together(self._question, self._made[1]) if ready else None

    def _needs(self, asked: Question, found: Found) -> list[Need]:
        """What the pages at hand need. Where answering costs nothing, only such drafts as would be quoted."""
        selected = [page for _, page in found.selected]
        trust = self._parts.decoding.trust
        if isinstance(self._parts.answerer, TellingAnswerer) or not any(page.draft for _, page in found.pages):
            return needs_of(asked, selected, trust=trust)
        quoted = {one.key for answer in self._from_text(found) for one in answer.citations}
        known = {page.key for page in selected}
        selected += [page for _, page in found.pages if page.key in quoted and page.key not in known]
        return needs_of(asked, selected, trust=trust, drafts=quoted)

    def _from_text(self, found: Found) -> list[Answer]:
        """The answer that the text at hand gives; for a question that asks several things, one to each."""
        if self._made is None or self._made[0] is not found:
            self._made = found, self._answers(self._parts.answerer, found, frozenset())
        return self._made[1]

    def _keeping(self, decoder: PageDecoder, need: Need) -> Keeping:
        return Keeping(decoder, self._parts.cooldowns, need.key, need.want, self._parts.decoding.seconds)

    def _cools(self, need: Need) -> bool:
        """Whether the page failed a moment ago and is left alone; then it is missing, and that is told."""
        cooling = self._parts.cooldowns.of(need.key, need.want) if self._parts.cooldowns else None
        if cooling is not None and need.vital and len(self._effort.missing) < MISSING_TOLD:
            self._effort.miss(need.key, cooling.code, cooling.reason)
        return cooling is not None

    def _candidates(self, found: Found) -> list[Need]:
        asked = read_question(self._question)
        waiting = self._waiting()
        self.waiting = bool(waiting)
        if len(waiting) == LOOKED_AT:
            # There are more. Of documents that speak for themselves all pages are looked at; a document of a few pages
            # has one among so many.
            documents = [
                *named_documents(asked, waiting, most=_NAMED),
                *(one.key.document_id for one in found.considered),
            ]
            near = self._waiting(tuple(dict.fromkeys(documents)))
            waiting = list({page.key: page for page in (*near, *waiting)}.values())
        matching = sorted(
            (Matching(one.key, one.selected) for one in found.considered), key=lambda one: not one.selected
        )
        return candidates(asked, waiting, matching, self._where, few=self._parts.decoding.pages)

    def _waiting(self, documents: Sequence[str] = ()) -> list[PagePoint]:
        points = self._parts.store.scan(
            self._tenant, document_ids=documents, states=[PageState.DONE], where=self._where, undecoded=True
        )
        return list(itertools.islice(points, LOOKED_AT))

    def _enough(self, found: Found) -> bool:
        """Whether the text at hand does: where answering costs nothing, by answering."""
        if isinstance(self._parts.answerer, TellingAnswerer):
            texts = [page.text for _, page in found.selected]
            return covered(read_over(self._question, texts), texts)
        return all(one.found for one in self._from_text(found))

    # -- answer -------------------------------------------------------------------------------

    def answer(self, found: Found, ready: Answer | None) -> Generator[Told | Decoding, None, Answer]:
        """The answer with citations that stand on their pages as they are stored now."""
        answerer = self._parts.answerer
        if not isinstance(answerer, TellingAnswerer):
            gone: frozenset[PageKey] = frozenset()
            answer = ready or together(self._question, self._answers(answerer, found, gone))
            for _ in range(_TRIES):
                answer, lost, _ = self._standing(answer, found)
                if not lost:
                    break
                gone |= {answer.citations[place].key for place in lost}
                answer = together(self._question, self._answers(answerer, found, gone))
            else:
                answer = checking.without(*self._standing(answer, found))
            yield Told(answer.text)
            return answer
        steps = answerer.steps(self._question, self._shown(found), self._cancelled)
        while True:
            try:
                piece = next(steps)
            except StopIteration as end:
                answer, lost, now = self._standing(end.value, found)
                return checking.without(answer, lost, now) if lost else answer
            if isinstance(piece, Decoding):
                self._effort.note(piece)
                yield piece
            else:
                yield Told(piece)

    def _answers(self, answerer: Answerer, found: Found, gone: frozenset[PageKey]) -> list[Answer]:
        """The answer from all pages but those that are `gone`; for a question that asks several things, one to each."""
        if not found.single:
            shown = [(hit, page) for hit, page in self._shown(found) if page.key not in gone]
            return [answerer.answer(self._question, shown)]
        answers = []
        for single, retrieved in found.single:
            shown = [self._noted(hit, page) for hit, page in retrieved.allowed if page.key not in gone]
            answers.append(replace(answerer.answer(single.text, shown), question=single.asked))
        return answers

    def _shown(self, found: Found) -> Pages:
        """What the answerer sees: all pages where looking costs nothing, else those that were selected; with notes."""
        pages = found.pages if self._parts.answerer.reads_everything else found.selected
        return [self._noted(hit, page) for hit, page in pages]

    def _noted(self, hit: Hit, page: PagePoint) -> tuple[Hit, PagePoint]:
        """The page with its notes, and the hit with the nearness of their sentences, which search has not compared."""
        noted = checking.with_notes(page, self._parts.decoding.trust)
        embedder = self._parts.embedder
        if noted is page or embedder is None:
            return hit, noted
        start = len(page.text)
        spans = [(start + s, start + e) for s, e in sentence_spans(noted.text[start:])]
        vectors = embedder.embed([self._question, *(noted.text[s:e] for s, e in spans)])
        near = [(s, e, float(v @ vectors[0])) for (s, e), v in zip(spans, vectors[1:], strict=True)]
        return replace(hit, sentences=(*hit.sentences, *near)), noted

    def _standing(self, answer: Answer, found: Found) -> tuple[Answer, list[int], dict[PageKey, PagePoint | None]]:
        """The answer with its citations placed, which of them do not stand (any more), and their pages as they are."""
        seen = {page.key: page for _, page in (*found.pages, *found.beside)}
        trust = self._parts.decoding.trust
        citations = tuple(
            checking.placed(one, seen[one.key], trust) if one.key in seen else one for one in answer.citations
        )
        for one in citations:
            if one.draft and is_done(seen[one.key], Want.MARKDOWN):
                self._effort.miss(
                    one.key,
                    "poor_decoding",
                    "What was decoded of the page is trusted less than its draft, which is quoted.",
                )
            elif one.draft:  # also where nothing was tried, as no page may be decoded at all
                self._effort.leave_out(one.key)
        keys = list(dict.fromkeys(one.key for one in citations))
        now = dict(zip(keys, self._parts.store.get(keys), strict=True)) if keys else {}
        lost = checking.lost_places(citations, now)
        for key in dict.fromkeys(citations[place].key for place in lost):
            before, after = seen.get(key), now[key]
            if after is None:
                self._effort.miss(key, "deleted", "The page was deleted while the question was answered.")
            elif before is None or (before.text, before.notes) != (after.text, after.notes):
                self._effort.miss(
                    key, "read_anew", "The page was read anew while the question was answered. Ask again."
                )
        return replace(answer, citations=citations), lost, now

    # -- verify -------------------------------------------------------------------------------

    def verify(self, answer: Answer) -> Generator[Decoding, None, Answer]:
        """The answer with `verified` on its citations: each cited page is decoded again from its tokens, with a budget
        as large as that of decoding on need.
        """
        decoder = self._parts.decoder
        said: dict[_Place, str] = {}
        effort = Effort(self._parts.decoding, self._cancelled)
        for place in dict.fromkeys((one.key, one.note) for one in answer.citations) if decoder else ():
            prompt = Prompt(Task(place[1])) if place[1] else Prompt()
            again = _Again(decoder, place, prompt, said)
            yield from effort.attempt(place[0], prompt.task.value, "its quote is checked", again, missed=False)
            if self._cancelled():
                break
        self._effort.decoded += effort.decoded
        citations = [
            replace(one, verified=stands_in(one.quote, said[one.key, one.note])) if (one.key, one.note) in said else one
            for one in answer.citations
        ]
        return replace(answer, citations=tuple(citations))


_Place = tuple[PageKey, str | None]
"""A page, or one of its notes."""


@dataclass(frozen=True, slots=True)
class _Again:
    """Decodes a page and leaves what the decoder said in `said`."""

    decoder: PageDecoder
    place: _Place
    prompt: Prompt
    said: dict[_Place, str]

    def __call__(self, patience: Patience) -> None:
        self.said[self.place] = self.decoder.decode(self.place[0], self.prompt, patience).text


def _name(need: Need) -> tuple[PageKey, Want]:
    return need.key, need.want
