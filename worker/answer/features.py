"""What speaks for a candidate: a handful of numbers that a person can read.

`look` finds the question's words on a page and takes over from search how near each sentence is in meaning;
`measure` turns that into a row of `FEATURES` for each candidate; `sift` keeps the few worth a closer look, for
which the caller adds `meaning` (`deepen`) and the likeness of single words (`soften`). Nothing here decides.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from index.fuzzy import SHAPE_QUALITY
from index.matching import Matcher
from index.passages import plain
from index.words import STOPWORDS, fold, stem, tokens
from worker.answer.asking import Kind, Question, Role
from worker.answer.candidates import Candidate, label_end
from worker.answer.kinds import HARD_KINDS, spans_of

FEATURES = (
    "meaning",  # cosine of question and candidate by itself
    "context",  # cosine of question and candidate as it stands among its neighbours
    "beside",  # the higher of the two neighbours' `context`
    "around",  # share of the question's words, by weight, in the candidate, its neighbours, heading or header
    "own",  # the same of the candidate alone: of neighbours the one that has the words says it
    "alike",  # the same as `around`, where a word of like meaning counts by its likeness
    "weakest",  # the likeness of the question's weakest word
    "focus",  # the likeness of the word that names what is asked for ("which hotel"), 1 where there is none
    "names",  # share of the question's names, years and numbers that the page (or its file name) lacks
    "unfit",  # the question asks for a date, amount, ... and the candidate holds none
    "hint",  # the question asks for a person, place or reason, and the candidate may hold one
    "unhinted",  # it holds none
    "heading",  # it is a heading or the header row of a table
    "short",  # it has no more than three words
    "echo",  # share of its words that the question has already
    "gap",  # how far search had the page behind the first one, 0 or less
    "first",  # it is the page that search had first
)
_COLUMN = {name: i for i, name in enumerate(FEATURES)}

_LIKE_FROM, _LIKE_TO = 0.35, 0.80
"""Cosines of single words with this embedding: below, unrelated ("wife", "lift" .31); above, synonyms
("hurt", "injuries" .70; "colour", "grey" .76). Between them the likeness rises evenly."""
_BESIDE = np.float32(0.9)
"""What a word is worth that stands beside the candidate instead of in it."""
_LIKE_QUALITY = np.float32(0.9)
"""What a word of like meaning is worth at most of the word itself."""
_READ = 1500
"""Characters of a candidate whose form is looked at; only rows of very wide tables are longer."""
_CAPITALISED = re.compile(r"\b[A-ZÀ-Þ][\w'’-]+")
_ROLE_WEIGHT = {Role.CONTENT: 1.0, Role.NAME: 1.0, Role.IDENTIFIER: 1.5, Role.FRAME: 0.3, Role.PART: 0.0}


@dataclass(slots=True)
class Found:
    """One page that was found, as far as answering needs it."""

    text: str
    title: str  # file name and path, words that a page need not repeat
    candidates: list[Candidate]
    gap: float = 0.0  # search's score less that of the best page
    compared: bool = False  # search has compared its sentences with the question
    qualities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """float32 `(candidates, terms)`: how well each term of the question stands in each candidate."""
    near: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """float32 `(candidates,)`: cosine of each candidate, among its neighbours, to the question."""
    on_page: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    in_title: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    phrases: tuple[float, ...] = ()
    barred: set[int] = field(default_factory=set)
    """Orders of candidates that cannot be the answer (rows that the question does not name)."""


@dataclass(slots=True)
class Evidence:
    """A candidate with its row of `FEATURES`."""

    candidate: Candidate
    row: np.ndarray
    around: np.ndarray  # (terms,) best quality in the candidate and around it
    odds: float = 0.0  # what a judge says of it


def look(question: Question, matcher: Matcher, found: Found, sentences: Sequence[tuple[int, int, float]]) -> None:
    """Find the question's terms on a page and in each of its candidates. `sentences` are spans with cosines."""
    found.near = _nearness(found.candidates, sentences)
    terms = len(question.plan.terms)
    result = matcher.find(found.text)
    in_title = matcher.find(found.title)
    found.phrases = result.phrases
    found.on_page = np.zeros(terms, np.float32)
    found.in_title = np.zeros(terms, np.float32)
    found.qualities = np.zeros((len(found.candidates), terms), np.float32)
    starts = [c.start for c in found.candidates]
    for match in result.matches:
        if match.term < 0:
            continue
        found.on_page[match.term] = max(found.on_page[match.term], match.quality)
        at = bisect.bisect_right(starts, match.start) - 1
        if at >= 0 and match.start < found.candidates[at].end:
            found.qualities[at, match.term] = max(found.qualities[at, match.term], match.quality)
    for match in in_title.matches:
        if match.term >= 0:
            found.in_title[match.term] = max(found.in_title[match.term], match.quality)
    found.on_page = np.maximum(found.on_page, found.in_title)


def has_all_that_must_be(question: Question, found: Found) -> bool:
    """Whether a page has every identifier and every quoted phrase of the question: without them it cannot answer."""
    spelled = [found.on_page[i] > SHAPE_QUALITY - 0.01 for i in question.numbers(Role.IDENTIFIER)]
    return all(spelled) and all(found.phrases)


def weights_of(question: Question, pages: Sequence[Found]) -> np.ndarray:
    """float32 `(terms,)`, summing to 1: rare words weigh more; words of the question's frame hardly count."""
    terms = len(question.plan.terms)
    roles = np.array([_ROLE_WEIGHT[role] for role in question.roles], np.float32)
    total = sum(len(p.candidates) for p in pages)
    holding = sum((np.count_nonzero(p.qualities, axis=0) for p in pages), np.zeros(terms))
    rarity = np.log((total + 2) / (np.maximum(holding, 1) + 1)) + 0.5
    weights = rarity * roles
    return (weights / weights.sum() if weights.sum() > 0 else weights).astype(np.float32)


def measure(question: Question, pages: Sequence[Found], keep: int | None = None) -> list[Evidence]:
    """Evidence for all candidates with a word in them, still without what needs the model. With `keep` only for those
    that can be among the `keep` that `sift` leaves: a look at a candidate's form costs most, and few need one.
    """
    slack = -_PROMISE["unfit"] if question.kind in HARD_KINDS else 0.0
    evidence = _within_reach(gather(question, pages), keep, slack)
    look_at_form(question, pages, evidence)
    return evidence


def gather(question: Question, pages: Sequence[Found]) -> list[Evidence]:
    """Evidence for all candidates with a word in them, of what `look` has found only."""
    weights = weights_of(question, pages)
    evidence = []
    for page in pages:
        shared = [_names_missing(question, page), page.gap, float(page.gap == 0)]
        around = _all_around(page)
        values = around @ weights
        own = page.qualities @ weights
        beside = _beside(page.near)
        for candidate in page.candidates:
            if candidate.order in page.barred or not candidate.says:
                continue
            order = candidate.order
            row = np.zeros(len(FEATURES), np.float32)
            near = [page.near[order], beside[order]]
            row[_BEFORE_FORM] = [*shared, *near, values[order], own[order], float(candidate.is_heading)]
            evidence.append(Evidence(candidate, row, around[order]))
    return evidence


def look_at_form(question: Question, pages: Sequence[Found], evidence: Sequence[Evidence]) -> None:
    """Fill in what a candidate's form says."""
    for e in evidence:
        for name, value in _form(question, pages[e.candidate.page], e.candidate).items():
            e.row[_COLUMN[name]] = value


_BEFORE_FORM = [_COLUMN[name] for name in ("names", "gap", "first", "context", "beside", "around", "own", "heading")]
_PROMISE = {"meaning": 1.0, "context": 1.0, "around": 0.5, "unfit": -0.3, "heading": -0.3}


def promise(e: Evidence) -> float:
    """How worth a closer look a candidate is."""
    return sum(weight * float(e.row[_COLUMN[name]]) for name, weight in _PROMISE.items())


def sift(evidence: list[Evidence], keep: int) -> list[Evidence]:
    """The few candidates worth a closer look: by meaning, form and words together."""
    return sorted(evidence, key=promise, reverse=True)[:keep]


def _within_reach(evidence: list[Evidence], keep: int | None, slack: float) -> list[Evidence]:
    """Those that can be among the `keep` most promising: their form can make them less so, by `slack`, and no more."""
    if keep is None or len(evidence) <= keep:
        return evidence
    most = [promise(e) for e in evidence]
    least = sorted(most, reverse=True)[keep - 1] - slack
    return [e for e, value in zip(evidence, most, strict=True) if value >= least]


def deepen(evidence: Sequence[Evidence], cosines: np.ndarray, *, in_context: bool) -> None:
    """Fill `meaning`. `cosines` is `(evidence,)`: each candidate by itself to the question. Where search compared
    no sentence (`in_context` False), they stand for `context` too.
    """
    for e, cosine in zip(evidence, cosines, strict=True):
        e.row[_COLUMN["meaning"]] = cosine
        if not in_context:
            e.row[_COLUMN["context"]] = cosine


def words_around(pages: Sequence[Found], evidence: Evidence) -> list[str]:
    """The distinct content words of a candidate and its surroundings, folded."""
    page = pages[evidence.candidate.page]
    text = " ".join(plain(page.text[a:b]) for a, b in _surroundings(page, evidence.candidate))
    return [w for w in dict.fromkeys(fold(t.form) for t in tokens(text)) if _has_meaning(w)]


def words_to_liken(question: Question, evidence: Evidence) -> list[int]:
    """Numbers of the question's terms that could be meant by another word better than they stand near the candidate."""
    return [i for i in question.numbers(Role.CONTENT) if evidence.around[i] < _LIKE_QUALITY]


def soften(question: Question, pages: Sequence[Found], evidence: Evidence, likeness: np.ndarray) -> None:
    """Fill `alike` and `weakest`. `likeness` is `(terms,)`: the highest cosine of each term to a word around."""
    weights = weights_of(question, pages)
    soft = np.clip((likeness - _LIKE_FROM) / (_LIKE_TO - _LIKE_FROM), 0, 1)
    support = np.maximum(evidence.around, _LIKE_QUALITY * soft)
    evidence.row[_COLUMN["alike"]] = weights @ support
    evidence.row[_COLUMN["focus"]] = 1.0 if question.focus is None else support[question.focus]
    content = question.numbers(Role.CONTENT, Role.NAME)
    evidence.row[_COLUMN["weakest"]] = min((float(support[i]) for i in content), default=1.0)


def _nearness(candidates: Sequence[Candidate], sentences: Sequence[tuple[int, int, float]]) -> np.ndarray:
    """For each candidate the highest cosine of the sentences that it shares most of itself or of them with."""
    near = np.zeros(len(candidates), np.float32)
    ordered = sorted(sentences)
    starts = [start for start, _, _ in ordered]
    for i, candidate in enumerate(candidates):
        at = max(0, bisect.bisect_right(starts, candidate.start) - 1)
        for start, end, cosine in ordered[at : bisect.bisect_left(starts, candidate.end)]:
            shared = min(end, candidate.end) - max(start, candidate.start)
            if shared * 2 > min(end - start, candidate.end - candidate.start):
                near[i] = max(near[i], cosine)
    return near


def _beside(near: np.ndarray) -> np.ndarray:
    """The higher nearness of each candidate's two neighbours."""
    if not len(near):
        return near
    edged = np.pad(near, 1)
    return np.maximum(np.maximum(edged[:-2], edged[2:]), 0)


def _all_around(page: Found) -> np.ndarray:
    """float32 `(candidates, terms)`: the best quality of each term in a candidate, or less of it beside it."""
    around = page.qualities.copy()
    places = _places(page)
    for candidate in page.candidates:
        for other in _orders_around(page, candidate, places):
            np.maximum(around[candidate.order], _BESIDE * page.qualities[other], out=around[candidate.order])
    return around


def _places(page: Found) -> dict[tuple[int, int], int]:
    """The orders of a page's candidates by their spans."""
    return {(c.start, c.end): c.order for c in page.candidates}


def _orders_around(page: Found, candidate: Candidate, places: Mapping[tuple[int, int], int]) -> list[int]:
    orders = [o for o in (candidate.order - 1, candidate.order + 1) if 0 <= o < len(page.candidates)]
    if candidate.header is not None:  # what a sister row says is not said of this one
        orders = [o for o in orders if page.candidates[o].header != candidate.header]
    wanted = {s for s in (candidate.heading, candidate.header) if s is not None}
    return orders + sorted(places[span] for span in wanted if span in places)


def _surroundings(page: Found, candidate: Candidate) -> list[tuple[int, int]]:
    spans = {(candidate.start, candidate.end)}
    orders = _orders_around(page, candidate, _places(page))
    spans.update((page.candidates[o].start, page.candidates[o].end) for o in orders)
    return sorted(spans)


def _names_missing(question: Question, page: Found) -> float:
    names = question.numbers(Role.NAME, Role.IDENTIFIER)
    if not names:
        return 0.0
    return sum(1.0 - float(page.on_page[i]) for i in names) / len(names)


def _form(question: Question, page: Found, candidate: Candidate) -> dict[str, float]:
    """What the candidate's form says: does it hold the kind of thing asked for, and anything new at all?"""
    text = page.text[candidate.start : min(candidate.end, candidate.start + _READ)]
    words = [t for t in tokens(text) if t.form not in STOPWORDS]
    asked = {term.stem for term in question.plan.terms}
    echoed = sum(stem(w.form) in asked for w in words)
    values = {
        "heading": float(candidate.is_heading),
        "short": float(len(words) <= 3),
        "echo": echoed / len(words) if words else 1.0,
    }
    kind = question.kind
    if kind is Kind.ANY:
        return values
    new = [span for span in _spans(kind, text, candidate.is_row) if not _is_asked(text[slice(*span)], asked)]
    if kind in HARD_KINDS:
        values["unfit"] = float(not new)
    else:
        values["hint" if new else "unhinted"] = 1.0
    return values


def _spans(kind: Kind, text: str, is_row: bool) -> list[tuple[int, int]]:
    spans = spans_of(kind, text)
    if kind is Kind.PLACE and (is_row or label_end(text)):  # "Born at: Drammen" has no preposition before the place
        dates = spans_of(Kind.DATE, text)
        named = (m.span() for m in _CAPITALISED.finditer(text, label_end(text)))
        spans += [(a, b) for a, b in named if not any(start <= a < end for start, end in dates)]
    if kind is Kind.DATE:
        spans += spans_of(Kind.TIME, text)
    if is_row and kind in HARD_KINDS - {Kind.CONTACT}:
        spans += spans_of(Kind.NUMBER, text)  # a table names its units in the header
    return spans


def _is_asked(text: str, asked: set[str]) -> bool:
    """Whether this is what the question itself says: "how many people in 1962" is not answered by 1962."""
    parts = [t for t in tokens(text) if t.form not in STOPWORDS]
    return bool(parts) and all(stem(t.form) in asked for t in parts)


def _has_meaning(word: str) -> bool:
    return len(word) > 2 and word not in STOPWORDS and not any(c.isdigit() for c in word)
