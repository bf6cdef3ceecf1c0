"""Resumable uploads over HTTP, as tus 1.0 has them: its own client, pieces, broken lines, sums and refusals."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import socket
import threading

import httpx
from tusclient.client import TusClient

from api.app import create_app
from index.errors import Conflict
from tests.api_kit import UNKNOWN_ID, Api, FakeService, assert_problem, serving, wait_for

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}


def free(service, upload_id, offset):
    """Whether it has so many bytes and nobody is writing to it."""
    try:
        with service.uploads.appending("default", upload_id, offset):
            return True
    except Conflict:
        return False


def begin(api, content, **metadata):
    told = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
    response = api.post("/v1/uploads", headers=TUS | {"Upload-Length": str(len(content)), "Upload-Metadata": told})
    assert response.status_code == 201, response.text
    return response.headers["location"]


def test_a_public_client_uploads_in_pieces():
    """tuspy sends a file in chunks, and it arrives byte for byte with its name."""
    content = os.urandom(300_000)
    service = FakeService()
    with serving(create_app(service)) as url:
        client = TusClient(f"{url}/v1/uploads")
        metadata = {"filename": "häfen.pdf"}
        sender = client.uploader(file_stream=io.BytesIO(content), chunk_size=70_001, metadata=metadata)
        sender.upload_chunk()
        assert sender.offset == 70_001
        # The program dies; another one goes on by the address alone.
        rest = client.uploader(file_stream=io.BytesIO(content), chunk_size=1 << 20, url=sender.url)
        rest.upload()
        head = httpx.head(sender.url, headers=TUS, timeout=60)
    document = head.headers["folioscope-document"]
    assert head.headers["upload-offset"] == head.headers["upload-length"] == "300000"
    (view,) = service.views.values()
    assert view.manifest.document_id == document
    assert view.manifest.filename == "häfen.pdf"
    assert service.original("default", document)[1].read_bytes() == content


def test_metadata_comes_back_but_for_the_password():
    """As tus has it for `HEAD`, until the upload is a document; a secret is told to nobody again."""
    api = Api()
    name, secret = (base64.b64encode(text.encode()).decode() for text in ("häfen.pdf", "sesame"))
    told = f"filename {name}, password {secret},is_confidential"
    place = api.post("/v1/uploads", headers=TUS | {"Upload-Length": "5", "Upload-Metadata": told}).headers["location"]
    head = api.request("HEAD", place, headers=TUS)
    assert head.headers["upload-metadata"] == f"filename {name},is_confidential"
    plain = api.post("/v1/uploads", headers=TUS | {"Upload-Length": "5"}).headers["location"]
    assert "upload-metadata" not in api.request("HEAD", plain, headers=TUS).headers
    done = api.request("PATCH", place, headers=BYTES | {"Upload-Offset": "0"}, content=b"hello")
    assert done.status_code == 204
    assert "upload-metadata" not in api.request("HEAD", place, headers=TUS).headers


def test_a_method_in_a_header_is_the_method():
    """For who may send no PATCH and no DELETE, as tus has it; on uploads alone, and guarded as those are."""
    api = Api()
    place = begin(api, b"hello world", filename="a.pdf")
    as_patch, as_delete = ({"X-HTTP-Method-Override": method} for method in ("PATCH", "delete"))
    foreign = {"Origin": "http://evil.example", "Upload-Offset": "0"}
    assert_problem(api.post(place, headers=BYTES | as_patch | foreign, content=b"x"), 403, "origin_not_allowed")
    sent = api.post(place, headers=BYTES | as_patch | {"Upload-Offset": "0"}, content=b"hello")
    assert (sent.status_code, sent.headers["upload-offset"]) == (204, "5")
    assert_problem(api.post(place, headers=TUS | {"X-HTTP-Method-Override": "GET"}), 405, "method_not_allowed")
    assert api.post(place, headers=TUS | as_delete).status_code == 204
    assert api.request("HEAD", place, headers=TUS).status_code == 404
    document = f"/v1/documents/{UNKNOWN_ID}"
    assert_problem(api.post(document, headers=as_delete), 405, "method_not_allowed")


def test_bytes_of_a_broken_line_are_kept():
    """A client that vanishes in the middle of a request has lost nothing that had arrived."""
    service = FakeService()
    with serving(create_app(service)) as url:
        api = httpx.Client(base_url=url, timeout=60)
        place = api.post("/v1/uploads", headers=TUS | {"Upload-Length": "100000"}).headers["location"]
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as line:
            head = f"PATCH {place} HTTP/1.1\r\nHost: {host}:{port}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            head += "Content-Type: application/offset+octet-stream\r\nContent-Length: 100000\r\n\r\n"
            line.sendall(head.encode() + b"x" * 40_000)
            threading.Event().wait(0.3)
        upload_id = place.rsplit("/", 1)[1]
        wait_for(lambda: free(service, upload_id, 40_000))
        rest = api.patch(place, headers=BYTES | {"Upload-Offset": "40000"}, content=b"y" * 60_000)
    assert rest.status_code == 204
    assert (
        service.original("default", rest.headers["folioscope-document"])[1].read_bytes()
        == b"x" * 40_000 + b"y" * 60_000
    )


def test_where_an_upload_stands_is_told_while_it_is_ended():
    """Accepting a large file takes its time, and its client's line may break meanwhile: `HEAD` says that all is there.
    Public clients take a refusal for an upload that is gone, and send everything again.
    """
    service = FakeService()
    api = Api(service)
    place = begin(api, b"12345")
    upload_id = place.rsplit("/", 1)[1]
    with service.uploads.appending("default", upload_id, 0) as end:
        end.write(b"12345")
    with service.uploads.appending("default", upload_id, 5):  # as who ends it
        head = api.request("HEAD", place, headers=TUS)
        assert (head.status_code, head.headers["upload-offset"]) == (200, "5")
        assert "folioscope-document" not in head.headers
    assert api.request("HEAD", place, headers=TUS).headers["folioscope-document"]


def test_creation_with_bytes():
    """A small file goes in one request."""
    api = Api()
    response = api.post("/v1/uploads", headers=BYTES | {"Upload-Length": "3"}, content=b"one")
    assert response.status_code == 201
    assert response.headers["upload-offset"] == "3"
    assert api.get(f"/v1/documents/{response.headers['folioscope-document']}").status_code == 200


def test_an_upload_goes_with_its_document():
    """Clients go on with the upload that they remember for a file: nothing says of a deleted document that it came."""
    api = Api()
    sent = api.post("/v1/uploads", headers=BYTES | {"Upload-Length": "3"}, content=b"one")
    place, document = sent.headers["location"], sent.headers["folioscope-document"]
    assert api.request("HEAD", place, headers=TUS).headers["folioscope-document"] == document
    assert api.request("DELETE", f"/v1/documents/{document}").status_code == 200
    gone = api.request("HEAD", place, headers=TUS)
    assert gone.status_code == 404
    assert "folioscope-document" not in gone.headers
    assert api.request("DELETE", place, headers=TUS).status_code == 204


def test_what_there_is_said_of_it():
    """OPTIONS tells version, extensions and the largest file."""
    headers = Api(FakeService(limit=12345)).request("OPTIONS", "/v1/uploads").headers
    assert headers["tus-version"] == "1.0.0"
    assert "creation" in headers["tus-extension"]
    assert headers["tus-max-size"] == "12345"


def test_password_and_policy_come_along():
    """Metadata carries the password and the text layer policy to the document."""
    api = Api()
    place = begin(api, b"!locked", filename="a.pdf", password="pässword", text_layer="never")
    assert api.request("PATCH", place, headers=BYTES | {"Upload-Offset": "0"}, content=b"!locked").status_code == 204
    ((_, filename, password, policy),) = api.service.accepted
    assert (filename, password, policy.value) == ("a.pdf", "pässword", "never")


def test_refused_requests():
    """Each mistake is a problem that says which."""
    api = Api(FakeService(limit=100))
    place = begin(api, b"12345")
    patch = lambda headers, content=b"1": api.request("PATCH", place, headers=headers, content=content)
    assert_problem(api.post("/v1/uploads", headers={"Upload-Length": "5"}), 412, "tus_version")
    assert_problem(api.post("/v1/uploads", headers=TUS), 422, "invalid_request")
    assert_problem(api.post("/v1/uploads", headers=TUS | {"Upload-Length": "-5"}), 422, "invalid_request")
    assert_problem(api.post("/v1/uploads", headers=TUS | {"Upload-Length": "0"}), 422, "empty")
    assert_problem(api.post("/v1/uploads", headers=TUS | {"Upload-Length": "101"}), 413, "too_large")
    broken = TUS | {"Upload-Length": "5", "Upload-Metadata": "filename %%%"}
    assert_problem(api.post("/v1/uploads", headers=broken), 422, "invalid_request")
    assert_problem(patch(TUS | {"Upload-Offset": "0", "Content-Type": "text/plain"}), 415, "unsupported_media_type")
    assert_problem(patch(BYTES), 422, "invalid_request")
    assert_problem(patch(BYTES | {"Upload-Offset": "3"}), 409, "wrong_offset")
    assert_problem(patch(BYTES | {"Upload-Offset": "0"}, b"123456789"), 413, "too_large")
    assert api.request("DELETE", place, headers=TUS).status_code == 204
    assert_problem(patch(BYTES | {"Upload-Offset": "5"}), 404, "not_found")
    assert_problem(api.request("DELETE", "/v1/uploads/..%2fx", headers=TUS), 404, "not_found")


def test_checksums_are_compared():
    """Bytes with another sum than was announced are not kept, and may be sent again; tuspy's own sums are right."""
    content = os.urandom(100_000)
    service = FakeService()
    api = Api(service)
    place = begin(api, content)
    sum_of = lambda data: f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}"
    patch = lambda checksum: api.request(
        "PATCH", place, headers=BYTES | {"Upload-Offset": "0", "Upload-Checksum": checksum}, content=content
    )
    assert_problem(patch(sum_of(b"other")), 460, "checksum_mismatch")
    assert api.request("HEAD", place, headers=TUS).headers["upload-offset"] == "0"
    assert_problem(patch("crc32 AAAA"), 400, "bad_request")
    assert_problem(patch("sha1 ???"), 400, "bad_request")
    assert patch(sum_of(content)).status_code == 204
    with serving(create_app(service)) as url:
        client = TusClient(f"{url}/v1/uploads")
        client.uploader(file_stream=io.BytesIO(content), chunk_size=30_000, upload_checksum=True).upload()


def test_cut_bytes_with_a_checksum_are_not_kept():
    """Where a sum was announced, half of the bytes cannot be known to be right."""
    service = FakeService()
    with serving(create_app(service)) as url:
        place = httpx.post(f"{url}/v1/uploads", headers=TUS | {"Upload-Length": "100000"}, timeout=60).headers[
            "location"
        ]
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as line:
            head = f"PATCH {place} HTTP/1.1\r\nHost: {host}:{port}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            head += "Content-Type: application/offset+octet-stream\r\nContent-Length: 100000\r\n"
            head += "Upload-Checksum: sha1 Lve95gjOVATpfV8EL5X4nxwjKHE=\r\n\r\n"
            line.sendall(head.encode() + b"x" * 40_000)
        upload_id = place.rsplit("/", 1)[1]

        wait_for(lambda: free(service, upload_id, 0))
        assert httpx.head(url + place, headers=TUS, timeout=60).headers["upload-offset"] == "0"


def test_problems_speak_the_protocol():
    """Errors carry the protocol's version too; pieces of files that are to be put together are refused at once."""
    api = Api()
    wrong = api.post("/v1/uploads", headers={"Tus-Resumable": "0.2.2", "Upload-Length": "5"})
    assert (wrong.status_code, wrong.headers["tus-version"]) == (412, "1.0.0")
    unknown = api.request("HEAD", "/v1/uploads/" + "0" * 32, headers=TUS)
    assert (unknown.status_code, unknown.headers["tus-resumable"]) == (404, "1.0.0")
    for kind in ("partial", "final;/v1/uploads/a"):
        refused = api.post("/v1/uploads", headers=TUS | {"Upload-Length": "5", "Upload-Concat": kind})
        assert_problem(refused, 422, "invalid_request")
