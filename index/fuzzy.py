"""Words that a reader may have misread.

`ocr_fold` maps spellings that look alike (`rn`/`m`, `0`/`O`, `1`/`l`/`I`, ...) to one key, so
confusions of shape cost nothing. `neighbour_keys` gives each word its deletion neighbourhood:
two words share a key when one insertion, deletion or substitution turns one into the other
(the symmetric-delete idea of SymSpell). The keys are features of the page's own sparse
vector, so finding misread words needs no vocabulary beside the index, survives restarts,
works the same on a server, and leaves nothing behind when a document is deleted.
"""

from __future__ import annotations

from rapidfuzz.distance import OSA

MIN_FUZZY_LENGTH = 5
"""Shorter words have too many real neighbours: `form`, `from`, `firm`, `for`."""

_KEY_LENGTH = 9
"""Keys look at this many letters at the front; what follows is left to `is_near`. Bounds the cost of long words."""

_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("nn", "m"), ("ii", "u"), ("li", "h"))
_SHAPES = str.maketrans(
    {"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "8": "b", "6": "b", "9": "g", "2": "z", "j": "l"}
)
_IDENTIFIER_SHAPES = str.maketrans({"o": "0", "i": "1", "l": "1", "|": "1", "s": "5", "b": "8", "z": "2", "q": "0"})


def ocr_fold(word: str) -> str:
    """A key that is the same for spellings that look alike. `word` is lower case without accents."""
    for pair, single in _PAIRS[:3]:
        word = word.replace(pair, single)
    return word.translate(_SHAPES)


def identifier_fold(identifier: str) -> str:
    """The same for identifiers, where letters stand for digits: `INV-2O24-O1l7` is `INV-2024-0117`."""
    return identifier.translate(_IDENTIFIER_SHAPES)


def neighbour_keys(word: str) -> list[str]:
    """The folded word and all it becomes by losing one letter; empty for short words."""
    folded = ocr_fold(word)
    if len(word) < MIN_FUZZY_LENGTH:
        return []
    head = folded[:_KEY_LENGTH]
    keys = {head}
    keys.update(head[:i] + head[i + 1 :] for i in range(len(head)))
    return sorted(keys)


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
