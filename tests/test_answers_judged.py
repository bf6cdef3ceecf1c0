"""Extractive answers where a judge reads the candidates: what it is shown, and what its word is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from index.judge import UNREAD, Window
from index.matching import Matcher
from tests.answers_kit import BagEmbedder, page
from worker import wiring
from worker.answer import features, judged
from worker.answer.asking import read_question
from worker.answer.candidates import candidates_of
from worker.answer.features import FEATURES
from worker.answer_extractive import ExtractiveAnswerer, _candidates
from worker.settings import Settings

TEXT = "# Harbour\n\nThe crane was sold in May. The ferry was painted. Old nets were burned on the beach. Rain fell."
QUESTION = "Which craft got a new colour?"


class FakeJudge:
    """Sure of pieces with one of its words and against all others. Notes what it is shown."""

    def __init__(self, *words: str, ready: bool = True) -> None:
        self.words = words
        self.shown: list[list[str]] = []
        self.openings: list[str] = []
        self.asked = self.prepared = 0
        self._ready = ready

    def prepare(self) -> None:
        self.prepared += 1

    def ready(self, *, wait: bool = True) -> bool:
        self.asked += 1
        return self._ready

    def judge(self, question: str, windows: Sequence[Window]) -> list[np.ndarray]:
        self.shown += [list(window.pieces) for window in windows]
        self.openings += [window.opening for window in windows]
        return [
            np.array([30.0 if any(w in p for w in self.words) else -30.0 for p in window.pieces]) for window in windows
        ]


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
    """No Markdown, and sentences that stand together; windows of some 45 words and no more than a dozen."""
    judge = FakeJudge("painted")
    ask(judge)
    assert judge.shown == [
        [
            "Harbour",
            "The crane was sold in May.",
            "The ferry was painted.",
            "Old nets were burned on the beach.",
            "Rain fell.",
        ]
    ]
    many = FakeJudge("nothing")
    ask(many, text="\n\n".join(f"Craft number {n} got a new colour in the spring of {1900 + n}." for n in range(200)))
    assert len(many.shown) == judged._WINDOWS
    assert {len(window) for window in many.shown} == {4}
    short = FakeJudge("nothing")
    ask(short, text="\n\n".join(f"Colour {n}." for n in range(30)))
    assert max(map(len, short.shown)) == judged._PIECES


def test_the_nearest_windows_are_read():
    """Wherever on the page they are, also where search has not compared the page's sentences with the question."""
    text = "\n\n".join([*(f"Rain fell on day {n} and the nets were dried on the beach." for n in range(120)),
                        "The ferry got a new colour.", *(f"Snow fell on day {n}." for n in range(40))])  # fmt: skip
    for compared in (QUESTION, ""):
        judge = FakeJudge("ferry")
        found = ExtractiveAnswerer(BagEmbedder(), judge).answer(QUESTION, [page(text, question=compared)])
        assert [c.quote for c in found.citations] == ["The ferry got a new colour."]
        assert len(judge.shown) == judged._WINDOWS


def test_no_sentence_is_embedded_for_it():
    """Search has compared them, and the judge does the rest."""
    embedder = BagEmbedder()
    assert ask(FakeJudge("painted"), embedder=embedder).found
    assert embedder.embedded == []


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
    """And without anything said for it, a candidate is below the threshold."""
    assert set(judged.WEIGHTS) <= set(FEATURES) - {"meaning", "alike", "weakest", "focus"}
    assert judged.JUDGE > 0
    assert judged.BIAS < judged.THRESHOLD


def test_the_setting_gives_a_judge_or_none(tmp_path):
    """`FOLIOSCOPE_JUDGE`, with the graph in the data directory or in the folder of prepared models."""
    asked = []

    def judge_of(**settings: object):
        given = Settings(data_dir=tmp_path, **settings)
        answerer = wiring.build_answerer(given, wiring.build_extractive(given, BagEmbedder()), None)
        asked.append(answerer.name)
        return answerer._judge

    assert judge_of(judge=False) is None
    assert judge_of(judge=True)._cache == tmp_path / "cache"
    assert judge_of(judge=True, embedder_prepared=tmp_path / "made")._prepared == tmp_path / "made" / "judge"
    assert asked == ["extractive"] * 3


@pytest.mark.parametrize("weights", [{}, {"echo": -1.0, "short": 0.5, "unfit": 0.4, "hint": -0.8, "unhinted": 0.6}])
@pytest.mark.parametrize(
    "question", ["When was the ferry painted?", "Who painted the ferry?", "Which craft got a new colour?"]
)
def test_looking_at_few_forms_ranks_as_looking_at_all(question, weights, monkeypatch):
    """Order and log-odds are those of all candidates with their form; few forms are looked at for the first. So it is
    for other weights too, as another fit may give.
    """
    monkeypatch.setattr(judged, "WEIGHTS", judged.WEIGHTS | weights)
    monkeypatch.setattr(judged, "_VECTOR", np.array([judged.WEIGHTS.get(n, 0.0) for n in FEATURES], np.float32))
    rng = np.random.default_rng(3)
    lines = [f"In {1900 + n} the ferry was painted by Anna Holm." if n % 7 else "Ferry painted" for n in range(60)]
    answerer = ExtractiveAnswerer(BagEmbedder(), FakeJudge())
    pages = [page("\n\n".join(lines), question=question)]
    asked = read_question(question)
    found = answerer._found(asked, Matcher(asked.plan), pages, _candidates(pages))
    looked = []
    real = judged.look_at_form
    monkeypatch.setattr(judged, "look_at_form", lambda q, p, e: (looked.extend(e), real(q, p, e)))
    heard = judged.read(FakeJudge(), asked, found)
    for one in heard:
        one.odds = float(rng.normal(0, 3))
    ranked = judged.best_first(asked, found, heard)
    first = next(ranked)
    assert 0 < len(looked) < len(heard)
    rest = [first, *ranked]
    features.look_at_form(asked, found, heard)
    expected = sorted((judged.score(one) for one in heard), reverse=True)
    assert [value for value, _ in rest] == pytest.approx(expected)
    assert len({id(one) for _, one in rest}) == len(heard)


def test_the_judge_is_told_how_the_page_begins():
    """Without marks, and not beside the page's first window, which holds it."""
    judge = FakeJudge("painted")
    text = "# Harbour of **Skerry**\n\n" + " ".join(f"The craft {n} got a new colour in spring." for n in range(20))
    ask(judge, text=text)
    first = next(n for n, window in enumerate(judge.shown) if "Harbour of Skerry" in window)
    assert judge.openings[first] == ""
    others = {opening for n, opening in enumerate(judge.openings) if n != first}
    assert len(others) == 1
    assert others.pop().startswith("Harbour of Skerry The craft 0 got")


def test_a_window_far_into_a_very_long_page_is_told_its_beginning():
    """Of such a page only what is around the matches is looked at, so its first candidate is not its beginning."""
    far = "The ferry was painted green that spring."
    text = "# Harbour of Skerry\n\n" + "Rain fell on the quay. " * 2500 + far
    window = candidates_of(text, 0, [(text.index(far), text.index(far) + len(far))])[:2]
    assert window[0].order == 0
    assert window[0].start > 1000
    assert judged.shown(text, window).opening.startswith("Harbour of Skerry Rain fell")


def test_rows_are_read_with_the_names_of_their_columns():
    """A row of figures says nothing by itself; an empty cell nothing at all."""
    rows = ("| Harbour | Calls | Master |", "|---|---|---|", "| Skerry | 14 | **Moen** |", "| Ulvik | | Dahl |")
    text = "\n".join(("Calls of the year.", "", *rows))
    window = judged.shown(text, candidates_of(text, 0))
    assert list(window.pieces) == [
        "Calls of the year.",
        "Harbour Calls Master",
        "Harbour: Skerry, Calls: 14, Master: Moen",
        "Harbour: Ulvik, Master: Dahl",
    ]


def test_what_the_judge_had_no_room_for_counts_as_not_read():
    """Its page gains nothing in reranked results."""

    class Small(FakeJudge):
        def judge(self, question, windows):
            read = super().judge(question, windows)
            return [read[0], *(np.full(len(odds), UNREAD) for odds in read[1:])]

    pages = [page(f"{name} was painted.", document=name, question=QUESTION) for name in ("ferry", "smack")]
    reader = ExtractiveAnswerer(BagEmbedder(), Small("painted"))
    first, second = sorted(reader.odds(QUESTION, pages), reverse=True)
    assert first > 0
    assert second == -np.inf
