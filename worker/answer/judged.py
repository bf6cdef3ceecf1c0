"""How the evidence adds up where a judge (`index/judge.py`) has read the candidates: as in `model`, and what it says.

Weights and threshold are fitted by `benchmarks/fit_answers.py`; docs/answers.md says on what.
"""

from __future__ import annotations

import numpy as np

from index.judge import Said
from index.passages import plain
from worker.answer.candidates import Candidate
from worker.answer.features import FEATURES, Evidence

BIAS = -3.69
JUDGE = 0.32
"""The weight of the judge's log-odds."""
WEIGHTS: dict[str, float] = {
    "meaning": 3.82,
    "context": 1.62,
    "beside": 0.57,
    "around": -2.86,
    "own": 0.22,
    "alike": 3.75,
    "weakest": 1.06,
    "focus": 1.19,
    "names": -1.18,
    "unfit": -3.05,
    "hint": 0.74,
    "unhinted": -1.53,
    "heading": -1.45,
    "short": -0.30,
    "echo": -0.72,
    "gap": 7.40,
}
THRESHOLD = 0.2
"""Below it nothing is quoted; docs/answers.md has the shares for others."""

_VECTOR = np.array([WEIGHTS[name] for name in FEATURES], np.float32)
_BESIDE = 220
"""Characters before and after a candidate that the judge is shown: some 45 word pieces, as in its training."""


def score(evidence: Evidence) -> float:
    """The log-odds that a candidate answers the question; what the judge says of it must be there."""
    return float(_VECTOR @ evidence.row) + JUDGE * evidence.odds + BIAS


def piece(text: str, candidate: Candidate) -> Said:
    """What the judge is shown of a page's `text` for a candidate."""
    start, end = candidate.start, candidate.end
    return Said(plain(text[start:end]), plain(text[max(0, start - _BESIDE) : start]), plain(text[end : end + _BESIDE]))
