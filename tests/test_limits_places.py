"""An answer's place is free when its work has ended, and not when its client has gone; strangers learn little."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from api.limits import Limits
from index.errors import NotFound, StoreUnavailable
from tests.access_kit import KeyedApi
from tests.api_kit import FakeService, assert_problem, serving, wait_for


class SlowAnswers(FakeService):
    """Answers whose second step takes until `gate` is set; counts how many steps run at once."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.guard = threading.Lock()
        self.running = self.most = 0

    def converse(self, *args, **options):
        events = super().converse(*args, **options)
        yield next(events)
        with self.guard:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            assert self.gate.wait(120)
        finally:
            with self.guard:
                self.running -= 1
        yield from events


@pytest.mark.parametrize("path", ["/v1/answers", "/v1/chat/completions"])
def test_dropped_streams_do_not_pass_the_limit(tmp_path, path):
    """A client that opens streams and drops them keeps no more answers busy than it may have; places come back."""
    keyed = KeyedApi(tmp_path)
    service = SlowAnswers()
    app = create_app(service, ApiConfig(), ring=KeyRing(keyed.keys, required=True), limits=Limits(concurrent_answers=2))
    headers = keyed.key()
    question = {"question": "What?", "stream": True}
    if "chat" in path:
        question = {"model": "folioscope", "stream": True, "messages": [{"role": "user", "content": "What?"}]}
    statuses = []
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        for _ in range(8):
            with client.stream("POST", path, json=question) as stream:
                statuses.append(stream.status_code)
                if stream.status_code == 200:
                    pieces = stream.iter_raw()  # kept: it closes the connection when it is let go
                    next(pieces)
                    wait_for(lambda: service.running == statuses.count(200))
            time.sleep(0.05)  # the server hears that the client is gone
        assert statuses == [200, 200] + [429] * 6
        assert service.most == 2
        service.gate.set()
        wait_for(lambda: service.running == 0)

        def answered():
            with client.stream("POST", path, json=question) as stream:
                return stream.status_code == 200 and stream.read()

        wait_for(answered)
    service.close()
    keyed.archive.close()


def test_an_answer_that_cannot_begin_keeps_no_place(tmp_path):
    """Whether the service refuses at once or at the first step: the next question finds the place free."""
    keyed = KeyedApi(tmp_path)
    service = FakeService()
    app = create_app(service, ApiConfig(), ring=KeyRing(keyed.keys, required=True), limits=Limits(concurrent_answers=1))
    good = service.converse

    def at_once(*_args, **_options):
        raise NotFound("There is no such conversation.")

    def at_the_first_step(*args, **options):
        at_once()
        yield

    with serving(app) as url, httpx.Client(base_url=url, headers=keyed.key(), timeout=60, trust_env=False) as client:
        for bad in (at_once, at_the_first_step):
            service.converse = bad
            for stream in (True, False):
                asked = {"question": "What?", "stream": stream}
                assert [client.post("/v1/answers", json=asked).status_code for _ in range(2)] == [404, 404]
        service.converse = good
        assert client.post("/v1/answers", json={"question": "What?"}).status_code == 200
    service.close()
    keyed.archive.close()


def test_a_place_is_given_back_once():
    """However often it is said, and by whichever thread."""
    limits = Limits(concurrent_answers=1)
    key = type("Key", (), {"key_id": "a", "limits": type("L", (), {"concurrent_answers": None})})
    place = limits.answer(key)
    threads = [threading.Thread(target=place.give_back) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limits._answering["a"] == 0
    with limits.answer(key), pytest.raises(Exception, match="at once"):
        limits.answer(key)


def test_strangers_learn_whether_it_is_ready_and_nothing_else(tmp_path):
    """Health checks go on working without a key; what it runs on is for callers with one."""
    api = KeyedApi(tmp_path)
    headers = api.key()
    assert api.get("/readyz").json() == {"ready": True}
    assert api.get("/readyz", headers={"Authorization": "Bearer wrong"}).json() == {"ready": True}
    assert api.get("/readyz", headers=headers).json()["engine"] == "fake@1"

    def away():
        raise StoreUnavailable("http://qdrant:6333 does not answer")

    api.service.ready = away
    told = assert_problem(api.get("/readyz"), 503, "service_not_ready")
    assert "qdrant" not in str(told)
    assert "checks" not in told
    assert_problem(api.get("/readyz", headers=headers), 503, "store_unavailable")
    api.archive.close()
