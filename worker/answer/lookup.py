"""Look-ups: an identifier, a quoted phrase or a numbered part of a document, answered by spelling alone.

`look_up` gives the spans that hold all of it, best first. A phrase may run over a line end or from one sentence
into the next; then the quote is both. Of a part ("clause 4.3(b)") the span is the part itself, never a place that
refers to it; of which document, those who find the pages know (`worker/asking/parts.py`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.fuzzy import SHAPE_QUALITY
from index.matching import Match, Matcher
from index.parts import PAGE, part_spans
from index.sentences import sentence_spans
from index.words import tokens
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate

MAX_QUOTED = 120
"""Words of a part that are quoted: a section may run over the whole page."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Place:
    """`text[start:end]` of page number `page` holds what was looked up, spelled with this quality (1.0: exactly)."""

    page: int
    start: int
    end: int
    quality: float


def look_up(
    question: Question, matcher: Matcher, texts: Sequence[str], candidates: Sequence[list[Candidate]]
) -> list[Place]:
    """Places, exact spellings before misread ones, those with the other words beside them first; else in the order
    of the pages. Empty when no page has all that must be there.
    """
    if question.parts:
        return _parts(question, texts, candidates)
    wanted = question.numbers(Role.IDENTIFIER)
    if not wanted and not question.plan.phrases:
        wanted = question.numbers(Role.NAME)
    hints = [n for n in question.numbers(Role.CONTENT, Role.NAME) if n not in wanted]
    places: list[tuple[float, float, Place]] = []
    for page, (text, held) in enumerate(zip(texts, candidates, strict=True)):
        result = matcher.find(text)
        best_of: dict[int, float] = {}
        for m in result.matches:
            best_of[m.term] = max(best_of.get(m.term, 0.0), m.quality)
        qualities = [*result.phrases, *(best_of.get(t, 0.0) for t in wanted)]
        if not qualities or min(qualities) == 0 or any(best_of[t] < SHAPE_QUALITY for t in wanted):
            continue  # search may show 1986-114 to who asks for 1986-115; as an answer it would be a lie
        anchors = [
            m
            for m in result.matches
            if m.term == -1 or (not result.phrases and m.term in wanted and m.quality >= SHAPE_QUALITY)
        ]
        spans = [(span, m.quality) for m in anchors if (span := _quoted(m, held))]
        if spans:
            best = max(spans, key=lambda s: (s[1], *(_held(s[0], result.matches, terms) for terms in (wanted, hints))))
            best = (_with_what_it_says(question, text, best[0], held), best[1])
            on_page = sum(best_of.get(t, 0.0) for t in hints)
            places.append((min(qualities), on_page, Place(page, *best[0], min(qualities))))
    return [place for _, _, place in sorted(places, key=lambda p: (-p[0], -p[1]))]


def _parts(question: Question, texts: Sequence[str], candidates: Sequence[list[Candidate]]) -> list[Place]:
    """Where the parts stand, in the order of the pages; of pages that were asked for, how they begin."""
    places = []
    for part in question.parts:
        for page, (text, held) in enumerate(zip(texts, candidates, strict=True)):
            if part.kind == PAGE:
                if held:
                    places.append(Place(page, held[0].start, _until(text, held[0].start, held[-1].end), 1.0))
            else:
                spans = part_spans(text, part)
                places += [Place(page, s.start, _until(text, s.start, s.end), s.quality) for s in spans]
    return sorted(places, key=lambda p: -p.quality)


def _until(text: str, start: int, end: int) -> int:
    """Where a quote of the span ends: with it or, where it is long, with the last sentence that fits."""
    words = [m.end() for m in itertools.islice(_WORD.finditer(text, start, end), MAX_QUOTED + 1)]
    if len(words) <= MAX_QUOTED:
        return end
    ends = [start + e for _, e in sentence_spans(text[start:end])]
    return max((e for e in ends if e <= words[-2]), default=words[-2])


def _held(span: tuple[int, int], matches: Sequence[Match], terms: Sequence[int]) -> int:
    """How many of the terms stand in the span."""
    return len({m.term for m in matches if m.term in terms and span[0] <= m.start < span[1]})


def _with_what_it_says(
    question: Question, text: str, span: tuple[int, int], held: Sequence[Candidate]
) -> tuple[int, int]:
    """The span and, where it only names what was looked up ("Complaint 118/22."), the sentence behind it."""
    if any(question.adds(token.form) for token in tokens(text[slice(*span)])):
        return span
    following = next((c for c in held if c.start >= span[1]), None)
    if following is None or following.is_row or "\n" in text[span[1] : following.start]:
        return span
    return span[0], following.end


def _quoted(match: Match, held: list[Candidate]) -> tuple[int, int] | None:
    touched = [c for c in held if c.start < match.end and c.end > match.start]
    return (touched[0].start, touched[-1].end) if touched else None
