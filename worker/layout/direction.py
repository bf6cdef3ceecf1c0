"""Scripts that run from right to left: from the order in which words and columns stand to that in which they are read.

A page that is mostly of such a script is laid out as its mirror image, where columns, cells, indents and ends of lines
are as on other pages; who writes a line turns it round again. On other pages the layout works with words from left to
right as they stand, and only who writes a line of such a script asks for the other order. Knows words, not letters:
within a word the letters come in reading order already.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from index.types import Box
from worker.layout.kinds import runs_left
from worker.layout.lines import Line
from worker.layout.pieces import Piece, Token, canonical


def reads_left(lines: Sequence[Line]) -> bool:
    """Whether a page is mostly of a script that runs from right to left."""
    return runs_left("".join(line.text for line in lines))


def mirrored(pieces: Sequence[Piece], aspect: float) -> list[Piece]:
    """The pieces of a page as a mirror shows it, with their words from its left to its right, in canonical order."""
    turned = [
        Piece(
            aspect - p.x1, p.y0, aspect - p.x0, p.y1, p.size, p.bold,
            p.tokens[::-1], tuple((aspect - x1, aspect - x0) for x0, x1 in reversed(p.edges)),
        )
        for p in pieces
    ]  # fmt: skip
    return canonical(turned)


def mirrored_rules(rules: Sequence[Box]) -> list[Box]:
    return [Box(1 - rule.x1, rule.y0, 1 - rule.x0, rule.y1) for rule in rules]


def in_logical_order(line: Sequence[Token]) -> Sequence[Token]:
    """Words that stand from left to right, as they are read: a line of Hebrew or Arabic from the right, but what it
    quotes in Latin letters from the left. Other lines come back as they are.
    """
    if not runs_left("".join(token.text for token in line)):
        return line
    ordered: list[list[Token]] = []
    quoted: list[Token] = []
    for token in line:
        if token.glued and ordered:
            ordered[-1].append(token)
        elif _is_latin(token.text) or (quoted and _is_number(token.text)):
            if not quoted:
                ordered.append([])
            quoted.append(token)
            ordered[-1].append(token)
            continue
        else:
            ordered.append([token])
        quoted = []
    return [token for group in reversed(ordered) for token in group]


def _is_latin(word: str) -> bool:
    return any(unicodedata.bidirectional(character) == "L" for character in word) and not runs_left(word)


def _is_number(word: str) -> bool:
    return any(character.isdigit() for character in word) and not any(character.isalpha() for character in word)
