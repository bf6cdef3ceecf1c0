"""The mini model as an engine: the same code as DeepSeek-OCR, cards only, never taken by itself."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from engine_deepseek_kit import page
from engine_vision_kit import Helper
from mini_kit import card_images, untrained

from index.errors import ConfigError, InvalidRequest
from worker.decoding import token_count
from worker.engine import choice
from worker.engine.deepseek.choose import auto
from worker.engine.deepseek.engine import DeepSeekOcrEngine, EngineConfig
from worker.engine.deepseek.modes import CARD, DEEPSEEK_OCR, MINI, content_tokens
from worker.engine.mini import HASHES, digest, packaged
from worker.engine.prompts import Prompt, Task
from worker.engine.rapidocr import RapidOcrEngine
from worker.settings import Settings


def _engine(**options) -> DeepSeekOcrEngine:
    config = {"device": "cpu", "dtype": "float32", "max_tokens": 24} | options
    return DeepSeekOcrEngine(EngineConfig(str(untrained()), kind=MINI, **config), Helper())


@pytest.fixture(scope="module")
def engine():
    made = _engine()
    yield made
    made.close()


def test_a_card_is_read_and_decoded_again_from_its_tokens(engine):
    """16 float16 tokens, from which, without the picture, comes the text that was read; for several cards at once."""
    readings = engine.read(card_images(3))
    for reading in readings:
        assert (reading.reader.engine, reading.reader.mode, reading.vision.format.mode) == (MINI, "card", "card")
        assert reading.vision.array.shape == (content_tokens(CARD), engine.dim)
        assert reading.vision.array.dtype == np.float16
        assert token_count(reading.vision.format) == 16
    later = engine.decode([reading.vision for reading in readings], [Prompt()] * 3)
    assert [one.text for one in later] == [reading.text for reading in readings]
    assert [one.raw for one in later] == [
        one.raw for one in engine.decode([r.vision for r in readings], [Prompt()] * 3)
    ]


def test_the_engine_makes_the_tokens_that_training_saw(engine):
    """Preprocessing, encoder and layout give the vision tokens of the training's own forward pass."""
    from worker.engine.deepseek.load import load_model
    from worker.train.forms import CARD as FORM
    from worker.train.model import Trainee

    images = card_images(2)
    trainee = Trainee(FORM, load_model(untrained(), device="cpu", dtype=torch.float32).model)
    with torch.no_grad():
        _, tokens = trainee.see(torch.from_numpy(np.stack([np.asarray(image) for image in images])))
    made = engine.encode([image.convert("RGB") for image in images])
    for ours, theirs in zip(made, tokens, strict=True):
        assert np.abs(ours.array.astype(np.float32) - theirs.flatten(0, 1).numpy()).max() < 1e-2


def test_text_and_markdown_are_the_same_question(engine):
    """It knows one prompt: text and Markdown are both asked as text, anything else is refused."""
    tokens = engine.encode(card_images(1))
    markdown, text = (engine.decode(tokens, [Prompt(task)])[0] for task in (Task.MARKDOWN, Task.TEXT))
    assert markdown.raw == text.raw
    assert markdown.prompt.task is Task.MARKDOWN
    for task in (Task.OCR, Task.FIGURE, Task.DESCRIBE, Task.LOCATE, Task.FREE):
        with pytest.raises(InvalidRequest) as caught:
            engine.decode(tokens, [Prompt(task, "where")])
        assert caught.value.code == "unknown_task"


def test_pages_that_are_no_cards_are_refused(engine):
    """A page that holds far more than a card fails and says what to do; in a pinned mode it is read as it is."""
    whole = page(1, (1240, 1754), 50)
    for ask in (engine.read, engine.look, engine.encode):
        with pytest.raises(InvalidRequest, match="FOLIOSCOPE_ENGINE=rapidocr") as caught:
            ask([whole])
        assert caught.value.code == "page_too_fine"
    pinned = _engine(mode="card")
    assert pinned.read([whole])[0].vision.format.page_size == whole.size
    pinned.close()


def test_cards_are_cards():
    """Nothing that the model is judged by is refused."""
    assert all(auto(MINI, image) is CARD for image in card_images(60))


def test_the_engine_is_chosen_by_name_only(tmp_path):
    """`mini` by name takes it; `auto` reads with RapidOCR, even where the weights are its own and there is a GPU."""
    named = Settings(data_dir=tmp_path, engine="mini", weights=str(untrained()))
    chosen = choice.choose(named).engine
    assert (chosen.name, chosen.dim) == (MINI, 256)
    auto = Settings(data_dir=tmp_path, engine="auto", weights=str(untrained()))
    found = choice.choose(auto, cuda=lambda: True)
    assert isinstance(found.engine, RapidOcrEngine)
    assert "only used where" in found.reason


def test_other_engines_refuse_its_weights(tmp_path):
    """DeepSeek-OCR asked for and the mini model's weights given: refused, never read with the wrong name."""
    settings = Settings(data_dir=tmp_path, engine=DEEPSEEK_OCR, weights=str(untrained()))
    with pytest.raises(ConfigError) as caught:
        choice.choose(settings)
    assert caught.value.code == "wrong_architecture"


def test_a_changed_checkpoint_is_refused(tmp_path):
    """The packaged files' hashes are compared: a changed file, a missing one and a missing list are told apart."""
    folder = tmp_path / "mini"
    shutil.copytree(untrained(), folder)
    with pytest.raises(ConfigError) as caught:
        packaged(folder)
    assert caught.value.code == "weights_missing"
    names = [path.name for path in folder.iterdir()]
    (folder / HASHES).write_text(json.dumps({name: digest(folder / name) for name in names}))
    assert packaged(folder) == folder
    weights = next(folder.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        packaged(folder)
    assert caught.value.code == "weights_damaged"
    weights.unlink()
    with pytest.raises(ConfigError) as caught:
        packaged(folder)
    assert caught.value.code == "weights_missing"
