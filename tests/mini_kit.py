"""A mini checkpoint with random weights, and cards to show it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import torch
from PIL import Image

from worker.train.curriculum import cards
from worker.train.forms import CARD, new_model
from worker.train.measure import held_out, usual
from worker.train.store import write_weights
from worker.train.tokenizer import train_tokenizer

_SCRATCH: list[tempfile.TemporaryDirectory] = []


@cache
def untrained(seed: int = 0) -> Path:
    """A folder in the layout of the packaged one; do not write into it."""
    _SCRATCH.append(tempfile.TemporaryDirectory(prefix="folioscope-tests-"))
    folder = Path(_SCRATCH[-1].name)
    tokenizer = train_tokenizer(CARD.dimensions.vocabulary)
    write_weights(folder, CARD, tokenizer, new_model(CARD, seed).state_dict(), torch.bfloat16)
    return folder


def card_images(count: int) -> list[Image.Image]:
    """Cards as the model is judged by, with text that training never says."""
    stage = cards(1).stages[-1]
    pages = held_out(usual(stage), count, faces_too=False, names=stage.faces)
    return [Image.fromarray(page.pixels) for page in pages]
