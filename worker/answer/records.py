"""Which records of a page a question can be about, where several stand on it: index cards, entries of a register.

A record is a title and the labelled lines below it ("MOOT HALL", "Built: 1683"), or begins, below a title that they
share, with a label that comes again ("Name: Solveig", "Name: Marie"). The line of one says nothing of the next one's
thing, however alike they are. As for rows (`rows`): records that have fewer of the question's names than a sister
record are out. Sisters begin with the same label; what is not seen to be a record is left to the other evidence, and
so is talk, in which those who speak come again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from index.fuzzy import SHAPE_QUALITY
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate, label_end
from worker.answer.features import Found

_WORDS = 10
"""Of a title, and of what says which record one is; sentences have more, or end like one."""
_LOOK = 80
"""Characters beside a line: more than blanks behind or before it."""
_ENDS = frozenset(".?!;:,")
"""What a sentence ends with, whatever marks stand behind it."""


@dataclass(frozen=True, slots=True)
class Record:
    """Its lines in order, and of them those that say which one it is: a title, or the first line."""

    lines: tuple[Candidate, ...]
    naming: tuple[Candidate, ...]


@dataclass(slots=True)
class _Block:
    """Titles and what stands below them, up to the next title."""

    titles: list[Candidate]
    lines: list[Candidate]
    label: str = ""  # the first one


def bar_unnamed(question: Question, found: Found) -> None:
    """Add to `found.barred` the labelled lines of records that lack names of the question which a sister record has."""
    names = question.numbers(Role.NAME, Role.IDENTIFIER)
    own = [n for n in names if n not in question.told]  # "And Okell's?" names another one than the question before
    for sisters in records_of(found) if names else ():
        named = _named(found, sisters, own) or _named(found, sisters, names)
        for record, there in zip(sisters, named, strict=False):
            if any(there < other for other in named):
                found.barred.update(line.order for line in record.lines if _label(found, line))


def _named(found: Found, sisters: Sequence[Record], names: Sequence[int]) -> list[frozenset[int]]:
    """Which of the names each record has where it says which one it is or, where none has one there, anywhere; empty
    where none has any.
    """
    for lines_of in (lambda record: record.naming, lambda record: record.lines):
        named = [_there(found, lines_of(record), names) for record in sisters]
        if any(named):
            return named
    return []


def records_of(found: Found) -> list[list[Record]]:
    """The records of a page, those together that are sisters; none for a page that has no two."""
    blocks = list(_blocks(found))
    groups: list[list[Record]] = []
    titled: list[_Block] = []
    for block in blocks:
        again = [n for n, line in enumerate(block.lines) if _label(found, line) == block.label]
        if len(again) > 1:
            parts = [block.lines[a:b] for a, b in zip(again, [*again[1:], None], strict=True)]
            groups.append([Record(tuple(part), (part[0],)) for part in parts])
        elif block.titles:
            titled.append(block)
    titled.sort(key=lambda block: block.label)
    for _, alike in groupby(titled, key=lambda block: block.label):
        sisters = list(alike)
        # The first one's stand below those of the page.
        most = max((len(block.titles) for block in sisters[1:]), default=0)
        groups.append([Record((*b.titles[-most:], *b.lines), tuple(b.titles[-most:])) for b in sisters])
    return [group for group in groups if len(group) > 1 and all(_is_name(found, r.naming[-1]) for r in group)]


def _blocks(found: Found) -> Iterator[_Block]:
    """The blocks of a page that have a labelled line."""
    block = _Block([], [])
    for candidate in found.candidates:
        label = _label(found, candidate)
        if not label and _is_title(found, candidate):
            if block.label:
                yield block
                block = _Block([], [])
            block.titles.append(candidate)
        elif label or block.label:
            block.label = block.label or label
            block.lines.append(candidate)
        else:  # prose, to which the titles belong
            block = _Block([], [])
    if block.label:
        yield block


def _is_title(found: Found, candidate: Candidate) -> bool:
    """A short line by itself that ends no sentence, in capitals, marked, or behind a blank line."""
    text = found.text[candidate.start : candidate.end]
    above, _, before = found.text[max(0, candidate.start - _LOOK) : candidate.start].rpartition("\n")
    behind = found.text[candidate.end : candidate.end + _LOOK].partition("\n")[0]
    if before.strip() or behind.strip() or "\n" in text or text.startswith("|") or not _is_name(found, candidate):
        return False
    return text.startswith("#") or text.isupper() or not above.rpartition("\n")[2].strip()


def _is_name(found: Found, candidate: Candidate) -> bool:
    text = found.text[candidate.start : candidate.end]
    # By hand: a pattern tries a row of dots from each of them anew.
    marks = takewhile(lambda mark: not (mark.isalnum() or mark == "_"), reversed(text))
    return len(text.split()) <= _WORDS and _ENDS.isdisjoint(marks)


def _there(found: Found, lines: Sequence[Candidate], names: Sequence[int]) -> frozenset[int]:
    """Which of the names stand in the lines."""
    there = (found.qualities[[line.order for line in lines]][:, names] >= SHAPE_QUALITY).any(axis=0)
    return frozenset(there.nonzero()[0].tolist())


def _label(found: Found, candidate: Candidate) -> str:
    text = found.text[candidate.start : candidate.end]
    return text[: label_end(text, framed=candidate.framed)].strip(" |:\t").casefold()
