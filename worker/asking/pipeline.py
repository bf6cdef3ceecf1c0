"""A question's way: retrieve pages, select those that carry the answer, answer; told as it goes.

`Asking.run` is a generator of events, so that who waits sees what is being done; closing it ends the work at the next
step, and `cancelled` ends a model that is being listened to. `ask` is the same without the telling. It knows store and
answerer, no HTTP and no thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from index.store import Store
from index.types import Answer, Citation, Hit, PagePoint, PageState, SearchFilter
from worker.answerer import Answerer, TellingAnswerer
from worker.asking.conversation import Conversations, Turn, standalone
from worker.asking.selection import Considered, Selection, SelectionConfig, select

RETRIEVED = 8
"""Pages of a search that are considered; twenty found no more answers (docs/answers.md)."""


@dataclass(frozen=True, slots=True)
class Selected:
    """Pages were retrieved and selected. `question` is what was searched for, a follow-up with what it refers to."""

    question: str
    considered: tuple[Considered, ...]
    retrieve_ms: float
    select_ms: float


@dataclass(frozen=True, slots=True)
class Told:
    """A piece of the answer's text; all of them in order are the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The citations, numbered as in the text."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer, and how it came about."""

    answer: Answer
    considered: tuple[Considered, ...]
    timings_ms: dict[str, float]
    conversation_id: str | None = None


Event = Selected | Told | Cited | Done


class Asking:
    def __init__(
        self,
        store: Store,
        answerer: Answerer,
        conversations: Conversations | None = None,
        config: SelectionConfig | None = None,
    ) -> None:
        self._store = store
        self._answerer = answerer
        self._conversations = conversations
        self._config = config or SelectionConfig()

    def run(
        self,
        tenant: str,
        question: str,
        where: SearchFilter,
        *,
        conversation_id: str | None = None,
        history: Sequence[Turn] = (),
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Generator[Event, None, None]:
        """Events, `Done` last. `history` is for clients that send what was said before themselves. Ends early, without
        `Done`, once `cancelled()`.

        Raises `StoreUnavailable`, `Unavailable` when the answering model is away, `NotFound` for an id that is none.
        """
        began = time.perf_counter()
        turns = list(history)
        if conversation_id is not None and self._conversations is not None:
            turns = [*self._conversations.turns(tenant, conversation_id), *turns]
        whole = standalone(question, turns)
        pages = self._retrieve(tenant, whole, where)
        retrieved = time.perf_counter()
        chosen = select(whole, pages, self._config)
        beside = self._fetch(chosen)
        selected = time.perf_counter()
        considered = (*chosen.considered, *(one for one in chosen.beside if one.key in {p.key for _, p in beside}))
        yield Selected(whole, considered, (retrieved - began) * 1000, (selected - retrieved) * 1000)
        if cancelled():
            return
        answer = yield from self._answer(whole, self._shown(pages, beside, chosen), cancelled)
        if cancelled():
            return
        answered = time.perf_counter()
        answer = replace(
            answer,
            question=question,
            considered=tuple(one.key for one in considered),
            took_ms=(answered - began) * 1000,
        )
        yield Cited(answer.citations)
        if conversation_id is not None and self._conversations is not None:
            self._conversations.add(tenant, conversation_id, Turn(question, answer.text))
        timings = {
            "retrieve": (retrieved - began) * 1000,
            "select": (selected - retrieved) * 1000,
            "answer": (answered - selected) * 1000,
            "total": (answered - began) * 1000,
        }
        yield Done(answer, considered, timings, conversation_id)

    def ask(
        self,
        tenant: str,
        question: str,
        where: SearchFilter,
        *,
        conversation_id: str | None = None,
        history: Sequence[Turn] = (),
    ) -> Done:
        """The end of `run`."""
        for event in self.run(tenant, question, where, conversation_id=conversation_id, history=history):
            if isinstance(event, Done):
                return event
        raise AssertionError("every run ends with Done")

    def _answer(
        self, question: str, shown: list[tuple[Hit, PagePoint]], cancelled: Callable[[], bool]
    ) -> Generator[Event, None, Answer]:
        if not isinstance(self._answerer, TellingAnswerer):
            answer = self._answerer.answer(question, shown)
            yield Told(answer.text)
            return answer
        steps = self._answerer.steps(question, shown, cancelled)
        while True:
            try:
                yield Told(next(steps))
            except StopIteration as end:
                return end.value

    def _retrieve(self, tenant: str, question: str, where: SearchFilter) -> list[tuple[Hit, PagePoint]]:
        hits = self._store.search(tenant, question, where, limit=RETRIEVED)
        points = self._store.get([hit.key for hit in hits])
        # A page may be deleted between the two calls.
        return [(hit, point) for hit, point in zip(hits, points, strict=True) if point is not None]

    def _fetch(self, chosen: Selection) -> list[tuple[Hit, PagePoint]]:
        """Neighbours as pages that search might have found; those that are not there or not read are left out."""
        points = self._store.get([one.key for one in chosen.beside]) if chosen.beside else []
        return [
            (Hit(point.key, point.labels, one.score, (), point.width, point.height, point.trust), point)
            for one, point in zip(chosen.beside, points, strict=True)
            if point is not None and point.state is PageState.DONE
        ]

    def _shown(
        self, pages: list[tuple[Hit, PagePoint]], beside: list[tuple[Hit, PagePoint]], chosen: Selection
    ) -> list[tuple[Hit, PagePoint]]:
        """What the answerer sees: all pages where looking costs nothing, else those that were selected."""
        if self._answerer.reads_everything:
            return pages
        selected = {one.key for one in chosen.considered if one.selected}
        return [(hit, point) for hit, point in pages if hit.key in selected] + beside
