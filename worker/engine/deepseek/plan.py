"""How many slots fit: planned from free memory, and taken step by step when the plan was too bold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from index.errors import ConfigError
from worker.engine.deepseek.decoder import Shape
from worker.engine.deepseek.memory import host_memory

log = logging.getLogger(__name__)
T = TypeVar("T")

_SHARE = 0.85  # of what is free; the rest is for activations, graphs and the encoder
_RESERVE = 3 << 29  # 1.5 GiB: logits of a large batch, a packed prefill, a batch of pages in the encoder


def slot_bytes(shape: Shape, capacity: int, dtype: torch.dtype) -> int:
    """Keys and values of one slot with `capacity` places."""
    return 2 * shape.layers * (capacity + 1) * shape.kv_heads * shape.head_dim * dtype.itemsize


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be taken on `device`; None where that cannot be told."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return host_memory()


def planned_slots(wanted: int, each: int, free: int | None) -> int:
    """At most `wanted` slots of `each` bytes in `free` bytes, at least one: whether that fits, taking it tells."""
    if free is None:
        return wanted
    return max(1, min(wanted, int(max(0, free - _RESERVE) * _SHARE) // each))


def take(slots: int, make: Callable[[int], T]) -> tuple[T, int]:
    """`make(slots)`, or with half of them as long as memory runs out. Raises `ConfigError` when one is too many."""
    while True:
        try:
            return make(slots), slots
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if slots == 1:
                raise ConfigError(
                    "there is no memory for the keys of a single page beside the weights: stop other programs, lower "
                    "the longest context, or use a machine with more memory",
                    code="not_enough_memory",
                ) from error
        log.warning("no memory for %d slots, trying %d", slots, slots // 2)
        slots //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Torch says it in an exception of its own on CUDA, and in words on CPU, of CUDA's libraries, and where an error
    that followed took its place.
    """
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            return True
        text = str(error).lower()
        if isinstance(error, RuntimeError) and (
            "out of memory" in text or "alloc_failed" in text or ("memory" in text and "alloc" in text)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
