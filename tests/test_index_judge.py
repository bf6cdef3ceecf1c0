"""The judge of answers: the promised weights, numbers as in torch, and one number for a piece in any company."""

from __future__ import annotations

import logging
import shutil
import threading

import numpy as np
import pytest

from index import graphs, judge_model, judge_weights
from index.errors import ConfigError
from index.judge import UNREAD, Window
from index.judge_model import JudgeConfig, SentenceJudge

TEXT = [
    "The crane was painted green in March.",
    "Two lads were fined ten shillings for stealing rope from the quay.",
    "The dredger broke down and the channel silted up.",
    "A vote of thanks to the chairman closed the meeting.",
]
QUESTION = "Who had to pay a penalty for theft?"
OPENING = "Minutes of the Harbour Committee, 4 May 1911"
WINDOWS = [Window(TEXT), Window(TEXT[1:3], OPENING), Window(TEXT[:2]), Window(TEXT[1:2], OPENING)]


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
    (asked,) = judge.judge(QUESTION, [Window(TEXT)])
    assert int(asked.argmax()) == 1
    assert asked[1] > np.delete(asked, 1).max() + 1
    (missing,) = judge.judge("What did the new crane cost?", [Window(TEXT)])
    assert missing.max() < asked[1] - 1


@pytest.mark.models
def test_the_graph_is_the_model(cache):
    """OpenVINO's log-odds in float32 are those of the weights in torch, for windows of several lengths: the encoder's
    vectors of each piece, averaged, with the question's and [CLS], through the head. How the page begins stands between
    question and pieces.
    """
    import torch
    from safetensors.torch import load_file

    from index.judge_convert import build

    exact = SentenceJudge(cache, JudgeConfig(int8=False))
    pair = build(judge_weights.verified().directory, load_file(judge_weights.CHANGE))
    windows = [
        *WINDOWS,
        Window(["x"]),
        Window(["word " * 400, "cut " * 400], "begin " * 90),
        Window([f"Item {n} was sold." for n in range(19)]),
    ]
    for window, found in zip(windows, exact.judge(QUESTION, windows), strict=True):
        texts = (QUESTION, window.opening, *window.pieces)
        ids = [exact._pairs._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        asked, opening, *pieces = ids[0][:60], ids[1][:16], *(piece[:90] for piece in ids[2:])
        before = [*opening, exact._pairs._sep] if opening else []
        whole = [exact._pairs._cls, *asked, exact._pairs._sep, *before, *sum(pieces, []), exact._pairs._sep]
        types = torch.tensor([[0] * (len(asked) + 2) + [1] * (len(whole) - len(asked) - 2)])
        with torch.no_grad():
            seen = pair.bert(input_ids=torch.tensor([whole]), token_type_ids=types).last_hidden_state[0]
            at = len(asked) + 2 + len(before)
            for piece, odds in zip(pieces, found, strict=True):
                mean = seen[at : at + len(piece)].mean(0)
                theirs = pair.head(torch.cat([mean, seen[1 : 1 + len(asked)].mean(0), seen[0]])[None])
                assert float(theirs) == pytest.approx(float(odds), abs=0.02)
                at += len(piece)


@pytest.mark.models
def test_a_window_has_its_numbers_in_any_company(judge):
    """To the last bit: alone, in another order, and while other threads ask."""
    alone = [judge.judge(QUESTION, [window])[0] for window in WINDOWS]

    def same(found: list[np.ndarray]) -> bool:
        return all(np.array_equal(a, b) for a, b in zip(found, alone, strict=True))

    assert same(judge.judge(QUESTION, WINDOWS[::-1])[::-1])
    found: list[list[np.ndarray]] = []
    threads = [threading.Thread(target=lambda: found.append(judge.judge(QUESTION, WINDOWS))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(map(same, found))


@pytest.mark.models
def test_nothing_is_too_long_or_too_little(judge):
    """Texts of any length are cut; empty ones and none at all are no error. What is not read cannot be an answer."""
    assert judge.judge(QUESTION, []) == []
    empty = [Window([], OPENING), Window([""]), Window(["", " "], OPENING)]
    assert [one.tolist() for one in judge.judge(QUESTION, empty)] == [[], [UNREAD], [UNREAD] * 2]
    assert np.isfinite(judge.judge("", [Window(["Rain fell."])])[0]).all()
    (long,) = judge.judge("why? " * 5000, [Window(["word " * 5000] * 5, "begin " * 5000)])
    assert (long[:3] > UNREAD).all()
    assert (long[3:] == UNREAD).all()


@pytest.mark.models
def test_every_load_says_the_same(cache, judge):
    """The same log-odds from each of several loads of the graph, to the last bit."""
    first = judge.judge(QUESTION, WINDOWS)
    for _ in range(8):
        again = SentenceJudge(cache).judge(QUESTION, WINDOWS)
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.models
def test_it_reads_how_the_page_begins(judge):
    """Whose yearly pay it is stands in the title only."""
    pay = ["He has 90 pounds a year and a house."]
    question = "What does the harbour master earn?"
    own, other = judge.judge(
        question, [Window(pay, "Terms of the harbour master, 1911"), Window(pay, "Terms of the schoolteacher, 1911")]
    )
    assert own[0] > other[0] + 1


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
        judge.judge("Who?", [Window(["x"])])


@pytest.mark.models
def test_who_does_not_wait_gets_no_judge_that_is_being_made(cache, judge, tmp_path, monkeypatch):
    """While another thread makes it, and before anybody has; a prepared one is loaded at once."""
    assert judge.ready()
    assert SentenceJudge(cache).ready(wait=False)
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_args: object) -> None:
        begun.set()
        assert go_on.wait(20)
        raise RuntimeError("no graph today")

    monkeypatch.setattr(graphs, "made", slow)
    fresh = SentenceJudge(tmp_path)
    assert fresh.ready(wait=False) is False
    assert not begun.is_set(), "nobody waits, so nothing is begun"
    thread = threading.Thread(target=fresh.prepare)
    thread.start()
    assert begun.wait(20)
    assert fresh.ready(wait=False) is False
    go_on.set()
    thread.join()
    assert fresh.ready() is False


@pytest.mark.models
def test_too_many_long_windows_are_read_from_the_first(cache, judge):
    """What is written in rare words costs no more than plain text: the last windows stay unread, the others have the
    numbers that they have alone. One window is always read.
    """
    rare = Window(["Zwyrnklaft qoublichnost vrexumedanti obdurlych." * 3] * 2)
    windows = [rare, Window(TEXT), *([rare] * 30), Window(TEXT)]
    found = judge.judge(QUESTION, windows)
    assert np.array_equal(found[1], judge.judge(QUESTION, [Window(TEXT)])[0])
    unread = [bool((odds == UNREAD).all()) for odds in found]
    assert [len(odds) for odds in found] == [len(window.pieces) for window in windows]
    assert 3 < unread.index(True) < 20
    assert all(unread[unread.index(True) :]), "and none after the first of them"
    tiny = SentenceJudge(cache, JudgeConfig(tokens=1))
    first, second = tiny.judge(QUESTION, [Window(TEXT), Window(TEXT)])
    assert (first > UNREAD).all()
    assert (second == UNREAD).all()


def test_where_it_cannot_run_nobody_is_held_up(tmp_path, monkeypatch, caplog):
    """A machine without its runtime: whoever asks, waiting or not, is told no, and the log says why, once."""

    def missing(*_args: object) -> None:
        raise ImportError("No module named 'openvino'")

    monkeypatch.setattr(graphs, "is_made", missing)
    monkeypatch.setattr(graphs, "made", missing)
    judge = SentenceJudge(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert [judge.ready(wait=False), judge.ready(), judge.ready(wait=False)] == [False] * 3
    assert [record.getMessage().count("openvino") for record in caplog.records] == [1]
