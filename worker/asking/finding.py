"""What search finds for a question, which of it is selected, and the neighbours that belong to it."""

from __future__ import annotations

from dataclasses import dataclass

from index.store import Store
from index.types import Hit, PageKey, PagePoint, PageState, SearchFilter
from worker.answer.orders import gives_orders
from worker.asking.selection import Considered, Selection, SelectionConfig, select

RETRIEVED = 8
"""Pages of a search that are considered; twenty found no more answers (docs/answers.md)."""
_RETRIEVED_BEHIND_ORDERS = (32, 100)
"""The same where pages among them are barred."""


@dataclass(frozen=True, slots=True)
class Found:
    """`pages` as search ranks them, without barred ones; `beside` neighbours of selected ones, which may have no text
    yet.
    """

    pages: tuple[tuple[Hit, PagePoint], ...]
    beside: tuple[tuple[Hit, PagePoint], ...]
    chosen: Selection

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
    """Over one store. Thread-safe."""

    def __init__(self, store: Store, config: SelectionConfig | None = None) -> None:
        self._store = store
        self._config = config or SelectionConfig()

    def find(self, tenant: str, question: str, where: SearchFilter) -> Found:
        return self.choose(question, *self.retrieve(tenant, question, where))

    def retrieve(
        self, tenant: str, question: str, where: SearchFilter
    ) -> tuple[list[tuple[Hit, PagePoint]], frozenset[PageKey]]:
        """Pages, and which of them give orders to a language model: those push no other page out, so that planted ones
        cannot crowd out the answer, and no answerer sees them.
        """
        for limit in (RETRIEVED, *_RETRIEVED_BEHIND_ORDERS):
            hits = self._store.search(tenant, question, where, limit=limit)
            points = self._store.get([hit.key for hit in hits])
            # A page may be deleted between the two calls.
            pages = [(hit, point) for hit, point in zip(hits, points, strict=True) if point is not None]
            barred = frozenset(hit.key for hit, point in pages if gives_orders(point.text))
            if not barred or len(hits) < limit or len(pages) - len(barred) >= RETRIEVED:
                break
        last = [place for place, (hit, _) in enumerate(pages) if hit.key not in barred][:RETRIEVED]
        return pages[: last[-1] + 1 if last else RETRIEVED], barred

    def choose(self, question: str, pages: list[tuple[Hit, PagePoint]], barred: frozenset[PageKey]) -> Found:
        """Neighbours come as pages that search might have found; those that are not there, not read or barred are left
        out.
        """
        chosen = select(question, pages, self._config, barred)
        points = self._store.get([one.key for one in chosen.beside]) if chosen.beside else []
        beside = tuple(
            (Hit(point.key, point.labels, one.score, (), point.width, point.height, point.trust), point)
            for one, point in zip(chosen.beside, points, strict=True)
            if point is not None and point.state is PageState.DONE and not gives_orders(point.text)
        )
        return Found(tuple(pair for pair in pages if pair[0].key not in barred), beside, chosen)
