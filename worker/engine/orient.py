"""Which way up a page was scanned.

Two decisions. Sideways or not follows from the shapes: lines are longer than high. Upside down or not
follows from reading a few lines: the recogniser is far less sure of lines that stand on their heads, so
where it is sure of what it reads, nothing more is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from worker.engine.geometry import Slab, crop, turn_pixels
from worker.engine.recognise import Recognised

_SAMPLES = 5
_FEW_SAMPLES = 3  # one or two short ones may be specks
_SURE = 0.93  # mean score of a sample that is not upside down (measured: 0.97 and more upright, below 0.8 turned)
_PLAIN = 0.85  # between the mean score of lines that are turned and of lines that are not
_ELONGATED = 2.0
_MARGIN = 0.01  # a turn must read better by this much: most pages are scanned the right way up

Read = Callable[[Sequence[np.ndarray]], list[Recognised]]


def rotation(pixels: np.ndarray, slabs: Sequence[Slab], read: Read) -> tuple[int, dict[int, Recognised]]:
    """How many degrees clockwise (0, 90, 180, 270) `pixels` must be turned to stand upright.

    Also the lines that were read that way up to find out, by their index in `slabs`.
    """
    if not slabs:
        return 0, {}
    # A lone 1 is higher than wide however the page lies.
    least = _ELONGATED * float(np.median([item.short_side for item in slabs]))
    long = [item for item in slabs if item.long_side >= least]
    lying = sum(item.width for item in long if item.width >= _ELONGATED * item.height)
    standing = sum(item.height for item in long if item.height >= _ELONGATED * item.width)
    if lying == standing == 0:
        candidates = (0, 90, 180, 270)
    elif lying >= standing:
        candidates = (0, 180)
    else:
        candidates = (90, 270)
    chosen = _samples(slabs, None if len(candidates) > 2 else candidates[0] == 90)
    best, best_lines, best_score = candidates[0], [], -1.0
    for turn in candidates:
        parts = [slabs[index].with_end_room(sideways=turn % 180 == 90) for index in chosen]
        lines = read([turn_pixels(crop(pixels, part), turn) for part in parts])
        score, tellable = _legibility(lines)
        if score > best_score + _MARGIN:
            best, best_lines, best_score = turn, lines, score
        if tellable and score >= _SURE:
            break
    return best, dict(zip(chosen, best_lines, strict=False))


def legible(lines: Sequence[Recognised]) -> bool:
    """Whether lines were read surely enough to believe that they were read the right way up."""
    score, tellable = _legibility(lines)
    return tellable and score >= _PLAIN


def _legibility(lines: Sequence[Recognised]) -> tuple[float, bool]:
    """Mean score by length of text, and whether there are enough letters to tell: digits and signs can look
    as good upside down.
    """
    weight = sum(len(line.text) for line in lines)
    if not weight:
        return 0.0, False
    score = sum(line.score * len(line.text) for line in lines) / weight
    letters = sum(character.isalpha() for line in lines for character in line.text)
    return score, letters >= max(8, weight // 2)


def _samples(slabs: Sequence[Slab], sideways: bool | None) -> list[int]:
    """Indices of lines long enough to tell and short enough to be cheap, spread over the page. `sideways`: of those
    that are higher than wide, or that are not; None: of all. A table on its side tells nothing about its page.
    """
    along = [index for index, item in enumerate(slabs) if sideways in (None, item.height > item.width)]
    ranked = sorted(along, key=lambda index: (slabs[index].y, slabs[index].x))
    pool = [index for index in ranked if 4 <= slabs[index].long_side / max(1.0, slabs[index].short_side) <= 14]
    if len(pool) < _FEW_SAMPLES:
        others = sorted(set(ranked) - set(pool), key=lambda index: (-slabs[index].long_side, index))
        pool += others[: 2 * _SAMPLES - len(pool)]
    step = max(1.0, len(pool) / _SAMPLES)
    return [pool[int(place * step)] for place in range(min(_SAMPLES, len(pool)))]
