"""Resumable uploads whose line died without a word: who comes back goes on, and who still sends is left alone."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from contextlib import contextmanager

import httpx
import pytest
from tusclient.client import TusClient

from api import upload_turns
from api.app import create_app
from index.errors import NotFound
from tests.api_kit import Api, FakeService, assert_problem, serving, wait_for
from tests.test_uploads_resumable import uploads, write
from tests.test_uploads_tus import BYTES, TUS, begin, free

CONTENT = os.urandom(3 << 20)


@contextmanager
def dead_line(service, url, place, *, sent, more=""):
    """A request that has brought so many bytes, and of which nothing more is heard. Left when a writer is there."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 60) as line:
        head = f"PATCH {place} HTTP/1.1\r\nHost: {host}:{port}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(CONTENT)}\r\n{more}\r\n"
        line.sendall(head.encode() + CONTENT[:sent])
        wait_for(lambda: not free(service, place.rsplit("/", 1)[1], 0))
        yield line


def heard(line, words):
    """What comes until these words, or all of it: head and body of an answer may come by themselves."""
    told = b""
    while words not in told and (piece := line.recv(65_536)):
        told += piece
    return told


def create(url):
    told = httpx.post(f"{url}/v1/uploads", headers=TUS | {"Upload-Length": str(len(CONTENT))}, timeout=60)
    return told.headers["location"]


@pytest.mark.parametrize("sent", [0, 40_000, 2_500_000])
def test_a_public_client_goes_on_where_its_line_died(monkeypatch, sent):
    """tuspy comes back by the address while the dead request still waits for bytes, and what came is not sent again."""
    monkeypatch.setattr(upload_turns, "SILENT_S", 0.2)
    service = FakeService()
    with serving(create_app(service)) as url:
        place = create(url)
        with dead_line(service, url, place, sent=sent):
            back = TusClient(f"{url}/v1/uploads").uploader(
                file_stream=io.BytesIO(CONTENT), chunk_size=len(CONTENT), url=url + place, retries=3, retry_delay=0
            )
            back.upload()
        document = httpx.head(url + place, headers=TUS, timeout=60).headers["folioscope-document"]
    assert service.original("default", document)[1].read_bytes() == CONTENT


def test_bytes_with_a_checksum_that_never_came_are_not_kept(monkeypatch):
    """Who gives way in the middle of bytes that had a sum leaves none of them."""
    monkeypatch.setattr(upload_turns, "SILENT_S", 0.2)
    service = FakeService()
    with serving(create_app(service)) as url:
        place = create(url)
        total = "Upload-Checksum: sha1 Lve95gjOVATpfV8EL5X4nxwjKHE=\r\n"
        with dead_line(service, url, place, sent=40_000, more=total) as line:
            going_on = httpx.patch(url + place, headers=BYTES | {"Upload-Offset": "0"}, content=CONTENT, timeout=60)
            assert going_on.status_code == 204
            assert b"upload_busy" in heard(line, b"upload_busy")


def test_who_is_not_silent_is_left_alone(monkeypatch):
    """Two clients with one upload do not break each other off."""
    monkeypatch.setattr(upload_turns, "SILENT_S", 1e9)
    monkeypatch.setattr(upload_turns, "_PATIENCE_S", 0.5)
    service = FakeService()
    with serving(create_app(service)) as url:
        place = create(url)
        with dead_line(service, url, place, sent=40_000) as line:
            second = httpx.patch(url + place, headers=BYTES | {"Upload-Offset": "0"}, content=CONTENT, timeout=60)
            assert_problem(second, 409, "upload_busy")
            line.sendall(CONTENT[40_000:])
            assert line.recv(65_536).startswith(b"HTTP/1.1 204")


def test_that_somebody_waits_counts_for_a_moment(tmp_path):
    """Who gave up waiting breaks nobody off later; nothing is left of it when the upload ends or expires."""
    now = [1e9]
    kept = uploads(tmp_path, now, keep_s=100)
    upload = kept.create("t", 4, filename="a")
    with kept.appending("t", upload.id, 0) as end:
        assert not end.wanted()
        kept.want("t", upload.id)
        assert end.wanted()
        now[0] += 60
        assert not end.wanted()
    kept.want("t", upload.id)
    with kept.appending("t", upload.id, 0) as end:
        assert not end.wanted()  # the one that waited is the one that writes now
    kept.want("t", upload.id)
    write(kept, upload, 0, b"ab")
    os.utime(tmp_path / f"{upload.id}.part", (now[0] + 90, now[0] + 90))
    kept.want("t", upload.id)
    now[0] += 101
    kept.sweep()  # of what was waited for long ago nothing, of the upload everything
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".part"]
    kept.want("t", upload.id)
    kept.delete("t", upload.id)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        kept.want("t", upload.id)
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_stalls_says_what_was_kept():
    """Of a resumable upload the bytes that came, but for those that a checksum came with."""
    service = FakeService()
    api = Api(service, upload_idle_s=0.1)
    place = begin(api, b"12345")

    async def stalls():
        yield b"12"
        await asyncio.Event().wait()

    stalled = api.request("PATCH", place, headers=BYTES | {"Upload-Offset": "0"}, content=stalls())
    assert_problem(stalled, 408, "upload_stalled")
    assert "are kept" in stalled.json()["detail"]
    assert api.request("HEAD", place, headers=TUS).headers["upload-offset"] == "2"
    total = {"Upload-Offset": "2", "Upload-Checksum": "sha1 Lve95gjOVATpfV8EL5X4nxwjKHE="}
    stalled = api.request("PATCH", place, headers=BYTES | total, content=stalls())
    assert "None of its bytes" in stalled.json()["detail"]
    assert api.request("HEAD", place, headers=TUS).headers["upload-offset"] == "2"


def test_who_brought_the_last_byte_is_answered_while_another_ends_the_upload():
    """A `HEAD` that comes between the last byte and its answer ends the upload itself; the bytes are there, and their
    request is no refused one.
    """
    service = FakeService()
    api = Api(service)
    place = begin(api, b"12345")
    upload_id = place.rsplit("/", 1)[1]
    ended_by_another = service.finish_upload

    def finish_upload(tenant, one):
        service.finish_upload = ended_by_another
        with service.uploads.appending(tenant, one, 5):  # as the other one holds it
            return ended_by_another(tenant, one)

    service.finish_upload = finish_upload
    last = api.request("PATCH", place, headers=BYTES | {"Upload-Offset": "0"}, content=b"12345")
    assert last.status_code == 204, last.text
    assert last.headers["folioscope-document"] == service.uploads.get("default", upload_id).document_id
