"""Notes at the foot of a column, which part a sentence that goes on at the head of the next one.

They are put behind that column's text, before its own notes, so that the sentence is whole. Where no sentence is parted
they stay. Knows blocks.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from statistics import median

from index.types import RegionKind
from worker.layout.blocks import Block
from worker.layout.kinds import ends_sentence, starts_lower

_MARK = re.compile(r"[*†‡§¶]|[(\[]?(?:\d{1,3}|[a-z])(?:[.)\]]|\s|(?=[A-Z]))")
_NARROWER = 0.92  # times the letters of the text over them; a reader's boxes tell heights less well
_TEXT = (RegionKind.PARAGRAPH, RegionKind.LIST)


def move_footnotes(leaves: Sequence[list[Block]]) -> None:
    """Put the notes at the end of a leaf behind the text of the next, in place, where they part a sentence."""
    filled = [blocks for blocks in leaves if blocks]
    for before, after in itertools.pairwise(filled):
        first = _first_note(before)
        if not 0 < first < len(before) or after[0].kind is not RegionKind.PARAGRAPH:
            continue
        if not starts_lower(after[0].text) or ends_sentence(before[first - 1].text):
            continue
        notes = before[first:]
        del before[first:]
        own = _first_note(after)
        after[own:own] = notes


def _first_note(blocks: Sequence[Block]) -> int:
    """Where the notes at the end of a leaf begin: at a mark, below running text in larger type."""
    first = k = len(blocks)
    size = width = 0.0  # the largest type of the notes, if these are all notes
    while k > 1 and blocks[k - 1].kind in _TEXT and blocks[k - 2].kind in _TEXT:
        k -= 1
        size, width = map(max, (size, width), _type(blocks[k]))
        if _MARK.match(blocks[k].text) and _is_larger(blocks[k - 1], size, width):
            first = k
    return first


def _is_larger(text: Block, size: float, width: float) -> bool:
    """Is this running text in larger type than the notes below it?"""
    of_text, its_width = _type(text)
    return len(text.rows) > 1 and size < of_text and width < _NARROWER * its_width


def _type(block: Block) -> tuple[float, float]:
    """The height of a block's type, and the width of its letters."""
    letters = sum(len(row.text) for row in block.rows)
    return median(row.size for row in block.rows), sum(row.x1 - row.x0 for row in block.rows) / letters
