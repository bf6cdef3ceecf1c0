"""Questions with and without an answer: the samples', and the development archives in `answering_dev/` and
`answering_users/`.

A development archive is one text file: `%% document PATH` and `%% page` begin pages, `%% questions` begins the
questions, each `? question` and below it `= answer string @PATH PAGE` or `= none`. All its answers are checked to
stand on their page. They were written for choosing weights, and are about other things than the samples. Those of
`answering_dev` ask mostly in other words than the page's; those of `answering_users` as people type: keywords, names
misspelt or turned round, identifiers and dates in other forms, what is not there but nearly is. Some of their pages
give orders to a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.finding_texts import SAMPLES, Place, texts, truth

DEVELOPMENT = Path(__file__).resolve().parent / "answering_dev"
USERS = Path(__file__).resolve().parent / "answering_users"


@dataclass(frozen=True, slots=True)
class Asked:
    """`places` is empty for a question without an answer. `split` is "tune", "report" or "dev"."""

    question: str
    answer: str
    places: tuple[Place, ...]
    split: str
    style: str


@dataclass(frozen=True, slots=True)
class AskedArchive:
    name: str
    pages: dict[Place, str]
    questions: tuple[Asked, ...]


def sample(source: str = "truth", samples: Path = SAMPLES) -> AskedArchive:
    """The sample archive, its pages as `finding_texts.texts` gives them."""
    questions = tuple(
        Asked(
            q["question"],
            q["answer"] or "",
            tuple((path, page) for path, page in q["pages"]),
            q["split"],
            q["style"],
        )
        for q in truth(samples)["questions"]
    )
    return AskedArchive(f"samples, {source}", texts(source, samples), questions)


def development() -> list[AskedArchive]:
    """All development archives; `ValueError` when an answer does not stand on its page."""
    return [_parse(path) for path in sorted(DEVELOPMENT.glob("*.txt"))]


def users() -> list[AskedArchive]:
    """The archives with questions as people type them."""
    return [_parse(path) for path in sorted(USERS.glob("*.txt"))]


def _parse(path: Path) -> AskedArchive:
    body, asked = path.read_text(encoding="utf-8").split("%% questions\n")
    pages: dict[Place, str] = {}
    document, number = "", 0
    for part in re.split(r"^%% ", body, flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        document, number = (head[9:].strip(), 1) if head.startswith("document ") else (document, number + 1)
        pages[document, number] = text.strip()
    questions = []
    for question, given in re.findall(r"^\? (.*)\n= (.*)$", asked, flags=re.MULTILINE):
        if given == "none":
            questions.append(Asked(question, "", (), "dev", "unanswerable"))
            continue
        answer, _, where = given.rpartition(" @")
        place = (where.rpartition(" ")[0], int(where.rpartition(" ")[2]))
        if answer not in pages[place]:
            raise ValueError(f"{path.name}: {answer!r} does not stand on {place}")
        questions.append(Asked(question, answer, (place,), "dev", "question"))
    return AskedArchive(path.stem, pages, tuple(questions))
