"""Where a query's terms and phrases stand in a page's text.

A `Matcher` is made for one query and looked through many pages; it remembers each distinct
word it has judged, so that a page costs a dictionary look-up for a word. Matches are spans in
the page's own text with a quality: 1.0 for the same stem (or the same characters, for
identifiers and phrases), less for what may be a misread spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from index.fuzzy import MIN_FUZZY_LENGTH, allowed_distance, identifier_fold, is_near, ocr_fold
from index.query import QueryPlan
from index.words import DEFAULT_WORDS, STOPWORDS, WordsConfig, fold, squeeze, stem

FUZZY_QUALITY = 0.7
"""What a word counts that is the query's only after one or two letters are changed."""
SHAPE_QUALITY = 0.9
"""The same for spellings that merely look alike."""

IDENTIFIER_QUALITY = 0.4
"""What an identifier counts that differs from the query's in one character."""

_LONG_IDENTIFIER = 7
_WORD = re.compile(r"[^\W_]+")
_SPACED = re.compile(r"\S+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_LOOKALIKE = {
    "0": "0oq", "o": "0o", "1": "1il|", "i": "1il|", "l": "1il|", "5": "5s", "s": "5s", "8": "8b", "b": "8b6",
    "2": "2z", "z": "2z", "6": "6b", "g": "g9", "9": "9g",
}  # fmt: skip


@lru_cache(maxsize=131072)
def _looks(word: str, language: str) -> tuple[str, str]:
    """A page's word as (stem, look-alike fold); of stop words the latter is empty."""
    form = fold(word)
    return stem(form, language), "" if form in STOPWORDS else ocr_fold(form)


class _SameLengthFold(dict):
    """Lower case without accents, one character for one, so that offsets stay true."""

    def __missing__(self, code: int) -> str:
        base = unicodedata.normalize("NFKD", chr(code))[0].lower()
        self[code] = base if len(base) == 1 else chr(code)
        return self[code]


_FLAT = _SameLengthFold()


def flat(text: str) -> str:
    """The text folded without changing its length."""
    return text.lower() if text.isascii() else text.translate(_FLAT)


@dataclass(frozen=True, slots=True)
class Match:
    """`text[start:end]` is term number `term` of the query (-1: a quoted phrase)."""

    start: int
    end: int
    term: int
    quality: float


@dataclass(frozen=True, slots=True)
class PageMatches:
    """What a page holds of a query: matches in text order; for each phrase, its best quality (0: not there)."""

    matches: tuple[Match, ...]
    phrases: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PageSummary:
    """The same without places, for ranking: the best quality by term (terms that are not there are left out),
    (word number, term) of the matched words in order, and the quality of each phrase.
    """

    terms: dict[int, float]
    order: tuple[tuple[int, int], ...]
    phrases: tuple[float, ...]

    @property
    def empty(self) -> bool:
        return not self.terms and not any(self.phrases)


@dataclass(slots=True)
class Matcher:
    """Remembers the words it has seen, which of them are terms of the query, and which may be terms misread."""

    plan: QueryPlan
    config: WordsConfig = DEFAULT_WORDS
    _seen: set[str] = field(default_factory=set)
    _exact: dict[str, int] = field(default_factory=dict)
    _near: dict[str, tuple[int, float]] = field(default_factory=dict)
    _stems: dict[str, int] = field(default_factory=dict)
    _fuzzy: list[tuple[int, str, int]] = field(default_factory=list)
    _identifiers: list[tuple[int, re.Pattern[str], re.Pattern[str]]] = field(default_factory=list)
    _phrases: list[re.Pattern[str]] = field(default_factory=list)
    _cjk: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number, term in enumerate(self.plan.terms):
            if _CJK.search(term.form):
                self._cjk.append((number, term.form))
            elif term.identifier:
                self._identifiers.append((number, _spelled(term.form), _spelled(term.form, alike=True)))
            else:
                self._stems.setdefault(term.stem, number)
                if len(term.form) >= MIN_FUZZY_LENGTH:
                    self._fuzzy.append((number, term.folded, allowed_distance(len(term.folded))))
        self._phrases = [_phrase(words) for words in self.plan.phrases]

    def summary(self, text: str) -> PageSummary:
        """What ranking needs, at the cost of a dictionary look-up for each word."""
        words = _WORD.findall(text)
        exact, near = self._judge(words)
        low = flat(text) if self._identifiers or self._cjk or self._phrases else ""
        terms = dict.fromkeys(exact.values(), 1.0)
        for match in self._characters(low):
            terms[match.term] = max(terms.get(match.term, 0.0), match.quality)
        misread: dict[int, float] = {}
        for term, quality in near.values():
            if term not in terms:
                misread[term] = max(misread.get(term, 0.0), quality)
        spelled = exact | {word: term for word, (term, _) in near.items() if term in misread}
        order = (
            tuple((number, spelled[word]) for number, word in enumerate(words) if word in spelled) if spelled else ()
        )
        return PageSummary(terms | misread, order, self._phrase_qualities(low, words))

    def find(self, text: str) -> PageMatches:
        """All matches in a page's text, with their places."""
        exact, near = self._judge(_WORD.findall(text))
        low = flat(text)
        matches = self._characters(low)
        present = {*exact.values(), *(m.term for m in matches)}
        for word, term in exact.items():
            matches += [Match(start, end, term, 1.0) for start, end in _places(text, word)]
        for word, (term, quality) in near.items():
            if term not in present:
                matches += [Match(start, end, term, quality) for start, end in _places(text, word)]
        phrases = []
        for number in range(len(self._phrases)):
            here = self._phrase_matches(low, number)
            phrases.append(max((m.quality for m in here), default=0.0))
            matches += here
        matches.sort(key=lambda m: (m.start, -m.end))
        return PageMatches(tuple(matches), tuple(phrases))

    def _judge(self, words: list[str]) -> tuple[dict[str, int], dict[str, tuple[int, float]]]:
        """Those of the words that are terms, and those that may be terms misread, with the quality of that."""
        distinct = set(words)
        new = list(distinct - self._seen)
        if new:
            self._learn(new)
        exact = {word: self._exact[word] for word in self._exact.keys() & distinct}
        near = {word: self._near[word] for word in self._near.keys() & distinct}
        return exact, near

    def _learn(self, words: list[str]) -> None:
        self._seen.update(words)
        looks = [_looks(word, self.config.language) for word in words]
        stems = self._stems
        self._exact.update((word, stems[root]) for word, (root, _) in zip(words, looks, strict=True) if root in stems)
        if not self._fuzzy:
            return
        doubtful = [
            (word, shape) for word, (root, shape) in zip(words, looks, strict=True) if root not in stems and shape
        ]
        if not doubtful:
            return
        allowed = np.array([[allowed] for _, _, allowed in self._fuzzy])
        distances = process.cdist(
            [wanted for _, wanted, _ in self._fuzzy],
            [shape for _, shape in doubtful],
            scorer=OSA.distance,
            score_cutoff=int(allowed.max()),
            dtype=np.uint8,
        )
        for row, column in np.argwhere(distances <= allowed).tolist():
            word = doubtful[column][0]
            quality = (SHAPE_QUALITY, FUZZY_QUALITY, FUZZY_QUALITY - 0.15)[int(distances[row, column])]
            if quality > self._near.get(word, (0, 0.0))[1]:
                self._near[word] = (self._fuzzy[row][0], quality)

    def _characters(self, low: str) -> list[Match]:
        """Identifiers and words in scripts without spaces, found by their characters."""
        found = []
        for number, same, alike in self._identifiers:
            here = [Match(m.start(), m.end(), number, 1.0) for m in same.finditer(low)]
            here = here or [Match(m.start(), m.end(), number, SHAPE_QUALITY) for m in alike.finditer(low)]
            found += here or self._misread_identifiers(low, number)
        for number, form in self._cjk:
            found += [Match(m.start(), m.end(), number, 1.0) for m in re.finditer(re.escape(form), low)]
        return found

    def _misread_identifiers(self, low: str, number: int) -> list[Match]:
        """Identifiers that differ in one character. They may well be others, so they count for little."""
        wanted = self.plan.terms[number].folded
        if len(wanted) < _LONG_IDENTIFIER:
            return []
        found = []
        for match in _SPACED.finditer(low):
            raw = match.group()
            if len(raw) >= len(wanted) - 1 and not raw.isalpha():
                code = squeeze(raw)
                if (
                    abs(len(code) - len(wanted)) <= 1
                    and OSA.distance(wanted, identifier_fold(code), score_cutoff=1) <= 1
                ):
                    found.append(Match(match.start(), match.end(), number, IDENTIFIER_QUALITY))
        return found

    def _phrase_qualities(self, low: str, words: list[str]) -> tuple[float, ...]:
        if not self._phrases:
            return ()
        shapes = {_looks(word, self.config.language)[1] for word in words}
        qualities = []
        for number, phrase in enumerate(self.plan.phrases):
            # A page that lacks most of a phrase's longer words need not be looked through.
            long = [ocr_fold(w) for w in phrase if len(w) >= MIN_FUZZY_LENGTH and w not in STOPWORDS]
            there = sum(word in shapes for word in long)
            hopeless = there < len(long) - 1 - len(phrase) // 4
            here = [] if hopeless else self._phrase_matches(low, number)
            qualities.append(max((m.quality for m in here), default=0.0))
        return tuple(qualities)

    def _phrase_matches(self, low: str, number: int) -> list[Match]:
        literal = [Match(m.start(), m.end(), -1, 1.0) for m in self._phrases[number].finditer(low)]
        return literal or _misread_phrase(low, self.plan.phrases[number])


def _places(text: str, word: str) -> Iterator[tuple[int, int]]:
    """Where a word stands by itself in a text."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (start and text[start - 1].isalnum()) and not text[end : end + 1].isalnum():
            yield start, end
        start = text.find(word, end)


def _spelled(form: str, *, alike: bool = False) -> re.Pattern[str]:
    """A pattern for an identifier on flat text, whatever separators stand between its characters."""
    characters = [f"[{re.escape(_LOOKALIKE.get(c, c))}]" if alike else re.escape(c) for c in form]
    return re.compile(r"(?<![^\W_])" + r"[\W_]{0,3}?".join(characters) + r"(?![^\W_])")


def _phrase(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern for a phrase on flat text: any white space and punctuation between its words, and words that
    a line end broke in two.
    """
    broken = r"(?:[-‐¬]\n\s*)?"
    spelled = [broken.join(map(re.escape, w)) if 5 <= len(w) <= 24 else re.escape(w) for w in words]
    return re.compile(r"(?<![^\W_])" + r"[\W_]{1,6}?".join(spelled) + r"(?![^\W_])")


def _misread_phrase(low: str, words: tuple[str, ...]) -> list[Match]:
    """Places where the words follow each other and each is near to the phrase's, most of them the same."""
    if sum(map(len, words)) < MIN_FUZZY_LENGTH:
        return []
    wanted = [ocr_fold(w) for w in words]
    allowed = max(1, len(words) // 4)  # words that may be misread beyond look-alikes
    anchors = sorted(range(len(wanted)), key=lambda i: -len(wanted[i]))[: allowed + 1]
    # Taking a page apart is dear, and most pages have none of the words that the rest hangs on.
    shape = ocr_fold(low)
    if len(wanted) > 1 and not any(wanted[anchor] in shape for anchor in anchors):
        return []
    page = list(_WORD.finditer(low))
    folded = [ocr_fold(m.group()) for m in page]
    found = []
    seen: set[int] = set()
    for anchor in anchors:
        for at, word in enumerate(folded):
            begin = at - anchor
            if word != wanted[anchor] or begin < 0 or begin + len(wanted) > len(folded) or begin in seen:
                continue
            seen.add(begin)
            other = [i for i in range(len(wanted)) if folded[begin + i] != wanted[i]]
            if len(other) <= allowed and all(_near_word(wanted[i], folded[begin + i]) for i in other):
                quality = SHAPE_QUALITY if not other else FUZZY_QUALITY
                found.append(Match(page[begin].start(), page[begin + len(wanted) - 1].end(), -1, quality))
    if len(wanted) == 1 and not found:
        found = [Match(m.start(), m.end(), -1, FUZZY_QUALITY) for m, w in zip(page, folded, strict=True)
                 if is_near(wanted[0], w)]  # fmt: skip
    return found


def _near_word(wanted: str, word: str) -> bool:
    """Inside a phrase, short words may have one misread letter too: their neighbours vouch for them."""
    return is_near(wanted, word) or OSA.distance(wanted, word, score_cutoff=1) <= min(1, len(wanted) - 1)
