"""How the evidence adds up: one weighted sum, and where to stop believing it.

The sum is a log-odds: P(this candidate answers) = 1 / (1 + exp(-score)). The weights are a conditional logit with
"no answer" as one more choice (score 0), fitted by `benchmarks/fit_answers.py`; docs/answers.md says on what.
"""

from __future__ import annotations

import math

import numpy as np

from worker.answer.features import FEATURES

BIAS = -6.32
WEIGHTS: dict[str, float] = {
    "meaning": 6.08,
    "context": 5.92,
    "beside": 0.93,
    # The two belong together: a word that stands there counts little more than `meaning` knows already, one that
    # is meant by another word counts as much, and one that is neither there nor meant speaks against.
    "around": -3.74,
    "alike": 3.16,
    "weakest": 1.27,
    "focus": 0.84,
    "names": -2.75,
    "unfit": -2.55,
    "hint": 0.79,
    "unhinted": -1.14,
    "heading": -0.82,
    "short": -1.08,
    "echo": -2.24,
    "gap": 7.77,
}
THRESHOLD = 0.3
"""Below it nothing is quoted. Here right pages and right refusals together were most, on archives left out of
the fit."""

_VECTOR = np.array([WEIGHTS[name] for name in FEATURES], np.float32)


def score(row: np.ndarray) -> float:
    """The log-odds that a candidate with this row of `FEATURES` answers the question."""
    return float(_VECTOR @ row) + BIAS


def confidence(log_odds: float) -> float:
    """0..1, 0.5 where the answerer is as ready to stay silent."""
    return 1.0 / (1.0 + math.exp(min(60.0, max(-60.0, THRESHOLD - log_odds))))
