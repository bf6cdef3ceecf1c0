"""A language model's server that refuses, drips, falls silent or stays away: bounded, told, no address given away."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress

import httpx
import pytest

from index.errors import Unavailable
from tests.answers_kit import page
from tests.test_answers_llm import LETTER, TWO, answerer, says, server
from worker.answer.chat import ChatConfig, ChatModel
from worker.answer_llm import LlmAnswerer


def test_server_without_response_format_is_asked_plainly():
    """A server that refuses `response_format` is asked again without it, and not with it the next time."""
    seen: list[httpx.Request] = []
    model = answerer(httpx.Response(400, json={"error": "unknown field"}), '{"found": false}', seen=seen)
    model.answer("Pay?", [page(LETTER)])
    model.answer("Pay?", [page(LETTER)])
    assert ["response_format" in json.loads(r.content) for r in seen] == [True, False, False]


@pytest.mark.parametrize("trouble", [httpx.Response(503), httpx.Response(429), httpx.ConnectError("refused")])
def test_passing_trouble_is_tried_again(trouble):
    """A server that is busy or restarting is asked again."""
    good = says(("He earned 42 pounds.", [(1, "paid 42 pounds a year")]))
    assert answerer(trouble, good).answer("Pay?", [page(LETTER)]).found


def test_lasting_trouble_is_unavailable():
    """A server that stays away is `Unavailable`, one that refuses the key a setting; neither tells the key."""
    with pytest.raises(Unavailable) as away:
        answerer(httpx.ConnectError("refused")).answer("Pay?", [page(LETTER)])
    assert away.value.code == "llm_unavailable"
    with pytest.raises(Unavailable) as refused:
        answerer(httpx.Response(401)).answer("Pay?", [page(LETTER)])
    assert refused.value.code == "llm_refused"
    with pytest.raises(Unavailable):
        answerer(httpx.Response(200, text="<html>a proxy</html>")).answer("Pay?", [page(LETTER)])
    assert "very-secret" not in f"{away.value}{refused.value}{ChatConfig('http://x', 'y', api_key='very-secret')!r}"


@pytest.mark.parametrize("trouble", [httpx.Response(401), httpx.Response(429), httpx.ConnectError("refused")])
def test_where_the_server_stands_is_for_the_log(trouble, caplog):
    """Whoever asks is told what is wrong, and not a host within the house, or the password in its address."""
    config = ChatConfig("http://me:very-secret@model.test:81/v1", "small", timeout_s=120.0)
    with pytest.raises(Unavailable) as caught:
        LlmAnswerer(ChatModel(config, transport=server(trouble))).answer("Pay?", [page(LETTER)])
    assert "model.test" not in caught.value.message
    assert "http://model.test:81/v1" in caplog.text
    assert "very-secret" not in caplog.text + caught.value.message


def test_redirects_are_not_followed():
    """Documents go to the address that was set and to no other."""
    seen: list[httpx.Request] = []
    with pytest.raises(Unavailable):
        moved = httpx.Response(307, headers={"location": "http://elsewhere.test/v1/chat/completions"})
        answerer(moved, seen=seen).answer("Pay?", [page(LETTER)])
    assert {r.url.host for r in seen} == {"model.test"}


def test_server_that_drips_is_given_up():
    """A real socket that sends a byte now and then cannot hold an answer longer than the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(120)
        stop = threading.Event()

        def drip() -> None:
            held = []
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"1\r\n \r\n")
                    except OSError:
                        break

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        model = ChatModel(ChatConfig(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "m", timeout_s=1.0))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            list(model.stream("s", "u"))
        took = time.monotonic() - began
        stop.set()
        model.close()
    assert took < 100  # one second on a calm machine; without the limit it would never end


def talking(speak):
    """A server on a socket that reads a request and then does what `speak(connection, stop)` does; its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(250)
                connection.recv(65536)
                speak(connection, stop)
        listener.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1", stop


def drip(connection, stop):
    """Headers, one byte now and then, for ever."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000:
        if stop.wait(0.05):
            return
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            return


def test_headers_that_drip_are_given_up():
    """The time limit holds over the whole exchange and not over each byte of it."""
    url, stop = talking(drip)
    model = ChatModel(ChatConfig(url, "m", timeout_s=1.0))
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        list(model.stream("s", "u"))
    took = time.monotonic() - began
    stop.set()
    model.close()
    assert caught.value.code == "llm_unavailable"
    assert took < 100  # one second on a calm machine; dripping lasts 500


def test_who_leaves_does_not_wait_for_a_silent_model():
    """Cancelled while the model has not said a word yet, the request is dropped and its connection closed."""
    asked, closed = threading.Event(), threading.Event()

    def silent(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        asked.set()
        with suppress(ConnectionError):
            while connection.recv(65536):
                continue  # the rest of the request
        closed.set()

    url, stop = talking(silent)
    model = ChatModel(ChatConfig(url, "m", timeout_s=240.0))
    assert list(model.stream("s", "u", asked.is_set)) == []
    assert closed.wait(100)  # 240 seconds, were it not dropped
    stop.set()
    model.close()


def test_endpoint_cut_off_in_the_middle():
    """A connection that ends in the middle of a reply, over a real socket, is trouble and no half answer."""

    def cut(connection, stop):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"
        connection.sendall(head + b"data: " + json.dumps({"choices": [{"delta": {"content": TWO[:90]}}]}).encode())

    url, stop = talking(cut)
    model = ChatModel(ChatConfig(url, "m", timeout_s=120.0))
    with pytest.raises(Unavailable) as caught:
        LlmAnswerer(model).answer("Pay?", [page(LETTER)])
    stop.set()
    model.close()
    assert caught.value.code == "llm_unavailable"


@pytest.mark.parametrize("after", ["nan", "-5", "1e9", "soon", "9" * 40])
def test_odd_retry_after_is_no_reason_to_wait_for_ever(after):
    """429 with nonsense in Retry-After is tried again in good time."""
    good = says(("He earned 42 pounds.", [(1, "paid 42 pounds a year")]))
    busy = httpx.Response(429, headers={"retry-after": after})
    assert answerer(busy, good, timeout_s=120).answer("Pay?", [page(LETTER)]).found


def test_refused_json_mode_is_remembered_only_where_it_helps():
    """A request that is refused with and without `response_format` was refused for another reason."""
    seen: list[httpx.Request] = []
    model = answerer(httpx.Response(400), httpx.Response(400), '{"found": false}', seen=seen)
    with pytest.raises(Unavailable):
        model.answer("Pay?", [page(LETTER)])
    model.answer("Pay?", [page(LETTER)])
    assert ["response_format" in json.loads(r.content) for r in seen] == [True, False, True]
