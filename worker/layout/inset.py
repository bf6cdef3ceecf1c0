"""A part of a page that was read by itself, put into the text of the rest: a table that is printed on its side.

Promises what `compose` does: spans are exact, regions follow each other, and each word is in the text once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.types import RegionKind
from worker.layout.lines import Composed

_BREAK = "\n\n"


def inset(page: Composed, part: Composed) -> Composed:
    """`page` with `part` between its blocks, behind what ends above the part's middle. All boxes are on the page."""
    if not page.text or not part.text:
        return part if part.text else page
    at = _place(page, part)
    start = page.regions[at].start if at < len(page.regions) else len(page.text) + len(_BREAK)
    head, tail = page.text[: start - len(_BREAK)] if at else "", page.text[start:]
    text = _BREAK.join(each for each in (head, part.text, tail) if each)
    own = len(head) + len(_BREAK) if head else 0
    moved = len(part.text) + len(_BREAK)  # by so much what follows
    return Composed(
        text,
        (*page.regions[:at], *_moved(part.regions, own), *_moved(page.regions[at:], moved)),
        (
            *(word for word in page.words if word.start < start),
            *_moved(part.words, own),
            *_moved([word for word in page.words if word.start >= start], moved),
        ),
    )


def _moved(spans: Sequence, by: int) -> list:  # of regions, of words
    return [replace(span, start=span.start + by, end=span.end + by) for span in spans]


def _place(page: Composed, part: Composed) -> int:
    """The number of the region before which the part goes: not within a paragraph or a list, nor behind the footer."""
    top, bottom = min(r.box.y0 for r in part.regions), max(r.box.y1 for r in part.regions)
    places = [k for k, region in enumerate(page.regions) if _opens(page, k) and region.kind is not RegionKind.HEADER]
    ends = [k for k, region in enumerate(page.regions) if region.kind is RegionKind.FOOTER]
    last = ends[0] if ends else len(page.regions)
    above = [k for k in range(last) if page.regions[k].box.y1 <= (top + bottom) / 2]
    least = above[-1] + 1 if above else 0
    return next((k for k in places if least <= k <= last), last)


def _opens(page: Composed, k: int) -> bool:
    """Does a block of its own begin with this region?"""
    return k == 0 or page.text[: page.regions[k].start].endswith(_BREAK)
