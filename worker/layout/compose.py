"""From recognised lines, in any order, to Markdown in reading order.

Promises: every word of the lines is in the text exactly once (bullets become Markdown's own mark), the
result does not depend on the order of the lines, and nothing is dropped for standing at an odd place.
How it is done, in which order and why, is in `docs/layout.md`; each pass is a module. Knows no engine and no file
type.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from index.types import Box, RegionKind
from worker.layout.blocks import Block
from worker.layout.direction import mirrored, mirrored_rules, reads_left
from worker.layout.dividers import dividing
from worker.layout.footnotes import move_footnotes
from worker.layout.frames import Framed, take_boxed, take_framed
from worker.layout.furniture import take_furniture
from worker.layout.grid import Ruled, take_ruled, touching
from worker.layout.headings import mark_headings
from worker.layout.kinds import ends_sentence, starts_lower
from worker.layout.labelled import with_labels
from worker.layout.lines import Composed, Line
from worker.layout.margins import put_back, put_beside, take_notes
from worker.layout.markdown import write
from worker.layout.numbered import take_line_numbers
from worker.layout.paragraphs import blocks_of
from worker.layout.pieces import Piece, prepare
from worker.layout.placing import columns_with, is_among
from worker.layout.rows import Row, gather
from worker.layout.seams import part_at_edges


def compose(lines: Sequence[Line], *, width: int, height: int, rules: Sequence[Box] = ()) -> Composed:
    """Put `lines` into reading order and write them as Markdown.

    `width` and `height` are the page's pixels (for the aspect); `rules` are ruling lines, as thin
    boxes in layout coordinates. The result does not depend on the order of `lines`.
    """
    aspect = width / height if width > 0 and height > 0 else 1.0
    pieces = part_at_edges(prepare(lines, aspect))
    if not pieces:
        return Composed("", (), ())
    from_right = reads_left(lines)
    if from_right:
        pieces, rules = mirrored(pieces, aspect), mirrored_rules(rules)
    askew = [piece for piece in pieces if _runs_askew(piece) and not _runs_up(piece)]
    pieces = [piece for piece in pieces if not _runs_askew(piece) or _runs_up(piece)]
    numbers, pieces = take_line_numbers(pieces)
    groups = touching(rules, aspect)
    # Text that runs up stays in its cell: the head of a narrow column.
    ruled, rest = with_labels(*take_ruled(pieces, groups))
    upright = [piece for piece in rest if _runs_up(piece) and _is_long(piece)]
    rest = [piece for piece in rest if not (_runs_up(piece) and _is_long(piece))]
    astray = [*sorted(upright, key=lambda p: (p.x0, p.key)), *askew]
    pieces = [piece for piece in pieces if not (_runs_up(piece) and _is_long(piece))]
    framed, rest = take_framed(rest, groups)
    boxed, rest = take_boxed(rest, groups)
    furniture = take_furniture(rest)
    notes, body = take_notes(furniture.body)
    left = min((p.x0 for p in pieces), default=0.0)
    outside = {id(p) for p in (*furniture.header, *furniture.footer)}  # a page's number may stand far out
    right = max((p.x1 for p in pieces if id(p) not in outside), default=aspect)
    # The sheet is set about evenly: lines could run as far on the right as the margin is wide on the left.
    right = max(right, min(aspect - left, aspect * 0.92)) if left < 0.3 * aspect else right

    among = [table for table in ruled if is_among(table, ruled, body)]
    leaves: list[list[Block]] = []
    across = [t for t in ruled if t not in among]
    for stretch, tables, part in _between(body, [*across, *framed, *dividing(groups, body)], among):
        leaves.extend(_columns(stretch, left, right, tables))
        if isinstance(part, Ruled):
            leaves.append([_table_block(part)])
        for frame in part if isinstance(part, list) else ():
            leaves.extend(_columns(frame.pieces, frame.x0, frame.x1))
    boxes = [[block for blocks in _columns(box.pieces, box.x0, box.x1) for block in blocks] for box in boxed]
    mark_headings([*leaves, *boxes])
    move_footnotes(leaves)
    _join_over_ends(leaves)
    put_back(leaves, notes)
    for box, made in zip(boxed, boxes, strict=True):
        put_beside(leaves, box.pieces, made, before=False)
    blocks = [
        *_furniture_block(furniture.header, RegionKind.HEADER),
        *(block for leaf in leaves for block in leaf),
        *(Block(RegionKind.PARAGRAPH, [Row([piece])], [False]) for piece in astray),
        *([Block(RegionKind.FOOTER, [Row([p]) for p in numbers], [False] * len(numbers))] if numbers else []),
        *_furniture_block(furniture.footer, RegionKind.FOOTER),
    ]
    return write(blocks, from_right=from_right)


def _runs_up(piece: Piece) -> bool:
    """Text that runs up or down, in the margin or at the head of a narrow column."""
    return piece.y1 - piece.y0 > 1.8 * (piece.x1 - piece.x0) and len(piece.text) > 2


def _is_long(piece: Piece) -> bool:
    """Text that runs up beside many lines, and so belongs to none; a short head may stand over an unruled column."""
    return piece.y1 - piece.y0 > 0.07


def _runs_askew(piece: Piece) -> bool:
    """Text slantwise across the page, such as a watermark: its box covers lines that it has nothing to do with. A line
    of a warped scan that tilts by a few degrees stays where it is.
    """
    rise = piece.y1 - piece.y0 - piece.size
    return rise > max(1.2 * piece.size, 0.25 * (piece.x1 - piece.x0)) and len(piece.text) > 2


def _columns(pieces: Sequence[Piece], left: float, right: float, tables: Sequence[Ruled] = ()) -> list[list[Block]]:
    """The blocks of each column between `left` and `right`, and of each of the tables among them."""
    return [
        [_table_block(item)] if isinstance(item, Ruled) else blocks_of(gather(item.pieces), item.left, item.right)
        for item in columns_with(pieces, tables, left, right)
    ]


def _table_block(ruled: Ruled) -> Block:
    return Block(RegionKind.TABLE, table=ruled.table)


Part = Ruled | list[Framed] | float  # what is read by itself (a ruled table, a row of frames), or a line that divides


def _between(
    body: Sequence[Piece], parts: Sequence[Part], among: Sequence[Ruled]
) -> list[tuple[list[Piece], list[Ruled], Part | None]]:
    """The page in stretches from top to bottom, each ending at a part (the last one at the page's end), with the tables
    that stand among its text.
    """
    stretches: list[tuple[list[Piece], list[Ruled], Part | None]] = []
    rest, tables = list(body), list(among)
    for y0, y1, _, part in sorted(((*_reach(part), part) for part in parts), key=lambda found: found[:3]):
        above = [p for p in rest if p.yc < (y0 + min(y1, y0 + 0.02)) / 2]
        kept = set(map(id, above))
        rest = [p for p in rest if id(p) not in kept]
        stretches.append((above, [t for t in tables if t.y0 < y0], part))
        tables = [t for t in tables if t.y0 >= y0]
    stretches.append((rest, tables, None))
    return stretches


def _reach(part: Part) -> tuple[float, float, float]:
    """Top, bottom and left end."""
    if isinstance(part, float):
        return part, part, 0.0
    frames = part if isinstance(part, list) else [part]
    return min(f.y0 for f in frames), max(f.y1 for f in frames), min(f.x0 for f in frames)


def _furniture_block(pieces: Sequence[Piece], kind: RegionKind) -> list[Block]:
    rows = gather(pieces) if pieces else []
    return [Block(kind, rows, [True] * len(rows))] if rows else []


def _join_over_ends(leaves: Sequence[Sequence[Block]]) -> None:
    """A paragraph that breaks off at a column's foot goes on at the next column's head."""
    leaves = [blocks for blocks in leaves if blocks]
    for before, after in itertools.pairwise(leaves):
        last, first = before[-1], after[0]
        if first.kind is not RegionKind.PARAGRAPH or last.kind not in (RegionKind.PARAGRAPH, RegionKind.LIST):
            continue
        if len(last.rows) > 1 and all(last.breaks[:-1]):
            continue  # verse, or entries of an index
        if ends_sentence(last.text) or last.text.endswith(":") or not starts_lower(first.text):
            continue
        same_size = math.isclose(last.rows[-1].size, first.rows[0].size, rel_tol=0.25)
        if same_size and sum(len(row.tokens) for row in last.rows) >= 4:
            first.goes_on = True
