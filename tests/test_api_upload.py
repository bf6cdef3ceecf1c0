"""Uploads: streamed, bounded, and without remains when they fail."""

from __future__ import annotations

import socket
import time

import pytest

from tests.api_kit import Api, FakeService, assert_problem, serving, storage_full, wait_for

FORM = {"Content-Type": "multipart/form-data; boundary=XX"}


def part(name, value, filename=None):
    head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return b"--XX\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"


@pytest.fixture
def api():
    made = Api(max_upload_bytes=3 << 20)
    yield made
    made.service.close()


def discarded(api):
    """Every staging area that was opened was discarded."""
    return api.service.staged and all(staged.discarded for staged in api.service.staged)


def test_fields_may_come_after_the_file(api):
    """As they do from many clients."""
    body = part("file", b"one", "a.pdf") + part("password", b"p") + part("text_layer", b"never") + b"--XX--\r\n"
    assert api.post("/v1/documents", content=body, headers=FORM).status_code == 202
    assert api.service.accepted[0][1:] == ("a.pdf", "p", "never")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_chunks_may_end_anywhere(api, size):
    """Also inside boundaries, and with content that looks like one."""
    content = b"one\r\n--X\r\n--XXno\r\n\r\n--X-" * 50
    body = part("password", b"p\r\n--X") + part("file", content, "a.pdf") + b"--XX--\r\n"

    async def pieces():
        for at in range(0, len(body), size):
            yield body[at : at + size]

    assert api.post("/v1/documents", content=pieces(), headers=FORM).status_code == 202
    assert api.service.staged[0].content == content
    assert api.service.accepted[0][2] == "p\r\n--X"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"--XX--\r\n", 422, "invalid_request"),
        (b"garbage", 400, "bad_request"),
        (part("file", b"one", "a.pdf"), 400, "bad_request"),
        (part("file", b"one", "a.pdf")[:-9], 400, "bad_request"),
        (part("password", b"p") + b"--XX--\r\n", 422, "invalid_request"),
        (part("file", b"1", "a") + part("file", b"2", "b") + b"--XX--\r\n", 422, "invalid_request"),
        (part("files", b"1", "a") + b"--XX--\r\n", 422, "invalid_request"),
        (part("file", b"1", "a") + part("text_layer", b"maybe") + b"--XX--\r\n", 422, "invalid_request"),
        (part("file", b"1", "a") + part("password", b"\xff") + b"--XX--\r\n", 422, "invalid_request"),
        (part("file", b"1", "a") + part("password", b"p" * 5000) + b"--XX--\r\n", 422, "invalid_request"),
        (part("password", b"1") + part("password", b"2") + b"--XX--\r\n", 422, "invalid_request"),
        (b"--XX\r\nX: y\r\n\r\nvalue\r\n--XX--\r\n", 400, "bad_request"),
        (part("file", b"", "a.pdf") + b"--XX--\r\n", 422, "empty"),
    ],
)
def test_forms_that_make_no_sense_leave_nothing(api, body, status, code):
    """A clear problem, and the staging area is discarded."""
    assert_problem(api.post("/v1/documents", content=body, headers=FORM), status, code)
    assert discarded(api)
    assert not api.service.accepted


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
def test_a_form_needs_a_boundary(api, content_type):
    """A sensible one."""
    response = api.post("/v1/documents", content=b"x", headers={"Content-Type": content_type})
    assert_problem(response, 400, "bad_request")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_bodies_that_are_no_files_are_refused(api, content_type):
    """What `curl --data` sends, say; the message shows how to do it."""
    body = assert_problem(
        api.post("/v1/documents", content=b"x", headers={"Content-Type": content_type}), 415, "unsupported_media_type"
    )
    assert "curl -F" in body["detail"]


def test_an_empty_body_is_an_empty(api):
    """Raw uploads too."""
    assert_problem(api.post("/v1/documents", headers={"Content-Type": "application/pdf"}), 422, "empty")
    assert discarded(api)


def test_an_announced_size_over_the_limit_is_refused_unread(api):
    """No staging area is opened and no byte is read."""

    async def pieces():
        raise AssertionError("the body was read")
        yield b""

    response = api.post("/v1/documents", content=pieces(), headers={"Content-Length": str(4 << 20)})
    assert_problem(response, 413, "too_large")
    assert not api.service.staged


@pytest.mark.parametrize("form", [True, False])
def test_a_stream_over_the_limit_is_cut_off(api, form):
    """Without an announced size the bytes are counted, and nothing is kept."""
    sent = 0

    async def pieces():
        nonlocal sent
        if form:
            yield b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            sent += 1
            yield bytes(1 << 20)

    headers = FORM if form else {"Content-Type": "application/octet-stream"}
    assert_problem(api.post("/v1/documents", content=pieces(), headers=headers), 413, "too_large")
    assert discarded(api)
    assert sent < 10


def test_what_follows_a_form_is_bounded_too(api):
    """It is passed over, and would otherwise be received for as long as somebody sends."""

    async def endless(pieces):
        yield part("file", b"one", "a.pdf") + b"--XX--\r\n"
        for _ in range(pieces):
            yield bytes(1 << 20)

    assert_problem(api.post("/v1/documents", content=endless(100), headers=FORM), 413, "too_large")
    assert discarded(api)
    assert api.post("/v1/documents", content=endless(1), headers=FORM).status_code == 202


def test_a_file_of_exactly_the_limit_is_taken(api):
    """The form around it does not count."""
    response = api.post("/v1/documents", files={"file": ("a.pdf", bytes(3 << 20))})
    assert response.status_code == 202


def test_a_full_disk_is_507_and_heals(api):
    """Nothing is acknowledged or kept, and the next upload works without a restart."""
    api.service.write_error = storage_full()
    assert_problem(api.post("/v1/documents", files={"file": ("a.pdf", b"one")}), 507, "storage_full")
    assert discarded(api)
    assert not api.service.accepted
    api.service.write_error = None
    api.add(b"one")


def test_a_document_that_is_refused_is_discarded(api):
    """Codes of the reader come through in the one shape; a password helps."""
    response = api.post("/v1/documents", files={"file": ("a.pdf", b"!locked")})
    assert_problem(response, 422, "encrypted")
    assert discarded(api)
    response = api.post("/v1/documents", files={"file": ("a.pdf", b"!locked")}, data={"password": "pässword"})
    assert response.status_code == 202


def test_writes_are_batched_and_bounded():
    """Neither a thread for each small chunk nor the whole file in memory."""
    api = Api(FakeService(keep_bytes=False))
    total = 20 << 20

    async def pieces():
        for _ in range(total // 4096):
            yield bytes(4096)

    assert api.post("/v1/documents", content=pieces()).status_code == 202
    staged = api.service.staged[0]
    assert staged.size == total
    assert 1 << 19 < staged.largest_write < 2 << 20


def _start_upload(url, announced, sent):
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)))
    client.sendall(
        f"POST /v1/documents HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/pdf\r\n"
        f"Content-Length: {announced}\r\n\r\n".encode()
        + sent
    )
    return client


def test_a_client_that_goes_away_leaves_nothing(api):
    """In the middle of an upload."""
    with serving(api.app) as url:
        client = _start_upload(url, 1000, b"x" * 500)
        wait_for(lambda: api.service.staged)
        client.close()
        wait_for(lambda: discarded(api))
    assert not api.service.accepted


def test_a_client_that_stalls_is_given_up():
    """408, and nothing is kept."""
    api = Api(upload_idle_s=0.2)
    with serving(api.app) as url, _start_upload(url, 1000, b"x" * 500) as client:
        answer = b""
        while piece := client.recv(65536):
            answer += piece
            if answer.endswith(b"}"):
                break
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"upload_stalled" in answer
    assert discarded(api)


def test_a_refused_upload_gets_its_answer_while_it_is_still_sending(api):
    """A large body over the limit: the client reads a 413, not a broken connection."""
    with serving(api.app) as url, _start_upload(url, 64 << 20, b"") as client:
        client.settimeout(120)
        for _ in range(64):
            client.sendall(bytes(1 << 20))
            time.sleep(0)
        assert client.recv(65536).startswith(b"HTTP/1.1 413")


def test_expect_100_continue(api):
    """A waiting client is told to go on, or refused before it sends anything."""
    with serving(api.app) as url:
        host, port = url.removeprefix("http://").split(":")
        for length, first in ((5, b"HTTP/1.1 100"), (64 << 20, b"HTTP/1.1 413")):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(
                    f"POST /v1/documents HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n"
                    "Expect: 100-continue\r\n\r\n".encode()
                )
                assert client.recv(65536).startswith(first)
                if first.endswith(b"100"):
                    client.sendall(b"12345")
                    assert client.recv(65536).startswith(b"HTTP/1.1 202")
