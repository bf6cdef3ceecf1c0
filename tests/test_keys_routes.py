"""Every route of the OpenAPI document, walked by people who should not get in."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest

from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from index.errors import Unavailable
from index.keys import KeyDirectory, Scope
from tests.access_kit import ALL, OPEN, SECRET, KeyedApi, scopes_of, without
from tests.api_kit import Api, FakeService, assert_problem, serving, wait_for
from tests.kit import pdf

NAMES = sorted(
    f"{method.upper()} {path}" for path, methods in Api().app.openapi()["paths"].items() for method in methods
)
WITH_IDS = [name for name in NAMES if re.search(r"\{\w+_id\}", name)]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    made = KeyedApi(tmp_path_factory.mktemp("data"))
    yield made
    made.archive.close()


@pytest.fixture(scope="module")
def owner(api):
    """The tenant whose documents there are: headers, and ids."""
    headers = api.key("owner")
    return SimpleNamespace(headers=headers, ids=api.fill(headers))


def unknown(ids):
    """Ids of the same shape that never were."""
    return SimpleNamespace(
        document_id=str(uuid.UUID(int=7, version=5)), page=ids.page, upload_id="0" * 32, webhook_id="0" * 32
    )


def test_only_what_says_so_is_open(api):
    """A route without a scope in the document is one of those that this test lists."""
    assert {name for name, operation in api.operations.items() if scopes_of(operation) is None} == OPEN


@pytest.mark.parametrize("name", NAMES)
def test_without_a_key_nothing_opens(api, owner, name):
    """401 that says how to come in, whether the id is known or not; open routes answer."""
    response = api.call(name, owner.ids)
    if name in OPEN:
        assert response.status_code < 300
        return
    assert response.status_code == 401
    if not name.startswith("HEAD"):
        assert_problem(response, 401, "key_required")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert without(response.text, "x") == without(api.call(name, unknown(owner.ids)).text, "x")


@pytest.mark.parametrize("path", ["/mcp", "/v1/nothing", "/nothing", "/v1/documents/", "/livez/", "//livez", "/webx"])
def test_what_is_no_documented_route_is_closed_too(api, path):
    """Assistants' tools, and everything that a later version may answer."""
    for method in ("GET", "POST"):
        assert_problem(api.request(method, f"http://127.0.0.1:8321{path}"), 401, "key_required")


@pytest.mark.parametrize("name", NAMES)
def test_every_route_needs_exactly_its_scope(api, owner, name):
    """With all scopes but its own 403, with its own alone anything but 401 and 403."""
    needed = scopes_of(api.operations[name])
    if needed is None:
        return
    if needed:
        refused = api.call(name, unknown(owner.ids), api.key("owner", ALL - needed))
        assert refused.status_code == 403, refused.text
        if not name.startswith("HEAD"):
            assert_problem(refused, 403, "scope_missing")
            assert f"`{next(iter(needed))}`" in refused.json()["detail"]
    allowed = api.call(name, unknown(owner.ids), api.key("owner", needed or ALL))
    assert allowed.status_code not in {401, 403, 500}, allowed.text


@pytest.mark.parametrize("name", WITH_IDS)
def test_anothers_ids_are_unknown_ids(api, owner, name):
    """Byte for byte the same 404, and the same headers: nobody learns that there is such a document."""
    stranger = api.key("stranger")
    other, never = unknown(owner.ids), owner.ids
    answers = [api.call(name, ids, stranger) for ids in (never, other)]
    assert [answer.status_code for answer in answers] == [404, 404]
    ids = [*vars(never).values(), *vars(other).values()]
    bodies = [without(answer.text, *(one for one in ids if isinstance(one, str))) for answer in answers]
    assert bodies[0] == bodies[1]
    heads = [{key: value for key, value in answer.headers.items() if key != "x-request-id"} for answer in answers]
    assert heads[0] == heads[1]


@pytest.mark.parametrize("name", NAMES)
def test_no_route_tells_a_stranger_anything(api, owner, name):
    """Whatever a stranger asks with somebody else's ids, no text and no name of that document comes out."""
    response = api.call(name, owner.ids, api.key("stranger"))
    assert response.status_code < 500
    assert "zanzibar" not in response.text


def test_the_owner_gets_it_all(api, owner):
    """The same calls by the owner do show it, so the tests above look at the right things."""
    shown = {
        name: api.call(name, owner.ids, owner.headers).text for name in NAMES if name.startswith("GET /v1/documents")
    }
    assert SECRET in shown["GET /v1/documents/{document_id}/pages/{page}"]
    assert "zanzibar.pdf" in shown["GET /v1/documents/{document_id}"]
    found = api.post(
        "/v1/search",
        json={"query": "zanzibar", "filter": {"document_ids": [owner.ids.document_id]}},
        headers=owner.headers,
    )
    assert SECRET in found.text


def test_anothers_documents_are_unknown_to_a_filter(api, owner):
    """As one that never was, and as one that is deleted; what is there but not read yet is known."""
    never, own = str(uuid.UUID(int=7, version=5)), owner.ids.document_id
    asked = {"query": "zanzibar", "filter": {"document_ids": [own, never]}}
    assert api.post("/v1/search", json=asked, headers=owner.headers).json()["unknown_documents"] == [never]
    stranger = api.key("stranger")
    assert api.post("/v1/search", json=asked, headers=stranger).json()["unknown_documents"] == [own, never]
    files = {"file": ("gone.pdf", pdf("gone"))}
    gone = api.post("/v1/documents", files=files, headers=stranger).json()["id"]
    asked = {"question": "zanzibar?", "filter": {"document_ids": [gone]}}
    assert api.post("/v1/answers", json=asked, headers=stranger).json()["unknown_documents"] == []
    api.request("DELETE", f"/v1/documents/{gone}", headers=stranger)
    assert api.post("/v1/answers", json=asked, headers=stranger).json()["unknown_documents"] == [gone]


def test_the_same_file_of_two_tenants_is_two_documents(api, owner):
    """Neither the answer nor its headers say that somebody else has these bytes."""
    stranger = api.key("stranger-with-the-same-file")
    content = api.get(f"/v1/documents/{owner.ids.document_id}/original", headers=owner.headers).content
    response = api.post("/v1/documents", files={"file": ("mine.pdf", content)}, headers=stranger)
    assert response.json()["id"] != owner.ids.document_id
    assert response.headers["folioscope-existing"] == "false"
    deleted = api.request("DELETE", f"/v1/documents/{response.json()['id']}", headers=stranger)
    assert deleted.status_code == 200
    assert api.get(f"/v1/documents/{owner.ids.document_id}", headers=owner.headers).status_code == 200


def test_a_conversation_of_another_tenant_is_not_remembered(api, owner):
    """Its id opens nothing: the answer is that of a new one."""
    question = {"question": "Where does the zanzibar fund stand?", "conversation_id": "new"}
    mine = api.post("/v1/answers", json=question, headers=owner.headers).json()
    again = {"question": "And what of it?", "conversation_id": mine.get("conversation_id")}
    theirs = api.post("/v1/answers", json=again, headers=api.key("stranger"))
    assert "zanzibar" not in theirs.text.lower()


@contextmanager
def followed(tmp_path):
    """A document that is still read, followed with a key: the service, the keys, the key, the ring, the document, and
    the lines of its events after the first."""
    keys = KeyDirectory(tmp_path)
    token, key = keys.create(name="me", tenant="default", scopes=frozenset(Scope), now=datetime.now(UTC))
    ring = KeyRing(keys, required=True)
    service = FakeService(read_at_once=False)
    app = create_app(service, ApiConfig(poll_s=0.05, heartbeat_s=0.05), ring=ring)
    headers = {"Authorization": f"Bearer {token}"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False) as client:
        document = client.post("/v1/documents", files={"file": ("a.pdf", b"one")}).json()["id"]
        with client.stream("GET", f"/v1/documents/{document}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            yield service, keys, key, ring, document, lines
    service.close()


def test_a_stream_ends_with_its_key(tmp_path):
    """Whoever follows a document is let go once the key is revoked, though the document is still read."""
    with followed(tmp_path) as (_, keys, key, _, _, lines):
        keys.revoke(key.key_id, datetime.now(UTC))
        revoked_at = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in lines:
                assert time.monotonic() - revoked_at < 90


def test_an_upload_ends_with_its_key(tmp_path, monkeypatch):
    """What a revoked key goes on sending becomes no document."""
    monkeypatch.setattr("api.access.FRESH_S", 0.2)
    keys = KeyDirectory(tmp_path)
    token, key = keys.create(name="me", tenant="default", scopes=frozenset(Scope), now=datetime.now(UTC))
    service = FakeService()
    app = create_app(service, ring=KeyRing(keys, required=True))

    def dripping():
        yield b"x" * 5000
        keys.revoke(key.key_id, datetime.now(UTC))
        for _ in range(20):
            time.sleep(0.3)
            yield b"x" * 5000

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/pdf"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False) as client:
        try:
            refused = client.post("/v1/documents?filename=a.pdf", content=dripping())
        except httpx.TransportError:
            refused = None
    assert refused is None or not refused.is_success
    assert service.accepted == []
    service.close()


def test_a_stream_outlives_a_moment_without_its_keys(tmp_path):
    """The disk that holds them hiccups while a document is followed: that is no revoked key."""
    asked = []
    with followed(tmp_path) as (service, _, _, ring, document, lines):
        known = ring.caller

        def away(given):
            asked.append(given)
            raise Unavailable("the disk hangs")

        ring.caller = away
        wait_for(lambda: asked)
        ring.caller = known
        service.settle(document)
        assert "event: end" in list(lines)


@pytest.mark.parametrize("cookie", ["aaaaaaaa.99999999999.feed", "initial.1.feed", "", "x"])
def test_an_open_service_minds_no_cookie(tmp_path, monkeypatch, cookie):
    """One of another service on this machine, or of an earlier archive: browsers send it to every port."""
    monkeypatch.setattr("api.keyring.FRESH_S", 0.0)
    api = KeyedApi(tmp_path, required=False)
    document = api.post("/v1/documents", files={"file": ("a.pdf", pdf("One."))}).json()["id"]
    headers = {"Cookie": f"folioscope_session={cookie}"}
    assert api.get(f"/v1/documents/{document}", headers=headers).status_code == 200
    api.key()  # the first one closes it
    assert api.get(f"/v1/documents/{document}", headers=headers).status_code == 401
    api.archive.close()


def test_a_cookie_only_looks_at_documents(api, owner):
    """It opens pictures, and nothing that changes, searches, or names other things; a header goes before it."""
    given = api.post("/v1/session", headers=owner.headers)
    cookie = given.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    https = api.post("/v1/session", headers=owner.headers | {"Origin": "https://127.0.0.1:8321"})
    assert "Secure" in https.headers["set-cookie"]
    session = {"Cookie": cookie.partition(";")[0]}
    for name in NAMES:
        response = api.call(name, owner.ids, session)
        if name in OPEN or name.startswith("GET /v1/documents/"):
            assert response.status_code == 200 or name.startswith("OPTIONS"), name
        else:
            assert response.status_code == 401, name
    stranger = api.key("stranger")
    path = f"/v1/documents/{owner.ids.document_id}"
    assert api.get(path, headers=session | stranger).status_code == 404
    assert api.get(path, headers={"Cookie": "folioscope_session=x.1.y; ;;=\x01"}).status_code == 401


@pytest.mark.parametrize(
    "others",
    [
        'theme={"dark":1}; {}',
        "flag; {}",
        "user@host=1; {}",
        'note="a; {}',
        "{}; a=b c",
        "{}; {}",
        "a=1;{};b",
        "x=é; {}",
    ],
)
def test_a_session_is_found_among_the_cookies_of_others(api, owner, others):
    """Programs on other ports of a host share its cookies, and write them as they like."""
    session = api.post("/v1/session", headers=owner.headers).headers["set-cookie"].partition(";")[0]
    headers = {"Cookie": others.replace("{}", session).encode()}
    assert api.get(f"/v1/documents/{owner.ids.document_id}", headers=headers).status_code == 200


def test_a_cookie_of_backslashes_takes_no_time(api, owner):
    """From anybody, and on the thread that answers everybody: Python's own reader took six seconds for it."""
    began = time.process_time()
    headers = {"Cookie": 'a="' + '\\"' * 30_000 + '"; folioscope_session=x.1.y'}
    assert api.get(f"/v1/documents/{owner.ids.document_id}", headers=headers).status_code == 401
    assert time.process_time() - began < 2.0


def test_cors_is_open_to_the_origins_of_the_setting_only(tmp_path):
    """They call with keys of their own; their preflights need none, and cookies are never theirs."""
    api = KeyedApi(tmp_path, cors_origins=("https://intranet.example",))
    ask = {"Access-Control-Request-Method": "POST"}
    yes = api.request("OPTIONS", "/v1/search", headers={"Origin": "https://intranet.example", **ask})
    assert yes.status_code == 204
    assert yes.headers["access-control-allow-origin"] == "https://intranet.example"
    assert "access-control-allow-credentials" not in yes.headers
    # What the `openai` client sends from a page, and a tus client with checksums.
    wanted = "authorization, content-type, x-stainless-lang, upload-checksum, if-none-match"
    asked = {"Origin": "https://intranet.example", **ask, "Access-Control-Request-Headers": wanted}
    assert api.request("OPTIONS", "/v1/search", headers=asked).headers["access-control-allow-headers"] == wanted
    asked["Access-Control-Request-Headers"] = "a;b"
    assert "access-control-allow-headers" not in api.request("OPTIONS", "/v1/search", headers=asked).headers
    found = api.post("/v1/search", json={"query": "x"}, headers=api.key() | {"Origin": "https://intranet.example"})
    assert found.status_code == 200
    assert found.headers["access-control-allow-origin"] == "https://intranet.example"
    asked = api.key() | {"Origin": "https://intranet.example", "Content-Type": "application/json"}
    for content, code, status in ((b"x" * (1 << 21), "too_large", 413), (b"{}", "invalid_request", 422)):
        refused = api.post("/v1/search", content=content, headers=asked)
        assert_problem(refused, status, code)  # and the page can read why
        assert refused.headers["access-control-allow-origin"] == "https://intranet.example"
    no = api.request("OPTIONS", "/v1/search", headers={"Origin": "https://evil.example", **ask})
    assert "access-control-allow-origin" not in no.headers
    api.archive.close()


def test_a_proxys_password_is_not_taken_for_a_key():
    """Other schemes of Authorization are between the proxy and the client."""
    assert Api().get("/v1/documents", headers={"Authorization": "Basic dTpw"}).status_code == 200
