"""The `Answerer` port: a question and the pages that were found, to an answer with citations."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol, runtime_checkable

from index.types import Answer, Hit, PagePoint
from worker.asking.decoding import Decoding

CUT = "cut"
"""Key of `Answer.extra` where an answer ends before all was said; the value is for people: how it came."""


class Answerer(Protocol):
    name: str
    reads_everything: bool
    """Whether it may be given all pages that were found; else only those that were selected, because each costs."""

    def answer(self, question: str, pages: Sequence[tuple[Hit, PagePoint]]) -> Answer:
        """An answer from these pages (best first) and nothing else; `found=False` where none supports one."""


@runtime_checkable
class TellingAnswerer(Answerer, Protocol):
    """An answerer that takes long enough to be worth listening to."""

    def steps(
        self, question: str, pages: Sequence[tuple[Hit, PagePoint]], cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[str | Decoding, None, Answer]:
        """Pieces of the text as they are made, together the whole, and pages that it has decoded for that; returns the
        answer. Ends once `cancelled()`.
        """
        ...


@runtime_checkable
class PreparingAnswerer(Answerer, Protocol):
    """An answerer with something to make before its first answer."""

    def prepare(self) -> None:
        """Make it now. Never raises: what cannot be made is told by the log."""
        ...


def last(steps: Generator[str | Decoding, None, Answer]) -> Answer:
    """The answer at the end of its steps, for who does not listen."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
