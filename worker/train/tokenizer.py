"""A byte-level BPE tokenizer of our own, in the layout of DeepSeek-OCR's: any text, few merges.

Digits are never merged: a number that must be read is read sign by sign. The special tokens have the model's names
and lie at the end of the vocabulary, where `worker.engine.deepseek` looks for them by name.
"""

from __future__ import annotations

import random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from worker.engine.deepseek.randoms import SPECIALS
from worker.train.text import Texts

BOS, EOS, PAD = 0, 1, 2
_MARKS = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>")
_SAMPLES = 4000


def train_tokenizer(vocabulary: int) -> Tokenizer:
    """`vocabulary` tokens in all; at least 271 (bytes and special tokens). The same on every run."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIALS),
        special_tokens=[AddedToken(mark, special=True, normalized=False) for mark in _MARKS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    rng, texts = random.Random(0), Texts()
    tokenizer.train_from_iterator((" ".join(texts.say(rng, 200, 0.1).words) for _ in range(_SAMPLES)), trainer)
    # Not "special" in the library's sense, as in the real vocabulary: table tags must survive decoding.
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in SPECIALS])
    return tokenizer
