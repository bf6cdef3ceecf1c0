"""Answers over HTTP: at once, streamed, in conversation, and in OpenAI's shape with OpenAI's own client."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
import time

import httpx
import openai
import pytest

from api.app import create_app
from index.errors import Unavailable
from tests.api_kit import Api, FakeService, assert_problem, serving
from worker.answer.harmless import harmless
from worker.asking.pipeline import Cited, Selected, Told

TEXT = b"The bridge fund stands at 412 pounds.\fThe ferry was sold in 1931."


def events(response):
    """(event, data) of a stream."""
    found = []
    for block in response.text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((lines["event"], json.loads(lines["data"])))
    return found


@pytest.fixture
def api():
    api = Api()
    api.add(TEXT, filename="minutes.pdf")
    return api


def test_streamed_answer_is_the_answer(api):
    """Selection, text, citations, done; the last one is what the same question brings without a stream."""
    asked = {"question": "When was the ferry?"}
    response = api.post("/v1/answers", json=asked | {"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    told = events(response)
    assert [kind for kind, _ in told] == ["selection", "text", "citations", "done"]
    whole = api.post("/v1/answers", json=asked).json()
    assert told[-1][1] == whole
    assert told[1][1]["text"] == whole["text"]
    assert told[2][1] == whole["citations"]
    assert whole["considered"][0]["reason"] == "the best match"


def test_failure_on_the_way_is_an_event(api):
    """A model that is away after the selection ends the stream with a problem; without a stream it is a response."""
    api.service.fail_answers = Unavailable("The model is away.", code="llm_unavailable")
    told = events(api.post("/v1/answers", json={"question": "ferry?", "stream": True}))
    assert [kind for kind, _ in told] == ["selection", "error"]
    assert told[-1][1]["code"] == "llm_unavailable"
    assert_problem(api.post("/v1/answers", json={"question": "ferry?"}), 503, "llm_unavailable")


def test_conversations(api):
    """`new` begins one and tells its id; an id is handed on; nonsense is refused."""
    begun = api.post("/v1/answers", json={"question": "ferry?", "conversation_id": "new"}).json()
    assert len(begun["conversation_id"]) == 32
    api.post("/v1/answers", json={"question": "ferry?", "conversation_id": begun["conversation_id"]})
    assert api.service.conversed[-1][0] == begun["conversation_id"]
    for nonsense in ("../x", "", 5):
        refused = api.post("/v1/answers", json={"question": "ferry?", "conversation_id": nonsense})
        assert_problem(refused, 422, "invalid_request")


# -- OpenAI's shape ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    service = FakeService()
    with serving(create_app(service)) as url:
        api = openai.OpenAI(base_url=f"{url}/v1", api_key="none-needed", max_retries=0)
        httpx.post(f"{url}/v1/documents", files={"file": ("minutes.pdf", TEXT)}, timeout=120)
        yield api, service
        api.close()


def test_official_client_gets_an_answer(client):
    """Text with footnotes, usage, and the whole answer in the extension field."""
    api, _ = client
    given = api.chat.completions.create(
        model="folioscope",
        messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "When was the ferry?"}],
        temperature=0.3,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
    )
    (choice,) = given.choices
    assert choice.finish_reason == "stop"
    assert "ferry was sold" in choice.message.content
    assert "[1] minutes.pdf, page 2: “" in choice.message.content
    assert given.usage.total_tokens > 0
    assert given.folioscope["citations"][0]["page"] == 2


def test_official_client_streams(client):
    """The pieces are the text; usage comes where it was asked for; the end is an end."""
    api, _ = client
    asked = [{"role": "user", "content": [{"type": "text", "text": "When was the ferry?"}]}]
    whole = api.chat.completions.create(model="folioscope", messages=asked).choices[0].message.content
    chunks = list(
        api.chat.completions.create(
            model="folioscope", messages=asked, stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == whole
    assert chunks[-1].usage.completion_tokens > 0
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert [c.usage is None and "usage" in c.model_fields_set for c in chunks] == [True] * (len(chunks) - 1) + [False]
    plain = list(api.chat.completions.create(model="folioscope", messages=asked, stream=True))
    assert not [c for c in plain if "usage" in c.model_fields_set or not c.choices]


def test_history_is_the_conversation(client):
    """Messages before the last one reach the service as turns."""
    api, service = client
    asked = [("user", "Who was the keeper?"), ("assistant", "John."), ("user", "And the ferry?")]
    api.chat.completions.create(model="folioscope", messages=[{"role": r, "content": c} for r, c in asked])
    (turn,) = service.conversed[-1][1]
    assert (turn.question, turn.answer) == ("Who was the keeper?", "John.")


def test_a_long_conversation_goes_on(client):
    """Clients send all of it each time; what is asked now refers to what was said last."""
    api, service = client
    turns = [{"role": role, "content": f"{role} {number}"} for number in range(400) for role in ("user", "assistant")]
    asked = [*turns, {"role": "user", "content": "When was the ferry?"}]
    assert api.chat.completions.create(model="folioscope", messages=asked).choices[0].message.content
    assert [turn.question for turn in service.conversed[-1][1]] == [f"user {number}" for number in range(394, 400)]


def test_a_question_without_an_answer_is_part_of_the_conversation(client):
    """Its answer failed or was stopped, and the next question may still refer to it."""
    api, service = client
    asked = ["Who was the keeper?", "Where did he live?", "And when did he leave?"]
    api.chat.completions.create(model="folioscope", messages=[{"role": "user", "content": one} for one in asked])
    assert [(turn.question, turn.answer) for turn in service.conversed[-1][1]] == [(asked[0], ""), (asked[1], "")]


def test_half_surrogates_of_the_history_go_no_further(api):
    """What no index and no tokenizer takes is taken out of earlier messages as of the question."""
    messages = [("user", "Who was\ud800 the\0 keeper?"), ("assistant", "John."), ("user", "And the ferry?")]
    body = {"model": "folioscope", "messages": [{"role": r, "content": c} for r, c in messages]}
    headers = {"Content-Type": "application/json"}
    response = api.post("/v1/chat/completions", content=json.dumps(body).encode(), headers=headers)
    assert response.status_code == 200, response.text
    (turn,) = api.service.conversed[-1][1]
    assert turn.question == "Who was\ufffd the  keeper?"


def test_a_stream_says_what_still_stands_when_a_page_was_lost_meanwhile(api):
    """Numbers of the text that was told are of no use then: the footnotes follow the text that they belong to."""
    kept = api.post("/v1/answers", json={"question": "ferry?"}).json()["citations"][0]
    real = api.service.converse

    def converse(*given, **options):
        *_, done = real(*given, **options)
        yield Told("The bridge fell [1]. The ferry was sold [2].")
        answer = dataclasses.replace(done.answer, text="The bridge fell. The ferry was sold [1].")
        yield Cited(answer.citations)
        yield dataclasses.replace(done, answer=answer)

    api.service.converse = converse
    asked = {"model": "folioscope", "messages": [{"role": "user", "content": "ferry?"}], "stream": True}
    lines = api.post("/v1/chat/completions", json=asked).text.split("\n\n")
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks)
    told, _, rest = text.partition("What still stands: ")
    assert told.startswith("The bridge fell [1]. The ferry was sold [2].\n\nWhile")
    assert rest.startswith("The bridge fell. The ferry was sold [1].\n\n[1] minutes.pdf, page ")
    assert kept["quote"] in rest


def test_models_are_listed(client):
    """The one model, by the client's own call."""
    api, _ = client
    assert [model.id for model in api.models.list()] == ["folioscope"]


def test_errors_are_the_clients_own(client):
    """An unknown model and an empty question come as the client's exceptions, with our code."""
    api, service = client
    with pytest.raises(openai.NotFoundError) as unknown:
        api.chat.completions.create(model="gpt-7", messages=[{"role": "user", "content": "x"}])
    assert unknown.value.code == "not_found"
    with pytest.raises(openai.UnprocessableEntityError):
        api.chat.completions.create(model="folioscope", messages=[{"role": "system", "content": "x"}])
    good = {"role": "user", "content": "x"}
    for wrong, param in [
        ({"messages": [good, {"role": "robot", "content": "x"}]}, "messages[1].role"),
        ({"messages": [good], "extra_body": {"folioscope": {"filtre": {}}}}, "folioscope.filtre"),
        ({"messages": []}, "messages"),
    ]:
        with pytest.raises(openai.UnprocessableEntityError) as invalid:
            api.chat.completions.create(model="folioscope", **wrong)
        assert (invalid.value.code, invalid.value.param) == ("invalid_request", param)
    service.fail_answers = Unavailable("The model is away.", code="llm_unavailable")
    try:
        with pytest.raises(openai.InternalServerError) as away:
            api.chat.completions.create(model="folioscope", messages=[{"role": "user", "content": "ferry?"}])
        assert away.value.code == "llm_unavailable"
        with pytest.raises(openai.APIError):
            list(
                api.chat.completions.create(
                    model="folioscope", messages=[{"role": "user", "content": "ferry?"}], stream=True
                )
            )
    finally:
        service.fail_answers = None


def test_documents_make_no_links_and_no_pictures():
    """What a hostile page says is shown as text by clients that render Markdown: nothing to load, nothing to click."""
    hostile = "![x](http://evil.test/steal?q=1) [click](https://evil.test) <img src=http://evil.test> www.evil.test"
    shown = harmless(hostile)
    for live in ("![", "](", "<i", "://", "www.evil"):
        assert live not in shown
    api = Api()
    api.add(b"The ferry " + hostile.encode(), filename="a](http://evil.test).pdf")
    asked = {"model": "folioscope", "messages": [{"role": "user", "content": "ferry?"}]}
    content = api.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]["content"]
    assert "evil" in content
    for live in ("![", "](", "<i", "://"):
        assert live not in content


class Slow(FakeService):
    """Answers longer than any client stays, and tells when it was stopped."""

    def __init__(self):
        super().__init__()
        self.began, self.stopped = threading.Event(), threading.Event()

    def converse(self, *_, cancelled, **__):
        end = time.monotonic() + 200
        try:
            yield Selected("q", (), 1.0, 1.0)
            self.began.set()
            while not cancelled() and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            if time.monotonic() < end:
                self.stopped.set()


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/v1/answers", {"question": "q"}),
     ("/v1/chat/completions", {"model": "folioscope", "messages": [{"role": "user", "content": "q"}]})],
)  # fmt: skip
def test_client_that_gives_up_waiting_stops_the_work(path, asked):
    """Without a stream too: a client that has had enough is not worked for any longer."""
    slow = Slow()
    with serving(create_app(slow)) as url:
        host, port = url.removeprefix("http://").split(":")
        body = json.dumps(asked).encode()
        with socket.create_connection((host, int(port))) as line:
            head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert slow.began.wait(90)
        assert slow.stopped.wait(90)


def test_client_that_goes_away_stops_the_work():
    """When the stream's reader closes, the answerer is told, in the middle of what it does."""
    slow = Slow()
    with serving(create_app(slow)) as url, httpx.Client(base_url=url, timeout=120) as client:
        with client.stream("POST", "/v1/answers", json={"question": "q", "stream": True}) as response:
            assert "selection" in next(response.iter_lines())
        assert slow.stopped.wait(90)


# -- questions that are none ------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   ",
        "\0",
        "\0 \n",
        '""',
        "“ ”",
        "x" * 2001,
        "why? " * 100_000,
        " " * 7999 + "why? " * 500,
        "a\u0301" * 2001,
    ],
)
def test_empty_and_endless_questions(api, question):
    """Nothing, nothing but quotes, and more than can be read are refused the same way, asked either way."""
    assert_problem(api.post("/v1/answers", json={"question": question}), 422, "invalid_request")
    assert_problem(api.post("/v1/answers", json={"question": question, "stream": True}), 422, "invalid_request")
    asked = {"model": "folioscope", "messages": [{"role": "user", "content": question}]}
    refused = api.post("/v1/chat/completions", json=asked)
    assert_problem(refused, 422, "invalid_request")
    assert refused.json()["error"]["code"] == "invalid_request"
    assert_problem(api.post("/v1/search", json={"query": question}), 422, "invalid_request")


def test_accents_take_no_time(api):
    """They are put in order one by one, minutes for as many as a body holds, in which nobody was answered."""
    accents = "a" + "\u0301\u0316" * 50_000
    turns = [{"role": "user", "content": accents}, {"role": "assistant", "content": accents}]
    began = time.process_time()
    asked = {"model": "folioscope", "messages": [*turns, {"role": "user", "content": "Who kept the ferry?"}]}
    assert api.post("/v1/chat/completions", json=asked).status_code == 200
    asked = {"model": "folioscope", "messages": [{"role": "user", "content": accents}]}
    assert_problem(api.post("/v1/chat/completions", json=asked), 422, "invalid_request")
    assert api.post("/v1/answers", json={"question": "Ke\u0301ret?" + " " * 1900}).json()["question"] == "Kéret?"
    assert time.process_time() - began < 3.0


def test_odd_questions_are_answered(api):
    """Characters that no index takes, half of a surrogate pair, and nulls where a client says nothing."""
    json_type = {"content-type": "application/json"}
    for question in ("the \0 ferry?", "\ud800 ferry?", "\u202eferry", "👩‍🚀" * 600):
        asked = {"model": "folioscope", "messages": [{"role": "user", "content": question}], "folioscope": None}
        asked |= {"stream": None, "stream_options": None, "temperature": None, "n": None, "stop": None}
        given = api.post("/v1/chat/completions", content=json.dumps(asked), headers=json_type)
        assert given.status_code == 200, given.text
        assert given.json()["choices"][0]["finish_reason"] == "stop"
