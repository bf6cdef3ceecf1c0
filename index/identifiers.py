"""How identifiers are spelled on a page: any separators between their characters, look-alikes, one character wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from rapidfuzz.distance import OSA

from index.fuzzy import identifier_fold
from index.words import squeeze

_LOOKALIKE = {
    "0": "0oq", "o": "0o", "1": "1il|", "i": "1il|", "l": "1il|", "5": "5s", "s": "5s", "8": "8b", "b": "8b6",
    "2": "2z", "z": "2z", "6": "6b", "g": "g9", "9": "9g",
}  # fmt: skip


_CLASSES = {"o": "0", "q": "0", "i": "1", "l": "1", "|": "1", "s": "5", "b": "8", "6": "8", "z": "2", "g": "9"}
BARE = {
    code: _CLASSES.get(chr(code), chr(code)) if chr(code).isalnum() or chr(code) == "|" else None for code in range(128)
}


def bare(low: str) -> str:
    """Flat ASCII text without separators, each character as one of all that it may be taken for (`_LOOKALIKE`). Where
    it has bars, which may be either, it comes twice.
    """
    plain = low.translate(BARE)
    return plain if "|" not in low else f"{plain}\n{low.replace('|', '').translate(BARE)}"


def one_apart(wanted: str, raw: str) -> bool:
    """Whether what stands between two spaces is the identifier but for one character at most."""
    if not len(wanted) - 1 <= len(raw) <= _STRETCH * len(wanted) or raw.isalpha():
        return False
    code = _code(raw)
    return abs(len(code) - len(wanted)) <= 1 and OSA.distance(wanted, code, score_cutoff=1) <= 1


_STRETCH = 4
"""Separators between the characters make an identifier longer, but not more than this many times."""


@lru_cache(maxsize=16384)
def _code(raw: str) -> str:
    return identifier_fold(squeeze(raw))


_TOUCHING = r"\|(?=[^\s|])|(?<=[^\s|])\|"
"""A bar that touches another character. Those between the cells of a table have spaces on both sides."""


def spelled(form: str, *, alike: bool = False) -> re.Pattern[str]:
    """A pattern for an identifier on flat text, whatever separators stand between its characters."""
    if not alike:
        return _separated(map(re.escape, form), r"[\W_]")
    # What may be a character is no separator too: else a row of bars is tried in more ways than can be counted.
    return _separated(map(_may_look_like, form), r"[^\w|]|_")


def _may_look_like(character: str) -> str:
    alike = _LOOKALIKE.get(character, character)
    return f"(?:[{alike.replace('|', '')}]|{_TOUCHING})" if "|" in alike else f"[{re.escape(alike)}]"


def _separated(characters: Iterable[str], separator: str) -> re.Pattern[str]:
    return re.compile(r"(?<![^\W_])" + f"(?:{separator}){{0,3}}?".join(characters) + r"(?![^\W_])")
