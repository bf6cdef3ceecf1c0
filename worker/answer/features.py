"""What speaks for a candidate: a handful of numbers that a person can read.

`measure` looks at the candidates of all pages at once and returns them with their evidence, best first by
meaning and words (`sift`); `soften` adds the costlier evidence, the likeness of single words, to the few that
are left. `FEATURES` names the columns in order; each is 0..1 or a small count. Nothing here decides.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from index.matching import Matcher
from index.passages import plain
from index.words import STOPWORDS, fold, stem, tokens
from worker.answer.asking import Kind, Question, Role
from worker.answer.candidates import Candidate
from worker.answer.kinds import HARD_KINDS, spans_of

FEATURES = (
    "meaning",  # cosine of question and candidate
    "context",  # cosine of question and candidate with its neighbours and heading
    "best",  # the highest cosine of any candidate of the page
    "words",  # share of the question's words, by weight, that stand in the candidate
    "around",  # the same with its neighbours, heading, header row and file name
    "page",  # the same on the whole page
    "alike",  # the same as `around`, where a word of like meaning counts by its likeness
    "weakest",  # the likeness of the question's weakest word
    "names",  # share of the question's names, years and numbers that the page (or its file name) lacks
    "fits",  # the candidate holds a date, amount, ... and the question asks for one
    "unfit",  # it holds none, though the question asks for one
    "hint",  # it may hold a name, place or reason, and the question asks for one
    "unhinted",  # it holds none
    "heading",  # it is a heading or the header row of a table
    "short",  # it has no more than three words
    "echo",  # share of its words that the question has already
    "rank",  # 1 for the first page found, falling to 0
)
_COLUMN = {name: i for i, name in enumerate(FEATURES)}

_NEIGHBOUR = 0.5  # of a sentence's weight, for the one before it (what "it" and "he" mean) and after it
_LIKE_FROM, _LIKE_TO = 0.35, 0.80
"""Cosines of single words with this embedding: below, unrelated ("wife", "lift" .31); above, synonyms
("hurt", "injuries" .70; "colour", "grey" .76). Between them the likeness rises evenly."""
_ROLE_WEIGHT = {Role.CONTENT: 1.0, Role.NAME: 1.0, Role.IDENTIFIER: 1.5, Role.FRAME: 0.3, Role.PART: 0.0}


@dataclass(slots=True)
class Found:
    """One page that was found, as far as answering needs it."""

    text: str
    title: str  # file name and path, words that a page need not repeat
    candidates: list[Candidate]
    qualities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """float32 `(candidates, terms)`: how well each term of the question stands in each candidate."""
    on_page: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    phrases: tuple[float, ...] = ()


@dataclass(slots=True)
class Evidence:
    """A candidate with its row of `FEATURES`."""

    candidate: Candidate
    row: np.ndarray
    near: np.ndarray  # (terms,) best quality in the candidate and around it


def look(question: Question, matcher: Matcher, found: Found) -> None:
    """Find the question's terms on a page and in each of its candidates."""
    terms = len(question.plan.terms)
    result = matcher.find(found.text)
    in_title = matcher.find(found.title)
    found.phrases = result.phrases
    found.on_page = np.zeros(terms, np.float32)
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
            found.on_page[match.term] = max(found.on_page[match.term], match.quality)


def weights_of(question: Question, pages: Sequence[Found]) -> np.ndarray:
    """float32 `(terms,)`, summing to 1: rare words weigh more; words of the question's frame hardly count."""
    terms = len(question.plan.terms)
    roles = np.array([_ROLE_WEIGHT[role] for role in question.roles], np.float32)
    total = sum(len(p.candidates) for p in pages)
    holding = sum((np.count_nonzero(p.qualities, axis=0) for p in pages), np.zeros(terms))
    rarity = np.log((total + 2) / (np.maximum(holding, 1) + 1)) + 0.5
    weights = rarity * roles
    return (weights / weights.sum() if weights.sum() > 0 else weights).astype(np.float32)


def measure(
    question: Question,
    pages: Sequence[Found],
    chosen: Sequence[Candidate],
    asked: np.ndarray,
    vectors: np.ndarray,
) -> list[Evidence]:
    """Evidence for the chosen candidates without the likeness of words. `asked` is `(dim,)`, `vectors` `(chosen, dim)`."""
    weights = weights_of(question, pages)
    cosines = vectors @ asked
    place = {(c.page, c.order): i for i, c in enumerate(chosen)}
    best = [0.0] * len(pages)
    for candidate, cosine in zip(chosen, cosines, strict=True):
        best[candidate.page] = max(best[candidate.page], float(cosine))
    evidence = []
    for i, candidate in enumerate(chosen):
        page = pages[candidate.page]
        near = _near(page, candidate)
        row = np.zeros(len(FEATURES), np.float32)
        set_ = row.__setitem__
        set_(_COLUMN["meaning"], cosines[i])
        set_(_COLUMN["context"], _context(candidate, place, vectors, asked, i))
        set_(_COLUMN["best"], best[candidate.page])
        set_(_COLUMN["words"], weights @ page.qualities[candidate.order])
        set_(_COLUMN["around"], weights @ near)
        set_(_COLUMN["page"], weights @ np.maximum(page.on_page, near))
        set_(_COLUMN["names"], _names_missing(question, page))
        for name, value in _form(question, page, candidate).items():
            set_(_COLUMN[name], value)
        set_(_COLUMN["rank"], 1.0 / (1 + candidate.page))
        evidence.append(Evidence(candidate, row, near))
    return evidence


def sift(evidence: list[Evidence], keep: int) -> list[Evidence]:
    """The few candidates worth a closer look: by meaning, context and words together."""

    def promise(e: Evidence) -> float:
        r = e.row
        fit = 0.15 * (r[_COLUMN["fits"]] - r[_COLUMN["unfit"]]) - 0.3 * r[_COLUMN["heading"]]
        return float(r[_COLUMN["meaning"]] + 0.5 * r[_COLUMN["context"]] + 0.5 * r[_COLUMN["around"]] + fit)

    return sorted(evidence, key=promise, reverse=True)[:keep]


def words_around(pages: Sequence[Found], evidence: Evidence) -> list[str]:
    """The distinct content words of a candidate and its surroundings, folded."""
    page = pages[evidence.candidate.page]
    text = " ".join(plain(page.text[a:b]) for a, b in _surroundings(page, evidence.candidate))
    return [w for w in dict.fromkeys(fold(t.form) for t in tokens(text)) if _has_meaning(w)]


def words_to_liken(question: Question, evidence: Evidence) -> list[int]:
    """Numbers of the question's terms that do not stand near the candidate and could be meant by another word."""
    return [i for i in question.numbers(Role.CONTENT) if evidence.near[i] < 0.99]


def soften(question: Question, pages: Sequence[Found], evidence: Evidence, likeness: np.ndarray) -> None:
    """Fill `alike` and `weakest`. `likeness` is `(terms,)`: the highest cosine of each term to a word around."""
    weights = weights_of(question, pages)
    soft = np.clip((likeness - _LIKE_FROM) / (_LIKE_TO - _LIKE_FROM), 0, 1)
    support = np.maximum(evidence.near, 0.9 * soft)
    evidence.row[_COLUMN["alike"]] = weights @ support
    content = question.numbers(Role.CONTENT, Role.NAME)
    evidence.row[_COLUMN["weakest"]] = min((float(support[i]) for i in content), default=1.0)


def _near(page: Found, candidate: Candidate) -> np.ndarray:
    rows = [page.qualities[candidate.order]]
    rows += [0.9 * page.qualities[o] for o in _orders_around(page, candidate)]
    return np.max(rows, axis=0)


def _orders_around(page: Found, candidate: Candidate) -> list[int]:
    orders = [o for o in (candidate.order - 1, candidate.order + 1) if 0 <= o < len(page.candidates)]
    wanted = {s for s in (candidate.heading, candidate.header) if s is not None}
    orders += [c.order for c in page.candidates[: candidate.order] if (c.start, c.end) in wanted]
    return orders


def _surroundings(page: Found, candidate: Candidate) -> list[tuple[int, int]]:
    spans = {(candidate.start, candidate.end)}
    spans.update((page.candidates[o].start, page.candidates[o].end) for o in _orders_around(page, candidate))
    return sorted(spans)


def _context(
    candidate: Candidate, place: dict[tuple[int, int], int], vectors: np.ndarray, asked: np.ndarray, at: int
) -> float:
    total = vectors[at].copy()
    for order in (candidate.order - 1, candidate.order + 1):
        neighbour = place.get((candidate.page, order))
        if neighbour is not None:
            total += _NEIGHBOUR * vectors[neighbour]
    length = float(np.linalg.norm(total))
    return float(total @ asked) / length if length else 0.0


def _names_missing(question: Question, page: Found) -> float:
    names = question.numbers(Role.NAME, Role.IDENTIFIER)
    if not names:
        return 0.0
    return sum(1.0 - float(page.on_page[i]) for i in names) / len(names)


def _form(question: Question, page: Found, candidate: Candidate) -> dict[str, float]:
    """What the candidate's form says: does it hold the kind of thing asked for, and anything new at all?"""
    text = page.text[candidate.start : candidate.end]
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
    new = [span for span in _spans(kind, text, candidate.is_row) if not _is_asked(text[slice(*span)], question, asked)]
    if kind in HARD_KINDS:
        values["fits" if new else "unfit"] = 1.0
    else:
        values["hint" if new else "unhinted"] = 1.0
    return values


def _spans(kind: Kind, text: str, is_row: bool) -> list[tuple[int, int]]:
    spans = spans_of(kind, text)
    if kind is Kind.DATE:
        spans += spans_of(Kind.TIME, text)
    if is_row and kind in HARD_KINDS - {Kind.CONTACT}:
        spans += spans_of(Kind.NUMBER, text)  # a table names its units in the header
    return spans


def _is_asked(text: str, question: Question, asked: set[str]) -> bool:
    """Whether this is what the question itself says: "how many people in 1962" is not answered by 1962."""
    parts = [t for t in tokens(text) if t.form not in STOPWORDS]
    return bool(parts) and all(stem(t.form) in asked for t in parts)


def _has_meaning(word: str) -> bool:
    return len(word) > 2 and word not in STOPWORDS and not any(c.isdigit() for c in word)


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
