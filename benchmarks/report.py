"""What every benchmark's result carries: the machine, the date, the command, and a Markdown table."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores and memory, as Linux tells them."""
    cpu, memory = platform.processor() or platform.machine(), ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        kib = int(Path("/proc/meminfo").read_text().split()[1])
        memory = f", {kib / 2**20:.0f} GiB"
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    import os

    return f"{cpu}, {os.cpu_count()} cores{memory}, Python {platform.python_version()}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats with three significant places."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def publish(name: str, title: str, *parts: str) -> Path:
    """Print the result and write it to `benchmarks/results/<name>.md`."""
    command = "python -m " + " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]]).replace(name, f"benchmarks.{name}", 1)
    head = f"# {title}\n\n{datetime.now(UTC):%Y-%m-%d}, {machine()}. Command: `{command}`\n"
    text = "\n\n".join([head.rstrip(), *parts]) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text(text)
    return path


def _cell(cell: object) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)
