"""Python processes that lack packages which are installed here, as a smaller image would."""

from __future__ import annotations

from pathlib import Path

_TEXT = """import sys

MISSING = {names!r}


class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {{name!r}} (kept out by a test)", name=name)
        return None


sys.meta_path.insert(0, Without())
"""


def without(directory: Path, *names: str) -> Path:
    """A folder that, as `PYTHONPATH`, keeps a Python process and its children from importing these packages."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "sitecustomize.py").write_text(_TEXT.format(names=frozenset(names)))
    return directory
