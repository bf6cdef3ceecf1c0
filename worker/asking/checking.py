"""Whether citations hold: each quote must stand literally on its page as it is stored now, notes included.

What a page looks like to an answerer (`with_notes`) is its text with the notes that are trusted behind it; `placed`
brings citations of such pages back to where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from index.types import Answer, Citation, Note, PageKey, PagePoint, RegionKind, Statement
from worker.answer.claims import figures_hold
from worker.answer.orders import gives_orders
from worker.answer.quoting import NOT_FOUND, spelt, wording

_BETWEEN = "\n\n"
_PICTURES = frozenset({RegionKind.FIGURE, RegionKind.TABLE})


def with_notes(page: PagePoint, trust: float) -> PagePoint:
    """The page with its notes of at least this trust behind its text, each as a passage."""
    notes = _behind(page, trust)
    if not notes:
        return page
    text = _BETWEEN.join((page.text, *(note.text for _, note in notes)))
    passages = (*page.passages, *((start, start + len(note.text)) for start, note in notes))
    return replace(page, text=text, passages=passages)


def placed(citation: Citation, page: PagePoint, trust: float) -> Citation:
    """A citation of `with_notes(page)`, as one of the page's text, which may be a draft, or of one of its notes."""
    for start, note in _behind(page, trust):
        if citation.start >= start and citation.end <= start + len(note.text):
            boxes = tuple(region.box for region in page.regions if region.kind in _PICTURES)
            span = (citation.start - start, citation.end - start)
            return replace(citation, start=span[0], end=span[1], note=note.prompt, boxes=boxes)
    return replace(citation, draft=page.draft) if page.draft else citation


def stands(citation: Citation, page: PagePoint | None) -> bool:
    """Whether the quote is literally there."""
    if page is None or not citation.quote.strip():
        return False
    texts = [note.text for note in page.notes if note.prompt == citation.note] if citation.note else [page.text]
    return any(text[citation.start : citation.end] == citation.quote for text in texts)


def without(answer: Answer, lost: Iterable[int], now: Mapping[PageKey, PagePoint | None]) -> Answer:
    """The answer less the citations of these places (from 0), and less what they carried: whoever reads a sentence in
    an answer takes it for one that a page says. A statement goes that has no citation left, or that has a figure which
    the pages that are left to it, as they are `now`, do not say. The other citations move up.
    """
    gone = set(lost)
    if not answer.statements:  # the text is what is quoted
        kept = tuple(citation for place, citation in enumerate(answer.citations) if place not in gone)
        return replace(answer, text=wording(kept), citations=kept) if kept else nothing_left(answer)
    left = [
        Statement(one.text, tuple(place for place in one.citations if place not in gone)) for one in answer.statements
    ]
    texts = {place: _said(now.get(one.key)) for place, one in enumerate(answer.citations)}
    standing = [
        one
        for one, before in zip(left, answer.statements, strict=True)
        if one == before
        or (one.citations and figures_hold(one.text, answer.question, [texts[place] for place in one.citations]))
    ]
    if not any(one.citations for one in standing):  # what was not found needs none, and is no answer alone
        return nothing_left(answer)
    places = sorted({place for one in standing for place in one.citations})
    moved = {place: at for at, place in enumerate(places)}
    statements = tuple(Statement(one.text, tuple(moved[place] for place in one.citations)) for one in standing)
    return replace(
        answer,
        text=" ".join(map(spelt, statements)),
        citations=tuple(answer.citations[place] for place in places),
        statements=statements,
    )


def nothing_left(answer: Answer) -> Answer:
    """The answer when nothing of it stands."""
    return replace(answer, found=False, text=NOT_FOUND, citations=(), statements=(), confidence=0.0)


def _said(page: PagePoint | None) -> str:
    return _BETWEEN.join((page.text, *(note.text for note in page.notes))) if page is not None else ""


def lost_places(citations: Sequence[Citation], now: dict[PageKey, PagePoint | None]) -> list[int]:
    """Places of the citations that do not stand on the pages as they are now."""
    return [place for place, citation in enumerate(citations) if not stands(citation, now.get(citation.key))]


def _behind(page: PagePoint, trust: float) -> list[tuple[int, Note]]:
    """The notes that may be shown (trusted, and no orders to a model), and where each begins behind the page's text."""
    placed_notes, at = [], len(page.text)
    for note in page.notes:
        if note.trust >= trust and note.text and not gives_orders(note.text):
            at += len(_BETWEEN)
            placed_notes.append((at, note))
            at += len(note.text)
    return placed_notes
