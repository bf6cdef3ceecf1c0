"""The words that pages have, numbered, so that judging a page's words for a query costs a look-up for each.

A query looks at some twenty-five pages with thousands of different words, nearly all of which were seen by queries
before it. What depends on a word alone (its stem, its look-alike fold) is worked out when it is first seen and kept
here for the whole process; what depends on the query is then asked of arrays and small dictionaries.

A lexicon only grows. Past `MAX_WORDS` or `MAX_CHARACTERS` the next query begins a new one; queries that still use the
old one keep it.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence

import numpy as np

from index.fuzzy import ocr_fold
from index.words import STOPWORDS, fold, stem

MAX_WORDS = 131_072
"""Some 400 bytes each. An archive of ordinary pages in one language has fewer."""
MAX_CHARACTERS = 4_000_000
"""Of all words together: a page without spaces is one long word."""


class _Groups:
    """The numbers 0, 1, 2, ... by a key that each has. Chains instead of lists, which most of the memory would go to:
    nearly every group has one member.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._before = array("i")

    def append(self, key: str) -> None:
        """Give the next number its key."""
        number = len(self._before)
        self._before.append(self._last.get(key, -1))
        self._last[key] = number

    def of(self, key: str) -> list[int]:
        """The numbers that have this key, the latest first."""
        numbers = []
        number = self._last.get(key, -1)
        while number >= 0:
            numbers.append(number)
            number = self._before[number]
        return numbers


class Lexicon:
    """Thread-safe. Words come as a page has them, upper case and accents included."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.shapes: list[str] = []
        """By number: the word's look-alike fold."""
        self._numbers: dict[str, int] = {}
        self._stemmed = _Groups()
        self._alike = _Groups()
        self._lengths = np.zeros(1024, np.int32)
        self._characters = 0
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        return len(self._numbers) > MAX_WORDS or self._characters > MAX_CHARACTERS

    def numbers(self, words: Sequence[str]) -> np.ndarray:
        """The words' numbers, int32 (words,)."""
        found = list(map(self._numbers.get, words))
        if None in found:
            with self._lock:
                for at, number in enumerate(found):
                    if number is None:
                        found[at] = self._number(words[at])
        return np.array(found, np.int32)

    def folded(self, words: Sequence[str]) -> list[str]:
        """The words' look-alike folds."""
        return [self.shapes[number] for number in self.numbers(words).tolist()]

    def lengths(self, numbers: np.ndarray) -> np.ndarray:
        """Characters of the look-alike folds: int32, of the shape of `numbers`; 0 for stop words."""
        return self._lengths[numbers]

    def stemmed(self, root: str) -> Sequence[int]:
        """Numbers of the words that have this stem."""
        return self._stemmed.of(root)

    def alike(self, shape: str) -> Sequence[int]:
        """Numbers of the words that have this look-alike fold."""
        return self._alike.of(shape)

    def _number(self, word: str) -> int:
        """The word's number; it gets one where it has none."""
        known = self._numbers.get(word)
        if known is not None:
            return known
        form = fold(word)
        shape = ocr_fold(form)
        number = len(self.shapes)
        if number == len(self._lengths):
            self._lengths = np.concatenate([self._lengths, np.zeros(number, np.int32)])
        self._lengths[number] = 0 if form in STOPWORDS else len(shape)
        self.shapes.append(shape)
        self._alike.append(shape)
        self._stemmed.append(stem(form, self.language))
        self._characters += len(word)
        self._numbers[word] = number  # last: who finds it here finds the rest
        return number


_current: dict[str, Lexicon] = {}
_changing = threading.Lock()


def lexicon(language: str) -> Lexicon:
    """The process's lexicon for a stemming language (Snowball's name)."""
    held = _current.get(language)
    if held is None or held.full:
        with _changing:
            held = _current.get(language)
            if held is None or held.full:
                held = _current[language] = Lexicon(language)
    return held
