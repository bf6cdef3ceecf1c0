"""Can a card be found from its vision tokens alone, without decoding it?

    python -m benchmarks.mini_finding [CHECKPOINT] [--cards N] [--queries N] [--sample N]

A query is a phrase of three words. It is drawn as an image and encoded like a card. A head of one hidden layer says
of each vision token, with its right neighbour, which character trigrams stand there; a card has a trigram unless all of
its places lack it (noisy or). The head has no labels: it learns from what the model itself decoded of a sample of
cards, and from phrases cut from that, drawn as images. A query's and a card's trigrams, each with its probability, are
then compared, rarer ones counting more. The same queries are asked of the decoded text of all cards in the same way,
by the share of a phrase's trigrams, which bears misread letters.

Cards and phrases of the evaluation are others than those of the sample.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.mini_kit import encoded, engine_or_end, last_stage, texts
from benchmarks.report import publish, table
from index.errors import ConfigError
from worker.engine.deepseek.engine import DeepSeekOcrEngine
from worker.train.fonts import PLAIN, faces
from worker.train.measure import held_out, usual
from worker.train.sheet import Sheet, type_at

AT = (1, 5, 10)
_SIDE, _SIZE = 256, 23
_WORDS = 3
_WIDTH = 512
_BATCH, _RATE = 64, 2e-3
_LEAST = 4  # texts of the sample that a trigram must stand in to be learned


@dataclass(frozen=True, slots=True)
class Query:
    """A phrase and the number of the card that it stands on."""

    phrase: str
    card: int


def phrases(decoded: Sequence[str], count: int, rng: random.Random) -> list[Query]:
    """Three neighbouring words of one line or of two, of 10 to 40 characters, from cards in turn."""
    found: list[Query] = []
    for _ in range(20 * count):
        if len(found) == count:
            break
        card = len(found) % len(decoded) if len(decoded) >= count else rng.randrange(len(decoded))
        words = decoded[card].split()
        if len(words) < _WORDS:
            continue
        start = rng.randrange(len(words) - _WORDS + 1)
        phrase = " ".join(words[start : start + _WORDS])
        if 10 <= len(phrase) <= 40:
            found.append(Query(phrase, card))
    return found


def drawn(phrase: str, rng: random.Random) -> np.ndarray:
    """The phrase as pixels (S, S), black on white, on as many lines as it needs, somewhere on the card."""
    kind = type_at(rng.choice(faces().named(PLAIN).paths), _SIZE)
    sheet = Sheet(_SIDE)
    x = left = rng.uniform(4, 24)
    baseline = rng.randint(24, 120)
    space = kind.glyph(" ").advance
    for word in phrase.split():
        if x > left and x + kind.width(word) > _SIDE - 4:
            x, baseline = left, baseline + 30
        x = sheet.write([word], [True], x, baseline, kind) + space
    return 255 - sheet.ink


class Head(nn.Module):
    """Vision tokens (B, T, D) of square views to trigrams."""

    def __init__(self, dim: int, grams: Sequence[str]) -> None:
        super().__init__()
        self.places = {gram: place for place, gram in enumerate(grams)}
        self.within = nn.Sequential(
            nn.LayerNorm(2 * dim), nn.Linear(2 * dim, _WIDTH), nn.GELU(), nn.Dropout(0.2), nn.Linear(_WIDTH, len(grams))
        )
        nn.init.constant_(self.within[-1].bias, -6.0)  # most trigrams are not there

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, G): the sum over places of -log of the chance that the trigram is not there."""
        side = math.isqrt(tokens.shape[1])
        rows = tokens.unflatten(1, (side, side))
        beside = functional.pad(rows[:, :, 1:], (0, 0, 0, 1))
        return functional.softplus(self.within(torch.cat([rows, beside], dim=-1))).sum(dim=(1, 2))

    def wanted(self, texts: Sequence[str]) -> Tensor:
        """(B, G) of 0 and 1: the trigrams of texts."""
        known = torch.zeros(len(texts), len(self.places))
        for row, text in enumerate(texts):
            known[row, [self.places[gram] for gram in _trigrams(text) if gram in self.places]] = 1
        return known

    @torch.no_grad()
    def chances(self, tokens: Tensor) -> Tensor:
        """(B, G) that a trigram is there."""
        return torch.cat([1 - torch.exp(-self(some)) for some in tokens.split(64)])


def trained(tokens: Tensor, said: Sequence[str], steps: int, seed: int = 0) -> Head:
    """A head for the trigrams that stand in at least `_LEAST` of the texts `said` of views (B, T, D)."""
    torch.manual_seed(seed)
    seen = Counter(gram for text in said for gram in set(_trigrams(text)))
    head = Head(tokens.shape[-1], sorted(gram for gram, count in seen.items() if count >= _LEAST))
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=0.05)
    known = head.wanted(said)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / steps)
        chosen = torch.randint(len(tokens), (min(_BATCH, len(tokens)),))
        without = head(tokens[chosen])
        there = -torch.log(-torch.expm1(-without.clamp(min=1e-6)))
        loss = torch.where(known[chosen] > 0, there, without).sum(dim=-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head.eval()


def by_tokens(head: Head, asked: Tensor, cards: Tensor, said: Sequence[str]) -> np.ndarray:
    """Scores (Q, C) from tokens alone. `said`, the sample's decoded texts, tells which trigrams are rare."""
    rarity = torch.log(1 + len(said) / (1 + head.wanted(said).sum(dim=0)))
    queries = head.chances(asked) * rarity
    return ((queries @ head.chances(cards).T) / queries.sum(dim=1, keepdim=True)).numpy()


def by_text(queries: Sequence[Query], decoded: Sequence[str]) -> np.ndarray:
    """Scores (Q, C) from decoded text."""
    grams = [Counter(_trigrams(text)) for text in decoded]
    seen = Counter(gram for one in grams for gram in one)
    rarity = {gram: math.log(1 + len(grams) / count) for gram, count in seen.items()}
    usual_rarity = math.log(1 + len(grams))
    scores = np.zeros((len(queries), len(grams)))
    for row, query in enumerate(queries):
        wanted = set(_trigrams(query.phrase))
        whole = sum(rarity.get(gram, usual_rarity) for gram in wanted)
        for column, one in enumerate(grams):
            scores[row, column] = sum(rarity[gram] for gram in wanted if gram in one) / whole
    return scores


def _trigrams(text: str) -> list[str]:
    flat = f" {' '.join(text.lower().split())} "
    return [flat[at : at + 3] for at in range(len(flat) - 2)]


def recall(scores: np.ndarray, queries: Sequence[Query], at: int) -> float:
    """Share of queries whose card is among the `at` best; equal scores count against it."""
    own = scores[np.arange(len(queries)), [query.card for query in queries]]
    rank = (scores >= own[:, None]).sum(axis=1)
    return float((rank <= at).mean())


def tokens_of(reader: DeepSeekOcrEngine, pixels: Sequence[np.ndarray]) -> Tensor:
    """(n, T, D) float32 of float16."""
    return torch.from_numpy(np.stack([one.array.astype(np.float32) for one in encoded(reader, pixels)]))


def measured(reader: DeepSeekOcrEngine, cards: int, count: int, sample: int, steps: int) -> list[tuple]:
    """Rows: system, recall at each of `AT`."""
    stage, rng = last_stage(), random.Random(5)
    pages = held_out(usual(stage), cards + sample, faces_too=False, names=stage.faces)
    pixels = [page.pixels for page in pages]
    known = encoded(reader, pixels)
    decoded = texts(reader, known)
    tokens = torch.from_numpy(np.stack([one.array.astype(np.float32) for one in known]))
    learned = phrases(decoded[cards:], 4 * sample, rng)
    if not learned:
        raise ConfigError(f"{reader.revision} writes no phrases yet: there is nothing to train a head on")
    asked = phrases([page.text for page in pages[:cards]], count, rng)  # a person asks for what is really there
    said = [*decoded[cards:], *(one.phrase for one in learned)]
    views = torch.cat([tokens[cards:], tokens_of(reader, [drawn(one.phrase, rng) for one in learned])])
    head = trained(views, said, steps)
    seen = by_tokens(
        head, tokens_of(reader, [drawn(one.phrase, rng) for one in asked]), tokens[:cards], decoded[cards:]
    )  # fmt: skip
    chance = tuple(at / cards for at in AT)
    return [
        ("decoded text", *(recall(by_text(asked, decoded[:cards]), asked, at) for at in AT)),
        ("vision tokens, trained head", *(recall(seen, asked, at) for at in AT)),
        ("by chance", *chance),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mini_finding")
    parser.add_argument("checkpoint", type=Path, nargs="?", help="default: the packaged one")
    parser.add_argument("--cards", type=int, default=200, help="among which is searched")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--sample", type=int, default=400, help="cards that are decoded to train the head on")
    parser.add_argument("--steps", type=int, default=1500, help="of the head's training")
    chosen = parser.parse_args()
    reader = engine_or_end(chosen.checkpoint)
    began = time.perf_counter()
    try:
        rows = measured(reader, chosen.cards, chosen.queries, chosen.sample, chosen.steps)
    except ConfigError as error:
        sys.exit(error.message)
    header = ("found by", *(f"recall@{at}" for at in AT))
    note = (
        f"{chosen.cards} cards, {chosen.queries} phrases of {_WORDS} words, head trained on {chosen.sample} decoded "
        f"cards; {time.perf_counter() - began:.0f} s in all."
    )
    publish("mini_finding", f"Finding cards, mini model `{reader.revision}`", table(header, rows), note)
    reader.close()


if __name__ == "__main__":
    main()
