"""From chosen spans to citations: boxes on the page, and the answer as people read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rapidfuzz import fuzz

from index.passages import plain
from index.snippets import region_boxes
from index.types import Box, Citation, Hit, PagePoint, Word
from index.words import tokens
from worker.answer.harmless import harmless

NOT_FOUND = "Not found in these documents."
_SAME_LINE = 0.5
"""Words whose boxes overlap by half their height stand on one line."""
_SAME_TEXT = 92
"""Per cent of characters that two scans of one text share; two readings of a page differ in a few letters."""
_COMPARED = 4000
"""Characters of a page that are compared."""

T = TypeVar("T")


def without_copies(places: Sequence[T], text_of: Callable[[T], str]) -> list[T]:
    """The places in their order, less those whose text says the same as an earlier one's, numbers exactly: what
    stands in two copies of a document is cited once.
    """
    kept: list[T] = []
    seen: list[tuple[str, list[str]]] = []
    for place in places:
        words = [token.form for token in tokens(text_of(place)[:_COMPARED])]
        text, numbers = " ".join(words), [word for word in words if any(map(str.isdigit, word))]
        if not any(numbers == old and fuzz.ratio(text, other, score_cutoff=_SAME_TEXT) for other, old in seen):
            kept.append(place)
            seen.append((text, numbers))
    return kept


def cite(hit: Hit, page: PagePoint, span: tuple[int, int], score: float) -> Citation:
    """The span of the page as a citation, with the boxes of its lines or, where the reader gave no words, regions."""
    start, end = span
    boxes = line_boxes([w for w in page.words if w.start < end and w.end > start])
    return Citation(
        key=page.key,
        filename=hit.labels.filename,
        quote=page.text[start:end],
        start=start,
        end=end,
        boxes=boxes or region_boxes(page.regions, [span]),
        score=round(score, 4),
    )


def line_boxes(words: Sequence[Word]) -> tuple[Box, ...]:
    """One box for each line of neighbouring words, in the order of the text."""
    boxes: list[Box] = []
    for word in sorted(words, key=lambda w: w.start):
        if boxes and _continues(boxes[-1], word.box):
            boxes[-1] = boxes[-1].union(word.box)
        else:
            boxes.append(word.box)
    return tuple(boxes)


def _continues(line: Box, word: Box) -> bool:
    """Whether a word stands on the line, to its right and not a column away."""
    overlap = min(line.y1, word.y1) - max(line.y0, word.y0)
    height = min(line.y1 - line.y0, word.y1 - word.y0)
    return overlap >= _SAME_LINE * height and word.x0 >= line.x0 and word.x0 - line.x1 < 0.2


def wording(citations: Sequence[Citation]) -> str:
    """The answer for people: the quotes without Markdown's marks and live links, each with its number."""
    return " ".join(f"“{harmless(_spoken(c.quote))}” [{n}]" for n, c in enumerate(citations, 1))


def _spoken(quote: str) -> str:
    if quote.startswith("|") and quote.endswith("|"):
        return " · ".join(cell for cell in (plain(c) for c in quote.strip("|").split("|")) if cell)
    return plain(quote) or quote
