"""Which engine reads: chosen by what is there, or asked for; and what it needs to start."""

from __future__ import annotations

import shutil

import pytest

from index.errors import ConfigError
from tests.engine_deepseek_kit import checkpoint
from worker.engine.choice import choose, readers, vision_dim
from worker.settings import Settings


def settings(tmp_path, **given):
    return Settings(data_dir=tmp_path, **given)


def test_automatic_choice(tmp_path):
    """DeepSeek-OCR where weights and a GPU are there, else RapidOCR; the reason says what is missing."""
    chosen = choose(settings(tmp_path), cuda=lambda: True)
    assert (chosen.engine.name, vision_dim(settings(tmp_path), chosen.engine)) == ("rapidocr", None)
    assert "no DeepSeek-OCR weights" in chosen.reason
    with_weights = settings(tmp_path, weights=str(checkpoint()))
    assert "no GPU" in choose(with_weights, cuda=lambda: False).reason
    chosen = choose(with_weights, cuda=lambda: True)
    assert chosen.engine.name == "deepseek-ocr"
    assert chosen.engine.reason == chosen.reason
    assert vision_dim(with_weights, chosen.engine) == chosen.engine.dim
    assert vision_dim(settings(tmp_path, keep_tokens=False), chosen.engine) is None
    (tmp_path / "weights").mkdir()
    shutil.copytree(checkpoint(), tmp_path / "weights" / "deepseek-ocr")
    assert choose(settings(tmp_path), cuda=lambda: True).engine.name == "deepseek-ocr"
    (tmp_path / "weights" / "deepseek-ocr" / "config.json").unlink()
    broken = choose(settings(tmp_path), cuda=lambda: True)
    assert broken.engine.name == "rapidocr"
    assert "config.json is missing" in broken.reason


def test_an_engine_that_was_asked_for(tmp_path):
    """Is taken, on a CPU too, or its fault is told; there is no silent other one."""
    chosen = choose(settings(tmp_path, engine="deepseek-ocr", weights=str(checkpoint())), cuda=lambda: False)
    assert chosen.engine.name == "deepseek-ocr"
    with pytest.raises(ConfigError, match="FOLIOSCOPE_WEIGHTS") as missing:
        choose(settings(tmp_path, engine="deepseek-ocr-2"))
    assert missing.value.code == "weights_missing"
    with pytest.raises(ConfigError, match="unlimited-ocr") as wrong:
        choose(settings(tmp_path, engine="unlimited-ocr", weights=str(checkpoint())))
    assert wrong.value.code == "wrong_architecture"
    with pytest.raises(ConfigError) as unknown:
        choose(settings(tmp_path, engine="tesseract"))
    assert unknown.value.code == "unknown_engine"
    assert choose(settings(tmp_path, engine="rapidocr", weights=str(checkpoint()))).engine.name == "rapidocr"


def test_readers_fill_the_batches(tmp_path):
    """As many pages at once as are decoded at once; one for each processor with an engine that takes one at a time."""
    vision = choose(settings(tmp_path, engine="deepseek-ocr", weights=str(checkpoint()))).engine
    plain = choose(settings(tmp_path, engine="rapidocr")).engine
    assert readers(settings(tmp_path), plain, 2) == 3
    assert readers(settings(tmp_path, device="cpu"), vision, 2) == 8
    assert readers(settings(tmp_path, device="cuda"), vision, 2) == 160
    assert readers(settings(tmp_path, slots=24), vision, 2) == 30
    assert readers(settings(tmp_path, slots=24, readers=3), vision, 2) == 3
