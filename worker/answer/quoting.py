"""From chosen spans to citations: boxes on the page, and the answer as people read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from typing import TypeVar

from rapidfuzz import fuzz

from index.parts import lead_ins
from index.passages import plain
from index.snippets import region_boxes
from index.types import Box, Citation, Hit, PagePoint, Statement, Word
from index.words import tokens
from worker.answer.harmless import harmless

NOT_FOUND = "Not found in these documents."
_SAME_LINE = 0.5
"""Words whose boxes overlap by half their height stand on one line."""
_SAME_TEXT = 92
"""Per cent of characters that two scans of one text share; two readings of a page differ in a few letters."""
_SAME_WORD = 60
"""Per cent of the letters of a word, or of two that run together, that two readings of it share at least."""
_COMPARED = 4000
"""Characters of a page that are compared."""

_RULE = frozenset("|:- ")
"""What the line under a table's header is made of."""

T = TypeVar("T")


def without_copies(places: Sequence[T], text_of: Callable[[T], str]) -> list[T]:
    """The places in their order, less those whose text says the same as an earlier one's, numbers and words exactly
    but for misread letters: what stands in two copies of a document is cited once, what they contradict each other in
    twice.
    """
    kept: list[T] = []
    seen: list[list[str]] = []
    for place in places:
        words = [token.form for token in tokens(text_of(place)[:_COMPARED])]
        if not any(_says_the_same(words, other) for other in seen):
            kept.append(place)
            seen.append(words)
    return kept


def _says_the_same(words: list[str], others: list[str]) -> bool:
    numbers, other_numbers = ([word for word in each if any(map(str.isdigit, word))] for each in (words, others))
    if numbers != other_numbers or not fuzz.ratio(" ".join(words), " ".join(others), score_cutoff=_SAME_TEXT):
        return False
    if words == others:
        return True
    for kind, a, b, c, d in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        mine, theirs = "".join(words[a:b]), "".join(others[c:d])
        # "not" or another thing's name is a word more or another one; a stray mark is read as one letter.
        if kind != "equal" and max(len(mine), len(theirs)) > 1 and fuzz.ratio(mine, theirs) < _SAME_WORD:
            return False
    return True


def introduced(hit: Hit, page: PagePoint, span: tuple[int, int], score: float) -> list[Citation]:
    """The span as a citation and, where it is an item of a list that says nothing by itself ("(a) keep petrol"), what
    introduces it before it ("The Tenant shall not:").
    """
    return [cite(hit, page, one, score) for one in (*lead_ins(page.text, span[0]), span)]


def each_once(citations: Iterable[Citation]) -> list[Citation]:
    """Citations less those that share text with an earlier one."""
    kept: list[Citation] = []
    for one in citations:
        if not any(k.key == one.key and k.start < one.end and one.start < k.end for k in kept):
            kept.append(one)
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
    return " ".join(f"{said(c)} [{n}]" for n, c in enumerate(citations, 1))


def said(citation: Citation) -> str:
    """A quote as people read it, without its number."""
    return f"“{harmless(_spoken(citation.quote))}”"


def spelt(statement: Statement) -> str:
    """A statement with its citations' numbers, as it stands in an answer's text. Statements stand a space apart."""
    return statement.text + "".join(f" [{place + 1}]" for place in statement.citations)


def _spoken(quote: str) -> str:
    if "|" not in quote:
        return plain(quote) or quote
    lines = [_spoken_line(line) for line in quote.split("\n")]
    return "; ".join(line for line in lines if line) or quote


def _spoken_line(line: str) -> str:
    if not (line.startswith("|") and line.endswith("|")):
        return plain(line)
    if set(line) <= _RULE:
        return ""
    return " · ".join(cell for cell in (plain(c) for c in line.strip("|").split("|")) if cell)
