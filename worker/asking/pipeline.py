"""A question's way: retrieve pages, select those that carry the answer, decode what they lack, answer, check what is
cited; told as it goes.

`Asking.run` is a generator of events, so that who waits sees what is being done; closing it ends the work at the next
step, and `cancelled` ends a page that is being decoded and a model that is being listened to. `ask` is the same without
the telling. It knows store, answerer and decoder, no HTTP and no thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from index.embedder import Embedder
from index.store import Store
from index.types import Answer, Citation, SearchFilter
from worker.answerer import CUT, Answerer
from worker.asking.conversation import Conversations, Turn, standalone
from worker.asking.cooldown import Cooldowns
from worker.asking.decoding import DecodedPage, Decoding, DecodingConfig, Effort, Missing
from worker.asking.finding import Finder
from worker.asking.selection import Considered, SelectionConfig
from worker.asking.work import Parts, Told, Work
from worker.decoding import PageDecoder
from worker.reranking import Reranker


@dataclass(frozen=True, slots=True)
class Selected:
    """Pages were retrieved and selected. `question` is what was searched for, a follow-up with what it refers to."""

    question: str
    considered: tuple[Considered, ...]
    retrieve_ms: float
    select_ms: float


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
    decoded: tuple[DecodedPage, ...] = ()
    missing: tuple[Missing, ...] = ()
    undecoded: int = 0  # pages that the filter leaves and that no search finds, as they have no text yet
    answerer: str = ""

    @property
    def incomplete(self) -> bool:
        """Whether something that might have had a say was not heard."""
        unheard = not self.answer.found and self.undecoded > 0
        return bool(self.missing) or unheard or CUT in self.answer.extra


Event = Selected | Decoding | Told | Cited | Done


class Asking:
    """`decoder` None: nothing is decoded for an answer. `embedder` is the index's, for what stands beside texts.
    `cooldowns` None: a page that fails is tried again by every question. `reranker`: puts the pages in order for an
    answerer that looks at the selected ones only; one that reads all of them does the same itself.
    """

    def __init__(
        self,
        store: Store,
        answerer: Answerer,
        conversations: Conversations | None = None,
        config: SelectionConfig | None = None,
        *,
        decoder: PageDecoder | None = None,
        decoding: DecodingConfig | None = None,
        embedder: Embedder | None = None,
        cooldowns: Cooldowns | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._conversations = conversations
        reads_selected = reranker is not None and not answerer.reads_everything
        finder = Finder(store, config, reranker if reads_selected else None)
        decoding = decoding or DecodingConfig()
        self._parts = Parts(store, answerer, finder, decoder, decoding, embedder, cooldowns)

    def run(
        self,
        tenant: str,
        question: str,
        where: SearchFilter,
        *,
        conversation_id: str | None = None,
        history: Sequence[Turn] = (),
        verify: bool = False,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Generator[Event, None, None]:
        """Events, `Done` last. `history` is for clients that send what was said before themselves. `verify`: pages that
        are cited are decoded again, and their quotes compared. Ends early, without `Done`, once `cancelled()`.

        Raises `StoreUnavailable`, `Unavailable` when the answering model is away, `NotFound` for an id that is none.
        """
        clock = _Clock()
        turns = list(history)
        if conversation_id is not None and self._conversations is not None:
            turns = [*self._conversations.turns(tenant, conversation_id), *turns]
        whole = standalone(question, turns)
        retrieved = self._parts.finder.retrieve(tenant, whole, where)
        retrieve_ms = clock.lap("retrieve")
        found = self._parts.finder.choose(retrieved)
        yield Selected(whole, found.considered, retrieve_ms, clock.lap("select"))
        effort = Effort(self._parts.decoding, cancelled)
        work = Work(self._parts, tenant, whole, where, effort, cancelled)
        found, ready = yield from work.decode(found)
        clock.lap("decode")
        if cancelled():
            return
        answer = yield from work.answer(found, ready)
        clock.lap("answer")
        if verify and answer.citations and not cancelled():
            answer = yield from work.verify(answer)
            clock.lap("verify")
        if cancelled():
            return
        answer = replace(
            answer,
            question=question,
            considered=tuple(one.key for one in found.considered),
            took_ms=clock.total_ms(),
        )
        yield Cited(answer.citations)
        if conversation_id is not None and self._conversations is not None:
            self._conversations.add(tenant, conversation_id, Turn(question, answer.text))
        undecoded = self._parts.store.count(tenant, where=where).undecoded if work.waiting else 0
        yield Done(
            answer,
            found.considered,
            {**clock.laps, "total": clock.total_ms()},
            conversation_id,
            tuple(effort.decoded),
            effort.missing,
            undecoded,
            self._parts.answerer.name,
        )

    def ask(
        self,
        tenant: str,
        question: str,
        where: SearchFilter,
        *,
        conversation_id: str | None = None,
        history: Sequence[Turn] = (),
        verify: bool = False,
    ) -> Done:
        """The end of `run`."""
        for event in self.run(tenant, question, where, conversation_id=conversation_id, history=history, verify=verify):
            if isinstance(event, Done):
                return event
        raise AssertionError("every run ends with Done")


class _Clock:
    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> float:
        """Milliseconds since the last lap."""
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now
        return self.laps[name]

    def total_ms(self) -> float:
        return (time.perf_counter() - self._began) * 1000
