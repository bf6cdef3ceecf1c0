"""How far a decoded text is to be trusted, from what happened while it was decoded.

    trust = p * 1 / (1 + BAN_WEIGHT * b) * f

* `p`, the geometric mean of the chosen tokens' probabilities, exp(mean log-probability): 0.97 and more where a model
  is sure of what it reads;
* `b`, how often for each token the no-repeat rule had to forbid the likeliest one: a model that wants to repeat
  itself has lost its place on the page;
* `f`, 1 where the model ended the page by itself, else `CUT_OFF` or `LOOP`: the end of the page is missing.

Each part is monotone: a surer model, fewer bans and an end never lower the trust. The weights are a judgement and not
fitted to real pages; what counts for the product is the order, and that a page without an end is below `TRUSTED`.
"""

from __future__ import annotations

import math

from index.types import ReadingMark
from worker.engine.engine import Finish

TRUSTED = 0.75
"""From here on a reading is not looked at again, and people are not told to check it."""

BAN_WEIGHT = 20.0  # one ban for twenty tokens halves the trust
CUT_OFF = 0.5
LOOP = 0.3
_FACTORS = {Finish.END: 1.0, Finish.LENGTH: CUT_OFF, Finish.LOOP: LOOP}
_MARKS = {Finish.END: (), Finish.LENGTH: (ReadingMark.CUT_OFF,), Finish.LOOP: (ReadingMark.LOOP,)}


def trust(*, mean_logprob: float, tokens: int, bans: int, finish: Finish) -> float:
    """0..1. `mean_logprob` is in natural logarithms; one that is no number gives 0."""
    if math.isnan(mean_logprob):
        return 0.0
    probability = math.exp(min(0.0, max(mean_logprob, -100.0)))
    rate = max(0, bans) / max(1, tokens)
    return probability / (1.0 + BAN_WEIGHT * rate) * _FACTORS[finish]


def marks(finish: Finish) -> tuple[ReadingMark, ...]:
    """What a page's reading is marked with."""
    return _MARKS[finish]
