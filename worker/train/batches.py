"""Training batches, each a function of the run's seed, its length and its number: a resumed run sees what an unbroken
one would.

Made ahead by worker processes where there are cores for it. With `workers` 0 they are made when asked for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset

from worker.engine.prompts import Prompt, Task
from worker.train.curriculum import Curriculum, wanted
from worker.train.fonts import faces
from worker.train.model import IGNORED, TOKEN, Batch
from worker.train.pages import Page, cells, make_page
from worker.train.text import Texts
from worker.train.tokenizer import BOS, EOS, PAD

_WRONG_INPUTS = 0.05  # share of the text that the decoder is given wrongly, as it will give itself
_ROUND = 16  # texts are padded to multiples of this


class Batches(Dataset[Batch]):
    """Batch number n of a curriculum. `folder` as in `fonts.faces`."""

    def __init__(self, curriculum: Curriculum, tokenizer: Tokenizer, seed: int, folder: Path | None = None) -> None:
        self._curriculum = curriculum
        self._tokenizer = tokenizer
        self._seed = seed
        self._texts = Texts()
        self._faces = faces(folder=folder)

    def __len__(self) -> int:
        return self._curriculum.batches

    def __getitem__(self, number: int) -> Batch:
        stage = self._curriculum.stage(number)
        # With the total: a run that is shortened comes by the same numbers again, and must not see the same pages.
        rng = random.Random(f"{self._seed} {self._curriculum.batches} {number}")
        known = self._faces.named(stage.faces) if stage.faces else self._faces
        made = [make_page(wanted(stage, rng), rng.randrange(1 << 62), self._texts, known) for _ in range(stage.pages)]
        return collate(made, self._tokenizer, rng)


def collate(pages: Sequence[Page], tokenizer: Tokenizer, rng: random.Random | None = None) -> Batch:
    """Pages of one size to tensors. With `rng`, some of the decoder's inputs are replaced by other tokens."""
    side = pages[0].pixels.shape[0]
    encoded = [tokenizer.encode(page.text, add_special_tokens=False) for page in pages]
    longest = max(len(one.ids) for one in encoded)
    length = -(-longest // _ROUND) * _ROUND
    inputs = np.full((len(pages), length), PAD, np.int64)
    labels = np.full((len(pages), length + 1), IGNORED, np.int64)
    places = np.full((len(pages), length + 1, 2), np.nan, np.float32)
    for row, (page, one) in enumerate(zip(pages, encoded, strict=True)):
        count = len(one.ids)
        inputs[row, :count] = one.ids
        labels[row, :count] = one.ids
        labels[row, count] = EOS
        starts = [_first_seen(page.text, *offsets) for offsets in one.offsets]
        places[row, :count] = page.places[starts]
        if rng is not None:
            for at in range(count):
                if rng.random() < _WRONG_INPUTS:
                    inputs[row, at] = rng.randrange(PAD + 1, tokenizer.get_vocab_size())
    return Batch(
        pixels=torch.from_numpy(np.stack([page.pixels for page in pages])),
        prefix=torch.tensor(prefix(tokenizer, side)),
        inputs=torch.from_numpy(inputs),
        labels=torch.from_numpy(labels),
        places=torch.from_numpy(places),
        cells=torch.from_numpy(np.stack([cells(page) for page in pages])),
    )


def prefix(tokenizer: Tokenizer, side: int) -> list[int]:
    """Ids before the text: beginning, one <image> for each place of the vision tokens, the prompt "Free OCR."."""
    rows = side // TOKEN
    image = tokenizer.token_to_id("<image>")
    prompt = tokenizer.encode(Prompt(Task.TEXT).text(), add_special_tokens=False).ids
    return [BOS, *[image] * (rows * (rows + 1) + 1), *prompt]


def stream(data: Batches, start: int, stop: int, *, workers: int = 0) -> Iterator[Batch]:
    """Batches `start` to `stop`, in order."""
    order = range(start, stop)
    if not workers:
        yield from (data[number] for number in order)
        return
    loader = DataLoader(
        data, batch_size=None, sampler=order, num_workers=workers, prefetch_factor=4, worker_init_fn=_one_thread
    )
    yield from loader


def _one_thread(_: int) -> None:
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _first_seen(text: str, start: int, stop: int) -> int:
    """The character of a token that the eye looks for: not the space before a word."""
    return start + 1 if stop - start > 1 and text[start] == " " else start
