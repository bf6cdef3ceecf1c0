"""Choosing tokens on the device: the no-repeat rule against a naive one, loops, finish reasons."""

from __future__ import annotations

import random

import pytest
import torch
from engine_decode_kit import engine, prefixes
from engine_deepseek_kit import model

from worker.engine.deepseek.next_token import PERIODS, Chooser, Rules
from worker.engine.engine import Finish

CPU = torch.device("cpu")


def naive_forbidden(tokens, size, window, exempt):
    """The rule as a person would write it down."""
    if len(tokens) < size:
        return set()
    end = tuple(tokens[len(tokens) - size + 1 :])
    found = set()
    for start in range(max(0, len(tokens) - window), len(tokens) - size + 1):
        gram = tuple(tokens[start : start + size])
        if gram[:-1] == end:
            found.add(gram[-1])
    return found - set(exempt)


@pytest.mark.parametrize(("size", "window"), [(1, 5), (2, 7), (3, 30), (5, 20), (30, 90)])
def test_no_repeat_rule_equals_the_naive_one(size, window):
    """Random sequences of few different tokens, all lengths, some tokens exempt, several slots at once."""
    seed = random.randrange(10**6)
    print("seed", seed)
    generator = random.Random(seed)
    vocabulary, exempt = 4, (2,)
    chooser = Chooser(Rules(ngram_size=size, ngram_window=window, exempt=exempt, loop_tail=0), CPU)
    hits = 0
    for _ in range(60):
        rows = []
        for _ in range(3):
            period = [generator.randrange(vocabulary) for _ in range(generator.randint(1, 40))]
            count = generator.randint(0, 150)
            rows.append([period[at % len(period)] if generator.random() < 0.99 else 0 for at in range(count)])
        out = torch.full((3, 160), 3)
        for row, tokens in zip(out, rows, strict=True):
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
        count = torch.tensor([len(tokens) for tokens in rows])
        logits = torch.randn(3, vocabulary)
        before = logits.clone()
        banned = chooser.forbid(logits, chooser.last_tokens(out, count), count)
        for row, tokens in enumerate(rows):
            expected = naive_forbidden(tokens, size, window, exempt)
            assert set(logits[row].isinf().nonzero()[:, 0].tolist()) == expected
            kept = [token for token in range(vocabulary) if token not in expected]
            assert torch.equal(logits[row, kept], before[row, kept])
            assert bool(banned[row]) == (int(before[row].argmax()) in expected)
            hits += len(expected)
    assert hits > 0


@pytest.mark.parametrize("period", [1, 2, 7, 100, PERIODS])
def test_a_periodic_tail_is_a_loop(period):
    """After `loop_tail` periodic tokens, or four periods where these are longer; not one token earlier."""
    chooser = Chooser(Rules(ngram_size=0, loop_tail=64, loop_bans=0), CPU)
    out, run = torch.zeros(1, 3000, dtype=torch.int64), torch.zeros(1, PERIODS, dtype=torch.int32)
    head = 50
    looped_at = None
    for at in range(2000):
        token = torch.tensor([1000 + at if at < head else (at - head) % period])
        count = torch.tensor([at])
        run = chooser.runs(run, chooser.last_tokens(out, count), token)
        out[0, at] = token[0]
        if chooser.looping(run, torch.tensor([0])).any():
            looped_at = at
            break
    assert looped_at == head + period + max(64, 4 * period) - 1


def test_no_loop_in_text_without_one():
    """Random tokens, and a table with many equal cells that ends."""
    chooser = Chooser(Rules(ngram_size=0, loop_tail=64, loop_bans=0), CPU)
    generator = random.Random(3)
    tokens = (
        [generator.randrange(500) for _ in range(500)] + [1, 2] * 30 + [generator.randrange(500) for _ in range(99)]
    )
    out, run = torch.zeros(1, 1000, dtype=torch.int64), torch.zeros(1, PERIODS, dtype=torch.int32)
    for at, token in enumerate(tokens):
        run = chooser.runs(run, chooser.last_tokens(out, torch.tensor([at])), torch.tensor([token]))
        out[0, at] = token
        assert not chooser.looping(run, torch.tensor([0])).any()


def test_repetition_ends_as_a_loop_and_keeps_its_text():
    """The small model falls into repeating some day: found by its period, or by the rule's interventions."""
    loaded = model()
    (prefix,) = prefixes(loaded, (9,), seed=21)
    for rules in ({"loop_bans": 3, "loop_span": 200, "ngram_size": 1, "ngram_window": 60},):
        running = engine(loaded, max_new_tokens=400, **rules)
        try:
            (one,) = running.generate([prefix])
        finally:
            running.close()
        assert one.finish is Finish.LOOP
        assert one.bans == 3
        assert 0 < len(one.tokens) < 400


def test_bans_long_ago_are_forgiven():
    """Only bans within `loop_span` tokens make a loop."""
    loaded = model()
    (prefix,) = prefixes(loaded, (9,), seed=21)
    running = engine(loaded, max_new_tokens=400, loop_bans=3, loop_span=2, ngram_size=1, ngram_window=4)
    try:
        (one,) = running.generate([prefix])
    finally:
        running.close()
    assert one.bans > 3 or one.finish is Finish.LENGTH


def test_limits():
    """`max_new_tokens` of a request, of the engine, and the end of the context: each ends a page as `length`."""
    loaded = model()
    short, long = prefixes(loaded, (10, 90))
    running = engine(loaded, max_context=100, max_new_tokens=40)
    try:
        assert len(running.submit(short, max_new_tokens=7).result(60).tokens) == 7
        assert len(running.submit(short, max_new_tokens=1).result(60).tokens) == 1
        assert len(running.submit(short, max_new_tokens=99).result(60).tokens) == 40
        one = running.submit(long).result(60)
        assert (len(one.tokens), one.finish) == (10, Finish.LENGTH)
    finally:
        running.close()
