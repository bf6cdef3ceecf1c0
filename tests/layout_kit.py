"""Synthetic pages for the layout tests: sets text in lines with known boxes, as a reader would return them.

Lengths are in points on a page of 600 x 800; a character is half an em wide.
"""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass, field

from index.types import Box
from worker.layout.compose import compose
from worker.layout.lines import Composed, Line, LineWord

WIDTH, HEIGHT = 600, 800

PROSE = (
    "The committee met at noon in the old customs house and heard the report of the surveyor. "
    "He had walked along the whole of the northern wall with two men and a lamp, and found the stones "
    "in good order but the mortar washed out from nearly every joint below the line of the spring tides. "
    "It was agreed that the work could not wait for another winter, and that the money should be found "
    "from the fund which had been set aside for the new lamps. "
)
OTHER = (
    "Nobody could say when the ferry had last been painted. Her master thought it was before the war, "
    "and the oldest of the deck hands remembered that the paint had been grey, because it was what the "
    "navy had left behind in the sheds when it went away. The passengers did not mind very much, and some "
    "of them came only to look at her, which the company counted as an advantage over the railway. "
)


def wrap(text: str, width: float, size: float, indent: float = 0.0) -> list[str]:
    """Lines of text that fit into `width` points of type of `size` points; the first is set in by `indent`."""
    chars = int(width / (size * 0.5))
    return textwrap.wrap(
        text, chars, initial_indent=" " * int(indent / (size * 0.5)), break_long_words=False, break_on_hyphens=False
    )


@dataclass
class Page:
    """Lines set so far; `jitter` shakes every box by up to so many points, drawn from `seed`."""

    jitter: float = 0.0
    seed: int = 0
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def line(self, x: float, y: float, text: str, size: float = 10.0, *, bold: bool = False) -> None:
        """One line with its top left corner at x, y. Leading spaces set it in."""
        stripped = text.lstrip(" ")
        x += (len(text) - len(stripped)) * size * 0.5
        shake = [self.random.uniform(-self.jitter, self.jitter) for _ in range(4)]
        box = Box(
            (x + shake[0]) / WIDTH,
            (y + shake[1]) / HEIGHT,
            (x + len(stripped) * size * 0.5 + shake[2]) / WIDTH,
            (y + size + shake[3]) / HEIGHT,
        )
        words = []
        at = 0
        for word in stripped.split():
            at = stripped.index(word, at)
            x0 = (x + at * size * 0.5) / WIDTH
            x1 = (x + (at + len(word)) * size * 0.5) / WIDTH
            words.append(LineWord(word, Box(x0, y / HEIGHT, x1, (y + size) / HEIGHT)))
            at += len(word)
        self.lines.append(Line(stripped, box, box, tuple(words), 0.98, size / HEIGHT, bold))

    def text(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        size: float = 10.0,
        leading: float = 1.3,
        indent: float = 0.0,
    ) -> float:
        """A paragraph; the result is where the next line would stand."""
        for line in wrap(text, width, size, indent):
            self.line(x, y, line, size)
            y += size * leading
        return y

    def row(self, y: float, cells: list[tuple[float, str]], size: float = 10.0) -> None:
        for x, text in cells:
            if text:
                self.line(x, y, text, size)

    def in_words(self) -> Page:
        """The same page as a reader returns it that knows words and no lines."""
        page = Page()
        page.lines = [
            Line(w.text, w.box, w.box, (w,), line.score, line.size, line.bold)
            for line in self.lines
            for w in line.words
        ]
        return page

    def composed(self, rules: list[Box] | None = None, *, shuffle: int | None = None) -> Composed:
        lines = list(self.lines)
        if shuffle is not None:
            random.Random(shuffle).shuffle(lines)
        result = compose(lines, width=WIDTH, height=HEIGHT, rules=rules or ())
        check_spans(result)
        return result


def rule(x0: float, y0: float, x1: float, y1: float) -> Box:
    """A ruling line given in points."""
    return Box(x0 / WIDTH, y0 / HEIGHT, x1 / WIDTH, y1 / HEIGHT)


def grid(xs: list[float], ys: list[float]) -> list[Box]:
    """All ruling lines of a table."""
    return [
        *(rule(xs[0], y - 0.4, xs[-1], y + 0.4) for y in ys),
        *(rule(x - 0.4, ys[0], x + 0.4, ys[-1]) for x in xs),
    ]


def check_spans(result: Composed) -> None:
    """Word and region spans lie in the text, in order and without overlap; boxes are on the page."""
    at = 0
    for word in result.words:
        assert at <= word.start < word.end <= len(result.text)
        assert not any(c.isspace() for c in result.text[word.start : word.end])
        assert 0 <= word.box.x0 <= word.box.x1 <= 1
        assert 0 <= word.box.y0 <= word.box.y1 <= 1
        at = word.end
    at = 0
    for region in result.regions:
        assert at <= region.start < region.end <= len(result.text)
        at = region.end
    covered = [any(r.start <= w.start and w.end <= r.end for r in result.regions) for w in result.words]
    assert all(covered)


def flat(text: str) -> str:
    return " ".join(text.split())


def in_order(text: str, *parts: str) -> bool:
    """Do the parts stand in the text one after the other?"""
    at = 0
    text = flat(text)
    for part in parts:
        found = text.find(flat(part), at)
        if found < 0:
            return False
        at = found + len(flat(part))
    return True
