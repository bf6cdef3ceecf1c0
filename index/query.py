"""What a person's query asks for: phrases, identifiers, words, and of which shape it is.

`analyse` is a pure function from text to a `QueryPlan`. The shape decides how much meaning
(dense vectors) and how much spelling (words) count, because neither is best for both: a
question shares few words with the page that answers it, and a look-up of `INV-2024-0117`
shares nothing else.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from index.fuzzy import identifier_fold, ocr_fold, wanted_keys
from index.words import DEFAULT_WORDS, STOPWORDS, Token, WordsConfig, feature, fold, paired, stem, tokens

MAX_TERMS = 48
"""Terms of a query that are looked at. A pasted page needs no more to be found, and each costs a posting list."""
MAX_PHRASES = 8
MAX_PHRASE_WORDS = 32

_QUOTED = re.compile(r"\"([^\"]{1,400})\"|“([^”\"]{1,400})[”\"]|„([^“”\"]{1,400})[“”\"]|«([^»]{1,400})»")
_QUOTES = re.compile(r"[\"“”„«»]")
_QUESTION_TEXT = (
    "who whom whose what when where which why how is are was were do does did can could should would will may has have "
    "wer was wann wo warum wie welche welcher welches wessen wem wen "
    "qui que quoi quand où comment pourquoi quel quelle quels quelles combien"
)
_QUESTION_WORDS = frozenset(_QUESTION_TEXT.split())
_WORD = re.compile(r"[^\W_]+")


class Shape(enum.StrEnum):
    """How a query is put."""

    QUESTION = "question"  # a sentence: meaning counts
    KEYWORDS = "keywords"  # a few words: both count
    LOOKUP = "lookup"  # an identifier, a quoted phrase or a number: spelling counts


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the query that is searched for. `folded` has look-alike letters merged; `part` means that
    it is only a part of an identifier that is a term itself.
    """

    form: str
    stem: str
    folded: str
    identifier: bool = False
    part: bool = False

    @property
    def strong(self) -> bool:
        """An identifier that names one thing: not a year, not a small number."""
        digits = sum(c.isdigit() for c in self.form)
        if not self.identifier or self.part or digits == 0:
            return False
        return (len(self.form) >= 4 and not is_year(self.form)) or (digits < len(self.form) and len(self.form) >= 3)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """`phrases` are the words of quoted phrases, folded; `terms` are distinct, without stop words unless there
    is nothing else; `pairs` are stems of neighbouring words; `text` is what is embedded (without quotes).
    """

    text: str
    shape: Shape
    terms: tuple[Term, ...]
    phrases: tuple[tuple[str, ...], ...]
    pairs: tuple[tuple[str, str], ...]
    phrase_pairs: tuple[tuple[str, str], ...]

    @property
    def empty(self) -> bool:
        """Nothing to search for: no letter and no digit."""
        return not self.terms


def analyse(query: str, config: WordsConfig = DEFAULT_WORDS) -> QueryPlan:
    """The plan for a query of any length and content."""
    phrases: list[tuple[str, ...]] = []
    phrase_pairs: list[tuple[str, str]] = []
    for match in list(_QUOTED.finditer(query))[:MAX_PHRASES]:
        inside = next(group for group in match.groups() if group is not None)
        words = tuple(fold(w) for w in _WORD.findall(inside))[:MAX_PHRASE_WORDS]
        if words:
            phrases.append(words)
            phrase_pairs.extend(_pairs(inside, config, paired))
    text = " ".join(_QUOTES.sub(" ", query).split())
    terms: dict[str, Term] = {}
    stop: dict[str, Term] = {}
    whole: Token | None = None
    for token in tokens(text):
        part = whole is not None and token.end <= whole.end
        if token.identifier and not part:
            whole = token
        key = identifier_fold(token.form) if token.identifier else ocr_fold(token.form)
        term = Term(token.form, stem(token.form, config.language), key, token.identifier, part)
        plain = token.form in STOPWORDS and not token.identifier
        (stop if plain else terms).setdefault(token.form, term)
        if len(terms) >= MAX_TERMS:
            break
    chosen = tuple(terms.values()) or tuple(stop.values())[:MAX_TERMS]
    return QueryPlan(
        text=text,
        shape=_shape(text, chosen, bool(phrases), len(stop)),
        terms=chosen,
        phrases=tuple(phrases),
        pairs=tuple(_pairs(text, config, _telling))[:MAX_TERMS],
        phrase_pairs=tuple(phrase_pairs),
    )


def word_features(plan: QueryPlan) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of the exact features: stems, whole identifiers, pairs (quoted ones weigh more)."""
    weights: dict[int, float] = {}
    for term in plan.terms:
        weights[feature("w", term.stem)] = 0.5 if term.part else 1.0
        if term.identifier:
            weights[feature("i", term.folded)] = 2.0
    for left, right in plan.pairs:
        weights[feature("b", f"{left} {right}")] = 0.5
    for left, right in plan.phrase_pairs:
        weights[feature("b", f"{left} {right}")] = 3.0
    return _sparse(weights)


def fuzzy_features(plan: QueryPlan) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of the halves of all terms that are long enough."""
    weights: dict[int, float] = {}
    for term in plan.terms:
        if term.form not in STOPWORDS:
            weights.update((feature("f", key), 0.5) for key in wanted_keys(term.form))
    return _sparse(weights)


def _telling(left: str, right: str) -> bool:
    """A pair with a stop word says little unless it was quoted."""
    return left not in STOPWORDS and right not in STOPWORDS


def _pairs(text: str, config: WordsConfig, wanted: Callable[[str, str], bool]) -> list[tuple[str, str]]:
    """Stems of neighbouring words, in the way `words.page_vector` pairs them."""
    found: dict[tuple[str, str], None] = {}
    sequence = list(tokens(text[:4000]))
    for left, right in pairwise(sequence):
        if right.start >= left.end and wanted(left.form, right.form):
            found.setdefault((stem(left.form, config.language), stem(right.form, config.language)))
    return list(found)


def _shape(text: str, terms: tuple[Term, ...], quoted: bool, stop_words: int) -> Shape:
    words = _WORD.findall(text.lower())
    asks = bool(words) and (text.rstrip().endswith("?") or words[0] in _QUESTION_WORDS)
    if quoted or any(t.strong for t in terms):
        return Shape.LOOKUP
    if asks or (len(words) >= 6 and stop_words >= 2):
        return Shape.QUESTION
    return Shape.KEYWORDS


def is_year(form: str) -> bool:
    """Four digits that may be a year of the last centuries."""
    return len(form) == 4 and form.isdigit() and form[:2] in {"14", "15", "16", "17", "18", "19", "20"}


def _sparse(weights: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    places = sorted(weights)
    return np.array(places, np.uint32), np.array([weights[p] for p in places], np.float32)
