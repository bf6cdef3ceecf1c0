"""Look-ups: an identifier or a quoted phrase, answered by spelling alone.

`look_up` gives the spans that hold all of it, best first. A phrase may run over a line end or from one sentence
into the next; then the quote is both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.matching import Match, Matcher
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate


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
    """Places in the order of the pages, exact spellings before misread ones; empty when no page has it all."""
    wanted = question.numbers(Role.IDENTIFIER, Role.NAME)
    places: list[Place] = []
    for page, (text, held) in enumerate(zip(texts, candidates, strict=True)):
        result = matcher.find(text)
        if any(q == 0 for q in result.phrases) or any(result.quality(t) == 0 for t in wanted):
            continue
        quality = min([*result.phrases, *(result.quality(t) for t in wanted)])
        match = next((m for m in result.matches if m.term == -1 or (not result.phrases and m.term in wanted)), None)
        span = _quoted(match, held) if match else None
        if span:
            places.append(Place(page, *span, quality))
    return sorted(places, key=lambda p: -p.quality)


def _quoted(match: Match, held: list[Candidate]) -> tuple[int, int] | None:
    touched = [c for c in held if c.start < match.end and c.end > match.start]
    return (touched[0].start, touched[-1].end) if touched else None
