"""Does search find the page? Recall and MRR on the sample questions, beside what one would use instead.

    python -m benchmarks.finding [--texts ours noise-3 ...] [--split report] [--samples DIRECTORY]

Systems, all over the same pages: Folioscope's search, and the same with the judge reading its first pages (`rerank`);
its dense leg alone; its words leg alone; plain reciprocal-rank fusion (k = 60) of these two; and textbook BM25 over
Tesseract's text. A question counts at k
when one of its pages is among the first k. Weights were chosen on the `tune` questions only.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.finding_texts import CACHE, SAMPLES, Place, texts, truth
from benchmarks.report import publish, table
from index.embedder import Embedder
from index.embedder_st import build_embedder
from index.flat import flat
from index.judge_model import SentenceJudge
from index.passages import embed_passages
from index.search import LegQuery, Weights
from index.store import PageUpdate
from index.store_edge import EdgeStore, StoreConfig
from index.types import PageKey, PageLabels, PageReading, PageState, Reader, SearchFilter
from index.words import STOPWORDS, stem, tokens
from worker.answer_extractive import ExtractiveAnswerer
from worker.reranking import Reranker

System = Callable[[str], list[Place]]
DEPTH = 20
_TENANT = "bench"


@dataclass(frozen=True, slots=True)
class Score:
    questions: int
    at1: float
    at5: float
    mrr: float


class Archive:
    """The sample pages in a store of their own."""

    def __init__(self, root: Path, pages: dict[Place, str], embedder: Embedder, config: StoreConfig) -> None:
        self.store = EdgeStore.open(root, embedder, config)
        self.places: dict[tuple[str, int], Place] = {}
        now = datetime.now(UTC)
        documents: dict[str, list[int]] = defaultdict(list)
        for path, number in pages:
            documents[path].append(number)
        for path, numbers in documents.items():
            keys = [PageKey(_TENANT, path, number) for number in numbers]
            self.store.add_pending(keys, PageLabels(path, "application/pdf", now), now)
            changes = []
            for key in keys:
                text = pages[path, key.page]
                reading = PageReading(text, (), (), 1.0, 1, 1, 0, Reader("bench", "1", "bench"))
                changes.append(
                    PageUpdate(key, now, state=PageState.DONE, reading=reading, passages=embed_passages(embedder, text))
                )
            self.store.update(changes)

    def search(self, question: str) -> list[Place]:
        hits = self.store.search(_TENANT, question, SearchFilter(), limit=DEPTH)
        return [(hit.key.document_id, hit.key.page) for hit in hits]

    def reranked(self, embedder: Embedder) -> System:
        """Search whose first pages the judge has read."""
        reranker = Reranker(self.store, ExtractiveAnswerer(embedder, SentenceJudge(CACHE / "models")))
        reranker.prepare()

        def ask(question: str) -> list[Place]:
            hits, _ = reranker.search(_TENANT, question, SearchFilter(), limit=DEPTH)
            return [(hit.key.document_id, hit.key.page) for hit in hits]

        return ask

    def leg(self, weights: Weights) -> System:
        """One of the legs as search asks it, without anything after it."""

        def ask(question: str) -> list[Place]:
            engine = self.store._search
            plan = engine.analyse(question)
            legs = engine.legs(plan, engine.embed(plan.text), DEPTH)
            alone = LegQuery(**{**{f: getattr(legs, f) for f in LegQuery.__slots__}, "weights": weights})
            found = [c for c in self.store.candidates(_TENANT, alone, SearchFilter()) if c.score > 0]
            points = self.store.details([c.point for c in found])
            return [(points[c.point][0]["document_id"], int(points[c.point][0]["page"])) for c in found]

        return ask


def rrf(*systems: System, k: int = 60) -> System:
    """Plain reciprocal-rank fusion."""

    def ask(question: str) -> list[Place]:
        scores: dict[Place, float] = defaultdict(float)
        for system in systems:
            for rank, place in enumerate(system(question), start=1):
                scores[place] += 1 / (k + rank)
        return sorted(scores, key=lambda place: -scores[place])

    return ask


def bm25(pages: dict[Place, str], k1: float = 1.2, b: float = 0.75) -> System:
    """Textbook BM25 over stemmed words without stop words."""

    def words(text: str) -> list[str]:
        return [stem(t.form) for t in tokens(text) if t.form not in STOPWORDS]

    counts = {place: Counter(words(text)) for place, text in pages.items()}
    lengths = {place: sum(c.values()) for place, c in counts.items()}
    mean = sum(lengths.values()) / max(1, len(lengths))
    seen = Counter(word for c in counts.values() for word in c)

    def ask(question: str) -> list[Place]:
        scores: dict[Place, float] = defaultdict(float)
        for word in set(words(flat(question))):
            idf = math.log(1 + (len(counts) - seen[word] + 0.5) / (seen[word] + 0.5))
            for place, c in counts.items():
                if c[word]:
                    norm = k1 * (1 - b + b * lengths[place] / mean)
                    scores[place] += idf * c[word] * (k1 + 1) / (c[word] + norm)
        return sorted(scores, key=lambda place: -scores[place])

    return ask


def score(system: System, questions: Sequence[dict]) -> tuple[Score, list[str]]:
    """Means over the questions, and the ids of those whose page is not first."""
    at1 = at5 = mrr = 0.0
    missed = []
    for question in questions:
        right = {tuple(place) for place in question["pages"]}
        found = system(question["question"])
        rank = next((n for n, place in enumerate(found, start=1) if place in right), 0)
        at1 += rank == 1
        at5 += 0 < rank <= 5
        mrr += 1 / rank if rank else 0.0
        if rank != 1:
            missed.append(f"{question['id']}:{rank}")
    n = max(1, len(questions))
    return Score(len(questions), at1 / n, at5 / n, mrr / n), missed


def systems(archive: Archive, embedder: Embedder, tesseract: dict[Place, str] | None) -> dict[str, System]:
    dense = archive.leg(Weights(1.0, 0.0, 0.0, 0.0, 0.0))
    words = archive.leg(Weights(0.0, 1.0, 0.0, 0.0, 0.0))
    named = {
        "Folioscope": archive.search,
        "Folioscope, rerank": archive.reranked(embedder),
        "dense alone": dense,
        "words alone": words,
        "plain RRF": rrf(dense, words),
    }
    if tesseract is not None:
        named["BM25 over Tesseract"] = bm25(tesseract)
    return named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", nargs="+", default=["ours"])
    parser.add_argument("--split", default="report", choices=["tune", "report"])
    parser.add_argument("--samples", type=Path, default=SAMPLES)
    parser.add_argument("--no-tesseract", action="store_true")
    arguments = parser.parse_args()
    questions = [q for q in truth(arguments.samples)["questions"] if q["pages"] and q["split"] == arguments.split]
    groups = {
        "all": questions,
        "questions": [q for q in questions if q["kind"] == "question"],
        "paraphrases": [q for q in questions if q["style"] == "paraphrase"],
        "look-ups": [q for q in questions if q["kind"] == "lookup"],
    }
    tesseract = None if arguments.no_tesseract else texts("tesseract", arguments.samples)
    embedder = build_embedder(None, CACHE / "models")
    parts = []
    for source in arguments.texts:
        with tempfile.TemporaryDirectory() as root:
            archive = Archive(Path(root), texts(source, arguments.samples), embedder, StoreConfig())
            rows = []
            for name, system in systems(archive, embedder, tesseract).items():
                for group, members in groups.items():
                    result, missed = score(system, members)
                    told = " ".join(missed) if name.startswith("Folioscope") and group == "all" else ""
                    rows.append([name, group, result.questions, result.at1, result.at5, result.mrr, told])
            archive.store.close()
        header = ["system", "queries", "n", "recall@1", "recall@5", "MRR", "not first (id:rank)"]
        parts.append(f"Text: `{source}`, questions: `{arguments.split}`.\n\n{table(header, rows)}")
    publish("finding", "Finding the page", *parts)


if __name__ == "__main__":
    main()
