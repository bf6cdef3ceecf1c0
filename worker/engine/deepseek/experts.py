"""The routed experts of a layer: for each token the sum of its experts' answers, weighted.

Three ways to compute the same sum; all take `x` (M, D), `index` (M, k) of experts and `weight` (M, k) in float32, and
return (M, D) in the type of `x`, summed in float32:

* `HitExperts` (CPU): one product per expert that was hit. Reads only their weights; needs the counts on the host.
* `GroupedExperts` (CUDA): tokens sorted by expert, two grouped products. Reads hit experts only, no host involved.
* `AllExperts`: every expert on every token, with weight zero where it was not chosen. At large batches all experts
  are hit anyway and decoding waits for memory, not for arithmetic, so that the plain batched product can win; and it
  works where grouped products do not (float32 on CUDA, old GPUs).

The last two have fixed shapes and never wait for the device: they can be captured in a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch.nn import functional

from worker.engine.deepseek.matrices import Blocks


class Experts(Protocol):
    def __call__(self, x: torch.Tensor, index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor: ...


def gated(x: torch.Tensor) -> torch.Tensor:
    """SwiGLU of the fused projections (M, 2I): the gate's half first. Returns (M, I)."""
    gate, up = x.chunk(2, dim=-1)
    return functional.silu(gate) * up


class HitExperts:
    """`gate_up` (E, 2I, D) and `down` (E, D, I), packed for oneDNN where `pack` says so."""

    def __init__(self, gate_up: torch.Tensor, down: torch.Tensor, *, pack: bool) -> None:
        self._count = gate_up.shape[0]
        self._weights: Sequence[tuple[object, object]] | None = None
        if pack:
            self._weights = [(Blocks(up), Blocks(out)) for up, out in zip(gate_up, down, strict=True)]
        else:
            self._gate_up, self._down = gate_up.transpose(1, 2), down.transpose(1, 2)

    def __call__(self, x: torch.Tensor, index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        tokens, chosen = index.shape
        flat = index.reshape(-1)
        order = torch.argsort(flat, stable=True)
        counts = torch.bincount(flat, minlength=self._count).tolist()
        rows = x[order // chosen]  # (M*k, D), by expert
        hit = [expert for expert, count in enumerate(counts) if count]
        sizes = [counts[expert] for expert in hit]
        inner = gated(self._project(0, rows, hit, sizes))
        answers = self._project(1, inner, hit, sizes).float() * weight.reshape(-1)[order, None]
        back = torch.empty_like(answers)
        back[order] = answers
        return back.view(tokens, chosen, -1).sum(1).to(x.dtype)

    def _project(self, which: int, rows: torch.Tensor, hit: list[int], sizes: list[int]) -> torch.Tensor:
        if self._weights is not None:
            parts = [self._weights[expert][which](part) for expert, part in zip(hit, rows.split(sizes), strict=True)]
            return torch.cat(parts)
        weights = self._down if which else self._gate_up
        out = rows.new_empty(rows.shape[0], weights.shape[2])
        for expert, part, place in zip(hit, rows.split(sizes), out.split(sizes), strict=True):
            torch.mm(part, weights[expert], out=place)
        return out


class GroupedExperts:
    """By `torch.nn.functional.grouped_mm` (see `grouped_works`; any float type on CPU)."""

    def __init__(self, gate_up: torch.Tensor, down: torch.Tensor) -> None:
        self._gate_up, self._down = gate_up.transpose(1, 2), down.transpose(1, 2)
        self._experts = torch.arange(gate_up.shape[0], device=gate_up.device)

    def __call__(self, x: torch.Tensor, index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        tokens, chosen = index.shape
        by_expert, order = torch.sort(index.reshape(-1))
        ends = torch.searchsorted(by_expert, self._experts, right=True).to(torch.int32)  # (E,) end of each group
        rows = x[order // chosen]
        inner = gated(functional.grouped_mm(rows, self._gate_up, offs=ends))
        answers = functional.grouped_mm(inner, self._down, offs=ends).float() * weight.reshape(-1)[order, None]
        back = torch.empty_like(answers).index_copy_(0, order, answers)
        return back.view(tokens, chosen, -1).sum(1).to(x.dtype)


class AllExperts:
    """By batched products over all experts: E/k times the arithmetic, and each weight read once."""

    def __init__(self, gate_up: torch.Tensor, down: torch.Tensor) -> None:
        self._gate_up, self._down = gate_up.transpose(1, 2), down.transpose(1, 2)

    def __call__(self, x: torch.Tensor, index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        experts = self._gate_up.shape[0]
        share = weight.new_zeros(x.shape[0], experts).scatter_(1, index, weight)  # (M, E)
        inner = gated(torch.bmm(x.expand(experts, -1, -1), self._gate_up))  # (E, M, I)
        answers = torch.bmm(inner, self._down).float()  # (E, M, D)
        return torch.einsum("emd,me->md", answers, share).to(x.dtype)


def grouped_works(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `GroupedExperts` runs here without leaving the device: torch has such a kernel for Hopper and datacentre
    Blackwell; elsewhere it asks the host for the groups' sizes, which no captured step may do.
    """
    return (
        device.type == "cuda"
        and dtype == torch.bfloat16
        and hasattr(functional, "grouped_mm")
        and torch.cuda.get_device_capability(device)[0] in (9, 10)
    )
