"""Does asking give the right page, or an honest no? The sample questions, beside the nearest sentence alone.

    python -m benchmarks.answering [--texts truth ours noise-3] [--samples DIRECTORY]

The path is the service's: search over the archive in a store of its own, eight pages, answer. `page right` is the
share of questions with an answer whose first citation is on a page that answers; `quote right` that a citation
holds (part of) the answer's own words; `wrong page` cites another; `refused` says "not found". Of questions without
an answer `right refusals` say so. `without the judge` is the answerer where that cannot run. The baseline quotes the
sentence nearest in meaning on the first page found, above a cosine chosen on the `tune` half. The answerer's weights
were fitted on that half and on the development archives (benchmarks/fit_answers.py): only `report` is new to it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.answering_sets import Asked, AskedArchive, development, sample
from benchmarks.finding import Archive
from benchmarks.finding_texts import CACHE, SAMPLES
from benchmarks.report import publish, table
from index.embedder import Embedder
from index.embedder_st import build_embedder
from index.judge_model import SentenceJudge
from index.store_edge import StoreConfig
from index.types import Answer, Hit, PagePoint, SearchFilter
from worker.answer.quoting import NOT_FOUND, cite
from worker.answer_extractive import ExtractiveAnswerer

PAGES = 8
AIM = 0.90
AIM_MS = 150


class Answering(Protocol):
    def answer(self, question: str, pages: Sequence[tuple[Hit, PagePoint]]) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Result:
    """Shares 0..1; times of search and answer together, in milliseconds."""

    answerable: int
    page_right: float
    quote_right: float
    wrong_page: float
    unanswerable: int
    refusals: float
    p50_ms: float
    p95_ms: float


class NearestSentence:
    """The baseline: the first page's sentence of the highest cosine, if that is high enough."""

    def __init__(self, floor: float) -> None:
        self.floor = floor

    def answer(self, question: str, pages: Sequence[tuple[Hit, PagePoint]]) -> Answer:
        near = [(cosine, s, e) for hit, _ in pages[:1] for s, e, cosine in hit.sentences]
        best = max(near, default=(0.0, 0, 0))
        if best[0] < self.floor:
            return Answer(question, False, NOT_FOUND, (), best[0])
        return Answer(question, True, "", (cite(*pages[0], best[1:], best[0]),), best[0])


@contextmanager
def open_archive(archive: AskedArchive, embedder: Embedder) -> Iterator[Archive]:
    with tempfile.TemporaryDirectory() as root:
        held = Archive(Path(root), archive.pages, embedder, StoreConfig())
        try:
            yield held
        finally:
            held.store.close()


def found_pages(held: Archive, question: str) -> list[tuple[Hit, PagePoint]]:
    hits = held.store.search("bench", question, SearchFilter(), limit=PAGES)
    return [(h, p) for h, p in zip(hits, held.store.get([h.key for h in hits]), strict=True) if p is not None]


def measure(held: Archive, answerer: Answering, questions: Sequence[Asked]) -> Result:
    right, quoted, wrong, refused, times = [], [], [], [], []
    for asked in questions:
        began = time.perf_counter()
        pages = found_pages(held, asked.question)
        answer = answerer.answer(asked.question, pages)
        times.append((time.perf_counter() - began) * 1000)
        if not asked.places:
            refused.append(not answer.found)
            continue
        texts = {p.key: p.text for _, p in pages}
        on_page = [(c.key.document_id, c.key.page) in asked.places for c in answer.citations]
        right.append(bool(on_page) and on_page[0])
        wrong.append(bool(on_page) and not on_page[0])
        quoted.append(any(ok and _holds(texts[c.key], asked.answer, c.start, c.end)
                          for ok, c in zip(on_page, answer.citations, strict=True)))  # fmt: skip
    mean = lambda values: float(np.mean(values)) if values else 0.0  # noqa: E731
    return Result(
        len(right), mean(right), mean(quoted), mean(wrong), len(refused), mean(refused),
        float(np.percentile(times, 50)), float(np.percentile(times, 95)),
    )  # fmt: skip


def _holds(text: str, answer: str, start: int, end: int) -> bool:
    """Whether the span shares words with the answer's place; an answer may run over two sentences."""
    at = text.find(answer)
    return at >= 0 and start < at + len(answer) and at < end


def tuned_baseline(held: Archive, questions: Sequence[Asked]) -> NearestSentence:
    """The floor with the highest sum of right pages and right refusals."""
    gains = {}
    for floor in np.arange(0.2, 0.8, 0.02):
        result = measure(held, NearestSentence(float(floor)), questions)
        gains[float(floor)] = result.page_right + result.refusals
    return NearestSentence(max(gains, key=gains.__getitem__))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", nargs="+", default=["truth", "ours"])
    parser.add_argument("--samples", type=Path, default=SAMPLES)
    arguments = parser.parse_args()
    embedder = build_embedder(None, CACHE / "models")
    judge = SentenceJudge(CACHE / "models")
    judge.ready()
    archives = [sample(source, arguments.samples) for source in arguments.texts]
    header = ["system", "questions", "n", "page right", "quote right", "wrong page", "refused",
              "n without", "right refusals", "p50 ms", "p95 ms"]  # fmt: skip
    parts = []
    for archive in [*archives, *development()]:
        rows = []
        with open_archive(archive, embedder) as held:
            found_pages(held, "warm up")
            tune = [q for q in archive.questions if q.split != "report"]
            systems: dict[str, Answering] = {
                "Folioscope": ExtractiveAnswerer(embedder, judge),
                "without the judge": ExtractiveAnswerer(embedder),
                "nearest sentence": tuned_baseline(held, tune),
            }
            for name, system in systems.items():
                for group, members in groups(archive.questions).items():
                    r = measure(held, system, members)
                    if name == "Folioscope" and group == "report":
                        parts.append(against_aims(archive.name, r))
                    refused = 1 - r.page_right - r.wrong_page
                    rows.append([name, group, r.answerable, r.page_right, r.quote_right, r.wrong_page, refused,
                                 r.unanswerable, r.refusals, r.p50_ms, r.p95_ms])  # fmt: skip
        parts.append(f"Archive: {archive.name}.\n\n{table(header, rows)}")
    publish("answering", "Answering from the pages", *parts)


def against_aims(name: str, result: Result) -> str:
    """A sentence that says how far the reported half is from what was aimed at."""
    shares = {"right pages": (result.page_right, AIM), "right refusals": (result.refusals, AIM)}
    told = [f"{what} {got:.2f} ({'reached' if got >= aim else f'missed by {aim - got:.2f}'})"
            for what, (got, aim) in shares.items()]  # fmt: skip
    slow = "reached" if result.p95_ms <= AIM_MS else f"missed by {result.p95_ms - AIM_MS:.0f} ms"
    told.append(f"p95 {result.p95_ms:.0f} ms ({slow})")
    return f"Aims on `report` ({name}; {AIM} and {AIM}, p95 {AIM_MS} ms): {', '.join(told)}."


def groups(questions: Sequence[Asked]) -> dict[str, list[Asked]]:
    """By split; and for the reported half, its styles apart."""
    named = {split: [q for q in questions if q.split == split] for split in dict.fromkeys(q.split for q in questions)}
    for style in dict.fromkeys(q.style for q in questions if q.split == "report" and q.places):
        named[f"report, {style}"] = [q for q in questions if q.split == "report" and q.style == style]
    return named


if __name__ == "__main__":
    main()
