"""What a person's query asks for: phrases, identifiers, words, and of which shape it is.

`analyse` is a pure function from text to a `QueryPlan`. The shape decides how much meaning
(dense vectors) and how much spelling (words) count, because neither is best for both: a
question shares few words with the page that answers it, and a look-up of `INV-2024-0117`
shares nothing else.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from index.fuzzy import MIN_FUZZY_LENGTH, identifier_fold, neighbour_keys, ocr_fold
from index.words import DEFAULT_WORDS, STOPWORDS, WordsConfig, feature, stem, tokens

MAX_TERMS = 48
"""Terms of a query that are looked at. A pasted page needs no more to be found, and each costs a posting list."""
MAX_PHRASES = 8
MAX_PHRASE_TOKENS = 32

_QUOTED = re.compile(r"\"([^\"]{1,400})\"|“([^”\"]{1,400})[”\"]|„([^“”\"]{1,400})[“”\"]|«([^»]{1,400})»")
_QUESTION_TEXT = (
    "who whom whose what when where which why how is are was were do does did can could should would will may has have "
    "wer was wann wo warum wie welche welcher welches wessen wem wen "
    "qui que quoi quand où comment pourquoi quel quelle quels quelles combien"
)
_QUESTION_WORDS = frozenset(_QUESTION_TEXT.split())
_WORDLIKE = re.compile(r"\w+")


class Shape(enum.StrEnum):
    """How a query is put."""

    QUESTION = "question"  # a sentence: meaning counts
    KEYWORDS = "keywords"  # a few words: both count
    LOOKUP = "lookup"  # an identifier, a quoted phrase or a number: spelling counts


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the query that is searched for. `folded` has look-alike letters merged."""

    form: str
    stem: str
    folded: str
    identifier: bool


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """`phrases` are the stems of quoted phrases in order; `terms` are distinct, without stop words unless
    there is nothing else; `text` is what is embedded (quotation marks removed).
    """

    text: str
    shape: Shape
    terms: tuple[Term, ...]
    phrases: tuple[tuple[str, ...], ...]
    pairs: tuple[tuple[str, str], ...]

    @property
    def empty(self) -> bool:
        """Nothing to search for: no letter and no digit."""
        return not _WORDLIKE.search(self.text)


def analyse(query: str, config: WordsConfig = DEFAULT_WORDS) -> QueryPlan:
    """The plan for a query of any length and content."""
    phrases = []
    for match in list(_QUOTED.finditer(query))[:MAX_PHRASES]:
        inside = next(group for group in match.groups() if group is not None)
        stems = tuple(stem(t.form, config.language) for t in _flat(inside))[:MAX_PHRASE_TOKENS]
        if stems:
            phrases.append(stems)
    text = " ".join(re.sub(r"[\"“”„«»]", " ", query).split())
    terms: dict[str, Term] = {}
    stop: dict[str, Term] = {}
    pairs: dict[tuple[str, str], None] = {}
    previous: str | None = None
    previous_end = -1
    for token in tokens(text):
        root = stem(token.form, config.language)
        fold_key = identifier_fold(token.form) if token.identifier else ocr_fold(token.form)
        term = Term(token.form, root, fold_key, token.identifier)
        plain = token.form in STOPWORDS and not token.identifier
        (stop if plain else terms).setdefault(token.form, term)
        if previous is not None and token.start >= previous_end:
            pairs.setdefault((previous, root))
        previous, previous_end = root, token.end
        if len(terms) >= MAX_TERMS:
            break
    chosen = tuple(terms.values()) or tuple(stop.values())[:MAX_TERMS]
    return QueryPlan(text, _shape(text, chosen, phrases, len(stop)), chosen, tuple(phrases), tuple(pairs)[:MAX_TERMS])


def word_features(plan: QueryPlan) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of the exact features: stems, whole identifiers, pairs (quoted ones weigh more)."""
    weights: dict[int, float] = {}
    for term in plan.terms:
        weights[feature("w", term.stem)] = 1.0
        if term.identifier:
            weights[feature("i", term.folded)] = 2.0
    for left, right in plan.pairs:
        # A pair of stop words says nothing unless it was quoted.
        if left not in STOPWORDS or right not in STOPWORDS:
            weights[feature("b", f"{left} {right}")] = 0.5
    for phrase in plan.phrases:
        for left, right in pairwise(phrase):
            weights[feature("b", f"{left} {right}")] = 3.0
    return _sparse(weights)


def fuzzy_features(plan: QueryPlan) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of the deletion neighbourhoods of all terms that are long enough."""
    weights: dict[int, float] = {}
    for term in plan.terms:
        if len(term.form) >= MIN_FUZZY_LENGTH and term.form not in STOPWORDS:
            keys = neighbour_keys(term.form)
            for key in keys:
                weights[feature("f", key)] = 1.0 / len(keys)
    return _sparse(weights)


def _flat(text: str) -> list:
    """Tokens that do not overlap: the parts of joined ones, not the wholes."""
    flat: list = []
    for token in tokens(text):
        if flat and token.start < flat[-1].end:
            if flat[-1].identifier and flat[-1].end >= token.end:
                flat.pop()
            elif token.start < flat[-1].end and len(token.form) != 2:
                continue
        flat.append(token)
    return flat


def _shape(text: str, terms: tuple[Term, ...], phrases: list, stop_words: int) -> Shape:
    words = _WORDLIKE.findall(text.lower())
    asks = bool(words) and (text.rstrip().endswith("?") or words[0] in _QUESTION_WORDS)
    marked = any(t.identifier and not _is_year(t.form) for t in terms)
    if phrases or (marked and not asks):
        return Shape.LOOKUP
    if marked and len(terms) <= 4:
        return Shape.LOOKUP
    if asks or (len(words) >= 6 and stop_words >= 2):
        return Shape.QUESTION
    return Shape.KEYWORDS


def _is_year(form: str) -> bool:
    return len(form) == 4 and form.isdigit() and form[:2] in {"15", "16", "17", "18", "19", "20"}


def _sparse(weights: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    places = sorted(weights)
    return np.array(places, np.uint32), np.array([weights[p] for p in places], np.float32)
