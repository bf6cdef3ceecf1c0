"""The numbers of a page's lines, as pleadings and transcripts have them: one beside each line, from the first on.

They are no part of what the lines say, and cut every sentence of it. Taken out before anything else is looked for, and
put in one line behind the page. Numbers that count things (a list's items, a table's rows) are left where they stand.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from worker.layout.kinds import ends_sentence, starts_small
from worker.layout.pieces import Piece, vertical_overlap

_FEWEST = 10
_WIDEST = 3.0  # type sizes: three figures, and what a reader's box stands out
_READ = 0.85  # of the numbers are those of their lines; the others are misread
_FULL = 0.85  # of the text's width: a line that goes on in the next one
_FEWEST_RUNNING = 3
_LOWER = 0.85  # of the lines begin with a small letter in an inventory, and of running text seldom so many:
_MOSTLY = 0.6  # then so many have to go on, for which the lines of an inventory are too short


def take_line_numbers(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """The numbers, from top to bottom, and all other pieces (in the order given); mostly there are no numbers."""
    rest = list(pieces)
    strip = _strip(pieces)
    if not _count_lines(strip):
        return [], rest
    taken = set(map(id, strip))
    text = [p for p in pieces if id(p) not in taken]
    lines = [_beside(number, text) for number in strip]
    return (strip, text) if _run(lines) else ([], rest)


def _strip(pieces: Sequence[Piece]) -> list[Piece]:
    """What stands in the strip of the leftmost lone numbers, and nothing else on the page does."""
    numbers = [p for p in pieces if _number(p) is not None]
    if len(numbers) < _FEWEST:
        return []
    size = median(p.size for p in numbers)
    right = median(p.x1 for p in numbers)
    # Further right there may be columns of other numbers.
    while (left := [p for p in numbers if p.x1 < right - _WIDEST * size]) and len(left) >= _FEWEST:
        right = median(p.x1 for p in left)
    numbers = [p for p in numbers if abs(p.x1 - right) < 0.5 * _WIDEST * size]
    if len(numbers) < _FEWEST:
        return []
    top, bottom = min(p.y0 for p in numbers), max(p.y1 for p in numbers)
    edge = max(p.x1 for p in numbers)
    level = [p for p in pieces if top <= p.yc <= bottom]
    strip = [p for p in level if p.x1 <= edge and len(p.text) <= 4]  # also numbers that were misread
    others = [p for p in level if p.x0 < edge and p.x1 > edge]
    return sorted(strip, key=lambda p: p.key) if not others else []


def _number(piece: Piece) -> int | None:
    digits = piece.text.strip(".,·:'")
    return int(digits) if digits.isdecimal() and len(digits) <= 3 else None


def _count_lines(strip: Sequence[Piece]) -> bool:
    """Whether the pieces count lines that are evenly set, from the first on, without marks."""
    if len(strip) < _FEWEST:
        return False
    top, height = strip[0].yc, strip[-1].yc - strip[0].yc
    leading = median(b.yc - a.yc for a, b in itertools.pairwise(strip))
    if leading <= 0:
        return False
    leading = height / round(height / leading)
    right = sum(_number(p) == 1 + round((p.yc - top) / leading) for p in strip)
    return right >= _READ * len(strip) and sum(p.text.isdecimal() for p in strip) > 0.6 * len(strip)


def _beside(number: Piece, text: Sequence[Piece]) -> list[Piece]:
    return [p for p in text if vertical_overlap(number, p) > 0.4]


def _run(lines: Sequence[Sequence[Piece]]) -> bool:
    """Whether full lines go on in the next: what is numbered singly (entries, things, verses) ends with its line."""
    full = [line for line in lines if line]
    if len(full) < _FEWEST:
        return False
    left, right = min(line[0].x0 for line in full), max(max(p.x1 for p in line) for line in full)
    running = sum(
        max(p.x1 for p in a) - left > _FULL * (right - left)
        and not ends_sentence(a[-1].text)
        and starts_small(b[0].text)
        for a, b in itertools.pairwise(lines)
        if a and b
    )
    small = sum(starts_small(line[0].text) for line in full)
    mixed = small < _LOWER * len(full)
    return running >= (_FEWEST_RUNNING if mixed else _MOSTLY * (len(full) - 1))
