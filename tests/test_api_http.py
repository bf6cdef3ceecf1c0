"""What HTTP clients take for granted: HEAD, ranges, conditions, and filters that nothing can pass are told as such."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime

import httpx
import openai
import pytest

from api.app import create_app
from index.errors import InvalidRequest
from index.types import DocumentState
from tests.api_kit import Api, FakeService, assert_problem, serving
from worker.listing import step

CONTENT = b"0123456789"


@pytest.fixture(scope="module")
def api():
    return Api()


@pytest.fixture(scope="module")
def document(api):
    return api.add(CONTENT)


def original(api, document, method="GET", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.request(method, f"/v1/documents/{document}/original", headers=names)


# -- HEAD -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/livez", "/readyz", "/metrics", "/openapi.json", "/", "/v1/documents", "/v1/documents/{id}", "/v1/models",
     "/v1/documents/{id}/original", "/v1/documents/{id}/pages/1", "/v1/documents/{id}/pages/1/image", "/v1/webhooks"],
)  # fmt: skip
def test_head_is_get_without_a_body(api, document, path):
    """Status and headers are those of GET, the length included."""
    url = path.replace("{id}", document)
    got, head = api.get(url), api.request("HEAD", url)
    assert (head.status_code, head.content) == (got.status_code, b"") == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # its numbers change with every request
        assert head.headers.get("content-length") == got.headers.get("content-length")


def test_head_of_what_is_not_there(api):
    """Errors have their status too, and no body."""
    assert api.request("HEAD", "/v1/documents/00000000-0000-0000-0000-000000000000").status_code == 404
    assert api.request("HEAD", "/nowhere").status_code == 404
    assert api.request("HEAD", "/v1/search").status_code == 405


def test_allow_names_head(api):
    """Wherever it names GET."""
    assert api.request("PUT", "/v1/documents").headers["allow"] == "GET, HEAD, POST"
    assert api.request("PUT", "/v1/search").headers["allow"] == "POST"


def test_head_of_a_stream_without_end_ends():
    """Over a socket: the headers of an event stream, and the connection is good for the next request."""

    class Reading(FakeService):
        """A document whose reading never ends."""

        def document(self, tenant, document_id):
            return dataclasses.replace(super().document(tenant, document_id), state=DocumentState.READING)

    service = Reading()
    with serving(create_app(service)) as url, httpx.Client(base_url=url, timeout=120) as client:
        document = client.post("/v1/documents", files={"file": ("a.pdf", CONTENT)}).json()["id"]
        for path in (f"/v1/documents/{document}/events", "/v1/export"):
            head = client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"].startswith(("text/event-stream", "application/x-ndjson"))
        assert client.get("/livez").status_code == 200


# -- ranges and conditions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("BYTES = 2-4", 206, b"234"),
        ("bytes=-3", 206, b"789"),
        ("bytes=7-", 206, b"789"),
        ("bytes=9-9", 206, b"9"),
        ("bytes=5-99999999999999999999", 206, b"56789"),
        ("bytes=0-1,20-30", 206, b"01"),
        ("items=0-1", 200, CONTENT),
        ("bytes=4-2", 200, CONTENT),
        ("bytes=a-b", 200, CONTENT),
        ("bytes=-", 200, CONTENT),
        ("bytes=", 200, CONTENT),
        ("bytes", 200, CONTENT),
        ("bytes=--1", 200, CONTENT),
        ("bytes=²-³", 200, CONTENT),
        ("bytes=" + " " * 60_000 + "x", 200, CONTENT),  # took five seconds
    ],
)
def test_ranges(api, document, asked, status, body):
    """What a file has of a range is sent; a range that makes no sense is passed over, as RFC 9110 has it."""
    began = time.process_time()
    response = original(api, document, Range=asked.encode())
    assert (response.status_code, response.content) == (status, body)
    assert time.process_time() - began < 2.0


def test_several_ranges_come_in_parts(api, document):
    """As `multipart/byteranges`, without those that the file has not."""
    response = original(api, document, Range="bytes=0-1,4-5,30-40")
    assert response.status_code == 206
    assert response.headers["content-type"].startswith("multipart/byteranges")
    assert [part in response.content for part in (b"bytes 0-1/10", b"bytes 4-5/10", b"bytes 30-")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12,40-50", "bytes=-0"])
def test_ranges_that_the_file_has_not(api, document, asked):
    """A problem like every other, with the file's length."""
    response = original(api, document, Range=asked)
    assert_problem(response, 416, "range_not_satisfiable")
    assert response.headers["content-range"] == "bytes */10"


def test_downloads_are_not_sent_twice(api, document):
    """A client that has the bytes is told so; a range of other bytes than it has is the whole file."""
    first = original(api, document)
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = original(api, document, If_None_Match=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert original(api, document, If_None_Match='"other"').status_code == 200
    for unchanged in (tag, modified):
        assert original(api, document, Range="bytes=0-1", If_Range=unchanged).content == b"01"
    for other in ('"other"', f"W/{tag}", "Sat, 01 Jan 2000 00:00:00 GMT"):
        assert original(api, document, Range="bytes=50-60", If_Range=other).content == CONTENT
    assert original(api, document, "HEAD", If_None_Match=tag).status_code == 304


# -- filters ----------------------------------------------------------------------------------

CONFLICT = {"created_from": "2026-02-01T00:00:00+02:00", "created_to": "2026-01-30"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CONFLICT, "later"),
        ({"media_types": ["image/gif"]}, "application/pdf, image/png"),
        ({"media_types": ["application/zip", "tar"]}, "name it in document_ids"),
    ],
)
def test_filters_that_nothing_can_pass_are_told(api, given, said):
    """An empty result would say that nothing is there; for search, answers, chat and export alike."""
    asked = {"filter": given}
    chat = {"model": "folioscope", "messages": [{"role": "user", "content": "ferry?"}], "folioscope": asked}
    names = {"media_types": "media_type"}
    responses = [
        api.post("/v1/search", json={"query": "ferry", **asked}),
        api.post("/v1/answers", json={"question": "ferry?", **asked}),
        api.post("/v1/chat/completions", json=chat),
        api.get("/v1/export", params={names.get(name, name): value for name, value in given.items()}),
    ]
    for response in responses:
        assert said in assert_problem(response, 422, "invalid_request")["detail"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["Application/PDF"], ("application/pdf",)),
        (["pdf", "application/pdf"], ("application/pdf",)),
        (["PNG", "jpg", "jpeg", "tif", "webp"], ("image/png", "image/jpeg", "image/tiff", "image/webp")),
        (["zip", "tiff"], ("application/zip", "image/tiff")),
    ],
)
def test_names_of_types(api, given, meant):
    """Media types know no case, and go by short names."""
    asked = {"query": "ferry", "filter": {"media_types": given}}
    assert api.post("/v1/search", json=asked).status_code == 200
    assert api.service.last_filter.media_types == meant


@pytest.mark.parametrize("end", ["2026-01-31", " 2026-01-31 "])
def test_a_day_that_ends_a_period_belongs_to_it(api, end):
    """For search and export; a time is what it says."""

    def until(moment: str) -> datetime:
        asked = {"created_from": "2026-01-31", "created_to": moment}
        assert api.post("/v1/search", json={"query": "ferry", "filter": asked}).status_code == 200
        assert api.service.last_filter.created_from == datetime(2026, 1, 31, tzinfo=UTC)
        return api.service.last_filter.created_to

    assert until(end) == datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert until("2026-01-31T10:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert api.get("/v1/export", params={"created_from": "2026-01-31T12:00", "created_to": end}).status_code == 200
    refused = api.get("/v1/export", params={"created_from": "2026-01-31T12:00", "created_to": "2026-01-31T10:00"})
    assert "later" in assert_problem(refused, 422, "invalid_request")["detail"]
    assert_problem(api.get("/v1/export", params={"created_to": "2026-02-30"}), 422, "invalid_request")


@pytest.mark.parametrize(
    "cursor",
    ["nan_x", "inf_x", "-inf_", "x", "", "1e9_x", "1_000.0_x", "１.0_x", " 1.0_x", "1.0 _x", "1e+400_x", "1.0\n_x"],
)
def test_cursors_that_no_listing_returned(cursor):
    """Numbers that are no time are none either."""
    with pytest.raises(InvalidRequest):
        step([], cursor, 10)


# -- OpenAI's models --------------------------------------------------------------------------


def test_the_official_client_looks_a_model_up():
    """Some look before they ask; what is not there is told in OpenAI's shape."""
    with (
        serving(create_app(FakeService())) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        assert client.models.retrieve("folioscope").owned_by == "folioscope"
        with pytest.raises(openai.NotFoundError) as refused:
            client.models.retrieve("gpt-4")
        assert refused.value.code == "not_found"
        with pytest.raises(openai.NotFoundError, match="nothing at this address"):
            client.embeddings.create(model="folioscope", input="a thing that it does not do")
