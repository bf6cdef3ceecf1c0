"""Pages of rendered text for the tests of the OCR engine, and an engine that is loaded once."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pymupdf
from PIL import Image, ImageDraw, ImageFont

from worker.engine.rapidocr import RapidOcrEngine

PARAGRAPH = (
    "The harbour office keeps its registers in the old customs",
    "house. Every vessel that entered the port between 1874 and",
    "1931 is listed with her master, her cargo and the dues she",
    "paid. Most entries are in one hand, that of Josiah Penrose,",
    "who served for forty-one years without a day of absence.",
)


@cache
def engine() -> RapidOcrEngine:
    """One engine for all tests: loading takes a second."""
    return RapidOcrEngine(threads=2)


@cache
def font(size: int, face: str = "tiro") -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(bytes(pymupdf.Font(face).buffer)), size)


def page(lines: tuple[str, ...] = PARAGRAPH, size: int = 34, width: int = 1240, height: int = 1000) -> Image.Image:
    """A white page with `lines` of black type from the top left."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((120, 120 + number * size * 1.5), line, "black", font=font(size))
    return image


def noisy(image: Image.Image, seed: int) -> Image.Image:
    print("seed", seed)
    pixels = np.asarray(image, dtype=np.float32)
    grain = np.random.default_rng(seed).normal(0, 25, pixels.shape)
    return Image.fromarray(np.clip(pixels * 0.8 + 30 + grain, 0, 255).astype(np.uint8))
