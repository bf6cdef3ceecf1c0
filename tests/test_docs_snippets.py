"""What the documentation shows to be typed runs as it is written, against a served archive."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from api.app import create_app
from tests.answers_kit import BagEmbedder
from tests.api_kit import serving
from tests.ingest_kit import zip_bytes
from tests.kit import Archive, pdf
from worker.answer_extractive import ExtractiveAnswerer

ROOT = Path(__file__).parent.parent
ADDRESS = "http://127.0.0.1:8321"
LAMP = "The keeper lit the lamp at dusk. "
PYTHON = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE | re.DOTALL)
CURL = re.findall(r"^curl [^\n]*", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    embedder = BagEmbedder()
    archive = Archive(tmp_path_factory.mktemp("data"), embedder=embedder, answerer=ExtractiveAnswerer(embedder))
    archive.upload(zip_bytes({"council/1931/lamp.pdf": pdf(LAMP + "Who lit the lamp? Nobody else.")}), "box.zip")
    archive.settle()
    with serving(create_app(archive.library)) as url:
        yield archive, url
    archive.close()


def test_there_are_snippets():
    """The chat client, an export, three retrievers, and the first requests of the README."""
    assert len(PYTHON) == 5
    assert len(CURL) >= 5


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.split("import ")[1].split()[0])
def test_python_of_the_api_page(served, code, tmp_path, monkeypatch):
    """Each block by itself, with nothing but the address changed; what it prints is from the archive."""
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code.replace(ADDRESS, served[1]), "docs/api.md", "exec"), {})  # noqa: S102  our own documentation
    assert "lamp" in said.getvalue()


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_curl_of_the_readme(served, tmp_path):
    """Each line by itself, with the address, the file and the id changed: none fails, and JSON is JSON."""
    archive, url = served
    document = archive.library.documents("default", cursor=None, limit=50)[0]
    (page,) = [view.manifest.document_id for view in document if view.manifest.filename == "lamp.pdf"]
    (tmp_path / "archive.zip").write_bytes(zip_bytes({"more.pdf": pdf("one more")}))
    for line in CURL:
        command = line.replace(ADDRESS, url).replace("/ID/", f"/{page}/")
        done = subprocess.run(  # noqa: S602  our own documentation
            command.replace("curl ", "curl -sS --fail-with-body ", 1),
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        if "-o page" not in line:
            json.loads(done.stdout)
    assert (tmp_path / "page.webp").stat().st_size > 0
