"""Seams: lines run together across the edge of a column, or over to a note beside it, parted again.

A narrow gutter is no wider than a loose space, and on one line alone nothing tells them apart. The lines around do:
where several of them end at one place, or begin at one, and hardly any runs on across it, a gap there is no space.
Takes and gives pieces in canonical order.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from statistics import median

from worker.layout.pieces import Piece, canonical, part

_WIDE = 0.45  # type sizes, and so many times the other gaps of the line
_WIDER = 1.5
_AROUND = 9.0  # type sizes up and down
_NEAR = 0.4  # type sizes: ends of lines of one column
_FEWEST = 3  # lines with either edge
_TEXT = 5  # lines with the one edge, beside a note
_NOTE = 0.4  # of the text's width
_LONG = 8.0  # type sizes; shorter pieces end where they like


def part_at_edges(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, cut where a gap between two words stands at the edge of the columns around."""
    heights = [piece.yc for piece in pieces]
    parted: list[Piece] = []
    for piece in pieces:
        reach = _AROUND * piece.size
        cuts = []
        for i in _gaps(piece):
            around = pieces[bisect_left(heights, piece.yc - reach) : bisect_right(heights, piece.yc + reach)]
            if _is_edge(piece, i, around):
                cuts.append(i)
        bounds = itertools.pairwise([0, *cuts, len(piece.tokens)])
        parted.extend([piece] if not cuts else [part(piece, a, b) for a, b in bounds])
    return canonical(parted) if len(parted) > len(pieces) else list(pieces)


def _gaps(piece: Piece) -> Iterator[int]:
    """Words of a line before which there is more white than between its others."""
    gaps = [b[0] - a[1] for a, b in itertools.pairwise(piece.edges)]
    if not gaps or max(gaps) < _WIDE * piece.size:
        return
    usual = median(gaps) if len(gaps) > 2 else 0.0
    for i, gap in enumerate(gaps, 1):
        if gap >= _WIDE * piece.size and gap >= _WIDER * usual:
            yield i


def _is_edge(piece: Piece, i: int, around: Sequence[Piece]) -> bool:
    end, start = piece.edges[i - 1][1], piece.edges[i][0]
    near, long = _NEAR * piece.size, _LONG * piece.size
    ending = beginning = crossing = 0
    for other in around:
        if other is piece or other.x1 - other.x0 < long or not 0.7 * piece.size < other.size < 1.4 * piece.size:
            continue
        if abs(other.edges[-1][1] - end) < near:
            ending += 1
        elif abs(other.edges[0][0] - start) < near:
            beginning += 1
        elif other.x0 < end < start < other.x1 and not _has_gap(other, (end + start) / 2):
            crossing += 1
    if min(ending, beginning) >= _FEWEST:
        return 3 * crossing <= ending + beginning  # columns
    # A short note beside the text: only the text's own edge shows.
    left, right = end - piece.x0, piece.x1 - start
    noted = (ending >= _TEXT and right < _NOTE * left) or (beginning >= _TEXT and left < _NOTE * right)
    return noted and crossing == 0


def _has_gap(piece: Piece, x: float) -> bool:
    return any(a[1] <= x <= b[0] and b[0] - a[1] >= _WIDE * piece.size for a, b in itertools.pairwise(piece.edges))
