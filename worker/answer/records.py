"""Which records of a page a question can be about, where several stand on it: index cards, entries of a register.

A record is a title and the labelled lines below it ("MOOT HALL", "Built: 1683"); a page has several where their labels
come again. The line of one says nothing of the next one's thing, however alike they are. As for rows (`rows`): records
that have fewer of the question's names than a sister record are out.
"""

from __future__ import annotations

from index.fuzzy import SHAPE_QUALITY
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate, label_end
from worker.answer.features import Found


def bar_unnamed(question: Question, found: Found) -> None:
    """Add to `found.barred` the labelled lines of records that lack names of the question which a sister record has."""
    names = question.numbers(Role.NAME, Role.IDENTIFIER)
    records = records_of(found) if names else []
    if not records:
        return
    named = [
        int((found.qualities[[c.order for c in record]][:, names] >= SHAPE_QUALITY).any(axis=0).sum())
        for record in records
    ]
    for record, there in zip(records, named, strict=True):
        if there < max(named):
            found.barred.update(c.order for c in record if _label(found, c))


def records_of(found: Found) -> list[list[Candidate]]:
    """The records of a page that has several, in order; empty for other pages."""
    records: list[list[Candidate]] = []
    labels: list[set[str]] = []
    open_ = True  # whether the last record has no labelled line yet
    for candidate in found.candidates:
        label = _label(found, candidate)
        if not records or (not label and not open_) or (label and label in labels[-1]):
            records.append([])
            labels.append(set())
            open_ = True
        records[-1].append(candidate)
        if label:
            labels[-1].add(label)
            open_ = False
    once: set[str] = set()
    again = {label for of_one in labels for label in of_one if label in once or once.add(label)}
    return records if again else []


def _label(found: Found, candidate: Candidate) -> str:
    text = found.text[candidate.start : candidate.end]
    return text[: label_end(text)].strip(" |:\t").casefold()
