"""How the evidence adds up: one weighted sum, and where to stop believing it.

The sum is a log-odds: P(this candidate answers) = 1 / (1 + exp(-score)). The weights are a conditional logit with
"no answer" as one more choice (score 0), fitted by `benchmarks/fit_answers.py`; docs/answers.md says on what.
"""

from __future__ import annotations

import math

import numpy as np

from worker.answer.features import FEATURES

BIAS = -6.02
WEIGHTS: dict[str, float] = {
    "meaning": 5.61,
    "context": 5.52,
    "beside": 1.27,
    # The two belong together: a word that stands there counts little more than `meaning` knows already, one that
    # is meant by another word counts as much, and one that is neither there nor meant speaks against.
    "around": -4.05,
    "alike": 3.28,
    "weakest": 1.18,
    "focus": 0.86,
    "names": -2.64,
    "unfit": -2.48,
    "hint": 0.79,
    "unhinted": -1.19,
    "heading": -0.22,
    "short": -1.20,
    "echo": -1.46,
    "gap": 7.69,
}
THRESHOLD = 0.35
"""Below it nothing is quoted. Here right pages and right refusals together were most, on archives left out of
the fit."""

_VECTOR = np.array([WEIGHTS[name] for name in FEATURES], np.float32)


def score(row: np.ndarray) -> float:
    """The log-odds that a candidate with this row of `FEATURES` answers the question."""
    return float(_VECTOR @ row) + BIAS


def confidence(log_odds: float) -> float:
    """0..1, 0.5 where the answerer is as ready to stay silent."""
    return 1.0 / (1.0 + math.exp(min(60.0, max(-60.0, THRESHOLD - log_odds))))
