"""From logits to the next token of each slot, on the device: no-repeat rule, end and loop tests.

Everything is a fixed number of operations on tensors of fixed shape; nothing here waits for the device.

The no-repeat rule is that of the model's published vLLM recipe (`NGramPerReqLogitsProcessor`, 30/90): let n be the
size of an n-gram and w the window; a token is forbidden if, among the last w generated tokens, the same n - 1
tokens that stand at the end now were already followed by it. Tags of table cells are exempt. Only generated
tokens count.

A page loops when its last tokens are one period (of up to `PERIODS` tokens) over and over, which the rule does not
prevent for exempt tokens and for periods longer than its window, or when the rule had to step in again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

PERIODS = 256
_PERIODS_TO_PROVE = 4  # a long period must be seen so often; a short one for `loop_tail` tokens

RUNNING, END, LENGTH, LOOP, BROKEN, EMPTY = range(6)  # values of `Slots.done`


@dataclass(frozen=True, slots=True)
class Rules:
    """How tokens are chosen. `ngram_size` 0 turns the no-repeat rule off, `loop_tail` and `loop_bans` 0 their tests.

    `loop_tail` is how many tokens must be periodic; `loop_bans` how many bans within `loop_span` tokens are a loop.
    """

    eos: tuple[int, ...] = (1,)
    ngram_size: int = 30
    ngram_window: int = 90
    exempt: tuple[int, ...] = ()
    loop_tail: int = 512
    loop_bans: int = 8
    loop_span: int = 512


class Chooser:
    """`Rules` as tensors on a device."""

    def __init__(self, rules: Rules, device: torch.device) -> None:
        self.rules = rules
        self._eos = torch.tensor(rules.eos, dtype=torch.int64, device=device)
        self._exempt = torch.tensor(rules.exempt or (-1,), device=device)
        self._proof = (torch.arange(1, PERIODS + 1, device=device) * _PERIODS_TO_PROVE).clamp(min=rules.loop_tail)
        self._starts = torch.arange(max(0, rules.ngram_window - rules.ngram_size + 1), device=device)
        history = max(rules.ngram_window if rules.ngram_size else 0, PERIODS if rules.loop_tail else 0, 1)
        self._back = torch.arange(history, device=device) - history  # -history .. -1

    def last_tokens(self, out: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """The last tokens, of `count` (B,), in `out` (B, N): (B, as many as the rules look at), -1 before the first."""
        at = count[:, None] + self._back
        return torch.where(at >= 0, out.gather(1, at.clamp(min=0)), -1)

    def forbid(self, logits: torch.Tensor, last: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """Set forbidden tokens of `logits` (B, V) to minus infinity, in place; True (B,) where it hit the likeliest."""
        size, window = self.rules.ngram_size, self.rules.ngram_window
        if not size or window < size:
            return torch.zeros_like(count, dtype=torch.bool)
        seen = last[:, -window:]
        follower = seen[:, size - 1 :]  # (B, starts): the last token of the n-gram at each start
        same = self._starts >= window - count[:, None]  # the n-gram lies within what was generated
        if size > 1:
            grams = seen.unfold(1, size - 1, 1)[:, : window - size + 1]  # (B, starts, size - 1)
            same = same & (grams == seen[:, None, window - size + 1 :]).all(-1)
        same = same & ~(follower[..., None] == self._exempt).any(-1)
        likeliest = logits.argmax(-1)
        hit = (same & (follower == likeliest[:, None])).any(-1)
        ceiling = torch.where(same, -torch.inf, torch.inf).to(logits.dtype)
        logits.scatter_reduce_(1, follower.clamp(min=0), ceiling, "amin")
        return hit

    def ended(self, token: torch.Tensor) -> torch.Tensor:
        """Which of `token` (B,) end a page."""
        return (token[:, None] == self._eos).any(-1)

    def runs(self, run: torch.Tensor, last: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        """For each period p, how many tokens in a row equal the one p before: `run` (B, PERIODS) one token on."""
        if not self.rules.loop_tail:
            return run
        before = last[:, -PERIODS:].flip(1)  # (B, PERIODS): the token 1, 2, ... before
        return torch.where(before == token[:, None], run + 1, 0)

    def looping(self, run: torch.Tensor, recent_bans: torch.Tensor) -> torch.Tensor:
        """Which slots loop."""
        loops = torch.zeros_like(recent_bans, dtype=torch.bool)
        if self.rules.loop_tail:
            loops = loops | (run >= self._proof).any(-1)
        if self.rules.loop_bans:
            loops = loops | (recent_bans >= self.rules.loop_bans)
        return loops
