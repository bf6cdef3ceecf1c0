"""The archive's questions: read from `content/questions.txt`, checked against the true text, split in halves.

A line is `style | question | answer | content#page content#page ...`; the styles `plain` and `paraphrase` ask, `identifier`
and `phrase` look up, and `none | question` has no answer in the archive. `check` holds every promise that the
benchmarks rely on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import count

STYLES = ("plain", "paraphrase", "identifier", "phrase")
_KINDS = {
    "plain": "question",
    "paraphrase": "question",
    "identifier": "lookup",
    "phrase": "lookup",
    "none": "unanswerable",
}
_STOP_WORDS = (
    "a an and are as at be been before by did do does for from had has have he her his how in into is it its many "
    "much not of on or she so than that the their them there they this to up upon was were what when where which "
    "who whom whose why will with would "
)
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the pages (path, page from 1) which answer it, and the words on them that do."""

    id: str
    kind: str
    style: str
    split: str
    question: str
    pages: tuple[tuple[str, int], ...]
    answer: str


def read_questions(source: str, paths: dict[str, str]) -> list[Question]:
    """All questions; `paths` gives the full path for a content name. Each style is dealt in turn to the two halves."""
    dealt: dict[str, count[int]] = defaultdict(count)
    questions = []
    for line in source.splitlines():
        if not line.strip() or line.startswith("//"):
            continue
        style, question, *rest = (part.strip() for part in line.split(" | "))
        number = next(dealt[style])
        pages = []
        for place in rest[1].split() if rest else ():
            name, _, page = place.partition("#")
            pages.append((paths[name], int(page)))
        questions.append(
            Question(
                id=f"{style}-{number + 1:02d}",
                kind=_KINDS[style],
                style="unanswerable" if style == "none" else style,
                split="report" if number % 2 else "tune",
                question=question,
                pages=tuple(pages),
                answer=rest[0] if rest else "",
            )
        )
    return questions


def check(questions: list[Question], texts: dict[tuple[str, int], str]) -> list[str]:
    """What is wrong with the questions, given each page's true text. Empty when nothing is."""
    wrong = []
    flat = {place: " ".join(text.split()) for place, text in texts.items()}
    for question in questions:
        if question.kind == "unanswerable":
            continue
        missing = [place for place in question.pages if question.answer not in flat[place]]
        wrong += [f"{question.id}: {question.answer!r} is not on {place}" for place in missing]
        for looked_up in looked_up_strings(question):
            found = {place for place, text in flat.items() if looked_up in text}
            if found != set(question.pages):
                wrong.append(f"{question.id}: {looked_up!r} is on {sorted(found)}")
    return wrong


def looked_up_strings(question: Question) -> list[str]:
    """The quoted phrases or the identifier that a look-up names; nothing for questions."""
    if question.style == "phrase":
        return re.findall(r'"([^"]+)"', question.question)
    if question.style == "identifier":
        return [question.answer] if question.answer in question.question else []
    return []


def shared_words(question: Question, text: str) -> float:
    """The share of a question's content words that stand on a page, 0..1: how easy word matching has it."""
    asked = {word for word in re.findall(r"[a-z0-9]+", question.question.lower()) if word not in _STOP}
    return len(asked & set(re.findall(r"[a-z0-9]+", text.lower()))) / (len(asked) or 1)
