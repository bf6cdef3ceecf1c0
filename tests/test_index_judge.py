"""The judge of answers: the promised weights, numbers as in torch, and one number for a pair in any company."""

from __future__ import annotations

import logging
import shutil
import threading

import numpy as np
import pytest

from index import graphs, judge_model, judge_weights
from index.errors import ConfigError
from index.judge import Said
from index.judge_model import JudgeConfig, SentenceJudge

TEXT = [
    "The crane was painted green in March.",
    "Two lads were fined ten shillings for stealing rope from the quay.",
    "The dredger broke down and the channel silted up.",
    "A vote of thanks to the chairman closed the meeting.",
]
PIECES = [Said(one, " ".join(TEXT[:at]), " ".join(TEXT[at + 1 :])) for at, one in enumerate(TEXT)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def judge(cache):
    return SentenceJudge(cache)


def test_changed_weights_are_refused(tmp_path, monkeypatch):
    """One flipped byte in the change, or no file, is a ConfigError before anything is loaded."""
    copy = tmp_path / "change.safetensors"
    shutil.copyfile(judge_weights.CHANGE, copy)
    monkeypatch.setattr(judge_weights, "CHANGE", copy)
    judge_weights.verified()
    with copy.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ConfigError, match="sha256"):
        judge_weights.verified()
    copy.unlink()
    with pytest.raises(ConfigError, match="sha256 nothing"):
        judge_weights.verified()


@pytest.mark.models
def test_it_reads_question_and_sentence_together(judge):
    """In other words than the page's: the sentence that answers is far ahead of its neighbours, and what the page does
    not say is answered by none as surely.
    """
    asked = judge.judge("Who had to pay a penalty for theft?", PIECES)
    assert int(asked.argmax()) == 1
    assert asked[1] > np.delete(asked, 1).max() + 1
    missing = judge.judge("What did the new crane cost?", PIECES)
    assert missing.max() < asked[1] - 1


@pytest.mark.models
def test_the_graph_is_the_model(cache):
    """OpenVINO's log-odds in float32 are those of the weights in torch, for pairs of several lengths."""
    import torch
    from safetensors.torch import load_file

    from index.judge_convert import build

    exact = SentenceJudge(cache, JudgeConfig(int8=False))
    pieces = [*PIECES, Said("x"), Said("word " * 400, "before " * 300, "after " * 300)]
    found = exact.judge("Who had to pay a penalty for theft?", pieces)
    pair = build(judge_weights.verified().directory, load_file(judge_weights.CHANGE))
    inner = exact._pairs
    inputs = [
        inner._inputs(*ids)
        for ids in (
            tuple(
                inner._tokenizer.encode(text, add_special_tokens=False).ids[cut]
                for text, cut in (
                    ("Who had to pay a penalty for theft?", slice(60)),
                    (one.before, slice(-45, None)),
                    (one.text, slice(90)),
                    (one.after, slice(45)),
                )
            )
            for one in pieces
        )
    ]
    with torch.no_grad():
        theirs = [float(pair(**{name: torch.from_numpy(rows) for name, rows in one.items()})[0]) for one in inputs]
    assert np.allclose(found, theirs, atol=0.02)


@pytest.mark.models
def test_a_pair_has_one_number_in_any_company(judge):
    """To the last bit: alone, in another order, and while other threads ask."""
    question = "Who had to pay a penalty for theft?"
    alone = np.array([judge.judge(question, [piece])[0] for piece in PIECES])
    assert np.array_equal(judge.judge(question, PIECES[::-1]), alone[::-1])
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(judge.judge(question, PIECES))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(np.array_equal(one, alone) for one in found)


@pytest.mark.models
def test_nothing_is_too_long_or_too_little(judge):
    """Texts of any length are cut; empty ones and none at all are no error."""
    assert judge.judge("why? " * 5000, [Said("word " * 5000, "w " * 5000, "w " * 5000)]).shape == (1,)
    assert np.isfinite(judge.judge("", [Said("")])).all()
    assert judge.judge("Who?", []).shape == (0,)


@pytest.mark.models
def test_every_load_says_the_same(cache, judge):
    """The same log-odds from each of several loads of the graph, to the last bit."""
    question = "Who had to pay a penalty for theft?"
    first = judge.judge(question, PIECES)
    for _ in range(8):
        assert np.array_equal(SentenceJudge(cache).judge(question, PIECES), first)


@pytest.mark.models
def test_the_graph_is_made_once(cache, judge, monkeypatch):
    """A second judge with the same cache converts nothing."""
    assert judge.ready()
    SentenceJudge(cache).prepare()
    monkeypatch.setattr(graphs.subprocess, "run", lambda *_a, **_k: pytest.fail("converted again"))
    again = SentenceJudge(cache)
    again.prepare()
    assert again._pairs is None
    assert again.ready()


def test_a_judge_that_cannot_run_says_so_once(tmp_path, monkeypatch, caplog):
    """Where the graph cannot be made `ready` is False from then on, and the log has the reason."""
    tries = []

    def fail(*_: object) -> None:
        tries.append(1)
        raise RuntimeError("no such processor")

    monkeypatch.setattr(judge_model.graphs, "made", fail)
    judge = SentenceJudge(tmp_path)
    with caplog.at_level(logging.WARNING):
        judge.prepare()
        assert not judge.ready()
        assert not judge.ready()
    assert len(tries) == 1
    assert caplog.text.count("no such processor") == 1
    with pytest.raises(RuntimeError, match="not ready"):
        judge.judge("Who?", [Said("x")])
