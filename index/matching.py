"""Where a query's terms and phrases stand in a page's text.

A `Matcher` is made for one query and looked through many pages; it remembers each distinct
word it has judged, so that a page costs a dictionary look-up for a word. Matches are spans in
the page's own text with a quality: 1.0 for the same stem (or the same characters, for
identifiers and phrases), less for what may be a misread spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
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


_CLASSES = {"o": "0", "q": "0", "i": "1", "l": "1", "|": "1", "s": "5", "b": "8", "6": "8", "z": "2", "g": "9"}
_BARE = {
    code: _CLASSES.get(chr(code), chr(code)) if chr(code).isalnum() or chr(code) == "|" else None for code in range(128)
}


def _bare(low: str) -> str:
    """Flat ASCII text without separators, each character as one of all that it may be taken for (`_LOOKALIKE`). Where
    it has bars, which may be either, it comes twice.
    """
    bare = low.translate(_BARE)
    return bare if "|" not in low else f"{bare}\n{low.replace('|', '').translate(_BARE)}"


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


_GAPS = {code: " " for code in range(128) if not chr(code).isalnum()}


def _words(text: str) -> list[str]:
    """The words of a text, as `_WORD` finds them; several times faster where all is ASCII."""
    return text.translate(_GAPS).split() if text.isascii() else _WORD.findall(text)


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
    _vouched: list[list[int]] = field(default_factory=list)
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
        numbers = {term.form: number for number, term in enumerate(self.plan.terms)}
        self._vouched = [
            [numbers[w] for w in words if len(w) >= MIN_FUZZY_LENGTH and w not in STOPWORDS and w in numbers]
            for words in self.plan.phrases
        ]

    def summaries(self, texts: Sequence[str]) -> list[PageSummary]:
        """What ranking needs of each page, at the cost of a dictionary look-up for each word."""
        pages = [_words(text) for text in texts]
        self._learn({word for words in pages for word in words})  # all at once: each call of the library costs
        return [self._summary(text, words) for text, words in zip(texts, pages, strict=True)]

    def summary(self, text: str) -> PageSummary:
        """The same of one page."""
        return self.summaries([text])[0]

    def _summary(self, text: str, words: list[str]) -> PageSummary:
        exact, near = self._judge(words)
        low = flat(text) if self._identifiers or self._cjk or self.plan.phrases else ""
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
        held = terms.keys() | {term for term, _ in near.values()}
        return PageSummary(terms | misread, order, self._phrase_qualities(low, held))

    def find(self, text: str) -> PageMatches:
        """All matches in a page's text, with their places."""
        exact, near = self._judge(_words(text))
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
            here = self._phrase_matches(low, number)
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
        new = words - self._seen
        self._seen |= new
        stems, language = self._stems, self.config.language
        fuzzy = bool(self._fuzzy)
        doubtful: list[tuple[str, str]] = []
        for word in new:
            root, shape = _looks(word, language)
            if root in stems:
                self._exact[word] = stems[root]
            elif fuzzy and shape:
                doubtful.append((word, shape))
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
        bare = _bare(low) if self._identifiers and low.isascii() else ""
        for number, same, alike in self._identifiers:
            here: list[Match] = []
            # Most pages have nothing that looks like it, and patterns that may begin anywhere are slow to say so.
            if not bare or self.plan.terms[number].form.translate(_BARE) in bare:
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
        if not any(len(raw) >= len(wanted) - 1 and not raw.isalpha() for raw in low.split()):
            return []
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

    def _phrase_qualities(self, low: str, held: AbstractSet[int]) -> tuple[float, ...]:
        """The best quality of each phrase; `held` are the terms that the page may hold, misread ones too."""
        qualities = []
        for number, (words, vouched) in enumerate(zip(self.plan.phrases, self._vouched, strict=True)):
            # A page that lacks most of a phrase's longer words need not be looked through.
            hopeless = sum(term in held for term in vouched) < len(vouched) - 1 - len(words) // 4
            here = [] if hopeless else self._phrase_matches(low, number)
            qualities.append(max((m.quality for m in here), default=0.0))
        return tuple(qualities)

    def _phrase_matches(self, low: str, number: int) -> list[Match]:
        words = self.plan.phrases[number]
        broken = "-\n" in low or _BREAK.search(low) is not None
        folded = low if low.isascii() else low.replace("ß", "ss").replace("ς", "σ")
        if broken or max(words, key=len) in folded:
            here = [Match(m.start(), m.end(), -1, 1.0) for m in _phrase(words, broken=broken).finditer(low)]
            if here:
                return here
        return _misread_phrase(low, words)


def _places(text: str, word: str) -> Iterator[tuple[int, int]]:
    """Where a word stands by itself in a text."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (start and text[start - 1].isalnum()) and not text[end : end + 1].isalnum():
            yield start, end
        start = text.find(word, end)


_TOUCHING = r"\|(?=[^\s|])|(?<=[^\s|])\|"
"""A bar that touches another character. Those between the cells of a table have spaces on both sides."""


def _spelled(form: str, *, alike: bool = False) -> re.Pattern[str]:
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


_BREAK = re.compile(r"[‐¬]\n")
"""Where a line's end may have broken a word in two, besides after a plain hyphen."""


@lru_cache(maxsize=256)
def _phrase(words: tuple[str, ...], *, broken: bool) -> re.Pattern[str]:
    """A pattern for a phrase on flat text: any white space and punctuation between its words and, where `broken`,
    words that a line's end broke in two. That takes milliseconds to compile, and few pages have such words.
    """
    gap = r"(?:[-‐¬]\n\s*)?" if broken else ""
    spelled = [_letters(w, gap if 5 <= len(w) <= 24 else "") for w in words]
    return re.compile(r"(?<![^\W_])" + r"[\W_]{1,6}?".join(spelled) + r"(?![^\W_])")


_LETTER = re.compile(r"ss|.", re.DOTALL)


def _letters(word: str, gap: str) -> str:
    """A folded word as a pattern for flat text, which keeps letters that folding makes two or others."""
    kept = {"ss": f"(?:s{gap}s|ß)", "σ": "[σς]"}
    return gap.join(kept.get(letter) or re.escape(letter) for letter in _LETTER.findall(word))


def _misread_phrase(low: str, words: tuple[str, ...]) -> list[Match]:
    """Places where the words follow each other and each is near to the phrase's, most of them the same."""
    if sum(map(len, words)) < MIN_FUZZY_LENGTH:
        return []
    wanted = [ocr_fold(w) for w in words]
    allowed = max(1, len(words) // 4)  # words that may be misread beyond look-alikes
    anchors = sorted(range(len(wanted)), key=lambda i: -len(wanted[i]))[: allowed + 1]
    folded = [ocr_fold(word) for word in _words(low)]
    begins: dict[int, float] = {}  # number of the first word: quality
    for anchor in anchors:
        for at in _indices(folded, wanted[anchor]):
            begin = at - anchor
            if begin < 0 or begin + len(wanted) > len(folded) or begin in begins:
                continue
            other = [i for i in range(len(wanted)) if folded[begin + i] != wanted[i]]
            if len(other) <= allowed and all(_near_word(wanted[i], folded[begin + i]) for i in other):
                begins[begin] = SHAPE_QUALITY if not other else FUZZY_QUALITY
    if len(wanted) == 1 and not begins:
        begins = {at: FUZZY_QUALITY for at, word in enumerate(folded) if is_near(wanted[0], word)}
    if not begins:
        return []
    page = list(_WORD.finditer(low))
    return [
        Match(page[begin].start(), page[begin + len(wanted) - 1].end(), -1, quality)
        for begin, quality in sorted(begins.items())
    ]


def _indices(words: list[str], wanted: str) -> Iterator[int]:
    """Where a word stands in a list."""
    at = -1
    while True:
        try:
            at = words.index(wanted, at + 1)
        except ValueError:
            return
        yield at


def _near_word(wanted: str, word: str) -> bool:
    """Inside a phrase, short words may have one misread letter too: their neighbours vouch for them."""
    return is_near(wanted, word) or OSA.distance(wanted, word, score_cutoff=1) <= min(1, len(wanted) - 1)
