"""A run's folder: its weights in the original layout, what only training needs beside them, and its curve.

    state/weights/              config.json, tokenizer.json, shards: `load_model` reads it
    state/training.safetensors  training heads, moving average, Adam's two moments
    state/progress.json         batch, form, seed and settings of the run
    curve.jsonl                 one line for each measurement
    checkpoint/                 the moving average in bfloat16: what is shipped

A state replaces the last one by renaming, so a killed run loses at most what came after it.

Between machines little can be carried: `write_carried` makes one flat folder of at most eight files below 16 MiB, with
the moving average and the heads in bfloat16 and without moments. A run begins from such a folder where it has no state.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from worker.engine.deepseek.modes import MINI
from worker.engine.deepseek.randoms import original_config
from worker.engine.deepseek.weights import CONFIG, INDEX, SINGLE, TOKENIZER
from worker.train.forms import Form
from worker.train.names import original

STATE, CHECKPOINT, CURVE = "state", "checkpoint", "curve.jsonl"
_WEIGHTS, _TRAINING, _PROGRESS, _HEADS = "weights", "training.safetensors", "progress.json", "heads.st"
_SHARD_BYTES = 14 << 20  # some ways of carrying files about have limits of 16 MiB


@dataclass(frozen=True, slots=True)
class State:
    """`training` lacks moments and average where only weights were carried, and is empty without heads."""

    weights: Path
    training: dict[str, Tensor]
    progress: dict[str, Any]


def write_weights(
    folder: Path, form: Form, tokenizer: Tokenizer, native: Mapping[str, Tensor], dtype: torch.dtype
) -> None:
    """A complete checkpoint in the original layout: configuration, tokenizer, one file or several with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps(original_config(form.dimensions, MINI), indent=2)
    (folder / CONFIG).write_text(config + "\n", encoding="utf-8")
    (folder / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
    tensors = {name: weight.to(dtype) for name, weight in original(native).items()}
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, weight in sorted(tensors.items()):
        if size and size + weight.nbytes > _SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = weight
        size += weight.nbytes
    if len(shards) == 1:
        save_file(shards[0], folder / SINGLE, metadata={"format": "pt"})
        return
    places = {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):06d}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
    index = {"metadata": {"total_size": sum(weight.nbytes for weight in tensors.values())}, "weight_map": places}
    (folder / INDEX).write_text(json.dumps(index, indent=1, sort_keys=True), encoding="utf-8")


def write_state(
    run: Path,
    form: Form,
    tokenizer: Tokenizer,
    native: Mapping[str, Tensor],
    training: Mapping[str, Tensor],
    progress: Mapping[str, Any],
) -> None:
    """Replace the run's state."""
    new, old, now = run / f"{STATE}.new", run / f"{STATE}.old", run / STATE
    shutil.rmtree(new, ignore_errors=True)
    write_weights(new / _WEIGHTS, form, tokenizer, native, torch.float32)
    save_file({name: weight.detach().cpu().contiguous() for name, weight in training.items()}, new / _TRAINING)
    (new / _PROGRESS).write_text(json.dumps(progress, indent=1), encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if now.exists():
        now.rename(old)
    new.rename(now)
    shutil.rmtree(old, ignore_errors=True)


def read_state(run: Path) -> State | None:
    """The last complete state, None for a run that has none."""
    for name in (STATE, f"{STATE}.old"):
        folder = run / name
        if (folder / _PROGRESS).is_file():
            progress = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
            training = load_file(folder / _TRAINING) if (folder / _TRAINING).is_file() else {}
            return State(folder / _WEIGHTS, training, progress)
    return None


def write_carried(
    folder: Path,
    form: Form,
    tokenizer: Tokenizer,
    average: Mapping[str, Tensor],
    heads: Mapping[str, Tensor],
    progress: Mapping[str, Any],
) -> None:
    """What a run on another machine needs to go on: flat, small, in bfloat16."""
    write_weights(folder, form, tokenizer, average, torch.bfloat16)
    small = {f"heads.{name}": weight.detach().cpu().to(torch.bfloat16).contiguous() for name, weight in heads.items()}
    save_file(small, folder / _HEADS)
    (folder / _PROGRESS).write_text(json.dumps(progress, indent=1), encoding="utf-8")


def read_carried(folder: Path) -> State | None:
    """What `write_carried` wrote, None where it did not."""
    if not (folder / _PROGRESS).is_file():
        return None
    progress = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
    heads = load_file(folder / _HEADS) if (folder / _HEADS).is_file() else {}
    return State(folder, {name: weight.float() for name, weight in heads.items()}, progress)


def add_to_curve(run: Path, row: Mapping[str, Any]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    with (run / CURVE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_curve(run: Path) -> list[dict[str, Any]]:
    """Its lines in order; an interrupted last line is left out."""
    rows = []
    if (run / CURVE).is_file():
        for line in (run / CURVE).read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return rows
