"""What keeps a browser that visits a bad page from reaching the archive."""

from __future__ import annotations

import re

import pytest

from tests.api_kit import LOCAL, Api, FakeService, assert_problem

SEARCH = {"json": {"query": "x"}}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8321", "LOCALHOST:1", "[::1]", "[::1]:8321"])
def test_loopback_names_are_allowed(host):
    """With any port."""
    assert Api().get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "evil@localhost", "::1"]
)
def test_other_names_are_refused(host):
    """A name that an attacker pointed at loopback (DNS rebinding)."""
    assert_problem(Api().get("/v1/documents", headers={"Host": host}), 421, "host_not_allowed")


def test_further_names_are_a_setting():
    """Beside loopback, never instead of it."""
    api = Api(allowed_hosts=("Archive.example",))
    for host in ("archive.example", "localhost"):
        assert api.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (LOCAL, "127.0.0.1:8321"),
        ("http://localhost", "localhost"),
        ("https://archive.example", "archive.example"),
        ("http://localhost", "localhost:80"),
        ("http://[::1]:8321", "[::1]:8321"),
    ],
)
def test_our_own_page_may_change_things(origin, host):
    """The origin names this service, also behind a proxy that ends TLS."""
    api = Api(allowed_hosts=("archive.example",))
    assert api.post("/v1/search", headers={"Origin": origin, "Host": host}, **SEARCH).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "ftp://127.0.0.1:8321"},
        {"Origin": "http://127.0.0.1:port"},
        {"Origin": "http://[::1"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:" + "8" * 5000},
        {"Origin": "http://localhost", "Host": "localhost:" + "8" * 5000},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/documents"), ("POST", "/v1/search"), ("DELETE", "/v1/documents/x")]
)
def test_pages_of_other_origins_may_not(headers, method, path):
    """Not even with requests that need no permission of CORS, such as forms."""
    api = Api()
    assert_problem(api.request(method, path, headers=headers), 403, "origin_not_allowed")
    assert not api.service.staged


def test_cors_is_closed():
    """No preflight is answered, no response names an origin."""
    api = Api()
    preflight = api.request(
        "OPTIONS", "/v1/search", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert_problem(preflight, 405, "method_not_allowed")
    read = api.get("/v1/documents", headers={"Origin": "http://evil.example"})
    assert not [name for name in read.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/docs", "/livez", "/nothing", "/v1/documents", "/openapi.json", "/web/none"])
def test_every_response_has_the_security_headers(path):
    """Errors and the web page included."""
    headers = Api().get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_what_documents_say_is_not_kept_by_caches():
    """JSON of the API is never stored."""
    assert Api().get("/v1/documents").headers["cache-control"] == "no-store"


def test_500_has_the_security_headers_too():
    """The last resort answers through the same door."""
    service = FakeService()
    service.fail_with = RuntimeError("bug")
    response = Api(service).get("/v1/documents")
    assert response.status_code == 500
    assert "content-security-policy" in response.headers


def test_a_page_of_an_allowed_origin_can_read_of_our_errors():
    """Without the header of CORS its browser shows it a network error, and no request id to look for in the log."""
    service = FakeService()
    api = Api(service, cors_origins=("https://intranet.example",))
    service.fail_with = RuntimeError("bug")
    response = api.get("/v1/documents", headers={"Origin": "https://intranet.example"})
    body = assert_problem(response, 500, "internal_error")
    assert response.headers["access-control-allow-origin"] == "https://intranet.example"
    assert "X-Request-ID" in response.headers["access-control-expose-headers"]
    assert response.headers["x-request-id"] in body["detail"]
    assert "access-control-allow-origin" not in api.get("/v1/documents", headers={"Origin": "https://e.x"}).headers


def test_no_route_loads_third_party_scripts():
    """Swagger UI and ReDoc are off; the page of our own has no script at all."""
    api = Api()
    assert_problem(api.get("/redoc"), 404, "not_found")
    page = api.get("/docs").text
    assert "<script" not in page
    assert "/v1/documents/{document_id}/pages/{page}/image" in page
    # Addresses stand in examples only, as text.
    assert not re.findall(r"""\b(?:src|href|action)\s*=\s*["']?(?:\w+:)?//""", page)
    assert "@import" not in page
