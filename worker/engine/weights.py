"""The PP-OCRv6 weights that the `rapidocr` wheel carries: where they lie, what they are, their alphabet.

Nothing is downloaded and nothing of rapidocr is imported (its package pulls in far more than the
weights). A wheel whose weights are not the ones this engine was measured with still works, at another
`revision`; only the int8 calibration, which belongs to exact weights, is left out then.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from index.errors import ConfigError

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"

_METADATA_FIELD = 14  # ModelProto.metadata_props in onnx.proto


@dataclass(frozen=True, slots=True)
class Weights:
    """One ONNX file: its path and the sha256 of its bytes."""

    path: Path
    sha256: str


@cache
def weights(name: str) -> Weights:
    """Find `name` in the installed wheel and hash it. Raises `ConfigError` where it is not there."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("rapidocr is not installed: run `make install`")
    path = Path(spec.submodule_search_locations[0]) / "models" / name
    if not path.is_file():
        raise ConfigError(f"the rapidocr wheel carries no {name}: install the pinned version")
    with path.open("rb") as file:
        return Weights(path, hashlib.file_digest(file, "sha256").hexdigest())


def revision() -> str:
    """Names the pair of weights: the first digits of the hash over both files' hashes."""
    both = weights(DETECTOR).sha256 + weights(RECOGNISER).sha256
    return "ppocrv6-small-" + hashlib.sha256(both.encode()).hexdigest()[:12]


def alphabet(path: Path) -> list[str]:
    """What each class of the recogniser means: class 0 is CTC's blank (""), the last one a space."""
    characters = onnx_metadata(path.read_bytes())["character"].split("\n")
    return ["", *characters, " "]


def onnx_metadata(model: bytes) -> dict[str, str]:
    """The `metadata_props` of a serialised ONNX model, read straight from the protobuf wire format."""
    found: dict[str, str] = {}
    for number, value in _fields(model):
        if number == _METADATA_FIELD:
            entry = dict(_fields(value))
            found[bytes(entry[1]).decode()] = bytes(entry[2]).decode()
    return found


def _fields(message: bytes | memoryview) -> list[tuple[int, memoryview]]:
    """Length-delimited fields of a protobuf message; fields of other wire types are stepped over."""
    view, at, found = memoryview(message), 0, []
    while at < len(view):
        key, at = _varint(view, at)
        wire = key & 7
        if wire == 0:
            _, at = _varint(view, at)
        elif wire == 1:
            at += 8
        elif wire == 5:
            at += 4
        elif wire == 2:
            length, at = _varint(view, at)
            found.append((key >> 3, view[at : at + length]))
            at += length
        else:
            raise ValueError(f"wire type {wire} is not used by ONNX")
    return found


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
