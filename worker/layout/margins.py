"""Marginal notes: a few words beside running text, which belong to no line of it.

They are taken out before columns are looked for, so that they do not stand inside the lines, and put back as paragraphs
of their own: a note on the left before the paragraph beside which it begins, as its heading, one on the right after it.
Columns of text, numbers of lines and clauses, labels and the speakers of a play are no notes and are left alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from index.types import RegionKind
from worker.layout.blocks import Block
from worker.layout.kinds import ends_sentence, is_enumerator, is_label, is_numeric, starts_small
from worker.layout.paragraphs import blocks_of
from worker.layout.pieces import Piece, vertical_overlap
from worker.layout.rows import gather

_LONG = 0.45  # of the text's width: a line of the text that notes stand beside
_FEWEST_LINES = 5
_NARROW = 0.28  # of the text's width: a note is no wider
_SMALLER, _NARROWER = 0.88, 0.94  # times the text's type, and the width of its letters
_MOST, _MOST_LISTED = 0.5, 3.0  # lines of notes, and of a list, for each line of the text
_CLOSE, _LISTED = 0.7, 3.0  # type sizes of white between the lines of a note, and between the parts of a list
_LEVEL = 0.6  # of lines that pay no heed to others some stand level by chance
_FLUSH, _INDENT = 1.2, 3.5  # type sizes before and behind the edge of a column where its lines begin


@dataclass(frozen=True, slots=True)
class Note:
    """The lines of one note, from top to bottom, and whether it stands left of the text."""

    pieces: tuple[Piece, ...]
    left: bool

    @property
    def y0(self) -> float:
        return self.pieces[0].y0


def take_notes(pieces: Sequence[Piece]) -> tuple[list[Note], list[Piece]]:
    """The notes beside a page's running text, and the pieces that are in none (in canonical order)."""
    rest = list(pieces)
    if len(pieces) <= _FEWEST_LINES:
        return [], rest
    width = max(p.x1 for p in pieces) - min(p.x0 for p in pieces)
    text = [p for p in pieces if p.x1 - p.x0 >= _LONG * width and len(p.tokens) >= 5]
    if len(text) < _FEWEST_LINES or len(text) == len(pieces):
        return [], rest
    size = median(p.size for p in text)
    notes: list[Note] = []
    for on_left in (True, False):
        edge = _edge(text, size, on_left=on_left)
        if edge is None:
            continue
        # Readers' boxes stand out beyond the letters: a note may seem to begin where the text ends.
        beyond = [p for p in pieces if (p.x1 < edge - 0.4 * size if on_left else p.x0 > edge - 0.2 * size)]
        taken = set(map(id, beyond))
        column = [p for p in pieces if id(p) not in taken]
        notes.extend(_notes(beyond, column, text, size, _NARROW * width, on_left=on_left))
    taken = {id(p) for note in notes for p in note.pieces}
    return notes, [p for p in rest if id(p) not in taken]


def _edge(text: Sequence[Piece], size: float, *, on_left: bool) -> float | None:
    """Where running text in one column begins or ends; None where it is more than one column, or none that runs."""
    if on_left:
        edge = median(p.x0 for p in text)
        column = [p for p in text if -_FLUSH * size <= p.x0 - edge <= _INDENT * size]
        if len(column) < 0.6 * len(text):
            return None
    else:
        # Clauses within clauses begin anywhere, and end together.
        edge = sorted(p.x1 for p in text)[int(0.9 * (len(text) - 1))]
        column = list(text)
        if any(vertical_overlap(a, b) > 0.3 for a, b in itertools.pairwise(text)):
            return None
    return edge if sum(_goes_on(p) for p in column) >= 0.4 * len(column) else None


def _goes_on(line: Piece) -> bool:
    """Whether a line begins with a small letter, be it behind the number of a clause."""
    first, *others = line.tokens
    return starts_small(others[0].text if others and is_enumerator(first.text) else first.text)


def _notes(
    beyond: Sequence[Piece],
    column: Sequence[Piece],
    text: Sequence[Piece],
    size: float,
    widest: float,
    *,
    on_left: bool,
) -> list[Note]:
    """The notes among the pieces beyond one edge of the column, whose long lines are `text`."""
    if len(beyond) > _MOST_LISTED * len(text):
        return []
    every = _grouped(beyond, size, _CLOSE)
    beside = [group for group in every if any(_beside(p, text) for p in group)]
    strip = [group for group in every if any(group is other or _in_one_strip(group, other) for other in beside)]
    # What stands beside nothing is a heading that is set out, or the date of a letter.
    groups = [group for group in strip if any(_beside(p, column) for p in group)]
    lines = [p for group in groups for p in group]
    if not lines or max(p.x1 - p.x0 for p in lines) > widest:
        return []
    if len(lines) > _MOST * len(text):
        # A list along the margin, such as a firm's partners, pays no heed to the lines of its letter.
        if sum(_level(p, text) for p in lines) > _LEVEL * len(lines):
            return []
        lists = _grouped([p for group in strip for p in group], size, _LISTED)
        groups = [group for group in lists if any(_beside(p, column) for p in group)]
        lines = [p for group in groups for p in group]
    smaller = _is_smaller(lines, text)
    if sum(_is_other(p.text) for p in lines) > 0.3 * len(lines):
        return []
    if on_left:
        # Speakers, headwords and dates are level with the line that they begin, and of its type.
        heedless = any(len(group) > 1 and not all(_level(p, text) for p in group) for group in groups)
        if not smaller and not heedless:
            # But no line of the text begins with both lines of one.
            groups = [group for group in groups if len(group) > 1 and _beside_one(group, text)]
    return [Note(tuple(group), on_left) for group in groups if not any(_is_other(p.text) for p in group[:1])]


def _grouped(pieces: Sequence[Piece], size: float, white: float) -> list[list[Piece]]:
    """Lines close under each other are one note. Takes the canonical order."""
    groups: list[list[Piece]] = []
    for p in pieces:
        last = groups[-1][-1] if groups else None
        if last is not None and p.y0 - last.y1 < white * size and p.x0 < last.x1 + size and p.x1 > last.x0 - size:
            groups[-1].append(p)
        else:
            groups.append([p])
    return groups


def _is_smaller(lines: Sequence[Piece], text: Sequence[Piece]) -> bool:
    """Both lower and narrower: a reader's box round a few words is low where none of their letters reaches down."""

    def width(pieces: Sequence[Piece]) -> float:
        return median((p.x1 - p.x0) / max(1, len(p.text)) for p in pieces)

    lower = median(p.size for p in lines) < _SMALLER * median(p.size for p in text)
    return lower and width(lines) < _NARROWER * width(text)


def _in_one_strip(group: Sequence[Piece], other: Sequence[Piece]) -> bool:
    """Do notes begin level, and in one type? One of them may stand beside a line that is too short to be told."""
    return abs(group[0].x0 - other[0].x0) < 0.5 * other[0].size and group[0].size < 1.3 * other[0].size


def _is_other(text: str) -> bool:
    """A number, a label, the mark of an item: part of the line beside it."""
    letters = sum(c.isalpha() for c in text)
    return letters < 2 or is_numeric(text) or is_label(text) or is_enumerator(text)


def _beside(piece: Piece, text: Sequence[Piece]) -> bool:
    return any(vertical_overlap(piece, p) > 0.3 for p in text)


def _beside_one(group: Sequence[Piece], text: Sequence[Piece]) -> bool:
    """Do the lines stand beside one paragraph, and not, as speakers do, each before a sentence of its own?"""
    beside = [p for line in group[:-1] for p in text if vertical_overlap(line, p) > 0.3]
    return bool(beside) and not any(ends_sentence(p.text) for p in beside)


def _level(piece: Piece, text: Sequence[Piece]) -> bool:
    return any(abs(piece.yc - p.yc) < 0.25 * p.size for p in text)


def put_back(leaves: Sequence[list[Block]], notes: Sequence[Note]) -> None:
    """Insert notes as paragraphs into the leaves' blocks, in place."""
    for note in sorted(notes, key=lambda n: (n.y0, not n.left)):
        made = blocks_of(gather(note.pieces), min(p.x0 for p in note.pieces), max(p.x1 for p in note.pieces))
        put_beside(leaves, note.pieces, made, before=note.left)


def put_beside(leaves: Sequence[list[Block]], lines: Sequence[Piece], made: Sequence[Block], *, before: bool) -> None:
    """Insert blocks before or after the one beside which their `lines` begin, in place. The first of them may stand
    beside the white between two paragraphs.
    """
    found = next((found for line in lines if (found := _neighbour(leaves, line)) is not None), None)
    if found is None:
        leaves[-1].extend(made)
        return
    blocks, at = found
    if not before:
        at += 2 if blocks[at].kind in (RegionKind.TITLE, RegionKind.HEADING) else 1  # a heading keeps to its text
        while at < len(blocks) and (blocks[at].goes_on or blocks[at].beside):
            at += 1
        for block in made:
            block.beside = True
    blocks[at:at] = made


def _neighbour(leaves: Sequence[list[Block]], line: Piece) -> tuple[list[Block], int] | None:
    """The leaf and the place in it of the block with the longest line beside a note's."""
    best: tuple[float, list[Block], int] | None = None
    for blocks in leaves:
        for at, block in enumerate(blocks):
            for row in block.rows:
                beside = min(row.y1, line.y1) - max(row.y0, line.y0) > 0.3 * min(row.y1 - row.y0, line.y1 - line.y0)
                if beside and (best is None or row.x1 - row.x0 > best[0]):
                    best = (row.x1 - row.x0, blocks, at)
    return best[1:] if best is not None else None
