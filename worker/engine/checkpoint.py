"""Random checkpoints in the original layout: small ones for tests, full-size ones for speed.

What such weights write is noise, never a reading. The small ones exercise every path that the real weights take: the
original file layout and key names, the original config.json, all modes, the routing of experts, all special tokens.
Their scales are chosen so that different pages give different texts and a text does not settle on one token.

    python -m worker.engine.checkpoint FOLDER --size small --kind deepseek-ocr --seed 0
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.engine.deepseek.modes import DEEPSEEK_OCR, KINDS
from worker.engine.deepseek.randoms import (
    ENCODER,
    FULL,
    SMALL,
    Dimensions,
    RandomTensor,
    original_config,
    original_tensors,
)
from worker.engine.deepseek.randoms import tokenizer_json as tokenizer_text
from worker.engine.deepseek.weights import CONFIG, INDEX, TOKENIZER, look_into

if TYPE_CHECKING:
    import torch

    from worker.engine.deepseek.load import LoadedModel

SIZES: dict[str, Dimensions] = {"small": SMALL, "encoder": ENCODER, "full": FULL}
_SHARD_BYTES = 1 << 29
_NOISE = 1 << 22


@dataclass(frozen=True, slots=True)
class _Noise:
    """A block of normal numbers from which tensors are cut at places given by their names: fast, and repeatable."""

    block: torch.Tensor
    seed: int

    def fill(self, tensor: RandomTensor, dtype: torch.dtype) -> torch.Tensor:
        import torch

        count = 1
        for length in tensor.shape:
            count *= length
        if count <= _NOISE // 4:  # small tensors get numbers of their own
            generator = torch.Generator().manual_seed(_seed(self.seed, tensor.name))
            values = torch.randn(count, generator=generator)
        else:
            start = _seed(self.seed, tensor.name) % _NOISE
            values = self.block.roll(-start).repeat(-(-count // _NOISE))[:count]
        return (values * tensor.scale + tensor.mean).to(dtype).reshape(tensor.shape)


def write_checkpoint(folder: Path, size: str = "small", kind: str = DEEPSEEK_OCR, seed: int = 0) -> Path:
    """Write config.json, tokenizer.json, the index and the shards (bfloat16) to `folder`, and give it back.

    "small" is a few MB; "full" has the real dimensions (6.7 GB) and needs about 1.5 GiB of memory while it is written;
    "encoder" has the real encoder with next to no decoder (0.8 GB).
    """
    dimensions = SIZES[size]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(original_config(dimensions, kind), indent=2), encoding="utf-8")
    (folder / TOKENIZER).write_text(tokenizer_text(dimensions), encoding="utf-8")
    shards = _shards(original_tensors(dimensions, kind))
    noise = _noise(seed)
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):06d}.safetensors"
        _write_shard(folder / name, shard, noise)
        places |= {tensor.name: name for tensor in shard}
    total = sum(tensor.numbers for shard in shards for tensor in shard) * 2
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / INDEX).write_text(json.dumps(index, indent=1, sort_keys=True), encoding="utf-8")
    return folder


def random_model(
    size: str = "small",
    *,
    kind: str = DEEPSEEK_OCR,
    seed: int = 0,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
) -> LoadedModel:
    """A loaded model with random weights. All but the small one are made in place, without files."""
    from worker.engine.deepseek.load import load_model

    with tempfile.TemporaryDirectory(prefix="folioscope-checkpoint-") as scratch:
        if size == "small":
            return load_model(write_checkpoint(Path(scratch), size, kind, seed), device=device, dtype=dtype)
        return _in_place(Path(scratch), SIZES[size], kind, seed, device, dtype)


def _in_place(
    scratch: Path, size: Dimensions, kind: str, seed: int, device: str | None, dtype: str | torch.dtype | None
) -> LoadedModel:
    """The native class, filled where it lies. Configuration and tokenizer take the usual way."""
    import torch
    from transformers import DeepseekOcr2ForConditionalGeneration, UnlimitedOcrForConditionalGeneration
    from transformers.initialization import no_init_weights

    from worker.engine.deepseek.configure import configuration
    from worker.engine.deepseek.device import place
    from worker.engine.deepseek.load import assemble, read_tokenizer
    from worker.engine.deepseek.memory import require_memory
    from worker.engine.deepseek.modes import DEEPSEEK_OCR_2
    from worker.engine.deepseek.weights import TensorInfo, WeightFolder

    config = original_config(size, kind)
    tensors = {tensor.name: TensorInfo(tensor.shape, "BF16", "") for tensor in original_tensors(size, kind)}
    folder = WeightFolder(scratch, (), tensors, config)
    placement = place(device, dtype)
    require_memory(folder.numbers * placement.dtype.itemsize, placement.device)
    (scratch / TOKENIZER).write_text(tokenizer_text(size), encoding="utf-8")
    made = DeepseekOcr2ForConditionalGeneration if kind == DEEPSEEK_OCR_2 else UnlimitedOcrForConditionalGeneration
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(placement.dtype)
        with torch.device(placement.device), no_init_weights():
            model = made._from_config(configuration(folder, kind), attn_implementation="sdpa")
    finally:
        torch.set_default_dtype(before)
    _fill(model, seed)
    model = model.to(placement.dtype).eval().requires_grad_(False)
    return assemble(model, kind, read_tokenizer(scratch / TOKENIZER), f"random-{seed}", placement)


def _fill(model: Any, seed: int) -> None:
    import torch

    device = next(model.parameters()).device
    generator = torch.Generator(device=device).manual_seed(seed)
    noise = torch.randn(_NOISE, generator=generator, device=device)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
                continue
            fan_in = parameter[0].numel() if parameter.dim() in (2, 4) else parameter.shape[-1]
            flat = parameter.view(-1)
            start = _seed(seed, name) % _NOISE
            block = noise.roll(-start).mul_(fan_in**-0.5).to(parameter.dtype)
            for begin in range(0, flat.numel(), _NOISE):
                part = flat[begin : begin + _NOISE]
                # Experts must not be copies of each other: then all would be hit alike.
                part.copy_(block.roll(begin // 997)[: part.numel()])


def _write_shard(path: Path, shard: list[RandomTensor], noise: _Noise) -> None:
    import torch
    from safetensors.torch import save_file

    made = {}
    for tensor in shard:
        if tensor.integers:
            made[tensor.name] = torch.arange(tensor.shape[-1]).expand(tensor.shape).contiguous()
        else:
            made[tensor.name] = noise.fill(tensor, torch.bfloat16)
    save_file(made, path, metadata={"format": "pt"})


def _shards(tensors: Iterable[RandomTensor]) -> list[list[RandomTensor]]:
    shards: list[list[RandomTensor]] = [[]]
    size = 0
    for tensor in tensors:
        if size and size + 2 * tensor.numbers > _SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += 2 * tensor.numbers
    return shards


def _noise(seed: int) -> _Noise:
    import torch

    return _Noise(torch.randn(_NOISE, generator=torch.Generator().manual_seed(seed)), seed)


def _seed(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:6], "big")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m worker.engine.checkpoint", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--kind", choices=KINDS, default=DEEPSEEK_OCR)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    write_checkpoint(chosen.folder, chosen.size, chosen.kind, chosen.seed)
    folder = look_into(chosen.folder)
    print(f"{chosen.folder}: {chosen.kind}, {folder.numbers:,} random numbers; what it writes is noise")


if __name__ == "__main__":
    main()
