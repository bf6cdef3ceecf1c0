"""How the evidence adds up where a judge (`index/judge.py`) has read the candidates: as in `model`, but what the judge
says takes the place of comparing vectors and single words.

Weights and threshold are fitted by `benchmarks/fit_answers.py`; docs/answers.md says on what.
"""

from __future__ import annotations

import numpy as np

from index.judge import Said
from index.passages import plain
from worker.answer.candidates import Candidate
from worker.answer.features import FEATURES, Evidence

BIAS = -0.88
JUDGE = 0.41
"""The weight of the judge's log-odds."""
WEIGHTS: dict[str, float] = {
    "context": 1.42,
    "around": 1.37,
    "own": 0.95,
    "names": -1.11,
    "unfit": -1.58,
    "hint": 0.92,
    "unhinted": -0.87,
    "heading": -0.76,
    "short": -0.52,
    "gap": 2.04,
}
THRESHOLD = 0.2
"""Below it nothing is quoted; docs/answers.md has the shares for others."""

_VECTOR = np.array([WEIGHTS.get(name, 0.0) for name in FEATURES], np.float32)
_BESIDE = 220
"""Characters before and after a candidate that the judge is shown: some 45 word pieces, as in its training."""


def score(evidence: Evidence) -> float:
    """The log-odds that a candidate answers the question; its `odds` must be there."""
    return float(_VECTOR @ evidence.row) + JUDGE * evidence.odds + BIAS


def piece(text: str, candidate: Candidate) -> Said:
    """What the judge is shown of a page's `text` for a candidate."""
    start, end = candidate.start, candidate.end
    return Said(plain(text[start:end]), plain(text[max(0, start - _BESIDE) : start]), plain(text[end : end + _BESIDE]))
