"""Words that a reader may have misread.

`ocr_fold` maps spellings that look alike (`rn`/`m`, `0`/`O`, `1`/`l`/`I`, ...) to one key, so
confusions of shape cost nothing. `half_keys` and `wanted_keys` find words with one more error:
an error leaves the front or the back half of a word whole, so a page stores both halves of each
word with the word's length, and a query asks for its own halves at its length and the lengths
beside it. That is two features for a word, in the page's own sparse vector: no vocabulary beside
the index, nothing left behind when a document is deleted, and the same on a server. Halves that
agree by chance are told apart afterwards by `is_near`, on the text.
"""

from __future__ import annotations

from functools import lru_cache

from rapidfuzz.distance import OSA

MIN_FUZZY_LENGTH = 5
"""Shorter words have too many real neighbours: `form`, `from`, `firm`, `for`."""

FUZZY_QUALITY = 0.7
"""What a word counts that is the query's only after one or two letters are changed."""
SHAPE_QUALITY = 0.9
"""The same for spellings that merely look alike."""

_SHAPES = str.maketrans(
    {"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "8": "b", "6": "b", "9": "g", "2": "z", "j": "l"}
)
_IDENTIFIER_SHAPES = str.maketrans({"o": "0", "i": "1", "l": "1", "|": "1", "s": "5", "b": "8", "z": "2", "q": "0"})


@lru_cache(maxsize=65536)
def ocr_fold(word: str) -> str:
    """A key that is the same for spellings that look alike. `word` is lower case without accents."""
    return word.replace("rn", "m").replace("vv", "w").replace("cl", "d").translate(_SHAPES)


def identifier_fold(identifier: str) -> str:
    """The same for identifiers, where letters stand for digits: `INV-2O24-O1l7` is `INV-2024-0117`."""
    return identifier.translate(_IDENTIFIER_SHAPES)


def half_keys(word: str) -> tuple[str, ...]:
    """What a page stores of a word: its front and its back half, each with its length; nothing of short words."""
    if len(word) < MIN_FUZZY_LENGTH:
        return ()
    folded = ocr_fold(word)
    return _front(folded, len(folded)), _back(folded, len(folded))


def wanted_keys(word: str) -> tuple[str, ...]:
    """What a query asks for: the halves as they are in words of the same length, one shorter and one longer."""
    if len(word) < MIN_FUZZY_LENGTH:
        return ()
    folded = ocr_fold(word)
    return tuple(half(folded, length) for length in range(len(folded) - 1, len(folded) + 2) for half in (_front, _back))


def _front(folded: str, length: int) -> str:
    return f"<{folded[: (length + 1) // 2]}{length}"


def _back(folded: str, length: int) -> str:
    return f">{folded[-(length // 2) :]}{length}"


def allowed_distance(length: int) -> int:
    """How many misread letters a word of this length may have: 0 below 5, 1 below 8, else 2."""
    return 0 if length < MIN_FUZZY_LENGTH else 1 if length < 8 else 2


def is_near(folded_query: str, folded_word: str) -> bool:
    """Whether a page's word may be the query's word misread. Both are `ocr_fold`ed."""
    allowed = allowed_distance(len(folded_query))
    if allowed == 0:
        return folded_query == folded_word
    if abs(len(folded_query) - len(folded_word)) > allowed:
        return False
    return OSA.distance(folded_query, folded_word, score_cutoff=allowed) <= allowed
