"""Where a query's terms and phrases stand in a page's text.

A `Matcher` is made for one query and looked through many pages; it remembers each distinct
word it has judged, so that a page costs a dictionary look-up for a word. Matches are spans in
the page's own text with a quality: 1.0 for the same stem (or the same characters, for
identifiers and phrases), less for what may be a misread spelling.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from index.abbreviations import also_written
from index.dates import date_pattern, day_pattern
from index.flat import flat, words_of
from index.fuzzy import FUZZY_QUALITY, MIN_FUZZY_LENGTH, SHAPE_QUALITY, allowed_distance, ocr_fold
from index.identifiers import BARE, bare, one_apart, spelled
from index.lexicon import Lexicon, lexicon
from index.phrases import phrase_places
from index.query import QueryPlan
from index.words import DEFAULT_WORDS, STOPWORDS, WordsConfig, stem, tokens

IDENTIFIER_QUALITY = 0.4
"""What an identifier counts that differs from the query's in one character."""

T = TypeVar("T")

_LONG_IDENTIFIER = 7
_SPACED = re.compile(r"\S+")
_REMEMBERED = 64
"""Pages of which a matcher keeps what it found: more than a search ranks."""
_REMEMBERED_CHARACTERS = 20_000
"""Longer pages are looked at anew: each thread keeps its own."""
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


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
    """Remembers the words it has seen, which of them are terms of the query, and which may be terms misread; and what
    it found on the last pages. Not thread-safe.
    """

    plan: QueryPlan
    config: WordsConfig = DEFAULT_WORDS
    _seen: set[str] = field(default_factory=set)
    _exact: dict[str, int] = field(default_factory=dict)
    _near: dict[str, tuple[int, float]] = field(default_factory=dict)
    _stems: dict[str, int] = field(default_factory=dict)
    _fuzzy: list[tuple[int, str, int]] = field(default_factory=list)
    _identifiers: list[tuple[int, re.Pattern[str], re.Pattern[str]]] = field(default_factory=list)
    _vouched: list[list[int]] = field(default_factory=list)
    _cjk: list[tuple[int, str]] = field(default_factory=list)
    _elided: list[tuple[int, re.Pattern[str]]] = field(default_factory=list)
    _dates: list[tuple[re.Pattern[str], list[int]]] = field(default_factory=list)  # with the terms that name them
    _alike: list[list[set[str]]] = field(default_factory=list)  # for each phrase and word, words seen that look like it
    _summaries: dict[str, PageSummary] = field(default_factory=dict)
    _found: dict[str, PageMatches] = field(default_factory=dict)
    _lexicon: Lexicon = field(init=False)

    def __post_init__(self) -> None:
        self._lexicon = lexicon(self.config.language)
        for number, term in enumerate(self.plan.terms):
            if _CJK.search(term.form):
                self._cjk.append((number, term.form))
            elif term.identifier:
                self._identifiers.append((number, spelled(term.form), spelled(term.form, alike=True)))
            else:
                if "'" in term.form.removesuffix("'s"):  # O'Rourke, didn't: words of a page end at an apostrophe
                    self._elided.append((number, _elision(term.form.removesuffix("'s"))))
                self._stems.setdefault(term.stem, number)
                if len(term.form) >= MIN_FUZZY_LENGTH:
                    self._fuzzy.append((number, term.folded, allowed_distance(len(term.folded))))
        numbers = {term.form: number for number, term in enumerate(self.plan.terms)}
        for form, number in numbers.items():
            for other in also_written(form):  # never instead of a term that the query has itself
                self._stems.setdefault(stem(other, self.config.language), number)
        named = [(t, numbers[t.form]) for t in tokens(self.plan.text) if t.form in numbers] if self.plan.dated else []
        for date in self.plan.dated:
            pattern = date_pattern(date.year, date.month, date.day) if date.year else day_pattern(date.month, date.day)
            self._dates.append((pattern, [n for t, n in named if date.start <= t.start and t.end <= date.end]))
        self._vouched = [
            [numbers[w] for w in words if len(w) >= MIN_FUZZY_LENGTH and w not in STOPWORDS and w in numbers]
            for words in self.plan.phrases
        ]
        self._alike = [[set() for _ in words] for words in self.plan.phrases]

    @property
    def outdated(self) -> bool:
        """Whether a new matcher would judge words with another lexicon, as this one's is full."""
        return self._lexicon is not lexicon(self.config.language)

    def summaries(self, texts: Sequence[str]) -> list[PageSummary]:
        """What ranking needs of each page, at the cost of a dictionary look-up for each word."""
        new = [text for text in texts if text not in self._summaries]
        pages = [words_of(text) for text in new]
        self._learn({word for words in pages for word in words})  # all at once: each call of the library costs
        made = {text: self._summary(text, words) for text, words in zip(new, pages, strict=True)}
        found = [made.get(text) or self._summaries[text] for text in texts]
        _keep(self._summaries, made)
        return found

    def summary(self, text: str) -> PageSummary:
        """The same of one page."""
        return self.summaries([text])[0]

    def _summary(self, text: str, words: list[str]) -> PageSummary:
        exact, near = self._judge(words)
        by_characters = self._identifiers or self._cjk or self._elided or self._dates or self.plan.phrases
        low = flat(text) if by_characters else ""
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
        phrases = ()
        if self.plan.phrases:
            phrases = self._phrase_qualities(low, set(words), terms.keys() | {term for term, _ in near.values()})
        return PageSummary(terms | misread, order, phrases)

    def find(self, text: str) -> PageMatches:
        """All matches in a page's text, with their places."""
        if (known := self._found.get(text)) is not None:
            return known
        found = self._find(text)
        _keep(self._found, {text: found})
        return found

    def _find(self, text: str) -> PageMatches:
        words = words_of(text)
        exact, near = self._judge(words)
        low = flat(text)
        matches = self._characters(low)
        present = {*exact.values(), *(m.term for m in matches)}
        for word, term in exact.items():
            matches += [Match(start, end, term, 1.0) for start, end in _places(text, word)]
        for word, (term, quality) in near.items():
            if term not in present:
                matches += [Match(start, end, term, quality) for start, end in _places(text, word)]
        phrases = []
        for number in range(len(self.plan.phrases)):
            here = self._phrase_matches(low, number, set(words))
            phrases.append(max((m.quality for m in here), default=0.0))
            matches += here
        matches.sort(key=lambda m: (m.start, -m.end))
        return PageMatches(tuple(matches), tuple(phrases))

    def _judge(self, words: list[str]) -> tuple[dict[str, int], dict[str, tuple[int, float]]]:
        """Those of the words that are terms, and those that may be terms misread, with the quality of that."""
        distinct = set(words)
        self._learn(distinct)
        exact = {word: self._exact[word] for word in self._exact.keys() & distinct}
        near = {word: self._near[word] for word in self._near.keys() & distinct}
        return exact, near

    def _learn(self, words: set[str]) -> None:
        """Judge those that are new."""
        new = list(words - self._seen)
        if not new:
            return
        self._seen.update(new)
        numbers = self._lexicon.numbers(new)
        wanted = {n: term for root, term in self._stems.items() for n in self._lexicon.stemmed(root)}
        same = np.isin(numbers, list(wanted)) if wanted else np.zeros(len(new), bool)
        for at in np.flatnonzero(same).tolist():
            self._exact[new[at]] = wanted[int(numbers[at])]
        if self._fuzzy:
            self._learn_misread(new, numbers, same)
        for phrase, alike in zip(self.plan.phrases, self._alike, strict=True):
            for word, seen in zip(phrase, alike, strict=True):
                same = np.isin(numbers, self._lexicon.alike(ocr_fold(word)))
                like = [new[at] for at in np.flatnonzero(same).tolist()]
                seen.update(like, map(flat, like))  # as the page has them, and as they stand in its flat text

    def _learn_misread(self, new: list[str], numbers: np.ndarray, same: np.ndarray) -> None:
        """Those of the words `new` that may be terms misread; `numbers` are theirs in the lexicon, and those that are
        the `same` as a term need no look.
        """
        lengths = self._lexicon.lengths(numbers)
        lengths[same] = 0
        allowed = np.array([[allowed] for _, _, allowed in self._fuzzy])
        # A letter more or less is an error too, so most words are out by their length alone.
        apart = np.abs(lengths - np.array([[len(form)] for _, form, _ in self._fuzzy]))
        doubtful = np.flatnonzero(((apart <= allowed) & (lengths > 0)).any(axis=0)).tolist()
        if not doubtful:
            return
        distances = process.cdist(
            [form for _, form, _ in self._fuzzy],
            [self._lexicon.shapes[n] for n in numbers[doubtful].tolist()],
            scorer=OSA.distance,
            score_cutoff=int(allowed.max()),
            dtype=np.uint8,
        )
        for row, column in np.argwhere(distances <= allowed).tolist():
            word = new[doubtful[column]]
            quality = (SHAPE_QUALITY, FUZZY_QUALITY, FUZZY_QUALITY - 0.15)[int(distances[row, column])]
            if quality > self._near.get(word, (0, 0.0))[1]:
                self._near[word] = (self._fuzzy[row][0], quality)

    def _characters(self, low: str) -> list[Match]:
        """Identifiers, dates and words in scripts without spaces, found by their characters."""
        found = []
        plain = bare(low) if self._identifiers and low.isascii() else ""
        for number, same, alike in self._identifiers:
            here: list[Match] = []
            # Most pages have nothing that looks like it, and patterns that may begin anywhere are slow to say so.
            if not plain or self.plan.terms[number].form.translate(BARE) in plain:
                here = [Match(m.start(), m.end(), number, 1.0) for m in same.finditer(low)]
                here = here or [Match(m.start(), m.end(), number, SHAPE_QUALITY) for m in alike.finditer(low)]
            found += here or self._misread_identifiers(low, number)
        for number, pattern in self._elided:
            found += [Match(m.start(), m.end(), number, 1.0) for m in pattern.finditer(low)]
        for pattern, numbers in self._dates:
            found += [Match(m.start(), m.end(), number, 1.0) for m in pattern.finditer(low) for number in numbers]
        for number, form in self._cjk:
            found += [Match(m.start(), m.end(), number, 1.0) for m in re.finditer(re.escape(form), low)]
        return found

    def _misread_identifiers(self, low: str, number: int) -> list[Match]:
        """Identifiers that differ in one character. They may well be others, so they count for little."""
        wanted = self.plan.terms[number].folded
        if len(wanted) < _LONG_IDENTIFIER:
            return []
        near = {raw for raw in {raw for raw in low.split() if len(raw) >= len(wanted) - 1} if one_apart(wanted, raw)}
        if not near:
            return []
        return [
            Match(match.start(), match.end(), number, IDENTIFIER_QUALITY)
            for match in _SPACED.finditer(low)
            if match.group() in near
        ]

    def _phrase_qualities(self, low: str, words: set[str], held: AbstractSet[int]) -> tuple[float, ...]:
        """The best quality of each phrase on a page with these words; `held` are the terms that it may hold, misread
        ones too.
        """
        qualities = []
        for number, (phrase, vouched) in enumerate(zip(self.plan.phrases, self._vouched, strict=True)):
            # A page that lacks most of a phrase's longer words need not be looked through.
            hopeless = sum(term in held for term in vouched) < len(vouched) - 1 - len(phrase) // 4
            here = [] if hopeless else self._phrase_matches(low, number, words)
            qualities.append(max((m.quality for m in here), default=0.0))
        return tuple(qualities)

    def _phrase_matches(self, low: str, number: int, words: set[str]) -> list[Match]:
        phrase = self.plan.phrases[number]
        alike = self._alike[number]
        held = sum(not seen.isdisjoint(words) for seen in alike)
        return [
            Match(start, end, -1, quality)
            for start, end, quality in phrase_places(low, phrase, self._lexicon, alike, held=held)
        ]


_held = threading.local()


def matcher_of(plan: QueryPlan, config: WordsConfig = DEFAULT_WORDS) -> Matcher:
    """A matcher for this query: the one that this thread used last, where it is for the same. Ranking pages, choosing
    among them and answering from them look at the same words one after the other. Where the lexicon was begun anew
    since, so is the matcher: a query that is asked for ever would keep both growing.
    """
    last: Matcher | None = getattr(_held, "matcher", None)
    if last is None or last.plan != plan or last.config != config or last.outdated:
        last = _held.matcher = Matcher(plan, config)
    return last


def _keep(kept: dict[str, T], new: dict[str, T]) -> None:
    """Add what is new; begin anew where that is more than is kept."""
    new = {text: what for text, what in new.items() if len(text) <= _REMEMBERED_CHARACTERS}
    if len(kept) + len(new) > _REMEMBERED:
        kept.clear()
    if len(new) <= _REMEMBERED:
        kept.update(new)


def _elision(form: str) -> re.Pattern[str]:
    """A folded word with apostrophes, straight or curly, on flat text."""
    return re.compile(r"(?<![^\W_])" + re.escape(form).replace("'", "['’]") + r"(?![^\W_])")


def _places(text: str, word: str) -> Iterator[tuple[int, int]]:
    """Where a word stands by itself in a text."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (start and text[start - 1].isalnum()) and not text[end : end + 1].isalnum():
            yield start, end
        start = text.find(word, end)
