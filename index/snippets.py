"""Snippets: the passages of a page that a query matched, cut to what a list of results can show.

A snippet is an exact slice of the page's Markdown: whole sentences around the best place of a
passage, some 280 characters. Its highlights are the query's words inside it; its boxes are
where these words stand on the page, or the snippet's lines where no word is the query's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from index.matching import Match, PageMatches
from index.sentences import sentence_spans
from index.types import Box, Snippet, Word

TARGET = 280
"""Characters of a snippet: three lines of a result list."""
_MAX = 420


def snippets(
    text: str,
    *,
    passages: Sequence[tuple[int, int]],
    words: Sequence[Word],
    cosines: np.ndarray,
    matches: PageMatches,
    meaning: float,
    limit: int,
) -> tuple[Snippet, ...]:
    """The best passages, best first, without overlaps. `cosines` (passages,) are their nearness in meaning to the
    query, which counts `meaning` against the matched words. At least one for a page with text.
    """
    passages = list(passages) or ([(0, len(text))] if text.strip() else [])
    if len(cosines) != len(passages):
        cosines = np.zeros(len(passages), np.float32)
    scored = []
    for (start, end), cosine in zip(passages, cosines.tolist(), strict=True):
        inside = [m for m in matches.matches if m.start >= start and m.end <= end]
        scored.append((meaning * cosine + _weight(inside), start, end, inside))
    scored.sort(key=lambda item: -item[0])
    sentences = sentence_spans(text)
    starts = [s for s, _ in sentences]
    order = sorted(range(len(words)), key=lambda i: words[i].start)
    by_start = [words[i] for i in order]
    word_starts = [w.start for w in by_start]
    chosen: list[Snippet] = []
    taken: list[tuple[int, int]] = []
    for score, start, end, inside in scored:
        if chosen and (score < 0.5 * scored[0][0] or len(chosen) >= limit):
            break
        here = _sentences_in(sentences, starts, start, end)
        begin, stop = _around(text, here, inside, (start, end))
        if any(begin < t and s < stop for s, t in taken) or begin >= stop:
            continue
        taken.append((begin, stop))
        marks = _merge([(m.start, m.end) for m in inside if m.start >= begin and m.end <= stop])
        spots = marks or [(begin, stop)]
        chosen.append(
            Snippet(
                text=text[begin:stop],
                start=begin,
                end=stop,
                highlights=tuple((s - begin, e - begin) for s, e in marks),
                boxes=boxes_of(by_start, word_starts, spots),
                score=round(float(score), 6),
            )
        )
    return tuple(chosen)


def boxes_of(words: Sequence[Word], starts: Sequence[int], spans: Sequence[tuple[int, int]]) -> tuple[Box, ...]:
    """Boxes of the words that the spans touch; neighbours on a line become one. `words` are sorted by start,
    and `starts` are their starts.
    """
    boxes: list[Box] = []
    for start, end in spans:
        at = bisect_left(starts, start)
        if at and words[at - 1].end > start:
            at -= 1
        line: Box | None = None
        while at < len(words) and words[at].start < end:
            box = words[at].box
            if line is not None and _same_line(line, box):
                line = line.union(box)
            else:
                if line is not None:
                    boxes.append(line)
                line = box
            at += 1
        if line is not None:
            boxes.append(line)
    return tuple(boxes)


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


def _sentences_in(
    sentences: Sequence[tuple[int, int]], starts: Sequence[int], start: int, end: int
) -> list[tuple[int, int]]:
    """The sentences of a passage, cut to it."""
    at = max(0, bisect_left(starts, start) - 1)
    found = []
    while at < len(sentences) and sentences[at][0] < end:
        s, e = max(sentences[at][0], start), min(sentences[at][1], end)
        if s < e:
            found.append((s, e))
        at += 1
    return found


def _around(
    text: str, sentences: Sequence[tuple[int, int]], inside: Sequence[Match], passage: tuple[int, int]
) -> tuple[int, int]:
    """The span to show: sentences around the one with most matches, or the passage's beginning."""
    if not sentences:
        return _cut(text, *passage, passage[0])
    weights = [_weight([m for m in inside if m.start >= s and m.end <= e]) for s, e in sentences]
    best = max(range(len(sentences)), key=lambda i: (weights[i], -i))
    first = last = best
    while True:
        size = sentences[last][1] - sentences[first][0]
        before = weights[first - 1] if first else -1.0
        after = weights[last + 1] if last + 1 < len(sentences) else -1.0
        grow_front = before > after
        if before < 0 and after < 0:
            break
        candidate = (first - 1, last) if grow_front else (first, last + 1)
        if sentences[candidate[1]][1] - sentences[candidate[0]][0] > TARGET or size >= TARGET:
            break
        first, last = candidate
    start, end = sentences[first][0], sentences[last][1]
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
