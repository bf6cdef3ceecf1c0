"""Clients that take their time on purpose, over real sockets: they are let go, and others notice nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from api.protocol import PatientProtocol
from api.serve import bind
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
            thread.join(10)


def connect(url):
    parts = urlsplit(url)
    client = socket.create_connection((parts.hostname, parts.port), timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def drip(client, data=b"x", every=0.05, seconds=15.0):
    """Send a byte now and then until the other side has had enough; what it said."""
    client.settimeout(every)
    said, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            client.sendall(data)
            piece = client.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return said
        if not piece:
            return said
        said += piece
    raise AssertionError(f"it was borne for {seconds} s, having said {said[:200]!r}")


@pytest.mark.parametrize("path", ["/v1/documents", "/v1/search"])
def test_a_dripping_body_is_given_up(path):
    """A byte every twentieth of a second is more than nothing, and less than the least: 408, nothing kept."""
    api = Api(upload_idle_s=5.0, upload_window_s=1.0, upload_min_bytes_per_s=1000, body_timeout_s=1.0)
    with serving(api.app, header_timeout_s=10) as (url, _), connect(url) as client:
        kind = FORM if path == "/v1/documents" else "Content-Type: application/json\r\n"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}Content-Length: 100000\r\n\r\n".encode())
        answer = drip(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"upload_stalled" in answer
    assert not api.service.accepted
    wait_for(lambda: all(one.discarded for one in api.service.staged))


def test_a_slow_line_that_keeps_going_is_borne():
    """Above the least rate an upload may take as long as it takes."""
    api = Api(upload_idle_s=5.0, upload_window_s=0.4, upload_min_bytes_per_s=200)
    with serving(api.app) as (url, _), connect(url) as client:
        client.sendall(f"POST /v1/documents HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM}Content-Length: 1500\r\n\r\n".encode())
        for _ in range(15):
            client.sendall(b"y" * 100)
            time.sleep(0.1)
        assert client.recv(65536).startswith(b"HTTP/1.1 202")


@pytest.mark.parametrize("beginning", [b"", b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: "])
def test_dripping_headers_are_given_up(beginning):
    """From the first connection on, with or without a beginning of headers."""
    with serving(Api().app) as (url, _), connect(url) as client:
        client.sendall(beginning)
        if beginning:
            drip(client)
        else:
            assert client.recv(1) == b""


def test_dripping_headers_of_a_second_request_are_given_up():
    """The clock runs anew for each request of a connection, and not while one is answered."""
    with serving(Api().app) as (url, _), connect(url) as client:
        for _ in range(2):
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            said = b""
            while b'{"status":"ok"}' not in said:
                said += client.recv(65536)
            time.sleep(0.3)
        client.sendall(b"GET /livez HTTP/1.1\r\n")
        drip(client)


def test_many_dripping_clients_hold_nobody_up():
    """Two hundred of them, and a request of somebody else is answered at once; then all of them are gone."""
    api = Api(upload_idle_s=5.0, upload_window_s=1.0, upload_min_bytes_per_s=1000)
    head = f"POST /v1/documents HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM}Content-Length: 100000\r\n\r\nx".encode()
    with serving(api.app, header_timeout_s=2) as (url, server), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(head if number % 2 else b"GET / HTTP/1.1\r\n")
        started_at = time.monotonic()
        assert httpx.get(f"{url}/livez", trust_env=False, timeout=10).status_code == 200
        assert time.monotonic() - started_at < 5
        wait_for(lambda: len(server.server_state.connections) == 0, 20)
    assert not api.service.accepted
