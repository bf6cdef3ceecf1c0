"""Sets one block of content into atoms (lines, table rows, figures) for `layout` to place.

All marks are relative to the atom's top left corner; widths and heights are points.
"""

from __future__ import annotations

from samples.figures import figure, signature
from samples.fonts import width
from samples.marks import Atom, Glyphs, Mark, Stroke, Style, is_number, moved, wrap
from samples.markup import Block

_PAD = 4.0


def set_block(block: Block, style: Style, wide: float, ruled: bool) -> list[Atom]:
    """The atoms of a block in a column `wide` points wide."""
    size = style.size
    match block.kind:
        case "paragraph":
            return _prose(block.lines[0], style, wide, justify=style.justify, indent=style.indent)
        case "small":
            return _lines(block.lines[0], style.body, "regular", size * 0.84, wide, style, before=size * 0.7)
        case "title":
            face = "regular" if style.typed else "bold"
            grown = size * (1.0 if style.typed else 1.5)
            return _lines(block.lines[0], style.head, face, grown, wide, style, "centre", size * 0.7, keep=True)
        case "heading":
            face = "regular" if style.typed else "bold"
            grown = size * (1.0 if style.typed else 1.15)
            atoms = _lines(block.lines[0], style.head, face, grown, wide, style, "left", size * 1.0, keep=True)
            if style.typed:  # a typewriter has no bold: it underlines
                last = atoms[-1]
                end = max(mark.x + width(mark.text, mark.family, mark.style, mark.size) for mark in last.marks)
                last.marks.append(Stroke(((0.0, size * 1.16), (end, size * 1.16)), 0.8))
            return atoms
        case "subheading":
            return _lines(block.lines[0], style.head, "bold", size * 1.05, wide, style, "left", size * 0.8, keep=True)
        case "right" | "centre" | "kept":
            align = "left" if block.kind == "kept" else block.kind
            atoms = []
            for at, line in enumerate(block.lines):
                before = 0.0 if at else size * 0.7
                atoms += _lines(line, style.body, "regular", size, wide, style, align, before)
            return atoms
        case "item":
            return _items(block.lines, style, wide)
        case "stamp":
            return [_stamp(block.lines[0], style, wide)]
        case "row":
            return _table(block, style, wide, ruled)
        case "form":
            return _form(block, style, wide)
        case "directive":
            return _directive(block.lines[0], style, wide)
    raise ValueError(f"no such block: {block.kind}")


def _line(words: list[str], family: str, face: str, size: float, x: float, y: float, stretch: float) -> list[Mark]:
    marks: list[Mark] = []
    space = width(" ", family, face, size) + stretch
    for word in words:
        marks.append(Glyphs(word, x, y, family, face, size))
        x += width(word, family, face, size) + space
    return marks


def _lines(
    text: str,
    family: str,
    face: str,
    size: float,
    wide: float,
    style: Style,
    align: str = "left",
    before: float = 0.0,
    keep: bool = False,
) -> list[Atom]:
    atoms = []
    for at, words in enumerate(wrap(text, family, face, size, wide)):
        used = width(" ".join(words), family, face, size)
        x = {"left": 0.0, "centre": (wide - used) / 2, "right": wide - used}[align]
        marks = _line(words, family, face, size, x, size, 0.0)
        atoms.append(Atom(size * style.leading, marks, 0.0 if at else before, keep))
    return atoms


def _prose(text: str, style: Style, wide: float, justify: bool, indent: bool) -> list[Atom]:
    size, family = style.size, style.body
    first = size * 1.4 if indent else 0.0
    lines = wrap(text, family, "regular", size, wide, first)
    atoms = []
    for at, words in enumerate(lines):
        x = first if at == 0 else 0.0
        used = width(" ".join(words), family, "regular", size)
        free, gaps = wide - x - used, len(words) - 1
        stretch = free / gaps if justify and gaps and at < len(lines) - 1 and free / gaps < size * 1.3 else 0.0
        before = 0.0 if at else size * (0.1 if indent else 0.7)
        atoms.append(Atom(size * style.leading, _line(words, family, "regular", size, x, size, stretch), before))
    return atoms


def _items(lines: tuple[str, ...], style: Style, wide: float) -> list[Atom]:
    atoms = []
    shift = style.size * 1.5
    for at, line in enumerate(lines):
        item = _lines(line, style.body, "regular", style.size, wide - shift, style, before=style.size * 0.35)
        for atom in item:
            atom.marks = [
                Glyphs(m.text, m.x + shift, m.y, m.family, m.style, m.size) for m in atom.marks if isinstance(m, Glyphs)
            ]
        if at == 0:
            item[0].before = style.size * 0.7
        atoms += item
    return atoms


def _stamp(text: str, style: Style, wide: float) -> Atom:
    size = style.size * 1.05
    used = width(text, "helvetica", "bold", size)
    x, high = wide - used - 2 * size, size * 1.9
    box = ((x, 0.0), (x + used + 2 * size, 0.0), (x + used + 2 * size, high), (x, high), (x, 0.0))
    marks: list[Mark] = [Stroke(box, 1.4, colour="stamp")]
    at = x + size
    for word in text.split():
        marks.append(Glyphs(word, at, size * 1.32, "helvetica", "bold", size, "stamp"))
        at += width(word + " ", "helvetica", "bold", size)
    return Atom(high, marks, before=style.size)


def _table(block: Block, style: Style, wide: float, ruled: bool) -> list[Atom]:
    size = style.size * (1.0 if style.typed else 0.92)
    columns = max(len(row) for row in block.rows)
    natural, least = [0.0] * columns, [0.0] * columns
    for row, mark in zip(block.rows, block.marks, strict=True):
        face = _face(mark, style)
        for at, cell in enumerate(row):
            natural[at] = max(natural[at], width(cell, style.body, face, size) + 2 * _PAD)
            words = cell.split() or [""]
            least[at] = max(least[at], max(width(word, style.body, face, size) for word in words) + 2 * _PAD)
    widths = _share(natural, least, wide)
    right = tuple(_is_numeric(block, at) for at in range(columns))
    atoms = []
    for at, (row, mark) in enumerate(zip(block.rows, block.marks, strict=True)):
        atom = _row(row, widths, right, style.body, _face(mark, style), size, ruled, mark)
        atom.before = 0.0 if at else style.size * 0.9
        atoms.append(atom)
    return atoms


def _face(mark: str, style: Style) -> str:
    return "bold" if mark and not style.typed else "regular"


def _share(natural: list[float], least: list[float], wide: float) -> list[float]:
    """Column widths that add up to `wide`: spare room in proportion, shortage taken from the widest."""
    total = sum(natural)
    if total <= wide:
        return [w * wide / total for w in natural]
    slack = [n - m for n, m in zip(natural, least, strict=True)]
    over = total - wide
    share = min(1.0, over / (sum(slack) or 1.0))
    return [n - s * share for n, s in zip(natural, slack, strict=True)]


def _is_numeric(block: Block, column: int) -> bool:
    """Whether a column, its header with it, is set to the right: all its plain cells are numbers."""
    cells = [row[column] for row, mark in zip(block.rows, block.marks, strict=True) if not mark and len(row) > column]
    return all(is_number(cell) for cell in cells if cell)


def _row(
    row: tuple[str, ...],
    widths: list[float],
    right: tuple[bool, ...],
    family: str,
    face: str,
    size: float,
    ruled: bool,
    mark: str,
) -> Atom:
    leading = size * 1.22
    cells = [wrap(c, family, face, size, w - 2 * _PAD + 0.1) for c, w in zip(row, widths, strict=False)]
    high = max(len(lines) for lines in cells) * leading + (5.0 if ruled else 1.5)
    marks: list[Mark] = []
    if ruled and mark == "!":
        box = ((0.0, 0.0), (sum(widths), 0.0), (sum(widths), high), (0.0, high))
        marks.append(Stroke(box, 0.0, fill=0.9))
    x = 0.0
    for lines, wide, to_right in zip(cells, widths, right, strict=False):
        for at, words in enumerate(lines):
            used = width(" ".join(words), family, face, size)
            left = x + (wide - _PAD - used if to_right else _PAD)
            marks += _line(words, family, face, size, left, at * leading + size + (2.0 if ruled else 0.0), 0.0)
        x += wide
    edges = [sum(widths[:at]) for at in range(len(widths) + 1)]
    if ruled:
        marks += [Stroke(((0.0, y), (edges[-1], y)), 0.7) for y in (0.0, high)]
        marks += [Stroke(((x, 0.0), (x, high)), 0.7) for x in edges]
    elif mark == "!":
        marks.append(Stroke(((0.0, high), (edges[-1], high)), 0.7))
    elif mark == "=":
        marks.append(Stroke(((edges[-2], 0.0), (edges[-1], 0.0)), 0.7))
    return Atom(high, marks)


def _form(block: Block, style: Style, wide: float) -> list[Atom]:
    """Rows of boxes, a printed label beside the value somebody typed in."""
    atoms = []
    size, small = style.size, style.size * 0.86
    for at, row in enumerate(block.rows):
        pairs = len(row) // 2
        each = wide / pairs
        label = min(each * 0.42, 130.0)
        marks: list[Mark] = []
        heights = []
        for pair in range(pairs):
            x = pair * each
            for text, left, room, family, face, type_size in (
                (row[2 * pair], x, label, style.head, "bold", small),
                (row[2 * pair + 1], x + label, each - label, style.value, "regular", size * 0.95),
            ):
                lines = wrap(text, family, face, type_size, room - 2 * _PAD)
                heights.append(len(lines) * size * 1.25 + 7.0)
                for number, words in enumerate(lines):
                    y = number * size * 1.25 + size + 4.0
                    marks += _line(words, family, face, type_size, left + _PAD, y, 0.0)
        high = max(heights)
        edges = [pair * each + shift for pair in range(pairs) for shift in (0.0, label)] + [wide]
        marks += [Stroke(((0.0, y), (wide, y)), 0.8) for y in (0.0, high)]
        marks += [Stroke(((x, 0.0), (x, high)), 0.8) for x in edges]
        atoms.append(Atom(high, marks, 0.0 if at else size * 0.8))
    return atoms


def _directive(text: str, style: Style, wide: float) -> list[Atom]:
    name, _, rest = text.partition(" ")
    match name:
        case "rule":
            return [Atom(4.0, [Stroke(((0.0, 2.0), (wide, 2.0)), 0.9)], before=style.size * 0.5)]
        case "space":
            return [Atom(float(rest))]
        case "sign":
            return [Atom(style.size * 3.2, signature(style.size), before=style.size * 0.3)]
        case "figure":
            kind, _, caption = rest.partition("|")
            marks, y = figure(kind.strip(), wide, wide * 0.52), wide * 0.55
            for line in _lines(caption.strip(), style.body, "italic", style.size * 0.9, wide, style):
                marks += [moved(mark, 0.0, y) for mark in line.marks]
                y += line.height
            return [Atom(y, marks, before=style.size)]  # one atom, so that no column parts figure and caption
    raise ValueError(f"no such directive: {text}")
