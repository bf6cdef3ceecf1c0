"""What tests of the decode engine share: prefixes, transformers' own text for them, engines of a small random model."""

from __future__ import annotations

import torch
from engine_deepseek_kit import model

from worker.engine.deepseek.generate import DecodeEngine
from worker.engine.deepseek.requests import DecodeConfig

NO_RULES = {"ngram_size": 0, "loop_tail": 0, "loop_bans": 0}


def prefixes(loaded, lengths, seed=0):
    """Embeddings (T, D) like those of pages: different ones for each length and seed."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, loaded.dim, generator=generator) * 0.5 for length in lengths]


def engine(loaded=None, **options):
    settings = {"slots": 3, "max_context": 512, "max_new_tokens": 64, **NO_RULES, **options}
    return DecodeEngine(loaded or model(), DecodeConfig(**settings))


def generated_by_transformers(loaded, prefix, most, *, eos=None, ngram=0, window=0):
    """Tokens of `generate`, the end left out, and whether it came. Eager experts: no kernel of its choice."""
    native = loaded.model
    native.set_experts_implementation("eager")
    options = {}
    if ngram:
        native.generation_config.no_repeat_ngram_window_size = window
        options = {"no_repeat_ngram_size": ngram}
    else:
        native.generation_config.no_repeat_ngram_window_size = None
    out = native.generate(
        inputs_embeds=prefix[None],
        attention_mask=torch.ones(1, len(prefix), dtype=torch.long),
        do_sample=False,
        max_new_tokens=most,
        eos_token_id=loaded.eos if eos is None else eos,
        pad_token_id=2,
        **options,
    )[0].tolist()
    ended = out[-1] == (loaded.eos if eos is None else eos)
    return tuple(out[:-1] if ended else out), ended
