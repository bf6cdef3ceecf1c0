"""What goes into the decode engine and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from worker.engine.engine import Finish


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """What a page's text is generated from: token ids, with rows of vision tokens in place of the image id's embedding.

    `vision` (N, D) has one row for each image id of the model in `ids`, in order; None where there is none.
    """

    ids: tuple[int, ...]
    vision: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """One page's tokens, without the end token.

    `mean_logprob` is the mean of the chosen tokens' log-probabilities (natural logarithm, the end token's among them)
    under the model, before the no-repeat rule; `bans` how often that rule forbade the likeliest token. `seconds`: since
    it was submitted.
    """

    tokens: tuple[int, ...]
    mean_logprob: float
    bans: int
    finish: Finish
    seconds: float


@dataclass(frozen=True, slots=True)
class DecodeConfig:
    """`slots` pages at a time (fewer where memory does not allow), each of at most `max_context` tokens in all.

    `prefill_tokens` bounds how many tokens of prefixes are computed between two steps of the others (0: by device).
    The rest are `next_token.Rules`; `ngram_exempt` and `eos` default to what the model says.
    """

    slots: int = 8
    max_context: int = 8192
    max_new_tokens: int = 8192
    prefill_tokens: int = 0
    ngram_size: int = 30
    ngram_window: int = 90
    ngram_exempt: tuple[int, ...] | None = None
    eos: tuple[int, ...] | None = None
    loop_tail: int = 512
    loop_bans: int = 8
    loop_span: int = 512
    graphs: bool = True
    keep_model: bool = False
