"""Seams: lines run together across the edge of a column, or over to a note beside it, parted again.

A narrow gutter is no wider than a loose space, and on one line alone nothing tells them apart. The lines around do:
where several of them end at one place, or begin at one, and hardly any runs on across it, a gap there is no space.
Where lines are run together one and all, as over the columns of a treaty in two languages, many of them, one under the
other, have a gap at one place, and begin level behind it.
Takes and gives pieces in canonical order.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from worker.layout.pieces import Piece, canonical, part

_WIDE = 0.45  # type sizes, and so many times the other gaps of the line
_WIDER = 1.5
_AROUND = 9.0  # type sizes up and down
_NEAR = 0.4  # type sizes: ends of lines of one column
_FEWEST = 3  # lines with either edge
_PASSES = 3
_PLAIN = 4  # lines with either edge, where the gap tells nothing
_GUTTER = 1.0  # type sizes: a wider one is none that a reader's box could bar
_CLOSE = 0.6  # type sizes of white between lines of one column
_TEXT = 5  # lines with the one edge, beside a note
_NOTE = 0.4  # of the text's width
_LONG = 8.0  # type sizes; shorter pieces end where they like
_SPACE = 0.28  # type sizes: a gap at all
_FLUSH = 0.25  # type sizes: words that begin level
_CHANNEL = 8  # lines run together; in fewer, words may chance to begin level
_CERTAIN = 12  # lines that never chance to
_LOOSER = 1.3  # times the other gaps of these lines


def part_at_edges(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, cut where a gap between two words stands at the edge of the columns around. What was parted shows the
    edges to lines beside it.
    """
    for _ in range(_PASSES):
        parted = _parted(pieces)
        if len(parted) == len(pieces):
            break
        pieces = parted
    return _trimmed(pieces)


def _parted(pieces: Sequence[Piece]) -> list[Piece]:
    heights = [piece.yc for piece in pieces]
    parted: list[Piece] = []
    channels = _channels(pieces)
    for k, piece in enumerate(pieces):
        reach = _AROUND * piece.size
        around = pieces[bisect_left(heights, piece.yc - reach) : bisect_right(heights, piece.yc + reach)]
        found = {i for i in _gaps(piece) if _is_edge(piece, i, around)}
        cuts = sorted({*channels.get(k, ()), *found, *_plain_edges(piece, around)})
        bounds = itertools.pairwise([0, *cuts, len(piece.tokens)])
        parts = [piece] if not cuts else [part(piece, a, b) for a, b in bounds]
        if k in channels:
            for i, (before, after) in zip(cuts, itertools.pairwise(parts), strict=True):
                if i in channels[k]:
                    _clear(before, after, channels[k][i])
        parted.extend(parts)
    return canonical(parted) if len(parted) > len(pieces) else list(pieces)


def _trimmed(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, those at a narrow gutter cut back to where the lines around end or begin: readers' boxes stand out
    beyond the letters, some by more than others, and would bar it.
    """
    heights = [piece.yc for piece in pieces]
    trimmed = []
    for piece in pieces:
        reach = _AROUND * piece.size
        around = pieces[bisect_left(heights, piece.yc - reach) : bisect_right(heights, piece.yc + reach)]
        lines = [p for p in around if p.x1 - p.x0 >= _LONG * piece.size and _alike(p, piece)]
        size = median(p.size for p in lines) if lines else 0.0
        x0, x1 = _start_of(piece, lines, size), _end_of(piece, lines, size)
        trimmed.append(replace(piece, x0=x0, x1=x1) if (x0, x1) != (piece.x0, piece.x1) and x0 < x1 else piece)
    return trimmed


def _end_of(piece: Piece, lines: Sequence[Piece], size: float) -> float:
    ends = _level([p.edges[-1][1] for p in lines], piece.edges[-1][1], size)
    if ends is None or piece.x1 <= ends:
        return piece.x1
    starts = _level([p.edges[0][0] for p in lines], ends + _GUTTER * size / 2, _GUTTER * size)
    return ends if starts is not None and starts > ends else piece.x1


def _start_of(piece: Piece, lines: Sequence[Piece], size: float) -> float:
    starts = _level([p.edges[0][0] for p in lines], piece.edges[0][0], size)
    if starts is None or piece.x0 >= starts:
        return piece.x0
    ends = _level([p.edges[-1][1] for p in lines], starts - _GUTTER * size / 2, _GUTTER * size)
    return starts if ends is not None and ends < starts else piece.x0


def _level(edges: Sequence[float], at: float, size: float) -> float | None:
    """Where several of the edges stand that are about at a place."""
    near = [x for x in edges if abs(x - at) < _NEAR * size]
    return median(near) if len(near) >= _PLAIN else None


def _gaps(piece: Piece, times: float = _WIDER) -> Iterator[int]:
    """Words of a line before which there is more white than between its others."""
    gaps = [b[0] - a[1] for a, b in itertools.pairwise(piece.edges)]
    if not gaps or max(gaps) < _WIDE * piece.size:
        return
    usual = median(gaps) if len(gaps) > 2 else 0.0
    for i, gap in enumerate(gaps, 1):
        if gap >= _WIDE * piece.size and gap >= times * usual:
            yield i


def _channels(pieces: Sequence[Piece]) -> dict[int, dict[int, float]]:
    """Where lines that are run together one and all are to be cut: by the index of their piece the words, and the place
    where these columns begin.
    """
    cuts: dict[int, dict[int, float]] = {}
    seen: dict[int, int] = {}  # by the place: the last piece as far as which was looked
    unit = _FLUSH * median(piece.size for piece in pieces) if pieces else 1.0
    for k, piece in enumerate(pieces):
        for i in _gaps(piece, _LOOSER):
            at = piece.edges[i][0]
            place = int(at / unit)
            if any(seen.get(near, -1) >= k for near in (place - 1, place, place + 1)):
                continue
            run = {k: i}
            _follow(pieces, k, at, -1, run)
            seen[place] = _follow(pieces, k, at, 1, run)
            if _is_channel([(pieces[n], word) for n, word in run.items()], at):
                edge = median(pieces[n].edges[word][0] for n, word in run.items())
                for n, word in run.items():
                    cuts.setdefault(n, {})[word] = edge
    return cuts


def _follow(pieces: Sequence[Piece], k: int, at: float, step: int, run: dict[int, int]) -> int:
    """Go up or down from piece `k` along a gap that ends at `at` until a line runs on across it, noting in `run` which
    word of each line stands behind it: where that ended.
    """
    size = pieces[k].size
    before = at - _FLUSH * size
    while 0 <= k + step < len(pieces):
        other = pieces[k + step]
        if other.x0 < before - size and other.x1 > at + size:
            edges = itertools.pairwise(other.edges)
            word = next((i for i, (a, b) in enumerate(edges, 1) if a[1] <= before <= b[0]), None)
            if word is None or other.edges[word][0] - other.edges[word - 1][1] < _SPACE * size:
                break
            run[k + step] = word
        elif other.x0 < before < at < other.x1:
            break
        k += step
    return k


def _is_channel(run: Sequence[tuple[Piece, int]], at: float) -> bool:
    """Do the lines begin level behind their gaps, and are these wider than their others or too many for chance?"""
    flush = [(piece, i) for piece, i in run if abs(piece.edges[i][0] - at) < _FLUSH * piece.size]
    if len(flush) < max(_CHANNEL, 0.8 * len(run)):
        return False
    columns = min(median(at - piece.x0 for piece, _ in flush), median(piece.x1 - at for piece, _ in flush))
    if columns < _LONG * flush[0][0].size:
        return False
    wider = []
    for piece, i in flush:
        gaps = sorted(b[0] - a[1] for a, b in itertools.pairwise(piece.edges))
        usual = max(gaps[len(gaps) // 2], 1e-9)
        wider.append((piece.edges[i][0] - piece.edges[i - 1][1]) / usual)
    return len(flush) >= _CERTAIN or median(wider) >= _LOOSER


def _is_edge(piece: Piece, i: int, around: Sequence[Piece]) -> bool:
    end, start = piece.edges[i - 1][1], piece.edges[i][0]
    near, long = _NEAR * piece.size, _LONG * piece.size
    ending = beginning = crossing = 0
    for other in around:
        if other is piece or other.x1 - other.x0 < long or not _alike(other, piece):
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


def _plain_edges(piece: Piece, around: Sequence[Piece]) -> list[int]:
    """Words before which the gap is a space like others, but all lines around end and begin there, with the lines above
    and below close to it: no heading over columns stands so.
    """
    size = piece.size
    others = [p for p in around if p is not piece and p.x1 - p.x0 >= _LONG * size and _alike(p, piece)]
    ends, starts = sorted(p.edges[-1][1] for p in others), sorted(p.edges[0][0] for p in others)
    found = []
    for i, (before, after) in enumerate(itertools.pairwise(piece.edges), 1):
        end, start = before[1], after[0]
        if start - end < _SPACE * size or min(_near(ends, end, size), _near(starts, start, size)) < _PLAIN:
            continue
        across = (p for p in others if p.x0 < end - size and p.x1 > start + size)
        if all(_has_gap(p, (end + start) / 2, _SPACE) for p in across) and _within_lines(piece, around):
            found.append(i)
    return found


def _near(values: Sequence[float], at: float, size: float) -> int:
    """How many of the ascending values are about there."""
    return bisect_right(values, at + _NEAR * size) - bisect_left(values, at - _NEAR * size)


def _within_lines(piece: Piece, around: Sequence[Piece]) -> bool:
    """Do the next lines of its type above a piece and below it, if any, stand close to it?"""
    beside = [p for p in around if p is not piece and p.x0 < piece.x1 and p.x1 > piece.x0 and _alike(p, piece)]
    above = max((p.y1 for p in beside if p.yc < piece.y0), default=piece.y0)
    below = min((p.y0 for p in beside if p.yc > piece.y1), default=piece.y1)
    return max(piece.y0 - above, below - piece.y1) < _CLOSE * piece.size


def _alike(a: Piece, b: Piece) -> bool:
    """Are both in about the same size of type?"""
    return 0.7 * b.size < a.size < 1.4 * b.size


def _clear(before: Piece, after: Piece, edge: float) -> None:
    """Keep the white before `edge` free: readers' boxes stand out beyond the letters, here by as much as there is."""
    before.x1 = max(before.x0, min(before.x1, edge - _WIDE * before.size))
    after.x0 = min(after.x1, max(after.x0, edge))


def _has_gap(piece: Piece, x: float, least: float = _WIDE) -> bool:
    return any(a[1] <= x <= b[0] and b[0] - a[1] >= least * piece.size for a, b in itertools.pairwise(piece.edges))
