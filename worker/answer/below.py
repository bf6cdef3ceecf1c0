"""Where a quote only says again what was asked, what stands behind it answers: the text below a title, the sentence
after the name of a matter. "Which matters are reserved?" is no more answered by the title "Reserved matters" than
by silence. So it is with a question that stands on the page ("Mr. Peel asked why ..."), and what introduces a list
("No person shall be elected who:") says nothing without that.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from index.parts import behind_label
from index.passages import plain
from index.words import tokens
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate
from worker.answer.features import Found

_NUMBER_WORDS = frozenset({"no", "nr"})
_OPEN = re.compile(r":[\s*_]*\Z")
_ITEM = re.compile(r"[ \t]*([-*+•]|\(?(?:[a-z]|[ivx]{1,4}|\d{1,2})[.)])\s")
_MOST_WORDS = 120
"""Of a list that is quoted with what introduces it."""
_ASKS = re.compile(r"\?[\s*_\"'”’»)]*\Z")
_ASKED = re.compile(
    r"\b(?:asked|asks|enquired|inquired|wondered|(?:wished|wanted|desired) to know)\b(?: [\w.'’]+){0,3}"
    r" (?:why|whether|if|who|what|when|where|which|how)\b"
    r"(?!.*\b(?:said|replied|answered|explained|told)\b)",  # "Asked how he did, he said that ..." answers itself
    re.IGNORECASE | re.DOTALL,
)
_OF_ASKING = re.compile(r"\b(?:ask|enquir|inquir|wonder)\w*|\bto know\b", re.IGNORECASE)
"""In a question: what stands on the page as a question is what it asks for."""


def with_what_follows(question: Question, found: Found, chosen: Candidate) -> list[Candidate]:
    """The candidate and, where it says nothing that the question does not say, what stands below or behind it: of a
    section what has most of the question's other words, else how it begins. What introduces a list comes with the list,
    and so does the title of one.
    """
    said = chosen.text[chosen.start : chosen.end]
    asks = _ASKS.search(said) is not None
    if _OPEN.search(said) and not (chosen.is_heading or chosen.is_row):
        return [_with_its_list(found, chosen)]
    asked = _ASKED.search(said) is not None and _OF_ASKING.search(question.text) is None
    if chosen.is_row or not (asks or asked or not _says_more(question, chosen)):
        return [chosen]
    listed = _with_its_list(found, chosen)
    behind = [c for c in found.candidates[chosen.order + 1 :] if not c.is_heading and c.order not in found.barred]
    if not chosen.is_heading:
        if listed.end > chosen.end:
            return [listed]
        between = behind and chosen.text[chosen.end : behind[0].start]
        beside = between == "" or (between and (asks or "\n" not in between))
        return [chosen, *behind[:1]] if beside and not behind[0].is_row else [chosen]
    below = [c for c in behind if c.heading == (chosen.start, chosen.end)]
    if not below:
        return [chosen]
    there = found.qualities > 0.5
    missing = [n for n in question.numbers(Role.CONTENT, Role.NAME, Role.IDENTIFIER) if not there[chosen.order, n]]
    if not missing:
        return [listed] if listed.end > chosen.end else [chosen, below[0]]
    held = there[np.ix_([c.order for c in below], missing)].sum(axis=1)
    return [chosen, below[int(held.argmax())]] if held.any() else [listed]


def _says_more(question: Question, candidate: Candidate) -> bool:
    text = behind_label(plain(candidate.text[candidate.start : candidate.end]))
    numbers = [t.form for t in question.plan.terms if len(t.form) > 2 and any(map(str.isdigit, t.form))]
    # "2213/21" says no more than the 2213 that was asked for.
    said = " ".join(w for w in text.split() if not any(n in w for n in numbers))
    return any(question.adds(token.form) and token.form not in _NUMBER_WORDS for token in tokens(said))


def _with_its_list(found: Found, chosen: Candidate) -> Candidate:
    """The candidate with the items of the list that it introduces, those that fit."""
    text, end, words = chosen.text, chosen.end, 0
    own, first = _mark(text, chosen.start), ""
    for item in found.candidates[chosen.order + 1 :]:
        if "\n" in text[end : item.start]:
            mark = _mark(text, item.start)
            first = first or mark
            if not mark or mark != first or mark == own:
                break
        elif not first:
            break
        words += len(text[item.start : item.end].split())
        if item.is_row or item.is_heading or words > _MOST_WORDS:
            break
        end = item.end
    return replace(chosen, end=end)


def _mark(text: str, at: int) -> str:
    """What marks the item of a list on this line, the same for all of its items ("(a)" for "(b)"); "" for none."""
    mark = _ITEM.match(text, text.rfind("\n", 0, at) + 1)
    return re.sub(r"\d+", "9", re.sub(r"[a-z]+", "a", mark[1])) if mark else ""
