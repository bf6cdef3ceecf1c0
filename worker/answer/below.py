"""Where a quote only says again what was asked, what stands behind it answers: the text below a title, the sentence
after the name of a matter. "Which matters are reserved?" is no more answered by the title "Reserved matters" than
by silence.
"""

from __future__ import annotations

import numpy as np

from index.parts import behind_label
from index.passages import plain
from index.words import tokens
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate
from worker.answer.features import Found

_NUMBER_WORDS = frozenset({"no", "nr"})


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
    text = behind_label(plain(candidate.text[candidate.start : candidate.end]))
    numbers = [t.form for t in question.plan.terms if len(t.form) > 2 and any(map(str.isdigit, t.form))]
    # "2213/21" says no more than the 2213 that was asked for.
    said = " ".join(w for w in text.split() if not any(n in w for n in numbers))
    return any(question.adds(token.form) and token.form not in _NUMBER_WORDS for token in tokens(said))
