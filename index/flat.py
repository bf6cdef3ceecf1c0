"""A page's text made flat, so that offsets in it are offsets in the page, and its words."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


_LETTERS = {"ø": "o", "ł": "l", "đ": "d"}
"""As `index.words.fold` has them; "œ" and "æ" would become two."""


class _SameLengthFold(dict):
    """Lower case without accents, one character for one, so that offsets stay true."""

    def __missing__(self, code: int) -> str:
        base = _LETTERS.get(chr(code).lower()) or unicodedata.normalize("NFKD", chr(code))[0].lower()
        self[code] = base if len(base) == 1 else chr(code)
        return self[code]


_FLAT = _SameLengthFold()


def flat(text: str) -> str:
    """The text folded without changing its length."""
    return text.lower() if text.isascii() else text.translate(_FLAT)


_GAPS = {code: " " for code in range(128) if not chr(code).isalnum()}


def words_of(text: str) -> list[str]:
    """The words of a text, runs of letters and digits; several times faster where all is ASCII."""
    return text.translate(_GAPS).split() if text.isascii() else _WORD.findall(text)
