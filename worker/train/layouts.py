"""How text is set on a sheet: single cards, and pages with paragraphs, lists, tables, columns and forms.

A layout writes on a `Sheet` in reading order: printed lines end with a line end, blocks are parted by an empty line,
cells of a table by " | ". It never writes beyond `Room.chars` characters or below the sheet.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from worker.train.fonts import Faces
from worker.train.sheet import Sheet, Type, type_at
from worker.train.text import Said, Texts, strange

_LEADING = (1.15, 1.6)


@dataclass(slots=True)
class Room:
    """What is left of a page: `chars` characters, from `y` down to `bottom`; `sizes` in pixels, least and most."""

    sheet: Sheet
    texts: Texts
    faces: Faces
    rng: random.Random
    chars: int
    y: float
    bottom: float
    sizes: tuple[int, int]
    unguessable: float
    started: bool = False

    def type(self, scale: float = 1.0) -> Type:
        size = max(8, round(self.rng.randint(*self.sizes) * scale))
        # Large sizes in steps: fewer glyphs to rasterise and to keep.
        return type_at(self.rng.choice(self.faces.paths), size if size < 24 else size - size % 2)

    def leading(self, kind: Type) -> int:
        return round(kind.size * self.rng.uniform(*_LEADING))

    def part(self, separator: str) -> None:
        """A separator before the next thing, none before the first. Separators count as characters."""
        if self.started:
            self.sheet.part(separator)
            self.chars -= len(separator)
        self.started = True


Layout = Callable[[Room, float, float], None]


def card(room: Room) -> None:
    """A few lines in one type, anywhere on the sheet: the simplest thing to read."""
    kind = room.type()
    leading = room.leading(kind)
    side = room.sheet.side
    margin = room.rng.uniform(2, side * 0.12)
    left, right = margin, side - room.rng.uniform(2, side * 0.1)
    tracking = room.rng.choice((0.0, 0.0, 0.0, room.rng.uniform(-0.3, 1.2)))
    # Lines are broken by their widths without tracking: leave room for it, or their ends lie beyond the edge.
    typical = kind.glyph("n").advance * 0.9
    width = (right - left) * typical / (typical + max(0.0, tracking))
    lines = broken(room.texts.say(room.rng, room.chars, room.unguessable), kind, width)
    fitting = max(1, int((side - 4 - kind.size) // leading) + 1)
    lines = lines[: min(len(lines), fitting)]
    height = leading * (len(lines) - 1) + kind.size
    top = room.rng.uniform(2, max(2.0, side - height - 4))
    centred = room.rng.random() < 0.15
    widest = max(_width(line, kind) + max(0.0, tracking) * _length(line) for line in lines)
    shift = 0.0 if centred else room.rng.uniform(0, max(0.0, right - left - widest))
    baseline = round(top + 0.8 * kind.size)
    for line in lines:
        x = left + ((right - left - _width(line, kind)) / 2 if centred else shift)
        room.part("\n")
        room.sheet.write(line.words, line.guessable, x, baseline, kind, tracking=tracking)
        if room.rng.random() < 0.03:
            room.sheet.rule(round(x), baseline + 3, round(x + _width(line, kind)), baseline + 4)
        baseline += leading


def page(room: Room) -> None:
    """Blocks below each other until the page or the characters are used up; now and then two columns."""
    side = room.sheet.side
    margin = room.rng.uniform(0.04, 0.11) * side
    left, right = margin, side - margin
    room.y = room.rng.uniform(0.03, 0.1) * side
    if room.rng.random() < 0.5:
        _heading(room, left, right)
    if room.rng.random() < 0.25:
        gutter = room.rng.uniform(0.03, 0.06) * side
        middle = (left + right) / 2
        top, share = room.y, room.chars // 2
        for begin, end, chars in ((left, middle - gutter / 2, share), (middle + gutter / 2, right, room.chars - share)):
            spared, room.chars = room.chars - chars, chars
            room.y = top
            _blocks(room, begin, end)
            room.chars += spared
        return
    _blocks(room, left, right)


def _blocks(room: Room, left: float, right: float) -> None:
    weights = (5, 1, 2, 2, 2)
    while room.chars > 12 and room.y + 1.5 * room.sizes[1] < room.bottom:
        layout: Layout = room.rng.choices((_paragraph, _heading, _list, _table, _form), weights)[0]
        layout(room, left, right)
        room.y += room.rng.uniform(0.3, 1.2) * room.sizes[0]


def _lines(room: Room, said: Said, kind: Type, left: float, right: float, *, justify: bool = False) -> None:
    """Write as many printed lines as fit and move down."""
    leading = room.leading(kind)
    lines = broken(said, kind, right - left)
    for number, line in enumerate(lines):
        length = _length(line)
        if room.y + leading > room.bottom or length + 2 > room.chars:
            room.chars = 0 if length + 2 > room.chars else room.chars
            return
        room.part("\n\n" if number == 0 else "\n")
        space = None
        if justify and number < len(lines) - 1 and len(line.words) > 2:
            bare = sum(kind.width(word) for word in line.words)
            space = min((right - left - bare) / (len(line.words) - 1), 2.5 * kind.glyph(" ").advance)
        room.sheet.write(line.words, line.guessable, left, round(room.y + 0.8 * kind.size), kind, space=space)
        room.chars -= length
        room.y += leading


def _paragraph(room: Room, left: float, right: float) -> None:
    kind = room.type()
    chars = min(room.chars, room.rng.randint(60, 420))
    said = room.texts.say(room.rng, chars, room.unguessable)
    _lines(room, said, kind, left, right, justify=room.rng.random() < 0.4)


def _heading(room: Room, left: float, right: float) -> None:
    kind = room.type(room.rng.uniform(1.2, 1.9))
    words = room.texts.heading(room.rng).split(" ")
    _lines(room, Said(tuple(words), (True,) * len(words)), kind, left, right)


def _list(room: Room, left: float, right: float) -> None:
    kind = room.type()
    leading, indent = room.leading(kind), room.rng.uniform(1.2, 2.2) * room.sizes[1]
    mark = room.rng.choice(("-", "*", "number", "letter"))
    for item in range(room.rng.randint(2, 6)):
        sign = {"number": f"{item + 1}.", "letter": f"{'abcdef'[item]})"}.get(mark, mark)
        said = room.texts.say(room.rng, room.rng.randint(10, 60), room.unguessable)
        line = broken(said, kind, right - left - indent)[0]
        length = len(sign) + 1 + _length(line)
        if room.y + leading > room.bottom or length + 2 > room.chars:
            return
        room.part("\n\n" if item == 0 else "\n")
        baseline = round(room.y + 0.8 * kind.size)
        room.sheet.write((sign,), (True,), left, baseline, kind)
        room.sheet.part(" ")
        room.sheet.write(line.words, line.guessable, left + indent, baseline, kind)
        room.chars -= length
        room.y += leading


def _table(room: Room, left: float, right: float) -> None:
    kind = room.type(0.95)
    columns, rows = room.rng.randint(2, 4), room.rng.randint(2, 6)
    leading = round(room.leading(kind) * 1.15)
    width = (right - left) / columns
    ruled = room.rng.random() < 0.6
    top, drawn = room.y, 0
    for row in range(rows):
        cells = [_cell(room, kind, width - 8, head=row == 0) for _ in range(columns)]
        length = sum(len(cell) for cell in cells) + 3 * (columns - 1)
        if room.y + leading > room.bottom or length + 2 > room.chars:
            break
        room.part("\n\n" if row == 0 else "\n")
        baseline = round(room.y + 0.8 * kind.size)
        for column, cell in enumerate(cells):
            if column:
                room.sheet.part(" | ")
            words = cell.split(" ")
            room.sheet.write(words, (row == 0,) * len(words), left + column * width + 4, baseline, kind)
        room.chars -= length
        room.y += leading
        drawn += 1
    if ruled and drawn:
        for row in range(drawn + 1):
            y = round(top + row * leading) - 2
            room.sheet.rule(round(left), y, round(right), y + 1)
        for column in range(columns + 1):
            x = round(left + column * width)
            room.sheet.rule(x, round(top) - 2, x + 1, round(room.y) - 2)


def _cell(room: Room, kind: Type, width: float, *, head: bool) -> str:
    """Something that fits the column, shortened if need be."""
    text = room.texts.label(room.rng) if head else strange(room.rng)
    while len(text) > 1 and kind.width(text) > width:
        text = text[:-1].rstrip()
    return text


def _form(room: Room, left: float, right: float) -> None:
    kind, value_kind = room.type(), room.type()
    leading = round(room.leading(kind) * 1.2)
    column = left + room.rng.uniform(0.25, 0.45) * (right - left)
    for field in range(room.rng.randint(2, 5)):
        label = room.texts.label(room.rng)
        value = _cell(room, value_kind, right - column - 6, head=False)
        length = len(label) + len(value) + 2
        if kind.width(label + ":") > column - left - 4:
            continue
        if room.y + leading > room.bottom or length + 2 > room.chars:
            return
        room.part("\n\n" if field == 0 else "\n")
        baseline = round(room.y + 0.8 * kind.size)
        words = f"{label}:".split(" ")
        room.sheet.write(words, (True,) * len(words), left, baseline, kind)
        room.sheet.part(" ")
        words = value.split(" ")
        room.sheet.write(words, (False,) * len(words), column, baseline, value_kind)
        if room.rng.random() < 0.5:
            room.sheet.rule(round(column), baseline + 3, round(right), baseline + 4)
        room.chars -= length
        room.y += leading


def broken(said: Said, kind: Type, width: float) -> list[Said]:
    """Words into lines that fit, at least one word each; a word that fits no line is cut to what does."""
    lines: list[Said] = []
    words: list[str] = []
    known: list[bool] = []
    space, used = kind.glyph(" ").advance, 0.0
    for word, guessable in zip(said.words, said.guessable, strict=True):
        kept = word
        needed = kind.width(kept)
        while needed > width and len(kept) > 1:
            kept = kept[:-1]
            needed = kind.width(kept)
        if words and used + space + needed > width:
            lines.append(Said(tuple(words), tuple(known)))
            words, known, used = [], [], 0.0
        used += needed + (space if words else 0)
        words.append(kept)
        known.append(guessable)
    lines.append(Said(tuple(words), tuple(known)))
    return lines


def _length(line: Said) -> int:
    return sum(map(len, line.words)) + len(line.words) - 1


def _width(line: Said, kind: Type) -> float:
    return sum(map(kind.width, line.words)) + kind.glyph(" ").advance * (len(line.words) - 1)
