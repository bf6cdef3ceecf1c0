"""Snippets: the places of a page that a query matched, cut to what a list of results can show.

A snippet is an exact slice of the page's Markdown: the best sentence, with neighbours up to some
280 characters. Its highlights are the query's words inside it; its boxes are
where these words stand on the page, or the snippet's lines where no word is the query's. A page whose
reader gives no words, as vision-token models do, has the boxes of the regions instead.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np

from index.matching import Match, PageMatches
from index.payload import WordTable
from index.sentences import sentence_spans
from index.types import Box, Region, Snippet

TARGET = 280
"""Characters of a snippet: three lines of a result list."""
_MAX = 420
_WORTH = 0.6
"""A further snippet is shown when it weighs at least this share of the first."""


def snippets(
    text: str,
    *,
    sentences: Sequence[tuple[int, int]],
    words: WordTable,
    regions: Sequence[Region],
    cosines: np.ndarray,
    matches: PageMatches,
    meaning: float,
    limit: int,
) -> tuple[Snippet, ...]:
    """The best places, best first, without overlaps. `cosines` (sentences,) are the nearness in meaning of
    `sentences` to the query, which counts `meaning` against the matched words. At least one for a page with text.
    """
    near = dict(zip(sentences, cosines.tolist(), strict=False))
    spans = _units(text, sentences)
    inside = _inside(spans, matches.matches)
    weights = [
        meaning * max(0.0, near.get(span, 0.0)) + _weight(here) for span, here in zip(spans, inside, strict=True)
    ]
    ranked = sorted(range(len(spans)), key=lambda i: (-weights[i], i))
    chosen: list[Snippet] = []
    for best in ranked:
        if len(chosen) >= limit or (chosen and weights[best] < _WORTH * weights[ranked[0]]):
            break
        start, end = _around(text, spans, weights, best, inside[best])
        if start >= end or any(start < other.end and other.start < end for other in chosen):
            continue
        marks = _merge([(m.start, m.end) for m in matches.matches if m.start >= start and m.end <= end])
        chosen.append(
            Snippet(
                text=text[start:end],
                start=start,
                end=end,
                highlights=tuple((s - start, e - start) for s, e in marks),
                boxes=boxes_of(words, marks or [(start, end)]) or region_boxes(regions, marks or [(start, end)]),
                score=round(float(weights[best]), 6),
            )
        )
    return tuple(chosen)


def _inside(spans: Sequence[tuple[int, int]], matches: Sequence[Match]) -> list[list[Match]]:
    """For each span, of which none overlap, the matches that touch it: both may be thousands, on a page of figures."""
    inside: list[list[Match]] = [[] for _ in spans]
    ends = [end for _, end in spans]
    for match in matches:
        at = bisect.bisect_right(ends, match.start)
        while at < len(spans) and spans[at][0] < match.end:
            inside[at].append(match)
            at += 1
    return inside


def _units(text: str, sentences: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The page's sentences as they were embedded, and what is worded between them: lines too short for a vector.

    Finding sentences anew costs more than all else about a snippet, and is left to pages without any.
    """
    if not sentences:
        return sentence_spans(text)
    units: list[tuple[int, int]] = []
    at = 0
    for start, end in [*sentences, (len(text), len(text))]:
        between = text[at:start]
        if between and not between.isspace():
            units += [(at + s, at + e) for s, e in sentence_spans(between)]
        if start < end:
            units.append((start, end))
        at = max(at, end)
    return units


def boxes_of(words: WordTable, spans: Sequence[tuple[int, int]]) -> tuple[Box, ...]:
    """Boxes of the words that the spans touch, each once; neighbours on a line become one."""
    boxes: list[Box] = []
    for start, end in spans:
        line: Box | None = None
        for box in words.boxes(start, end):
            if line is not None and _same_line(line, box):
                line = line.union(box)
            else:
                if line is not None:
                    boxes.append(line)
                line = box
        if line is not None:
            boxes.append(line)
    return tuple(dict.fromkeys(boxes))  # a reader's "word" may be "BL 2019 00482 K", and hold several spans


def region_boxes(regions: Sequence[Region], spans: Sequence[tuple[int, int]]) -> tuple[Box, ...]:
    """Boxes of the regions that the spans touch, each once, in the order of the regions."""
    touched = [r.box for r in regions if any(r.start < end and start < r.end for start, end in spans)]
    return tuple(dict.fromkeys(touched))


def _same_line(line: Box, box: Box) -> bool:
    """Side by side: most of the lower one's height is shared, and the gap is not a column's."""
    shared = min(line.y1, box.y1) - max(line.y0, box.y0)
    height = min(line.y1 - line.y0, box.y1 - box.y0)
    gap = box.x0 - line.x1
    return height > 0 and shared > 0.5 * height and -0.02 < gap < max(0.03, 1.5 * height)


def _weight(matches: Sequence[Match]) -> float:
    """How much of the query is here: the first occurrence of each term counts, repetitions little."""
    best: dict[int, float] = {}
    for m in matches:
        best[m.term] = max(best.get(m.term, 0.0), m.quality)
    return 0.25 * sum(2.0 * q if t < 0 else q for t, q in best.items()) + 0.01 * min(len(matches), 10)


def _around(
    text: str, spans: Sequence[tuple[int, int]], weights: Sequence[float], best: int, inside: Sequence[Match]
) -> tuple[int, int]:
    """The span to show: the best sentence, and neighbours while they fit, the heavier side first."""
    first = last = best
    while True:
        before = weights[first - 1] if first else -1.0
        after = weights[last + 1] if last + 1 < len(spans) else -1.0
        grown = (first - 1, last) if before > after else (first, last + 1)
        if max(before, after) < 0 or spans[grown[1]][1] - spans[grown[0]][0] > TARGET:
            break
        first, last = grown
    start, end = spans[first][0], spans[last][1]
    if end - start <= _MAX:
        return start, end
    focus = next((m.start for m in inside if start <= m.start < end), start)
    return _cut(text, start, end, focus)


def _cut(text: str, start: int, end: int, focus: int) -> tuple[int, int]:
    """A window of `TARGET` characters around `focus`, at spaces where there are any."""
    begin = max(start, min(focus - TARGET // 3, end - TARGET))
    stop = min(end, begin + TARGET)
    if begin > start:
        space = text.find(" ", begin, min(focus, begin + 30) + 1)
        begin = space + 1 if space >= 0 else begin
    if stop < end:
        space = text.rfind(" ", max(begin, stop - 30), stop)
        stop = space if space > begin else stop
    return begin, stop


def _merge(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted, without overlaps; a word inside a phrase belongs to the phrase."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
