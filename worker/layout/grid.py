"""Ruled tables: ruling lines that cross make a grid, and pieces go into its cells."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from index.types import Box
from worker.layout.ledger import with_entries
from worker.layout.pieces import Piece, clean_box, part
from worker.layout.rows import Row, gather
from worker.layout.tables import Table

_REACH = 0.006  # page heights: ruling lines this near to each other touch
_THIN = 0.012
_MOST_RULES = 600
_TEXT = 4  # words: more than a number and its unit
_GAP, _WIDER = 0.45, 1.6  # type sizes, and times the usual gap between words
_KEPT = 0.85  # of rows that stand in columns: a sum's label or a remark may reach over a line
_FEW_LINES = 3  # of a cell of a lone row: more are a part of the page


@dataclass(frozen=True, slots=True)
class Ruled:
    """A table and the rectangle of its grid, in layout units."""

    table: Table
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Rule:
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def level(self) -> bool:
        return self.x1 - self.x0 >= self.y1 - self.y0


def take_ruled(pieces: Sequence[Piece], groups: Sequence[Sequence[Rule]]) -> tuple[list[Ruled], list[Piece]]:
    """The ruled tables, and the pieces that are in none (in canonical order). `groups` are what `touching` gives."""
    rest = list(pieces)
    size = median(p.size for p in pieces) if pieces else 0.0
    reach = max(_REACH, 0.5 * size)  # no line of text fits between two ruling lines nearer than that
    tables: list[Ruled] = []
    for group in groups:
        uprights = [r for r in group if not r.level]
        level = [r for r in group if r.level]
        if not uprights or not level:
            continue
        # A table need not be closed at its sides: where its rules end, its outer cells end.
        ends_x = [min(r.x0 for r in level), max(r.x1 for r in level)]
        ends_y = [min(r.y0 for r in uprights), max(r.y1 for r in uprights)]
        xs = distinct([*((r.x0 + r.x1) / 2 for r in uprights), *ends_x], reach)
        ys = distinct([*((r.y0 + r.y1) / 2 for r in level), *ends_y], reach)
        ys = _drawn(ys, xs, [(r.x0, r.x1, (r.y0 + r.y1) / 2) for r in level], reach)
        xs = _drawn(xs, ys, [(r.y0, r.y1, (r.x0 + r.x1) / 2) for r in uprights], reach)
        xs = _with_text(xs, ys, rest)
        if len(xs) < 3 or len(ys) < 2 or len(xs) > 26:
            continue
        for part_xs, part_ys in _tables(xs, ys, uprights, rest):
            inside = [p for p in rest if _inside(p, part_xs, part_ys)]
            room = _room(inside, part_xs)
            cells = [q for p in inside for q in _cut_at(p, uprights, part_xs, room)]
            cells = _at_first_rows(cells, part_xs, part_ys, level, reach)
            rows = _fill(cells, part_xs, with_entries(part_ys, part_xs, cells), uprights)
            if not _plain(rows):
                continue
            kept = set(map(id, inside))
            rest = [p for p in rest if id(p) not in kept]
            tables.append(Ruled(Table(rows), part_xs[0], part_ys[0], part_xs[-1], part_ys[-1]))
    return tables, rest


def _tables(
    xs: list[float], ys: list[float], uprights: Sequence[Rule], pieces: Sequence[Piece]
) -> list[tuple[list[float], list[float]]]:
    """The parts of a grid that are tables: a form's boxes from side to side, with text of their own, are none. Columns
    whose lines are drawn at the head only go on below it.
    """
    bands = list(itertools.pairwise(ys))
    divided: list[bool] = []
    texts: list[bool] = []
    columns: list[float] = []  # lines drawn in the band above
    for top, bottom in bands:
        drawn = [x for x in xs[1:-1] if _runs_along(x, top, bottom, uprights)]
        within = [p for p in pieces if _inside(p, xs, [top, bottom])]
        rows = gather(within)
        if drawn:
            columns = drawn
        elif not _keep_to(rows, columns) or len(with_entries([top, bottom], [xs[0], *columns, xs[-1]], within)) == 2:
            columns = []  # in the columns all of its lines would run together
        divided.append(bool(columns))
        texts.append(not columns and len(rows) > _FEW_LINES)
    if not any(texts):
        return [(xs, ys)]
    parts = []
    for is_text, run in itertools.groupby(range(len(bands)), key=lambda k: texts[k]):
        cut = [] if is_text else [k for k in run if divided[k]]
        if not cut:
            continue  # a title over a box is none of its text
        lines = ys[cut[0] : cut[-1] + 2]
        drawn = [x for x in xs[1:-1] if any(_runs_along(x, a, b, uprights) for a, b in itertools.pairwise(lines))]
        parts.append(([xs[0], *drawn, xs[-1]], lines))
    return parts


def _with_text(xs: list[float], ys: list[float], pieces: Sequence[Piece]) -> list[float]:
    """The upright lines without those outermost ones beyond which nothing stands: the edge of the paper, or dirt on it,
    may touch a table.
    """
    within = [(a + b) / 2 for p in pieces if ys[0] <= p.yc <= ys[-1] for a, b in p.edges]
    first = next((k for k, (a, b) in enumerate(itertools.pairwise(xs)) if any(a <= x < b for x in within)), 0)
    last = next((k for k in range(len(xs) - 1, 0, -1) if any(xs[k - 1] <= x < xs[k] for x in within)), 0)
    return xs[first : last + 1]


def _runs_along(x: float, top: float, bottom: float, uprights: Sequence[Rule]) -> bool:
    """Is an upright line drawn from `top` to `bottom`, or nearly?"""
    drawn = sum(max(0.0, min(r.y1, bottom) - max(r.y0, top)) for r in uprights if abs((r.x0 + r.x1) / 2 - x) <= _REACH)
    return drawn >= 0.75 * (bottom - top)


def _keep_to(rows: Sequence[Row], columns: Sequence[float]) -> bool:
    """Do rows stand in the columns between the lines, a cell in each? Text crosses these, or has columns of its own."""

    def keeps(row: Row) -> bool:
        clear = not any(a < x < b for p in row.cells for a, b in p.edges for x in columns)
        places = [bisect_right(columns, (p.x0 + p.x1) / 2) for p in row.cells]
        return clear and len(set(places)) == len(places)

    kept = [row for row in rows if keeps(row)]
    parted = sum(any(row.x0 < x < row.x1 for x in columns) for row in kept)
    return len(kept) >= _KEPT * len(rows) and 2 * parted >= len(rows)


def _room(pieces: Sequence[Piece], xs: Sequence[float]) -> float:
    """How far apart words have to be, in type sizes, to be of two cells: a typewriter's spaces are wide. What lies on
    the line of a column tells nothing of them.
    """
    gaps = [
        (b[0] - a[1]) / p.size
        for p in pieces
        for a, b in itertools.pairwise(p.edges)
        if not any(a[1] < x < b[0] for x in xs)
    ]
    return max(_GAP, _WIDER * median(gaps)) if gaps else _GAP


def _usable(rules: Sequence[Box], aspect: float) -> list[Rule]:
    made = []
    for rule in rules:
        box = clean_box(rule)
        one = Rule(box.x0 * aspect, box.y0, box.x1 * aspect, box.y1)
        long, thin = max(one.x1 - one.x0, one.y1 - one.y0), min(one.x1 - one.x0, one.y1 - one.y0)
        if thin <= _THIN and long >= 0.01:
            made.append(one)
    made.sort(key=lambda r: (r.y0, r.x0, r.y1, r.x1))
    return made[:_MOST_RULES]


def touching(boxes: Sequence[Box], aspect: float) -> list[list[Rule]]:
    """Groups of ruling lines that touch or cross, directly or through others. `boxes` are fractions of the page, as
    lines are; the rest is in layout units.
    """
    rules = _usable(boxes, aspect)
    parent = list(range(len(rules)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, a in enumerate(rules):
        for j in range(i + 1, len(rules)):
            b = rules[j]
            if b.y0 - a.y1 > _REACH:  # sorted by y0: the rest begins lower still
                break
            if b.x0 - a.x1 <= _REACH and a.x0 - b.x1 <= _REACH and a.y0 - b.y1 <= _REACH:
                parent[root(j)] = root(i)
    groups: dict[int, list[Rule]] = {}
    for i, rule in enumerate(rules):
        groups.setdefault(root(i), []).append(rule)
    return list(groups.values())


def distinct(values: list[float], reach: float) -> list[float]:
    """Positions of distinct lines: pieces of one ruling line, and both edges of a thick one, count once."""
    lines: list[list[float]] = []
    for value in sorted(values):
        if lines and value - lines[-1][-1] <= reach:
            lines[-1].append(value)
        else:
            lines.append([value])
    return [sum(line) / len(line) for line in lines]


def _drawn(
    lines: list[float], across: list[float], rules: Sequence[tuple[float, float, float]], reach: float
) -> list[float]:
    """The inner lines that are drawn along a whole cell at least, and the outer two. `across` are the grid's lines the
    other way; `rules` are (start, end, position). A stroke of a letter or an underscore does not divide a table.
    """
    kept = []
    for k, line in enumerate(lines):
        spans = [(a, b) for a, b, at in rules if abs(at - line) <= reach]
        whole = any(
            sum(max(0.0, min(b, x1) - max(a, x0)) for a, b in spans) >= 0.75 * (x1 - x0)
            for x0, x1 in itertools.pairwise(across)
        )
        if whole or k in (0, len(lines) - 1):
            kept.append(line)
    return kept


def _inside(piece: Piece, xs: list[float], ys: list[float]) -> bool:
    xc = (piece.x0 + piece.x1) / 2
    return xs[0] - _REACH <= xc <= xs[-1] + _REACH and ys[0] - _REACH <= piece.yc <= ys[-1] + _REACH


def _cut_at(piece: Piece, uprights: Sequence[Rule], xs: Sequence[float], room: float) -> list[Piece]:
    """A piece that runs across an upright rule is cut between the words there; where a column's line is not drawn
    (or was not seen), only at a gap that is wider than between words, and running text not in a row that has inner
    lines of its own: there the cell is meant to span columns.
    """
    slack = 0.3 * piece.size
    drawn = [(r.x0 + r.x1) / 2 for r in uprights if r.y0 <= piece.yc <= r.y1]
    spans = len(piece.tokens) >= _TEXT and any(xs[0] + _REACH < x < xs[-1] - _REACH for x in drawn)
    crossed = [x for x in drawn if piece.x0 + slack < x < piece.x1 - slack]
    cuts = []
    for i in range(1, len(piece.tokens)):
        before, after = piece.edges[i - 1], piece.edges[i]
        a, b = (before[0] + before[1]) / 2, (after[0] + after[1]) / 2
        apart = not spans and after[0] - before[1] > room * piece.size
        if any(a < x <= b for x in crossed) or (apart and any(before[1] < x < after[0] for x in xs)):
            cuts.append(i)
    if not cuts:
        return [piece]
    return [part(piece, a, b) for a, b in itertools.pairwise([0, *cuts, len(piece.tokens)])]


def _at_first_rows(
    pieces: list[Piece], xs: list[float], ys: list[float], level: Sequence[Rule], reach: float
) -> list[Piece]:
    """What stands in the middle of a cell that spans rows is moved to the first of them: the name of a group."""
    out = {id(p): p for p in pieces}
    for x0, x1 in itertools.pairwise(xs):
        column = [p for p in pieces if x0 <= (p.x0 + p.x1) / 2 < x1]
        spans = [(r.x0, r.x1, (r.y0 + r.y1) / 2) for r in level]
        lines = _drawn(ys, [x0, x1], spans, reach)
        for top, bottom in itertools.pairwise(lines):
            within = [p for p in column if top <= p.yc < bottom]
            second = next(y for y in ys if y > top)
            if len(within) != 1 or second >= bottom:
                continue
            (name,) = within
            if abs(name.yc - (top + bottom) / 2) < 0.5 * name.size:
                up = max(0.0, name.yc - (top + second) / 2)
                out[id(name)] = replace(name, y0=name.y0 - up, y1=name.y1 - up)
    return list(out.values())


def _slot(value: float, lines: list[float]) -> int:
    for k in range(len(lines) - 2, -1, -1):
        if value >= lines[k]:
            return k
    return 0


def _fill(
    pieces: list[Piece], xs: list[float], ys: list[float], uprights: Sequence[Rule]
) -> tuple[tuple[tuple[Piece, ...], ...], ...]:
    cells: list[list[list[Piece]]] = [[[] for _ in xs[1:]] for _ in ys[1:]]
    for piece in pieces:
        # By the left end rather than the middle where it spans cells without a rule between.
        x = min((piece.x0 + piece.x1) / 2, piece.x0 + 2 * piece.size)
        cells[_slot(piece.yc, ys)][_slot(x, xs)].append(piece)
    for row in cells:
        _put_together(row, xs, uprights)
    filled_columns = [k for k in range(len(xs) - 1) if any(row[k] for row in cells)]
    return tuple(
        tuple(tuple(_reading_order(row[k])) for k in filled_columns)
        for row in cells
        if any(row[k] for k in filled_columns)
    )


def _put_together(row: list[list[Piece]], xs: list[float], uprights: Sequence[Rule]) -> None:
    """What stands under each other in a cell that spans columns goes into the first of them: the label and the value of
    a box, which begin or end in different columns.
    """
    for k in range(len(row) - 1, 0, -1):
        left, right = row[k - 1], row[k]
        stacked = any(a.x0 < b.x1 and b.x0 < a.x1 for a in left for b in right)
        drawn = any(
            abs((r.x0 + r.x1) / 2 - xs[k]) <= _REACH and r.y0 <= p.yc <= r.y1 for r in uprights for p in (*left, *right)
        )
        if stacked and not drawn:
            left.extend(right)
            right.clear()


def _reading_order(pieces: list[Piece]) -> list[Piece]:
    pieces.sort(key=lambda p: p.key)
    return [cell for row in gather(pieces) for cell in row.cells]


def _plain(rows: tuple[tuple[tuple[Piece, ...], ...], ...]) -> bool:
    """Two columns at least, not mostly empty, and no cell that is a page of its own. One row of small cells will do."""
    if not rows or len(rows[0]) < 2:
        return False
    cells = [cell for row in rows for cell in row]
    filled = [cell for cell in cells if cell]
    full = sum(sum(1 for c in row if c) >= 2 for row in rows)
    if len(filled) < 0.34 * len(cells) or full < min(2, len(rows)):
        return False
    most = 700 if len(rows) > 1 else 80
    if len(rows) == 1 and any(len(gather(cell)) > _FEW_LINES for cell in filled):
        return False
    return all(sum(len(p.text) for p in cell) <= most and len(cell) <= 14 for cell in filled)
