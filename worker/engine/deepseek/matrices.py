"""One weight matrix, stored the way that its processor reads fastest.

On a CPU with bfloat16 instructions oneDNN reads a matrix at nearly the speed of memory when it lies in blocks that fit
its kernels, and at half of that or less from rows (docs/decisions/2026-11-21-decode-engine.md has the measurements).
Everywhere else rows are right. Packing copies: the caller lets go of the rows.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn import functional

_ROWS_EXPECTED = 8  # rows of a decode step that the blocks are laid out for; any number works


class Matrix(Protocol):
    """`(M, K)` to `(M, N)`: the product with the transpose of a weight `(N, K)`."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...


class Rows:
    """The weight as it is, `(N, K)`."""

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight = weight

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight)


class Blocks:
    """A bfloat16 CPU weight in oneDNN's blocked order."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS_EXPECTED)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, None, "none", [], "")


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `Blocks` works, and pays, for weights of this kind: tried once on a small matrix."""
    if device.type != "cpu" or dtype != torch.bfloat16 or not torch.backends.mkldnn.is_available():
        return False
    try:
        weight = torch.linspace(-1, 1, 64 * 32).reshape(64, 32).to(dtype)
        x = torch.linspace(-1, 1, 3 * 32).reshape(3, 32).to(dtype)
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.allclose(
            Blocks(weight)(x).float(), functional.linear(x, weight).float(), rtol=0.02, atol=0.05
        )
    except (AttributeError, RuntimeError, NotImplementedError):  # a torch built without oneDNN's operators
        return False


def matrix(weight: torch.Tensor, *, pack: bool) -> Matrix:
    """`weight` `(N, K)` in blocks or as rows."""
    return Blocks(weight) if pack else Rows(weight)
