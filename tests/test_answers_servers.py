"""Servers of language models that take other fields, end otherwise or think first: `worker.answer.chat`."""

from __future__ import annotations

import json

import httpx
import pytest

from index.errors import Unavailable
from tests.answers_kit import page
from worker.answer import chat
from worker.answer.chat import ChatConfig, ChatModel
from worker.settings import Settings
from worker.wiring import build_answerer

GOOD = httpx.Response(200, json={"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]})


def model_of(handle):
    return ChatModel(ChatConfig("http://model.test/v1", "small", max_tokens=77), transport=httpx.MockTransport(handle))


def unsupported(param, message="Unsupported parameter", code="unsupported_parameter"):
    error = {"message": f"{message}: {param!r}.", "type": "invalid_request_error", "param": param, "code": code}
    return httpx.Response(400, json={"error": error})


def ask(model):
    return "".join(model.stream("rules", "question"))


def test_a_model_that_thinks_first_is_asked_as_it_wants():
    """OpenAI's reasoning models take no `temperature`, and the limit under another name; that is remembered."""
    seen = []

    def reasoning(request):
        asked = json.loads(request.content)
        seen.append(asked)
        if "max_tokens" in asked:
            return unsupported("max_tokens")
        if asked.get("temperature", 1) != 1:
            return unsupported("temperature", "Unsupported value", "unsupported_value")
        return GOOD

    model = model_of(reasoning)
    assert ask(model) == "yes"
    assert ask(model) == "yes"
    assert len(seen) == 4
    assert seen[2] == seen[3]
    assert seen[3]["max_completion_tokens"] == 77
    assert seen[3]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    "error", ["gpt-5 models don't support temperature=0", {"message": "temperature: Not supported"}]
)
def test_a_server_that_says_it_in_words_is_understood(error):
    """Proxies in front of many models name the field in the message only."""

    def proxy(request):
        return httpx.Response(400, json={"error": error}) if "temperature" in json.loads(request.content) else GOOD

    assert ask(model_of(proxy)) == "yes"


@pytest.mark.parametrize(
    "refusal",
    [
        unsupported("response_format", "Unknown parameter", "unknown_parameter"),
        unsupported("response_format.type", "Invalid value", "invalid_value"),
        httpx.Response(400, json={"error": {"message": "response_format is not supported", "param": ""}}),
        httpx.Response(400, json={"error": {"message": "bad request", "param": ""}}),
    ],
)
def test_json_mode_is_done_without_whatever_is_said_of_it(refusal):
    """The prompt asks for JSON too. Some proxies name the field in the message and leave `param` empty."""
    seen = []

    def plain(request):
        seen.append(json.loads(request.content))
        return refusal if "response_format" in seen[-1] else GOOD

    assert ask(model_of(plain)) == "yes"
    assert len(seen) == 2


@pytest.mark.parametrize("param", ["model", "messages", "max_tokens"])
def test_other_refusals_are_told_at_once(param):
    """What no other request would mend is not asked again; a limit that is too large is none that is not taken."""
    seen = []

    def refuses(request):
        seen.append(request)
        return unsupported(param, "Invalid value", "invalid_value")

    with pytest.raises(Unavailable) as refused:
        ask(model_of(refuses))
    assert refused.value.code == "llm_refused"
    assert len(seen) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(413, text="<html>too large</html>"),
        httpx.Response(400, json={"error": {"code": 400, "type": "exceed_context_size_error", "message": "the request "
                                            "exceeds the available context size, try increasing it"}}),
        httpx.Response(400, json={"error": {"code": "context_length_exceeded", "param": "messages", "message": "This "
                                            "model's maximum context length is 4096 tokens."}}),
        httpx.Response(422, json={"error": "`inputs` tokens + `max_new_tokens` must be <= 4096"}),
    ],
)  # fmt: skip
def test_a_request_that_is_too_long_is_told_as_that(refusal):
    """Its own settings are named, and it is asked once: without JSON mode it were as long."""
    seen = []

    def refuses(request):
        seen.append(request)
        return refusal

    with pytest.raises(Unavailable, match="FOLIOSCOPE_LLM_CONTEXT_CHARS") as refused:
        ask(model_of(refuses))
    assert refused.value.code == "llm_refused"
    assert len(seen) == 1


@pytest.mark.parametrize("status", [409, 425, 520, 524, 529, 530])
def test_what_proxies_say_of_a_server_that_is_away_is_tried_again(status):
    """Cloudflare's and Anthropic's own numbers are no setting that is wrong."""
    replies = [httpx.Response(status), streamed({"delta": {"content": "yes"}, "finish_reason": "stop"})]
    assert ask(model_of(lambda _: replies.pop(0))) == "yes"
    assert replies == []


def test_a_server_that_takes_nothing_is_given_up():
    """One that calls everything unsupported, and never ends saying so."""
    seen = []

    async def endless():
        while True:
            yield b"max_tokens temperature response_format max_completion_tokens not supported "

    def refuses(request):
        seen.append(json.loads(request.content))
        return httpx.Response(422, content=endless())

    with pytest.raises(Unavailable) as refused:
        ask(model_of(refuses))
    assert refused.value.code == "llm_refused"
    assert len(seen) == 5
    assert set(seen[-1]) == {"model", "messages", "stream"}


def streamed(*choices, end=""):
    lines = "".join(f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices)
    return httpx.Response(200, content=(lines + end).encode(), headers={"content-type": "text/event-stream"})


def test_a_reply_is_whole_when_its_last_chunk_says_so():
    """Also of a server that closes instead of sending `[DONE]`."""
    whole = streamed({"delta": {"content": "yes"}}, {"delta": {}, "finish_reason": "stop"})
    assert ask(model_of(lambda _: whole)) == "yes"
    cut = streamed({"delta": {"content": "yes"}, "finish_reason": None})
    with pytest.raises(Unavailable, match="broke off"):
        ask(model_of(lambda _: cut))


THOUGHT = {"delta": {"content": "", "reasoning_content": "Let me see"}}


@pytest.mark.parametrize(
    "reply",
    [
        streamed(THOUGHT, {"delta": {"content": " \n"}, "finish_reason": "length"}, end="data: [DONE]\n\n"),
        streamed(THOUGHT, {"delta": {}, "finish_reason": "length"}),
        httpx.Response(200, json={"choices": [{"message": {"content": None}, "finish_reason": "length"}]}),
    ],
)
def test_a_model_that_only_thought_has_not_answered(reply):
    """Its tokens were spent before its first word: that is trouble, and not the answer that nothing was found."""
    with pytest.raises(Unavailable, match="before its first word") as caught:
        ask(model_of(lambda _: reply))
    assert caught.value.code == "llm_unavailable"


def test_how_long_a_reply_may_be_is_a_setting(tmp_path, monkeypatch):
    """It reaches the model's server, and whoever sees it spent is told its name."""
    seen = []

    def handle(request):
        seen.append(json.loads(request.content)["max_tokens"])
        return streamed({"delta": {}, "finish_reason": "length"})

    answering = {"answerer": "llm", "llm_model": "small", "llm_max_tokens": 5000}
    monkeypatch.setattr(chat, "ChatModel", lambda config: ChatModel(config, transport=httpx.MockTransport(handle)))
    answerer = build_answerer(Settings(data_dir=tmp_path, **answering), extractive=None, decoder=None)
    with pytest.raises(Unavailable, match="FOLIOSCOPE_LLM_MAX_TOKENS"):
        answerer.answer("What did the pump cost?", [page("The pump cost four pounds.")])
    assert set(seen) == {5000}


def test_a_last_line_without_an_end_is_read():
    """Some servers close right after it; one that is cut is a reply that broke off."""

    def streamed(end):
        first = 'data: {"choices": [{"delta": {"content": "ye"}}]}\n\n'
        return httpx.Response(200, content=first + end, headers={"Content-Type": "text/event-stream"})

    last = 'data: {"choices": [{"delta": {"content": "s"}, "finish_reason": "stop"}]}'
    assert ask(model_of(lambda _: streamed(last))) == "yes"
    assert ask(model_of(lambda _: streamed(last + "\n\ndata: [DONE]"))) == "yes"
    for cut in (last[:-9], "data: {", 'data: {"choices": [{"delta": {"content": "s"}}]}'):
        with pytest.raises(Unavailable, match="broke off"):
            ask(model_of(lambda _, cut=cut: streamed(cut)))


def test_a_stream_is_asked_for_as_it_is():
    """Compressed it comes in blocks, and its first words with its last."""
    seen = []
    assert ask(model_of(lambda request: seen.append(request) or GOOD)) == "yes"
    assert seen[0].headers["accept-encoding"] == "identity"
