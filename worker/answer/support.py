"""Whether an answer rests on much or on little."""

from __future__ import annotations

from index.types import Answer

ENOUGH = 0.9
"""Of `confidence`, 0..1. Seven in ten extractive answers below it cite a page that answers, of the others more than
eight (docs/answers.md, "How sure it is"). A language model's exact quotes have 1."""


def weakly_supported(answer: Answer) -> bool:
    """Whether something was found that had better be compared with the page."""
    return answer.found and answer.confidence < ENOUGH
