"""Extractive answers where a judge reads the candidates: what it is shown, and what its word is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from index.judge import Said
from tests.answers_kit import BagEmbedder, page
from worker import wiring
from worker.answer import judged
from worker.answer.features import FEATURES
from worker.answer_extractive import ExtractiveAnswerer
from worker.settings import Settings

TEXT = "# Harbour\n\nThe crane was sold in May. The ferry was painted. Old nets were burned on the beach. Rain fell."
QUESTION = "Which craft got a new colour?"


class FakeJudge:
    """Sure of pieces with one of its words and against all others. Notes what it is shown."""

    def __init__(self, *words: str, ready: bool = True) -> None:
        self.words = words
        self.shown: list[Said] = []
        self.asked = self.prepared = 0
        self._ready = ready

    def prepare(self) -> None:
        self.prepared += 1

    def ready(self) -> bool:
        self.asked += 1
        return self._ready

    def judge(self, question: str, pieces: Sequence[Said]) -> np.ndarray:
        self.shown += pieces
        return np.array([30.0 if any(w in p.text for w in self.words) else -30.0 for p in pieces], np.float32)


def ask(judge: FakeJudge | None, question: str = QUESTION, text: str = TEXT, embedder: BagEmbedder | None = None):
    return ExtractiveAnswerer(embedder or BagEmbedder(), judge).answer(question, [page(text, question=question)])


def test_what_the_judge_is_sure_of_is_quoted():
    """Without a word in common with the question."""
    answer = ask(FakeJudge("painted"))
    assert answer.found
    assert [c.quote for c in answer.citations] == ["The ferry was painted."]
    assert answer.confidence > 0.7


def test_what_it_denies_is_not_quoted():
    """Also where the question's own words stand there."""
    question = "When was the crane sold?"
    assert ask(FakeJudge("crane"), question).found
    denied = ask(FakeJudge("nothing of this"), question)
    assert not denied.found
    assert denied.confidence < 0.1


def test_it_is_shown_words_with_their_neighbours():
    """No Markdown, the piece itself and what stands before and after it; four pieces at most."""
    judge = FakeJudge("painted")
    ask(judge)
    (piece,) = [one for one in judge.shown if one.text == "The ferry was painted."]
    assert piece.before == "Harbour The crane was sold in May."
    assert piece.after == "Old nets were burned on the beach. Rain fell."
    many = FakeJudge("nothing")
    ask(many, text="\n\n".join(f"Craft number {n} got a colour in {1900 + n}." for n in range(60)))
    assert len(many.shown) == 4
    assert all(len(one.before) <= judged._BESIDE and len(one.after) <= judged._BESIDE for one in many.shown)


def test_words_are_compared_only_where_they_could_decide():
    """What the judge denies cannot be saved by likeness of words, so none is looked for."""
    thorough, quick = BagEmbedder(), BagEmbedder()
    ask(FakeJudge("painted"), embedder=thorough)
    ask(FakeJudge("nothing of this"), embedder=quick)
    assert "ferry" in thorough.embedded
    assert "ferry" not in quick.embedded


@pytest.mark.parametrize("question", ['"painted"', QUESTION])
def test_a_judge_that_is_not_ready_is_as_none(question):
    """Answers are those of an answerer without one, and nothing is asked of it."""
    absent = FakeJudge("painted", ready=False)
    given, without = ask(absent, question), ask(None, question)
    assert (given.found, given.citations, given.confidence) == (without.found, without.citations, without.confidence)
    assert absent.shown == []


def test_look_ups_need_no_judge():
    """What goes by spelling is answered without it."""
    judge = FakeJudge()
    assert ask(judge, '"nets were burned"').citations[0].quote == "Old nets were burned on the beach."
    assert judge.shown == []


def test_it_is_prepared_when_the_answerer_is():
    """And not loaded: that takes memory, and waits for the first question."""
    judge = FakeJudge()
    ExtractiveAnswerer(BagEmbedder(), judge).prepare()
    assert (judge.prepared, judge.asked) == (1, 0)
    ExtractiveAnswerer(BagEmbedder()).prepare()


def test_weights_are_of_features_there_are():
    """And without anything said for it, a candidate is below the threshold. The bound on comparing words holds only
    while likeness speaks for a candidate.
    """
    assert set(judged.WEIGHTS) == set(FEATURES)
    assert all(judged.WEIGHTS[name] > 0 for name in ("alike", "weakest", "focus"))
    assert judged.JUDGE > 0
    assert judged.BIAS < judged.THRESHOLD


def test_the_setting_gives_a_judge_or_none(tmp_path):
    """`FOLIOSCOPE_JUDGE`, with the graph in the data directory or in the folder of prepared models."""
    asked = []

    def judge_of(**settings: object):
        answerer = wiring.build_answerer(Settings(data_dir=tmp_path, **settings), BagEmbedder(), None)
        asked.append(answerer.name)
        return answerer._judge

    assert judge_of(judge=False) is None
    assert judge_of(judge=True)._cache == tmp_path / "cache"
    assert judge_of(judge=True, embedder_prepared=tmp_path / "made")._prepared == tmp_path / "made" / "judge"
    assert asked == ["extractive"] * 3
