"""How well a model reads: character error rate and word accuracy, unguessable strings apart. Greedy decoding.

Errors of the whole text are edit distance over true length, line ends and runs of spaces counted as one space. For the
unguessable part the same alignment is used: of all edits those that fall into such strings, over their length.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from worker.train.batches import prefix
from worker.train.curriculum import Stage
from worker.train.fonts import faces
from worker.train.pages import Page, Wanted, make_page
from worker.train.text import Texts
from worker.train.tokenizer import EOS, PAD

_FIRST_SEED = 1 << 62  # training draws its seeds from below


@dataclass(frozen=True, slots=True)
class Score:
    """`cer` and `unguessable` are error rates, `words` the share of true words that were read exactly."""

    pages: int
    characters: int
    cer: float
    unguessable: float
    words: float


def held_out(
    wanted: Wanted, count: int, *, faces_too: bool, folder: Path | None = None, names: Collection[str] = ()
) -> list[Page]:
    """Pages with text that training never says: in the training's faces, of which `names` are used (none: all), or,
    with `faces_too`, in faces that it never sees.
    """
    texts, known = Texts(held_out=True), faces(held_out=faces_too, folder=folder).named(names)
    return [make_page(wanted, _FIRST_SEED + number, texts, known) for number in range(count)]


def usual(stage: Stage) -> Wanted:
    """The page that a stage is judged by: its hardest in size and length, in three quarters of its wear."""
    hard = stage.hardest
    return Wanted(hard.side, hard.chars, hard.sizes, 0.2, 0.75 * hard.wear, hard.layout)


@torch.no_grad()
def read(native: Any, tokenizer: Tokenizer, pixels: np.ndarray, most: int) -> list[str]:
    """Texts of grey views (B, S, S) uint8 by transformers' own `generate`; at most `most` tokens each."""
    # The loader may keep the encoder in other numbers than the decoder.
    weight = next(native.model.vision_tower.parameters())
    views = torch.from_numpy(pixels).to(weight.device)[:, None].expand(-1, 3, -1, -1).float() * (2 / 255) - 1
    ids = torch.tensor([prefix(tokenizer, pixels.shape[-1])], device=weight.device).expand(len(pixels), -1)
    native.config.image_token_id = tokenizer.token_to_id("<image>")
    written = native.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=views.to(weight.dtype),
        do_sample=False,
        max_new_tokens=most,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )[:, ids.shape[1] :]
    return [tokenizer.decode(_until_end(row), skip_special_tokens=True) for row in written.tolist()]


def measure(native: Any, tokenizer: Tokenizer, pages: Sequence[Page], batch: int = 16) -> Score:
    """Read all pages and compare."""
    most = max(len(tokenizer.encode(page.text).ids) for page in pages) + 24
    texts: list[str] = []
    for start in range(0, len(pages), batch):
        part = pages[start : start + batch]
        texts += read(native, tokenizer, np.stack([page.pixels for page in part]), most)
    return score([(page.text, page.guessable) for page in pages], texts)


def score(true: Sequence[tuple[str, np.ndarray]], texts: Sequence[str]) -> Score:
    """`true` are texts with, for each character, whether it could be guessed."""
    from rapidfuzz.distance import Levenshtein

    edits = characters = strange = strange_edits = words = right = 0
    for (text, guessable), got in zip(true, texts, strict=True):
        wanted, known = _squeezed(text, guessable)
        written = " ".join(got.split())
        found = Levenshtein.editops(wanted, written)
        edits += len(found)
        characters += len(wanted)
        strange += int((~known).sum())
        strange_edits += sum(not known[min(op.src_pos, len(known) - 1)] for op in found)
        words += len(wanted.split(" "))
        right += _words_right(wanted, {op.src_pos for op in found})
    return Score(
        len(texts), characters, edits / max(1, characters), strange_edits / max(1, strange), right / max(1, words)
    )


def _words_right(text: str, touched: set[int]) -> int:
    """Words without any edit inside or at their ends."""
    right = start = 0
    for word in text.split(" "):
        stop = start + len(word)
        right += not any(place in touched for place in range(start, stop + 1))
        start = stop + 1
    return right


def _squeezed(text: str, guessable: np.ndarray) -> tuple[str, np.ndarray]:
    """White space as single spaces, and the flags of what is left."""
    kept = [at for at, char in enumerate(text) if not char.isspace() or (at and not text[at - 1].isspace())]
    while kept and text[kept[-1]].isspace():
        kept.pop()
    return "".join(" " if text[at].isspace() else text[at] for at in kept), guessable[kept]


def _until_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(EOS)] if EOS in ids else ids
