"""Text whose lines count: verse, and the entries of an index or a register.

Running text fills its lines; here a line ends where its sense does, also before a small letter. Told over all lines of
one left margin, because a single paragraph may chance to look so. And text that fills lines narrower than the
column it stands in, which would else look so. Knows rows of a leaf and how far it may reach.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from worker.layout.kinds import starts_small
from worker.layout.rows import Row

_NUMBER_END = re.compile(r"\d[\dfnp.\s–-]{0,6}$")  # "14", "3-9", "101 ff."
_PAUSE = (",", ";", ":", ".", "!", "?", "—", "–", "…")
_FEWEST = 6  # lines with another after them
_ENTRIES = 4
_STANZA = 1.5  # leadings; wider white ends a stanza or a group of entries


def set_lines(rows: Sequence[Row], left: float, right: float, leading: float) -> dict[int, bool]:
    """Ids of rows of such text, and whether the line ends there (False: an entry runs over)."""
    ends: dict[int, bool] = {}
    for runs in _alike(_runs(rows, leading)):
        joints = [(a, b) for run in runs for a, b in itertools.pairwise(run)]
        entries = _are_entries(runs)
        if entries or _is_verse(joints, runs, left, right):
            ends.update((id(a), not entries or _entry_ends(a, b)) for a, b in joints)
    return ends


def own_edges(rows: Sequence[Row], leading: float) -> dict[int, float]:
    """Where lines end that fill a measure of their own, narrower than their column: ids of rows with that edge."""
    edges: dict[int, float] = {}
    for run in _runs(rows, leading):
        edge = max(row.x1 for row in run)
        joints = list(itertools.pairwise(run))
        small = sum(starts_small(b.text) for _, b in joints)
        if len(run) > _ENTRIES and small >= 0.6 * len(joints) and not any(_has_room(a, b, edge) for a, b in joints):
            edges.update((id(row), edge) for row in run[:-1])
    return edges


def _runs(rows: Sequence[Row], leading: float) -> list[list[Row]]:
    """Rows close under each other, of one size of type and without cells."""
    runs: list[list[Row]] = []
    for row in rows:
        last = runs[-1][-1] if runs else None
        alike = (
            last is not None
            and len(row.cells) == len(last.cells) == 1
            and max(row.size, last.size) < 1.35 * min(row.size, last.size)
            and row.yc - last.yc < _STANZA * leading * row.size
        )
        if alike:
            runs[-1].append(row)
        else:
            runs.append([row])
    return [run for run in runs if len(run) > 1]


def _alike(runs: Sequence[list[Row]]) -> list[list[list[Row]]]:
    """Runs that follow each other at one left margin, together."""
    groups: list[list[list[Row]]] = []
    for run in runs:
        start, width = _start(run), max(row.x1 for row in run)
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and abs(_start(last) - start) < run[0].size
            and abs(max(row.x1 for row in last) - width) < 8 * run[0].size
        ):
            groups[-1].append(run)
        else:
            groups.append([run])
    return groups


def _start(run: Sequence[Row]) -> float:
    return min(row.x0 for row in run)


def _are_entries(runs: Sequence[Sequence[Row]]) -> bool:
    """Most lines end with a number, as the entries of an index do; lines of prose seldom do."""
    rows = [row for run in runs for row in run]
    ends = sum(1 for row in rows if _NUMBER_END.search(row.text[-12:]) and any(c.isalpha() for c in row.text))
    return len(rows) >= _ENTRIES and ends >= 0.6 * len(rows)


def _is_verse(joints: Sequence[tuple[Row, Row]], runs: Sequence[Sequence[Row]], left: float, right: float) -> bool:
    """Ragged lines, narrower than the column could be, that pause at their ends, some of them although the next word
    had room within the longest.
    """
    if len(joints) < _FEWEST or any(a.text.endswith(("-", "\u00ad", "¬")) for a, _ in joints):
        return False
    edge = max(row.x1 for run in runs for row in run)
    if right - edge < 0.15 * (right - left):
        return False
    pauses = sum(a.text.endswith(_PAUSE) for a, _ in joints)
    if pauses < 0.4 * len(joints) or sum(edge - a.x1 < 0.5 * a.size for a, _ in joints) > 0.6 * len(joints):
        return False
    return any(_has_room(a, b, edge) for a, b in joints)


def _has_room(row: Row, after: Row, edge: float) -> bool:
    """Could the next line's first word have stood on this one?"""
    first = after.cells[0].edges[0]
    return edge - row.x1 > first[1] - first[0] + 0.6 * row.size


def _entry_ends(row: Row, after: Row) -> bool:
    """Does an entry end with this row? One that runs over is set in on its next line."""
    return _NUMBER_END.search(row.text[-12:]) is not None or after.x0 - row.x0 < 0.6 * after.size
