"""The mini model's checkpoint, which comes with the package: where it lies, and whether it is the one that was tried.

The folder holds config.json, tokenizer.json and the weights in DeepSeek-OCR's layout, `README.md` (the model card) and
`sha256.json`, which has the hash of every other file. The hashes are compared each time the engine is made: some 20 MB,
some 20 ms.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from index.errors import ConfigError
from worker.engine.deepseek.weights import read_json

HASHES = "sha256.json"
CARD = "README.md"
_FOLDER = Path(__file__).parent


def packaged(folder: Path = _FOLDER) -> Path:
    """The folder with the checkpoint. Raises `ConfigError`: `weights_missing`, `weights_damaged`."""
    if not (folder / HASHES).is_file():
        raise ConfigError(
            "This package has no mini model: train one (docs/lab.md), and set FOLIOSCOPE_WEIGHTS to its folder.",
            code="weights_missing",
        )
    for name, wanted in read_json(folder / HASHES).items():
        path = folder / name
        if not path.is_file():
            raise ConfigError(f"{path} is missing: install Folioscope again", code="weights_missing")
        if digest(path) != wanted:
            raise ConfigError(
                f"{path} is not the file that was measured (its sha256 differs): install Folioscope again, or set "
                "FOLIOSCOPE_WEIGHTS to a checkpoint of your own",
                code="weights_damaged",
            )
    return folder


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
