"""One query per slot over the first `length` keys, in Triton: split over keys so that few slots fill a GPU too.

Each program takes one slot, one head and one stretch of keys, keeps a running softmax over them and writes its sum and
maximum; `_combine` joins the stretches. The number of stretches is fixed (graphs), what lies behind `length` is never
read. The scheme is Flash-Decoding's (Dao et al., 2023). Import fails where Triton is not installed.
"""
# ruff: noqa: ANN001, ANN202, N803 - kernels are written in Triton's language

from __future__ import annotations

import torch
import triton
import triton.language as tl

_BLOCK = 64  # keys at a time
_STRETCHES = 8


@triton.jit
def _partial(
    q, keys, values, length, sums, tops, totals,
    q_slot, q_head, k_slot, k_place, k_head, v_slot, v_place, v_head,
    scale, heads, group, stretches,
    DIM: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    slot, head, stretch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    filled = tl.load(length + slot).to(tl.int32)
    blocks = tl.cdiv(filled, BLOCK)
    each = tl.cdiv(blocks, stretches)
    begin = stretch * each * BLOCK
    end = tl.minimum(begin + each * BLOCK, filled)
    dims = tl.arange(0, DIM)
    query = tl.load(q + slot * q_slot + head * q_head + dims).to(tl.float32) * scale
    k_base = keys + slot.to(tl.int64) * k_slot + (head // group) * k_head
    v_base = values + slot.to(tl.int64) * v_slot + (head // group) * v_head
    top = -1.0e30
    total = 0.0
    answer = tl.zeros([DIM], dtype=tl.float32)
    for at in range(begin, end, BLOCK):
        places = at + tl.arange(0, BLOCK)
        inside = places < end
        k = tl.load(k_base + places[:, None] * k_place + dims[None, :], mask=inside[:, None], other=0.0)
        score = tl.sum(k.to(tl.float32) * query[None, :], axis=1)
        score = tl.where(inside, score, -1.0e30)
        new = tl.maximum(top, tl.max(score, axis=0))
        weight = tl.where(inside, tl.exp(score - new), 0.0)
        shrink = tl.exp(top - new)
        v = tl.load(v_base + places[:, None] * v_place + dims[None, :], mask=inside[:, None], other=0.0)
        answer = answer * shrink + tl.sum(v.to(tl.float32) * weight[:, None], axis=0)
        total = total * shrink + tl.sum(weight, axis=0)
        top = new
    part = (slot * heads + head) * stretches + stretch
    tl.store(sums + part * DIM + dims, answer)
    tl.store(tops + part, top)
    tl.store(totals + part, total)


@triton.jit
def _combine(sums, tops, totals, out, stretches, DIM: tl.constexpr, MOST: tl.constexpr):
    row = tl.program_id(0)
    dims, parts = tl.arange(0, DIM), tl.arange(0, MOST)
    there = parts < stretches
    top = tl.load(tops + row * stretches + parts, mask=there, other=-1.0e30)
    weight = tl.exp(top - tl.max(top, axis=0))
    total = tl.sum(tl.load(totals + row * stretches + parts, mask=there, other=0.0) * weight, axis=0)
    at = (row * stretches + parts)[:, None] * DIM + dims[None, :]
    answer = tl.sum(tl.load(sums + at, mask=there[:, None], other=0.0) * weight[:, None], axis=0)
    tl.store(out + row * DIM + dims, (answer / total).to(out.dtype.element_ty))


class SplitKeys:
    """`StepAttention` for head sizes that are powers of two."""

    bounded = False

    def __call__(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, length: torch.Tensor, bound: int
    ) -> torch.Tensor:
        del bound  # lengths are read on the device
        slots, heads, dim = q.shape
        if dim & (dim - 1):
            raise ValueError(f"heads of {dim} numbers: this kernel takes powers of two")
        # A large batch fills the GPU without splitting; a small one needs it.
        stretches = max(1, min(_STRETCHES, 2048 // (slots * heads)))
        sums = torch.empty(slots, heads, stretches, dim, dtype=torch.float32, device=q.device)
        tops = torch.empty(slots, heads, stretches, dtype=torch.float32, device=q.device)
        totals = torch.empty_like(tops)
        out = torch.empty(slots, heads, dim, dtype=q.dtype, device=q.device)
        _partial[(slots, heads, stretches)](
            q, keys, values, length, sums, tops, totals,
            q.stride(0), q.stride(1), keys.stride(0), keys.stride(1), keys.stride(2),
            values.stride(0), values.stride(1), values.stride(2),
            dim**-0.5, heads, heads // keys.shape[2], stretches, DIM=dim, BLOCK=_BLOCK,
        )  # fmt: skip
        _combine[(slots * heads,)](sums, tops, totals, out, stretches, DIM=dim, MOST=triton.next_power_of_2(stretches))
        return out
