"""The decode engine writes what transformers' `generate` writes, token for token, whatever joins when."""

from __future__ import annotations

import time

import pytest
import torch
from engine_decode_kit import engine, generated_by_transformers, prefixes
from engine_deepseek_kit import model, page

from worker.engine.deepseek import layout
from worker.engine.deepseek.encoder import Encoder
from worker.engine.deepseek.modes import DEEPSEEK_OCR, DEEPSEEK_OCR_2, UNLIMITED_OCR, modes_of
from worker.engine.deepseek.requests import Prefix
from worker.engine.engine import Finish

LENGTHS = (5, 40, 17, 90, 3, 61, 28, 33)


@pytest.mark.parametrize("kind", [DEEPSEEK_OCR, DEEPSEEK_OCR_2, UNLIMITED_OCR])
def test_staggered_requests_equal_generate(kind):
    """Eight pages through three slots, joining while others run, in pieces: each as if it were alone. Unlimited-OCR's
    window (16 here) is far exceeded, so its ring of keys is proved too."""
    loaded = model(kind)
    pages = prefixes(loaded, LENGTHS)
    limits = [50, 20, 64, 35, 64, 10, 41, 50]
    running = engine(loaded, prefill_tokens=16)
    try:
        futures = []
        for number, (prefix, limit) in enumerate(zip(pages, limits, strict=True)):
            futures.append(running.submit(prefix, max_new_tokens=limit))
            if number % 3 == 1:
                time.sleep(0.05)
        got = [future.result(200) for future in futures]
    finally:
        running.close()
    for prefix, limit, one in zip(pages, limits, got, strict=True):
        expected, _ = generated_by_transformers(loaded, prefix, limit)
        assert one.tokens == expected
        assert one.finish is Finish.LENGTH
        assert len(set(expected)) > 5  # the text is no constant, so equality says something


def test_every_mode_from_pixels_equals_generate():
    """Pages of all modes with prompts of different lengths in one engine, from encoded pixels."""
    loaded = model()
    modes = modes_of(DEEPSEEK_OCR)
    images = [page(seed=number, size=(1400, 1000)) for number in range(len(modes))]
    encoded = Encoder(loaded).encode(images, modes)
    requests, embedded = [], []
    for number, tokens in enumerate(encoded):
        rows = layout.sequence(loaded, tokens)
        words = tuple(range(20, 20 + 3 * number + 1))
        ids = (loaded.bos, *[loaded.image_id] * len(rows), *words)
        requests.append(Prefix(ids, rows))
        x = loaded.model.get_input_embeddings()(torch.tensor(ids))
        embedded.append(torch.cat([x[:1], rows, x[1 + len(rows) :]]).detach())
    running = engine(loaded, slots=2, max_context=2048, max_new_tokens=24)
    try:
        got = running.generate(requests)
    finally:
        running.close()
    for x, one in zip(embedded, got, strict=True):
        assert one.tokens == generated_by_transformers(loaded, x, 24)[0]


def test_no_repeat_rule_equals_generates():
    """With the windowed rule of transformers' class, which has no exempt tokens."""
    loaded = model()
    pages = prefixes(loaded, (12, 30, 7), seed=3)
    running = engine(loaded, max_new_tokens=120, ngram_size=2, ngram_window=40, ngram_exempt=())
    try:
        got = running.generate(pages)
    finally:
        running.close()
    for prefix, one in zip(pages, got, strict=True):
        assert one.tokens == generated_by_transformers(loaded, prefix, 120, ngram=2, window=40)[0]
    assert sum(one.bans for one in got) > 0


def test_end_token_ends_a_page():
    """At the same place as in `generate`; it is not among the tokens, and its neighbours go on."""
    loaded = model()
    pages = prefixes(loaded, (21, 34, 55), seed=5)
    eos = generated_by_transformers(loaded, pages[0], 40)[0][25]
    running = engine(loaded, max_new_tokens=40, eos=(eos,))
    try:
        got = running.generate(pages)
    finally:
        running.close()
    for prefix, one in zip(pages, got, strict=True):
        expected, ended = generated_by_transformers(loaded, prefix, 40, eos=eos)
        assert one.tokens == expected
        assert one.finish is (Finish.END if ended else Finish.LENGTH)
    assert got[0].finish is Finish.END


def test_logits_equal_the_native_forward_pass():
    """To 1e-4; and so is the mean log-probability of what was generated, prefix in pieces."""
    loaded = model()
    (prefix,) = prefixes(loaded, (50,), seed=8)
    running = engine(loaded, prefill_tokens=8, max_new_tokens=12)
    try:
        (one,) = running.generate([prefix])
        slots, decoder = running._slots, running.decoder
    finally:
        running.close()
    ids = torch.tensor([one.tokens])
    with torch.inference_mode():
        x = torch.cat([prefix[None], loaded.model.get_input_embeddings()(ids)], 1)
        native = loaded.model.lm_head(loaded.model.model.language_model(inputs_embeds=x).last_hidden_state)[0]
        cos, sin = decoder.rotary(len(x[0]))
        from worker.engine.deepseek.attention import attend_prefix

        hidden = decoder.forward(x[0], cos, sin, lambda _, q, k, v: attend_prefix(q, k, v).flatten(1))
        assert (decoder.logits(hidden) - native).abs().max() < 1e-4
        chosen = native[49:-1].log_softmax(-1).gather(1, ids.T)[:, 0]
        # What the slot's keys hold is what the whole prefix gives.
        keys = slots.cache.keys[0, 0, : 50 + 11].clone()
    assert one.mean_logprob == pytest.approx(float(chosen.mean()), abs=1e-4)
    assert keys.isfinite().all()


def test_text_does_not_depend_on_neighbours():
    """The same page alone, among short ones and among long ones."""
    loaded = model()
    (prefix,) = prefixes(loaded, (37,), seed=11)
    texts = set()
    for others in ((), (4, 9, 2, 7), (200, 120, 300)):
        running = engine(loaded, slots=4)
        try:
            texts.add(running.generate([*prefixes(loaded, others, seed=12), prefix])[-1].tokens)
        finally:
            running.close()
    assert len(texts) == 1
