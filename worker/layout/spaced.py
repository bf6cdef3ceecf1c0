"""Letterspaced words ("A G R E E M E N T"): letters set apart for emphasis, put together again.

A reader or a text layer takes letters that stand apart for words of one letter. Four of them in a row, as far apart as
each other, are one word; where the gap is wider by half, the next word begins. Knows tokens and their edges, no page.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.layout.pieces import Token

Edge = tuple[float, float]  # x0, x1

_FEWEST = 4  # letters; three may be initials
_WIDEST = 1.0  # type sizes between two letters of a word
_EVEN = 1.5  # times the usual gap: from here on it parts words
_MARKS = frozenset("&.,:;-'’")


def join_spaced(tokens: Sequence[Token], edges: Sequence[Edge], size: float) -> tuple[list[Token], list[Edge]] | None:
    """The tokens of a line (from left to right) and their edges with letterspaced words joined; None where there are
    none. `size` and `edges` are in the same units.
    """
    if sum(len(token.text) == 1 for token in tokens) < _FEWEST:
        return None
    joined: list[Token] = []
    places: list[Edge] = []
    start, found = 0, False
    while start < len(tokens):
        stop = start
        while (
            stop < len(tokens)
            and _is_part(tokens[stop].text)
            and (stop == start or edges[stop][0] - edges[stop - 1][1] < 3 * _WIDEST * size)
        ):
            stop += 1
        words = _words(tokens, edges, range(start, stop), size)
        if words:
            found = True
            joined.extend(_one(tokens[word.start : word.stop]) for word in words)
            places.extend((edges[word.start][0], edges[word.stop - 1][1]) for word in words)
            start = stop
        else:
            joined.extend(tokens[start : max(stop, start + 1)])
            places.extend(edges[start : max(stop, start + 1)])
            start = max(stop, start + 1)
    return (joined, places) if found else None


def _is_part(text: str) -> bool:
    return len(text) == 1 and (_is_letter(text) or text in _MARKS)


def _is_letter(text: str) -> bool:
    """Of a script with capitals: others set single letters apart for other reasons."""
    return text.lower() != text.upper()


def _words(tokens: Sequence[Token], edges: Sequence[Edge], run: range, size: float) -> list[range]:
    """The words that a run of single letters makes; none where they are no letterspaced text."""
    letters = [tokens[k].text for k in run if _is_letter(tokens[k].text)]
    if len(letters) < _FEWEST or all(ord(b) - ord(a) == 1 for a, b in itertools.pairwise(letters)):
        return []  # "A B C D" is the alphabet
    gaps = [edges[k][0] - edges[k - 1][1] for k in range(run.start + 1, run.stop)]
    usual = median(sorted(gaps)[: max(1, (3 * len(gaps) + 3) // 4)])  # the widest part words
    if not 0.0 < usual <= _WIDEST * size:
        return []
    ends = [k for k in range(run.start + 1, run.stop) if gaps[k - run.start - 1] > _EVEN * usual + 0.1 * size]
    words = [range(a, b) for a, b in itertools.pairwise([run.start, *ends, run.stop])]
    # A row of answers or of initials falls apart into letters.
    return words if 2 * len(words) <= len(letters) else []


def _one(tokens: Sequence[Token]) -> Token:
    box = tokens[0].box
    for token in tokens[1:]:
        box = box.union(token.box)
    return replace(tokens[0], text="".join(token.text for token in tokens), box=box)
