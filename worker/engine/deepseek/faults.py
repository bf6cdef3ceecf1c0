"""A GPU that computes nothing any more, told from errors of a page and from memory that ran out.

An assertion on the device, an access outside its memory or a memory error that it cannot correct ends the process's
CUDA context: every later call fails with the same words, whatever page it is for. Nothing in the process mends that. So
such an error is `Unavailable` (`gpu_failed`), not the page's failure, and the process has to be started again.

The kinds are those of CUDA's runtime API documentation, "Data types used by CUDA Runtime", whose description says that
the process must be terminated and relaunched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from index.errors import FolioscopeError, InternalError, Unavailable
from worker.engine.engine import GPU_FAILED

if TYPE_CHECKING:
    import torch

_WORDS = (
    "device-side assert",
    "illegal memory access",
    "illegal instruction",
    "misaligned address",
    "invalid program counter",
    "invalid address space",
    "hardware stack error",
    "unspecified launch failure",
    "launch timed out",
    "uncorrectable",  # ECC, NVLink
    "fallen off the bus",
    "cuda error: unknown error",
    # What libraries say whose kernels did not run.
    "cublas_status_execution_failed",
    "cublas_status_internal_error",
    "cudnn_status_execution_failed",
)


def is_gone(error: BaseException | None, device: torch.device | None = None) -> bool:
    """Whether an error, or what led to it, says that the device is of no use to this process. Where the words do not
    tell and `device` is a GPU, it is asked: a context that has ended answers everything with an error.
    """
    from worker.engine.deepseek.plan import is_out_of_memory

    # Its words first: such an error may name the allocator that met it, or come while memory that ran out is made.
    asked = error
    while error is not None:
        if isinstance(error, Unavailable) and error.code == GPU_FAILED:
            return True
        text = str(error).lower()
        if isinstance(error, RuntimeError) and any(words in text for words in _WORDS):
            return True
        error = error.__cause__ or error.__context__
    if device is None or device.type != "cuda" or is_out_of_memory(asked):
        return False
    return isinstance(asked, RuntimeError) and not _answers(device)


def gone(error: BaseException) -> Unavailable:
    """What callers get for such an error."""
    if isinstance(error, Unavailable) and error.code == GPU_FAILED:
        return error
    first = str(error).strip().partition("\n")[0]
    return Unavailable(
        f"The GPU does not work for this process any more ({first}): it has to be started again, which a full stack's "
        "worker does by itself. Where that comes back, look at the driver's log (`dmesg`, `nvidia-smi -q`).",
        code=GPU_FAILED,
    )


def told(error: Exception) -> FolioscopeError:
    """What the caller of a page gets for an error of its decoding."""
    from worker.engine.deepseek.plan import is_out_of_memory

    if is_gone(error):
        return gone(error)
    if is_out_of_memory(error):
        return Unavailable(
            "there is no memory to decode this page: stop other programs or use fewer slots",
            code="not_enough_memory",
        )
    if isinstance(error, FolioscopeError):
        return error
    return InternalError(f"decoding failed: {type(error).__name__}: {error}")


def _answers(device: torch.device) -> bool:
    import torch

    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True
