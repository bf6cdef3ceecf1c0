"""A recognised line of text: what every reader of pages hands to `compose`.

Two rectangles, because two questions are asked: `box` is where the line stands on the *deskewed*
page, so that lines are level and gutters upright, and decides the reading order; `page_box` is where
a person sees it on the upright page as rendered, and goes into regions and word boxes. For a text
layer or a straight scan both are the same. All in fractions of the page's width and height.
"""

from __future__ import annotations

from dataclasses import dataclass

from index.types import Box, Region, Word


@dataclass(frozen=True, slots=True)
class LineWord:
    """One word of a line; `box` on the upright page."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, or any piece of one that a detector or a text layer found."""

    text: str
    box: Box  # in layout coordinates: the deskewed page
    page_box: Box  # on the upright page as rendered
    words: tuple[LineWord, ...]  # left to right; where empty, words are cut out of `text`
    score: float  # how sure the reader is, 0..1
    size: float  # height of the type in fractions of the page height
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """A page in reading order.

    `text` is Markdown. `regions` are in reading order, their spans do not overlap. `words` are in the
    order of `text`, and `text[word.start:word.end]` is the word (or the half of a word that a line
    end had divided); markup is never inside a word's span.
    """

    text: str
    regions: tuple[Region, ...]
    words: tuple[Word, ...]
