"""Which blocks are headings.

Larger type; or bold, all capitals or a title's brevity, when the block also stands apart above and has
running text below. Short lines alone are none: letters, forms and typewritten pages are full of them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from index.types import RegionKind
from worker.layout.blocks import Block
from worker.layout.kinds import (
    dotted,
    ends_sentence,
    is_all_caps,
    is_item_number,
    is_numeric,
    is_page_number,
    starts_lower,
)

_LARGER = 1.27
_LONGEST = 110  # characters
_LOWEST, _LOWEST_CENTRED = 0.85, 0.75  # times the text's type; capitals are lower than a line with descenders
_COUNT = re.compile(r"[1-9]\d?")
_MOST_WORDS = 8  # of a section's title
_RUNNING, _SHORT = 28, 0.8  # characters of a line of its text, and as long as it a title may be
_NO_END = (".", ",", ";", ":", "!", "-", "–")


def body_size(blocks: Sequence[Block]) -> float:
    """The size of type that most characters of a page have."""
    weights: list[tuple[float, int]] = []
    for block in blocks:
        weights.extend((row.size, len(row.text)) for row in block.rows)
        if block.table is not None:
            weights.extend((p.size, len(p.text)) for row in block.table.rows for cell in row for p in cell)
    if not weights:
        return 0.0
    weights.sort()
    half = sum(weight for _, weight in weights) / 2
    total = 0
    for size, weight in weights:
        total += weight
        if total >= half:
            return size
    return weights[-1][0]


def mark_headings(leaves: Sequence[Sequence[Block]]) -> None:
    """Set kind and level of the headings among the blocks, leaf by leaf in reading order."""
    every = [block for blocks in leaves for block in blocks]
    body = body_size(every)
    bold_share = _bold_share(every)
    large: list[Block] = []
    _mark_counted(leaves)
    for blocks, after in itertools.zip_longest(leaves, leaves[1:], fillvalue=()):  # a page may have furniture alone
        _part_heads(blocks)
        for k, block in enumerate(blocks):
            if block.kind not in (RegionKind.PARAGRAPH, RegionKind.LIST) or not _could_be(block):
                continue
            above = blocks[k - 1] if k else _nearest_above(block, every)
            below = blocks[k + 1] if k + 1 < len(blocks) else _table_below(blocks, after)
            ratio = min(row.size for row in block.rows) / body if body > 0 else 1.0
            if _by_size(block, ratio, below, len(every)):
                large.append(block)
                _make(block, 2)
            elif _by_place(block, above, below, ratio, bold_share):
                _make(block, 2)
    title = _title(large, every)
    if title is not None:
        title.kind, title.level = RegionKind.TITLE, 1


def _mark_counted(leaves: Sequence[list[Block]]) -> None:
    """Sections that count on without a dot ("2 Condition of works"), each over its text, are headings however close to
    it; each that was the first line of its text becomes a block of its own.
    """
    found = [(blocks, block) for blocks in leaves for k, block in enumerate(blocks) if _may_count(blocks, k)]
    numbers = [int(block.rows[0].tokens[0].text) for _, block in found]
    for at, (blocks, block) in enumerate(found):
        if numbers[at] - 1 not in numbers[at - 1 : at] and numbers[at] + 1 not in numbers[at + 1 : at + 2]:
            continue
        if len(block.rows) > 1:
            k = next(k for k, other in enumerate(blocks) if other is block)
            blocks.insert(k + 1, Block(block.kind, block.rows[1:], block.breaks[1:]))
            block.rows = block.rows[:1]
        _make(block, 2)


def _may_count(blocks: Sequence[Block], k: int) -> bool:
    """Does a block begin with a short line of a number and a title, which ends there and is over running text?"""
    block, above = blocks[k], blocks[k - 1] if k else None
    if block.kind is not RegionKind.PARAGRAPH or (len(block.rows) > 1 and not block.breaks[0]):
        return False
    row = block.rows[0]
    number, *title = [token.text for token in row.tokens]
    if not _COUNT.fullmatch(number) or not title or len(title) > _MOST_WORDS or len(row.cells) > 2:
        return False
    text = block.rows[1:] or (blocks[k + 1].rows if k + 1 < len(blocks) else [])
    if not title[0][:1].isupper() or row.text.endswith(_NO_END) or len(text) < 2 or len(text[0].text) < _RUNNING:
        return False
    short = _SHORT * (text[0].x1 - text[0].x0)
    if above is not None and above.rows and above.rows[-1].x1 - above.rows[-1].x0 > short:
        return row.x1 - row.x0 < short and ends_sentence(above.text)  # else the sentence may go on
    return row.x1 - row.x0 < short


def _part_heads(blocks: list[Block]) -> None:
    """A short first line, set apart above and with its break kept, may be a heading that was not parted from its
    text by white: it becomes a block of its own, and `_by_place` judges.
    """
    for k in range(len(blocks) - 1, 0, -1):
        block = blocks[k]
        if block.kind is not RegionKind.PARAGRAPH or len(block.rows) < 4 or not block.breaks[0] or block.breaks[1]:
            continue
        first, second = block.rows[0], block.rows[1]
        white = (block.y0 - blocks[k - 1].y1) / first.size
        if white > 0.3 and first.x1 - first.x0 < 0.7 * (second.x1 - second.x0) and len(first.text) <= 60:
            head = Block(block.kind, [first], [False])
            tail = Block(block.kind, block.rows[1:], block.breaks[1:])
            if _could_be(head) and _by_place(head, blocks[k - 1], tail, first.size / second.size, 1.0):
                blocks[k : k + 1] = [head, tail]


def _table_below(blocks: Sequence[Block], after: Sequence[Block]) -> Block | None:
    """The table with ruling lines, a leaf by itself, under what stands alone over it."""
    table = after[0] if after and len(blocks) == 1 else None
    return table if table is not None and table.kind is RegionKind.TABLE and table.y0 > blocks[0].y0 else None


def _nearest_above(block: Block, every: Sequence[Block]) -> Block | None:
    """What stands over a block that is the first of its column."""
    over = [
        other
        for other in every
        if other.rows
        and other.y1 <= block.y0 + 0.3 * block.rows[0].size
        and any(row.x0 < block.rows[0].x1 and row.x1 > block.rows[0].x0 for row in other.rows)
    ]
    return max(over, key=lambda other: (other.y1, other.y0), default=None)


def _make(block: Block, level: int) -> None:
    block.kind, block.level = RegionKind.HEADING, level
    block.bullet = block.ordered = False
    block.breaks = [False] * len(block.rows)


def _could_be(block: Block) -> bool:
    text = block.text
    if block.bullet or len(block.rows) > 3 or len(text) > _LONGEST or any(row.set_out for row in block.rows):
        return False
    if block.kind is RegionKind.LIST and not is_item_number(block.rows[0].tokens[0].text):
        return False
    letters = sum(c.isalpha() for c in text)
    return letters >= 3 and letters >= 0.5 * sum(not c.isspace() for c in text) and not is_page_number(text)


def _by_size(block: Block, ratio: float, below: Block | None, blocks: int) -> bool:
    if blocks < 2 or ratio < _LARGER or block.kind is RegionKind.LIST:
        return False
    if below is not None and starts_lower(below.text) and not ends_sentence(block.text):
        return False  # the first words of a text in larger type
    if ratio < 1.5 and (block.text.endswith((",", ";", ".")) or below is None):
        return False
    return not is_numeric(block.text)


def _by_place(block: Block, above: Block | None, below: Block | None, ratio: float, bold_share: float) -> bool:
    text = block.text
    if len(block.rows) > 2 or len(text) > 80 or text.endswith(_NO_END) or not text[:1].strip():
        return False
    if ratio < (_LOWEST_CENTRED if block.centred else _LOWEST):
        return False
    if text[:1].islower() or below is None or below.kind is RegionKind.TABLE:
        return False
    if text[0] in "([" and text[-1] in ")]":
        return False  # a remark: "(Continued)", "[Seal]"
    if below.y0 < block.y0:
        return False
    over_text = len(below.rows) > 1 or (below.centred and is_all_caps(text))  # or over the heading of its first part
    if block.centred and not any(block.breaks[:-1]) and over_text:
        return True
    size = block.rows[0].size
    white_below = (below.y0 - block.y1) / size
    white_above = (block.y0 - above.y1) / size if above is not None else 9.0
    strong = is_all_caps(text) or (bold_share < 0.4 and all(row.bold for row in block.rows))
    if strong:
        over = len(below.text) > 30 or below.kind is RegionKind.HEADING  # a section that counts on
        return white_above > 0.35 and white_below < max(2.5, white_above + 0.2) and over
    numbered = len(dotted(block.rows[0].tokens[0].text)) > 1 and below.kind is RegionKind.PARAGRAPH
    if block.kind is RegionKind.LIST and not numbered:
        return False
    if (above is None and not numbered) or block.breaks[:-1].count(True):
        return False
    # A title's brevity: one short line, nearer to a paragraph of running text below than to what is above.
    running = len(below.rows) >= 2 and not below.breaks[0] and below.rows[0].x1 - below.rows[0].x0 > 18 * size
    short = len(block.rows) == 1 and len(text) <= 60 and len(block.rows[0].tokens) <= 8
    return running and short and white_above > 0.3 and white_below < 0.7 * white_above - 0.05


def _bold_share(blocks: Sequence[Block]) -> float:
    rows = [row for block in blocks for row in block.rows]
    total = sum(len(row.text) for row in rows)
    return sum(len(row.text) for row in rows if row.bold) / total if total else 0.0


def _title(large: Sequence[Block], every: Sequence[Block]) -> Block | None:
    """The largest of the headings in the upper half of what stands on the page."""
    top = min((b.y0 for b in every if b.rows), default=0.0)
    bottom = max((b.y1 for b in every if b.rows), default=1.0)
    upper = [block for block in large if block.y0 <= top + 0.5 * (bottom - top)]
    return max(upper, key=lambda b: (max(row.size for row in b.rows), -b.y0), default=None)
