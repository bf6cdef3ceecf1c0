"""An embedding model that was made ready elsewhere: runs without torch.

    python -m index.embedder_prepared TARGET_DIRECTORY [MODEL]

Converts the shipped model (or `MODEL`, as `FOLIOSCOPE_EMBEDDER` names one) and leaves a folder with the OpenVINO
graph, the tokenizer and `manifest.json`: which model it was, the SHA-256 of the files that it was made of, and that of
each file in the folder; in `judge/` the graph of the answers' judge (`index/judge_model.py`). This is done where torch
is installed, once, such as in a stage of an image's build.

`FOLIOSCOPE_EMBEDDER_PREPARED` names the folder. Before it is used every file is hashed again, and a folder for the
shipped model must say that it was made of the official files. All problems are `ConfigError`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index import judge_convert
from index.embedder_convert import GRAPH, convert
from index.embedder_weights import DEFAULT_SHA256, SHIPPED_NAME, ModelFiles, is_shipped, locate, sha256
from index.errors import ConfigError

_MANIFEST = "manifest.json"
_GRAPHS = f"{GRAPH}+{judge_convert.NAME}-{judge_convert.GRAPH}"
"""The format: what graphs are in the folder. With other weights of the judge it is another."""
_FILES = (
    *("model.xml", "model.bin", "tokenizer.json", "meta.json"),
    *(f"{judge_convert.FOLDER}/{name}" for name in judge_convert.FILES),
)


@dataclass(frozen=True, slots=True)
class PreparedFiles:
    """A folder that `prepare` wrote. `name` is what the index records: the same as that of the model it was made of."""

    directory: Path
    name: str
    dim: int
    source: dict[str, str]
    files: dict[str, str]

    def verify(self) -> None:
        """`ConfigError` unless each file is the one that was written, and the shipped model was made of its own."""
        if self.name == SHIPPED_NAME:
            for filename, expected in DEFAULT_SHA256.items():
                if self.source.get(filename) != expected:
                    raise _refused(self.directory, f"it was not made of the official {filename}")
        for filename in _FILES:
            path = self.directory / filename
            found = sha256(path) if path.is_file() else "nothing"
            if found != self.files.get(filename):
                raise _refused(self.directory, f"{filename} has sha256 {found}, not {self.files.get(filename)}")


def locate_prepared(directory: Path, model: str | None) -> PreparedFiles:
    """The prepared files in `directory`, which must be of the model that the setting `model` names. Reads the
    manifest only; `PreparedFiles.verify` looks at the files.
    """
    try:
        manifest: dict[str, Any] = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        prepared = PreparedFiles(
            directory, str(manifest["name"]), int(manifest["dim"]), dict(manifest["source"]), dict(manifest["files"])
        )
        graph = manifest["graph"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refused(directory, f"its {_MANIFEST} cannot be read ({type(error).__name__}: {error})") from error
    if graph != _GRAPHS:
        raise _refused(directory, f"it is of format {graph}, and this version reads {_GRAPHS}")
    named = SHIPPED_NAME.rpartition("@")[0] if is_shipped(model) else str(model)
    if prepared.name.rpartition("@")[0] not in {named, Path(named).name}:
        raise _refused(directory, f"it holds {prepared.name}, and FOLIOSCOPE_EMBEDDER means {named}")
    return prepared


def judge_folder(directory: Path) -> Path:
    """Where the judge's graph is in a folder of prepared files, which the embedder verifies as a whole."""
    return directory / judge_convert.FOLDER


def prepare(target: Path, model: str | None = None) -> PreparedFiles:
    """Convert and write, all or nothing. `target` must not exist yet, or be empty."""
    if target.exists() and any(target.iterdir()):
        raise ConfigError(f"{target} is not empty: name a new folder.", code="bad_setting")
    files = locate(model)
    files.verify()
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        made = staging / "made"
        meta = convert(files.directory, made)
        judge_convert.convert(made / judge_convert.FOLDER)
        written = {name: sha256(made / name) for name in _FILES}
        manifest = {
            "name": files.name,
            "dim": meta["dim"],
            "graph": _GRAPHS,
            "source": _source(files),
            "files": written,
        }
        (made / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for path in (made, *made.rglob("*")):  # whoever runs the service reads what somebody else has built
            path.chmod(0o755 if path.is_dir() else 0o644)
        made.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return locate_prepared(target, model)


def _source(files: ModelFiles) -> dict[str, str]:
    """SHA-256 of what decides the vectors: weights and tokenizer."""
    wanted = [*files.directory.rglob("*.safetensors"), *files.directory.rglob("tokenizer.json")]
    return {path.relative_to(files.directory).as_posix(): sha256(path) for path in sorted(wanted)}


def _refused(directory: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The prepared embedding model in {directory} is not used: {why}. Make it again with "
        "`python -m index.embedder_prepared FOLDER` (docs/operations.md), or take FOLIOSCOPE_EMBEDDER_PREPARED out.",
        code="bad_setting",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m index.embedder_prepared",
        description="Make an embedding model ready for processes without torch.",
    )
    parser.add_argument("target", type=Path, metavar="TARGET_DIRECTORY", help="a new folder")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="as FOLIOSCOPE_EMBEDDER names one; else the shipped")
    options = parser.parse_args(arguments)
    try:
        prepared = prepare(options.target, options.model)
    except ConfigError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        return 1
    print(f"{prepared.name} is ready in {prepared.directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
