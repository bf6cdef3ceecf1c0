"""Pages and lines of rendered text with scanner noise, for calibration: unlike any document that is measured.

Deterministic from a seed. Texts are pangrams in several languages, numbers and codes; faces are the ones
that PyMuPDF carries.
"""

from __future__ import annotations

import io
from functools import cache

import cv2
import numpy as np
import pymupdf
from PIL import Image, ImageDraw, ImageFont

_LATIN = (
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs!",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich; «Falsches Üben von Xylophonmusik quält».",
    "Voix ambiguë d'un cœur qui au zéphyr préfère les jattes de kiwis, déjà vu à l'été 1897.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; ¿añoraba a su querido cachorro?",
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Pchnąć w tę łódź jeża lub ośm skrzyń fig.",
    "Invoice No. INV-83-20917/B   Qty 12 × 4.75 = 57.00 EUR (VAT 19 %)   due 03/11/1986",
    "SHEET 4 OF 17 — REVISED: 28 FEB 1959; REF. #K-7741; TEL. +44 1632 960 417",
    "Re: your letter of the 9th inst. We beg to acknowledge receipt of the same & remain, Sirs, yours faithfully,",
    "a) 1,204.50   b) 98.7%   c) $3,000   d) £17 6s. 4d.   e) §12   f) [see p. 231]   g) {x} <y> @z *",
)
_HAN = (
    "天地玄黄宇宙洪荒日月盈昃辰宿列张",
    "いろはにほへとちりぬるを、色は匂へど散りぬるを。",
    "第12条 契約書 2024年5月3日 合計 ¥4,980",
)
_FACES = ("helv", "hebo", "heit", "tiro", "tibo", "tiit", "cour", "cobo")


@cache
def _face(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(bytes(pymupdf.Font(name).buffer)), size)


def _text(rng: np.random.Generator, han: bool) -> str:
    words = (str(rng.choice(_HAN if han else _LATIN))).split()
    start = int(rng.integers(0, max(1, len(words) - 3)))
    return " ".join(words[start : start + int(rng.integers(1, 15))])


def _worn(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, uneven light, grain and JPEG, each in a random measure and sometimes none."""
    image = page.astype(np.float32)
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.3)))
    ink, paper = float(rng.uniform(0, 90)), float(rng.uniform(190, 255))
    image = ink + image * (paper - ink) / 255.0
    if rng.random() < 0.5:
        image *= np.linspace(1.0, float(rng.uniform(0.75, 1.0)), image.shape[1], dtype=np.float32)[None, :, None]
    if rng.random() < 0.7:
        image += rng.normal(0, float(rng.uniform(2, 18)), (*image.shape[:2], 1)).astype(np.float32)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        image = np.where(image < 140, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])
    return cv2.imdecode(packed, cv2.IMREAD_COLOR)


def line(seed: int) -> np.ndarray:
    """A cut-out line of text, `(height, width, 3)` uint8, with the margins a detector leaves."""
    rng = np.random.default_rng(seed)
    han = rng.random() < 0.15
    size = int(rng.integers(14, 60))
    face = _face("china-s" if han else str(rng.choice(_FACES)), size)
    text = _text(rng, han)
    left, top, right, bottom = face.getbbox(text)
    margin = int(size * rng.uniform(0.05, 0.3)) + 1
    image = Image.new("RGB", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin), "white")
    ImageDraw.Draw(image).text((margin - left, margin - top), text, "black", font=face)
    return _worn(np.asarray(image), rng)


def page(seed: int, height: int = 1120, width: int = 800) -> np.ndarray:
    """A page of text in one or two columns, `(height, width, 3)` uint8, at up to 4 degrees of skew."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    columns = int(rng.integers(1, 3))
    for column in range(columns):
        size, y = int(rng.integers(9, 22)), int(rng.integers(20, 90))
        x = 40 + column * (width - 40) // columns
        han = rng.random() < 0.15
        face = _face("china-s" if han else str(rng.choice(_FACES)), size)
        while y < height - 2 * size:
            if rng.random() < 0.07:
                y += int(rng.integers(20, 120))
            text = _text(rng, han)
            while text and face.getlength(text) > (width - 60) // columns - 30:
                text = text[:-1]
            draw.text((x, y), text, "black", font=face)
            y += int(size * rng.uniform(1.15, 1.8))
        if rng.random() < 0.3:
            draw.rectangle((x - 6, 30, x + (width - 60) // columns - 20, height - 40), outline="black")
    turned = image.rotate(float(rng.uniform(-4, 4)), resample=Image.Resampling.BILINEAR, fillcolor="white")
    return _worn(np.asarray(turned), rng)
