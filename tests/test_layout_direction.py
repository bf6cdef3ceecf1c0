"""Pages of scripts that run from right to left: columns, tables, paragraphs and items in their own order."""

from __future__ import annotations

import random

from index.types import Box
from tests.layout_kit import HEIGHT, WIDTH, Page, grid
from worker.layout.lines import Line, LineWord

LETTERS = "אבגדהוזחטיכלמנסעפצקרשת"


def words_of(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(LETTERS, k=draw.randint(2, 7))) for _ in range(count)]


def set_from(page: Page, right: float, y: float, words: list[str], size: float = 10.0) -> None:
    """A line that begins at `right` and runs to the left; the reader tells its words from left to right."""
    made, x = [], right
    for word in words:
        width = 0.5 * size * len(word)
        made.append(LineWord(word, Box((x - width) / WIDTH, y / HEIGHT, x / WIDTH, (y + size) / HEIGHT)))
        x -= width + 0.5 * size
    made.reverse()
    box = Box((x + 0.5 * size) / WIDTH, y / HEIGHT, right / WIDTH, (y + size) / HEIGHT)
    page.lines.append(Line(" ".join(w.text for w in made), box, box, tuple(made), 0.98, size / HEIGHT))


def paragraph(page: Page, right: float, y: float, width: float, words: list[str], size: float = 10.0) -> float:
    line: list[str] = []
    for word in [*words, None]:
        if word is None or 0.5 * size * len(" ".join([*line, word])) > width:
            set_from(page, right, y, line, size)
            y, line = y + 1.3 * size, []
        if word is not None:
            line.append(word)
    return y


def test_columns_are_read_from_the_right() -> None:
    """The right column first and whole, then the left one."""
    page = Page()
    first, second = words_of(150, 1), words_of(150, 2)
    paragraph(page, 560, 60, 240, first)
    paragraph(page, 290, 60, 240, second)
    assert page.composed(shuffle=3).text.split() == [*first, *second]


def test_paragraphs_end_at_lines_that_stop_short_on_the_left() -> None:
    """And items begin with their number at the right."""
    page = Page()
    texts = [words_of(31 + k, 10 + k) for k in range(4)]
    y = 60.0
    for words in texts:
        words[-1] += "."
        y = paragraph(page, 550, y, 480, words)
    items = [[f"{k}.", *words_of(5, 20 + k)] for k in (1, 2, 3)]
    for k, words in enumerate(items):
        set_from(page, 550, y + 20 + 14 * k, words)
    blocks = page.composed(shuffle=4).text.split("\n\n")
    assert [block.split() for block in blocks[:4]] == texts
    assert blocks[4].split("\n") == [" ".join(words) for words in items]


def test_tables_begin_at_the_right() -> None:
    """The first column is the rightmost one."""
    page = Page()
    rows = [words_of(3, 30 + k) for k in range(4)]
    for k, row in enumerate(rows):
        for x, word in zip((540, 380, 220), row, strict=True):
            set_from(page, x, 64 + 20 * k, [word])
    text = page.composed(grid([80, 240, 400, 550], [60 + 20 * k for k in range(5)]), shuffle=2).text
    lines = [line for line in text.split("\n") if "---" not in line]
    assert lines == ["| " + " | ".join(row) + " |" for row in rows]


def test_a_latin_paragraph_on_such_a_page_is_read_from_the_left() -> None:
    """Its words come in their own order."""
    page = Page()
    words = words_of(120, 5)
    y = paragraph(page, 550, 60, 480, words)
    page.line(70, y + 14, "Copied from the register of the Royal Archive in 1931")
    text = page.composed(shuffle=6).text
    assert text.split("\n\n")[0].split() == words
    assert text.endswith("Copied from the register of the Royal Archive in 1931")
