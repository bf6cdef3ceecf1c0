"""From slabs to `Line`s: reads each piece of text and says where its words stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from worker.engine.geometry import Levelling, Slab, bounding_box, crop, turn_pixels
from worker.engine.mending import with_spaces, without_holes, without_specks
from worker.engine.recognise import MAX_WIDTH, NOTHING, TYPE_HEIGHT, Recognised
from worker.engine.stacks import rows_of
from worker.layout.lines import Line, LineWord

Read = Callable[[Sequence[np.ndarray]], list[Recognised]]

_MIN_SCORE = 0.5  # below this the marks are no text (the recogniser's published threshold)
_SURE = 0.9  # of the way that vertical text runs
_DOUBTFUL, _PLAIN = 0.9, 0.97  # scores of a line that may be none, and of one that is
_PALE = 0.35  # of the usual contrast; writing shows through with 0.2 to 0.3, pencil has more
_FEWEST_PLAIN, _MOST_PLAIN = 3, 12
_TALL = 2.5  # height over width, and over the common height of lines, of text that runs up or down
_TALLISH = 1.5  # and of text that may, where it is not surely read as level


def read_lines(
    pixels: np.ndarray, slabs: Sequence[Slab], level: Levelling, read: Read, known: Mapping[int, Recognised]
) -> list[Line]:
    """Read the text of `slabs` on an upright page. Pieces that turn out to be no text are left out.

    `known` are readings that exist already, by index in `slabs`.
    """
    common = float(np.median([item.short_side for item in slabs])) if slabs else 0.0
    standing = {index for index, item in enumerate(slabs) if _stands(item, common)}
    pieces = {index: _pieces(item) for index, item in enumerate(slabs) if index not in standing}
    fresh = [
        (index, piece) for index, parts in pieces.items() for piece in parts if index not in known or len(parts) > 1
    ]
    found: dict[int, list[tuple[Slab, Recognised]]] = {index: [] for index in pieces}
    for (index, piece), line in zip(fresh, read([crop(pixels, piece) for _, piece in fresh]), strict=True):
        found[index].append((piece, line))
    for index, line in known.items():
        if index in found and not found[index]:
            found[index].append((pieces[index][0], line))
    shown_through = _shown_through(pixels, found)
    lines = []
    for index, item in enumerate(slabs):
        if index in shown_through:
            continue
        if index in standing:
            lines += _upright(pixels, item, level, read, common)
            continue
        line = _level(item, found[index], level)
        if _may_stand(item, common) and (line is None or line.score < _DOUBTFUL):
            upright = _upright(pixels, item, level, read, common)
            if upright and min(part.score for part in upright) > (_DOUBTFUL if line is None else line.score):
                lines += upright
                continue
        if line is not None:
            lines.append(line)
    return without_specks(without_holes(lines))


def _shown_through(pixels: np.ndarray, found: Mapping[int, Sequence[tuple[Slab, Recognised]]]) -> set[int]:
    """Lines from the other side of the sheet: far paler than lines that are surely read, and not surely read."""
    scores = {index: sum(line.score for _, line in parts) / len(parts) for index, parts in found.items() if parts}
    doubtful = [index for index, score in scores.items() if _MIN_SCORE <= score < _DOUBTFUL]
    plain = [index for index, score in scores.items() if score >= _PLAIN]
    if not doubtful or len(plain) < _FEWEST_PLAIN:
        return set()
    step = -(-len(plain) // _MOST_PLAIN)
    usual = float(np.median([_contrast(pixels, found[index][0][0]) for index in plain[::step]]))
    return {index for index in doubtful if _contrast(pixels, found[index][0][0]) < _PALE * usual}


def _contrast(pixels: np.ndarray, item: Slab) -> float:
    """Between the paper and the ink of a line, in shades of grey."""
    paper, ink = np.percentile(crop(pixels, item).mean(axis=2), (90, 3))
    return float(paper - ink)


def _stands(item: Slab, common: float) -> bool:
    """Whether the text runs up or down the page; narrow characters on their own do not."""
    return item.height > _TALL * item.width and item.height > _TALL * common


def _may_stand(item: Slab, common: float) -> bool:
    return item.height > _TALLISH * item.width and item.height > _TALLISH * common


def _level(item: Slab, parts: Sequence[tuple[Slab, Recognised]], level: Levelling) -> Line | None:
    words: list[LineWord] = []
    parts = [(piece, with_spaces(line)) for piece, line in parts]
    for piece, line in parts:
        words += [
            LineWord(text, bounding_box(piece.part(start, end).corners(), level.page_width, level.page_height))
            for text, start, end in word_spans(line)
        ]
    return _line(item, [line for _, line in parts if line.text.strip()], words, item.height, level)


def _upright(pixels: np.ndarray, item: Slab, level: Levelling, read: Read, common: float) -> list[Line]:
    """Text that runs up or down, or else the short lines under each other that it turns out to be."""
    line = _vertical(pixels, item, level, read)
    if line is None or line.score < _SURE:
        rows = rows_of(pixels, item, common)
        stacked = [
            _level(row, [(row.with_end_room(), recognised)], level)
            for row, recognised in zip(rows, read([crop(pixels, row.with_end_room()) for row in rows]), strict=True)
        ]
        known = [row for row in stacked if row is not None]
        score = min((row.score for row in known), default=0.0)
        if len(known) > 1 and score > (_MIN_SCORE if line is None else line.score):
            return known
    return [] if line is None else [line]


def _vertical(pixels: np.ndarray, item: Slab, level: Levelling, read: Read) -> Line | None:
    """Text that runs up the page, or else down."""
    best, way = NOTHING, 90
    for turn in (90, 270):
        (found,) = read([turn_pixels(crop(pixels, item), turn)])
        if found.score > best.score:
            best, way = found, turn
        if found.score > _SURE:
            break
    words = []
    for text, start, end in word_spans(best):
        top, bottom = (1 - end, 1 - start) if way == 90 else (start, end)
        box = bounding_box(item.part(0, 1, top, bottom).corners(), level.page_width, level.page_height)
        words.append(LineWord(text, box))
    return _line(item, [best], words, item.width, level)


def _line(
    item: Slab, found: Sequence[Recognised], words: Sequence[LineWord], size: float, level: Levelling
) -> Line | None:
    text = " ".join(" ".join(line.text.split()) for line in found)
    characters = sum(len(line.text) for line in found)
    score = sum(line.score * len(line.text) for line in found) / characters if characters else 0.0
    if not text or score < _MIN_SCORE:
        return None
    return Line(
        text=text,
        box=bounding_box(level.slab(item).corners(), level.width, level.height),
        page_box=bounding_box(item.corners(), level.page_width, level.page_height),
        words=tuple(words),
        score=score,
        size=size / level.height,
    )


def word_spans(line: Recognised) -> list[tuple[str, float, float]]:
    """The words of a line with the fractions of its width where each begins and ends.

    A character's centre is known, not its edges: a word reaches half a character's usual width beyond
    its first and last centre, and no further than half way to its neighbour.
    """
    centres = np.array(line.places)
    steps = np.diff(centres)
    half = float(np.median(steps)) / 2 if len(steps) else 0.5
    spans: list[tuple[str, float, float]] = []
    start = 0
    for text in line.text.split():
        start = line.text.index(text, start)
        end = start + len(text)
        left = max(0.0, centres[start] - half)
        right = min(1.0, centres[end - 1] + half)
        spans.append((text, left, max(left, right)))
        start = end
    return spans


def _pieces(item: Slab) -> list[Slab]:
    """What to read of a line: all of it and a little more, in equal pieces where it is too long to be read at once."""
    item = item.with_end_room()
    count = int(np.ceil(item.width / max(1.0, item.height) * TYPE_HEIGHT / MAX_WIDTH))
    return [item.part(index / count, (index + 1) / count) for index in range(count)] if count > 1 else [item]
