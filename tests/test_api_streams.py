"""Streamed answers on their way through the world: proxies, silences, failures of ours."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress

import httpx
import pytest

from api.app import create_app
from api.config import ApiConfig
from index.errors import InternalError, StoreUnavailable
from tests.api_kit import Api, FakeService, assert_problem, serving, wait_for
from worker.asking.pipeline import Selected

ANSWERS = "/v1/answers", {"question": "When was the ferry sold?", "stream": True}
CHAT = (
    "/v1/chat/completions",
    {"model": "folioscope", "messages": [{"role": "user", "content": "When was the ferry sold?"}], "stream": True},
)
BOTH = pytest.mark.parametrize(("path", "asked"), [ANSWERS, CHAT], ids=["answers", "chat"])
HIDDEN = "could not read /data/keys"


@pytest.fixture
def api():
    api = Api()
    api.add(b"The ferry was sold in 1931.")
    return api


class Silent(FakeService):
    """Says nothing after the selection until it may."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def converse(self, *args, **options):
        for event in super().converse(*args, **options):
            yield event
            if isinstance(event, Selected):
                assert self.go.wait(120)


@BOTH
def test_a_silence_has_heartbeats(path, asked):
    """A page that is decoded takes minutes, and proxies close what is quiet for one; the answer is whole in the end."""
    service = Silent()
    app = create_app(service, ApiConfig(heartbeat_s=0.05))
    with serving(app) as url, httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        client.post("/v1/documents", files={"file": ("a.pdf", b"The ferry was sold in 1931.")})
        with client.stream("POST", path, json=asked) as response:
            beats, rest = 0, []
            for line in response.iter_lines():
                beats += line == ": still working"
                if beats == 3:
                    service.go.set()
                rest.append(line)
    assert beats >= 3
    assert "sold in 1931" in "".join(rest)
    assert any(line in {"event: done", "data: [DONE]"} for line in rest)


@BOTH
def test_proxies_are_told_to_hold_nothing_back(api, path, asked):
    """An answer that nginx gathers until it is whole is no stream."""
    headers = api.post(path, json=asked).headers
    assert (headers["x-accel-buffering"], headers["cache-control"]) == ("no", "no-store")


@BOTH
@pytest.mark.parametrize("failure", [InternalError(HIDDEN), KeyError(HIDDEN)], ids=["known", "unknown"])
def test_our_errors_end_a_stream_and_say_nothing_of_our_insides(api, path, asked, failure, caplog):
    """They are told as problems are; the log has them."""
    api.service.fail_answers = failure
    told = api.post(path, json=asked).text
    last = json.loads(told.strip().split("\n")[-1].removeprefix("data: "))
    assert (last.get("error") or last)["code"] == "internal_error"
    assert HIDDEN not in told
    assert HIDDEN in caplog.text


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("path", "asked"), [ANSWERS, CHAT], ids=["answers", "chat"])
def test_answers_that_fail_are_counted(api, path, asked, stream):
    """Each once, however it was asked for, and before its first words too."""
    api.service.fail_answers = StoreUnavailable("The index is away.")
    api.post(path, json=asked | {"stream": stream})
    assert 'folioscope_answers_total{outcome="failed"} 1.0' in api.get("/metrics").text
    api.service.fail_with = StoreUnavailable("The index is away.")
    assert api.post(path, json=asked | {"stream": stream}).status_code == 503
    api.service.fail_with = None
    assert 'folioscope_answers_total{outcome="failed"} 2.0' in api.get("/metrics").text


def test_what_a_stop_cuts_off_is_told():
    """A request that takes longer than the stop waits gets a problem that says to send it again, a client that is still
    sending its file too; of a stream only a broken connection tells that this is not all.
    """
    service = Silent()
    app = create_app(service)
    outcomes = {}

    def send(name, method, path, **options):
        with httpx.Client(base_url=url, timeout=120, trust_env=False) as client, suppress(httpx.RemoteProtocolError):
            outcomes[name] = client.request(method, path, **options)

    def dripping():
        yield b"tw"
        while "whole" not in outcomes:
            time.sleep(0.05)
            yield b"i"

    with serving(app) as url:
        httpx.post(f"{url}/v1/documents", files={"file": ("a.pdf", b"The ferry was sold in 1931.")}, trust_env=False)
        threads = [
            threading.Thread(target=send, args=("whole", "POST", ANSWERS[0]), kwargs={"json": {"question": "ferry"}}),
            threading.Thread(target=send, args=("streamed", "POST", ANSWERS[0]), kwargs={"json": ANSWERS[1]}),
            threading.Thread(target=send, args=("file", "POST", "/v1/documents"), kwargs={"content": dripping()}),
        ]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(service.conversed) == 2 and len(service.staged) == 2)
        app.state.context.stopping = True
    service.go.set()
    for thread in threads:
        thread.join(60)
    assert set(outcomes) == {"whole", "file"}
    for one in outcomes.values():
        assert_problem(one, 503, "unavailable")
        assert one.headers["retry-after"] == "5"
