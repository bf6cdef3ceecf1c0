"""Which of the pages found carry the answer: the fewest that hold what the question names.

The first page always; then each page that holds a word of the question which those before lack, or that search holds
to be nearly as good as the first; and the page beside one, where the place that matched runs over the page's edge.
At most `max_pages` and `max_tokens`, and none that is barred. Pure functions; every page gets a reason for people to
read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from index.matching import matcher_of
from index.types import Hit, PageKey, PagePoint
from worker.answer.asking import Role, read_over

CHARS_PER_TOKEN = 4
"""English text, byte-pair encoded: about four characters a token."""

ORDERS = "gives orders to a language model; search shows it, answers do not rest on it"
"""Why a barred page is not selected (`worker.answer.orders`)."""

_EDGE = 0.12
"""Share of a page's text, from either edge, in which a matched place may run over it."""
_ENDS = re.compile(r"[.!?:;»”\"')\]]\s*$")
_BEGINS_INSIDE = re.compile(r"\s*(?:[a-zà-þ,;)]|\|)")
_CONTENT = frozenset({Role.CONTENT, Role.NAME, Role.IDENTIFIER})


@dataclass(frozen=True, slots=True)
class SelectionConfig:
    """`near`: a page this close to the first one's score (0..1, as a share of it) is selected for that alone."""

    max_pages: int = 5
    max_tokens: int = 6000
    near: float = 0.03


@dataclass(frozen=True, slots=True)
class Considered:
    """A page that search found, and whether and why it was selected."""

    key: PageKey
    score: float
    selected: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """`considered` in search's order; `beside` are neighbours of selected pages, to be fetched and read too."""

    considered: tuple[Considered, ...]
    beside: tuple[Considered, ...] = ()


def select(
    question: str,
    pages: Sequence[tuple[Hit, PagePoint]],
    config: SelectionConfig | None = None,
    barred: Collection[PageKey] = (),
) -> Selection:
    """Pages come best first."""
    config = config or SelectionConfig()
    asked = read_over(question, [page.text for _, page in pages])
    matcher = matcher_of(asked.plan)
    wanted = {n for n, role in enumerate(asked.roles) if role in _CONTENT}
    covered: set[int] = set()
    chosen: list[tuple[Hit, PagePoint]] = []
    considered: list[Considered] = []
    tokens = 0
    for hit, page in pages:
        if hit.key in barred:
            considered.append(Considered(hit.key, hit.score, False, ORDERS))
            continue
        held = {number for number in matcher.summary(page.text).terms if number in wanted}
        new = held - covered
        cost = len(page.text) // CHARS_PER_TOKEN
        first = chosen[0][0] if chosen else hit
        reason = _reason(hit, first, bool(chosen), [asked.plan.terms[n].form for n in sorted(new)], config.near)
        fits = len(chosen) < config.max_pages and (not chosen or tokens + cost <= config.max_tokens)
        take = reason is not None and fits
        if take:
            chosen.append((hit, page))
            covered |= held
            tokens += cost
        refused = "adds nothing that the pages before lack" if reason is None else "over the budget of pages and tokens"
        considered.append(Considered(hit.key, hit.score, take, reason if take and reason else refused))
    return Selection(tuple(considered), _beside(chosen, {hit.key for hit, _ in pages}, config.max_pages))


def _reason(hit: Hit, first: Hit, any_chosen: bool, new: list[str], near: float) -> str | None:
    if not any_chosen:
        return "the best match"
    if new:
        return "holds " + ", ".join(f"“{form}”" for form in new[:3])
    if first.score > 0 and hit.score >= first.score * (1 - near):
        return "matches as well as the first"
    return None


def _beside(chosen: Sequence[tuple[Hit, PagePoint]], known: set[PageKey], room: int) -> tuple[Considered, ...]:
    """Neighbours where the best place of a page runs over its edge; the best page's first."""
    found: list[Considered] = []
    for hit, page in chosen:
        if not hit.snippets or len(found) + len(chosen) >= room:
            break
        best, size = hit.snippets[0], len(page.text)
        before, after = (PageKey(hit.key.tenant, hit.key.document_id, hit.key.page + step) for step in (-1, 1))
        text = page.text.rstrip()
        if best.end >= size * (1 - _EDGE) and text and (text.endswith("|") or not _ENDS.search(text)):
            found.append(Considered(after, hit.score, True, f"page {hit.key.page} goes on there"))
        if best.start <= size * _EDGE and hit.key.page > 1 and _BEGINS_INSIDE.match(page.text):
            found.append(Considered(before, hit.score, True, f"page {hit.key.page} begins there"))
    unique = {one.key: one for one in found if one.key not in known}
    return tuple(unique.values())
