"""Rows of a leaf to blocks: paragraphs, list items, tables.

A paragraph ends at white larger than its leading, at another size or weight of type, at an indented
line, and at a line that stops short although the next word had room on it (a *deliberate* break) when
the sentence ends there too. A deliberate break inside a paragraph stays a line break: addresses,
signatures, verse and forms keep their lines, and running text does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from index.types import RegionKind
from worker.layout.blocks import Block
from worker.layout.centred import centred_rows
from worker.layout.kinds import (
    TICKS,
    dotted,
    ends_sentence,
    is_all_caps,
    is_bullet,
    is_item_number,
    item_ordinal,
    starts_lower,
    starts_small,
)
from worker.layout.lineated import own_edges, set_lines
from worker.layout.rows import Row
from worker.layout.tables import find_tables

_MARK_LIKE = frozenset("°¢©®.+~»>")  # what readers make of bullets
_INNER = 0.8  # type sizes
_LETTER_LIKE = frozenset("oOeE0")  # and these, which may be words: they stay in the text


@dataclass(frozen=True, slots=True)
class Measure:
    """What is usual in a leaf: leading (line distance in type sizes) and the column's edges."""

    leading: float
    left: float
    right: float
    running: bool  # is it mostly running text, or lines that stand each for themselves?
    far_in: frozenset[int]  # ids of rows of a small block set far in or to the right: an address, a date
    lineated: dict[int, bool]  # ids of rows of verse and of entries: does the line end there?
    edges: dict[int, float]  # ids of rows that fill lines narrower than the column, and where these end
    centred: frozenset[int]  # ids of rows in the middle over the text that follows: its heading


def blocks_of(rows: Sequence[Row], left: float, right: float) -> list[Block]:
    """The blocks of a leaf's rows, top to bottom. `left` and `right` say how far the column may reach."""
    measure = _measure(rows, left, right)
    blocks: list[Block] = []
    at = 0
    for found in find_tables(rows):
        blocks.extend(_text_blocks(rows[at : found.first], measure))
        blocks.append(Block(RegionKind.TABLE, table=found.table))
        at = found.last
    blocks.extend(_text_blocks(rows[at:], measure))
    return blocks


def _measure(rows: Sequence[Row], left: float, bound: float) -> Measure:
    if not rows:
        return Measure(1.3, left, bound, True, frozenset(), {}, {}, frozenset())
    widest = max(row.x1 - row.x0 for row in rows)
    steps: list[float] = []
    long_steps: list[float] = []
    for a, b in itertools.pairwise(rows):
        step = (b.yc - a.yc) / max(a.size, b.size)
        if 0.5 < step < 3.2 and max(a.size, b.size) < 1.3 * min(a.size, b.size):
            steps.append(step)
            if a.x1 - a.x0 > 0.7 * widest:
                long_steps.append(step)
    # Lines of running text tell the leading best; a form of short lines may be all white.
    leading = median(long_steps) if len(long_steps) >= 3 else sorted(steps)[len(steps) // 3] if steps else 1.3
    right = _right_edge(rows, bound)
    leading = min(max(leading, 0.8), 2.5)
    lineated, edges = set_lines(rows, left, bound, leading), own_edges(rows, leading)
    centred = centred_rows(rows) - lineated.keys()
    return Measure(leading, left, right, _running(rows), _far_in(rows, left, right), lineated, edges, centred)


_LOOK_BACK = 12  # rows; a letter's references are fewer


def _flush_right(rows: Sequence[Row]) -> set[int]:
    """Rows of three or more that end level with each other and all begin elsewhere: the date and references of a
    letter, set to the right. Lines of justified text begin level.
    """
    ids: set[int] = set()
    run: list[Row] = []
    for row in [*rows, None]:
        if (
            row is not None
            and run
            and abs(row.x1 - run[-1].x1) < 0.3 * row.size
            and all(abs(row.x0 - other.x0) > 0.8 * row.size for other in run[-_LOOK_BACK:])
        ):
            run.append(row)
            continue
        if len(run) >= 3:
            ids.update(map(id, run))
        run = [row] if row is not None else []
    return ids


def _far_in(rows: Sequence[Row], left: float, right: float) -> frozenset[int]:
    """Rows of up to six that begin level, more than a third of the way in, and rows set to the right."""
    ids = _flush_right(rows)
    run: list[Row] = []
    for row in [*rows, None]:
        if (
            row is not None
            and row.x0 - left > 0.35 * (right - left)
            and (not run or abs(row.x0 - run[-1].x0) < row.size)
        ):
            run.append(row)
            continue
        if 2 <= len(run) <= 6:
            ids.update(map(id, run))
        run = [row] if row is not None and row.x0 - left > 0.35 * (right - left) else []
    return frozenset(ids)


def _running(rows: Sequence[Row]) -> bool:
    """Lines of running text are long, or go on with small letters. Of two lines it cannot be told."""
    if len(rows) == 3:
        return any(starts_small(row.text) for row in rows[1:]) or max(len(row.text) for row in rows) >= 28
    total = sum(len(row.text) for row in rows)
    long = sum(len(row.text) for row in rows if len(row.text) >= 28)
    small = sum(starts_small(row.text) for row in rows[1:])
    return len(rows) < 4 or long > 0.4 * total or small > 0.2 * len(rows)


def _right_edge(rows: Sequence[Row], bound: float) -> float:
    """Where lines of the column end when they are full: where several end, else where the column could end."""
    ends = sorted((row.x1 for row in rows), reverse=True)
    edge = ends[min(len(ends) - 1, len(ends) // 12)]
    width = max(edge - min(row.x0 for row in rows), 1e-9)
    near = sum(1 for end in ends if end > edge - 0.12 * width)
    if near >= 3 and near >= 0.2 * len(ends):
        return edge
    return max(edge, bound)


def _text_blocks(rows: Sequence[Row], measure: Measure) -> list[Block]:
    marks = {k: mark for k, mark in _items(rows, measure).items() if id(rows[k]) not in measure.centred}
    blocks: list[Block] = []
    for k, row in enumerate(rows):
        block = blocks[-1] if blocks else None
        joint = "new" if block is None else _joint(rows, k, block, marks, measure)
        if block is None or joint == "new":
            blocks.append(_open(row, marks.get(k), centred=id(row) in measure.centred))
        else:
            block.rows.append(row)
            block.breaks[-1] = joint == "break"
            block.breaks.append(False)
    return blocks


def _open(row: Row, mark: str | None, *, centred: bool) -> Block:
    if mark is None:
        return Block(RegionKind.PARAGRAPH, [row], [False], centred=centred)
    return Block(RegionKind.LIST, [row], [False], bullet=mark == "bullet", ordered=mark == "ordered")


def _items(rows: Sequence[Row], measure: Measure) -> dict[int, str]:
    """Rows that begin a list item, and how: "bullet", "ordered" (Markdown's own numbers) or "label" ("(a)")."""
    items: dict[int, str] = {}
    doubtful: dict[str, list[int]] = {}
    numbered: list[int] = []
    stars: list[int] = []
    for k, row in enumerate(rows):
        first = row.tokens[0].text
        if len(row.tokens) < 2:
            continue
        if is_bullet(first):
            if first in "-–·*" and len(row.tokens) < 3 and row.tokens[1].text[:1].isdigit():
                continue  # a minus sign, or a dash before a number
            if first == "*":  # alone it is the mark of a footnote
                stars.append(k)
                continue
            items[k] = "label" if first in TICKS else "bullet"
        elif first in _MARK_LIKE or first in _LETTER_LIKE:
            doubtful.setdefault(first, []).append(k)
        elif is_item_number(first):
            numbered.append(k)
    if len(stars) > 1:
        items.update(dict.fromkeys(stars, "bullet"))
    for first, same in doubtful.items():
        # Once it is a word or a speck; at the head of three lines at one margin it is a bullet misread.
        edge = median(rows[k].x0 for k in same)
        level = [k for k in same if abs(rows[k].x0 - edge) < 0.6 * rows[k].size]
        if len(level) >= 3:
            items.update(dict.fromkeys(level, "label" if first in _LETTER_LIKE else "bullet"))
    for at, k in enumerate(numbered):
        first = rows[k].tokens[0].text
        ordinal = item_ordinal(first)
        if len(dotted(first)) > 1:
            # A time or a sum may begin a line in the middle of a sentence, as may the first of a month below.
            if not _goes_on(rows, k, measure) or _dotted_neighbour_counts(rows, numbered, at):
                items[k] = "label"
        elif (
            ordinal is None
            or (ordinal[1] == 1 and not _goes_on(rows, k, measure))
            or _neighbour_counts(rows, numbered, k)
            or _first_roman(first, rows[numbered[at + 1]].tokens[0].text if at + 1 < len(numbered) else "")
        ):
            plain = first[:-1].isdecimal() and first[-1] in ".)" and len(first) <= 4
            items[k] = "ordered" if plain else "label"
    return items


def _first_roman(first: str, following: str) -> bool:
    """Is this "(i)", and the next number "(ii)"?"""
    return "i" in first and following == first.replace("i", "ii")


def _neighbour_counts(rows: Sequence[Row], numbered: list[int], k: int) -> bool:
    """Does the number before or after this one at the same margin count on from it?"""
    mine = item_ordinal(rows[k].tokens[0].text)
    at = numbered.index(k)
    for other in (*numbered[max(0, at - 1) : at], *numbered[at + 1 : at + 2]):
        its = item_ordinal(rows[other].tokens[0].text)
        if mine and its and mine[0] == its[0] and abs(mine[1] - its[1]) == 1:
            return True
    return False


def _dotted_neighbour_counts(rows: Sequence[Row], numbered: list[int], at: int) -> bool:
    """Does one of two numbers such as "2.1" follow on the other: "2." and "2.1", "2.1" and "2.2", "2.4" and "3.1"?"""
    before, mine, after = (
        dotted(rows[numbered[n]].tokens[0].text) if 0 <= n < len(numbered) else () for n in (at - 1, at, at + 1)
    )
    return _follows(before, mine) or _follows(mine, after)


def _follows(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Is the second the next number, of the same level, one within the first, or one level up?"""
    if not first or not second:
        return False
    if second == (*first, 1):
        return True
    level = next((n for n, (a, b) in enumerate(itertools.zip_longest(first, second)) if a != b), None)
    return (
        level is not None
        and level < min(len(first), len(second))
        and second[level] == first[level] + 1
        and set(second[level + 1 :]) <= {1}
    )


def _goes_on(rows: Sequence[Row], k: int, measure: Measure) -> bool:
    """Does the line before run on into this one: the same type, close above, full, and within a sentence?"""
    if k == 0:
        return False
    p, q = rows[k - 1], rows[k]
    close = (q.yc - p.yc) / max(p.size, q.size) <= measure.leading * 1.35 + 0.08
    return close and p.bold == q.bold and not ends_sentence(p.text) and not _stops(p, q, measure)


def _joint(rows: Sequence[Row], k: int, block: Block, marks: dict[int, str], measure: Measure) -> str:
    """How row `k` joins the block so far: "flow" (a space), "break" (a kept line break) or "new"."""
    p, q = rows[k - 1], rows[k]
    r = rows[k + 1] if k + 1 < len(rows) else None
    size = max(p.size, q.size)
    step = (q.yc - p.yc) / size
    white = (q.y0 - p.y1) / size
    if k in marks or _by_centre(p, q, measure):
        return "new"
    if step > measure.leading * 1.35 + 0.08 and white > 0.12:
        return "new"
    deliberate = _stops(p, q, measure)
    divided = _divided(p.text, q.text)
    if size > 1.3 * min(p.size, q.size):
        runs_on = starts_lower(q.text) and (divided or not deliberate) and not ends_sentence(p.text)
        if size > 1.8 * min(p.size, q.size) or not runs_on:
            return "new"
    if p.bold != q.bold and (deliberate or _heads(p, q)):
        return "new"
    if q.set_out or (p.set_out and not _under_last_cell(p, q)):
        return "break"
    if block.kind is RegionKind.LIST:
        return _in_item(block, p, q, deliberate, divided)
    if divided:
        return "flow"
    if id(p) in measure.lineated:
        return "break" if measure.lineated[id(p)] else "flow"
    if _indented(block, p, q, r, deliberate):
        return "new"
    if not deliberate:
        return "flow"
    if ends_sentence(p.text) and not starts_lower(q.text) and (len(block.rows) > 1 or len(p.tokens) > 5):
        return "new"
    if starts_lower(q.text) and not p.text.endswith((":", ".")) and measure.right - p.x1 < 0.6 * (measure.right - p.x0):
        return "flow"
    return "break"


def _by_centre(p: Row, q: Row, measure: Measure) -> bool:
    """Does a heading in the middle begin or end between the two? It may have begun with a line that is full."""
    if id(p) in measure.centred or id(q) not in measure.centred:
        return id(q) not in measure.centred and id(p) in measure.centred
    return ends_sentence(p.text) or abs((p.x0 + p.x1) - (q.x0 + q.x1)) > q.size


def _heads(p: Row, q: Row) -> bool:
    """Does bold type begin after a sentence, or end with a line in capitals? A heading, however full its line."""
    return ends_sentence(p.text) if q.bold else is_all_caps(p.text) and not is_all_caps(q.text)


def _divided(text: str, after: str) -> bool:
    """Does a word go on from one line to the next: "func-", "tion"; "États-", "Unis"; "1841-", "1902"?"""
    if not text.endswith(("-", "¬", "\u00ad")):
        return False
    before, first = text[-2:-1], after[:1]
    return first.islower() or (before.isalpha() and first.isupper()) or (before.isdecimal() and first.isdecimal())


def _under_last_cell(p: Row, q: Row) -> bool:
    """Does `q` go on with the running text beside a label in `p`?"""
    cell = p.cells[-1]
    return len(cell.tokens) >= 3 and abs(q.x0 - cell.x0) < 0.8 * q.size and starts_small(q.text)


def _in_item(block: Block, p: Row, q: Row, deliberate: bool, divided: bool) -> str:
    head = block.rows[0]
    text_at = head.x0 + 0.7 * head.size
    hanging = q.x0 >= text_at
    if hanging and deliberate and _is_inner(head, q):
        return "break"
    if hanging or divided:
        return "break" if deliberate and ends_sentence(p.text) and not starts_lower(q.text) else "flow"
    if len(block.rows) > 1 and block.rows[-1].x0 >= text_at and len(block.rows[-1].text) > 2:
        return "new"  # the item hung so far; this line is back at the margin
    return "new" if deliberate and not starts_lower(q.text) else "flow"


def _is_inner(head: Row, row: Row) -> bool:
    """Is a row set in deeper than the item's own text: an item within it, whose mark a reader did not see?"""
    starts = [edge[0] for cell in head.cells for edge in cell.edges]
    return row.x0 > starts[min(1, len(starts) - 1)] + _INNER * row.size and not starts_lower(row.text)


def _indented(block: Block, p: Row, q: Row, r: Row | None, deliberate: bool) -> bool:
    indent = q.x0 - p.x0
    if indent > 0.6 * q.size:
        if len(block.rows) == 1 and r is not None and abs(r.x0 - q.x0) < 0.5 * q.size and not deliberate:
            return False  # a hanging indent: all lines but the first are set in
        centred = abs((p.x0 + p.x1) - (q.x0 + q.x1)) < 1.2 * q.size
        if centred and deliberate:
            return False
        back = r is None or r.x0 < q.x0 - 0.45 * q.size
        return back and (deliberate or ends_sentence(p.text)) and not starts_lower(q.text)
    # Out again after set-in lines: the next entry of a list with hanging indents.
    hung = len(block.rows) >= 2 and block.rows[0].x0 < p.x0 - 0.8 * q.size
    return (
        indent < -0.8 * q.size
        and hung
        and abs(q.x0 - block.rows[0].x0) < 0.6 * q.size
        and (deliberate or ends_sentence(p.text))
    )


def _stops(p: Row, q: Row, measure: Measure) -> bool:
    """Did `p` end although the first word of `q` had room on it?"""
    if id(p) in measure.far_in and id(q) in measure.far_in and not starts_lower(q.text):
        return True
    if not measure.running and not starts_small(q.text) and not p.text.endswith("-"):
        return True
    last = q.cells[0]
    first_word = last.edges[0][1] - last.edges[0][0] if last.edges else 0.0
    room = measure.edges.get(id(p), measure.right) - p.x1
    return room > first_word + 1.2 * p.size
