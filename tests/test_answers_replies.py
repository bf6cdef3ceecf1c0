"""`worker.answer.replies`: replies as servers really send them are read, and one that is no answer is told as that."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from index.errors import Unavailable
from tests.answers_kit import page
from tests.index_kit import processor_s
from tests.test_answers_llm import LETTER, says
from worker.answer.chat import ChatConfig, ChatModel
from worker.answer.replies import pieces
from worker.answer_llm import LlmAnswerer

FIRST = ("He earned 42 pounds.", [(1, "paid 42 pounds a year")])
SECOND = ("He left in 1911.", [(1, "He left on 3 March 1911")])
GOOD = says(FIRST)
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def piece(content):
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]}


def ended(reason, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def events(*chunks, eol="\n", first="", kind="text/event-stream", done=True):
    lines = [chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}" for chunk in chunks]
    body = first + "".join(line + eol * 2 for line in [*lines, *(["data: [DONE]"] if done else [])])
    return httpx.Response(200, content=body.encode(), headers={"Content-Type": kind})


def in_lines(chunk, eol="\n"):
    """A chunk as an event whose data has many lines."""
    return eol.join(f"data: {line}" for line in json.dumps(chunk, indent=1).split("\n"))


def whole(message, finish="stop"):
    return httpx.Response(200, json={"choices": [{"message": message, "finish_reason": finish}]})


def answer_to(reply):
    model = ChatModel(ChatConfig("http://model.test/v1", "small"), transport=httpx.MockTransport(lambda _: reply))
    try:
        return LlmAnswerer(model).answer("What was he paid?", [page(LETTER)])
    finally:
        model.close()


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": says(SECOND)}]}


@pytest.mark.parametrize(
    "reply",
    [
        events(piece(GOOD), STOP, eol="\r\n"),
        events(piece(GOOD), STOP, eol="\r"),
        events(": still thinking", piece(GOOD), STOP, first="\ufeff: hello\n\n"),
        events(f"event: message\nid: 3\nretry: 10\ndata:{json.dumps(piece(GOOD))}", STOP),
        events('event: ping\ndata: {"type": "ping"}', piece(GOOD), STOP),
        events(piece(GOOD), STOP, {"choices": [], "usage": {"total_tokens": 3}}),
        events(piece(GOOD), STOP, {"usage": {"total_tokens": 3}}),
        events({"choices": None}, piece(GOOD), STOP),
        events(piece(GOOD), {"choices": [{"index": 0, "finish_reason": "stop"}]}),
        events(piece(GOOD), {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}, done=False),
        events(piece(GOOD), STOP, {"choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}}]}),
        events(piece([THOUGHT]), piece([{"type": "text", "text": GOOD}]), STOP),
        whole({"content": [THOUGHT, {"type": "text", "text": GOOD}]}),
        events({"choices": [{"message": {"content": GOOD}, "finish_reason": "stop"}]}),
        events(in_lines(piece(GOOD[:20])), in_lines(piece(GOOD[20:])), STOP),
        events(piece(GOOD), in_lines(STOP), done=False),
        events(piece(GOOD), STOP, kind="text/plain"),
        events(piece(GOOD), STOP, kind="Text/Event-Stream; charset=utf-8"),
        httpx.Response(
            200,
            content=" \n" + json.dumps({"choices": [{"message": {"content": GOOD}}]}),
            headers={"content-type": "text/event-stream"},
        ),
    ],
)
def test_replies_of_every_server_are_read(reply):
    """Of OpenAI, Azure, Mistral, OpenRouter and proxies that keep neither content type nor chunks."""
    assert answer_to(reply).text == "He earned 42 pounds. [1]"


@pytest.mark.parametrize(
    ("reply", "says_why"),
    [
        (events(piece(GOOD[:30]), {"error": {"message": "overloaded"}}), "is an error"),
        (events(piece(GOOD), ended("error")), "ends with an error"),
        (httpx.Response(200, json={"error": {"message": "overloaded"}}), "is an error"),
        (events(piece(None), ended("tool_calls", tool_calls=[{"function": {"arguments": GOOD}}])), "empty: tool_calls"),
        (whole({"content": None, "refusal": "I cannot help with that."}), "empty: stop"),
        (whole({"content": " \n"}), "empty: stop"),
        (events({"choices": []}), "empty"),
        (events(), "empty"),
        (events(ended("content_filter")), "content filter"),
        (events(piece(GOOD[:60]), ended("content_filter")), "content filter"),
        (events(piece(GOOD[:60]), ended("length")), "FOLIOSCOPE_LLM_MAX_TOKENS"),
        (events(piece(f"<|unknown|>{GOOD} But"), ended("length")), "FOLIOSCOPE_LLM_MAX_TOKENS"),
        (httpx.Response(200, text="<html>a proxy</html>"), "no chat completion"),
        (events(["no chunk"]), "no chunk"),
        (events(in_lines(piece(GOOD))[:-9], piece(GOOD), STOP), "no chunk"),
        (events(piece(GOOD), STOP, in_lines({"usage": {}})[:-3], done=False), "no chunk"),
        (httpx.Response(200, json={"choices": [3]}), "no chat completion"),
    ],
)
def test_a_reply_that_is_no_answer_is_no_answer_that_there_is_none(reply, says_why):
    """Errors, calls of tools, refusals, silence, and what was cut short before its first claim: nobody has looked."""
    with pytest.raises(Unavailable, match=says_why) as caught:
        answer_to(reply)
    assert caught.value.code == "llm_unavailable"


def test_a_line_without_end_costs_little():
    """A server may send a megabyte without the end of a line, in pieces of a few letters."""

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield b"data: "
            for _ in range(30_000):
                yield b"x" * 34

    async def read():
        return [piece async for piece in pieces(httpx.Response(200, stream=Drip()))]

    with processor_s(20), pytest.raises(httpx.HTTPError):
        asyncio.run(read())


@pytest.mark.parametrize(
    "reply",
    [
        events(piece("é"), STOP, first="\ufeff", eol="\r\n"),
        events(piece("é"), STOP, eol="\r", done=False),
        events(in_lines(piece("é"), "\r\n"), in_lines(STOP, "\r\n"), eol="\r\n"),
        whole({"content": "é"}),
        httpx.Response(200, content=b"\xef\xbb\xbf \n" + whole({"content": "é"}).content),
    ],
)
def test_a_reply_is_the_same_in_whatever_pieces_it_comes(reply):
    """A proxy may send letter by letter, and cut through a letter and a mark of byte order."""

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self):
            for at in range(len(reply.content)):
                yield reply.content[at : at + 1]

    async def read():
        return "".join([piece async for piece in pieces(httpx.Response(200, stream=Drip()))])

    assert asyncio.run(read()) == "é"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_what_was_claimed_before_the_cut_holds(reason):
    """It is told with a note that there may be more; a reply that was not cut has none."""
    both = says(FIRST, SECOND)
    answer = answer_to(events(piece(both[:-30]), ended(reason)))
    assert answer.text == "He earned 42 pounds. [1]"
    assert "cut short" in answer.extra["note"]
    answer = answer_to(events(piece(both), STOP))
    assert (answer.text, answer.extra) == ("He earned 42 pounds. [1] He left in 1911. [2]", {})


@pytest.mark.parametrize("end", [STOP, ended("abort"), "data: [DONE]"])
def test_a_reply_that_ends_within_its_claims_is_cut_short(end):
    """Whatever its server calls its end: a model that was stopped had not said that nothing was found, or no more."""
    answer = answer_to(events(piece(says(FIRST, SECOND)[:-30]), end))
    assert answer.text == "He earned 42 pounds. [1]"
    assert "cut short" in answer.extra["note"]
    for told in (GOOD[:40], GOOD[: GOOD.index("[") + 1]):
        with pytest.raises(Unavailable, match="cut short") as caught:
            answer_to(events(piece(told), end))
        assert caught.value.code == "llm_unavailable"
    without_bracket, damaged = GOOD[:-1], GOOD.replace("He earned", 'He "earned"')
    assert answer_to(events(piece(without_bracket), end)).extra == {}
    assert not answer_to(events(piece(damaged), end)).found


@pytest.mark.parametrize(
    ("sources", "holds"),
    [
        ([{"excerpt": "1", "quote": "paid 42 pounds a year"}], True),
        ([{"excerpt": "[1]", "quote": "paid 42 pounds a year"}], True),
        ({"excerpt": 1, "quote": "paid 42 pounds a year"}, True),
        ([{"excerpt": "2", "quote": "paid 42 pounds a year"}], False),
        ([{"excerpt": "one", "quote": "paid 42 pounds a year"}], False),
        ([{"excerpt": "1" * 5000, "quote": "paid 42 pounds a year"}], False),
        ([{"excerpt": "1", "quote": "paid 43 pounds a year"}], False),
        (None, False),
    ],
)
def test_an_excerpt_may_be_named_as_small_models_do(sources, holds):
    """In quotes, in brackets, or without the list; what it quotes is looked up all the same."""
    reply = json.dumps({"found": True, "claims": [{"text": "He earned 42 pounds.", "sources": sources}]})
    assert answer_to(whole({"content": reply})).found == holds
