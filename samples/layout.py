"""Sets a page of content: where every word, rule and figure stands, and the page's true text.

Units are points on an upright page, origin top left. A page is set at the largest size (within its style's)
at which all of it fits; what does not fit even at the smallest is an error, so that nothing drawn is ever clipped.
The truth is made from the very blocks that are set, in reading order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from samples.blocks import set_block
from samples.marks import Atom, Mark, Stroke, Style, moved
from samples.markup import Block, Page

PAPERS = {"a4": (595.0, 842.0), "quarto": (576.0, 720.0), "a5": (420.0, 595.0)}
_SMALLEST = 7.0


@dataclass(frozen=True, slots=True)
class SetPage:
    """A page ready to draw: its size, its marks, its text and the size of type it came out at."""

    size: tuple[float, float]
    marks: tuple[Mark, ...]
    text: str
    type_size: float


class DoesNotFitError(ValueError):
    """A page holds more than its paper takes."""


def set_page(page: Page, style: Style, name: str) -> SetPage:
    """Sets a page as large as fits. DoesNotFitError names the page when even the smallest type is too large."""
    wide, high = PAPERS[style.paper]
    paper = (high, wide) if style.landscape else (wide, high)
    size = style.size * (1.0 if style.typed else style.growth)
    while size >= _SMALLEST:
        marks = _try(page, replace(style, size=size), paper)
        if marks is not None:
            return SetPage(paper, tuple(marks), true_text(page), size)
        size -= 0.25
    raise DoesNotFitError(name)


def true_text(page: Page) -> str:
    """The page's text in reading order: blocks parted by blank lines, table cells by ' | '."""
    parts: list[str] = []
    for block in page.blocks:
        if block.kind == "directive":
            figure = re.match(r"figure\s+\S+\s*\|\s*(.*)", block.lines[0])
            if figure:
                parts.append(figure.group(1))
        elif block.rows:
            parts.append("\n".join(" | ".join(cell for cell in row if cell) for row in block.rows))
        else:
            parts.append("\n".join(block.lines))
    return "\n\n".join(parts)


def _try(page: Page, style: Style, paper: tuple[float, float]) -> list[Mark] | None:
    """The page's marks at this size of type, or None when they do not fit."""
    inner = paper[0] - 2 * style.margin
    top, bottom = style.margin * 0.85, paper[1] - style.margin * 0.8
    marks: list[Mark] = []
    for columns, blocks in _sections(page):
        wide = (inner - style.gutter * (columns - 1)) / columns
        atoms = _atoms(blocks, style, wide)
        low, high = 0.0, bottom - top
        if _flow(atoms, columns, high) is None:
            return None
        while columns > 1 and high - low > 2:  # the least height at which the columns hold it: even columns
            middle = (low + high) / 2
            low, high = (low, middle) if _flow(atoms, columns, middle) else (middle, high)
        placed = _flow(atoms, columns, high)
        assert placed is not None
        end = 0.0
        for atom, column, y in placed:
            end = max(end, y + atom.height)
            dx = style.margin + column * (wide + style.gutter)
            marks += [moved(mark, dx, top + y) for mark in atom.marks]
        if columns > 1 and style.column_rule:
            for column in range(1, columns):
                x = style.margin + column * (wide + style.gutter) - style.gutter / 2
                marks.append(Stroke(((x, top), (x, top + end)), 0.5))
        top += end + style.size * 0.8
    return marks


def _sections(page: Page) -> list[tuple[int, list[Block]]]:
    sections: list[tuple[int, list[Block]]] = [(1, [])]
    for block in page.blocks:
        if block.kind == "directive" and block.lines[0].startswith("columns"):
            sections.append((int(block.lines[0].split()[1]), []))
        else:
            sections[-1][1].append(block)
    return [section for section in sections if section[1]]


def _flow(atoms: list[Atom], columns: int, height: float) -> list[tuple[Atom, int, float]] | None:
    placed, column, y = [], 0, 0.0
    for at, atom in enumerate(atoms):
        before = atom.before if y else 0.0
        follower = atoms[at + 1] if atom.keep and at + 1 < len(atoms) else None
        need = before + atom.height + (follower.before + follower.height if follower else 0)
        if y + need > height and y:
            column, y, before = column + 1, 0.0, 0.0
        if column >= columns or y + before + atom.height > height:
            return None
        placed.append((atom, column, y + before))
        y += before + atom.height
    return placed


def _atoms(blocks: list[Block], style: Style, wide: float) -> list[Atom]:
    atoms: list[Atom] = []
    ruled = not style.typed
    for block in blocks:
        if block.kind == "directive" and block.lines[0] in ("ruled", "unruled"):
            ruled = block.lines[0] == "ruled"
            continue
        atoms += set_block(block, style, wide, ruled)
    return atoms
