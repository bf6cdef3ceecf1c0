"""What a person's query asks for: phrases, identifiers, words, and of which shape it is.

`analyse` is a pure function from text to a `QueryPlan`. The shape decides how much meaning
(dense vectors) and how much spelling (words) count, because neither is best for both: a
question shares few words with the page that answers it, and a look-up of `INV-2024-0117`
shares nothing else.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from index.abbreviations import also_written
from index.dates import DateName, dates_named, days_named
from index.flat import flat
from index.fuzzy import identifier_fold, ocr_fold, wanted_keys
from index.parts import PartName, parts_named
from index.words import DEFAULT_WORDS, STOPWORDS, Token, WordsConfig, feature, fold, paired, squeeze, stem, tokens

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
_OF_PEOPLE = re.compile(r"\b(?:did|does|do|who|to|not|would|could|might|should)\b", re.IGNORECASE)
_DIE = re.compile(r"\bdie\b", re.IGNORECASE)
_DIE_LAST = re.compile(r"\bdie\W*$", re.IGNORECASE)
_COUNTED = re.compile(
    r"\d{1,4}(?:st|nd|rd|th|er|eme|s|am|pm|kg|g|mg|km|m|cm|mm|ft|in|lbs?|oz|cwt|ml|l|kw|hp|hrs?|min|p|d|yrs?)"
)


_MARK = re.compile(r"(?<![\w-])(?P<letters>[A-Z]{2,5}\.?(?: [A-Z]{1,2})?) (?P<figures>\d{1,7}[a-z]?)(?![\w]|[.,:/-]\d)")
_SMALL_MARK = re.compile(r"\A\s*(?P<letters>[a-z]{2,3}\.?) (?P<figures>\d{1,7}[a-z]?)\s*\Z")
_SPREAD_MARK = re.compile(
    r"\A\s*(?P<letters>[A-Za-z]{2,4}\.?)(?=[^\d]{1,2}(?:\d{1,4}[ ./-])*(?:0\d|\d{5}))(?:[ ./-]\d{1,8}){2,4}[a-z]?\s*\Z"
)
"""Nothing but an identifier with blanks for its separators, "jgr 2009 0388": a group begins with 0 or is long."""
_NO_MARK_TEXT = (
    "jan feb mar apr may jun jul aug sep sept oct nov dec mai juni juli okt dez am ad bc ca no nr eur usd gbp chf dm "
    "fr age art sec cl reg pp vol bd fig page item part box bed lot day men tel fax"
)
_NO_MARK = frozenset(_NO_MARK_TEXT.split())


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
        """An identifier that names one thing: not a year, not a small number, and neither "5th" nor "12kg"."""
        digits = sum(c.isdigit() for c in self.form)
        if not self.identifier or self.part or digits == 0 or _COUNTED.fullmatch(self.form):
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
    names: frozenset[str] = frozenset()
    """Beside a numbered part the forms of all other terms: they say of which document it is."""
    parts: tuple[PartName, ...] = ()
    dates: tuple[DateName, ...] = ()
    days: tuple[DateName, ...] = ()
    """Dates without their year."""

    @property
    def dated(self) -> tuple[DateName, ...]:
        """All its dates, with a year or without."""
        return (*self.dates, *self.days)

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
    names: set[str] = set()
    parts = parts_named(text)
    dates = dates_named(flat(text))
    asks = _asks(text)
    whole: Token | None = None
    for token in _with_marks(text, parts, dates):
        part = whole is not None and token.end <= whole.end
        if token.identifier and not part:
            whole = token
        key = identifier_fold(token.form) if token.identifier else ocr_fold(token.form)
        # A date is written in many ways: in a question it is no identifier that must stand there letter by letter.
        part = part or (asks and any(d.start == token.start and d.end == token.end for d in dates))
        term = Term(token.form, stem(token.form, config.language), key, token.identifier, part)
        plain = is_silent(token.form, text) and not token.identifier
        (stop if plain else terms).setdefault(token.form, term)
        if parts and not any(p.start <= token.start < p.end for p in parts):
            names.add(token.form)
        if len(terms) >= MAX_TERMS:
            break
    for form in (name for date in dates for name in date.month_names):
        terms.setdefault(form, Term(form, stem(form, config.language), ocr_fold(form), part=True))
    chosen = tuple(terms.values()) or tuple(stop.values())[:MAX_TERMS]
    return QueryPlan(
        text=text,
        shape=_shape(text, chosen, bool(phrases), len(stop)),
        terms=chosen,
        phrases=tuple(phrases),
        pairs=tuple(_pairs(text, config, _telling))[:MAX_TERMS],
        phrase_pairs=tuple(phrase_pairs),
        names=frozenset(names),
        parts=parts,
        dates=dates,
        days=days_named(flat(text)),
    )


def is_silent(form: str, query: str) -> bool:
    """Whether a folded word of a query says nothing. "die" is a German article, and what people do in English."""
    return form in STOPWORDS and not (form == "die" and _dies(query))


def _dies(query: str) -> bool:
    """As in "Did he die in Hull?" and "May he die?". In steps: one pattern would look behind each "do" to the end."""
    before = _OF_PEOPLE.search(query)
    if before is not None and _DIE.search(query, before.end()) is not None:
        return True
    return _DIE_LAST.search(query) is not None


def shelf_marks(text: str) -> list[tuple[int, int]]:
    """Spans of identifiers whose letters and figures stand apart: "MS 45", "NW 7731", "BGE L 221"; of small
    letters only where they are all the query ("ms 45", "jgr 2009 0388"). Parts of documents, years and sums of
    money are none.
    """
    found = []
    for match in (*_MARK.finditer(text), *_SMALL_MARK.finditer(text)):
        letters = match["letters"].split()[0].rstrip(".").lower()
        if letters not in _NO_MARK and letters not in STOPWORDS and not is_year(match["figures"]):
            found.append(match.span())
    spread = _SPREAD_MARK.match(text)
    if spread is not None and spread["letters"].rstrip(".").lower() not in _NO_MARK | STOPWORDS:
        return [spread.span()]
    return found


def _with_marks(text: str, parts: Sequence[PartName], dates: Sequence[DateName]) -> Iterator[Token]:
    """The tokens of a query, shelf marks whole before their own."""
    named = (*parts, *dates)
    marks = [(a, b) for a, b in shelf_marks(text) if not any(n.start < b and a < n.end for n in named)]
    for token in tokens(text):
        while marks and token.start >= marks[0][0]:
            start, end = marks.pop(0)
            yield Token(start, end, squeeze(text[start:end]), identifier=True)
        yield token


def word_features(plan: QueryPlan, config: WordsConfig = DEFAULT_WORDS) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of the exact features: stems (and what else words are written as), whole identifiers, pairs;
    quoted ones weigh more.
    """
    weights: dict[int, float] = {}
    for term in plan.terms:
        for other in also_written(term.form):
            weights.setdefault(feature("w", stem(other, config.language)), 1.0)
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
    if quoted or any(t.strong for t in terms):
        return Shape.LOOKUP
    words = _WORD.findall(text)
    if _asks(text) or (len(words) >= 6 and stop_words >= 2):
        return Shape.QUESTION
    return Shape.KEYWORDS


def _asks(text: str) -> bool:
    first = _WORD.search(text.lower())
    return first is not None and (text.rstrip().endswith("?") or first.group() in _QUESTION_WORDS)


def is_year(form: str) -> bool:
    """Four digits that may be a year of the last centuries."""
    return len(form) == 4 and form.isdigit() and form[:2] in {"14", "15", "16", "17", "18", "19", "20"}


def _sparse(weights: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    places = sorted(weights)
    return np.array(places, np.uint32), np.array([weights[p] for p in places], np.float32)
