"""`Idempotency-Key`: the same request is answered once and the same, whatever breaks in between."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading

import httpx
import pytest

from index.errors import StorageFull
from tests.access_kit import KeyedApi
from tests.api_kit import LOCAL, assert_problem, serving, wait_for
from tests.kit import pdf
from worker.idempotency import IdempotencyKeys

KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def api(tmp_path):
    made = KeyedApi(tmp_path)
    yield made
    made.archive.close()


def send(api, headers, content, key=KEY, name="a.pdf", **data):
    return api.post(
        "/v1/documents", files={"file": (name, content)}, data=data, headers={**headers, "Idempotency-Key": key}
    )


def same(first, again):
    """Whether an answer is the first one again."""
    told = ("location", "folioscope-existing", "content-type")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert [first.headers[name] for name in told] == [again.headers[name] for name in told]
    assert (first.headers.get("folioscope-replayed"), again.headers["folioscope-replayed"]) == (None, "true")
    return True


def raw(url, headers, path, more, body, length=None):
    """A connection on which a request with the key was sent, and whose answer nobody has read."""
    host, port = url.removeprefix("http://").split(":")
    sent = {"Host": f"{host}:{port}", "Idempotency-Key": KEY, "Content-Length": length or len(body), **headers, **more}
    line = socket.create_connection((host, int(port)))
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    line.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return line


def documents(api, headers):
    return api.get("/v1/documents", headers=headers).json()["items"]


# -- documents --------------------------------------------------------------------------------


def test_the_same_answer_again(api):
    """Byte for byte, though the document is read by then, and after a restart, and at another process."""
    headers = api.key()
    first = send(api, headers, pdf("one", "two"))
    assert first.status_code == 202
    assert first.json()["state"] == "accepted"
    api.archive.settle()
    assert same(first, send(api, headers, pdf("one", "two")))
    assert same(first, send(api, headers, pdf("one", "two"), key=KEY.strip('"')))
    api.service.idempotency = IdempotencyKeys(api.archive.root / "idempotency")
    assert same(first, send(api, headers, pdf("one", "two")))
    assert len(documents(api, headers)) == 1
    without = api.post("/v1/documents", files={"file": ("a.pdf", pdf("one", "two"))}, headers=headers)
    assert without.json()["state"] == "done"
    assert without.headers["folioscope-existing"] == "true"


@pytest.mark.parametrize(
    "other", [{"content": pdf("other")}, {"name": "b.pdf"}, {"password": "x"}, {"text_layer": "never"}]
)
def test_another_request_with_the_key_leaves_nothing_behind(api, other):
    """422, no document, no file on its way in; the first answer is given as before."""
    headers = api.key()
    sent = {"content": pdf("one")}
    first = send(api, headers, **sent)
    assert_problem(send(api, headers, **{**sent, **other}), 422, "idempotency_key_reused")
    assert len(documents(api, headers)) == 1
    assert not list((api.archive.root / "incoming").iterdir())
    assert len(list((api.archive.root / "blobs").iterdir())) == 1
    assert same(first, send(api, headers, **sent))


def test_keys_are_their_tenants(api):
    """Another tenant's same key and file is a request of its own, and learns nothing."""
    mine, theirs = api.key("one"), api.key("two")
    first, other = send(api, mine, pdf("one")), send(api, theirs, pdf("one"))
    assert first.json()["id"] != other.json()["id"]
    assert "folioscope-replayed" not in other.headers
    assert send(api, api.key("three"), pdf("else")).status_code == 202


def test_a_refused_request_has_not_used_its_key_up(api):
    """Neither a file that cannot be taken, nor a full disk: the mended request is taken with the same key."""
    headers = api.key()
    assert send(api, headers, b"no document at all").status_code == 415
    assert send(api, headers, b"").status_code == 422
    stage, api.archive.blobs.stage = api.archive.blobs.stage, lambda _limit: (_ for _ in ()).throw(StorageFull("full"))
    assert send(api, headers, pdf("one")).status_code == 507
    api.archive.blobs.stage = stage
    first = send(api, headers, pdf("one"))
    assert first.status_code == 202
    assert same(first, send(api, headers, pdf("one")))


def test_deleted_is_deleted(api):
    """The stored answer goes with its document, and a late repeat brings nothing back."""
    headers = api.key()
    first = send(api, headers, pdf("one"), name="secret-name.pdf")
    kept = api.archive.root / "idempotency"
    assert any(path.read_bytes() != b"" for path in kept.glob("*/*.answer"))
    api.request("DELETE", first.headers["location"], headers=headers)
    assert not list(kept.glob("*/*.answer"))
    assert_problem(send(api, headers, pdf("one"), name="secret-name.pdf"), 409, "idempotency_gone")
    assert_problem(send(api, headers, pdf("two")), 422, "idempotency_key_reused")
    assert documents(api, headers) == []


def test_concurrent_requests(api):
    """While the first one's file still comes, the second one is refused and told when to come again."""
    headers = {**api.key(), "Idempotency-Key": KEY, "Content-Type": "application/pdf"}
    gate = threading.Event()

    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url=LOCAL) as client:
            begun = asyncio.Event()

            async def pieces():
                yield pdf("on")
                begun.set()
                await asyncio.to_thread(gate.wait, 120)
                yield b"e"

            first = asyncio.create_task(client.post("/v1/documents?filename=a.pdf", content=pieces(), headers=headers))
            await begun.wait()
            refused = await client.post("/v1/documents?filename=a.pdf", content=pdf("one"), headers=headers)
            gate.set()
            return (
                await first,
                refused,
                await client.post("/v1/documents?filename=a.pdf", content=pdf("one"), headers=headers),
            )

    first, refused, again = asyncio.run(main())
    assert_problem(refused, 409, "idempotency_in_progress")
    assert int(refused.headers["retry-after"]) >= 1
    assert same(first, again)


def test_a_line_that_breaks_before_the_answer(api):
    """The client has gone when the document is accepted; asking again it gets the answer that it missed."""
    headers = api.key()
    body = pdf("one")
    with serving(api.app) as url:
        with raw(url, headers, "/v1/documents?filename=a.pdf", {"Content-Type": "application/pdf"}, body):
            wait_for(lambda: list((api.archive.root / "idempotency").glob("*/*.answer")))
        wait_for(lambda: not list((api.archive.root / "idempotency").glob("*/*.lock")))
    sent = {**headers, "Idempotency-Key": KEY, "Content-Type": "application/pdf"}
    again = api.post("/v1/documents?filename=a.pdf", content=body, headers=sent)
    assert again.headers["folioscope-replayed"] == "true"
    assert again.headers["folioscope-existing"] == "false"
    assert len(documents(api, headers)) == 1


def test_cut_off_between_the_document_and_its_answer(api, monkeypatch):
    """Done again by the same request, told what was true the first time; another request is refused."""
    headers = api.key()

    def dies(_self, _stored):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("worker.idempotency.Claim.finish", dies)
        with pytest.raises(BaseException):  # noqa: B017
            send(api, headers, pdf("one"))
    assert len(documents(api, headers)) == 1
    assert_problem(send(api, headers, pdf("two")), 422, "idempotency_key_reused")
    first = send(api, headers, pdf("one"))
    assert first.headers["folioscope-existing"] == "false"
    assert same(first, send(api, headers, pdf("one")))


# -- uploads that go on -----------------------------------------------------------------------


def test_a_resumable_upload_begins_once(api):
    """The repeat names the upload and where it stands now; another length is another request; deleted is deleted."""
    headers = {**api.key(), **TUS, "Idempotency-Key": KEY, "Upload-Length": "6"}
    named = {"Upload-Metadata": "filename " + base64.b64encode(b"a.pdf").decode()}
    first = api.post("/v1/uploads", headers=headers | named)
    assert first.status_code == 201
    place = first.headers["location"]
    bytes_of = {"Content-Type": "application/offset+octet-stream"}
    api.request("PATCH", place, content=b"%PDF", headers=headers | bytes_of | {"Upload-Offset": "0"})
    again = api.post("/v1/uploads", content=b"%PDF-1", headers=headers | named | bytes_of)
    assert (again.status_code, again.headers["location"]) == (201, place)
    assert again.headers["upload-offset"] == "4"
    assert again.headers["folioscope-replayed"] == "true"
    assert_problem(
        api.post("/v1/uploads", headers=headers | named | {"Upload-Length": "7"}), 422, "idempotency_key_reused"
    )
    assert_problem(api.post("/v1/uploads", headers=headers), 422, "idempotency_key_reused")
    api.request("DELETE", place, headers=headers)
    assert_problem(api.post("/v1/uploads", headers=headers | named), 409, "idempotency_gone")


def test_a_resumable_upload_goes_with_its_document(api):
    """Finished, its document deleted: a late repeat brings nothing back, and does not say that the file is there."""
    content = pdf("One page.")
    bytes_of = {"Content-Type": "application/offset+octet-stream", "Upload-Length": str(len(content))}
    headers = {**api.key(), **TUS, "Idempotency-Key": KEY, **bytes_of}
    document = api.post("/v1/uploads", headers=headers, content=content).headers["folioscope-document"]
    assert api.post("/v1/uploads", headers=headers, content=content).headers["folioscope-document"] == document
    assert api.request("DELETE", f"/v1/documents/{document}", headers=api.key()).status_code == 200
    assert_problem(api.post("/v1/uploads", headers=headers, content=content), 409, "idempotency_gone")
    assert documents(api, api.key()) == []


def test_the_answer_is_kept_before_the_bytes_come(api):
    """Bytes that break off in the creation itself: the repeat goes on where they stopped."""
    headers = {**api.key(), **TUS, "Idempotency-Key": KEY, "Upload-Length": "10"}
    bytes_of = {"Content-Type": "application/offset+octet-stream"}
    with serving(api.app) as url:
        line = raw(url, headers, "/v1/uploads", bytes_of, b"%PDF-", length=10)
        wait_for(lambda: list((api.archive.root / "idempotency").glob("*/*.answer")))
        assert_problem(api.post("/v1/uploads", headers=headers), 409, "idempotency_in_progress")
        line.close()
        wait_for(lambda: not list((api.archive.root / "idempotency").glob("*/*.lock")))
    again = api.post("/v1/uploads", headers=headers)
    assert again.headers["folioscope-replayed"] == "true"
    rest = b"%PDF-01234"[int(again.headers["upload-offset"]) :]
    end = api.request(
        "PATCH",
        again.headers["location"],
        content=rest,
        headers=headers | bytes_of | {"Upload-Offset": again.headers["upload-offset"]},
    )
    assert end.headers["folioscope-document"]
