"""Attention of a decode step: one query per slot over the filled part of the slot's keys.

A slot's keys are stored densely, `Cache.keys[layer, slot, :length]`, in any order (rotary positions are in them
already). Reference sliding-window attention (Unlimited-OCR: the whole prefix and the last `window` tokens are seen) is
therefore no mask here but a place to write to: generated tokens go round in a ring behind the prefix
(`Cache.place`), and what is filled is what is seen. Source of its semantics: transformers' `unlimited_ocr`, where the
prefix is seen causally during prefill and a token counts into its own window.

Three implementations of the same function; `steps_attention` chooses:

* `flash_attn_with_kvcache` where flash-attn is installed: reads `length` keys per slot.
* the Triton kernel of `triton_attention`: the same without that package; checked against `Masked` before it is used.
* `Masked`: torch's attention over the first `bound` keys of all slots with a mask; `bound` is at least the longest
  length, and the only number that the host must know. `Exact` (CPU) goes slot by slot instead, over `length` keys each.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cache:
    """Keys and values (layers, slots, capacity + 1, kv_heads, head_dim). The last place takes what nobody reads."""

    keys: torch.Tensor
    values: torch.Tensor
    window: int  # 0: full attention

    @property
    def capacity(self) -> int:
        return self.keys.shape[2] - 1

    def place(self, position: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Where the token at `position` is written, for slots whose prefix has `prefix` tokens."""
        if not self.window:
            return position
        return torch.where(position < prefix, position, prefix + (position - prefix) % self.window)

    def filled(self, position: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """How many places are filled once the token at `position` is written."""
        length = position + 1
        return torch.minimum(length, prefix + self.window) if self.window else length

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` places of one slot to another."""
        for tensor in (self.keys, self.values):
            tensor[:, target, :length] = tensor[:, source, :length]


class StepAttention(Protocol):
    """`q` (B, H, d), `keys` and `values` (B, >= bound, G, d), `length` (B,) to (B, H, d)."""

    bounded: bool  # whether it depends on `bound`; where not, `bound` is 0

    def __call__(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, length: torch.Tensor, bound: int
    ) -> torch.Tensor: ...


class Masked:
    bounded = True

    def __call__(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, length: torch.Tensor, bound: int
    ) -> torch.Tensor:
        seen = torch.arange(bound, device=q.device) < length[:, None]  # (B, bound)
        out = functional.scaled_dot_product_attention(
            q[:, :, None],
            keys[:, :bound].transpose(1, 2),
            values[:, :bound].transpose(1, 2),
            attn_mask=seen[:, None, None],
            enable_gqa=q.shape[1] != keys.shape[2],
        )
        return out[:, :, 0]


class Exact:
    bounded = False

    def __call__(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, length: torch.Tensor, bound: int
    ) -> torch.Tensor:
        del bound  # each slot's own length
        out = torch.empty_like(q)
        for slot, filled in enumerate(length.tolist()):
            # Four dimensions, not three: torch's fused kernel takes nothing else.
            out[slot] = functional.scaled_dot_product_attention(
                q[slot : slot + 1, :, None],
                keys[slot : slot + 1, :filled].transpose(1, 2),
                values[slot : slot + 1, :filled].transpose(1, 2),
                enable_gqa=q.shape[1] != keys.shape[2],
            )[0, :, 0]
        return out


class Flash:
    bounded = False

    def __init__(self) -> None:
        from flash_attn import flash_attn_with_kvcache

        self._attend = flash_attn_with_kvcache

    def __call__(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, length: torch.Tensor, bound: int
    ) -> torch.Tensor:
        del bound
        return self._attend(q[:, None], keys, values, cache_seqlens=length.to(torch.int32))[:, 0]


def step_attention(device: torch.device, dtype: torch.dtype, heads: int, kv_heads: int, head_dim: int) -> StepAttention:
    """The fastest that works here. On CUDA each candidate must first agree with `Masked` on random numbers."""
    if device.type == "cpu":
        return Exact()
    if device.type != "cuda":
        return Masked()
    from worker.engine.deepseek.triton_attention import SplitKeys

    for candidate in (Flash, SplitKeys):
        try:
            made = candidate()
            if _agrees(made, device, dtype, heads, kv_heads, head_dim):
                return made
            log.warning("%s differs from torch's attention on this GPU and is not used", candidate.__name__)
        except ImportError:
            continue
        except Exception as error:  # a kernel that does not compile here must not stop the product
            log.warning("%s does not run on this GPU and is not used: %s", candidate.__name__, error)
    return Masked()


def _agrees(
    made: StepAttention, device: torch.device, dtype: torch.dtype, heads: int, kv_heads: int, head_dim: int
) -> bool:
    length = torch.tensor([1, 63, 700, 1024], device=device)
    q, keys, values = (
        torch.randn(shape, device=device).to(dtype)
        for shape in ((4, heads, head_dim), (4, 1025, kv_heads, head_dim), (4, 1025, kv_heads, head_dim))
    )
    for slot, filled in enumerate(length.tolist()):  # nobody may see this
        keys[slot, filled:], values[slot, filled:] = 100.0, 100.0
    expected = Masked()(q.float(), keys.float(), values.float(), length, 1024)
    got = made(q, keys, values, length, 0).float()
    return bool(torch.linalg.vector_norm(got - expected) <= 0.01 * torch.linalg.vector_norm(expected))


def attend_prefix(q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Causal attention of the last N of a page's M tokens: `q` (N, H, d), `keys`, `values` (M, G, d) to (N, H, d)."""
    fresh, length = q.shape[0], keys.shape[0]
    mask = None
    if fresh != length:
        position = torch.arange(length - fresh, length, device=q.device)
        mask = torch.arange(length, device=q.device) <= position[:, None]  # (N, M)
    out = functional.scaled_dot_product_attention(
        q.transpose(0, 1)[None],
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=q.shape[1] != keys.shape[1],
    )
    return out[0].transpose(0, 1)
