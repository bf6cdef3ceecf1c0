"""Draws set pages: as pixels for the scanner, or as PDF pages with real, hidden, or wrong text.

Nothing here changes what a page says; `garble` and `strange_text` make the text layers that must not be trusted.
"""

from __future__ import annotations

import math
import random

import pymupdf
from PIL import Image, ImageDraw

from samples.fonts import pdf_font, pil_font, width
from samples.layout import SetPage
from samples.marks import Glyphs, Stroke

_INKS = {"ink": (28, 27, 30), "stamp": (120, 30, 60), "pen": (30, 40, 110)}
_OVERSAMPLE = 3
_UNRELATED = (
    "Rub the butter into the flour with the tips of the fingers until no lumps remain, then add the sugar and enough "
    "cold milk to bind. Roll out on a floured board and line a shallow tin. Whisk four eggs with the grated rind of two "
    "lemons, pour over the pastry and bake in a moderate oven for thirty minutes, turning the tin once. Serve when cool "
    "with a little cream. For a richer filling allow one more yolk and leave out the milk altogether."
)


def raster(page: SetPage, dpi: int, typed: bool, rng: random.Random) -> Image.Image:
    """The page in colour at a resolution. `typed` letters are struck one by one, unevenly high and dark.

    Drawn larger and scaled down, because fonts are hinted to whole pixels and words would run together.
    """
    scale = dpi / 72 * _OVERSAMPLE
    image = Image.new("RGB", (round(page.size[0] * scale), round(page.size[1] * scale)), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for mark in page.marks:
        if isinstance(mark, Stroke):
            points = [(x * scale, y * scale) for x, y in mark.points]
            if mark.fill is not None:
                draw.polygon(points, fill=(round(mark.fill * 255),) * 3)
            if mark.weight:
                draw.line(points, fill=_INKS[mark.colour], width=max(1, round(mark.weight * scale)), joint="curve")
        elif typed and mark.family == "courier":
            _strike(draw, mark, scale, rng)
        else:
            font = pil_font(mark.family, mark.style, mark.size * scale)
            draw.text((mark.x * scale, mark.y * scale), mark.text, _INKS[mark.colour], font, anchor="ls")
    return image.reduce(_OVERSAMPLE)


def _strike(draw: ImageDraw.ImageDraw, mark: Glyphs, scale: float, rng: random.Random) -> None:
    font = pil_font(mark.family, mark.style, mark.size * scale)
    x = mark.x
    for letter in mark.text:
        ink = tuple(channel + rng.randrange(0, 58) for channel in _INKS[mark.colour])
        lift = rng.gauss(0.0, 0.28) + (0.5 if letter in "et" else 0.0)  # two type bars stand a little low
        draw.text((x * scale, (mark.y + lift) * scale), letter, ink, font, anchor="ls")
        if rng.random() < 0.12:  # struck hard
            draw.text((x * scale + 0.6 * _OVERSAMPLE, (mark.y + lift) * scale), letter, ink, font, anchor="ls")
        x += width(letter, mark.family, mark.style, mark.size)


def add_pdf_page(document: pymupdf.Document, page: SetPage) -> None:
    """A born-digital page: its type as type, its strokes as strokes."""
    sheet = document.new_page(width=page.size[0], height=page.size[1])
    shape = sheet.new_shape()
    for mark in page.marks:
        if isinstance(mark, Stroke):
            shape.draw_polyline(mark.points)
            grey = (mark.fill,) * 3 if mark.fill is not None else None
            ink = tuple(channel / 255 for channel in _INKS[mark.colour])
            shape.finish(width=mark.weight, color=ink if mark.weight else None, fill=grey, closePath=False)
    shape.commit()
    for colour, channels in _INKS.items():
        marks = [mark for mark in page.marks if isinstance(mark, Glyphs) and mark.colour == colour]
        _write(sheet, [(m, m.x, m.y, m.text) for m in marks], tuple(c / 255 for c in channels), 0)


def add_scan_page(
    document: pymupdf.Document, page: SetPage, scan: bytes, layer: str, skew: float, shown_turned: int, where: str
) -> None:
    """A page that is one picture. `layer` is "none", "true", "garbled" or "strange"; `skew` turns the hidden words
    with the picture (degrees clockwise); `shown_turned` is the page's /Rotate."""
    image = pymupdf.Pixmap(scan)
    points = page.size if (image.width > image.height) == (page.size[0] > page.size[1]) else page.size[::-1]
    sheet = document.new_page(width=points[0], height=points[1])
    sheet.insert_image(sheet.rect, stream=scan)
    words = [mark for mark in page.marks if isinstance(mark, Glyphs)]
    if layer != "none":
        texts = {"true": lambda: [w.text for w in words], "garbled": lambda: garble(words, where)}
        hidden = texts.get(layer, lambda: strange_text(words))()
        angle, (cx, cy) = math.radians(skew), (points[0] / 2, points[1] / 2)
        placed = []
        for word, text in zip(words, hidden, strict=True):
            dx, dy = word.x - cx, word.y - cy
            x = cx + dx * math.cos(angle) - dy * math.sin(angle)
            y = cy + dx * math.sin(angle) + dy * math.cos(angle)
            placed.append((word, x, y, text))
        _write(sheet, placed, (0.0, 0.0, 0.0), 3)
    if shown_turned:
        sheet.set_rotation(shown_turned)


def _write(
    sheet: pymupdf.Page,
    words: list[tuple[Glyphs, float, float, str]],
    colour: tuple[float, ...],
    render_mode: int,
) -> None:
    writer = pymupdf.TextWriter(sheet.rect)
    for mark, x, y, text in words:
        writer.append((x, y), text + " ", font=pdf_font(mark.family, mark.style), fontsize=mark.size)
    if words:
        writer.write_text(sheet, color=colour, render_mode=render_mode)


def garble(words: list[Glyphs], where: str) -> list[str]:
    """The words as a font without a Unicode mapping gives them: each letter another, the same one everywhere."""
    rng = random.Random(f"garble {where}")
    signs = [chr(code) for code in range(0x21, 0x7F)]
    other = dict(zip(signs, rng.sample(signs, len(signs)), strict=True))
    return ["".join(other.get(letter, "#") for letter in word.text) for word in words]


def strange_text(words: list[Glyphs]) -> list[str]:
    """Good English that stands nowhere on the page, as when layers of two files were mixed up."""
    source = _UNRELATED.split()
    return [source[at % len(source)] for at in range(len(words))]
