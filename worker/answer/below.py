"""Where a quote only says again what was asked, what stands behind it answers: the text below a title, the sentence
after the name of a matter. "Which matters are reserved?" is no more answered by the title "Reserved matters" than
by silence.
"""

from __future__ import annotations

import re

import numpy as np

from index.passages import plain
from index.words import tokens
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate
from worker.answer.features import Found

_COUNTS = re.compile(r"[^a-z]*\d[^a-z]*[a-z]?|[ivxlc]{1,6}|[a-z]")
"""What numbers a title and says nothing: "2213/21", "ii", "4a"."""
_PART_TEXT = "article clause section paragraph part chapter schedule annex appendix item no nr artikel abschnitt"
_PART = frozenset(_PART_TEXT.split())


def with_what_follows(question: Question, found: Found, chosen: Candidate) -> list[Candidate]:
    """The candidate and, where it says nothing that the question does not say, what stands below or behind it: of a
    section what has most of the question's other words, else how it begins.
    """
    if chosen.is_row or _says_more(question, chosen):
        return [chosen]
    behind = [c for c in found.candidates[chosen.order + 1 :] if not c.is_heading and c.order not in found.barred]
    if not chosen.is_heading:
        between = behind and chosen.text[chosen.end : behind[0].start]
        return [chosen, *behind[:1]] if between == "" or (between and "\n" not in between) else [chosen]
    below = [c for c in behind if c.heading == (chosen.start, chosen.end)]
    if not below:
        return [chosen]
    there = found.qualities > 0.5
    missing = [n for n in question.numbers(Role.CONTENT, Role.NAME, Role.IDENTIFIER) if not there[chosen.order, n]]
    if not missing:
        return [chosen, below[0]]
    held = there[np.ix_([c.order for c in below], missing)].sum(axis=1)
    return [chosen, below[int(held.argmax())]] if held.any() else [chosen]


def _says_more(question: Question, candidate: Candidate) -> bool:
    words = [token.form for token in tokens(plain(candidate.text[candidate.start : candidate.end]))]
    return any(question.adds(word) and word not in _PART and not _COUNTS.fullmatch(word) for word in words)
