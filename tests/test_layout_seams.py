"""Columns hardly further apart than words, which a reader has run together line by line."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from index.types import Box
from tests.layout_kit import HEIGHT, OTHER, PROSE, WIDTH, Page, flat, in_order, wrap
from worker.layout.lines import Line, LineWord
from worker.layout.pieces import prepare
from worker.layout.seams import part_at_edges

SIZE = 10.0
Words = list[tuple[float, float, str]]  # from, to, text


def justified(x: float, width: float, text: str, rng: random.Random) -> list[Words]:
    """Lines of words that fill `width` points, their letters of different widths."""
    lines = []
    for line in wrap(text, width * 1.13, SIZE):
        words = line.split()
        widths = [len(word) * SIZE * rng.uniform(0.4, 0.5) for word in words]
        last = line == wrap(text, width * 1.13, SIZE)[-1]
        gap = 0.3 * SIZE if last or len(words) < 2 else (width - sum(widths)) / (len(words) - 1)
        at, placed = x, []
        for word, wide in zip(words, widths, strict=True):
            placed.append((at, at + wide, word))
            at += wide + gap
        lines.append(placed)
    return lines


def as_line(words: Words, y: float, rng: random.Random) -> Line:
    """What a reader makes of it: one line; it knows ends of words to a tenth of the type."""
    shake = 0.08 * SIZE
    boxes = [
        Box((a + rng.uniform(-shake, shake)) / WIDTH, y / HEIGHT, (b + rng.uniform(-shake, shake)) / WIDTH, 1.0)
        for a, b, _ in words
    ]
    boxes = [Box(box.x0, y / HEIGHT, box.x1, (y + SIZE) / HEIGHT) for box in boxes]
    whole = Box(boxes[0].x0, y / HEIGHT, boxes[-1].x1, (y + SIZE) / HEIGHT)
    parts = tuple(LineWord(text, box) for (_, _, text), box in zip(words, boxes, strict=True))
    return Line(" ".join(text for _, _, text in words), whole, whole, parts, 0.98, SIZE / HEIGHT)


@pytest.mark.parametrize("seed", range(8))
def test_columns_run_together_line_by_line_are_two(seed: int) -> None:
    """A treaty in two languages, its columns 0.8 of the type apart, less than some of its spaces."""
    rng = random.Random(seed)
    page = Page()
    left, right = justified(40, 236, PROSE * 2, rng), justified(284, 236, OTHER * 2, rng)
    count = max(len(left), len(right))
    left += [[]] * (count - len(left))
    right += [[]] * (count - len(right))
    for k, (one, other) in enumerate(zip(left, right, strict=True)):
        page.lines.append(as_line([*one, *other], 60 + 13 * k, rng))
    text = flat(page.composed().text)
    assert in_order(text, "had been set aside for the new lamps.", "Nobody could say when the ferry")
    assert flat(PROSE * 2) in text and flat(OTHER * 2) in text


@pytest.mark.parametrize("seed", range(60))
def test_spaces_that_chance_to_stand_under_each_other_part_nothing(seed: int) -> None:
    rng = random.Random(seed)
    words = (PROSE + OTHER).split()
    text = " ".join(rng.choice(words) for _ in range(700))
    page = Page()
    for k, line in enumerate(justified(40, rng.choice((300, 420, 520)), text, rng)):
        page.lines.append(as_line(line, 30 + 12 * k, rng))
    pieces = prepare(page.lines, WIDTH / HEIGHT)
    assert len(part_at_edges(pieces)) == len(pieces)


def test_a_table_in_type_of_one_width_is_not_parted_at_its_spaces() -> None:
    """Typewritten words of one length stand level by themselves, but no gap among them is wider than the others."""
    page = Page()
    for k in range(20):
        page.line(40, 60 + 13 * k, "north wall north pier south pier south wall lower slip upper slip")
    pieces = prepare(page.lines, WIDTH / HEIGHT)
    assert len(part_at_edges(pieces)) == 20


@pytest.mark.parametrize("seed", range(2, 6))
def test_columns_of_a_newspaper_without_lines_between_them(seed: int) -> None:
    """Boxes stand out over gutters no wider than loose spaces, and some lines are run together: each column
    is read to its end, also where the last one ends first.
    """
    rng = random.Random(seed)
    page = Page()
    texts = [f"First column begins here. {PROSE * 2}", f"Second column begins here. {OTHER * 2}", f"Last one. {PROSE}"]
    columns = [justified(40 + 164 * k, 158, text, rng) for k, text in enumerate(texts)]
    page.line(150, 20, "THE HARBOUR GAZETTE", 24)
    for k in range(max(map(len, columns))):
        row, run_on = [column[k] for column in columns if k < len(column)], rng.random() < 0.15
        parts = [[word for words in row for word in words]] if run_on and 0 < k < 16 else row
        for words in parts:
            placed = as_line(words, 60 + 11 * k, rng)
            box = replace(placed.box, x0=placed.box.x0 - rng.uniform(0, 1.5) / WIDTH)
            box = replace(box, x1=box.x1 + rng.uniform(0, 1.5) / WIDTH)
            page.lines.append(replace(placed, box=box, page_box=box))
    assert in_order(page.composed().text, "THE HARBOUR GAZETTE", *texts)


@pytest.mark.parametrize("white", [6.0, 14.0])
def test_a_heading_over_two_columns_is_not_parted_at_its_space(white: float) -> None:
    """It is in the text's own type, and one of its spaces stands over the gutter; white is above it and below."""
    rng = random.Random(2)
    page = Page()
    left, right = justified(40, 236, PROSE, rng), justified(282, 236, OTHER, rng)
    for top in (60.0, 60 + 12 * 16 + 2 * white):
        for k in range(15):
            for words in (left[k % len(left)], right[k % len(right)]):
                page.lines.append(as_line(words, top + 12 * k, rng))
    heading: Words = [
        (150, 210, "Resolutions"),
        (216, 276, "transferred"),
        (282, 340, "altogether"),
        (346, 380, "before"),
    ]
    page.lines.append(as_line(heading, 60 + 12 * 15 + white, rng))
    assert "Resolutions transferred altogether before" in flat(page.composed().text)
