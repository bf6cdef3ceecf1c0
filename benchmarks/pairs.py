"""Pages with questions (`benchmarks/embedder_pairs/README.md`) as training sees them: tokens of windows, and which part
is which sentence, cut as the index cuts pages for the embedder, or as answers cut them for the judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from index.judge_model import DEFAULT_JUDGE
from index.passages import embed_passages
from worker.answer.candidates import candidates_of
from worker.answer.judged import shown, windows_of

PAIRS = Path(__file__).resolve().parent / "embedder_pairs"
_LONGEST = 120
"""Tokens of an embedder's window that are looked at; windows are of some 45 words."""


@dataclass(frozen=True, slots=True)
class Window:
    """Token ids without [CLS] and [SEP]; for each sentence the places of its tokens, and its number on the page; and
    how the page begins, but for its first window.
    """

    ids: list[int]
    places: list[np.ndarray]
    numbers: list[int]
    opening: list[int]


@dataclass(frozen=True, slots=True)
class Page:
    windows: list[Window]
    spans: tuple[tuple[int, int], ...]
    """Of the sentences, in characters of the page."""

    def sentence(self, middle: float) -> int | None:
        """The number of the sentence that a place in the text lies in."""
        return next((n for n, (start, end) in enumerate(self.spans) if start <= middle < end), None)


@dataclass(frozen=True, slots=True)
class AskedPage:
    """`asked` are questions with the number of the sentence that answers, `unanswered` those without."""

    group: str
    page: Page
    asked: list[tuple[str, int]]
    unanswered: list[str]


class _Recorder:
    """An embedder that only notes what it would read."""

    name, dim = "recorder", 1
    texts: Sequence[str] = ()
    parts: Sequence[Sequence[tuple[int, int]]] = ()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1), np.float32)

    def embed_parts(self, texts, parts):
        self.texts, self.parts = texts, parts
        return [(np.ones((len(one), 1), np.float32), np.full(len(one), _LONGEST)) for one in parts]


def cut(text: str, tokenizer: Tokenizer) -> Page | None:
    """The windows and sentences of a page; None for one without words."""
    recorder = _Recorder()
    sentences = embed_passages(recorder, text).sentence_spans
    windows: list[Window] = []
    first = 0
    for window, parts in zip(recorder.texts, recorder.parts, strict=True):
        encoded = tokenizer.encode(window, add_special_tokens=False)
        starts, ends = np.array(encoded.offsets[:_LONGEST]).reshape(-1, 2).T
        places = [np.flatnonzero((starts >= a) & (ends <= b) & (ends > starts)) for a, b in parts]
        windows.append(Window(encoded.ids[:_LONGEST], places, list(range(first, first + len(parts))), []))
        first += len(parts)
    return Page(windows, tuple(sentences)) if sentences else None


def cut_for_judge(text: str, tokenizer: Tokenizer) -> Page | None:
    """The same as `worker.answer.judged` shows it to the judge; "sentences" are an answer's candidates. The tokenizer
    must not pad.
    """
    candidates = candidates_of(text, 0)
    windows = []
    for window in windows_of(text, candidates):
        seen = shown(text, window)
        said = tokenizer.encode_batch(list(seen.pieces), add_special_tokens=False)
        pieces = [one.ids[: DEFAULT_JUDGE.piece] for one in said]
        ends = np.cumsum([0, *map(len, pieces)])
        places = [np.arange(a, min(b, DEFAULT_JUDGE.window)) for a, b in pairwise(ends)]
        opening = tokenizer.encode(seen.opening, add_special_tokens=False).ids[: DEFAULT_JUDGE.opening]
        windows.append(Window([*chain(*pieces)][: DEFAULT_JUDGE.window], places, [c.order for c in window], opening))
    return Page(windows, tuple((c.start, c.end) for c in candidates)) if windows else None


Cut = Callable[[str, Tokenizer], Page | None]


def read_pairs(tokenizer: Tokenizer, folder: Path = PAIRS, cut: Cut = cut) -> list[AskedPage]:
    """All pages; `ValueError` where an answer does not stand on its page. A page's group is its file or its series."""
    pages = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            given = json.loads(line)
            page = cut(given["text"], tokenizer)
            asked = []
            for pair in given["asks"]:
                at = given["text"].find(pair["a"])
                if at < 0 or page is None:
                    raise ValueError(f"{path.name}: {pair['a']!r} does not stand on its page")
                sentence = page.sentence(at + len(pair["a"]) / 2)
                if sentence is not None:
                    asked.append((pair["q"], sentence))
            pages.append(AskedPage(given.get("series", path.stem), page, asked, given["none"]))
    return pages
