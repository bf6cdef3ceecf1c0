"""How fast pages are embedded, and whether the fast way gives the same vectors.

    python -m benchmarks.embedding [--pages 40]

Pages of the sample archive's true text. `torch` is sentence-transformers in float32, passage by passage of 120
words; `windows` is what Folioscope does: each sentence once, in a window of its neighbours.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from benchmarks.finding_texts import CACHE, texts
from benchmarks.report import publish, table
from index.embedder_st import EmbedderConfig, build_embedder
from index.passages import embed_passages, passage_spans, plain


def _seconds(work: Callable[[], object]) -> float:
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
    rows = []

    def row(name: str, seconds: float, note: str) -> None:
        rows.append([name, f"{len(passages) / seconds:.0f}", f"{words / 330 / seconds:.1f}", note])

    for batch in (1, 2, 4, 8, 16):
        embedder = build_embedder(None, CACHE / "models", EmbedderConfig(batch=batch))
        embedder.warm()
        row(f"OpenVINO float32, batch {batch}, passages", _seconds(lambda e=embedder: e.embed(passages)), "")
    for batch in (2, 4, 8):
        embedder = build_embedder(None, CACHE / "models", EmbedderConfig(batch=batch))
        row(
            f"OpenVINO float32, batch {batch}, windows",
            _seconds(lambda e=embedder: [embed_passages(e, text) for text in pages]),
            "passages and sentences, page by page",
        )
    fast = build_embedder(None, CACHE / "models").embed(passages)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    torch = build_embedder(None, None, EmbedderConfig(openvino=False))
    torch.embed(passages[:2])
    start = time.perf_counter()
    exact = torch.embed(passages)
    least = float(np.sum(fast * exact, axis=1).min())
    row("torch float32, passages", time.perf_counter() - start, f"least cosine to OpenVINO {least:.6f}")
    note = f"{len(pages)} pages, {words} words, {len(passages)} passages. Peak memory before torch: {memory:.0f} MiB."
    publish("embedding", "Embedding", note, table(["way", "passages/s", "pages of 330 words/s", "note"], rows))


if __name__ == "__main__":
    main()
