"""Rows in the middle over the text that follows them: headings by their place, whatever their type.

Most of what was printed or typed before bold type was at hand sets its headings so, close over their paragraph. Knows
rows of a leaf.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from worker.layout.kinds import is_all_caps, is_cjk, starts_lower
from worker.layout.rows import Row

_MARGIN = 0.12  # of the text's width, on either side
_UNEVEN = 0.05  # of the text's width, or as many type sizes as this:
_SLACK = 0.8
_NARROWEST = 8.0  # type sizes: of fewer it cannot be told what is in the middle
_HAIR, _INDENT = 0.6, 4.0  # type sizes
_BEYOND = 0.5  # type sizes that it begins behind the first line, be that set in
_SPACE = 0.3  # type sizes between words
_CLOSE = 2.6  # type sizes between two lines of a paragraph
_FAR = 3.0  # type sizes of white between a heading and its text
_MOST = 3  # rows of one heading


def centred_rows(rows: Sequence[Row]) -> frozenset[int]:
    """Ids of the rows that stand in the middle over running text."""
    found: set[int] = set()
    text: tuple[Row, Row] | None = None  # the first two lines of what follows
    count = 0
    for k in range(len(rows) - 1, -1, -1):
        row = rows[k]
        if text is not None and count < _MOST and _over(row, rows[k + 1], *text):
            found.add(id(row))
            count += 1
            continue
        after = rows[k + 1] if k + 1 < len(rows) and id(rows[k + 1]) not in found else None
        third = rows[k + 2] if k + 2 < len(rows) and id(rows[k + 2]) not in found else None
        text, count = (row, after) if after is not None and _runs(row, after, third) else None, 0
    return frozenset(found)


def _runs(first: Row, second: Row, third: Row | None) -> bool:
    """Are these the first lines of a paragraph?"""
    size = max(first.size, second.size)
    left, right = min(first.x0, second.x0), max(first.x1, second.x1)
    for row in (first, second):
        before, behind = row.x0 - left, right - row.x1
        if min(before, behind) > _HAIR * size and abs(before - behind) < _SLACK * size:
            return False  # in the middle itself, as the lines of a menu are
    if third is not None and third.yc - second.yc < _CLOSE * size:
        edges = sorted(row.x0 for row in (first, second, third))
        if min(b - a for a, b in itertools.pairwise(edges)) > _HAIR * size:
            return False  # no two begin level
    return (
        not (first.set_out or second.set_out)
        and not starts_lower(first.text)  # the sentence goes on: what stands over it is a part of it
        and second.yc - first.yc < _CLOSE * size
        and right - left > _NARROWEST * size
        and first.x0 - left < _INDENT * size
        and right - first.x1 < 2 * size + 0.1 * (right - left)
        and second.x0 - left < _INDENT * size
    )


def _over(row: Row, below: Row, first: Row, second: Row) -> bool:
    """Does a row stand in the middle over a paragraph that begins with these lines?"""
    left, right = min(first.x0, second.x0), max(first.x1, second.x1)
    width = right - left
    before, behind = row.x0 - left, right - row.x1
    return (
        len(row.cells) == 1
        and not row.set_out
        and below.y0 - row.y1 < _FAR * row.size
        and min(before, behind) > _MARGIN * width
        and abs(before - behind) < max(_SLACK * row.size, _UNEVEN * width)
        and row.x0 - first.x0 > _BEYOND * row.size
        and not (below is first and _may_begin(row, first, second))
    )


def _may_begin(row: Row, first: Row, second: Row) -> bool:
    """Is a row perhaps the first line of the paragraph, set in, and shorter than the others by a long word?"""
    left, right = min(first.x0, second.x0), max(first.x1, second.x1)
    start, end = first.cells[0].edges[0]
    word = first.size if is_cjk(first.text[0]) else end - start  # a line of Chinese ends anywhere
    return (
        row.x0 - left < _INDENT * row.size
        and first.x0 - left < _HAIR * row.size
        and right - row.x1 < word + _SPACE * row.size
        and not is_all_caps(row.text)
    )
