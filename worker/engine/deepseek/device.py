"""On which device, in which numbers and by which attention the model runs: decided here and nowhere else.

`place` gives its decision together with the reason, in words for `/readyz` and `folioscope engine`.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from index.errors import ConfigError

if TYPE_CHECKING:
    import torch

AUTO = "auto"
DTYPES = ("bfloat16", "float16", "float32")

_AMX = "amx_bf16"
_BF16_CAPABILITY = (8, 0)  # Ampere: the first with bfloat16 units


@dataclass(frozen=True, slots=True)
class Placement:
    """`dtype` is the decoder's, `encoder_dtype` the vision encoder's number type. `attention` is "flash" (the
    flash-attn package) or "sdpa" (torch's own).

    Encoding is bound by arithmetic, decoding by reading weights. So on processors that store bfloat16 but do not
    multiply it faster than float32 (all without AMX) the two differ; the encoder's 401 million weights then take
    0.8 GB more and a page takes half the time (measured: `docs/engine.md`).
    """

    device: torch.device
    dtype: torch.dtype
    encoder_dtype: torch.dtype
    attention: str
    reason: str


def place(requested_device: str | None = None, requested_dtype: str | torch.dtype | None = None) -> Placement:
    """Decide. None and "auto" leave the choice open. Raises `ConfigError` for a device that is not there."""
    import torch

    device, why = _device(requested_device)
    dtype = _named_dtype(requested_dtype)
    if dtype is None:
        dtype, why_dtype = _cuda_dtype(device) if device.type == "cuda" else _cpu_dtype(device)
    else:
        why_dtype = f"{_short(dtype)} as asked for"
    encoder_dtype = dtype
    if device.type == "cpu" and dtype == torch.float16:
        raise ConfigError("float16 is not usable on a CPU: choose bfloat16 or float32", code="bad_dtype")
    if device.type == "cpu" and dtype == torch.bfloat16 and _bf16_units() != _AMX:
        encoder_dtype = torch.float32
        why_dtype += "; encoder in float32, which is faster without AMX"
    attention, why_attention = _attention(device, dtype)
    return Placement(device, dtype, encoder_dtype, attention, f"{why}; {why_dtype}; {why_attention}")


def _device(requested: str | None) -> tuple[torch.device, str]:
    import torch

    if requested in (None, AUTO):
        if torch.cuda.is_available():
            device = torch.device("cuda", torch.cuda.current_device())
            return device, f"{torch.cuda.get_device_name(device)}, as CUDA is there"
        return torch.device("cpu"), f"CPU with {torch.get_num_threads()} threads, as there is no CUDA"
    try:
        device = torch.device(requested)
    except RuntimeError as error:
        raise ConfigError(f"{requested!r} names no device: use auto, cpu, cuda or cuda:N", code="bad_device") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ConfigError(f"{requested} was asked for, but torch finds no CUDA here", code="bad_device")
        device = torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
        if device.index >= torch.cuda.device_count():
            raise ConfigError(f"there is no {requested}: {torch.cuda.device_count()} GPU(s)", code="bad_device")
    elif device.type != "cpu":
        raise ConfigError(f"{requested!r} is not supported: use auto, cpu, cuda or cuda:N", code="bad_device")
    return device, f"{device} as asked for"


def _named_dtype(requested: str | torch.dtype | None) -> torch.dtype | None:
    import torch

    if requested in (None, AUTO):
        return None
    if isinstance(requested, torch.dtype):
        return requested
    if requested not in DTYPES:
        raise ConfigError(f"{requested!r} is no number type: use auto, {', '.join(DTYPES)}", code="bad_dtype")
    return getattr(torch, requested)


def _cuda_dtype(device: torch.device) -> tuple[torch.dtype, str]:
    import torch

    capability = torch.cuda.get_device_capability(device)
    version = f"sm{capability[0]}{capability[1]}"
    if capability >= _BF16_CAPABILITY:
        return torch.bfloat16, f"bfloat16, the weights' own type, on {version}"
    return torch.float32, f"float32: {version} has no bfloat16, and float16 is too narrow for these weights"


def _cpu_dtype(device: torch.device) -> tuple[torch.dtype, str]:
    import torch

    del device
    units = _bf16_units()
    if units:
        return torch.bfloat16, f"bfloat16, as the processor has {units}"
    return torch.float32, "float32, as the processor multiplies no bfloat16"


@cache
def _bf16_units() -> str:
    """The processor's instructions for bfloat16 products, "" where it has none (then bfloat16 is slower)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        return ""
    return next((flag for flag in (_AMX, "avx512_bf16") if flag in flags), "")


def _attention(device: torch.device, dtype: torch.dtype) -> tuple[str, str]:
    import torch

    if device.type != "cuda":
        return "sdpa", "torch's attention"
    if importlib.util.find_spec("flash_attn") is None:
        return "sdpa", "torch's attention, as flash-attn is not installed"
    if dtype not in (torch.bfloat16, torch.float16) or torch.cuda.get_device_capability(device) < _BF16_CAPABILITY:
        return "sdpa", f"torch's attention, as flash-attn has none for {_short(dtype)} on this GPU"
    return "flash", "flash-attn"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
