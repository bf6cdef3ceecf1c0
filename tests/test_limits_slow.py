"""Clients that take their time on purpose, over real sockets: they are let go, and others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from uvicorn.server import ServerState

from api import problems
from api.config import ApiConfig
from api.protocol import PatientProtocol
from api.serve import bind
from api.upload import UploadStalled, body
from tests.api_kit import Api, wait_for

FORM = "Content-Type: application/pdf\r\n"


@contextlib.contextmanager
def serving(app, header_timeout_s=0.5):
    """As `api.serve` does it, with little patience."""
    patience = type("Little", (PatientProtocol,), {"header_timeout_s": header_timeout_s})
    with bind("127.0.0.1", 0) as listener:
        config = uvicorn.Config(app, http=patience, log_level="error", lifespan="off", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_for(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            thread.join(60)


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting for it: hours pass at once, to the second."""

    def __init__(self):
        self._now = 0.0
        super().__init__()
        select = self._selector.select

        def jump(timeout=None):
            self._now += timeout or 0.0
            return select(0)

        self._selector.select = jump

    def time(self):
        return self._now


def quickly(main):
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        return runner.run(main())


def connect(url):
    parts = urlsplit(url)
    client = socket.create_connection((parts.hostname, parts.port), timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def say(url, *pieces):
    """Send bytes that are no request; all that comes back until the other side hangs up."""
    with connect(url) as client:
        for piece in pieces:
            client.sendall(piece)
        return b"".join(iter(lambda: client.recv(65536), b""))


NO_REQUESTS = {
    "no HTTP": (b"EHLO example\r\n\r\n", 400, "bad_request"),
    "an address that is not ASCII": (
        "GET /v1/documents/ä HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
        400,
        "bad_request",
    ),
    "no Host": (b"GET /livez HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "a length that is none": (
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1_0\r\n\r\n",
        400,
        "bad_request",
    ),
    "no end of headers": (b"GET / HTTP/1.1\r\nX: " + b"a" * (65 << 10), 431, "headers_too_large"),
    "chunks that are none": (
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"que\r\nnonsense\r\n',
        400,
        "bad_request",
    ),
}


def test_what_is_no_request_gets_a_problem_too():
    """Bytes that are no HTTP are answered in the shape of every error, with a request id, and the connection ends."""
    with serving(Api().app, header_timeout_s=60) as (url, _):
        for name, (sent, status, code) in NO_REQUESTS.items():
            head, _, body = say(url, sent).partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = httpx.Headers([line.split(": ", 1) for line in lines])
            assert first.startswith(f"HTTP/1.1 {status} "), name
            assert (headers["content-type"], headers["connection"]) == (problems.MEDIA_TYPE, "close"), name
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-request-id"], name
            assert len(body) == int(headers["content-length"]), name
            told = json.loads(body)
            assert (told["status"], told["code"]) == (status, code), name


def drip(client, data=b"x", every=0.05, seconds=90.0, until=None):
    """Send a byte now and then until the other side has had enough, or said `until`; what it said."""
    client.settimeout(every)
    said, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):  # it may have ended, and what it said before is still to be heard
            client.sendall(data)
        try:
            piece = client.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return said
        if not piece:
            return said
        said += piece
        if until is not None and until in said:
            return said
    raise AssertionError(f"it was borne for {seconds} s, having said {said[:200]!r}")


@pytest.mark.parametrize("path", ["/v1/documents", "/v1/search"])
def test_a_dripping_body_is_given_up(path):
    """A byte every twentieth of a second is more than nothing, and less than the least: 408, nothing kept."""
    api = Api(upload_idle_s=5.0, upload_window_s=1.0, upload_min_bytes_per_s=1000, body_timeout_s=1.0)
    with serving(api.app, header_timeout_s=60) as (url, _), connect(url) as client:
        kind = FORM if path == "/v1/documents" else "Content-Type: application/json\r\n"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}Content-Length: 100000\r\n\r\n".encode())
        answer = drip(client, until=b"upload_stalled")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"upload_stalled" in answer
    assert not api.service.accepted
    wait_for(lambda: all(one.discarded for one in api.service.staged))


def test_a_slow_line_that_keeps_going_is_borne():
    """Above the least rate an upload may take as long as it takes; below it, it ends with the first window."""
    config = ApiConfig(upload_idle_s=5.0, upload_window_s=30.0, upload_min_bytes_per_s=200)

    async def sent(size):
        pieces = 3600

        async def receive():
            nonlocal pieces
            await asyncio.sleep(1.0)
            pieces -= 1
            return {"type": "http.request", "body": b"y" * size, "more_body": pieces > 0}

        total = 0
        async for piece in body(Request({"type": "http"}, receive), config):
            total += len(piece)
        return total, asyncio.get_running_loop().time()

    total, took_s = quickly(lambda: sent(210))
    assert (total, round(took_s)) == (3600 * 210, 3600)
    with pytest.raises(UploadStalled):
        quickly(lambda: sent(190))


@pytest.mark.parametrize("beginning", [b"", b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: "])
def test_dripping_headers_are_given_up(beginning):
    """From the first connection on, with or without a beginning of headers."""
    with serving(Api().app) as (url, _), connect(url) as client:
        client.sendall(beginning)
        if beginning:
            drip(client)
        else:
            assert client.recv(1) == b""


class Wire(asyncio.Transport):
    """What a protocol says to its other side."""

    def __init__(self):
        super().__init__()
        self.said, self.closed = b"", False

    def write(self, data):
        self.said += data

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def test_dripping_headers_of_a_second_request_are_given_up():
    """The clock runs anew for each request of a connection, and not while one is answered."""

    async def app(_scope, _receive, send):
        await asyncio.sleep(1000)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def main():
        config = uvicorn.Config(app, http=PatientProtocol, log_config=None, lifespan="off", timeout_keep_alive=60)
        config.load()
        protocol, wire = PatientProtocol(config, ServerState(), {}), Wire()
        protocol.connection_made(wire)
        for number in (1, 2):
            await asyncio.sleep(15)  # of 20: with the other request's it would be too long
            protocol.data_received(b"GET / HTTP/1.1\r\nHost: loc")
            await asyncio.sleep(4 if number == 1 else 19)
            protocol.data_received(b"alhost\r\n\r\n")
            await asyncio.sleep(1001)
            assert wire.said.count(b"200 OK") == number
        protocol.data_received(b"GET / HTTP/1.1\r\n")
        for _ in range(19):
            await asyncio.sleep(1)
            protocol.data_received(b"x")
        assert not wire.closed
        await asyncio.sleep(1.5)
        assert wire.closed
        protocol.connection_lost(None)

    quickly(main)


def test_many_dripping_clients_hold_nobody_up():
    """Two hundred of them, and a request of somebody else is answered while they go on; those whose time is over are
    all gone.
    """
    head = f"POST /v1/documents HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM}Content-Length: 100000\r\n\r\nx".encode()
    for patience_s in (600.0, 2.0):
        api = Api(upload_idle_s=5 * patience_s, upload_window_s=patience_s / 2, upload_min_bytes_per_s=1000)
        with serving(api.app, header_timeout_s=patience_s) as (url, server), contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(url)) for _ in range(200)]
            for number, client in enumerate(clients):
                with contextlib.suppress(OSError):  # the impatient one may have let it go
                    client.sendall(head if number % 2 else b"GET / HTTP/1.1\r\n")
            if patience_s > 60:
                wait_for(lambda server=server: len(server.server_state.connections) == 200)
                assert httpx.get(f"{url}/livez", trust_env=False, timeout=60).status_code == 200
                assert len(server.server_state.connections) >= 200
            else:
                wait_for(lambda server=server: len(server.server_state.connections) == 0)
        assert not api.service.accepted
