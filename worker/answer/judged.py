"""Evidence where a judge (`index/judge.py`) reads the pages: which windows it is shown, and how its word adds up.

The judge reads the windows of the pages that are nearest to the question, and says of each sentence in them whether it
answers. That takes the place of comparing single words and of embedding sentences by themselves, as `model` needs it.
Weights and threshold are fitted by `benchmarks/fit_answers.py`; docs/answers.md says on what.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np

from index.judge import UNREAD, Judge, Window
from index.passages import plain
from worker.answer.asking import Kind, Question
from worker.answer.candidates import Candidate
from worker.answer.features import FEATURES, Evidence, Found, gather, look_at_form, promise
from worker.answer.kinds import HARD_KINDS

BIAS = -2.58
JUDGE = 0.51
"""The weight of the judge's log-odds."""
WEIGHTS: dict[str, float] = {
    "context": 1.40,
    "beside": 1.36,
    "around": 0.75,
    "own": 1.93,
    "names": -1.65,
    "unfit": -1.82,
    "hint": 1.12,
    "unhinted": -0.72,
    "heading": -1.01,
    "short": -0.52,
    "echo": -0.09,
    "gap": 2.73,
    "first": 0.83,
}
THRESHOLD = 0.25
"""Below it nothing is quoted; docs/answers.md has the shares for others."""

_VECTOR = np.array([WEIGHTS.get(name, 0.0) for name in FEATURES], np.float32)
_WINDOWS = 12
"""Windows that the judge reads. Four leave out a tenth of the answers that lie on the pages, twelve a fiftieth."""
_WORDS = 45
"""Of a window, as in the judge's training; one that its last sentence makes a little longer is left whole."""
_PIECES = 8
_OPENING = 300
"""Characters of a page's beginning, of which the judge reads what it has room for."""


def score(evidence: Evidence) -> float:
    """The log-odds that a candidate answers the question; what the judge says of it must be there."""
    return float(_VECTOR @ evidence.row) + JUDGE * evidence.odds + BIAS


def best_first(
    question: Question, pages: Sequence[Found], heard: Sequence[Evidence]
) -> Iterator[tuple[float, Evidence]]:
    """What was heard with its `score`, the highest first. The form of a candidate is looked at when it could be the
    next one, which few of them ever could.
    """
    queue = [(-(score(e) + _form_adds(question)), number, False) for number, e in enumerate(heard)]
    heapq.heapify(queue)
    while queue:
        value, number, known = heapq.heappop(queue)
        if known:
            yield -value, heard[number]
        else:
            look_at_form(question, pages, [heard[number]])
            heapq.heappush(queue, (-score(heard[number]), number, True))


def _form_adds(question: Question) -> float:
    """The most that a candidate's form can add to its log-odds, whatever the weights are, and a little for rounding."""
    may = ["short", "echo"]  # 0..1 for each
    if question.kind in HARD_KINDS:
        may.append("unfit")
    elif question.kind is not Kind.ANY:
        may.append(max("hint", "unhinted", key=WEIGHTS.__getitem__))  # one of the two
    return sum(max(0.0, WEIGHTS[name]) for name in may) + 1e-3


def read(judge: Judge, question: Question, pages: Sequence[Found], *, rounds: int = 1) -> list[Evidence]:
    """Evidence for all candidates that the judge has read, without what their form says. In each round it reads twelve
    windows, the most promising first.
    """
    evidence = {(e.candidate.page, e.candidate.order): e for e in gather(question, pages)}
    chosen = _most_promising(pages, evidence, rounds * _WINDOWS)
    heard = []
    for first in range(0, len(chosen), _WINDOWS):
        windows = chosen[first : first + _WINDOWS]
        texts = [shown(pages[window[0].page].text, window) for window in windows]
        for window, odds in zip(windows, judge.judge(question.text, texts), strict=True):
            for candidate, value in zip(window, odds.tolist(), strict=True):
                one = evidence.get((candidate.page, candidate.order))
                if one is not None and value != UNREAD:
                    one.odds = value
                    heard.append(one)
    return heard


def _most_promising(
    pages: Sequence[Found], evidence: dict[tuple[int, int], Evidence], most: int
) -> list[list[Candidate]]:
    """The windows that hold the most promising candidates; neighbours that cannot be cited are read with them."""
    ranked = []
    for page in pages:
        for window in windows_of(page.text, page.candidates):
            worth = [promise(evidence[key]) for c in window if (key := (c.page, c.order)) in evidence]
            if worth:
                ranked.append((max(worth), window))
    return [window for _, window in sorted(ranked, key=lambda one: -one[0])[:most]]


def windows_of(text: str, candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """Neighbouring candidates of a page together, as the judge reads them."""
    window: list[Candidate] = []
    size = 0
    for candidate in candidates:
        words = len(text[candidate.start : candidate.end].split())
        if window and (size + words > _WORDS * 1.15 or len(window) == _PIECES):
            yield window
            window, size = [], 0
        window.append(candidate)
        size += words
    if window:
        yield window


def shown(text: str, window: Sequence[Candidate]) -> Window:
    """What the judge sees of a window of a page."""
    # Of a very long page only what is around the matches is cut into candidates.
    is_first = window[0].order == 0 and window[0].start < _OPENING
    opening = "" if is_first else plain(text[:_OPENING])
    return Window([c.voiced for c in window], opening)
