"""A folder of weights, looked into without reading it: which tensors of which shapes, is it whole, what is its name.

Only safetensors are read. Each file begins with a JSON header that says what lies where, so a missing, truncated or
foreign file is found in milliseconds, before gigabytes are loaded and before any library sees it.

Errors are `ConfigError`s: `weights_missing`, `weights_unsafe` (only pickles there), `weights_damaged`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.errors import ConfigError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"

_MAX_HEADER = 64 << 20
_MAX_JSON = 64 << 20
_SAMPLES = 256  # places in each file whose bytes go into the fingerprint
_SAMPLE_BYTES = 4096
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    shape: tuple[int, ...]
    dtype: str  # safetensors' word: "BF16", "F32"
    file: str

    @property
    def numbers(self) -> int:
        product = 1
        for length in self.shape:
            product *= length
        return product


@dataclass(frozen=True, slots=True)
class WeightFolder:
    """`tensors` by their names in the files; `config` is config.json as it stands."""

    path: Path
    files: tuple[Path, ...]
    tensors: dict[str, TensorInfo]
    config: dict[str, Any]

    @property
    def numbers(self) -> int:
        return sum(tensor.numbers for tensor in self.tensors.values())

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises `ConfigError` (`weights_mismatch`) for a tensor that is not there."""
        if name not in self.tensors:
            raise ConfigError(f"the weights in {self.path} have no tensor {name}", code="weights_mismatch")
        return self.tensors[name].shape


def look_into(path: Path) -> WeightFolder:
    """Read config.json and all headers. Raises `ConfigError` for whatever is missing or damaged."""
    if not path.is_dir():
        raise ConfigError(f"there is no folder {path}: give the folder that holds config.json", code="weights_missing")
    config = read_json(path / CONFIG)
    files = _files(path)
    tensors: dict[str, TensorInfo] = {}
    for file in files:
        for name, info in _header(file).items():
            if name in tensors:
                raise ConfigError(f"{name} is in two files of {path}: remove one", code="weights_damaged")
            tensors[name] = info
    if (path / INDEX).is_file():
        _compare(path, read_json(path / INDEX), tensors)
    return WeightFolder(path, files, tensors, config)


def read_json(path: Path) -> dict[str, Any]:
    """Raises `ConfigError` where the file is missing, too large, or no JSON object."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing: copy the whole model folder", code="weights_missing")
    try:
        with path.open(encoding="utf-8") as file:
            content = json.loads(file.read(_MAX_JSON))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): copy it again", code="weights_damaged") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no JSON object: copy it again", code="weights_damaged")
    return content


def fingerprint(folder: WeightFolder) -> str:
    """Names a local folder's weights without reading all of them: "local-" and 16 hexadecimal digits.

    It is the sha256 over config.json, tokenizer.json, all tensors' names, types and shapes, and 256 evenly spread
    blocks of 4 KiB of each file. Two trainings of one architecture differ everywhere, so that the blocks tell them
    apart; a full hash of 6.7 GB would cost each start half a minute.
    """
    digest = hashlib.sha256()
    for name in (CONFIG, TOKENIZER):
        content = (folder.path / name).read_bytes() if (folder.path / name).is_file() else b""
        digest.update(hashlib.sha256(content).digest())
    for name, info in sorted(folder.tensors.items()):
        digest.update(f"{name} {info.dtype} {info.shape}\n".encode())
    for path in folder.files:
        size = path.stat().st_size
        with path.open("rb") as file:
            for sample in range(_SAMPLES):
                file.seek(sample * max(0, size - _SAMPLE_BYTES) // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return f"local-{digest.hexdigest()[:16]}"


def _files(path: Path) -> tuple[Path, ...]:
    if (path / INDEX).is_file():
        named = read_json(path / INDEX).get("weight_map")
        if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
            raise ConfigError(f"{path / INDEX} has no weight_map: copy it again", code="weights_damaged")
        names = sorted(set(named.values()))
        if any(Path(name).name != name for name in names):
            raise ConfigError(f"{path / INDEX} names files outside of its folder", code="weights_damaged")
        missing = [name for name in names if not (path / name).is_file()]
        if missing:
            raise ConfigError(f"{path} lacks {', '.join(missing[:3])}: copy the whole folder", code="weights_missing")
        return tuple(path / name for name in names)
    found = tuple(sorted(path.glob("*.safetensors")))
    if not found and any(file.suffix in _PICKLES for file in path.iterdir()):
        raise ConfigError(
            f"{path} holds pickled weights only, which can run code: get the model's .safetensors files",
            code="weights_unsafe",
        )
    if not found:
        raise ConfigError(f"{path} holds no .safetensors file: copy the whole model folder", code="weights_missing")
    if len(found) > 1:
        raise ConfigError(
            f"{path} has several .safetensors files but no {INDEX}: copy that too", code="weights_missing"
        )
    return found


def _header(path: Path) -> dict[str, TensorInfo]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            entries = json.loads(file.read(min(length, _MAX_HEADER, size)))
        found, end = _entries(entries, path.name)
        if size != 8 + length + end:
            raise _Damage(f"it should have {8 + length + end} bytes and has {size}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, struct.error) as error:
        raise ConfigError(f"{path} is damaged ({error}): copy it again", code="weights_damaged") from error
    return found


def _entries(entries: dict[str, Any], file: str) -> tuple[dict[str, TensorInfo], int]:
    """A header's tensors, and where the last one ends."""
    found, end = {}, 0
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        info = TensorInfo(tuple(int(n) for n in entry["shape"]), str(entry["dtype"]), file)
        begin, stop = entry["data_offsets"]
        width = _BYTES.get(info.dtype)
        if begin < 0 or (width is not None and stop - begin != info.numbers * width):
            raise _Damage(f"{name} does not fill its place")
        found[name], end = info, max(end, stop)
    return found, end


class _Damage(ValueError):
    """Something in a header that cannot be."""


def _compare(path: Path, index: dict[str, Any], tensors: dict[str, TensorInfo]) -> None:
    named = index["weight_map"]
    wrong = [name for name, file in named.items() if name not in tensors or tensors[name].file != file]
    if wrong:
        raise ConfigError(
            f"{path / INDEX} promises {len(wrong)} tensors that are not there, such as {wrong[0]}: copy it all again",
            code="weights_damaged",
        )
