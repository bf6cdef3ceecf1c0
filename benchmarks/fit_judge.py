"""Fit the judge's change of the packaged model's weights (`index/judge_weights.py`).

    python -m benchmarks.fit_judge OUT [--passes 2] [--rate 8e-5] [--minutes 120] [--half] [--from IN [--keep 0.3]]
                                      [--device cuda --batch 64]

A question is shown with the window that holds the answer, another of the same page, and five of the twelve in its group
of pages whose sentences the embedding model finds nearest to it. Windows are cut as answers cut pages; beside each but
a page's first stands how its page begins. All their sentences and "none of them" compete (cross entropy); of a question
that its page does not answer, "none" is right. What has no share in the loss is not learnt from. The encoder's layers
and the head are trained, the vectors of word pieces are not. With `--half` 1.8 seconds for a step of sixteen questions
on two cores; more than twice that without.

Printed at the end: on the development archives and the `tune` half of the samples, how well the highest log-odds tell
questions with an answer from those without (area under the curve), beside the highest cosine.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from benchmarks.answering_sets import development, sample, users
from benchmarks.pairs import AskedPage, Page, Window, cut_for_judge, read_pairs
from benchmarks.report import table
from index.embedder_weights import locate
from index.judge_convert import HIDDEN, build
from index.judge_model import DEFAULT_JUDGE

NEAREST = 12
"""Windows of the group that are drawn from, by the embedding model."""
DRAWN = 5
"""Of them shown in each step."""
_LEAST = 0.03
"""Probability: what has less of it is not learnt from."""
_AT_ONCE = {"cpu": 16, "cuda": 512}
"""Windows that the encoder reads at once."""
_WARM_UP = 60
"""Steps."""


@dataclass(frozen=True, slots=True)
class Item:
    """A question with the windows that may be shown with it; `answer` is a sentence of `gold`, or None."""

    question: list[int]
    gold: Window | None
    beside: list[Window]
    near: list[Window]
    answer: int | None


class Near:
    """The packaged embedding model as published: which windows a question comes near to."""

    def __init__(self, directory: Path, *, half: bool = False, device: str = "cpu") -> None:
        self.half = half
        self.device = torch.device(device)
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self.ends = tuple(self.tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        self.bert = build(directory, _fresh_head()).bert.to(self.device)

    @torch.no_grad()
    def _hidden(self, ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = nn.utils.rnn.pad_sequence([torch.tensor(one) for one in ids], batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones(len(one), dtype=torch.long) for one in ids], batch_first=True)
        tokens, mask = tokens.to(self.device), mask.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            return self.bert(input_ids=tokens, attention_mask=mask).last_hidden_state.float(), mask

    def questions(self, texts: Sequence[str]) -> torch.Tensor:
        rows = []
        for at in range(0, len(texts), 64):
            hidden, mask = self._hidden([self.tokenizer.encode(text).ids for text in texts[at : at + 64]])
            rows.append(functional.normalize((hidden * mask[..., None]).sum(1), dim=-1))
        return torch.cat(rows)

    def windows(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        """For each window its sentences `(sentences, dim)`."""
        order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
        rows: dict[int, torch.Tensor] = {}
        at_once = 2 * _AT_ONCE[self.device.type]
        for at in range(0, len(order), at_once):
            batch = order[at : at + at_once]
            hidden, _ = self._hidden([[self.ends[0], *windows[i].ids, self.ends[1]] for i in batch])
            for row, i in enumerate(batch):
                means = [hidden[row, torch.from_numpy(p).to(self.device) + 1].sum(0) for p in windows[i].places]
                rows[i] = functional.normalize(torch.stack(means), dim=-1)
        return [rows[i] for i in range(len(windows))]


def _fresh_head() -> dict[str, torch.Tensor]:
    """A head's weights as `torch.nn.Linear` draws them; 384 numbers each of piece, question and [CLS]."""
    head = nn.Sequential(nn.Linear(3 * 384, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, 1))
    return {f"head.{name}": value for name, value in head.state_dict().items()}


def items_of(pages: Sequence[AskedPage], near: Near) -> list[Item]:
    """All questions of a group of pages."""
    windows = [(number, window) for number, one in enumerate(pages) for window in one.page.windows]
    vectors = near.windows([window for _, window in windows])
    owner = torch.tensor([w for w, rows in enumerate(vectors) for _ in range(len(rows))])
    asked = [(q, number, answer) for number, one in enumerate(pages)
             for q, answer in (*one.asked, *((q, None) for q in one.unanswered))]  # fmt: skip
    cosines = near.questions([q for q, _, _ in asked]) @ torch.cat(vectors).T
    cosines = cosines.cpu()
    best = torch.full((len(asked), len(windows)), -1.0)
    best.scatter_reduce_(1, owner[None].expand(len(asked), -1), cosines, "amax")
    items = []
    for (question, number, answer), row in zip(asked, best, strict=True):
        here = [window for n, window in windows if n == number]
        gold = next((w for w in here if answer is not None and answer in w.numbers), None)
        nearest = [windows[i][1] for i in row.argsort(descending=True)[:NEAREST].tolist() if windows[i][0] != number]
        ids = near.tokenizer.encode(question, add_special_tokens=False).ids[: DEFAULT_JUDGE.question]
        items.append(Item(ids, gold, [w for w in here if w is not gold], nearest, answer))
    return items


def shown(item: Item, rng: random.Random) -> list[Window]:
    """Windows for one step, the one with the answer first, and at most one more of its page."""
    gold = [item.gold] if item.gold else []
    beside = rng.sample(item.beside, min(1, len(item.beside)))
    return [*gold, *beside, *rng.sample(item.near, min(DRAWN, len(item.near)))]


def odds(
    pair: nn.Module, ends: tuple[int, int], asked: Sequence[tuple[list[int], Window]], *, half: bool = False
) -> list[torch.Tensor]:
    """For each question with a window the log-odds `(sentences,)`: the encoder runs once for a window."""
    device = next(pair.parameters()).device
    rows_of = [_row(ends, question, window) for question, window in asked]
    order = sorted(range(len(asked)), key=lambda i: len(rows_of[i]))
    at_once = _AT_ONCE[device.type]
    result: dict[int, torch.Tensor] = {}
    for at in range(0, len(order), at_once):
        rows = order[at : at + at_once]
        longest, most = len(rows_of[rows[-1]]), max(len(asked[i][1].places) for i in rows)
        tokens, mask, types = torch.zeros(3, len(rows), longest, dtype=torch.long)
        of_question, said = torch.zeros(len(rows), longest), torch.zeros(len(rows), most, longest)
        for row, i in enumerate(rows):
            (question, window), ids = asked[i], rows_of[i]
            tokens[row, : len(ids)] = torch.tensor(ids)
            mask[row, : len(ids)] = 1
            types[row, len(question) + 2 : len(ids)] = 1
            of_question[row, 1 : len(question) + 1] = 1
            for piece, places in enumerate(window.places):
                said[row, piece, torch.from_numpy(places) + len(ids) - 1 - len(window.ids)] = 1
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": types}
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            seen = pair.bert(**{name: value.to(device) for name, value in inputs.items()}).last_hidden_state.float()
        read = pair.weigh(seen, of_question.to(device), said.to(device))
        for row, i in enumerate(rows):
            result[i] = read[row, : len(asked[i][1].places)]
    return [result[i] for i in range(len(asked))]


def _row(ends: tuple[int, int], question: list[int], window: Window) -> list[int]:
    """As `index.judge_model` puts it together."""
    before = [*window.opening, ends[1]] if window.opening else []
    return [ends[0], *question, ends[1], *before, *window.ids, ends[1]]


def loss(
    pair: nn.Module, ends: tuple[int, int], batch: Sequence[Item], rng: random.Random, *, half: bool = False
) -> torch.Tensor:
    """The mean over questions. All windows are read without a gradient first; those that `learnt_from` leaves out stay
    in the sum as constants: reading them again would cost as much as the others and change next to nothing.
    """
    drawn = [shown(item, rng) for item in batch]
    with torch.no_grad():
        asked = [(item.question, w) for item, windows in zip(batch, drawn, strict=True) for w in windows]
        read = iter(odds(pair, ends, asked, half=half))
    scores = [[next(read) for _ in windows] for windows in drawn]
    rights = [0 if i.answer is None or i.gold is None else 1 + i.gold.numbers.index(i.answer) for i in batch]
    chosen = [learnt_from(rows, right) for rows, right in zip(scores, rights, strict=True)]
    again = [
        (i.question, windows[n]) for i, windows, numbers in zip(batch, drawn, chosen, strict=True) for n in numbers
    ]
    anew = iter(odds(pair, ends, again, half=half))
    total = torch.zeros((), device=next(pair.parameters()).device)
    for rows, right, numbers in zip(scores, rights, chosen, strict=True):
        for number in numbers:
            rows[number] = next(anew)
        total = total + functional.cross_entropy(_against_none(rows)[None], torch.tensor([right], device=total.device))
    return total / len(batch)


def learnt_from(rows: Sequence[torch.Tensor], right: int) -> list[int]:
    """The numbers of the windows that have a share in the loss: with three in a hundred of the probability, and the one
    that holds what is `right` (the first, but for 0, "none"). None of them, once what is right has all but so much.
    """
    together = _against_none(rows).softmax(0)
    if together[right] > 1 - _LEAST:
        return []
    held = [float(part.sum()) for part in together[1:].split([len(row) for row in rows])]
    return [n for n, share in enumerate(held) if share >= _LEAST or (n == 0 and right > 0)]


def _against_none(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([rows[0].new_zeros(1), *rows])


def area(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The share of pairs in which the positive one is higher."""
    a, b = np.array(positive)[:, None], np.array(negative)[None]
    return float((a > b).mean() + (a == b).mean() / 2)


@torch.no_grad()
def told_apart(pair: nn.Module, near: Near) -> list[list[object]]:
    rows = []
    for archive in (*development(), *users(), sample()):
        pages: list[Page] = [p for text in archive.pages.values() if (p := cut_for_judge(text, near.tokenizer))]
        windows = [window for page in pages for window in page.windows]
        vectors = near.windows(windows)
        highest: dict[tuple[str, bool], list[float]] = {}
        for question in archive.questions:
            if question.split == "report" or question.style in {"identifier", "phrase"}:
                continue
            vector = near.questions([question.question])[0]
            cosines = [float((rows @ vector).max()) for rows in vectors]
            ids = near.tokenizer.encode(question.question, add_special_tokens=False).ids[: DEFAULT_JUDGE.question]
            nearest = sorted(range(len(windows)), key=lambda i: -cosines[i])[:8]
            judged = odds(pair, near.ends, [(ids, windows[i]) for i in nearest])
            has = bool(question.places)
            highest.setdefault(("cosine", has), []).append(max(cosines))
            highest.setdefault(("judge", has), []).append(max(float(row.max()) for row in judged))
        areas = [area(highest[by, True], highest[by, False]) for by in ("cosine", "judge")]
        rows.append([archive.name, len(archive.questions), *areas])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--passes", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=8e-5)
    parser.add_argument("--minutes", type=float, default=120.0, help="ends then, at the rate's end, wherever it is")
    parser.add_argument("--batch", type=int, default=16, help="questions in a step")
    parser.add_argument("--device", default="cpu", choices=sorted(_AT_ONCE))
    parser.add_argument("--half", action="store_true", help="products of bfloat16, where the processor has them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", dest="begin", type=Path, help="go on with these weights")
    parser.add_argument("--keep", type=float, default=0.0, help="their share in the mean that is written at the end")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rng = random.Random(arguments.seed)
    directory = locate("all-MiniLM-L6-v2").directory
    near = Near(directory, half=arguments.half, device=arguments.device)
    published = {name: value.cpu().clone() for name, value in near.bert.named_parameters()}
    pair = build(directory, load_file(arguments.begin) if arguments.begin else _fresh_head()).to(near.device)
    pair.bert.embeddings.requires_grad_(False)
    pages = read_pairs(near.tokenizer, cut=cut_for_judge)
    groups = {page.group: [p for p in pages if p.group == page.group] for page in pages}
    items = [item for group in groups.values() for item in items_of(group, near)]
    trained = [p for p in pair.bert.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": trained, "times": 1.0}, {"params": pair.head.parameters(), "times": 10.0}], weight_decay=0.01
    )
    batch = arguments.batch
    steps = int(len(items) / batch * arguments.passes)
    begun, step, values = time.monotonic(), 0, []
    while step < steps and time.monotonic() - begun < 60 * arguments.minutes:
        rng.shuffle(items)
        for at in range(0, len(items) - batch + 1, batch):
            done = max(step / steps, (time.monotonic() - begun) / (60 * arguments.minutes))
            share = min(1.0, (step + 1) / _WARM_UP) * max(0.02, 1 - done)
            for group in optimiser.param_groups:
                group["lr"] = arguments.rate * group["times"] * share
            value = loss(pair, near.ends, items[at : at + batch], rng, half=arguments.half)
            if value.requires_grad:
                optimiser.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(trained, 1.0)
                optimiser.step()
            step += 1
            values.append(value.item())
            if step % 20 == 0:
                print(f"{step} of {steps}: {np.mean(values[-20:]):.3f}, {time.monotonic() - begun:.0f} s", flush=True)
            if step == steps or time.monotonic() - begun > 60 * arguments.minutes:
                break
    if arguments.begin:
        mix(pair, build(directory, load_file(arguments.begin)).to(near.device), arguments.keep)
    save(pair, published, arguments.out)
    print(table(["archive", "questions", "by cosine", "by the judge"], told_apart(pair, near)))


@torch.no_grad()
def mix(pair: nn.Module, other: nn.Module, share: float) -> None:
    """Make `pair` the mean of both, number by number (Wortsman et al. 2022, arXiv 2203.05482)."""
    for mine, its in zip(pair.parameters(), other.parameters(), strict=True):
        mine.lerp_(its, share)


def save(pair: nn.Module, published: dict[str, torch.Tensor], out: Path) -> None:
    """The differences from the published weights, and the head, in half precision."""
    change = {
        name: (value.detach().cpu() - published[name]).half()
        for name, value in pair.bert.named_parameters()
        if value.requires_grad and "pooler" not in name
    }
    head = {f"head.{name}": value.detach().cpu().half() for name, value in pair.head.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(change | head, out)


if __name__ == "__main__":
    main()
