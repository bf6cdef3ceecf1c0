"""Killing the service with SIGKILL at random moments loses nothing and doubles nothing.

`FOLIOSCOPE_KILLS` makes it longer (default 8).
"""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile

import pytest
from PIL import Image, ImageDraw

from index.types import PageState
from tests import crash_service
from worker import maintenance, wiring
from worker.queue_local import LocalQueue
from worker.settings import Settings

KILLS = int(os.environ.get("FOLIOSCOPE_KILLS", "8"))
DOCUMENTS, PAGES = 12, 5


def tiff(document):
    pages = []
    for page in range(PAGES):
        image = Image.new("L", (300, 300), 255)
        ImageDraw.Draw(image).text((20, 20), f"document {document} page {page}", fill=0)
        pages.append(image)
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


@pytest.fixture
def light():
    """Light models, put back at the end whatever the test undoes meanwhile."""
    before = wiring.build_engine, wiring.build_embedder_for
    crash_service.use_light_models()
    yield
    wiring.build_engine, wiring.build_embedder_for = before


def accept_all(root, monkeypatch):
    """Accept the documents without reading any: half of them by themselves, half inside an archive."""
    monkeypatch.setattr(LocalQueue, "start", lambda _self: None)
    with wiring.open_service(crash_service.settings(root)) as library:
        for document in range(DOCUMENTS // 2):
            staged = library.stage()
            staged.write(tiff(document))
            library.accept("default", staged, filename=f"{document}.tiff")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for document in range(DOCUMENTS // 2, DOCUMENTS):
                file.writestr(f"folder/{document}.tiff", tiff(document))
        staged = library.stage()
        staged.write(buffer.getvalue())
        library.accept("default", staged, filename="box.zip")
    monkeypatch.undo()


def start(root):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash_service", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    errors = []
    threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True).start()
    line = process.stdout.readline()
    assert line == "up\n", (line, errors)
    return process


def texts(root, light):
    truth = wiring.open_truth(crash_service.settings(root))
    try:
        points = list(truth.store.scan(None, with_content=True))
        assert {point.state for point in points} == {PageState.DONE}
        names = {(p.key.document_id, p.key.page): p.text for p in points}
        assert len(names) == len(points), "a page has two points"
        return names
    finally:
        truth.close()


@pytest.mark.slow
def test_killed_at_random(tmp_path, monkeypatch, light):
    """After any number of kills all pages are done once, with the texts of a calm run, and verify finds nothing."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    root = tmp_path / "killed"
    accept_all(root, monkeypatch)
    crash_service.use_light_models()
    for _ in range(KILLS):
        process = start(root)
        time.sleep(rng.uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = start(root)
    assert process.stdout.readline() == f"done {DOCUMENTS * PAGES} 0\n"
    process.kill()
    process.wait()
    result = maintenance.verify(crash_service.settings(root))
    assert result.findings == ()
    assert result.unfinished == 0
    assert result.pages == DOCUMENTS * PAGES

    calm = tmp_path / "calm"
    accept_all(calm, monkeypatch)
    crash_service.use_light_models()
    process = start(calm)
    assert process.stdout.readline() == f"done {DOCUMENTS * PAGES} 0\n"
    process.terminate()
    process.wait()
    assert texts(root, light) == texts(calm, light)


@pytest.mark.slow
def test_rebuild(tmp_path, monkeypatch, light):
    """With the index gone, rebuild makes an equal one from the originals."""
    accept_all(tmp_path, monkeypatch)
    crash_service.use_light_models()
    settings: Settings = crash_service.settings(tmp_path)
    assert maintenance.rebuild(settings).done == DOCUMENTS * PAGES
    before = texts(tmp_path, light)
    assert maintenance.rebuild(settings).done == DOCUMENTS * PAGES
    assert texts(tmp_path, light) == before
    assert maintenance.verify(settings).findings == ()
