"""A square sheet that text is set on: ink as coverage, and for each character of the reading where it stands.

Glyphs are rasterised once for each face and size and then copied, which is what makes thousands of pages per minute
possible. The reading (`Sheet.text`) is in the order in which things are written; every character of it, spaces and
line ends too, has a place on the sheet, so that a decoder can be told where it should be looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from worker.train.fonts import opened

_MIDDLE = 0.3  # of the size: how far above the baseline the middle of a line of small letters is
_SIZES_KEPT = 4096  # types per process, some 60 kB each


@dataclass(frozen=True, slots=True)
class Glyph:
    """Coverage (h, w) uint8, its corner relative to the pen on the baseline, and how far the pen moves."""

    ink: np.ndarray
    dx: int
    dy: int
    advance: float


class Type:
    """A face at a size in pixels."""

    def __init__(self, face: Path, size: int) -> None:
        self.size = size
        self._font = opened(face, size)
        self._glyphs: dict[str, Glyph] = {}
        self._kerns: dict[str, float] = {}

    def glyph(self, char: str) -> Glyph:
        found = self._glyphs.get(char)
        if found is None:
            found = self._glyphs[char] = self._drawn(char)
        return found

    def kern(self, pair: str) -> float:
        """What is added between two characters, mostly 0."""
        found = self._kerns.get(pair)
        if found is None:
            apart = self.glyph(pair[0]).advance + self.glyph(pair[1]).advance
            found = self._kerns[pair] = self._font.getlength(pair) - apart
        return found

    def width(self, text: str) -> float:
        """Advance width in pixels, kerning left out."""
        return sum(self.glyph(char).advance for char in text)

    def _drawn(self, char: str) -> Glyph:
        left, top, right, bottom = self._font.getbbox(char, anchor="ls")
        left, top = int(left), int(top)
        size = (max(0, int(right) - left), max(0, int(bottom) - top))
        advance = self._font.getlength(char)
        if not size[0] or not size[1]:
            return Glyph(np.zeros((0, 0), np.uint8), 0, 0, advance)
        image = Image.new("L", size)
        ImageDraw.Draw(image).text((-left, -top), char, fill=255, font=self._font, anchor="ls")
        pixels = np.asarray(image)
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        if not len(rows):
            return Glyph(np.zeros((0, 0), np.uint8), 0, 0, advance)
        cut = np.ascontiguousarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        return Glyph(cut, left + int(columns[0]), top + int(rows[0]), advance)


@lru_cache(maxsize=_SIZES_KEPT)
def type_at(face: Path, size: int) -> Type:
    return Type(face, size)


@dataclass(slots=True)
class Sheet:
    """`ink` is coverage (S, S) uint8. The lists run parallel: one entry for each character of the reading.

    `places` are (x, y) of a character's middle, on the middle of its line; `boxes` (left, top, right, bottom) of its
    ink, right and bottom exclusive, None for what leaves none; `guessable` as in `text.Said`.
    """

    side: int
    ink: np.ndarray = field(init=False)
    chars: list[str] = field(default_factory=list)
    places: list[tuple[float, float]] = field(default_factory=list)
    boxes: list[tuple[int, int, int, int] | None] = field(default_factory=list)
    guessable: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ink = np.zeros((self.side, self.side), np.uint8)

    @property
    def text(self) -> str:
        return "".join(self.chars)

    def write(
        self,
        words: Sequence[str],
        guessable: Sequence[bool],
        x: float,
        baseline: int,
        kind: Type,
        *,
        tracking: float = 0.0,
        space: float | None = None,
    ) -> float:
        """One line of words from `x` on, `space` pixels apart; where the pen ends. Ink beyond the edge is cut off."""
        middle = baseline - _MIDDLE * kind.size
        gap = kind.glyph(" ").advance if space is None else space
        last = len(words) - 1
        for number, (word, known) in enumerate(zip(words, guessable, strict=True)):
            before = ""
            for char in word:
                glyph = kind.glyph(char)
                if before:
                    x += kind.kern(before + char)
                box = self._ink(glyph, round(x) + glyph.dx, baseline + glyph.dy)
                self._add(char, x + glyph.advance / 2, middle, box, known)
                x += glyph.advance + tracking
                before = char
            if number != last:
                self._add(" ", x + gap / 2, middle, None, True)
                x += gap
        return x

    def part(self, separator: str) -> None:
        """A separator that is read but not seen, such as a line end: it stands where the pen last was."""
        place = self.places[-1] if self.places else (0.0, 0.0)
        for char in separator:
            self._add(char, *place, None, True)

    def rule(self, left: int, top: int, right: int, bottom: int) -> None:
        """A filled rectangle that is no text."""
        part = self.ink[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        part[:] = 255

    def _add(self, char: str, x: float, y: float, box: tuple[int, int, int, int] | None, known: bool) -> None:
        self.chars.append(char)
        self.places.append((x, y))
        self.boxes.append(box)
        self.guessable.append(known)

    def _ink(self, glyph: Glyph, left: int, top: int) -> tuple[int, int, int, int] | None:
        height, width = glyph.ink.shape
        if not height:
            return None
        right, bottom = left + width, top + height
        if left < 0 or top < 0 or right > self.side or bottom > self.side:
            return self._cut(glyph, left, top)
        part = self.ink[top:bottom, left:right]
        np.maximum(part, glyph.ink, out=part)
        return left, top, right, bottom

    def _cut(self, glyph: Glyph, left: int, top: int) -> tuple[int, int, int, int] | None:
        height, width = glyph.ink.shape
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(self.side, left + width), min(self.side, top + height)
        if x0 >= x1 or y0 >= y1:
            return None
        part = self.ink[y0:y1, x0:x1]
        np.maximum(part, glyph.ink[y0 - top : y1 - top, x0 - left : x1 - left], out=part)
        return x0, y0, x1, y1
