"""`worker.thoughts`: what a model thinks before it answers is no claim, and spoils none."""

from __future__ import annotations

import json

import httpx
import pytest

from index.errors import Unavailable
from tests.answers_kit import page
from tests.index_kit import processor_s
from tests.test_answers_llm import LETTER, says
from worker.answer.chat import ChatConfig, ChatModel
from worker.answer_llm import LlmAnswerer
from worker.thoughts import without_thoughts

GOOD = says(("He earned 42 pounds.", [(1, "paid 42 pounds a year")]))
DRAFT = says(("He left for Cape Clear.", [(1, "He left on 3 March 1911 for Cape Clear")]))
NOTHING = '{"found": false, "claims": []}'


def answer_to(reply, *, size=None):
    """What is answered when the server says this: at once, or streamed in pieces of `size` characters."""

    def handle(_request):
        if size is None:
            return httpx.Response(200, json={"choices": [{"message": {"content": reply}, "finish_reason": "stop"}]})
        pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        chunks = [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
        chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        return httpx.Response(200, content=body, headers={"Content-Type": "text/event-stream"})

    model = ChatModel(ChatConfig("http://model.test/v1", "small"), transport=httpx.MockTransport(handle))
    try:
        return LlmAnswerer(model).answer("Pay?", [page(LETTER)])
    finally:
        model.close()


@pytest.mark.parametrize("size", [None, 1, 7, 5000])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<think>\nIt could be {this} or {that}.\n</think>\n\n", ""),
        (f"<think>{DRAFT} No: they ask for his pay.</think>", ""),
        (f"A template opened the block. {DRAFT} No.\n</think>\n", ""),
        (f"<Thinking>{DRAFT}</Thinking>```json\n", "\n```"),
        (f"[THINK]{DRAFT}[/THINK]", ""),
        ("<think>\n\n</think>\n<think>{</think> Here it is: ", ""),
        (f"<seed:think>{DRAFT} No.</seed:think>", ""),
        (f'<think kind="deep">{DRAFT} No.</think>', ""),
        (f"◁think▷{DRAFT} No.◁/think▷", ""),
        (f"<|START_THINKING|>{DRAFT} No.<|END_THINKING|><|START_RESPONSE|>", "<|END_RESPONSE|>"),
        (f"<|begin_of_thought|>{DRAFT} No.<|end_of_thought|>\n\n<|begin_of_solution|>", "<|end_of_solution|>"),
        (
            f"<|channel|>analysis<|message|>{DRAFT} No.<|end|><|start|>assistant"
            "<|channel|>final <|constrain|>json<|message|>",
            "<|return|>",
        ),
        (f"<|channel>thought\n{DRAFT} No.<channel|>", ""),
        (f"Here is my thought process: {DRAFT} No. Here is my response: ", ""),
        (f"<unheard-of>{DRAFT} No.</unheard-of><answer>\n", "\n</answer>"),
    ],
)
def test_thoughts_are_no_part_of_an_answer(before, after, size):
    """Neither the claims that the model dropped, nor brackets that made its JSON unreadable."""
    answer = answer_to(before + GOOD + after, size=size)
    assert answer.text == "He earned 42 pounds. [1]"


@pytest.mark.parametrize("size", [None, 3])
def test_a_claim_that_was_dropped_in_thought_is_not_told(size):
    """Though its quote stands on the page."""
    assert answer_to(DRAFT, size=size).found
    for thought in ("<think>{}</think>", "<seed:think>{}</seed:think>", "Let me see: {} So: "):
        assert not answer_to(thought.format(f"{DRAFT} That is not what they ask.") + NOTHING, size=size).found


@pytest.mark.parametrize("size", [None, 3])
def test_tags_inside_an_answer_are_its_own(size):
    """What a page or a claim says is data, and ends no thought."""
    said = says(("He earned 42 pounds </think> a year.", [(1, "paid 42 pounds a year")]))
    assert answer_to(said, size=size).text.startswith("He earned 42 pounds")


def test_an_answer_in_prose_after_thoughts_is_understood():
    """As one without them."""
    prose = "The lighthouse keeper was paid 42 pounds a year.[1]"
    assert answer_to(f"<think>Was it 42 [1] or not?</think>{prose}", size=4).text.endswith("42 pounds a year. [1]")
    harmony = (
        "<|channel|>analysis<|message|>He left for Cape Clear [1].<|end|><|start|>assistant<|channel|>final<|message|>"
    )
    assert answer_to(harmony + prose, size=4).text == answer_to(prose).text
    assert answer_to(f"<b>Not</b> thought. {prose}", size=4).found


@pytest.mark.parametrize("begin", ["<think>", "<seed:think>", "◁think▷", "<|channel|>analysis<|message|>"])
@pytest.mark.parametrize("size", [None, 5])
def test_thoughts_without_an_end_are_no_answer_that_there_is_none(begin, size):
    """The model ran out of tokens: an error that says so, and not "not found"."""
    with pytest.raises(Unavailable, match="thoughts") as caught:
        answer_to(f"{begin}{DRAFT} But then", size=size)
    assert caught.value.code == "llm_unavailable"
    assert list(without_thoughts(iter(["<think>", "But"]), lambda: True)) == ["<think>But"]  # nobody waits for it


def test_json_is_handed_on_as_it_comes():
    """Claims are told one after the other, also after thoughts."""
    coming = iter(["<thi", "nk>so", "</th", "ink>", " \n", '{"cl', 'aims": [', "]}"])
    said = without_thoughts(coming)
    assert next(said) == '{"cl'
    assert next(coming) == 'aims": ['
    assert list(said) == ["]}"]


def test_a_million_pieces_cost_little():
    """A server may send letter by letter, and never end its thoughts: each piece is looked at once."""
    with processor_s(20), pytest.raises(Unavailable):
        list(without_thoughts(iter(["<think>", *["x"] * 1_000_000])))
