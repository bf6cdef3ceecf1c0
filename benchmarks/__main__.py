"""All benchmarks, or those that are named: `python -m benchmarks [NAME ...] [--list]`.

Each runs in a process of its own, prints its table and writes it to `benchmarks/results/`. Options of a single one are
given to it directly: `python -m benchmarks.reading --only ledger`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """Modules that publish a result; the others are their tools."""
    tools = {"__main__", "report"}
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in tools and "publish(" in path.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(names())}")
    parser.add_argument("--list", action="store_true", help="print their names and end")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    if options.list:
        print("\n".join(names()))
        return 0
    failed = [
        name
        for name in options.names or names()
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=HERE.parent, check=False).returncode
    ]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
