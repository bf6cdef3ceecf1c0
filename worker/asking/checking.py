"""Whether citations hold: each quote must stand literally on its page as it is stored now, notes included.

What a page looks like to an answerer (`with_notes`) is its text with the notes that are trusted behind it; `placed`
brings citations of such pages back to where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from index.types import Answer, Citation, Note, PageKey, PagePoint, RegionKind
from worker.answer.orders import gives_orders
from worker.answer.quoting import NOT_FOUND

_BETWEEN = "\n\n"
_MARK = re.compile(r" ?\[(\d{1,3})\]")
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
    """A citation of `with_notes(page)`, as one of the page's text or of one of its notes."""
    for start, note in _behind(page, trust):
        if citation.start >= start and citation.end <= start + len(note.text):
            boxes = tuple(region.box for region in page.regions if region.kind in _PICTURES)
            span = (citation.start - start, citation.end - start)
            return replace(citation, start=span[0], end=span[1], note=note.prompt, boxes=boxes)
    return citation


def stands(citation: Citation, page: PagePoint | None) -> bool:
    """Whether the quote is literally there."""
    if page is None or not citation.quote.strip():
        return False
    texts = [note.text for note in page.notes if note.prompt == citation.note] if citation.note else [page.text]
    return any(text[citation.start : citation.end] == citation.quote for text in texts)


def without(answer: Answer, lost: Iterable[int]) -> Answer:
    """The answer less the citations of these places (from 0): their marks go from the text, the others move up."""
    gone = set(lost)
    kept = [citation for place, citation in enumerate(answer.citations) if place not in gone]
    if not kept:
        return replace(answer, found=False, text=NOT_FOUND, citations=(), confidence=0.0)
    numbers = {}
    for place in range(len(answer.citations)):
        if place not in gone:
            numbers[place + 1] = len(numbers) + 1

    def renumber(mark: re.Match[str]) -> str:
        number = int(mark.group(1))
        if number > len(answer.citations):
            return mark.group(0)
        return mark.group(0).replace(mark.group(1), str(numbers[number])) if number in numbers else ""

    return replace(answer, text=_MARK.sub(renumber, answer.text), citations=tuple(kept))


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
