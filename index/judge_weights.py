"""What the judge's weights are: the packaged embedding model's, the change that was fitted to them, and a head.

The change is a safetensors file: for each weight of the encoder that was trained its difference from the published
model's, and `head.*`. `benchmarks/fit_judge.py` makes it; what it was fitted on and what it does is in
`docs/decisions/2026-11-22-a-judge-for-answers.md`.
"""

from __future__ import annotations

from pathlib import Path

from index.embedder_weights import ModelFiles, locate, sha256
from index.errors import ConfigError

CHANGE = Path(__file__).resolve().parent / "weights" / "judge.safetensors"
CHANGE_SHA256 = "e890f717a6355f719323173c3526000a791641caf6209fa0a22c5ed707afd87d"
NAME = f"judge@{CHANGE_SHA256[:8]}"


def verified() -> ModelFiles:
    """The packaged model's files, after these and the change were hashed; else `ConfigError`."""
    found = sha256(CHANGE) if CHANGE.is_file() else "nothing"
    if found != CHANGE_SHA256:
        raise ConfigError(
            f"The file {CHANGE} has sha256 {found}, not {CHANGE_SHA256}. It is not the one that came with Folioscope: "
            "install Folioscope again."
        )
    files = locate("all-MiniLM-L6-v2")
    files.verify()
    return files
