"""Turns MuPDF's structured text into words, and its vector boxes into ruling lines. Plain data in and out.

Everything here is a fraction of the page as shown, in the file's own order; words outside the page are
left out. Runs inside the render child; its output is checked again on the other side.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from ingest.wire import MAX_RULES, MAX_WORD_CHARS, MAX_WORDS

BOLD = 16  # MuPDF's font flag; char flag 8 is the same for synthesised weight
SYNTHETIC_BOLD = 8
RULE_THICKNESS = 4.0  # points; thicker is a bar
RULE_LENGTH = 8.0
GRID = 64  # image coverage is counted on a grid of so many cells a side

Quad = tuple[float, float, float, float]


def layer_from(
    blocks: list[dict[str, Any]], images: list[Quad], vectors: list[dict[str, Any]], width: float, height: float
) -> dict[str, Any] | None:
    """The layer as it crosses the wire; None without a word on the page.

    A word is `[text, x0, y0, x1, y1, block, line, size, bold, invisible]`.
    """
    words: list[list[Any]] = []
    chars = unmapped = 0
    for word in _words(blocks):
        chars += len(word[0])
        unmapped += sum(map(is_unmapped, word[0]))
        box = _on_page(word[1], width, height)
        if box is not None and len(words) < MAX_WORDS:
            words.append([word[0][:MAX_WORD_CHARS], *box, *word[2:]])
    if not words:
        return None
    return {
        "words": words,
        "unmapped": unmapped / chars,
        "image_coverage": _coverage(images, width, height),
        "rules": list(_rules(vectors, width, height)),
    }


def is_unmapped(char: str) -> bool:
    """Whether a character tells nothing: replacement, private use, unassigned or control."""
    return char == "\ufffd" or unicodedata.category(char) in ("Co", "Cc", "Cn", "Cs")


def _words(blocks: list[dict[str, Any]]) -> Iterator[tuple[str, Quad, int, int, float, bool, bool]]:
    """Words of all lines, cut at white space: text, box in points, block, line, size, bold, invisible."""
    for block_number, block in enumerate(blocks):
        for line_number, line in enumerate(block.get("lines", ())):
            word: list[tuple[str, Quad, dict[str, Any]]] = []
            for span in line["spans"]:
                for char in span["chars"]:
                    if char["c"].isspace() or char["c"] == "\0":
                        if word:
                            yield _word(word, block_number, line_number)
                        word = []
                    else:
                        word.append((char["c"], char["bbox"], span))
            if word:
                yield _word(word, block_number, line_number)


def _word(
    chars: list[tuple[str, Quad, dict[str, Any]]], block: int, line: int
) -> tuple[str, Quad, int, int, float, bool, bool]:
    boxes = [box for _, box, _ in chars]
    spans = [span for _, _, span in chars]
    bold = sum(bool(span["flags"] & BOLD or span.get("char_flags", 0) & SYNTHETIC_BOLD) for span in spans)
    return (
        "".join(char for char, _, _ in chars),
        (
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        ),
        block,
        line,
        max(span["size"] for span in spans),
        2 * bold > len(chars),
        all(span.get("alpha", 255) == 0 for span in spans),
    )


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
