"""Turns MuPDF's structured text into words, and its vector boxes into ruling lines. Plain data in and out.

Everything here is a fraction of the page as shown, in the file's own order; words outside the page are
left out. Runs inside the render child; its output is checked again on the other side.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ingest.wire import MAX_RULES, MAX_WORD_CHARS, MAX_WORDS

BOLD = 16  # MuPDF's font flag; char flag 8 is the same for synthesised weight
SYNTHETIC_BOLD = 8
LIGHT = 0xE0E0E0  # a colour with all these bits set may vanish on white paper
ALIGNED = 0.999  # cosine of a line direction that counts as along an axis
RULE_THICKNESS = 4.0  # points; thicker is a bar
RULE_LENGTH = 8.0
MOSTLY = 2 / 3  # of the characters: less is a page with text both ways, which stays as it is
SPACE = 0.4  # type sizes
# Zapf Dingbats that Unicode had before, elsewhere than its order has them.
DINGBATS = {"%": "☎", "*": "☛", "+": "☞", "H": "★", "l": "●", "n": "■", "s": "▲", "t": "▼", "u": "◆", "w": "◗"}
SOFT_HYPHEN = "\u00ad"
HYPHEN_WIDTH = 0.12  # type sizes; narrower is not shown
GRID = 64  # image coverage is counted on a grid of so many cells a side

Quad = tuple[float, float, float, float]
Vector = tuple[float, float]


class _Word:
    """A word while its characters come in."""

    __slots__ = ("bold", "box", "first", "hyphen", "light", "parts", "size", "visible")

    def __init__(self, char: dict[str, Any], span: dict[str, Any]) -> None:
        self.parts: list[str] = []
        self.box: Quad = char["bbox"]
        self.first = char["origin"], span  # where its baseline begins, and in which font
        self.size = 0.0
        self.bold = 0
        self.visible = self.light = self.hyphen = False

    def add(self, char: str, box: Quad, span: dict[str, Any]) -> None:
        x0, y0, x1, y1 = self.box
        self.box = (
            min(x0, box[0]),
            min(y0, box[1]),
            max(x1, box[2]),
            max(y1, box[3]),
        )
        self.parts.append(char)
        self.size = max(self.size, span["size"])
        if char == SOFT_HYPHEN and box[2] - box[0] > HYPHEN_WIDTH * span["size"]:
            self.hyphen = True
        if span["flags"] & BOLD or span.get("char_flags", 0) & SYNTHETIC_BOLD:
            self.bold += 1
        if span.get("alpha", 255):
            self.visible = True
            if span.get("color", 0) & LIGHT == LIGHT:
                self.light = True


def layer_from(
    blocks: list[dict[str, Any]],
    images: list[Quad],
    vectors: list[dict[str, Any]],
    size: tuple[float, float],
    has_ink: Callable[[Quad], bool],
) -> dict[str, Any] | None:
    """The layer as it crosses the wire; None without a word on the page. `size` is the page's, in points.

    A word is `[text, x0, y0, x1, y1, block, line, size, bold, quarter_turns, invisible]`. `has_ink` says whether the
    rendered page shows anything in a box (in fractions); it is asked about words in nearly white only.
    """
    width, height = size
    words: list[list[Any]] = []
    chars = unmapped = 0
    turns: Counter[int] = Counter()
    printed = _Printed()
    hyphens: list[tuple[int, str]] = []
    for block, line, direction, word in _words(blocks):
        text = "".join(word.parts)
        chars += len(text)
        if not text.isprintable() or "\ufffd" in text:
            unmapped += sum(map(is_unmapped, text))
        quarter_turns = _quarter_turns(direction)
        turns[quarter_turns] += len(text)
        box = _on_page(_tight(word, direction), width, height)
        if box is None or len(words) >= MAX_WORDS:
            continue
        invisible = not word.visible or (word.light and not has_ink(box))
        again = printed.same(text, word)
        if again is not None:
            again[-1] = again[-1] and invisible
            continue
        bold = 2 * word.bold > len(text)
        entry = [text[:MAX_WORD_CHARS], *box, block, line, word.size, bold, quarter_turns, invisible]
        if word.hyphen:
            hyphens.append((len(words), word.first[1].get("font", "")))
        words.append(entry)
        printed.add(text, word, entry)
    if not words:
        return None
    _show_hyphens(words, hyphens)
    return {
        "words": words,
        "unmapped": unmapped / chars,
        "image_coverage": _coverage(images, width, height),
        "rules": list(_rules(vectors, width, height)),
        "quarter_turns": next((turn for turn, count in turns.items() if count >= MOSTLY * chars), 0),
    }


def _show_hyphens(words: list[list[Any]], hyphens: list[tuple[int, str]]) -> None:
    """Make plain hyphens of soft ones where a font paints them inside lines. A font often has one glyph for both, and
    MuPDF may tell the soft one. Whoever paints soft hyphens at line ends alone divides words there.

    `hyphens` are the words with painted ones, by place, and their fonts.
    """
    inside = set()
    for place, font in hyphens:
        text, _, _, _, _, block, line, *_ = words[place]
        ends = place + 1 == len(words) or words[place + 1][5:7] != [block, line]
        if not ends or text == SOFT_HYPHEN or SOFT_HYPHEN in text[:-1]:
            inside.add(font)
    for place, font in hyphens:
        if font in inside:
            words[place][0] = words[place][0].replace(SOFT_HYPHEN, "-")


def _quarter_turns(direction: Vector) -> int:
    """How many quarter turns clockwise make a line run from left to right."""
    along, down = direction
    if abs(along) >= abs(down):
        return 2 if along < 0 else 0
    return 1 if down < 0 else 3


def is_unmapped(char: str) -> bool:
    """Whether a character tells nothing: replacement, private use, unassigned or control."""
    return char == "\ufffd" or unicodedata.category(char) in ("Co", "Cc", "Cn", "Cs")


def _words(blocks: list[dict[str, Any]]) -> Iterator[tuple[int, int, Vector, _Word]]:
    """Words of all lines, cut at white space, with block, line and the line's direction (0, 0: top to bottom)."""
    for block_number, block in enumerate(blocks):
        for line_number, line in enumerate(block.get("lines", ())):
            word: _Word | None = None
            direction = (0.0, 0.0) if line.get("wmode") else line["dir"]
            for span in line["spans"]:
                dingbats = "ingbats" in span.get("font", "")
                for number, char in enumerate(span["chars"]):
                    if char["c"].isspace() or char["c"] == "\0":
                        if word is not None:
                            yield block_number, line_number, direction, word
                        word = None
                    else:
                        if not number and word is not None and _apart(word, char, direction, span):
                            yield block_number, line_number, direction, word
                            word = None
                        if word is None:
                            word = _Word(char, span)
                        word.add(_meant(char["c"]) if dingbats else char["c"], char["bbox"], span)
            if word is not None:
                yield block_number, line_number, direction, word


class _Printed:
    """The words so far, by what and where they are. Programs print a word twice for weight or to give it a shadow, and
    some put an invisible layer over painted type.
    """

    def __init__(self) -> None:
        self._at: dict[tuple[str, float, int, int], list[tuple[Quad, list[Any]]]] = {}
        self._seen: set[tuple[str, float]] = set()

    def same(self, text: str, word: _Word) -> list[Any] | None:
        """The entry of the same word of the same size in the same place."""
        near = 0.2 * word.size
        _, size, column, row = self._key(text, word)
        if (text, size) not in self._seen:
            return None
        for place in itertools.product((column - 1, column, column + 1), (row - 1, row, row + 1)):
            for box, entry in self._at.get((text, size, *place), ()):
                if all(abs(a - b) <= near for a, b in zip(box, word.box, strict=True)):
                    return entry
        return None

    def add(self, text: str, word: _Word, entry: list[Any]) -> None:
        key = self._key(text, word)
        self._seen.add(key[:2])
        self._at.setdefault(key, []).append((word.box, entry))

    @staticmethod
    def _key(text: str, word: _Word) -> tuple[str, float, int, int]:
        cell = max(0.5 * word.size, 0.1)  # wider than two prints of a word may be apart
        return text, round(word.size, 1), int(word.box[0] / cell), int(word.box[1] / cell)


def _apart(word: _Word, char: dict[str, Any], direction: Vector, span: dict[str, Any]) -> bool:
    """Whether white as wide as a space parts a level word from the character that a new span begins with: MuPDF sees
    no space where the font changes, as behind a tick.
    """
    return direction[0] > ALIGNED and char["bbox"][0] - word.box[2] > SPACE * span["size"]


def _meant(char: str) -> str:
    """The character that is shown. MuPDF gives Zapf Dingbats, in which form fields are ticked, by their codes: "4" for
    a tick. The font's table in the PDF specification (ISO 32000-1, D.6) follows Unicode's block from U+2701.
    """
    if not "!" <= char <= "~":
        return char
    return DINGBATS.get(char) or chr(0x2700 + ord(char) - 0x20)


def _tight(word: _Word, direction: Vector) -> Quad:
    """The word's box, across its line as high as the font size: a font's own box has room for its tallest accent,
    and so overlaps the neighbouring lines. Text that runs along neither axis keeps its box.
    """
    (x, y), span = word.first
    ascent = min(max(span.get("ascender", 0.8), 0.5), 1.2)
    descent = min(max(-span.get("descender", -0.2), 0.1), 0.5)
    above = word.size * ascent / (ascent + descent)
    below = word.size - above
    x0, y0, x1, y1 = word.box
    along, down = direction
    if along > ALIGNED:
        return x0, y - above, x1, y + below
    if along < -ALIGNED:
        return x0, y - below, x1, y + above
    if down < -ALIGNED:  # upwards: letters lean to the left
        return x - above, y0, x + below, y1
    if down > ALIGNED:
        return x - below, y0, x + above, y1
    return word.box


def _on_page(box: Quad, width: float, height: float) -> Quad | None:
    """The box in fractions, clipped to the page; None where less than half of it is on the page."""
    x0, y0, x1, y1 = box
    clipped = max(0.0, x0), max(0.0, y0), min(width, x1), min(height, y1)
    across, down = clipped[2] - clipped[0], clipped[3] - clipped[1]
    if not (across >= 0.0 and down >= 0.0) or across * down < 0.5 * (x1 - x0) * (y1 - y0):
        return None
    return clipped[0] / width, clipped[1] / height, clipped[2] / width, clipped[3] / height


def _coverage(images: list[Quad], width: float, height: float) -> float:
    """Share of the page under images."""
    cells = bytearray(GRID * GRID)
    for x0, y0, x1, y1 in images[:5_000]:
        left, right = (round(min(max(x / width, 0.0), 1.0) * GRID) for x in (x0, x1))
        top, bottom = (round(min(max(y / height, 0.0), 1.0) * GRID) for y in (y0, y1))
        if right > left:
            for row in range(top, bottom):
                cells[row * GRID + left : row * GRID + right] = b"\1" * (right - left)
    return sum(cells) / len(cells)


def _rules(vectors: Iterable[dict[str, Any]], width: float, height: float) -> Iterator[Quad]:
    """Straight lines: thin boxes as they are, drawn rectangles as their four sides."""
    seen: set[tuple[int, int, int, int]] = set()
    for vector in vectors:
        if vector.get("alpha", 255) == 0 or vector.get("color", 0) == 0xFFFFFF or not vector.get("isrect", True):
            continue
        for side in _sides(vector["bbox"], bool(vector.get("stroked"))):
            rounded = tuple(round(2 * value) for value in side)
            box = _on_page(side, width, height)
            if box is None or rounded in seen:
                continue
            if len(seen) >= MAX_RULES:
                return
            seen.add(rounded)  # type: ignore[arg-type]
            yield box


def _sides(box: Quad, stroked: bool) -> Iterator[Quad]:
    x0, y0, x1, y1 = box
    thin, long = sorted((x1 - x0, y1 - y0))
    if thin <= RULE_THICKNESS:
        if long >= RULE_LENGTH:
            yield box
    elif stroked and thin >= RULE_LENGTH:
        yield x0, y0, x1, y0 + 1.0
        yield x0, y1 - 1.0, x1, y1
        yield x0, y0, x0 + 1.0, y1
        yield x1 - 1.0, y0, x1, y1
