"""The state of all pages that are being decoded, in tensors of fixed shape, and the step that moves them all on.

Rows 0..n-1 belong to running pages; the scheduler keeps them together by moving rows. A row whose `done` is not
`RUNNING` is left as it is by a step, and its keys go to a place that nobody reads, so that a step over more rows than
are running is harmless: one CUDA graph per number of rows serves all numbers below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from worker.engine.deepseek.attention import Cache, StepAttention, attend_prefix
from worker.engine.deepseek.decoder import Decoder
from worker.engine.deepseek.next_token import BROKEN, EMPTY, END, LENGTH, LOOP, PERIODS, RUNNING, Chooser


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens `x` (N, D) of a prefix, from its token `start` on, for slot `row`."""

    row: int
    start: int
    x: torch.Tensor


class Slots:
    """`slots` rows of `capacity` places each; at most `most` tokens are generated per page."""

    def __init__(
        self, decoder: Decoder, chooser: Chooser, attention: StepAttention, slots: int, capacity: int, most: int
    ) -> None:
        shape, device = decoder.shape, decoder.device
        size = (shape.layers, slots, capacity + 1, shape.kv_heads, shape.head_dim)
        self.decoder, self.chooser, self.attention = decoder, chooser, attention
        self.cache = Cache(
            torch.empty(size, dtype=decoder.dtype, device=device),
            torch.empty(size, dtype=decoder.dtype, device=device),
            shape.window,
        )
        if device.type != "cpu":  # masked attention multiplies what it does not see by zero: it must be finite
            self.cache.keys.zero_()
            self.cache.values.zero_()
        self.count_of_rows = slots
        self.most = most
        self._cos, self._sin = decoder.rotary(capacity + 1)
        self._rows = torch.arange(slots, device=device)

        def numbers(*dims: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
            return torch.zeros(slots, *dims, dtype=dtype, device=device)

        self.token, self.position, self.prefix = numbers(), numbers(), numbers()
        self.count, self.limit = numbers(), numbers()
        self.done = numbers() + EMPTY
        self.out = numbers(most + 1)  # generated tokens; the last place takes what nobody reads
        self.banned = numbers(most + 1, dtype=torch.bool)
        self.bans, self.recent_bans = numbers(), numbers()
        self.run = numbers(PERIODS, dtype=torch.int32)
        self.log_probability = numbers(dtype=torch.float32)
        self._state = [
            *(self.token, self.position, self.prefix, self.count, self.limit, self.done, self.out, self.banned),
            *(self.bans, self.recent_bans, self.run, self.log_probability),
        ]

    @property
    def capacity(self) -> int:
        return self.cache.capacity

    def start(self, row: int, prefix: int, limit: int) -> None:
        """Prepare `row` for a page with a prefix of `prefix` tokens that may generate `limit`; it does not run yet."""
        for tensor in self._state:
            tensor[row] = 0
        self.position[row] = prefix - 1
        self.prefix[row] = prefix
        self.limit[row] = limit
        self.done[row] = EMPTY

    def move(self, source: int, target: int, length: int) -> None:
        """Make `target` what `source` is, of which at most `length` places are filled; `source` is empty then."""
        self.cache.move(source, target, min(length, self.capacity))
        for tensor in self._state:
            tensor[target] = tensor[source]
        self.done[source] = EMPTY

    def clear(self, row: int) -> None:
        self.done[row] = EMPTY

    def prefill(self, pieces: Sequence[Piece]) -> torch.Tensor:
        """Write the keys of `pieces`, of different rows, packed. Returns the last hidden state of each, (pieces, D)."""
        x = torch.cat([piece.x for piece in pieces])
        sizes = [len(piece.x) for piece in pieces]
        at = torch.cat([torch.arange(p.start, p.start + len(p.x), device=x.device) for p in pieces])

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            parts = []
            for piece, qs, ks, vs in zip(pieces, q.split(sizes), k.split(sizes), v.split(sizes), strict=True):
                end = piece.start + len(piece.x)
                keys, values = self.cache.keys[layer, piece.row], self.cache.values[layer, piece.row]
                keys[piece.start : end], values[piece.start : end] = ks, vs
                parts.append(attend_prefix(qs, keys[:end], values[:end]) if piece.start else attend_prefix(qs, ks, vs))
            return torch.cat(parts).flatten(1)

        hidden = self.decoder.forward(x, self._cos[at], self._sin[at], attend)
        # Host numbers, so that nothing waits for the device.
        return torch.stack([hidden[end - 1] for end in accumulate(sizes)])

    def begin(self, row: int, hidden: torch.Tensor) -> None:
        """Choose the first token of `row` from the last hidden state (D,) of its prefix: the row runs."""
        self.done[row] = RUNNING
        self._choose(slice(row, row + 1), self.decoder.logits(hidden[None]))

    def step(self, rows: int, bound: int, way: int = 0) -> None:
        """Generate one token in each running row among the first `rows`. `bound`: see `StepAttention`."""
        live = slice(0, rows)
        running = self.done[live] == RUNNING
        position, prefix = self.position[live], self.prefix[live]
        place = torch.where(running, self.cache.place(position, prefix), self.capacity)
        length = torch.where(running, self.cache.filled(position, prefix), 1)
        at = self._rows[live]

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            keys, values = self.cache.keys[layer], self.cache.values[layer]
            keys.index_put_((at, place), k)
            values.index_put_((at, place), v)
            return self.attention(q, keys[live], values[live], length, bound).flatten(1)

        x = self.decoder.embed(self.token[live])
        angle = position.clamp(max=self.capacity)
        hidden = self.decoder.forward(x, self._cos[angle], self._sin[angle], attend, way)
        self._choose(live, self.decoder.logits(hidden))

    def _choose(self, live: slice, logits: torch.Tensor) -> None:
        chooser, count, out = self.chooser, self.count[live], self.out[live]
        running = self.done[live] == RUNNING
        total = logits.logsumexp(-1)
        last = chooser.last_tokens(out, count)
        banned = chooser.forbid(logits, last, count) & running
        best, token = logits.max(-1)
        log_probability = best - total
        span = self.chooser.rules.loop_span
        old = self.banned[live].gather(1, (count - span).clamp(min=0)[:, None])[:, 0] & (count >= span)
        recent = self.recent_bans[live] + banned.long() - old.long()
        run = chooser.runs(self.run[live], last, token)
        end = chooser.ended(token)
        written = torch.where(running & ~end, count, self.most)[:, None]

        done = torch.where(count + 1 >= self.limit[live], LENGTH, RUNNING)
        done = torch.where(chooser.looping(run, recent), LOOP, done)
        done = torch.where(end, END, done)
        done = torch.where(log_probability.isfinite(), done, BROKEN)

        out.scatter_(1, written, token[:, None])
        self.banned[live].scatter_(1, written, banned[:, None])
        self.log_probability[live] += torch.where(running, log_probability, 0.0)
        self.bans[live] += banned.long()
        self.recent_bans[live] = torch.where(running, recent, self.recent_bans[live])
        self.run[live] = torch.where(running[:, None], run, self.run[live])
        self.token[live] = torch.where(running, token, self.token[live])
        self.position[live] += running.long()
        self.count[live] += (running & ~end).long()
        self.done[live] = torch.where(running, done, self.done[live])
