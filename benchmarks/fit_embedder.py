"""Fit a change of the packaged embedding model's weights for questions to archives: an experiment (docs/lab.md).

    python -m benchmarks.fit_embedder OUT.safetensors [--passes 2] [--rank 16] [--rate 4e-4] [--seed 0]

Each step takes some pages with their questions (`benchmarks/pairs.py`). A question should be nearer to the sentence
that answers it than to all other sentences of these pages, and to its page than to the others: cross entropy over
cosines (InfoNCE; van den Oord et al. 2018, arXiv 1807.03748). Sentences are pooled in windows as the index does it.
Only the thin matrices are trained; word pieces' own vectors, norms and biases stay. Pages of a series come together.

Printed, before and after: how often the nearest sentence lies on the right page, and is the one that answers, on the
development archives and the `tune` half of the samples, of which training knows nothing.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import AutoModel

from benchmarks.answering_sets import AskedArchive, development, sample, users
from benchmarks.pairs import AskedPage, Page, cut, read_pairs
from benchmarks.report import table
from index.embedder_weights import locate

TEMPERATURE = 0.05
"""Of the cosines; the one that all-MiniLM-L6-v2 was trained with."""
WARM_UP = 0.1
PAGE_LOSS = 0.5
_BATCH = 16  # windows or questions of like length at once


class Thin(nn.Module):
    """A linear layer with the product of two thin matrices added to its weight; zero at first."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + x @ self.down.T @ self.up.T


class Model:
    def __init__(self, directory: Path, rank: int) -> None:
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.no_padding()
        self.ends = [self.tokenizer.token_to_id("[CLS]")], [self.tokenizer.token_to_id("[SEP]")]
        self.bert = AutoModel.from_pretrained(str(directory)).float().eval()  # eval: no dropout
        self.bert.requires_grad_(False)
        self.thin: dict[str, Thin] = {}
        for name, layer in list(self.bert.encoder.named_modules(prefix="encoder")):
            if isinstance(layer, nn.Linear):
                parent, _, last = name.rpartition(".")
                self.thin[name] = Thin(layer, rank)
                setattr(self.bert.get_submodule(parent), last, self.thin[name])

    def parameters(self) -> list[nn.Parameter]:
        return [matrix for thin in self.thin.values() for matrix in (thin.down, thin.up)]

    def _hidden(self, ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token vectors `(B, T, dim)` and mask `(B, T)`."""
        tokens = nn.utils.rnn.pad_sequence([torch.tensor(one) for one in ids], batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones(len(one), dtype=torch.long) for one in ids], batch_first=True)
        return self.bert(input_ids=tokens, attention_mask=mask).last_hidden_state, mask

    def questions(self, texts: Sequence[str]) -> torch.Tensor:
        """`(questions, dim)`, of unit length."""
        hidden, mask = self._hidden([self.tokenizer.encode(text).ids for text in texts])
        return functional.normalize((hidden * mask[..., None]).sum(1), dim=-1)

    def pages(self, pages: Sequence[Page]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """For each page its sentences `(sentences, dim)`; and all pages `(pages, dim)`; of unit length."""
        windows = [(number, window) for number, page in enumerate(pages) for window in page.windows]
        order = sorted(range(len(windows)), key=lambda i: len(windows[i][1].ids))
        sums: dict[int, list[torch.Tensor]] = {}
        for at in range(0, len(order), _BATCH):
            rows = order[at : at + _BATCH]
            hidden, _ = self._hidden([[*self.ends[0], *windows[i][1].ids, *self.ends[1]] for i in rows])
            for row, i in enumerate(rows):
                sums[i] = [hidden[row, torch.from_numpy(places) + 1].sum(0) for places in windows[i][1].places]
        sentences: list[list[torch.Tensor]] = [[] for _ in pages]
        for i, (number, _) in enumerate(windows):
            sentences[number] += sums[i]
        stacked = [torch.stack(one) for one in sentences]
        whole = torch.stack([functional.normalize(one.sum(0), dim=-1) for one in stacked])
        return [functional.normalize(one, dim=-1) for one in stacked], whole

    def save(self, path: Path) -> None:
        matrices = {}
        for name, thin in self.thin.items():
            matrices[f"{name}.down"], matrices[f"{name}.up"] = thin.down.detach().half(), thin.up.detach().half()
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(matrices, path)


def loss(model: Model, batch: Sequence[AskedPage]) -> torch.Tensor:
    sentences, whole = model.pages([one.page for one in batch])
    firsts = np.cumsum([0, *map(len, sentences)])
    asked = [(question, number, int(firsts[number]) + answer)
             for number, one in enumerate(batch) for question, answer in one.asked]  # fmt: skip
    questions = model.questions([question for question, _, _ in asked])
    of_sentence = functional.cross_entropy(
        questions @ torch.cat(sentences).T / TEMPERATURE, torch.tensor([answer for _, _, answer in asked])
    )
    of_page = functional.cross_entropy(
        questions @ whole.T / TEMPERATURE, torch.tensor([number for _, number, _ in asked])
    )
    return of_sentence + PAGE_LOSS * of_page


def batches(pages: Sequence[AskedPage], size: int, rng: random.Random) -> Iterator[list[AskedPage]]:
    """All pages once, in a drawn order; those of a series stay together."""
    sizes = Counter(page.group for page in pages)
    groups = defaultdict(list)
    for number, page in enumerate(pages):
        groups[page.group if sizes[page.group] <= size else f"{page.group} {number}"].append(page)
    order = list(groups.values())
    rng.shuffle(order)
    line = [page for group in order for page in group]
    for at in range(0, len(line) - size + 1, size):
        yield line[at : at + size]


@torch.no_grad()
def found(model: Model, archive: AskedArchive) -> tuple[int, int, int]:
    """Questions with an answer; of them the nearest sentence is on its page; and it holds the answer."""
    held = {place: page for place, text in archive.pages.items() if (page := cut(text, model.tokenizer))}
    vectors, owners = [], []
    places = list(held)
    for at in range(0, len(places), _BATCH):
        sentences, _ = model.pages([held[place] for place in places[at : at + _BATCH]])
        for place, rows in zip(places[at:], sentences, strict=False):
            vectors.append(rows)
            owners += [(place, number) for number in range(len(rows))]
    every = torch.cat(vectors)
    asked = [q for q in archive.questions if q.places and q.split != "report" and q.style in _ASKED]
    right = holds = 0
    for question in asked:
        place, number = owners[int((every @ model.questions([question.question])[0]).argmax())]
        if place not in question.places or number >= len(held[place].spans):
            continue
        right += 1
        start, end = held[place].spans[number]
        at = archive.pages[place].find(question.answer)
        holds += start < at + len(question.answer) and at < end
    return len(asked), right, holds


_ASKED = {"question", "paraphrase", "plain"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--passes", type=float, default=2.0)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--pages", type=int, default=16, help="pages in a step")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rng = random.Random(arguments.seed)
    model = Model(locate("all-MiniLM-L6-v2").directory, arguments.rank)
    pages = read_pairs(model.tokenizer)
    archives = [*development(), *users(), sample()]
    before = [found(model, archive) for archive in archives]
    optimiser = torch.optim.AdamW(model.parameters(), lr=arguments.rate, weight_decay=0.01)
    steps = int(len(pages) / arguments.pages * arguments.passes)
    begun, step = time.monotonic(), 0
    while step < steps:
        for batch in batches(pages, arguments.pages, rng):
            rate = arguments.rate * min(1.0, (step + 1) / (WARM_UP * steps)) * max(0.02, 1 - step / steps)
            for group in optimiser.param_groups:
                group["lr"] = rate
            value = loss(model, batch)
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 10 == 0:
                print(f"{step} of {steps}: {value.item():.3f}, {time.monotonic() - begun:.0f} s", flush=True)
            if step == steps:
                break
    model.save(arguments.out)
    after = [found(model, archive) for archive in archives]
    rows = [
        [archive.name, b[0], b[1] / b[0], a[1] / b[0], b[2] / b[0], a[2] / b[0]]
        for archive, b, a in zip(archives, before, after, strict=True)
    ]
    n, right, holds = map(sum, zip(*before, strict=True))
    _, right_now, holds_now = map(sum, zip(*after, strict=True))
    rows.append(["all", n, right / n, right_now / n, holds / n, holds_now / n])
    print(table(["archive", "questions", "page, before", "page, after", "sentence, before", "sentence, after"], rows))


if __name__ == "__main__":
    main()
