"""How fast pages are embedded, and whether the fast way gives the same vectors.

    python -m benchmarks.embedding [--pages 40]

Pages of the sample archive's true text. `torch` is sentence-transformers in float32, passage by passage of 120
words; `windows` is what Folioscope does: each sentence once, in a window of its neighbours. `int8` is how it does so
where the processor has such products; else these rows are float32 as well.
"""

from __future__ import annotations

import argparse
import re
import resource
import time
from collections.abc import Callable

import numpy as np

from benchmarks.finding_texts import CACHE, texts
from benchmarks.report import publish, table
from index.embedder_st import EmbedderConfig, build_embedder
from index.passages import embed_passages, passage_spans, plain

SHORT = 60  # single words in one call, as answering compares them


def _seconds(work: Callable[[], object]) -> float:
    """Of the second of two runs: the first one prepares for new shapes."""
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=40)
    pages = list(texts("truth").values())[: parser.parse_args().pages]
    words = sum(len(text.split()) for text in pages)
    passages = [plain(text[s:e]) for text in pages for s, e in passage_spans(text)]
    vocabulary = sorted({w.lower() for text in pages for w in re.findall(r"[^\W\d_]{3,}", text)})
    rows = []

    def row(name: str, seconds: float, note: str) -> None:
        rows.append([name, f"{len(passages) / seconds:.0f}", f"{words / 330 / seconds:.1f}", note])

    ways = {
        f"OpenVINO {name}, batch {batch}": build_embedder(
            None, CACHE / "models", EmbedderConfig(batch=batch, int8=int8)
        )
        for name, int8 in (("float32", False), ("int8", True))
        for batch in (1, 2, 4, 8)
    }
    for name, embedder in ways.items():
        embedder.warm()
        row(f"{name}, passages", _seconds(lambda e=embedder: e.embed(passages)), "")
    for name, embedder in ways.items():
        seconds = _seconds(lambda e=embedder: [embed_passages(e, text) for text in pages])
        row(f"{name}, windows", seconds, "passages and sentences, page by page")
    shipped = [ways["OpenVINO float32, batch 4"], ways["OpenVINO int8, batch 4"]]
    alone = [vocabulary[at : at + SHORT] for at in range(0, len(vocabulary), SHORT)]
    each = [_seconds(lambda e=e: [e.embed(some) for some in alone]) / len(vocabulary) for e in shipped]
    of_passages = [e.embed(passages) for e in shipped]
    of_words = [e.embed(vocabulary) for e in shipped]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    torch = build_embedder(None, None, EmbedderConfig(openvino=False))
    torch.embed(passages[:2])
    start = time.perf_counter()
    exact = torch.embed(passages)
    row("torch float32, passages", time.perf_counter() - start, "")
    told = []
    for name, passage, word, seconds in zip(("float32", "int8"), of_passages, of_words, each, strict=True):
        near = np.sum(passage * exact, axis=1)
        near_words = np.sum(word * torch.embed(vocabulary), axis=1)
        told.append(
            [name, *(f"{f(n):.5f}" for n in (near, near_words) for f in (np.min, np.mean)), f"{seconds * 1e3:.2f}"]
        )
    note = (
        f"{len(pages)} pages, {words} words, {len(passages)} passages, {len(vocabulary)} different words. "
        f"Peak memory before torch, eight embedders loaded: {memory:.0f} MiB."
    )
    head = [
        "OpenVINO",
        "passages: least cosine to torch",
        "mean",
        "words: least",
        "mean",
        f"ms a word, {SHORT} at once",
    ]
    ways_table = table(["way", "passages/s", "pages of 330 words/s", "note"], rows)
    publish("embedding", "Embedding", note, ways_table, table(head, told))


if __name__ == "__main__":
    main()
