"""Is there room for the weights? Asked before loading: a clear error instead of a killed process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from index.errors import ConfigError

if TYPE_CHECKING:
    import torch

_SPARE = 1 << 28  # activations of one page, buffers of loading
_GROUPS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def require_memory(weights: int, device: torch.device) -> None:
    """Raises `ConfigError` (`not_enough_memory`) where `weights` bytes do not fit in the host or on `device`."""
    needed = weights + _SPARE
    _compare(needed, host_memory(), "of memory")
    if device.type == "cuda":
        from worker.engine.deepseek.plan import free_memory

        _compare(needed, free_memory(device), f"on {device}")


def host_memory(proc: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that can still be taken: what the system has left, or less where a container has a limit."""
    found = []
    try:
        lines = dict(line.split(":", 1) for line in proc.read_text(encoding="ascii").splitlines() if ":" in line)
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        pass
    for limit, used, statistics in _GROUPS:
        try:
            most = int((groups / limit).read_text())  # "max" where there is no limit
            taken = int((groups / used).read_text())
            lines = dict(line.split() for line in (groups / statistics).read_text().splitlines())
        except (OSError, ValueError):
            continue
        cache = int(lines.get("inactive_file", 0)) + int(lines.get("active_file", 0))  # given back when needed
        found.append(most - taken + cache)
    return min(found) if found else None


def _compare(needed: int, available: int | None, where: str) -> None:
    if available is not None and needed > available:
        raise ConfigError(
            f"the weights need {needed / 2**30:.1f} GiB {where}, {max(0, available) / 2**30:.1f} GiB are free: stop "
            "other programs, choose a smaller number type, or another machine",
            code="not_enough_memory",
        )
