"""`make demo ENGINE=mini` in its short form: two cards, the whole service in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from mini_kit import untrained

from api import demo_cards
from worker.engine.mini import packaged

ROOT = Path(__file__).parent.parent
RUN = (
    "import sys, pathlib; from api import demo, demo_cards; here = pathlib.Path(sys.argv[1]); "
    "demo.DATA = here / 'demo'; demo_cards.CARDS = here / 'cards.zip'; demo_cards.TRUTH = here / 'cards.json'; "
    "sys.exit(demo.main(['--exit', '--engine', 'mini']))"
)
TRAINED = 0.2  # of the characters at most are wrong on two cards; on a hundred it is the model card's share


@pytest.fixture
def two_cards(tmp_path):
    """The first two of the sample cards, as an archive with their truth."""
    truth = dict(list(json.loads(demo_cards.TRUTH.read_text(encoding="utf-8")).items())[:2])
    with zipfile.ZipFile(demo_cards.CARDS) as cards, zipfile.ZipFile(tmp_path / "cards.zip", "w") as archive:
        for name in truth:
            archive.writestr(name, cards.read(name))
    (tmp_path / "cards.json").write_text(json.dumps(truth), encoding="utf-8")
    (tmp_path / "demo").mkdir()
    return tmp_path


def _demonstrate(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, str(folder)]
    whole = {**os.environ, "FOLIOSCOPE_PORT": "0", **environment}
    return subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, timeout=800, check=False)


def test_a_card_is_decoded_again_without_its_original(two_cards):
    """Cards are read and their tokens stored; with the file of one removed, its text comes from them, unchanged."""
    done = _demonstrate(two_cards, FOLIOSCOPE_WEIGHTS=str(untrained()), FOLIOSCOPE_MAX_TOKENS="40")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its original removed" in done.stdout
    assert "the same text" in done.stdout
    assert "2 cards, " in done.stdout


@pytest.mark.models
def test_the_packaged_model_reads_them(two_cards):
    """The checkpoint in the package is the one that was measured, and really reads."""
    packaged()
    done = _demonstrate(two_cards)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong, characters = map(int, re.search(r"(\d+) of (\d+) characters wrong", done.stdout).groups())
    assert characters > 150
    assert wrong / characters < TRAINED


def test_the_sample_cards_are_what_their_script_makes():
    """The committed cards say what the script has them say; where its fonts are installed, pixel for pixel."""
    from samples.cards import TEXTS

    truth = json.loads(demo_cards.TRUTH.read_text(encoding="utf-8"))
    assert [" ".join(text.split()) for text in truth.values()] == list(TEXTS)
    with zipfile.ZipFile(demo_cards.CARDS) as archive:
        assert archive.namelist() == list(truth)
