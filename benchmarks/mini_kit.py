"""What measurements of the mini model share: its engine, cards of a chosen kind, and errors of what was read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from index.errors import ConfigError
from index.types import VisionTokens
from worker.engine.deepseek.engine import DeepSeekOcrEngine, EngineConfig
from worker.engine.deepseek.modes import MINI
from worker.engine.mini import packaged
from worker.engine.prompts import Prompt, Task
from worker.train.curriculum import CURRICULA, Stage
from worker.train.measure import Score, score
from worker.train.pages import Page

_SLOTS = 16


class _NoHelper:
    """Cards stand upright and have no text layer."""

    def rotation(self, image: Image.Image) -> int:
        del image
        return 0

    def read_lines(self, image: Image.Image, boxes: Sequence[object]) -> list[tuple[str, float]]:
        del image
        return [("", 0.0)] * len(boxes)

    def knows(self, text: str) -> bool:
        del text
        return True


def engine(checkpoint: Path | None, *, most: int = 0) -> DeepSeekOcrEngine:
    """In float32 on the CPU, as measured. None: the checkpoint of the package."""
    folder = checkpoint or packaged()
    config = EngineConfig(
        str(folder), kind=MINI, device="cpu", dtype="float32", mode="card", max_tokens=most, slots=_SLOTS
    )
    return DeepSeekOcrEngine(config, _NoHelper())


def engine_or_end(checkpoint: Path | None) -> DeepSeekOcrEngine:
    """As `engine`. Where the package has no checkpoint there is nothing to measure: said so, and no failure."""
    try:
        return engine(checkpoint)
    except ConfigError as error:
        if checkpoint is not None or error.code != "weights_missing":
            sys.exit(error.message)
        print(error.message)
        sys.exit(0)


def last_stage() -> Stage:
    """What the form `card` was trained on in the end."""
    return CURRICULA["card"](1).stages[-1]


def encoded(reader: DeepSeekOcrEngine, pixels: Sequence[np.ndarray]) -> list[VisionTokens]:
    return reader.encode([Image.fromarray(one).convert("RGB") for one in pixels])


def texts(reader: DeepSeekOcrEngine, tokens: Sequence[VisionTokens]) -> list[str]:
    return [one.text for one in reader.decode(tokens, [Prompt(Task.TEXT)] * len(tokens))]


def errors(pages: Sequence[Page], read: Sequence[str]) -> Score:
    return score([(page.text, page.guessable) for page in pages], read)
