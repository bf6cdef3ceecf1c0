"""From recognised lines, in any order, to Markdown in reading order.

Promises: every word of the lines is in the text exactly once (bullets become Markdown's own mark), the
result does not depend on the order of the lines, and nothing is dropped for standing at an odd place.
How it is done is in `docs/layout.md`; each step is a module: `pieces` (lines cut and put together),
`grid` (ruled tables), `furniture` (headers and footers), `gutters` and `segment` (columns), `rows`,
`tables`, `paragraphs`, `headings`, `markdown`. Knows no engine and no file type.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from index.types import Box, RegionKind
from worker.layout.blocks import Block
from worker.layout.furniture import take_furniture
from worker.layout.grid import Ruled, take_ruled
from worker.layout.headings import mark_headings
from worker.layout.kinds import ends_sentence, starts_lower
from worker.layout.lines import Composed, Line
from worker.layout.markdown import write
from worker.layout.paragraphs import blocks_of
from worker.layout.pieces import Piece, prepare
from worker.layout.rows import Row, gather
from worker.layout.segment import segment


def compose(lines: Sequence[Line], *, width: int, height: int, rules: Sequence[Box] = ()) -> Composed:
    """Put `lines` into reading order and write them as Markdown.

    `width` and `height` are the page's pixels (for the aspect); `rules` are ruling lines, as thin
    boxes in layout coordinates. The result does not depend on the order of `lines`.
    """
    aspect = width / height if width > 0 and height > 0 else 1.0
    pieces = prepare(lines, aspect)
    if not pieces:
        return Composed("", (), ())
    astray = [piece for piece in pieces if _runs_up(piece) or _runs_askew(piece)]
    pieces = [piece for piece in pieces if not (_runs_up(piece) or _runs_askew(piece))]
    ruled, rest = take_ruled(pieces, rules, aspect) if rules else ([], pieces)
    furniture = take_furniture(rest)
    left = min((p.x0 for p in pieces), default=0.0)
    right = max((p.x1 for p in pieces), default=aspect)
    # The sheet is set about evenly: lines could run as far on the right as the margin is wide on the left.
    right = max(right, min(aspect - left, aspect * 0.92)) if left < 0.3 * aspect else right

    leaves: list[list[Block]] = []
    for stretch, table in _between_tables(furniture.body, ruled):
        leaves.extend(blocks_of(gather(leaf.pieces), leaf.left, leaf.right) for leaf in segment(stretch, left, right))
        if table is not None:
            leaves.append([Block(RegionKind.TABLE, table=table.table)])
    mark_headings(leaves)
    _join_over_ends(leaves)
    blocks = [
        *_furniture_block(furniture.header, RegionKind.HEADER),
        *(block for leaf in leaves for block in leaf),
        *(Block(RegionKind.PARAGRAPH, [Row([piece])], [False]) for piece in astray),
        *_furniture_block(furniture.footer, RegionKind.FOOTER),
    ]
    return write(blocks)


def _runs_up(piece: Piece) -> bool:
    """Text that runs up or down the margin: it stands beside many lines and belongs to none."""
    height = piece.y1 - piece.y0
    return height > 2.5 * (piece.x1 - piece.x0) and len(piece.text) > 2 and height > 0.05


def _runs_askew(piece: Piece) -> bool:
    """Text slantwise across the page, such as a watermark: its box covers lines that it has nothing to do with. A line
    of a warped scan that tilts by a few degrees stays where it is.
    """
    rise = piece.y1 - piece.y0 - piece.size
    return rise > max(1.2 * piece.size, 0.25 * (piece.x1 - piece.x0)) and len(piece.text) > 2


def _between_tables(body: Sequence[Piece], ruled: Sequence[Ruled]) -> list[tuple[list[Piece], Ruled | None]]:
    """The page in stretches from top to bottom, each ending at a ruled table (the last one at the page's end)."""
    stretches: list[tuple[list[Piece], Ruled | None]] = []
    rest = list(body)
    for table in sorted(ruled, key=lambda t: (t.y0, t.x0)):
        above = [p for p in rest if p.yc < (table.y0 + min(table.y1, table.y0 + 0.02)) / 2]
        kept = set(map(id, above))
        rest = [p for p in rest if id(p) not in kept]
        stretches.append((above, table))
    stretches.append((rest, None))
    return stretches


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
        if ends_sentence(last.text) or last.text.endswith(":") or not starts_lower(first.text):
            continue
        same_size = math.isclose(last.rows[-1].size, first.rows[0].size, rel_tol=0.25)
        if same_size and sum(len(row.tokens) for row in last.rows) >= 4:
            first.goes_on = True
