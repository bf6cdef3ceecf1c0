"""Rows: the pieces of one leaf, gathered into lines of text, top to bottom."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from worker.layout.kinds import has_leader, is_bullet, is_enumerator
from worker.layout.pieces import Piece, Token, join_pieces, vertical_overlap

CELL_GAP = 0.9  # in type sizes: pieces further apart on a row are cells of their own
WIDE_GAP = 2.0  # and further than this the row is set out on purpose, not justified prose


@dataclass(slots=True, eq=False)
class Row:
    """One line of text. `cells` are its pieces, left to right; `text` is all of it with single spaces."""

    cells: list[Piece]
    x0: float = 0.0
    y0: float = 0.0
    x1: float = 0.0
    y1: float = 0.0
    size: float = 0.0
    bold: bool = False
    text: str = ""
    set_out: bool = False
    tokens: list[Token] = field(default_factory=list)

    def __post_init__(self) -> None:
        cells = self.cells
        self.x0, self.x1 = min(c.x0 for c in cells), max(c.x1 for c in cells)
        self.y0, self.y1 = min(c.y0 for c in cells), max(c.y1 for c in cells)
        self.size = max(cells, key=lambda c: (len(c.text), c.x0)).size
        self.bold = all(c.bold for c in cells)
        self.tokens = [token for c in cells for token in c.tokens]
        self.text = " ".join(c.text for c in cells)
        gaps = [(b.x0 - a.x1, is_enumerator(a.text)) for a, b in itertools.pairwise(cells)]
        widest = max((gap for gap, label in gaps if not label), default=0.0)
        self.set_out = (widest > WIDE_GAP * self.size and not self._justified(widest)) or has_leader(self.text)

    def _justified(self, widest: float) -> bool:
        """A line of narrow running text may have gaps as wide, but then all its words stand so."""
        edges = [edge for cell in self.cells for edge in cell.edges]
        gaps = [b[0] - a[1] for a, b in itertools.pairwise(edges)]
        return len(gaps) > 1 and min(gaps) > 0.6 * widest and widest < 4 * self.size

    @property
    def yc(self) -> float:
        return (self.y0 + self.y1) / 2


def gather(pieces: Sequence[Piece]) -> list[Row]:
    """Rows of pieces in canonical order. A row may tilt: a piece is held against its nearest neighbour."""
    groups: list[list[Piece]] = []
    reaches: list[tuple[float, float]] = []  # top and bottom of each: a line above is left out without a look
    for piece in _with_drop_caps(pieces):
        best, best_overlap = None, 0.45
        for k in range(max(0, len(groups) - 4), len(groups)):
            if reaches[k][1] <= piece.y0 or reaches[k][0] >= piece.y1:
                continue
            near = min(groups[k], key=lambda p: (_apart(p, piece), p.key))
            overlap = vertical_overlap(near, piece)
            crossing = min(near.x1, piece.x1) - max(near.x0, piece.x0)
            if crossing > 0.3 * min(near.x1 - near.x0, piece.x1 - piece.x0) + 1e-9:
                continue
            if overlap > best_overlap:
                best, best_overlap = k, overlap
        if best is None:
            groups.append([piece])
            reaches.append((piece.y0, piece.y1))
        else:
            groups[best].append(piece)
            reaches[best] = min(reaches[best][0], piece.y0), max(reaches[best][1], piece.y1)
    rows = [Row(_cells(group)) for group in groups]
    rows.sort(key=lambda row: (row.yc, row.x0, row.text))
    return rows


def _apart(a: Piece, b: Piece) -> float:
    return max(a.x0 - b.x1, b.x0 - a.x1, 0.0)


def _cells(group: list[Piece]) -> list[Piece]:
    """Neighbours that are no further apart than words of loose lines become one cell."""
    group = sorted(group, key=lambda p: (p.x0, p.key))
    runs = [[group[0]]]
    for piece in group[1:]:
        last = runs[-1][-1]
        gap = piece.x0 - last.x1
        # A bullet stands apart from its text; that is no cell.
        lone = len(runs[-1]) == 1 and is_bullet(last.text) and gap < 3.0 * piece.size
        if lone or gap <= CELL_GAP * min(last.size, piece.size):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [join_pieces(run) for run in runs]


def _is_begun(cap: str, rest: str) -> bool:
    """Whether a word goes on after its initial: "T" + "he", "T" + "HE", "I" + "n". "A", "I" and "O" may be words
    themselves, and one that begins with a capital alone is another.
    """
    core = rest.strip(".,;:!?'’”\"")
    if cap in "AI" or (cap == "O" and core.isupper()):
        return len(core) == 1 and core.upper() not in "AIO"
    return core[:1].islower() or core.isupper()


def _with_drop_caps(pieces: Sequence[Piece]) -> list[Piece]:
    """A large initial that stands beside several lines is put before the first of them."""
    out = list(pieces)
    if len(out) < 4:
        return out
    body = median(p.size for p in out)
    for cap in pieces:
        if len(cap.text) != 1 or not cap.text.isalpha() or cap.y1 - cap.y0 < 1.5 * body:
            continue
        room = max(
            0.5 * body, 0.15 * (cap.y1 - cap.y0)
        )  # boxes stand out beyond what they hold by a part of its height
        beside = [
            p for p in out if p is not cap and cap.y0 - 0.4 * body < p.yc < cap.y1 and p.x1 - cap.x1 > 0 and
            -room < p.x0 - cap.x1 < 2 * body
        ]  # fmt: skip
        if len(beside) < 2:
            continue
        first = beside[0]
        tokens = list(first.tokens)
        tokens[0] = replace(tokens[0], glued=_is_begun(cap.text, tokens[0].text))
        merged = Piece(
            cap.x0, first.y0, first.x1, first.y1, first.size, first.bold,
            (*cap.tokens, *tokens), (*cap.edges, *first.edges),
        )  # fmt: skip
        out = [merged if p is first else p for p in out if p is not cap]
    return out
