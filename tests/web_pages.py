"""Pages that are drawn for tests, so that every word's box is exact and no weights are loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from index.types import Box, Region, RegionKind, Word

WIDTH, HEIGHT = 1240, 1754
MARGIN = 130


@dataclass(frozen=True)
class Drawn:
    """A page's text with its places, and its picture."""

    text: str
    words: tuple[Word, ...]
    regions: tuple[Region, ...]
    image: Image.Image


def draw(markdown: str, seed: int = 0) -> Drawn:
    """Set a page: blank lines part blocks, `# ` begins a heading, rows of bars are a table. Paper is a little grey."""
    paper = 244 + seed % 7
    image = Image.new("RGB", (WIDTH, HEIGHT), (paper, paper - 2, paper - 8))
    pen = ImageDraw.Draw(image)
    words: list[Word] = []
    regions: list[Region] = []
    y = 150.0
    for block in re.finditer(r"(?:(?!\n\n).)+", markdown, re.DOTALL):
        start, text = block.start(), block.group()
        table = text.startswith("|")
        heading = text.startswith("#")
        font = ImageFont.load_default(46 if heading else 27)
        line_height = 64.0 if heading else 41.0
        columns = max(1, text.split("\n")[0].count("|") - 1)
        x, top, column = float(MARGIN), y, 0
        for token in re.finditer(r"\n|[^\s]+", text):
            word = token.group()
            if word == "\n":
                x, y, column = float(MARGIN), y + line_height, 0
                continue
            if set(word) <= set("#|-:"):
                if table and word == "|":
                    x = MARGIN + column * (WIDTH - 2 * MARGIN) / columns
                    column += 1
                continue
            width = pen.textlength(word, font=font)
            if not table and x + width > WIDTH - MARGIN:
                x, y = float(MARGIN), y + line_height
            pen.text((x, y), word, font=font, fill=(38, 36, 40))
            box = Box(x / WIDTH, y / HEIGHT, (x + width) / WIDTH, (y + line_height * 0.86) / HEIGHT)
            words.append(Word(start + token.start(), start + token.end(), box))
            x += width + font.size * 0.3
        kind = RegionKind.TABLE if table else RegionKind.HEADING if heading else RegionKind.PARAGRAPH
        box = Box((MARGIN - 12) / WIDTH, (top - 8) / HEIGHT, (WIDTH - MARGIN + 12) / WIDTH, (y + line_height) / HEIGHT)
        regions.append(Region(kind, box, start, block.end()))
        y += line_height * 1.55
    return Drawn(markdown, tuple(words), tuple(regions), image)
