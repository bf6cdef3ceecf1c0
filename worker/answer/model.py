"""How the evidence adds up: one weighted sum, and where to stop believing it.

The sum is a log-odds: P(this candidate answers) = 1 / (1 + exp(-score)). The weights are a conditional logit with
"no answer" as one more choice (score 0), fitted by `benchmarks/fit_answers.py`; docs/answers.md says on what.
"""

from __future__ import annotations

import math

import numpy as np

from worker.answer.features import FEATURES

BIAS = -8.16
WEIGHTS: dict[str, float] = {
    "meaning": 5.46, "context": 3.91, "best": 2.20, "words": 0.66, "around": -1.95, "page": -0.81, "alike": 2.73,
    "weakest": 0.75, "names": -2.66, "fits": 0.33, "unfit": -2.27, "hint": 0.99, "unhinted": -0.76, "heading": -1.34,
    "short": -1.21, "echo": -1.78, "rank": 1.82,
}  # fmt: skip
THRESHOLD = -0.3

_VECTOR = np.array([WEIGHTS.get(name, 0.0) for name in FEATURES], np.float32)


def score(row: np.ndarray) -> float:
    """The log-odds that a candidate with this row of `FEATURES` answers the question."""
    return float(_VECTOR @ row) + BIAS


def confidence(log_odds: float) -> float:
    """0..1, 0.5 where the answerer is as ready to stay silent."""
    return 1.0 / (1.0 + math.exp(min(60.0, max(-60.0, THRESHOLD - log_odds))))
