"""An answer that rests on little says so wherever it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.cli_output import Output
from api.cli_questions import print_answer
from index.types import Answer
from tests.api_kit import Api, FakeService
from worker.answer.support import ENOUGH, weakly_supported


class Unsure(FakeService):
    confidence = 0.6

    def ask(self, *args):
        return replace(super().ask(*args), confidence=self.confidence)


def test_weak_is_what_was_found_and_is_not_sure():
    """Silence is not weak, however unsure: it claims nothing."""
    assert [weakly_supported(Answer("?", found, "x", (), confidence)) for found, confidence in
            ((True, ENOUGH - 0.01), (True, ENOUGH), (False, 0.2))] == [True, False, False]  # fmt: skip


@pytest.mark.parametrize(("confidence", "weak"), [(0.6, True), (0.95, False)])
def test_every_way_of_asking_tells_it(capsys, confidence, weak):
    """The API, the command line and the last line of a chat completion."""
    service = Unsure()
    service.confidence = confidence
    api = Api(service)
    api.add(b"The ferry was sold in 1931.", "minutes.pdf")
    answer = api.post("/v1/answers", json={"question": "When was the ferry sold?"}).json()
    assert (answer["found"], answer["weak_support"]) == (True, weak)
    messages = [{"role": "user", "content": "When was the ferry sold?"}]
    chat = api.post("/v1/chat/completions", json={"model": "folioscope", "messages": messages}).json()
    last = chat["choices"][0]["message"]["content"].rpartition("\n\n")[2]
    assert (last == "(Weak support: compare this with the page.)") is weak
    assert chat["folioscope"]["weak_support"] is weak
    print_answer(Output(), answer)
    assert ("Weak support" in capsys.readouterr().out) is weak
