"""Every error has the same shape, whoever raises it."""

from __future__ import annotations

import inspect

import pytest

from api import problems
from index import errors
from index.errors import FolioscopeError, StoreUnavailable
from tests.api_kit import UNKNOWN_ID, Api, assert_problem, storage_full

CASES = {
    "unknown route": (404, "not_found", "GET", "/nothing", {}),
    "unknown web file": (404, "not_found", "GET", "/web/nothing.js", {}),
    "path out of the web files": (404, "not_found", "GET", "/web/..%2f..%2fpyproject.toml", {}),
    "a slash too many": (404, "not_found", "GET", "/v1/documents/", {}),
    "unknown document": (404, "not_found", "GET", f"/v1/documents/{UNKNOWN_ID}", {}),
    "wrong method": (405, "method_not_allowed", "PUT", f"/v1/documents/{UNKNOWN_ID}", {}),
    "wrong method on a file": (405, "method_not_allowed", "POST", "/web/app.js", {}),
    "invalid parameter": (422, "invalid_request", "GET", "/v1/documents?limit=0", {}),
    "a parameter with a slip": (422, "invalid_request", "GET", "/v1/documents?stat=done", {}),
    "a page with an underscore": (422, "invalid_request", "GET", f"/v1/documents/{UNKNOWN_ID}/pages/1_0", {}),
    "a page with a fraction": (422, "invalid_request", "GET", f"/v1/documents/{UNKNOWN_ID}/pages/1.0", {}),
    "a limit in Arabic digits": (422, "invalid_request", "GET", "/v1/documents?limit=١٠", {}),
    "a limit with a plus": (422, "invalid_request", "GET", "/v1/documents?limit=+3", {}),
    "a limit of true": (422, "invalid_request", "POST", "/v1/search", {"json": {"query": "tide", "limit": True}}),
    "a year that is a second": (
        422, "invalid_request", "POST", "/v1/search", {"json": {"query": "tide", "filter": {"created_from": 1931}}},
    ),
    "a year in an address": (422, "invalid_request", "GET", "/v1/export?created_from=1931", {}),
    "a header with an underscore": (
        422, "invalid_request", "POST", "/v1/uploads",
        {"headers": {"Tus-Resumable": "1.0.0", "Upload-Length": "1_0", "Upload-Metadata": "filename YQ=="}},
    ),
    "invalid body": (422, "invalid_request", "POST", "/v1/search", {"json": {}}),
    "json that is none": (
        400, "bad_request", "POST", "/v1/search",
        {"content": b'{"query": }', "headers": {"Content-Type": "application/json"}},
    ),
    "json without a type": (415, "unsupported_media_type", "POST", "/v1/search", {"content": b'{"query": "tide"}'}),
    "no body": (415, "unsupported_media_type", "POST", "/v1/search", {}),
    "a query of spaces": (422, "invalid_request", "POST", "/v1/search", {"json": {"query": "   "}}),
    "a query of empty quotes": (422, "invalid_request", "POST", "/v1/search", {"json": {"query": '"" “”'}}),
    "a question of empty quotes": (422, "invalid_request", "POST", "/v1/answers", {"json": {"question": '""'}}),
    "json too large": (413, "too_large", "POST", "/v1/search", {"content": b" " * (2 << 20)}),
    "foreign host": (421, "host_not_allowed", "GET", "/livez", {"headers": {"Host": "evil.example"}}),
    "foreign origin": (403, "origin_not_allowed", "POST", "/v1/search", {"headers": {"Origin": "http://evil.example"}}),
    "file type": (415, "unsupported_media_type", "POST", "/v1/documents", {"json": {}}),
    "empty file": (422, "empty", "POST", "/v1/documents", {"content": b""}),
    "broken form": (
        400, "bad_request", "POST", "/v1/documents",
        {"headers": {"Content-Type": "multipart/form-data"}, "content": b"x"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_all_errors_have_one_shape(case):
    """Type, title, status, detail, code, and nothing but documented additions."""
    status, code, method, url, options = CASES[case]
    body = assert_problem(Api().request(method, url, **options), status, code)
    assert body.keys() <= {"type", "title", "status", "detail", "code", "errors"}
    assert body["title"] == problems.CODES[code].title


def test_a_body_that_is_no_json_is_told_in_one_sentence():
    """Where it breaks, or which header is missing; no list of fields, none of which is at fault."""
    headers = {"Content-Type": "application/json"}
    broken = Api().post("/v1/search", content=b'{"query": }', headers=headers).json()
    assert broken["detail"] == "The body is not valid JSON: Expecting value, at character 11."
    assert "errors" not in broken
    untyped = Api().post("/v1/search", content=b'{"query": "tide"}').json()
    assert untyped["detail"] == (
        "The body came without a Content-Type; send JSON, with the header Content-Type: application/json."
    )
    form = Api().post("/v1/search", data={"query": "tide"}).json()
    assert form["detail"].startswith("The body came as application/x-www-form-urlencoded; send JSON")


def test_a_json_body_without_announced_size_is_bounded():
    """It is counted as it comes."""

    async def pieces():
        for _ in range(40):
            yield b" " * (64 << 10)

    response = Api().post("/v1/search", content=pieces(), headers={"Content-Type": "application/json"})
    assert_problem(response, 413, "too_large")


def test_405_says_which_methods_there_are():
    """All of them, though each is a route of its own."""
    assert Api().request("PUT", f"/v1/documents/{UNKNOWN_ID}").headers["allow"] == "DELETE, GET, HEAD"
    assert Api().request("DELETE", "/v1/documents").headers["allow"] == "GET, HEAD, POST"


def test_503_says_when_to_try_again():
    """Retry-After on every unavailability, but not on a full disk."""
    api = Api(retry_after_s=9)
    api.service.fail_with = StoreUnavailable("The index does not answer.")
    response = api.post("/v1/search", json={"query": "x"})
    assert_problem(response, 503, "store_unavailable")
    assert response.headers["retry-after"] == "9"
    api.service.fail_with = storage_full()
    assert "retry-after" not in api.post("/v1/search", json={"query": "x"}).headers


def test_every_error_class_becomes_its_status():
    """No class of the tree is forgotten: each answers with its own status and code."""
    classes = [
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, FolioscopeError) and one.status != 500
    ]
    assert len(classes) >= 8
    for one in classes:
        api = Api()
        api.service.fail_with = one("Do this instead.")
        body = assert_problem(api.get("/v1/documents"), one.status, one.code)
        assert body["detail"] == "Do this instead."
        assert one.code in problems.CODES
        assert problems.CODES[one.code].status == one.status


def test_text_that_utf8_cannot_carry_does_not_break_a_problem():
    """A message that quotes a lone surrogate from a request."""
    api = Api()
    api.service.fail_with = errors.InvalidRequest("The name \ud800 makes no sense.")
    assert_problem(api.get("/v1/documents"), 422, "invalid_request")


def test_request_ids_are_echoed_or_made():
    """Those that could break a log line are replaced."""
    api = Api()
    assert api.get("/livez", headers={"X-Request-ID": "trace-1.2:3"}).headers["x-request-id"] == "trace-1.2:3"
    made = api.get("/livez", headers={"X-Request-ID": "a b"}).headers["x-request-id"]
    assert len(made) == 32
    assert api.get("/livez").headers["x-request-id"] != made


@pytest.mark.parametrize(
    "body",
    [
        b"\x1f\x8b\x08 compressed",
        b"[" * 100_000,
        b'{"query": ' + b"9" * 5000 + b"}",
        '{"query": "\xe9"}'.encode("latin-1"),
    ],
)
def test_bodies_that_cannot_be_read_say_what_is(body):
    """Compressed, nested without end, in another encoding: a problem that says what is read."""
    response = Api().post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert "UTF-8" in assert_problem(response, 400, "bad_request")["detail"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/search", {"query": ""}, "`query` should have at least 1 character."),
        ("/v1/answers", {"question": "x" * 2001}, "`question` should have at most 2000 characters."),
        ("/v1/search", {}, "`query` is missing."),
        ("/v1/search", {"query": "x", "fliter": {}}, "`fliter` is not known here."),
        (
            "/v1/search",
            {"query": "x", "filter": {"created_from": "spring"}},
            "`filter.created_from` should be a date, as",
        ),
        (
            "/v1/chat/completions",
            {"model": "folioscope", "messages": []},
            "`messages` should have at least 1 item, not 0.",
        ),
        *(
            (
                "/v1/chat/completions",
                {"model": "folioscope", "messages": [{"role": "user", "content": content}]},
                "`messages.0.content`: it is a text, or a list of parts such as {",
            )
            for content in ({"text": "Who?"}, ["Who?"], [{"text": "Who?"}], [{"type": "text", "text": 5}], 5)
        ),
        ("/v1/search", {"query": 1, "limit": 1.5}, "`query` should be a valid string. (1 more)"),
        (
            f"/v1/documents/{UNKNOWN_ID}/pages/1/decode",
            {"task": "text", "prompt": "x"},
            "The body: give a task or a prompt, not both.",
        ),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(path, body, said):
    """For people, who read `detail`: no place in a request, no word of the framework."""
    answer = assert_problem(Api().post(path, json=body), 422, "invalid_request")
    assert answer["detail"].startswith(said)
    assert "body." not in answer["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/search", {"query": "x", **{f"field{n}": 1 for n in range(3000)}}),
        ("/v1/search", {"query": "x", "f" * 30_000: 1}),
        ("/v1/chat/completions", {"model": "folioscope", "messages": [{}] * 3000}),
        ("/v1/chat/completions", {"model": "folioscope", "messages": [{"role": "user", "content": [0] * 30_000}]}),
    ],
)
def test_an_answer_does_not_grow_with_what_makes_no_sense(path, body):
    """The first hundred are listed, by short names: a body of 1 MiB was told of in 52."""
    answer = Api().post(path, json=body)
    assert 1 <= len(assert_problem(answer, 422, "invalid_request")["errors"]) <= 100
    assert len(answer.content) < 20_000


def test_parameters_with_a_slip_are_named_and_not_passed_over():
    """By every route of ours, whatever its method and whoever else is right; those that there are stand beside it."""
    api = Api()
    refused = assert_problem(api.get("/v1/documents?limit=3&order=name&stat=done"), 422, "invalid_request")
    assert refused["detail"] == (
        "`stat` is not known at this address; known are cursor, folder, limit, name, order, troubled, uploaded."
    )
    assert [one["where"] for one in refused["errors"]] == ["query.stat"]
    refused = assert_problem(api.get("/v1/progress?a=1&b=2"), 422, "invalid_request")
    assert refused["detail"] == "`a` is not known at this address, which takes no parameters. (1 more)"
    document = api.add(b"one")
    for method, path in (
        ("GET", f"/v1/documents/{document}/pages/1?word=true"),
        ("GET", f"/v1/documents/{document}/pages/1/image?with=300"),
        (
            "POST",
            f"/v1/documents/{document}/read-again?everything=true",
        ),  # its name inside, which is not the parameter's
        ("POST", "/v1/search?limit=5"),
        ("POST", "/v1/documents?filname=a.pdf"),
        ("DELETE", f"/v1/documents/{document}?dry_run=true"),
    ):
        assert_problem(api.request(method, path, content=b"{}"), 422, "invalid_request")
    assert api.request("HEAD", "/v1/documents?stat=done").status_code == 422
    assert api.get(f"/v1/documents/{document}").status_code == 200  # nothing was deleted
    assert not api.service.asked_again


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models?api-version=2024-10-21"),  # Azure's client sends it with everything
        ("GET", "/livez?t=1"),
        ("GET", "/readyz?t=1"),
        ("GET", "/metrics?name[]=a"),
        ("GET", "/?from=mail"),
        ("GET", "/web/app.js?v=2"),
        ("OPTIONS", "/v1/uploads?client=uppy"),
    ],
)
def test_what_clients_of_others_add_is_passed_over(method, path):
    """OpenAI's, tus, probes, scrapers, and links to the page."""
    assert Api().request(method, path).status_code < 300
