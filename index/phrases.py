"""Where a quoted phrase stands in a page: as it was written, over a line's end, or with a word misread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from rapidfuzz.distance import OSA

from index.flat import words_of
from index.fuzzy import FUZZY_QUALITY, MIN_FUZZY_LENGTH, SHAPE_QUALITY, is_near, ocr_fold
from index.lexicon import Lexicon

_WORD = re.compile(r"[^\W_]+")
_BREAK = re.compile(r"[‐¬]\n")
"""Where a line's end may have broken a word in two, besides after a plain hyphen."""


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...], *, broken: bool) -> re.Pattern[str]:
    """A pattern for a phrase on flat text: any white space and punctuation between its words and, where `broken`,
    words that a line's end broke in two. That takes milliseconds to compile, and few pages have such words.
    """
    gap = r"(?:[-‐¬]\n\s*)?" if broken else ""
    spelled = [_letters(w, gap if 5 <= len(w) <= 24 else "") for w in words]
    return re.compile(r"(?<![^\W_])" + r"[\W_]{1,6}?".join(spelled) + r"(?![^\W_])")


_LETTER = re.compile(r"ss|oe|ae|.", re.DOTALL)
_KEPT = str.maketrans({"ß": "ss", "ς": "σ", "œ": "oe", "æ": "ae"})
"""Letters of flat text that folding makes two or others."""


def _letters(word: str, gap: str) -> str:
    """A folded word as a pattern for flat text."""
    kept = {"ss": f"(?:s{gap}s|ß)", "oe": f"(?:o{gap}e|œ)", "ae": f"(?:a{gap}e|æ)", "σ": "[σς]"}
    return gap.join(kept.get(letter) or re.escape(letter) for letter in _LETTER.findall(word))


def phrase_places(
    low: str, words: tuple[str, ...], lexicon: Lexicon, alike: Sequence[AbstractSet[str]], *, held: int
) -> list[tuple[int, int, float]]:
    """(start, end, quality) of each place. `low` is the page's text made `flat`; `words` are the phrase's, folded, each
    with the words `alike` that the page may have for it; of so many it has some (`held`), without which it need not be
    looked through.
    """
    broken = "-\n" in low or _BREAK.search(low) is not None
    folded = low if low.isascii() else low.translate(_KEPT)
    if broken or (held == len(words) and max(words, key=len) in folded):
        here = [(*m.span(), 1.0) for m in _pattern(words, broken=broken).finditer(low)]
        if here:
            return here
    # A single word may be misread anywhere in it; of several, most have to be there as they are.
    return _misread(low, words, lexicon, alike) if len(words) == 1 or held >= len(words) - _allowed(words) else []


def _allowed(words: Sequence[str]) -> int:
    """Words that may be misread beyond look-alikes."""
    return max(1, len(words) // 4)


def _misread(
    low: str, words: tuple[str, ...], lexicon: Lexicon, alike: Sequence[AbstractSet[str]]
) -> list[tuple[int, int, float]]:
    """Places where the words follow each other and each is near to the phrase's, most of them the same."""
    if sum(map(len, words)) < MIN_FUZZY_LENGTH:
        return []
    wanted = [ocr_fold(w) for w in words]
    allowed = _allowed(words)
    there = words_of(low)
    begins: dict[int, float] = {}  # number of the first word: quality
    for anchor in sorted(range(len(wanted)), key=lambda i: -len(wanted[i]))[: allowed + 1]:
        for at in (number for number, word in enumerate(there) if word in alike[anchor]):
            begin = at - anchor
            if begin < 0 or begin + len(wanted) > len(there) or begin in begins:
                continue
            other = [i for i in range(len(wanted)) if there[begin + i] not in alike[i]]
            if len(other) > allowed:
                continue
            folded = lexicon.folded([there[begin + i] for i in other])
            if all(_near_word(wanted[i], word) for i, word in zip(other, folded, strict=True)):
                begins[begin] = SHAPE_QUALITY if not other else FUZZY_QUALITY
    if len(wanted) == 1 and not begins:
        begins = {at: FUZZY_QUALITY for at, word in enumerate(lexicon.folded(there)) if is_near(wanted[0], word)}
    if not begins:
        return []
    page = list(_WORD.finditer(low))
    return [
        (page[begin].start(), page[begin + len(wanted) - 1].end(), quality) for begin, quality in sorted(begins.items())
    ]


def _near_word(wanted: str, word: str) -> bool:
    """Inside a phrase, short words may have one misread letter too: their neighbours vouch for them."""
    return is_near(wanted, word) or OSA.distance(wanted, word, score_cutoff=1) <= min(1, len(wanted) - 1)
