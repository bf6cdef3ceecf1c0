"""A model's server that misbehaves, seen from outside: over HTTP every trouble is a clear problem or an honest answer.

Archive, service and app are the real ones; the server stands on a socket and does what its mode says.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.answers_kit import BagEmbedder
from tests.api_kit import Api, assert_problem
from tests.kit import Archive, pdf
from worker.answer.chat import ChatConfig, ChatModel
from worker.answer_llm import LlmAnswerer

LETTER = "The lighthouse keeper was paid 42 pounds a year. He left on 3 March 1911 for Cape Clear. "
QUESTION = "What was the lighthouse keeper paid?"
GOOD = ("He was paid 42 pounds.", 1, "The lighthouse keeper was paid 42 pounds a year")


class Misbehaving:
    """`claims` are what it says; `mode` is how it says it; `asked` counts requests."""

    def __init__(self):
        self.mode, self.claims, self.asked = "well", [GOOD], 0
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                outer.asked += 1
                outer.speak(self)

            def log_message(self, *_):
                """Not into the tests' output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def speak(self, handler):
        status = {"busy": 429, "busy once": 429 if self.asked == 1 else 200, "refused": 401}.get(self.mode, 200)
        if self.mode == "slow":
            self._over.wait(250)
            return
        handler.send_response(status)
        handler.send_header("Content-Type", "text/html" if self.mode == "html" else "text/event-stream")
        handler.end_headers()
        if status != 200:
            return
        if self.mode == "html":
            handler.wfile.write(b"<!doctype html><title>a proxy</title>")
            return
        claims = [{"text": t, "sources": [{"excerpt": n, "quote": q}]} for t, n, q in self.claims]
        reply = json.dumps({"found": True, "claims": claims})
        if self.mode == "cut short":
            reply = reply[:-20]
        if self.mode == "cut off":
            reply = reply[: len(reply) // 2]
        for at in range(0, len(reply), 20):
            piece = {"choices": [{"index": 0, "delta": {"content": reply[at : at + 20]}}]}
            handler.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
        if self.mode == "cut short":
            last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
            handler.wfile.write(f"data: {json.dumps(last)}\n\n".encode())
        if self.mode != "cut off":
            handler.wfile.write(b"data: [DONE]\n\n")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Misbehaving()
    model = ChatModel(ChatConfig(server.url, "m", timeout_s=120.0))
    archive = Archive(tmp_path_factory.mktemp("data"), answerer=LlmAnswerer(model), embedder=BagEmbedder())
    archive.upload(pdf(LETTER + " " * (-len(LETTER) % 3)))
    archive.settle()
    yield Api(archive.library), server, model
    archive.close()
    server.close()


@pytest.fixture(autouse=True)
def well(served):
    served[1].mode, served[1].claims, served[1].asked = "well", [GOOD], 0


def ask(served, mode="well"):
    api, server, _ = served
    server.mode = mode
    return api.post("/v1/answers", json={"question": QUESTION})


def test_endpoint_that_behaves(served):
    """The claim with its citation, at once and streamed, and in OpenAI's shape with its footnote."""
    answer = ask(served).json()
    assert answer["text"] == "He was paid 42 pounds. [1]"
    assert answer["citations"][0]["quote"] == "The lighthouse keeper was paid 42 pounds a year"
    messages = [{"role": "user", "content": QUESTION}]
    given = served[0].post("/v1/chat/completions", json={"model": "folioscope", "messages": messages}).json()
    assert given["choices"][0]["message"]["content"].startswith("He was paid 42 pounds. [1]\n\n[1] ")


@pytest.mark.parametrize(
    ("mode", "code"),
    [("slow", "llm_unavailable"), ("cut off", "llm_unavailable"), ("busy", "llm_unavailable"),
     ("html", "llm_unavailable"), ("refused", "llm_refused")],
)  # fmt: skip
def test_endpoint_in_trouble(served, mode, code, monkeypatch):
    """Slow, cut off, busy without end, something else, a refused key: a problem that says so, an event where the
    stream has begun, and search goes on.
    """
    if mode == "slow":  # it never answers; the others have all the time that they need
        monkeypatch.setattr(served[2], "_config", dataclasses.replace(served[2]._config, timeout_s=1.0))
    assert_problem(ask(served, mode), 503, code)
    streamed = served[0].post("/v1/answers", json={"question": QUESTION, "stream": True}).text
    assert "event: error" in streamed
    assert f'"code": "{code}"' in streamed
    assert "event: done" not in streamed
    assert served[0].post("/v1/search", json={"query": "lighthouse keeper"}).json()["hits"]


def test_endpoint_that_is_cut_short(served):
    """What it had claimed holds, and on every surface the answer is said to be no whole one."""
    served[1].claims = [GOOD, ("He left in 1911.", 1, "He left on 3 March 1911")]
    answer = ask(served, "cut short").json()
    assert (answer["text"], answer["incomplete"]) == ("He was paid 42 pounds. [1]", True)
    assert "cut short" in answer["note"]
    messages = [{"role": "user", "content": QUESTION}]
    given = served[0].post("/v1/chat/completions", json={"model": "folioscope", "messages": messages}).json()
    content = given["choices"][0]["message"]["content"]
    assert content.endswith("there may be more to say.)")
    assert "no text yet" not in content
    assert not ask(served, "well").json()["incomplete"]


def test_endpoint_that_is_busy_once(served):
    """429 is tried again, and the answer comes."""
    assert ask(served, "busy once").json()["found"]
    assert served[1].asked == 2


def test_endpoint_that_is_down(tmp_path):
    """Nobody listens at the address."""
    llm = LlmAnswerer(ChatModel(ChatConfig("http://127.0.0.1:9/v1", "m", timeout_s=60.0)))
    archive = Archive(tmp_path, answerer=llm, embedder=BagEmbedder())
    archive.upload(pdf(LETTER + " " * (-len(LETTER) % 3)))
    archive.settle()
    assert_problem(Api(archive.library).post("/v1/answers", json={"question": QUESTION}), 503, "llm_unavailable")
    archive.close()


@pytest.mark.parametrize(
    "claims",
    [
        [("He was paid 42 pounds.", 7, "The lighthouse keeper was paid 42 pounds a year")],
        [("He drowned.", 1, "The keeper was drowned in a great storm off the cape")],
        [("He was paid 420 pounds.", 1, "The lighthouse keeper was paid 42 pounds a year")],
        [("He was paid.", 1, "The lighthouse keeper was paid 43 pounds a year")],
        [("He was paid 42 pounds.", 1, "")] * 0,
    ],
    ids=["excerpt that was not shown", "quote that stands nowhere", "another figure", "misquoted figure", "nothing"],
)
def test_endpoint_with_wrong_citations(served, claims):
    """What does not stand on a page that was shown is no answer: "not found", and no error."""
    served[1].claims = claims
    answer = ask(served).json()
    assert (answer["found"], answer["citations"], answer["text"]) == (False, [], "Not found in these documents.")


def test_right_claims_survive_wrong_ones(served):
    """A wrong claim between right ones is dropped alone."""
    served[1].claims = [("He flew.", 9, "He flew"), GOOD, ("He had 9 wives.", 1, "He left on 3 March 1911")]
    assert ask(served).json()["text"] == "He was paid 42 pounds. [1]"
