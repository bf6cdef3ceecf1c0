"""What search finds for a question, which of it is selected, and the neighbours that belong to it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from index.store import Store
from index.types import Hit, PageKey, PagePoint, PageState, SearchFilter
from worker.answer.asking import read_question
from worker.answer.orders import gives_orders
from worker.asking.parts import pages_with_parts
from worker.asking.selection import Considered, Selection, SelectionConfig, select
from worker.asking.several import Single, single_questions
from worker.reranking import Reranker

RETRIEVED = 8
"""Pages of a search that are considered; twenty found no more answers (docs/answers.md)."""
_RETRIEVED_BEHIND_ORDERS = (32, 100)
"""The same where pages among them are barred."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Pages that search found for a question, best first, and which of them are barred."""

    question: str
    pages: tuple[tuple[Hit, PagePoint], ...]
    barred: frozenset[PageKey]
    single: tuple[tuple[Single, Retrieved], ...] = ()

    @property
    def allowed(self) -> list[tuple[Hit, PagePoint]]:
        return [(hit, page) for hit, page in self.pages if page.key not in self.barred]


@dataclass(frozen=True, slots=True)
class Found:
    """`pages` as search ranks them, without barred ones; `beside` neighbours of selected ones, which may have no text
    yet.
    """

    pages: tuple[tuple[Hit, PagePoint], ...]
    beside: tuple[tuple[Hit, PagePoint], ...]
    chosen: Selection
    single: tuple[tuple[Single, Retrieved], ...] = ()
    """For a question that asks several things: each of them, with the pages that were found for it."""

    @property
    def considered(self) -> tuple[Considered, ...]:
        there = {page.key for _, page in self.beside}
        return (*self.chosen.considered, *(one for one in self.chosen.beside if one.key in there))

    @property
    def selected(self) -> list[tuple[Hit, PagePoint]]:
        """Selected pages in search's order, then the neighbours."""
        keys = {one.key for one in self.chosen.considered if one.selected}
        return [*((hit, page) for hit, page in self.pages if page.key in keys), *self.beside]


class Finder:
    """Over one store; with a `reranker` pages are taken in its order. Thread-safe."""

    def __init__(self, store: Store, config: SelectionConfig | None = None, reranker: Reranker | None = None) -> None:
        self._store = store
        self._config = config or SelectionConfig()
        self._reranker = reranker

    def find(self, tenant: str, question: str, where: SearchFilter) -> Found:
        return self.choose(self.retrieve(tenant, question, where))

    def retrieve(self, tenant: str, question: str, where: SearchFilter) -> Retrieved:
        """Pages for the question; where it asks several things, for each of them, in turns from the best of each."""
        asked = single_questions(question)
        if len(asked) == 1:
            return self._retrieve(tenant, question, where)
        single = tuple((one, self._retrieve(tenant, one.text, where)) for one in asked)
        pages: dict[PageKey, tuple[Hit, PagePoint]] = {}
        for rank in itertools.zip_longest(*(one.pages for _, one in single)):
            for pair in rank:
                if pair is not None:
                    pages.setdefault(pair[1].key, pair)
        barred = frozenset().union(*(one.barred for _, one in single))
        return Retrieved(question, tuple(pages.values()), barred, single)

    def _retrieve(self, tenant: str, question: str, where: SearchFilter) -> Retrieved:
        """Pages, and which of them give orders to a language model: those push no other page out, so that planted ones
        cannot crowd out the answer, and no answerer sees them.
        """
        for limit in (RETRIEVED, *_RETRIEVED_BEHIND_ORDERS):
            hits = self._search(tenant, question, where, limit)
            points = self._store.get([hit.key for hit in hits])
            # A page may be deleted between the two calls.
            pages = [(hit, point) for hit, point in zip(hits, points, strict=True) if point is not None]
            barred = frozenset(hit.key for hit, point in pages if gives_orders(point.text))
            if not barred or len(hits) < limit or len(pages) - len(barred) >= RETRIEVED:
                break
        last = [place for place, (hit, _) in enumerate(pages) if hit.key not in barred][:RETRIEVED]
        pages = pages[: last[-1] + 1 if last else RETRIEVED]
        pages, barred = self._led_by_parts(tenant, question, where, pages, barred)
        return Retrieved(question, tuple(pages), barred)

    def _search(self, tenant: str, question: str, where: SearchFilter, limit: int) -> list[Hit]:
        if self._reranker is not None:
            return self._reranker.search(tenant, question, where, limit=limit)[0]
        return self._store.search(tenant, question, where, limit=limit)

    def _led_by_parts(
        self,
        tenant: str,
        question: str,
        where: SearchFilter,
        pages: list[tuple[Hit, PagePoint]],
        barred: frozenset[PageKey],
    ) -> tuple[list[tuple[Hit, PagePoint]], frozenset[PageKey]]:
        """The pages behind those that have a numbered part which the question names; without the others where it asks
        for nothing but what that part says.
        """
        asked = read_question(question)
        if not asked.parts:
            return pages, barred
        leading = pages_with_parts(self._store, tenant, asked, where, pages)
        led = {page.key for _, page in leading}
        others = [] if asked.lookup else [(hit, page) for hit, page in pages if page.key not in led][:RETRIEVED]
        told = {page.key for _, page in leading if gives_orders(page.text)}
        return leading + others, barred | told

    def choose(self, retrieved: Retrieved) -> Found:
        """Neighbours come as pages that search might have found; those that are not there, not read or barred are left
        out.
        """
        chosen = select(retrieved.question, retrieved.pages, self._config, retrieved.barred)
        points = self._store.get([one.key for one in chosen.beside]) if chosen.beside else []
        beside = tuple(
            (Hit(point.key, point.labels, one.score, (), point.width, point.height, point.trust), point)
            for one, point in zip(chosen.beside, points, strict=True)
            if point is not None and point.state is PageState.DONE and not gives_orders(point.text)
        )
        return Found(tuple(retrieved.allowed), beside, chosen, retrieved.single)
