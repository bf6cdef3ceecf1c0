"""Lines of scripts that run from right to left: from the order in which they stand to that in which they are read.

The layout works with words from left to right as they stand on the page; only who writes a line asks for
the other order. Knows words, not letters: within a word the letters come in reading order already.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from worker.layout.kinds import runs_left
from worker.layout.pieces import Token


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
