"""Documents, pages, questions and operations over HTTP, as a client sees them."""

from __future__ import annotations

import pytest

from index.errors import ConfigError, InternalError, StoreUnavailable
from index.types import SearchFilter, TextLayerPolicy
from tests.api_kit import UNKNOWN_ID, WEBP, Api, assert_problem, storage_full


@pytest.fixture
def api():
    made = Api()
    yield made
    made.service.close()


def test_a_form_upload_is_accepted(api):
    """202, Location, and the document as it is."""
    response = api.post("/v1/documents", files={"file": ("scan.pdf", b"one\ftwo")})
    body = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/documents/{body['id']}"
    assert response.headers["folioscope-existing"] == "false"
    assert (body["filename"], body["state"], body["size"], body["kind"]) == ("scan.pdf", "accepted", 7, "document")
    assert api.get(response.headers["location"]).json()["pages"] == {
        "pending": 0,
        "done": 2,
        "failed": 0,
        "total": 2,
        "undecoded": 0,
        "drafts": 0,
    }


def test_a_raw_upload_is_accepted(api):
    """The file itself as the body, with its name in the query."""
    response = api.post(
        "/v1/documents?filename=scan.pdf&text_layer=never",
        content=b"one",
        headers={"Content-Type": "application/pdf", "Folioscope-Password": "pässword".encode()},
    )
    assert response.status_code == 202
    assert api.service.accepted == [("default", "scan.pdf", "pässword", TextLayerPolicy.NEVER)]


def test_a_raw_upload_takes_its_name_from_content_disposition(api):
    """An extended file name goes before the plain one."""
    header = "attachment; filename=\"plain.pdf\"; filename*=UTF-8''%C3%BCber.pdf"
    assert api.post("/v1/documents", content=b"one", headers={"Content-Disposition": header}).status_code == 202
    assert api.service.accepted[0][1] == "über.pdf"


def test_the_same_bytes_again_are_the_same_document(api):
    """The same id and status, and a header that says so."""
    first = api.add(b"same")
    again = api.post("/v1/documents", files={"file": ("other name.pdf", b"same")})
    assert (again.status_code, again.json()["id"]) == (202, first)
    assert again.headers["folioscope-existing"] == "true"
    assert len(api.get("/v1/documents").json()["items"]) == 1


def test_listing_pages_through_all_documents(api):
    """Newest first, each exactly once, whatever the page size."""
    added = [api.add(f"document {n}".encode()) for n in range(5)]
    seen, cursor = [], None
    while True:
        page = api.get("/v1/documents", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == added[::-1]


def test_deleting_returns_a_receipt(api):
    """What existed, that nothing remains, and 404 from then on."""
    document = api.add()
    receipt = api.request("DELETE", f"/v1/documents/{document}").json()
    assert (receipt["document_id"], receipt["pages_deleted"]) == (document, 2)
    assert set(receipt["remaining"].values()) == {0}
    assert_problem(api.get(f"/v1/documents/{document}"), 404, "not_found")
    assert_problem(api.request("DELETE", f"/v1/documents/{document}"), 404, "not_found")


@pytest.mark.parametrize("document_id", [UNKNOWN_ID, "x", "..%2f..%2fetc", "%00", UNKNOWN_ID.replace("a", "A") + "0"])
@pytest.mark.parametrize("rest", ["", "/events", "/original", "/pages/1", "/pages/1/image"])
def test_unknown_ids_are_not_found(api, document_id, rest):
    """Also ids that are no ids."""
    assert_problem(api.get(f"/v1/documents/{document_id}{rest}"), 404, "not_found")


@pytest.mark.parametrize("rest", ["", "/events", "/original", "/pages/1", "/pages/1/image"])
def test_ids_in_capitals_are_the_same_ids(api, rest):
    """A UUID is one and the same however a program writes it; it is told as it is stored."""
    document = api.add()
    response = api.get(f"/v1/documents/{document.upper()}{rest}")
    assert response.status_code == 200
    assert document.upper() not in response.text


def test_ids_in_capitals_change_the_same_document(api):
    """Deleting, reading again and decoding go by the same ids."""
    document = api.add()
    assert api.request("POST", f"/v1/documents/{document.upper()}/read-again").json()["document_id"] == document
    decoded = api.request("POST", f"/v1/documents/{document.upper()}/pages/1/decode", json={"task": "text"})
    assert decoded.json()["document_id"] == document
    assert api.request("DELETE", f"/v1/documents/{document.upper()}").json()["document_id"] == document


def test_ids_that_are_no_uuids_never_reach_the_service(api):
    """They could become file names there."""
    api.get("/v1/documents/abc")
    api.get("/v1/documents/abc/pages/1")
    assert api.service.looks == 0


def test_the_original_comes_back_as_an_attachment(api):
    """The same bytes, never shown by a browser, under the exact name."""
    document = api.add(b"one\ftwo", filename='naïve "scan"; 1.pdf')
    response = api.get(f"/v1/documents/{document}/original")
    assert response.content == b"one\ftwo"
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    disposition = response.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="naive _scan__ 1.pdf"; ')
    assert disposition.endswith("filename*=UTF-8''na%C3%AFve%20%22scan%22%3B%201.pdf")


def test_the_original_is_served_in_ranges(api):
    """So that interrupted downloads go on."""
    document = api.add(b"0123456789")
    response = api.get(f"/v1/documents/{document}/original", headers={"Range": "bytes=2-4"})
    assert (response.status_code, response.content) == (206, b"234")


def test_a_page_carries_text_and_regions_and_words_on_request(api):
    """Words are many, so they come only when asked for."""
    document = api.add(b"one\ftwo")
    page = api.get(f"/v1/documents/{document}/pages/2").json()
    assert (page["text"], page["page"], page["pages"], page["words"]) == ("two", 2, 2, [])
    assert page["regions"] == [{"kind": "paragraph", "box": [0, 0, 1, 1], "span": [0, 3]}]
    with_words = api.get(f"/v1/documents/{document}/pages/2?words=true").json()
    assert with_words["words"] == [{"span": [0, 1], "box": [0, 0, 0.12346, 1]}]
    assert_problem(api.get(f"/v1/documents/{document}/pages/3"), 404, "not_found")


def test_a_page_image_is_served_once(api):
    """The second time the browser's own copy is good: 304 without rendering. It asks each time: a page that is read
    again may turn, and what is deleted is shown no more."""
    document = api.add()
    url = f"/v1/documents/{document}/pages/1/image"
    first = api.get(url, params={"width": 300, "format": "png"})
    assert first.headers["content-type"] == "image/png"
    assert first.content == WEBP + b"png 300"
    assert first.headers["cache-control"] == "private, no-cache"
    again = api.get(url, params={"width": 300, "format": "png"}, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other_width = api.get(url, params={"width": 301}, headers={"If-None-Match": first.headers["etag"]})
    assert other_width.status_code == 200
    api.request("DELETE", f"/v1/documents/{document}")
    assert (
        api.get(url, params={"width": 301}, headers={"If-None-Match": other_width.headers["etag"]}).status_code == 404
    )


@pytest.mark.parametrize("query", ["width=15", "width=4001", "format=gif", "width=x"])
def test_page_images_have_bounds(api, query):
    """A width or format out of bounds is refused before anything is rendered."""
    document = api.add()
    assert_problem(api.get(f"/v1/documents/{document}/pages/1/image?{query}"), 422, "invalid_request")


def test_search_returns_pages_with_snippets(api):
    """Hits carry document, page, spans and boxes."""
    document = api.add(b"nothing\fThe bridge fund")
    body = api.post("/v1/search", json={"query": "bridge"}).json()
    (hit,) = body["hits"]
    assert (hit["document_id"], hit["page"]) == (document, 2)
    (start, end) = hit["snippets"][0]["highlights"][0]
    assert hit["snippets"][0]["text"][start:end] == "bridge"
    assert hit["image_url"] == f"/v1/documents/{document}/pages/2/image"
    assert body["groups"] is None


def test_search_filters_reach_the_service(api):
    """Times without a zone are UTC, folders lose their slashes."""
    given = {"folder": "/a/b/", "media_types": ["image/png"], "created_from": "2026-01-01T00:00:00"}
    assert api.post("/v1/search", json={"query": "x", "filter": given}).status_code == 200
    where = api.service.last_filter
    assert isinstance(where, SearchFilter)
    assert (where.folder, where.media_types) == ("a/b", ("image/png",))
    assert where.created_from.isoformat() == "2026-01-01T00:00:00+00:00"


def test_search_groups_by_document(api):
    """Limit and offset count documents; each has a few pages; order is that of the best page."""
    documents = [api.add(b"\f".join([b"bridge %d" % n] * 9)) for n in range(3)]
    body = api.post("/v1/search", json={"query": "bridge", "group_by_document": True, "limit": 2, "offset": 1}).json()
    assert body["hits"] == []
    assert [group["document_id"] for group in body["groups"]] == documents[1:]
    assert [hit["page"] for hit in body["groups"][0]["hits"]] == [1, 2, 3, 4, 5]


def test_an_answer_cites_its_pages(api):
    """Citations are numbered as in the text."""
    document = api.add(b"The fund stands at 412 pounds")
    body = api.post("/v1/answers", json={"question": "How much is 412?"}).json()
    assert body["found"] is True
    assert (body["citations"][0]["number"], body["citations"][0]["document_id"]) == (1, document)
    assert [(one["document_id"], one["page"]) for one in body["considered"]] == [(document, 1)]


def test_an_unanswerable_question_is_no_error(api):
    """200, found false, no citations."""
    response = api.post("/v1/answers", json={"question": "Who is Zarathustra?"})
    assert (response.status_code, response.json()["found"], response.json()["citations"]) == (200, False, [])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/search", {"query": ""}),
        ("/v1/search", {"query": "  \0 "}),
        ("/v1/search", {"query": "x" * 2001}),
        ("/v1/search", {"query": "x", "limit": 101}),
        ("/v1/search", {"query": "x", "offset": -1}),
        ("/v1/search", {"query": "x", "unknown": 1}),
        ("/v1/search", {"query": "x", "filter": {"created_from": "yesterday"}}),
        ("/v1/search", {"query": 5}),
        ("/v1/search", []),
        ("/v1/answers", {}),
        ("/v1/answers", {"question": "   "}),
    ],
)
def test_questions_that_make_no_sense_are_refused(api, path, body):
    """422 with the place of each mistake."""
    assert_problem(api.post(path, json=body), 422, "invalid_request")


@pytest.mark.parametrize("content", [b"{", b"", b'{"query": "\\ud800"}', b'{"query": "\xff"}', b"[" * 100_000])
def test_broken_json_is_the_callers_fault(api, content):
    """Also lone surrogates, wrong encodings and absurd nesting: never a 5xx."""
    response = api.post("/v1/search", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
    assert_problem(response, response.status_code, response.json()["code"])


def test_validation_errors_do_not_echo_values(api):
    """They may be long, or secrets."""
    body = assert_problem(api.post("/v1/search", json={"query": 1, "secret": "hunter2"}), 422, "invalid_request")
    assert {error["where"] for error in body["errors"]} == {"body.query", "body.secret"}
    assert "hunter2" not in str(body)


def test_liveness_asks_nothing(api):
    """A process whose index is away is alive and not ready."""
    api.service.fail_with = StoreUnavailable("The index does not answer.")
    assert api.get("/livez").json() == {"status": "ok"}
    response = api.get("/readyz")
    assert_problem(response, 503, "store_unavailable")
    assert response.headers["retry-after"] == "5"


def test_readiness_names_engine_and_embedder(api):
    """And the version."""
    body = api.get("/readyz").json()
    assert (body["ready"], body["engine"], body["embedder"]) == (True, "fake@1", "hash@1")


def test_metrics_count_by_template(api):
    """Never by what a client sent; pages and queue depth come from the service."""
    api.add(b"12345")
    api.get(f"/v1/documents/{UNKNOWN_ID}")
    api.get("/nonsense/12345")
    text = api.get("/metrics").text
    assert 'folioscope_http_requests_total{method="GET",route="/v1/documents/{document_id}",status="404"} 1.0' in text
    assert 'folioscope_http_requests_total{method="GET",route="(none)",status="404"} 1.0' in text
    assert "nonsense" not in text
    assert UNKNOWN_ID not in text
    assert 'folioscope_pages{state="failed"} 3.0' in text
    assert "folioscope_queue_depth 7.0" in text
    assert "folioscope_upload_bytes_total 5.0" in text
    assert 'folioscope_uploads_total{outcome="new"} 1.0' in text


def test_metrics_of_what_runs_and_of_the_disk(api):
    """A queue that nobody takes from has none, which an alarm can see."""
    text = api.get("/metrics").text
    assert 'folioscope_workers{queue="read.cpu"} 2.0' in text
    assert 'folioscope_workers{queue="read.gpu"} 0.0' in text
    assert '{queue="x"}' not in text
    for state, told in {"total": 1000, "free": 400, "reserved": 100}.items():
        assert f'folioscope_disk_bytes{{state="{state}"}} {told}.0' in text


def test_outcomes_are_counted_from_the_start(api):
    """A series that began with its first event would have no increase that an alarm could see."""
    text = api.get("/metrics").text
    for outcome in ("new", "existing", "replayed", "storage_full", "refused"):
        assert f'folioscope_uploads_total{{outcome="{outcome}"}} 0.0' in text
    for outcome in ("found", "not_found", "failed"):
        assert f'folioscope_answers_total{{outcome="{outcome}"}} 0.0' in text
    assert 'folioscope_errors_total{code="storage_full"} 0.0' in text


def test_resumable_uploads_that_find_no_room_are_counted_too(api, monkeypatch):
    """The alarm is about every way in."""

    def full(*_arguments, **_options):
        raise storage_full()

    monkeypatch.setattr(api.service.uploads, "create", full)
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
    assert_problem(api.post("/v1/uploads", headers=headers), 507, "storage_full")
    assert 'folioscope_errors_total{code="storage_full"} 1.0' in api.get("/metrics").text


def test_metrics_survive_an_outage(api):
    """Everything but what is asked of what is away is still there."""
    api.service.fail_with = StoreUnavailable("away")
    text = api.get("/metrics").text
    assert "folioscope_http_requests_total" in text
    assert 'folioscope_pages{state="done"}' not in text
    assert "folioscope_workers{" not in text
    assert 'folioscope_disk_bytes{state="free"} 400.0' in text


@pytest.mark.parametrize("error", [RuntimeError("secret path /x"), InternalError("secret"), ConfigError("secret")])
def test_our_bugs_do_not_leak(api, error, caplog):
    """500, the request id, and nothing else; the log has the rest."""
    api.service.fail_with = error
    body = assert_problem(api.get("/v1/documents", headers={"X-Request-ID": "abc-1"}), 500, "internal_error")
    assert "secret" not in str(body)
    assert "abc-1" in body["detail"]
    assert "secret" in caplog.text


def test_listings_leave_out_what_they_do_not_look_up(api):
    """Members and failures are of one document: in a listing they are not there, rather than empty."""
    sent = api.post("/v1/documents?filename=a.pdf", content=b"One page.")
    (listed,) = api.get("/v1/documents").json()["items"]
    assert sent.json().keys() - listed.keys() == {"members", "member_failures", "page_failures"}


def test_the_text_layer_policy_stays_what_it_was(api):
    """Sent again with another one, the answer says which one the document has."""
    api.post("/v1/documents?filename=a.pdf&text_layer=never", content=b"One page.")
    again = api.post("/v1/documents?filename=a.pdf&text_layer=auto", content=b"One page.")
    assert (again.headers["folioscope-existing"], again.json()["text_layer"]) == ("true", "never")
