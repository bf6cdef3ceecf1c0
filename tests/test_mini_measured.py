"""Measurements of the mini model, in their smallest form, with random weights: they run, and measure what they say."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from mini_kit import untrained

from benchmarks import mini_finding, mini_tokens
from benchmarks.mini_kit import encoded, engine, last_stage
from index.errors import ConfigError
from worker.train.measure import held_out, usual


@pytest.fixture(scope="module")
def reader():
    made = engine(untrained(), most=12)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pages():
    return held_out(usual(last_stage()), 2, faces_too=False, names=last_stage().faces)


def test_quantised_tokens_are_near_and_small():
    """8 bits lose under 1 %, 4 bits about a tenth, as theory says of normal numbers, and neither changes the length."""
    tokens = np.random.default_rng(3).normal(size=(16, 256)).astype(np.float16)
    for through, share, lost in ((mini_tokens.int8, 0.51, 0.011), (mini_tokens.rotated4, 0.26, 0.11)):
        kept, size = through(tokens)
        assert kept.shape == tokens.shape
        assert size < share * tokens.nbytes
        assert mini_tokens._relative(tokens, kept) < lost
    kept, _ = mini_tokens.rotated4(tokens)
    true, other = tokens.astype(np.float32), kept.astype(np.float32)
    along = (true * other).sum(axis=1) / (true * true).sum(axis=1)
    np.testing.assert_allclose(along, 1, atol=0.01)


def test_outliers_are_what_rotation_is_for():
    """A token of one large number among small ones survives 4 bits."""
    tokens = np.full((4, 256), 0.05, np.float16)
    tokens[:, 7] = 20
    kept, _ = mini_tokens.rotated4(tokens)
    assert mini_tokens._relative(tokens, kept) < 0.15


def test_tokens_come_back_from_the_index_bit_for_bit(reader, pages, tmp_path):
    """Stored, the index closed and opened: the same float16 numbers and the same description."""
    tokens = encoded(reader, [page.pixels for page in pages])
    for before, after in zip(tokens, mini_tokens.from_store(reader, tokens, tmp_path), strict=True):
        assert before.array.tobytes() == after.array.tobytes()
        assert before.format == after.format


def test_all_rows_are_there(reader, pages, monkeypatch):
    """One row for each number of characters, size and format; float16 is what the others are compared with."""
    monkeypatch.setattr(mini_tokens, "CHARACTERS", (20, 60))
    monkeypatch.setattr(mini_tokens, "SIZES", (14, 30))
    rows = mini_tokens.compression(reader, usual(last_stage()), last_stage().faces, 2)
    assert [row[1] for row in rows] == ["20 to 26", "20 to 26", "14", "30"]
    assert rows[0][2] < rows[1][2]
    formats = mini_tokens.storage(reader, pages)
    assert [row[1] for row in formats] == [8192, 4128, 2080]
    assert formats[0][5] == 1
    compared = mini_tokens.stored(reader, pages, untrained())
    assert compared[0][2] == 0


def test_phrases_are_cut_from_what_they_are_found_on():
    """Three words that stand next to each other on the card that a query names."""
    cards = ["the keeper of the light was sent for", "no", "order BX-7731 went to the foundry on Monday"]
    found = mini_finding.phrases(cards, 12, random.Random(1))
    assert len(found) == 12
    assert all(one.phrase in " ".join(cards[one.card].split()) and len(one.phrase.split()) == 3 for one in found)


def test_a_drawn_phrase_is_all_on_the_card():
    """Ink on white, and none at the edges, for long words too."""
    for seed in range(5):
        pixels = mini_finding.drawn("correspondence administration extraordinary", random.Random(seed))
        assert pixels.shape == (256, 256)
        assert pixels.min() < 50
        assert (pixels[[0, -1]] == 255).all()


def test_recall_counts_ties_against_the_system():
    """A system that gives everything the same score finds nothing."""
    queries = [mini_finding.Query("a", 0), mini_finding.Query("b", 2)]
    assert mini_finding.recall(np.zeros((2, 20)), queries, 10) == 0
    assert mini_finding.recall(np.eye(20)[[0, 2]], queries, 1) == 1
    assert mini_finding.recall(np.eye(20)[[1, 2]], queries, 1) == 0.5


def test_decoded_text_finds_phrases_with_a_misread_letter():
    """Trigrams bear an error that whole words would not."""
    cards = ["Berth 4 is let to the widow Keane", "the dredger Comet took 812 loads", "Crane no. 2 stands still"]
    queries = [mini_finding.Query("dredger Cornet took", 1), mini_finding.Query("the widow Kearie", 0)]
    assert mini_finding.recall(mini_finding.by_text(queries, cards), queries, 1) == 1


def test_a_head_learns_what_stands_in_tokens():
    """Each token means a word: after training, a query of two words finds the only new card that has both."""
    generator = torch.Generator().manual_seed(2)
    words = [f"{first}{second}{first}" for first in "abcd" for second in "klmn"]
    meant = torch.randn(16, 16, generator=generator)

    def views(count: int) -> tuple[torch.Tensor, list[list[int]]]:
        chosen = [torch.randperm(16, generator=generator)[:4].tolist() for _ in range(count)]
        return torch.stack([meant[one] for one in chosen]), chosen

    tokens, chosen = views(400)
    said = [" ".join(words[word] for word in one) for one in chosen]
    head = mini_finding.trained(tokens, said, 150)
    cards, others = views(20)
    asked = torch.cat([cards[:, :2], torch.zeros(20, 2, 16)], dim=1)
    scores = mini_finding.by_tokens(head, asked, cards, said)
    right = [set(one[:2]) <= set(others[int(best)]) for one, best in zip(others, scores.argmax(axis=1), strict=True)]
    assert sum(right) >= 16


def test_finding_runs_from_pixels_to_recall(reader, monkeypatch):
    """Decoded text, tokens and chance, each with its recalls; here the decoder is one that reads without a mistake."""
    true = [page.text for page in held_out(usual(last_stage()), 12, faces_too=False, names=last_stage().faces)]
    monkeypatch.setattr(mini_finding, "texts", lambda _reader, tokens: true[: len(tokens)])
    rows = mini_finding.measured(reader, 6, 4, 6, 3)
    assert [row[0] for row in rows] == ["decoded text", "vision tokens, trained head", "by chance"]
    assert rows[0][1:] == (1, 1, 1)
    assert all(0 <= value <= 1 for value in rows[1][1:])


def test_a_model_that_writes_no_words_is_told(reader):
    """Without decoded phrases there is nothing to train a head on: said so, in place of numbers."""
    with pytest.raises(ConfigError, match="writes no phrases"):
        mini_finding.measured(reader, 2, 2, 2, 1)
