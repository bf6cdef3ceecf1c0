"""Small random checkpoints of DeepSeek-OCR and its kin, made once for each test session, and pages to encode.

What their models write is noise: tests compare it, they never read it. Import the fixtures by name:

    from engine_deepseek_kit import small_checkpoint, small_model  # noqa: F401
"""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from worker.engine.checkpoint import write_checkpoint
from worker.engine.deepseek.load import LoadedModel, load_model
from worker.engine.deepseek.modes import DEEPSEEK_OCR

_SCRATCH: list[tempfile.TemporaryDirectory] = []


@cache
def checkpoint(kind: str = DEEPSEEK_OCR, seed: int = 0) -> Path:
    """A folder with a small random checkpoint; do not write into it (copy it)."""
    _SCRATCH.append(tempfile.TemporaryDirectory(prefix="folioscope-tests-"))
    return write_checkpoint(Path(_SCRATCH[-1].name), kind=kind, seed=seed)


@cache
def model(kind: str = DEEPSEEK_OCR, dtype: str = "float32", seed: int = 0) -> LoadedModel:
    """The checkpoint, loaded on the CPU; one for all tests."""
    return load_model(checkpoint(kind, seed), device="cpu", dtype=dtype)


@pytest.fixture(scope="session")
def small_checkpoint() -> Path:
    return checkpoint()


@pytest.fixture(scope="session")
def small_model() -> LoadedModel:
    return model()


def page(seed: int = 0, size: tuple[int, int] = (700, 990), lines: int = 30) -> Image.Image:
    """A page with lines of dark strokes, different for each seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    step = size[1] / (lines + 2)
    for line in range(lines):
        x, y = 0.08 * size[0], step * (line + 1)
        while x < 0.9 * size[0]:
            width = float(rng.uniform(0.2, 3)) * step
            draw.rectangle(
                (x, y, x + width, y + step * float(rng.uniform(0.3, 0.6))), fill=tuple(rng.integers(0, 120, 3))
            )
            x += width + step * 0.4
    return image


def jpeg(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()
