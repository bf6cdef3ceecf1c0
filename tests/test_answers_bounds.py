"""Work that answering leaves out changes no answer: words that are not compared, forms that are not looked at."""

from __future__ import annotations

import random
import re
import time

import pytest

from index.matching import Matcher
from tests.answers_kit import BagEmbedder, page
from worker.answer import features, model, records
from worker.answer.asking import read_question
from worker.answer.candidates import candidates_of
from worker.answer_extractive import ExtractiveAnswerer

_TOLD_TEXT = (
    "the harbour master repaired lock gates ferry sold autumn paid twelve pounds bishop portrait market wheat barley "
    "flood watched night lantern keeper counted boats letter bridge mason stone wall quay engine fire winter"
)
_TOLD = _TOLD_TEXT.split()


def _told(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(1, 12)):
        words = " ".join(rng.choices(_TOLD, k=rng.randint(2, 12)))
        when = rng.choice(["", f" on {rng.randint(1, 28)} May 1921", f" for £{rng.randint(1, 90)}"])
        lines.append(f"{rng.choice(['# ', '', '', ''])}{words.capitalize()}{when}.")
    return "\n\n".join(lines)


def test_comparing_fewer_words_decides_the_same():
    """Candidates that could not be cited whatever their words mean are not compared; who is cited, and how surely, is
    as if all of them had been. The bound holds only while likeness speaks for a candidate.
    """
    assert all(model.WEIGHTS[name] > 0 for name in ("alike", "weakest", "focus"))
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    fewer = found = 0
    for _ in range(150):
        texts = [_told(rng) for _ in range(5)]
        said = re.findall(r"[a-z]{3,}", rng.choice(texts)) + _TOLD
        question = f"{rng.choice(['When', 'Who', 'How much', 'Why'])} was the {' '.join(said[at] for at in range(4))}?"
        held = [page(text, number=n, question=question, score=1 - n / 20) for n, text in enumerate(texts, 1)]
        quick, thorough = BagEmbedder(), BagEmbedder()
        answer = ExtractiveAnswerer(quick).answer(question, held)
        evidence = ExtractiveAnswerer(thorough).evidence(question, held)
        scores = sorted(((model.score(e.row), e.candidate) for e in evidence), key=lambda p: -p[0])
        best = max((s for s, _ in scores), default=-9.0)
        assert answer.found == (best >= model.THRESHOLD)
        if answer.found:
            found += 1
            top = scores[0][1]
            first = answer.citations[0]
            assert (first.key.page, first.start) == (held[top.page][0].key.page, top.start)
            assert answer.confidence == pytest.approx(model.confidence(best), abs=1e-4)
            near = {(c.page, c.start) for s, c in scores if s >= max(model.THRESHOLD, best - 0.7)}
            assert {(c.key.page - 1, c.start) for c in answer.citations} <= near
        else:
            assert model.confidence(best) - 1e-4 <= answer.confidence <= 0.5  # told to four digits
        fewer += len(thorough.embedded) - len(quick.embedded)
    assert found > 5
    assert fewer > 0


def test_a_look_at_fewer_forms_keeps_the_same_candidates():
    """Those that `sift` keeps come out the same whether all candidates were looked at or only those within reach."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(60):
        question = f"{rng.choice(['When', 'How much', 'Who'])} {' '.join(rng.sample(_TOLD, 3))}?"
        asked = read_question(question)
        pages = []
        for number in range(4):
            hit, point = page(_told(rng), number=number + 1, question=question)
            candidates = candidates_of(point.text, number)
            pages.append(features.Found(point.text, "x", candidates, -number / 10))
            features.look(asked, Matcher(asked.plan), pages[-1], hit.sentences)
        whole = features.sift(features.measure(asked, pages), 5)
        quick = features.measure(asked, pages, keep=5)
        kept = features.sift(quick, 5)
        assert [e.candidate for e in kept] == [e.candidate for e in whole]
        assert all((a.row == b.row).all() for a, b in zip(kept, whole, strict=True))


def test_a_long_row_of_dots_is_no_long_work():
    """Whether a line may be a record's title is told from its end, and not from each of its dots anew."""
    text = "Name: Solveig\n\n" + "." * 39_000 + "a\n\nBuilt: 1953\n\nName: Marie\n\nBuilt: 1954\n"
    began = time.process_time()
    found = features.Found(text, "", candidates_of(text, 0))
    assert [len(sisters) for sisters in records.records_of(found)] == [2]
    assert time.process_time() - began < 3  # it was 15 s
