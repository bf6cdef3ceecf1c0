"""The answers to the single questions of one that asks several things, as one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.types import Answer, Citation, Statement
from worker.answer.harmless import harmless
from worker.answer.quoting import NOT_FOUND, said, spelt


def together(question: str, answers: Sequence[Answer]) -> Answer:
    """What was found for each single question, in their order, each statement with its own citations; of what nothing
    was found for, the text says so. A quote that answers two of them is cited once. Not found where none is;
    `confidence` is that of the least sure answer that was found.
    """
    if len(answers) == 1:
        return replace(answers[0], question=question)
    held = [one for one in answers if one.found]
    considered = tuple(dict.fromkeys(key for one in answers for key in one.considered))
    took_ms = sum(one.took_ms for one in answers)
    if not held:
        sure = max(one.confidence for one in answers)
        return Answer(question, False, NOT_FOUND, (), sure, considered, took_ms)
    citations: dict[tuple, Citation] = {}
    statements: list[Statement] = []
    for one in answers:
        if not one.found:
            statements.append(Statement(f"Not found in these documents: {harmless(one.question)}", ()))
        for citation in one.citations:
            place = (citation.key, citation.note, citation.start, citation.end)
            if place not in citations:
                citations[place] = citation
                statements.append(Statement(said(citation), (len(citations) - 1,)))
    return Answer(
        question,
        True,
        " ".join(map(spelt, statements)),
        tuple(citations.values()),
        min(one.confidence for one in held),
        considered,
        took_ms,
        statements=tuple(statements),
    )
