"""Training pairs, and the judge's and the embedder's fits in a few steps: what is read, learned and kept."""

from __future__ import annotations

import json
import random
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from benchmarks import fit_embedder, fit_judge
from benchmarks.pairs import PAIRS, cut, cut_for_judge, read_pairs
from index.embedder_weights import locate
from index.judge_convert import build

pytestmark = [pytest.mark.models, pytest.mark.slow]


@pytest.fixture(scope="module")
def directory():
    return locate(None).directory


@pytest.fixture(scope="module")
def tokenizer(directory):
    made = Tokenizer.from_file(str(directory / "tokenizer.json"))
    made.no_padding()
    return made


@pytest.fixture(scope="module")
def pages(tokenizer, tmp_path_factory):
    """Two of the files."""
    some = tmp_path_factory.mktemp("pairs")
    for name in ("german.jsonl", "series.jsonl"):
        shutil.copy(PAIRS / name, some)
    return read_pairs(tokenizer, some, cut_for_judge)


def test_every_answer_stands_on_its_page():
    """In all files, once each; and no question is asked twice of one page."""
    pages = [json.loads(line) for path in PAIRS.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert len(pages) == 3729
    for page in pages:
        assert [pair["a"] for pair in page["asks"] if page["text"].count(pair["a"]) < 1] == []
        questions = [*(pair["q"] for pair in page["asks"]), *page["none"]]
        assert len(set(questions)) == len(questions) >= 5


def test_questions_have_their_sentence(pages):
    """And its place among the tokens of a window; a series is a group of its own."""
    assert sum(len(one.asked) for one in pages) > 0.99 * 9 * len(pages)
    assert all(len(one.unanswered) == 3 for one in pages)
    for one in pages:
        numbers = [n for window in one.page.windows for n in window.numbers]
        assert numbers == list(range(len(numbers)))
        assert {answer for _, answer in one.asked} <= set(numbers)
    groups = [one.group for one in pages]
    assert sorted(groups.count(group) for group in set(groups)) == [16] * 5 + [75]


def test_a_sentences_place_holds_its_tokens(tokenizer):
    text = "The pump was mended. It cost four pounds and the vestry paid."
    page = cut(text, tokenizer)
    (window,) = page.windows
    assert window.opening == []
    said = [tokenizer.decode([window.ids[i] for i in places]) for places in window.places]
    assert said == ["the pump was mended.", "it cost four pounds and the vestry paid."]
    assert page.sentence(text.index("cost")) == 1
    assert cut("", tokenizer) is None


def test_the_judge_is_fitted_on_what_answers_show_it(tokenizer):
    """Windows of a page's candidates, in the words and with the opening that `worker.answer.judged` gives the judge."""
    text = "# The mill\n\n" + " ".join(f"On the {n}th the **pump** was mended by the elder son." for n in range(12))
    page = cut_for_judge(text, tokenizer)
    assert [n for window in page.windows for n in window.numbers] == list(range(13))
    first, *others = page.windows
    assert others
    assert first.opening == []
    opening = tokenizer.encode("The mill On the 0th the pump was mended by the elder son.", add_special_tokens=False)
    assert {tuple(window.opening) for window in others} == {tuple(opening.ids[:16])}
    last = page.windows[-1]
    said = [tokenizer.decode([last.ids[i] for i in places]) for places in last.places]
    assert said[-1] == "on the 11th the pump was mended by the elder son."
    start, end = page.spans[last.numbers[-1]]
    assert text[start:end] == "On the 11th the **pump** was mended by the elder son."
    assert cut_for_judge("", tokenizer) is None


def test_the_judge_learns_and_is_kept(directory, pages, tmp_path):
    """A few steps on two pages lower their loss; what is saved is what was learned, as the service would build it."""
    torch.manual_seed(0)
    near = fit_judge.Near(directory)
    published = {name: value.clone() for name, value in near.bert.named_parameters()}
    items = fit_judge.items_of(pages[:2], near)
    assert len(items) == 24
    assert sum(item.answer is None for item in items) == 6
    few = items[7:11]  # two with an answer and two without
    assert all(item.answer in item.gold.numbers for item in items if item.gold)
    pair = build(directory, fit_judge._fresh_head())
    pair.bert.embeddings.requires_grad_(False)
    optimiser = torch.optim.AdamW([p for p in pair.parameters() if p.requires_grad], lr=2e-4)
    values = []
    for _ in range(4):
        value = fit_judge.loss(pair, near.ends, few, random.Random(1))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]
    fit_judge.save(pair, published, tmp_path / "change.safetensors")
    again = build(directory, load_file(tmp_path / "change.safetensors"))
    asked = [(item.question, item.beside[0]) for item in items[:3]]
    with torch.no_grad():
        before, after = (fit_judge.odds(one, near.ends, asked) for one in (pair, again))
    assert all(torch.allclose(a, b, atol=0.05) for a, b in zip(before, after, strict=True))
    fit_judge.mix(again, build(directory, fit_judge._fresh_head()), 0.25)
    name, learned = next((n, p) for n, p in pair.bert.named_parameters() if p.requires_grad and "pooler" not in n)
    expected = 0.75 * learned + 0.25 * published[name]
    assert torch.allclose(dict(again.bert.named_parameters())[name], expected, atol=1e-5)


def test_windows_without_a_share_are_not_learnt_from():
    """The first window holds the answer; of the others only the one that is taken for it has a share."""
    rows = [torch.tensor([2.0, 0.0]), torch.tensor([-6.0]), torch.tensor([1.5, 1.0])]
    assert fit_judge.learnt_from(rows, 1) == [0, 2]
    assert fit_judge.learnt_from(rows, 0) == [0, 2]
    unlikely = [torch.tensor([-6.0, -6.0]), torch.tensor([-6.0]), torch.tensor([1.5])]
    assert fit_judge.learnt_from(unlikely, 2) == [0, 2]
    assert fit_judge.learnt_from(unlikely, 0) == [2]
    assert fit_judge.learnt_from([torch.tensor([9.0]), torch.tensor([-2.0])], 1) == []
    assert fit_judge.learnt_from([torch.tensor([-6.0]), torch.tensor([-6.0])], 0) == []


def test_the_gradient_is_that_of_all_windows(directory, pages, monkeypatch):
    """The loss is the same, its gradient nearly so, whether windows without a share are read again or not."""
    near = fit_judge.Near(directory)
    items = [item for item in fit_judge.items_of(pages[:4], near) if len(item.near) > 3][:6]
    torch.manual_seed(0)
    pair = build(directory, fit_judge._fresh_head())
    pair.bert.embeddings.requires_grad_(False)
    with torch.no_grad():
        pair.head[-1].weight.mul_(60)  # so that windows differ
    read = []
    odds = fit_judge.odds

    def counted(pair, ends, asked, **how):
        read.append(len(asked))
        return odds(pair, ends, asked, **how)

    monkeypatch.setattr(fit_judge, "odds", counted)
    values, gradients = [], []
    for least in (0.03, 0.0):
        monkeypatch.setattr(fit_judge, "_LEAST", least)
        pair.zero_grad()
        value = fit_judge.loss(pair, near.ends, items, random.Random(3))
        value.backward()
        values.append(value.item())
        gradients.append(torch.cat([p.grad.flatten() for p in pair.parameters() if p.grad is not None]))
    assert read[0] == read[2] == read[3] > read[1] > 0
    assert values[0] == pytest.approx(values[1], rel=1e-4)
    assert float(functional.cosine_similarity(*gradients, dim=0)) > 0.98


def test_the_embedders_change_learns_and_is_kept(directory, pages, tmp_path):
    """It begins as the published model, a few steps lower the loss, and only the thin matrices change and are kept."""
    torch.manual_seed(0)
    model = fit_embedder.Model(directory, rank=4)
    text = [page.asked[0][0] for page in pages[:2]]
    before = model.questions(text).detach()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    values = []
    for _ in range(3):
        value = fit_embedder.loss(model, pages[:2])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < values[0]
    assert not torch.allclose(model.questions(text), before, atol=1e-3)
    model.save(tmp_path / "change.safetensors")
    kept = load_file(tmp_path / "change.safetensors")
    assert {name.rpartition(".")[2] for name in kept} == {"down", "up"}
    layer = "encoder.layer.0.attention.self.query"
    assert np.allclose(kept[f"{layer}.up"].float(), model.thin[layer].up.detach(), atol=1e-3)


def test_pages_of_a_series_come_together(pages):
    """In batches of sixteen a series of sixteen pages is in one or two neighbouring ones, and no page comes twice."""
    made = list(fit_embedder.batches(pages, 16, random.Random(0)))
    assert all(len(batch) == 16 for batch in made)
    seen = [id(page) for batch in made for page in batch]
    assert len(seen) == len(set(seen)) > len(pages) - 16
    for group in {page.group for page in pages}:
        held = [n for n, batch in enumerate(made) if any(page.group == group for page in batch)]
        if sum(page.group == group for page in pages) == 16:
            assert held[-1] - held[0] <= 1
