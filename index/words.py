"""Words of a page as features of one sparse vector.

A page becomes BM25 weights over hashed features (the index multiplies by IDF at query time):

* `w` the stem of each word (lower case, accents folded, Snowball),
* `i` identifiers whole (`INV-2024-0117`, `4711/23`, `§ 12`, an IBAN), with look-alikes folded,
* `b` pairs of neighbouring words (but not of two stop words), which make exact phrases findable
  without a positional index,
* `f` the halves of each word (`index/fuzzy.py`), one of which survives a misread letter.

A query asks for the kinds it needs. Features are namespaced before they are hashed to 32 bits.
Text in scripts without spaces becomes pairs of characters. Pure functions; knows no store.
"""

from __future__ import annotations

import re
import threading
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import Stemmer

from index.fuzzy import half_keys, identifier_fold


@dataclass(frozen=True, slots=True)
class WordsConfig:
    """BM25's constants and the stemmer's language. All are recorded in the index: they shape what is stored."""

    language: str = "english"
    k1: float = 1.2
    b: float = 0.6
    """Milder than the usual 0.75: a page is long because the paper was full, not because it rambles."""
    average_length: float = 300.0
    """Words of a typical page. A constant, because a mean over the archive would change stored weights."""


DEFAULT_WORDS = WordsConfig()


@dataclass(frozen=True, slots=True)
class Token:
    """A word or an identifier of a text: its span, its folded form, and whether it is an identifier."""

    start: int
    end: int
    form: str
    identifier: bool = False


_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_IBAN = r"[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){3,7}(?:[ ]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
_PARAGRAPH = r"§{1,2}\s?\d+[a-z]?"
_JOINED = r"[^\W_]+(?:[-‐‑–/._:#][^\W_]+)+"
_WORD = r"[^\W_]+(?:['’][^\W_]+)*"
_TOKENS = re.compile(
    rf"(?P<iban>{_IBAN})|(?P<par>{_PARAGRAPH})|(?P<join>{_JOINED})|(?P<cjk>[{_CJK}]+)|(?P<word>{_WORD})"
)
_PART = re.compile(r"[^\W_]+")
_CJK_RUN = re.compile(rf"[{_CJK}]+")
_BROKEN = re.compile(r"(?<![^\W\d_])([^\W\d_]{2,})[-‐¬]\n[ \t]*([^\W\d_]{2,})")
_SEPARATORS = re.compile(r"[^\w§]|_")

_STOPWORDS_TEXT = (
    "a about above after again all also am an and any are as at be because been before being below between both but "
    "by can could did do does doing down during each few for from further had has have having he her here hers him "
    "his how i if in into is it its itself just me more most my no nor not of off on once only or other our out over "
    "own please same she should so some such than that the their them then there these they this those through to "
    "too under until up upon us very was we were what when where which while who whom whose why will with would you "
    "your tell show find give list many much "
    "der die das den dem des ein eine einer eines einem einen und oder aber ist sind waren wird werden mit von vom "
    "zu zum zur im in am an auf aus bei nach über wie was wer wo wann warum welche welcher welches nicht auch "
    "le la les un une des du de et ou est sont dans sur pour par avec que qui quoi quel quelle où quand comment"
)
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})
"""Letters that Unicode takes for no accented ones, and that people without them on their keyboards write so."""


@lru_cache(maxsize=65536)
def fold(word: str) -> str:
    """Lower case without accents; curly apostrophes straight; ligatures and full-width forms resolved."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    return "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_LETTERS)


STOPWORDS = frozenset(map(fold, _STOPWORDS_TEXT.split()))
"""Folded: words that say nothing of what a text is about. Neither "für", which without its accent
is the trade in fur, nor "war", which in English archives is the one between the nations.
"""


_stemmers = threading.local()  # a Stemmer is not safe to share between threads


@lru_cache(maxsize=65536)
def stem(form: str, language: str = "english") -> str:
    """The Snowball stem of a folded word. `language` is Snowball's name for it."""
    stemmer = getattr(_stemmers, language, None)
    if stemmer is None:
        stemmer = Stemmer.Stemmer(language, 0)
        setattr(_stemmers, language, stemmer)
    return stemmer.stemWord(form.removesuffix("'s"))


def tokens(text: str) -> Iterator[Token]:
    """Words and identifiers in order. A joined token comes whole, then (if it is no plain number) in parts."""
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup
        raw = match.group()
        start, end = match.span()
        if kind == "cjk":
            yield from _cjk_pairs(raw, start)
        elif kind == "word":
            if _CJK_RUN.search(raw):
                yield from _mixed(raw, start)
            else:
                digits = any(c.isdigit() for c in raw)
                letters = any(c.isalpha() for c in raw)
                yield Token(start, end, fold(raw), identifier=digits and (letters or len(raw) >= 4))
        elif kind == "join" and not any(c.isdigit() for c in raw):
            yield from _parts(raw, start)  # well-known, e.g. compounds: their parts are words
        else:
            yield Token(start, end, squeeze(raw), identifier=True)
            if kind != "par":
                yield from _parts(raw, start)


def squeeze(identifier: str) -> str:
    """An identifier without its separators and spaces, folded: `INV-2024/0117` and `INV 2024 0117` agree."""
    return _SEPARATORS.sub("", fold(identifier))


def _parts(raw: str, start: int) -> Iterator[Token]:
    for part in _PART.finditer(raw):
        yield Token(start + part.start(), start + part.end(), fold(part.group()))


def _mixed(raw: str, start: int) -> Iterator[Token]:
    """A run of letters that changes script, such as `第3章` or `Q3の売上`."""
    at = 0
    for run in _CJK_RUN.finditer(raw):
        if run.start() > at:
            yield from _parts(raw[at : run.start()], start + at)
        yield from _cjk_pairs(run.group(), start + run.start())
        at = run.end()
    if at < len(raw):
        yield from _parts(raw[at:], start + at)


def _cjk_pairs(raw: str, start: int) -> Iterator[Token]:
    if len(raw) == 1:
        yield Token(start, start + 1, fold(raw))
    for i in range(len(raw) - 1):
        yield Token(start + i, start + i + 2, fold(raw[i : i + 2]))


def feature(kind: str, value: str) -> int:
    """A feature's place in the sparse vector: 32 bits of a namespaced checksum."""
    return zlib.crc32(f"{kind}:{value}".encode())


def page_vector(text: str, config: WordsConfig = DEFAULT_WORDS) -> tuple[np.ndarray, np.ndarray]:
    """All features of a page: (uint32 places in rising order, float32 weights)."""
    counts: Counter[int] = Counter()
    near: set[int] = set()
    length = 0
    previous: Token | None = None
    previous_stem = ""
    for token in tokens(text):
        if token.identifier:
            counts[feature("i", identifier_fold(token.form))] += 1
            near.update(feature("f", key) for key in _halves(token.form))
        root = stem(token.form, config.language)
        counts[feature("w", root)] += 1
        length += 1
        if previous is not None and token.start >= previous.end and paired(previous.form, token.form):
            counts[feature("b", f"{previous_stem} {root}")] += 1
        if not token.identifier or token.form.isalpha():
            near.update(feature("f", key) for key in _halves(token.form))
        previous, previous_stem = token, root
    for whole in unbroken(text):
        counts[feature("w", stem(whole, config.language))] += 1
        near.update(feature("f", key) for key in _halves(whole))
    norm = config.k1 * (1 - config.b + config.b * length / config.average_length)
    weights = {place: count * (config.k1 + 1) / (count + norm) for place, count in counts.items()}
    for place in near:
        weights.setdefault(place, (config.k1 + 1) / (1 + norm))
    places = np.array(sorted(weights), np.uint32)
    return places, np.array([weights[int(p)] for p in places], np.float32)


def paired(left: str, right: str) -> bool:
    """Whether two neighbouring words are stored as a pair: `of the` says nothing and is on every page."""
    return left not in STOPWORDS or right not in STOPWORDS


def unbroken(text: str) -> Iterable[str]:
    """Words that a line end had broken in two, whole: `infor-⏎mation` gives `information`."""
    for match in _BROKEN.finditer(text):
        yield fold(match.group(1) + match.group(2))


@lru_cache(maxsize=65536)
def _halves(form: str) -> tuple[str, ...]:
    if form in STOPWORDS:
        return ()
    return half_keys(form)
