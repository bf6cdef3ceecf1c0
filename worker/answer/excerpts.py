"""Which parts of the found pages an answering model gets to see, within a budget of characters.

An excerpt is a contiguous slice of a page's text: one passage, or neighbouring ones joined. A page's passages rank by
the nearness of their sentences to the question (search has measured it) and by the snippets that matched in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.types import Hit, PagePoint

PER_PAGE = 3
"""Passages of one page at most: 360 words, more than most questions need of a page."""
_SNIPPET = 0.2
"""What a snippet inside adds to a passage's nearness, a cosine: words that match count beside meaning."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`page.text[start:end]`, of the page at `place` in the pages found."""

    place: int
    start: int
    end: int
    text: str
    page: int = 0
    """Its number in the document."""


def excerpts(pages: Sequence[tuple[Hit, PagePoint]], *, budget: int) -> list[Excerpt]:
    """The best excerpts, pages best first, inside a page in reading order; at most `budget` characters together.

    Every page gets its best passage before any gets its second.
    """
    ranked = [_ranked(hit, page) for hit, page in pages]
    chosen: list[list[tuple[int, int]]] = [[] for _ in pages]
    left = budget
    for turn in range(PER_PAGE):
        for place, spans in enumerate(ranked):
            if turn < len(spans) and (size := spans[turn][1] - spans[turn][0]) <= left:
                chosen[place].append(spans[turn])
                left -= size
    return [
        Excerpt(place, start, end, pages[place][1].text[start:end], pages[place][1].key.page)
        for place, spans in enumerate(chosen)
        for start, end in _joined(spans)
    ]


def _ranked(hit: Hit, page: PagePoint) -> list[tuple[int, int]]:
    spans = [span for span in page.passages if page.text[slice(*span)].strip()]
    if not spans and page.text.strip():
        spans = [(0, min(len(page.text), 2000))]

    def worth(span: tuple[int, int]) -> float:
        near = max((cosine for start, end, cosine in hit.sentences if start < span[1] and end > span[0]), default=0.0)
        shown = any(s.start < span[1] and s.end > span[0] for s in hit.snippets)
        return near + _SNIPPET * shown

    return sorted(spans, key=lambda span: (-worth(span), span))


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + 2:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
