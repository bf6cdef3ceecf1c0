"""Answers as their users get them: each answerer and reading policy over the samples' questions, in one table.

    python -m benchmarks.asking [--parts full alone lazy bare-alone bare big] [--samples DIRECTORY] [--big DIRECTORY]

The measures are those of `folioscope eval` (`api.evaluate`), taken through HTTP. Three things are asked:

* the samples' questions, both halves (the answerer's weights were fitted on `tune`; `report` is new to it), over pages
  read in `full`, with the true text of the samples and with the text that Folioscope reads (`ours`);
* the same under `lazy`, with an engine double whose vision tokens hold the page's true text (`tests/lazy_kit.py`): it
  measures the policy, how many pages are decoded for an answer and what is not found because it is not decoded, and
  says nothing of a model's reading. No page of it has a text layer, which is the worst case. Drafts are what RapidOCR
  reads of the samples' scans; `no drafts` goes without (`FOLIOSCOPE_DRAFTS=false`). `alone` asks each question of an
  archive of which nothing was decoded yet; `in a row` all of them, one after the other;
* 10,000 synthetic pages (`benchmarks.search`), for the time of extractive answers where nothing must be decoded.

Answerers that need a model which is not there are in the table as not measured: a scripted stand-in would be a number
of the script.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import httpx
from PIL.Image import Image

from api import evaluate
from api.app import create_app
from api.cli_client import Client
from api.evaluate import KnownPage, KnownQuestion, Outcome, Row
from benchmarks.answering_sets import AskedArchive, sample
from benchmarks.finding_texts import CACHE, SAMPLES
from benchmarks.report import publish, table
from benchmarks.search import TENANT as BIG_TENANT
from benchmarks.search import Pages, fill
from benchmarks.service import Service
from index.embedder import Embedder
from index.embedder_st import build_embedder
from index.graphs import available_cores
from index.judge_model import SentenceJudge
from index.store_edge import EdgeStore
from index.types import PageReading, Reader
from tests.api_kit import serving
from tests.kit import Archive, pdf
from tests.lazy_kit import DIM, TokenEngine, text_of
from worker.answer_extractive import ExtractiveAnswerer
from worker.asking.decoding import DecodingConfig
from worker.reading import ReadingConfig

BIG_PAGES = 10_000
AIMS = {
    "cited page": (lambda row: row.page_right, 0.95),
    "quote literal": (lambda row: row.quote_literal, 1.0),
    "not found": (lambda row: row.not_found_recall, 0.95),
}
AIM_DECODED = 2.0
AIM_MS = 150.0
HEADER = [
    "answerer", "reading", "text", "questions", "n", "recall@1", "recall@5", "nDCG@10", "cited page", "quote literal",
    "not found: precision", "recall", "pages decoded", "first words p50 ms", "p95 ms", "total p50 ms", "p95 ms",
]  # fmt: skip
PARTS = ["full", "alone", "lazy", "bare-alone", "bare", "big"]
READING = {
    "full": "full",
    "alone": "lazy, alone",
    "lazy": "lazy, in a row",
    "bare-alone": "lazy, no drafts, alone",
    "bare": "lazy, no drafts, in a row",
}
KEPT = CACHE.parent / "asking"
"""What each part measured last, so that they can be run one by one."""
Part = tuple[list[list[object]], list[str]]
NOT_MEASURED = [
    ["llm", "any", "–", "–", "not measured: no language model where this ran"],
    ["decoder", "any", "–", "–", "not measured: no weights of DeepSeek-OCR where this ran"],
]


class AsRead:
    """Gives as drafts what was read of the samples' scans, by their true text, which the double's pictures hold."""

    def __init__(self, truth: AskedArchive, read: AskedArchive) -> None:
        self._read = {text.strip(): read.pages[place] for place, text in truth.pages.items()}

    def read(self, images: Sequence[Image]) -> list[PageReading]:
        reader = Reader("rapidocr", "as read", "ocr")
        texts = [self._read[text_of(image).strip()] for image in images]
        return [
            PageReading(text, (), (), 0.9, *image.size, 0, reader) for text, image in zip(texts, images, strict=True)
        ]


class Sampled(Archive):
    """The pages of the samples in a real store behind the real service; engine and drafts are the only stand-ins."""

    def __init__(self, root: Path, embedder: Embedder, *, lazy: bool, drafts: AsRead | None = None) -> None:
        super().__init__(
            root,
            engine=TokenEngine(helper=drafts),
            answerer=ExtractiveAnswerer(embedder, SentenceJudge(CACHE / "models")),
            embedder=embedder,
            reading=ReadingConfig(lazy=lazy),
            vision_dim=DIM,
            decoding=DecodingConfig(),
        )

    def fill(self, asked: AskedArchive) -> None:
        documents: dict[str, list[str]] = defaultdict(list)
        for (path, _), text in sorted(asked.pages.items()):
            documents[path].append(text + " " * (-len(text.encode()) % 3))  # whole pixels, as the kit's renderer has it
        for path, texts in documents.items():
            self.upload(pdf(*texts), path)
        self.settle()


def known(asked: AskedArchive, limit: int) -> list[KnownQuestion]:
    """The samples' questions as `folioscope eval` takes them; their half is their kind."""
    halves: dict[str, list[KnownQuestion]] = defaultdict(list)
    for one in asked.questions:
        pages = tuple(KnownPage(document=path, page=page) for path, page in one.places)
        halves[one.split].append(
            KnownQuestion(question=one.question, pages=pages, answer=one.answer or None, kind=one.split)
        )
    return [question for half in halves.values() for question in half[:limit]]


def over_http(archive: Sampled, questions: Sequence[KnownQuestion]) -> list[Outcome]:
    """Asked one after the other through a socket."""

    async def ask(url: str) -> list[Outcome]:
        async with httpx.AsyncClient(base_url=url, timeout=600) as http:
            client = Client(http, in_process=False)
            await client.ask({"question": "Is anybody there?"})  # what the first question of a process costs is no part
            return await evaluate.run(client, questions)

    with serving(create_app(archive.library)) as url:
        return asyncio.run(ask(url))


def alone(filled: Path, embedder: Embedder, questions: Sequence[KnownQuestion]) -> list[Outcome]:
    """Each asked of a copy of the archive of which nothing was decoded."""
    outcomes = []
    for question in questions:
        with tempfile.TemporaryDirectory() as root:
            shutil.copytree(filled, root, dirs_exist_ok=True)
            archive = Sampled(Path(root), embedder, lazy=True)
            transport = httpx.ASGITransport(create_app(archive.library))

            async def ask(transport: httpx.ASGITransport = transport, question: KnownQuestion = question) -> None:
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=600) as http:
                    outcomes.extend(await evaluate.run(Client(http, in_process=True), [question]))

            asyncio.run(ask())
            archive.close()
    return outcomes


def cells(answerer: str, reading: str, text: str, row: Row, *, streamed: bool = True) -> list[object]:
    shares = [row.recall_1, row.recall_5, row.ndcg_10, row.page_right, row.quote_literal]
    shares += [row.not_found_precision, row.not_found_recall]
    first = [row.first_p50_ms, row.first_p95_ms] if streamed else [None, None]
    numbers = [*shares, row.pages_decoded, *first, row.answer_p50_ms, row.answer_p95_ms]
    return [answerer, reading, text, row.kind, row.questions, *("–" if n is None else n for n in numbers)]


def against_aims(reading: str, text: str, row: Row) -> str:
    """One line that says what the reported half reached and missed."""
    told = []
    for name, (of, aim) in AIMS.items():
        got = of(row)
        if got is not None:
            told.append(f"{name} {got:.2f} ({'reached' if got >= aim else f'missed by {aim - got:.2f}'}, aim {aim})")
    if reading != "full":
        got = row.pages_decoded
        told.append(f"pages decoded {got:.2f} ({'reached' if got <= AIM_DECODED else 'missed'}, aim {AIM_DECODED:.0f})")
    return f"* {reading}, {text}: {', '.join(told)}."


def big(root: Path, embedder: Embedder, count: int) -> Part:
    """Times of answers over `BIG_PAGES` pages through a process of its own. No query is asked twice."""
    root.mkdir(parents=True, exist_ok=True)
    pages = Pages()
    store = EdgeStore.open(root / "index", embedder)
    if store.count(BIG_TENANT).done < BIG_PAGES:
        fill(store, embedder, pages, BIG_PAGES)
    store.close()
    queries = [query for _, query in pages.queries(count + 20, BIG_PAGES, seed=23)]
    others = [query for _, query in pages.queries(60, BIG_PAGES, seed=29)]
    questions = [KnownQuestion(question=query, pages=(), kind="10,000 pages") for query in queries]
    running = Service(root)

    async def ask() -> list[Outcome]:
        async with httpx.AsyncClient(base_url=running.http.base_url, timeout=600) as http:
            client = Client(http, in_process=False)
            await evaluate.run(client, questions[:20])
            return await evaluate.run(client, questions[20:])

    try:
        outcomes = asyncio.run(ask())
        spent = _processor_s(running.process.pid)
        for query in others:
            running.http.post("/v1/answers", json={"question": query}).raise_for_status()
        each = (_processor_s(running.process.pid) - spent) / len(others) * 1000
    finally:
        running.stop()
    (row,) = evaluate.rows(outcomes)
    row_cells = ["extractive", "full", "synthetic", row.kind, row.questions, *["–"] * 4, row.quote_literal or "–"]
    row_cells += ["–", "–", row.pages_decoded, row.first_p50_ms, row.first_p95_ms, row.answer_p50_ms, row.answer_p95_ms]
    slow = row.answer_p95_ms - AIM_MS
    verdict = "reached" if slow <= 0 else f"missed by {slow:.0f} ms"
    told = f"* {BIG_PAGES} pages: extractive answer p95 {row.answer_p95_ms:.0f} ms ({verdict}, aim {AIM_MS:.0f}); "
    told += (
        f"{each:.0f} ms of processor time an answer, {available_cores()} cores with a load of {os.getloadavg()[1]:.1f}."
    )
    return [row_cells], [told]


def _processor_s(pid: int) -> float:
    """Seconds that a process has computed, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sampled(part: str, samples: Path, embedder: Embedder, limit: int) -> Part:
    """The rows of one reading policy over the samples, and what its reported half reached."""
    rows: list[list[object]] = []
    aims: list[str] = []
    texts = ["truth", "ours"] if part == "full" else ["truth"]
    reading, lazy = READING[part], part != "full"
    drafts = AsRead(sample("truth", samples), sample("ours", samples)) if part in {"alone", "lazy"} else None
    for text in texts:
        asked = sample(text, samples)
        questions = known(asked, limit)
        with tempfile.TemporaryDirectory() as root:
            archive = Sampled(Path(root), embedder, lazy=lazy, drafts=drafts)
            archive.fill(asked)
            if part.endswith("alone"):
                archive.close()
                outcomes = alone(Path(root), embedder, questions)
            else:
                outcomes = over_http(archive, questions)
                archive.close()
        shown = text if part == "full" else "double"
        for row in evaluate.rows(outcomes):
            if row.kind != "all":
                rows.append(cells("extractive", reading, shown, row, streamed=not part.endswith("alone")))
            if row.kind == "report":
                aims.append(against_aims(reading, shown, row))
    return rows, aims


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, default=SAMPLES)
    parser.add_argument("--big", type=Path, help="a data directory of synthetic pages to make once and use again")
    parser.add_argument("--questions", type=int, default=10_000, help="most questions of each half, to try this out")
    parser.add_argument(
        "--parts", nargs="*", default=PARTS, choices=PARTS, help="the others are taken as last measured"
    )
    arguments = parser.parse_args()
    embedder = build_embedder(None, CACHE / "models")
    KEPT.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        if part == "big":
            with tempfile.TemporaryDirectory() as temporary:
                measured = big(arguments.big or Path(temporary), embedder, 100)
        else:
            measured = sampled(part, arguments.samples, embedder, arguments.questions)
        (KEPT / f"{part}.json").write_text(json.dumps(measured))
    rows, aims = [], []
    for part in PARTS:
        if (KEPT / f"{part}.json").is_file():
            kept_rows, kept_aims = json.loads((KEPT / f"{part}.json").read_text())
            rows += kept_rows
            aims += kept_aims
    rows += [[*one, *[""] * (len(HEADER) - len(one))] for one in NOT_MEASURED]
    note = (
        "`double`: an engine whose vision tokens hold the true text, which measures the policy and no model; no page "
        "has a text layer, and times are those of embedding what was decoded and of answering. Drafts are what "
        "RapidOCR reads of the samples' scans. `alone`: nothing was decoded before; `in a row`: one archive, one "
        "question after the other. Not found: precision of silences, recall over questions without an answer. Times "
        "are those of a machine that did other things as well (load "
        f"{os.getloadavg()[1]:.1f})."
    )
    publish("asking", "Asking", note, "Aims, on `report`:\n\n" + "\n".join(aims), table(HEADER, rows))


if __name__ == "__main__":
    main()
