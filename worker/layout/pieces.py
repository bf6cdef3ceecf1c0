"""Pieces: the working form of lines while the reading order is found.

A piece is a run of words that certainly belongs together: lines are cut at wide gaps between words
(a reader may have run two columns or two table cells together) and put together again where the gap
is that of ordinary words (a detector may have split a line). What is between is decided later, with
more of the page in view.

Units: both axes in fractions of the page *height* (x is multiplied by the aspect), so that distances
compare with type sizes. Boxes of tokens stay in fractions of the upright page.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from index.types import Box
from worker.layout.kinds import runs_left
from worker.layout.lines import Line, LineWord
from worker.layout.spaced import join_spaced

CUT_GAP = 0.9  # in type sizes: words further apart than this may belong to different columns
JOIN_GAP = 0.4  # and nearer than this certainly belong together
_TITLE_GAP = 1.6  # times as far in a title
_MOST_BANDS, _MOST_OPEN = 1000, 64  # of a page; pieces that lie about one place and join no other


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the output. `glued`: no space before it (CJK characters, punctuation cut off as a word)."""

    text: str
    box: Box
    glued: bool = False


@dataclass(slots=True, eq=False)
class Piece:
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    tokens: tuple[Token, ...]
    edges: tuple[tuple[float, float], ...]  # x0, x1 of each token, in the piece's own units
    text: str = ""
    yc: float = 0.0

    def __post_init__(self) -> None:
        self.text = join_tokens(self.tokens)
        self.yc = (self.y0 + self.y1) / 2

    @property
    def key(self) -> tuple[float, float, float, float, str]:
        """Total order of pieces, from what they are and not from where they came in the input."""
        return (self.yc, self.x0, self.x1, self.y0, self.text)


def join_tokens(tokens: Sequence[Token]) -> str:
    return "".join((token.text if token.glued or i == 0 else " " + token.text) for i, token in enumerate(tokens))


def prepare(lines: Sequence[Line], aspect: float) -> list[Piece]:
    """Pieces in canonical order (by centre height, then x). `aspect` is page width / page height."""
    usable = [line for line in lines if line.text.strip() or any(word.text.strip() for word in line.words)]
    sizes = [size for line in usable if (size := _own_size(line)) > 0]
    typical = median(sizes) if sizes else 0.012
    pieces: list[Piece] = []
    for line in usable:
        pieces.extend(_cut(_piece(line, aspect, typical)))
    return join_near(canonical(pieces), JOIN_GAP)


def canonical(pieces: Iterable[Piece]) -> list[Piece]:
    """By centre height, then x, then all else: an order that does not depend on the one given."""
    return sorted(pieces, key=lambda piece: (piece.key, piece.y1, piece.size, _boxes_key(piece)))


def _boxes_key(piece: Piece) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((t.box.x0, t.box.y0, t.box.x1, t.box.y1) for t in piece.tokens)


def vertical_overlap(a: Piece, b: Piece) -> float:
    """How much of the lower of two pieces' heights they share, 0..1."""
    # Asked some thousand times a page, so without calls of min and max.
    top = a.y0 if a.y0 > b.y0 else b.y0
    bottom = a.y1 if a.y1 < b.y1 else b.y1
    if bottom <= top:
        return 0.0
    lower = a.y1 - a.y0
    other = b.y1 - b.y0
    if other < lower:
        lower = other
    return (bottom - top) / lower if lower > 1e-9 else 0.0


def clean_box(box: Box) -> Box:
    """The box with finite, ordered coordinates inside the page."""
    x0, y0, x1, y1 = (_unit(v) for v in (box.x0, box.y0, box.x1, box.y1))
    if (x0, y0, x1, y1) == (box.x0, box.y0, box.x1, box.y1) and x0 <= x1 and y0 <= y1:
        return box
    return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0


def _own_size(line: Line) -> float:
    if math.isfinite(line.size) and line.size > 0:
        return min(line.size, 1.0)
    box = clean_box(line.box)
    return box.y1 - box.y0


def _piece(line: Line, aspect: float, typical: float) -> Piece:
    box, page_box = clean_box(line.box), clean_box(line.page_box)
    size = _own_size(line) or typical
    y0, y1 = box.y0, box.y1
    if y1 - y0 < size * 0.25:  # a flat or empty box: give it the height of its type
        middle = (y0 + y1) / 2
        y0, y1 = middle - size / 2, middle + size / 2
    tokens = _tokens(line, page_box)
    if runs_left(line.text):
        tokens = tuple(sorted(tokens, key=lambda token: token.box.x0))  # as they stand, which all cuts go by
    # Words come with boxes on the page; along a line the step to layout coordinates is linear.
    span = page_box.x1 - page_box.x0
    scale = (box.x1 - box.x0) / span if span > 0 else 0.0
    edges = tuple(
        (
            aspect * min(box.x1, max(box.x0, box.x0 + (t.box.x0 - page_box.x0) * scale)),
            aspect * min(box.x1, max(box.x0, box.x0 + (t.box.x1 - page_box.x0) * scale)),
        )
        for t in tokens
    )
    spaced = join_spaced(tokens, edges, size)
    if spaced is not None:
        tokens, edges = tuple(spaced[0]), tuple(spaced[1])
    return Piece(aspect * box.x0, y0, aspect * box.x1, y1, size, line.bold, tokens, edges)


def _tokens(line: Line, page_box: Box) -> tuple[Token, ...]:
    """The words of a line; the line's own text says which of them stand without a space between."""
    words = [(word.text.split(), clean_box(word.box)) for word in line.words]
    words = [("".join(parts), box) for parts, box in words if parts]
    if not words:
        return tuple(Token(word.text, word.box) for word in cut_words(line.text, page_box))
    tokens: list[Token] = []
    cursor = 0
    for text, box in words:
        at = line.text.find(text, cursor)
        if at < 0 or line.text[cursor:at].strip():
            # Text and words disagree: the words have the boxes, so they are believed.
            return tuple(Token(text, box) for text, box in words)
        tokens.append(Token(text, box, glued=at == cursor and cursor > 0))
        cursor = at + len(text)
    if line.text[cursor:].strip():
        return tuple(Token(text, box) for text, box in words)
    return tuple(tokens)


def cut_words(text: str, box: Box) -> list[LineWord]:
    """Words of a line without word boxes: the box is shared out by characters."""
    words: list[LineWord] = []
    length = max(1, len(text.strip()))
    at = 0
    for word in text.split():
        at = text.find(word, at)
        offset = len(text) - len(text.lstrip())
        x0 = box.x0 + (box.x1 - box.x0) * (at - offset) / length
        x1 = box.x0 + (box.x1 - box.x0) * (at - offset + len(word)) / length
        words.append(LineWord(word, Box(x0, box.y0, min(x1, box.x1), box.y1)))
        at += len(word)
    return words


def part(piece: Piece, start: int, end: int) -> Piece:
    """The tokens `[start, end)` of a piece as a piece."""
    edges = piece.edges[start:end]
    x0 = piece.x0 if start == 0 else edges[0][0]
    x1 = piece.x1 if end == len(piece.tokens) else max(edge[1] for edge in edges)
    first, *rest = piece.tokens[start:end]
    tokens = (Token(first.text, first.box), *rest)
    return Piece(min(x0, x1), piece.y0, x1, piece.y1, piece.size, piece.bold, tokens, edges)


def _cut(piece: Piece) -> list[Piece]:
    wide = CUT_GAP * piece.size
    cuts = [i for i in range(1, len(piece.edges)) if piece.edges[i][0] - piece.edges[i - 1][1] > wide]
    if not cuts:
        return [piece]
    cuts = [0, *cuts, len(piece.tokens)]
    return [part(piece, a, b) for a, b in itertools.pairwise(cuts)]


def join_pieces(pieces: Sequence[Piece]) -> Piece:
    """Pieces of one line, left to right, as one piece."""
    if len(pieces) == 1:
        return pieces[0]
    widest = max(pieces, key=lambda p: (p.x1 - p.x0, p.x0))
    return Piece(
        min(p.x0 for p in pieces),
        min(p.y0 for p in pieces),
        max(p.x1 for p in pieces),
        max(p.y1 for p in pieces),
        widest.size,
        all(p.bold for p in pieces),
        tuple(token for p in pieces for token in p.tokens),
        tuple(edge for p in pieces for edge in p.edges),
    )


def join_near(
    pieces: Sequence[Piece], limit: float, apart: Callable[[Piece, Piece], bool] = lambda _a, _b: False
) -> list[Piece]:
    """Put neighbours of one line together where the gap is at most `limit` type sizes and they are not `apart`.

    Type much larger than the rest is a title's, whose spaces may chance to stand over a gutter: it is joined further.
    Takes and gives the canonical order.
    """
    if not pieces:
        return []
    large = 1.4 * median(piece.size for piece in pieces)
    band = max(median(piece.y1 - piece.y0 for piece in pieces), 1 / _MOST_BANDS)
    chains: list[list[Piece]] = []
    # The numbers of chains by the bands of the page that they reach into: a piece meets those of its own height alone.
    shelves: dict[int, dict[int, None]] = {}
    for piece in sorted(pieces, key=lambda p: (p.x0, p.key)):
        best: tuple[float, int] | None = None
        reach = range(int(piece.y0 // band), int(piece.y1 // band) + 1)
        for number in (n for at in reach for n in itertools.islice(reversed(shelves.get(at, {})), _MOST_OPEN)):
            last = chains[number][-1]
            if piece.y0 > last.y1 or piece.y1 < last.y0:
                continue
            size = min(last.size, piece.size)
            most = limit * size * (_TITLE_GAP if size > large else 1.0)
            gap = piece.x0 - last.x1
            if (
                -most <= gap <= most
                and (best is None or (abs(gap), number) < best)
                and _same_line(last, piece)
                and not apart(last, piece)
            ):
                best = (abs(gap), number)
        number = best[1] if best is not None else len(chains)
        if best is None:
            chains.append([])
        chains[number].append(piece)
        for at in reach:
            shelf = shelves.setdefault(at, {})
            shelf[number] = None
            if len(shelf) > _MOST_OPEN:  # those that ended far to the left take no more pieces
                ends = ((n, chains[n][-1]) for n in shelf)
                near = [n for n, last in ends if piece.x0 - last.x1 <= _TITLE_GAP * limit * last.size]
                shelves[at] = dict.fromkeys(near[-_MOST_OPEN:])
    return canonical(join_pieces(chain) for chain in chains)


def _same_line(a: Piece, b: Piece) -> bool:
    return vertical_overlap(a, b) > 0.6 and max(a.size, b.size) < 1.6 * min(a.size, b.size)
