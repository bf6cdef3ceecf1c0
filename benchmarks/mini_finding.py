"""Can a card be found from its vision tokens alone, without decoding it?

    python -m benchmarks.mini_finding [CHECKPOINT] [--cards N] [--queries N] [--sample N]

A query is a phrase of three words. It is drawn as an image and encoded like a card. A head of two small networks, one
for the queries' tokens and one for the cards', is trained to bring both together: a card's score is the mean, over the
query's tokens, of the best product with one of its tokens (late interaction, as in ColBERT, arXiv 2004.12832). The head
has no labels: its phrases are cut from what the model itself decoded of a sample of cards.
The same queries are asked of the decoded text of all cards, by the share of a phrase's character trigrams, rarer ones
counting more, which bears misread letters.

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
_WIDTH = 128
_BATCH, _RATE = 32, 1e-3
_TEMPERATURE = 0.07


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
    """Tokens (..., D) to unit vectors (..., 128), otherwise for queries than for cards."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query, self.card = (
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, _WIDTH))
            for _ in range(2)
        )
        self.weight = nn.Linear(dim, 1)  # which of a query's tokens say something: most see blank paper

    def forward(self, queries: Tensor, cards: Tensor) -> Tensor:
        """(Q, T, D) and (C, T, D) to scores (Q, C)."""
        asked = functional.normalize(self.query(queries), dim=-1)
        known = functional.normalize(self.card(cards), dim=-1)
        best = torch.einsum("qtd,cud->qctu", asked, known).amax(dim=-1)  # (Q, C, T)
        return (best * self.weight(queries).squeeze(-1).softmax(dim=-1)[:, None]).sum(dim=-1)


def trained(queries: Tensor, cards: Tensor, owners: Sequence[int], steps: int, seed: int = 0) -> Head:
    """Each query against the cards of the others in its batch."""
    torch.manual_seed(seed)
    head = Head(queries.shape[-1])
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=0.05)
    rng = random.Random(seed)
    batch = min(_BATCH, len(set(owners)))
    by_card: dict[int, list[int]] = {}
    for number, owner in enumerate(owners):
        by_card.setdefault(owner, []).append(number)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / steps)
        chosen = rng.sample(sorted(by_card), batch)
        mine = [rng.choice(by_card[card]) for card in chosen]
        scores = head(queries[mine], cards[chosen]) / _TEMPERATURE
        loss = functional.cross_entropy(scores, torch.arange(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head.eval()


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
    learned = phrases(decoded[cards:], 8 * sample, rng)
    if not learned:
        raise ConfigError(f"{reader.revision} writes no phrases yet: there is nothing to train a head on")
    asked = phrases([page.text for page in pages[:cards]], count, rng)  # a person asks for what is really there
    head = trained(
        tokens_of(reader, [drawn(one.phrase, rng) for one in learned]),
        tokens[cards:],
        [one.card for one in learned],
        steps,
    )
    with torch.no_grad():
        seen = head(tokens_of(reader, [drawn(one.phrase, rng) for one in asked]), tokens[:cards]).numpy()
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
    parser.add_argument("--sample", type=int, default=200, help="cards that are decoded to train the head on")
    parser.add_argument("--steps", type=int, default=600, help="of the head's training")
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
