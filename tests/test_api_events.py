"""Progress as server-sent events."""

from __future__ import annotations

import http.client
import json
import threading
import time

import httpx
import pytest

from index.errors import StoreUnavailable
from tests.api_kit import UNKNOWN_ID, Api, FakeService, assert_problem, serving, wait_for


@pytest.fixture
def api():
    made = Api(FakeService(read_at_once=False), poll_s=0.02, heartbeat_s=0.05)
    yield made
    made.service.close()


def parse(text):
    """[(event, data)] of a stream, and its comments."""
    events, comments = [], []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
        comments += [line for line in block.split("\n") if line.startswith(":")]
    return events, comments


class Listener(threading.Thread):
    """Reads a stream to its end in the background."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.text = url, ""
        self.start()

    def run(self):
        # Not httpx: it loads certificates for each client, which takes longer than the test.
        host, _, path = self.url.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=120)
        connection.request("GET", f"/{path}")
        response = connection.getresponse()
        while line := response.readline():
            self.text += line.decode()
        connection.close()

    def ended(self):
        """Whether the stream ends, given the time that a slow machine needs."""
        self.join(90)
        return not self.is_alive()


def test_progress_until_the_end(api):
    """At once, at every change, and an end; each event carries everything."""
    document = api.add(b"one\ftwo\fthree")
    with serving(api.app) as url:
        listener = Listener(f"{url}/v1/documents/{document}/events")
        wait_for(lambda: "event: progress" in listener.text)
        for done in (1, 2, 3):
            api.service.settle(document, done)
            wait_for(lambda done=done: f'"done":{done}' in listener.text)
        assert listener.ended()
    events, _ = parse(listener.text)
    assert [kind for kind, _ in events] == ["progress"] * 4 + ["end"]
    assert [data["pages"]["done"] for _, data in events] == [0, 1, 2, 3, 3]
    assert events[-1][1]["state"] == "done"
    assert events[-1][1]["document_id"] == document


def test_a_document_that_is_read_ends_at_once(api):
    """Also when a client reconnects with the last event it saw."""
    document = api.add()
    api.service.settle(document)
    response = api.get(f"/v1/documents/{document}/events", headers={"Last-Event-ID": "17"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [kind for kind, _ in parse(response.text)[0]] == ["progress", "end"]


def test_unknown_documents_are_a_problem_and_no_stream(api):
    """404 before anything is streamed."""
    assert_problem(api.get(f"/v1/documents/{UNKNOWN_ID}/events"), 404, "not_found")


def test_quiet_streams_have_heartbeats(api):
    """Comments that clients ignore and proxies see."""
    document = api.add()
    with serving(api.app) as url:
        listener = Listener(f"{url}/v1/documents/{document}/events")
        wait_for(lambda: listener.text.count("\n:") >= 2)  # what came of an event may be half of it
        api.service.settle(document)
        assert listener.ended()
    events, comments = parse(listener.text)
    assert [kind for kind, _ in events] == ["progress", "progress", "end"]
    assert len(comments) >= 2


def test_deleting_ends_the_stream(api):
    """With the last that was known."""
    document = api.add()
    with serving(api.app) as url:
        listener = Listener(f"{url}/v1/documents/{document}/events")
        wait_for(lambda: "event: progress" in listener.text)
        api.service.delete("default", document)
        assert listener.ended()
    assert parse(listener.text)[0][-1][0] == "end"


def test_an_outage_does_not_end_the_stream(api):
    """It goes on when the index is back."""
    document = api.add()
    with serving(api.app) as url:
        listener = Listener(f"{url}/v1/documents/{document}/events")
        wait_for(lambda: "event: progress" in listener.text)
        api.service.fail_with = StoreUnavailable("away")
        refused = api.service.refused
        wait_for(lambda: api.service.refused > refused + 1)
        api.service.fail_with = None
        api.service.settle(document)
        assert listener.ended()
    assert parse(listener.text)[0][-1][1]["state"] == "done"


def test_a_client_that_goes_away_ends_the_work(api):
    """Nobody looks at the document any more."""
    document = api.add()
    with serving(api.app) as url:
        with httpx.stream("GET", f"{url}/v1/documents/{document}/events", timeout=120) as response:
            pieces = response.iter_text()
            next(pieces)
            wait_for(lambda: api.service.looks > 2)

        def ended():
            looks = api.service.looks
            time.sleep(0.3)
            return api.service.looks == looks

        wait_for(ended)


def test_streams_hold_no_threads(api):
    """More open streams than threads: everything else is still answered."""
    document = api.add()
    with serving(api.app) as url:
        listeners = [Listener(f"{url}/v1/documents/{document}/events") for _ in range(50)]
        wait_for(lambda: all("event: progress" in listener.text for listener in listeners))
        # Streams last until the document is read: a request that waited for one of them would wait for ever.
        assert httpx.get(f"{url}/v1/documents/{document}", timeout=120).status_code == 200
        api.service.settle(document)
        assert all(listener.ended() for listener in listeners)
    assert all("event: end" in listener.text for listener in listeners)


def test_stopping_closes_streams_without_an_end(api):
    """So that clients open them again instead of taking the document for read."""
    document = api.add()
    with serving(api.app) as url:
        listener = Listener(f"{url}/v1/documents/{document}/events")
        wait_for(lambda: "event: progress" in listener.text)
        api.app.state.context.stopping = True
        assert listener.ended()
    assert "event: end" not in listener.text
