"""Running headers, footers and page numbers: found by standing apart at the page's edge.

They are taken out before columns are looked for and put back first and last.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, median_high

from worker.layout.kinds import is_page_number
from worker.layout.pieces import Piece

_EDGE = 0.085  # of the page height, where a running head or foot may stand
_NUMBER_EDGE = 0.12  # a page number alone may stand further in
_LONGEST = 110  # characters
_LARGEST, _GUIDES = 1.25, 1.6  # times the text's type; guide words beside a number are set larger than small print
_APART = 3.0  # type sizes between the two; a section's title is close to its number


@dataclass(frozen=True, slots=True)
class Furniture:
    header: tuple[Piece, ...]
    footer: tuple[Piece, ...]
    body: tuple[Piece, ...]


def take_furniture(pieces: Sequence[Piece]) -> Furniture:
    """Pieces (canonical order) parted into header, body and footer; most pages have neither."""
    body = list(pieces)
    header = _take(body, top=True)
    footer = _take(body, top=False)
    second = _take(body, top=False, number_only=bool(footer)) if footer else []
    return Furniture(tuple(header), (*second, *footer), tuple(body))


def _take(body: list[Piece], *, top: bool, number_only: bool = False) -> list[Piece]:
    """Remove the outermost line from `body` and return it, if it is furniture."""
    if len(body) < 3:
        return []
    line = _outermost(body, top=top)
    rest = [p for p in body if p not in line]
    if not rest:
        return []
    size = median(p.size for p in body)
    if top:
        depth = max(p.y1 for p in line)
        white = min(p.y0 for p in rest) - depth
    else:
        depth = 1.0 - min(p.y0 for p in line)
        white = min(p.y0 for p in line) - max(p.y1 for p in rest)
    texts = [p.text for p in line]
    number = any(is_page_number(text) for text in texts)
    largest = _GUIDES if _are_guides(line) else _LARGEST
    if median_high(p.size for p in line) > largest * size or sum(map(len, texts)) > _LONGEST:
        return []
    alone = number and len(texts) == 1
    if alone:
        taken = depth < _NUMBER_EDGE and white > 0.5 * size
    elif number_only:
        taken = False
    else:
        # Without a number it must stand well apart, and the page must have lines enough to compare with.
        taken = depth < _EDGE and len(body) >= 8 and white > (0.7 if number else 1.6) * size
    if not taken:
        return []
    body[:] = rest
    return line


def _are_guides(line: Sequence[Piece]) -> bool:
    """Is a page's number among the words, and apart from all of them?"""
    across = sorted(line, key=lambda p: (p.x0, p.key))
    gaps = [(b.x0 - a.x1, is_page_number(a.text) or is_page_number(b.text)) for a, b in itertools.pairwise(across)]
    beside = [gap for gap, number in gaps if number]
    return bool(beside) and min(beside) > _APART * across[0].size


def _outermost(body: Sequence[Piece], *, top: bool) -> list[Piece]:
    first = min(body, key=lambda p: (p.y0, p.key)) if top else max(body, key=lambda p: (p.y1, p.key))
    reach = 0.35 * first.size
    return [p for p in body if abs(p.yc - first.yc) <= reach]
