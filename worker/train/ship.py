"""A run's checkpoint to the folder that the package carries it in (`worker.engine.mini`)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from index.errors import InvalidRequest
from worker.engine.deepseek.configure import kind_of
from worker.engine.deepseek.modes import MINI
from worker.engine.deepseek.weights import CONFIG, INDEX, TOKENIZER, look_into
from worker.engine.mini import HASHES, digest, packaged
from worker.train.store import CHECKPOINT

MAX_BYTES = 60_000_000


def ship(run: Path, target: Path) -> int:
    """Copy the run's checkpoint in place of the one in `target`, and write the hashes; how many bytes it has.

    Raises `InvalidRequest` (`too_large`) above `MAX_BYTES`, and the `ConfigError`s of `weights` for a damaged one.
    """
    folder = look_into(run / CHECKPOINT)
    if kind_of(folder) != MINI:
        raise InvalidRequest(f"{folder.path} does not say that it is a mini model: save the run once more")
    files = [*folder.files, *(run / CHECKPOINT / name for name in (CONFIG, TOKENIZER, INDEX))]
    files = [path for path in files if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    if size > MAX_BYTES:
        raise InvalidRequest(f"{size:,} bytes are more than the package may carry", code="too_large")
    target.mkdir(parents=True, exist_ok=True)
    for old in (*target.glob("*.safetensors"), *target.glob("*.json")):
        old.unlink()
    for path in files:
        shutil.copyfile(path, target / path.name)
    hashes = {path.name: digest(target / path.name) for path in sorted(files)}
    (target / HASHES).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    packaged(target)
    return size
