"""Where a query's terms and phrases stand in a page's text.

A `Matcher` is made for one query and looked through many pages; it remembers each distinct
word it has judged, so that a page costs a dictionary look-up for a word. Matches are spans in
the page's own text with a quality: 1.0 for the same stem (or the same characters, for
identifiers and phrases), less for what may be a misread spelling.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from rapidfuzz import process
from rapidfuzz.distance import OSA

from index.fuzzy import MIN_FUZZY_LENGTH, allowed_distance, is_near, ocr_fold
from index.query import QueryPlan, Term
from index.words import DEFAULT_WORDS, STOPWORDS, WordsConfig, fold, stem

FUZZY_QUALITY = 0.7
"""What a word counts that is the query's only after one or two letters are changed."""
SHAPE_QUALITY = 0.9
"""The same for spellings that merely look alike."""

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_LOOKALIKE = {
    "0": "0oq", "o": "0o", "1": "1il|", "i": "1il|", "l": "1il|", "5": "5s", "s": "5s", "8": "8b", "b": "8b6",
    "2": "2z", "z": "2z", "6": "6b", "g": "g9", "9": "9g",
}  # fmt: skip


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

    def quality(self, term: int) -> float:
        """The best quality of a term on this page."""
        return max((m.quality for m in self.matches if m.term == term), default=0.0)


@dataclass(slots=True)
class Matcher:
    plan: QueryPlan
    config: WordsConfig = DEFAULT_WORDS
    _words: dict[str, tuple[int, str]] = field(default_factory=dict)
    _stems: dict[str, int] = field(default_factory=dict)
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
        self._phrases = [_phrase(words) for words in self.plan.phrases]

    def find(self, text: str, *, fuzzy: bool = True) -> PageMatches:
        """All matches in a page's text."""
        low = flat(text)
        matches = self._exact_words(text)
        matches += self._identifier_matches(low)
        for number, form in self._cjk:
            matches += [Match(m.start(), m.end(), number, 1.0) for m in re.finditer(re.escape(form), low)]
        phrases = []
        for pattern, words in zip(self._phrases, self.plan.phrases, strict=True):
            literal = [Match(m.start(), m.end(), -1, 1.0) for m in pattern.finditer(low)]
            literal = literal or (_misread_phrase(low, words) if fuzzy else [])
            phrases.append(max((m.quality for m in literal), default=0.0))
            matches += literal
        if fuzzy:
            matches += self._misread_words(text, {m.term for m in matches})
        matches.sort(key=lambda m: (m.start, -m.end))
        return PageMatches(tuple(matches), tuple(phrases))

    def _exact_words(self, text: str) -> list[Match]:
        found = []
        known = self._words
        for match in _WORD.finditer(text):
            word = match.group()
            judged = known.get(word)
            if judged is None:
                form = fold(word)
                judged = (self._stems.get(stem(form, self.config.language), -1), form)
                known[word] = judged
            if judged[0] >= 0:
                found.append(Match(match.start(), match.end(), judged[0], 1.0))
        return found

    def _identifier_matches(self, low: str) -> list[Match]:
        found = []
        for number, same, alike in self._identifiers:
            here = [Match(m.start(), m.end(), number, 1.0) for m in same.finditer(low)]
            found += here or [Match(m.start(), m.end(), number, SHAPE_QUALITY) for m in alike.finditer(low)]
        return found

    def _misread_words(self, text: str, present: set[int]) -> list[Match]:
        """Matches of terms that are not on the page as they are spelled, among words of near spelling."""
        missing = [
            (number, term)
            for number, term in enumerate(self.plan.terms)
            if number not in present and not term.identifier and len(term.form) >= MIN_FUZZY_LENGTH
        ]
        if not missing:
            return []
        words = list({m.group() for m in _WORD.finditer(text) if m.end() - m.start() >= MIN_FUZZY_LENGTH - 1})
        words = [w for w in words if self._words[w][0] < 0 and self._words[w][1] not in STOPWORDS]
        if not words:
            return []
        folded = [ocr_fold(self._words[w][1]) for w in words]
        judged: dict[str, tuple[int, float]] = {}
        for number, term in missing:
            allowed = allowed_distance(len(term.folded))
            near = process.extract(term.folded, folded, scorer=OSA.distance, score_cutoff=allowed, limit=8)
            for _value, distance, at in near:
                quality = SHAPE_QUALITY if distance == 0 else FUZZY_QUALITY if distance == 1 else FUZZY_QUALITY - 0.15
                if quality > judged.get(words[at], (0, 0.0))[1]:
                    judged[words[at]] = (number, quality)
        if not judged:
            return []
        return [Match(m.start(), m.end(), *judged[m.group()]) for m in _WORD.finditer(text) if m.group() in judged]


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
    page = list(_WORD.finditer(low))
    folded = [ocr_fold(m.group()) for m in page]
    wanted = [ocr_fold(w) for w in words]
    allowed = max(1, len(words) // 4)  # words that may be misread beyond look-alikes
    anchors = sorted(range(len(wanted)), key=lambda i: -len(wanted[i]))[: allowed + 1]
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


__all__ = ["Match", "Matcher", "PageMatches", "Term", "flat"]
