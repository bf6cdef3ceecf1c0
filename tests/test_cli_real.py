"""The command line over the whole real service, weights included."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.api_kit import wait_for

ROOT = Path(__file__).parent.parent
LINES = (
    "Minutes of the Bridge Committee",
    "The treasurer reported that the bridge fund",
    "stands at 412 pounds after the winter repairs.",
    "Voucher BC-1931-0077 was passed for payment.",
)

pytestmark = [pytest.mark.models, pytest.mark.slow]


@pytest.fixture
def environment(tmp_path):
    return {
        **os.environ,
        "FOLIOSCOPE_DATA_DIR": str(tmp_path / "data"),
        "FOLIOSCOPE_URL": "",
        "FOLIOSCOPE_READERS": "1",
    }


def folioscope(environment, *arguments):
    """(exit code, stdout, stderr) of one command."""
    command = [sys.executable, "-m", "api.cli", *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout, done.stderr


def draw(path):
    image = Image.new("L", (1240, 900), 255)
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(LINES):
        pen.text((110, 120 + number * 70), line, fill=10, font=ImageFont.load_default(size=34))
    image.save(path)


def test_the_whole_way(environment, tmp_path):
    """Served, added, found, answered, stopped; verified, rebuilt, and found again without a service."""
    draw(tmp_path / "minutes.png")
    (tmp_path / "notes.txt").write_text("no document")
    service = subprocess.Popen([sys.executable, "-m", "api.cli", "serve", "--port", "0"], env=environment, cwd=ROOT)
    try:
        wait_for(lambda: (tmp_path / "data" / "service.json").exists() or service.poll() is not None, 120)
        code, out, err = folioscope(environment, "add", tmp_path / "minutes.png", "--json")
        assert code == 0, err
        document = json.loads(out)
        assert (document["state"], document["pages"]["done"]) == ("done", 1)

        code, _, err = folioscope(environment, "add", tmp_path / "notes.txt")
        assert code == 1
        assert "Only PDF" in err

        for query in ("bridge fund", "BC-1931-0077", '"after the winter repairs"'):
            code, out, _ = folioscope(environment, "search", query, "--json")
            assert code == 0
            assert json.loads(out)["hits"][0]["document_id"] == document["id"]

        code, out, _ = folioscope(environment, "ask", "How much money is in the bridge fund?", "--json")
        answer = json.loads(out)
        assert (code, answer["found"]) == (0, True)
        assert "412" in answer["citations"][0]["quote"]

        code, _, err = folioscope(environment, "verify")
        assert code == 1
        assert str(service.pid) in err
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(120) == 0
    code, out, err = folioscope(environment, "verify", "--json")
    assert (code, json.loads(out)["findings"]) == (0, []), err
    code, out, err = folioscope(environment, "rebuild", "--json")
    assert (code, json.loads(out)["done"]) == (0, 1), err
    code, out, err = folioscope(environment, "search", "bridge fund")
    assert code == 0, err
    assert "minutes.png, page 1" in out
    code, out, _ = folioscope(environment, "rm", document["id"], "--yes")
    assert (code, "nothing remains" in out) == (0, True)


def test_verify_finds_a_rotten_file(environment, tmp_path):
    """A byte that changed on the disk is found, and the exit code says so."""
    draw(tmp_path / "minutes.png")
    code, out, err = folioscope(environment, "add", tmp_path / "minutes.png", "--json")
    assert code == 0, err
    blob = tmp_path / "data" / "blobs" / json.loads(out)["sha256"]
    blob.chmod(0o600)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    code, out, _ = folioscope(environment, "verify")
    assert code == 3
    assert "blob_damaged" in out
