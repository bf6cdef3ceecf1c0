"""How the evidence adds up: one weighted sum, and where to stop believing it.

The sum is a log-odds: P(this candidate answers) = 1 / (1 + exp(-score)). The weights are a conditional logit with
"no answer" as one more choice (score 0), fitted by `benchmarks/fit_answers.py`; docs/answers.md says on what.
"""

from __future__ import annotations

import math

import numpy as np

from worker.answer.features import FEATURES

BIAS = -5.31
WEIGHTS: dict[str, float] = {
    "meaning": 4.64,
    "context": 3.40,
    "beside": 0.26,
    # The two belong together: a word that stands there counts little more than `meaning` knows already, one that
    # is meant by another word counts as much, and one that is neither there nor meant speaks against.
    "around": -3.35,
    "own": 0.70,
    "alike": 3.79,
    "weakest": 1.51,
    "focus": 1.16,
    "names": -1.62,
    "unfit": -3.16,
    "hint": 0.51,
    "unhinted": -1.61,
    "heading": -0.85,
    "short": -0.40,
    "echo": -0.63,
    "gap": 7.68,
}
THRESHOLD = 0.1
"""Below it nothing is quoted. Here right pages and right refusals together were most, on archives left out of
the fit."""

_VECTOR = np.array([WEIGHTS.get(name, 0.0) for name in FEATURES], np.float32)


def score(row: np.ndarray) -> float:
    """The log-odds that a candidate with this row of `FEATURES` answers the question."""
    return float(_VECTOR @ row) + BIAS


def confidence(log_odds: float, threshold: float = THRESHOLD) -> float:
    """0..1, 0.5 where the answerer is as ready to stay silent."""
    return 1.0 / (1.0 + math.exp(min(60.0, max(-60.0, threshold - log_odds))))
