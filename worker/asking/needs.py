"""Which pages a question needs decoded, and why: pure functions over what search found.

Pages without text are found by no search. So of these only those are considered for which something speaks
(`candidates`): their name, a neighbour or a document that matches, a filter that asks for them, or that they are few.
Everything else is decoded only where the page was found: a draft, a text that is not trusted, a figure or a table that
the question speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from index.matching import Matcher
from index.types import PageKey, PageLabels, PagePoint, RegionKind, SearchFilter
from worker.answer.asking import Question, Role
from worker.writeback import Want, is_done

_FIGURES = re.compile(
    r"\b(?:charts?|graphs?|diagrams?|drawings?|plots?|maps?|pictures?|photo(?:graph)?s?|illustrations?|sketch(?:es)?"
    r"|curves?|histograms?|images?|engravings?|fig\.|figure)(?!\w)",
    re.IGNORECASE,
)
_TABLES = re.compile(r"\btables?\b", re.IGNORECASE)
_MUST = (Role.NAME, Role.IDENTIFIER)
_ENOUGH = 0.5
"""Share of a question's content words that the pages at hand hold, from which on they are enough for a model to try."""


@dataclass(frozen=True, slots=True)
class Need:
    """A page, what is to be done, and in words why. `vital`: without it something of the page stays unheard."""

    key: PageKey
    want: Want
    reason: str
    vital: bool = True


def needs_of(
    question: Question, pages: Iterable[PagePoint], *, trust: float, drafts: Collection[PageKey] | None = None
) -> list[Need]:
    """What is to be done to pages that were selected; nothing for those without vision tokens. Of drafts that are
    trusted only these are decoded; None: all. First those drafts, which an answer would rest on, then other drafts,
    then the rest, each in the order of the pages: the budget may not do for all.
    """
    quoted, unread, found = [], [], []
    wanted = _kinds(question.text)
    for page in pages:
        if page.vision is None:
            continue
        if page.draft and (drafts is None or page.key in drafts or page.trust < trust):
            first = quoted if drafts is not None and page.key in drafts else unread
            left = [want for want in (Want.MARKDOWN, Want.FINER) if not is_done(page, want)]
            first += [Need(page.key, want, "its text is a draft") for want in left[:1]]
            if left:
                continue
        if not page.decoded and not page.draft:
            found.append(Need(page.key, Want.MARKDOWN, "it is not decoded yet"))
            continue
        if page.trust < trust:
            low = f"its text is trusted {page.trust:.2f} only"
            again = [want for want in (Want.MARKDOWN, Want.FINER) if not is_done(page, want)]
            found += [Need(page.key, want, low, vital=False) for want in again[:1]]
        about = sorted(wanted & {region.kind for region in page.regions})
        if about and not is_done(page, Want.FIGURE):
            found.append(Need(page.key, Want.FIGURE, f"the question is about a {about[0].value} on it"))
    return quoted + unread + found


def covered(question: Question, texts: Iterable[str]) -> bool:
    """Whether these texts together hold every name and identifier of the question, and half of its other words."""
    matcher = Matcher(question.plan)
    held = {term for text in texts for term in matcher.summary(text).terms}
    content = question.numbers(Role.CONTENT)
    if not held.issuperset(question.numbers(*_MUST)):
        return False
    return len(held.intersection(content)) >= _ENOUGH * len(content)


@dataclass(frozen=True, slots=True)
class Matching:
    """A page that search found, for what stands near it: `selected` ones come first."""

    key: PageKey
    selected: bool


def candidates(
    question: Question,
    waiting: Sequence[PagePoint],
    matching: Sequence[Matching],
    where: SearchFilter,
    *,
    few: int,
) -> list[Need]:
    """Pages that are not decoded, the likeliest first; those for which nothing speaks are left out.

    First whose file or folder is named in the question, then by how near they stand to pages that match, then pages of
    the documents or the folder that the filter names; all of them, where they are at most `few`.
    """
    matcher = Matcher(question.plan)
    named: dict[PageLabels, int] = {}
    ranked = []
    for page in waiting:
        if page.labels not in named:
            named[page.labels] = len(_named(question, matcher, page.labels))
        near = _near(page.key, matching)
        asked_for = bool(where.document_ids or (where.folder or "").strip("/"))
        if named[page.labels]:
            terms = ", ".join(f"“{form}”" for form in _named(question, matcher, page.labels)[:3])
            reason = f"it is not decoded yet, and its name holds {terms}"
        elif near:
            reason = f"it is not decoded yet, and page {near[3]} of the same document matches"
        elif asked_for:
            reason = "it is not decoded yet, and its document or folder was asked for"
        elif len(waiting) <= few:
            reason = "it is not decoded yet, as only few pages"
        else:
            continue
        far = near[:3] if near else (1, len(matching), 0)
        order = (-named[page.labels], *far, page.labels.filename, page.key.document_id, page.key.page)
        ranked.append((order, Need(page.key, Want.MARKDOWN, reason)))
    return [need for _, need in sorted(ranked, key=lambda pair: pair[0])]


def named_documents(question: Question, waiting: Iterable[PagePoint], *, most: int) -> list[str]:
    """Ids of at most so many documents whose name holds most words of the question, those with more words first."""
    matcher = Matcher(question.plan)
    words: dict[str, int] = {}
    for page in waiting:
        if page.key.document_id not in words:
            words[page.key.document_id] = len(_named(question, matcher, page.labels))
    named = sorted((-count, document) for document, count in words.items() if count)
    return [document for _, document in named[:most]]


def _kinds(question: str) -> set[RegionKind]:
    kinds = {RegionKind.FIGURE} if _FIGURES.search(question) else set()
    return kinds | ({RegionKind.TABLE} if _TABLES.search(question) else set())


def _named(question: Question, matcher: Matcher, labels: PageLabels) -> list[str]:
    """Words of the question that stand in a document's file name or in its folders."""
    text = " / ".join((labels.filename, *labels.paths))
    spread = re.sub(r"[_\W]+", " ", text)
    terms = {*matcher.summary(text).terms, *matcher.summary(spread).terms}
    telling = {*question.numbers(Role.CONTENT, *_MUST)}
    return [question.plan.terms[number].form for number in sorted(terms & telling)]


def _near(key: PageKey, matching: Sequence[Matching]) -> tuple[int, int, int, int] | None:
    """How near a page is to those of its document that match: (0 for a selected one, its place, pages between, it)."""
    return min(
        (
            (0 if one.selected else 1, place, abs(one.key.page - key.page), one.key.page)
            for place, one in enumerate(matching)
            if one.key.document_id == key.document_id
        ),
        default=None,
    )
