"""Filters of searches and questions over HTTP: what they name and is not there is told, and nothing else breaks."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest

from tests.access_kit import KeyedApi
from tests.api_kit import UNKNOWN_ID, Api, assert_problem
from tests.test_api_answers import TEXT, events

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api():
    api = Api()
    api.add(TEXT, filename="minutes.pdf")
    return api


def post_raw(api, path, asked):
    """As clients send what UTF-8 cannot carry."""
    response = api.post(path, content=json.dumps(asked), headers=JSON)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("path", ["/v1/answers", "/v1/chat/completions", "/v1/export"])
def test_the_archives_of_a_filter_are_looked_into_beside_the_event_loop(tmp_path, monkeypatch, path):
    """One of thousands of members takes so long that everybody else would wait."""
    api = KeyedApi(tmp_path)
    headers, threads, look = api.key(), [], api.service._with_members
    where = {"document_ids": [api.fill(headers).document_id]}
    with_members = lambda *one: threads.append(threading.current_thread()) or look(*one)  # noqa: E731
    monkeypatch.setattr(api.service, "_with_members", with_members)
    asked = {
        "/v1/answers": {"question": "zanzibar", "filter": where},
        "/v1/chat/completions": {
            "model": "folioscope",
            "messages": [{"role": "user", "content": "zanzibar"}],
            "folioscope": {"filter": where},
        },
    }
    if path in asked:
        answer = api.post(path, json=asked[path], headers=headers)
    else:
        answer = api.get(path, params={"document_id": where["document_ids"]}, headers=headers)
    assert "zanzibar.pdf" in answer.text
    assert threads
    assert threading.current_thread() not in threads
    api.archive.close()


@pytest.mark.parametrize("path", ["/v1/answers", "/v1/search", "/v1/chat/completions"])
def test_unknown_filters(api, path):
    """A filter that there is not is refused and named: answering without it would answer from other documents."""
    for wrong in ({"foldr": "council"}, {"document_ids": "x"}, {"created_from": "yesterday"}):
        asked = {"query": "ferry", "filter": wrong} if path == "/v1/search" else {"question": "ferry", "filter": wrong}
        if path == "/v1/chat/completions":
            messages = [{"role": "user", "content": "ferry"}]
            asked = {"model": "folioscope", "messages": messages, "folioscope": {"filter": wrong}}
        refused = api.post(path, json=asked)
        assert_problem(refused, 422, "invalid_request")
        assert next(iter(wrong)) in refused.json()["detail"]


def test_documents_of_a_filter_that_are_not_there_are_told(api):
    """By everything that takes the filter; deleted ones and those that never were look the same."""
    (known,) = api.service.views
    gone = api.add(b"another")
    api.request("DELETE", f"/v1/documents/{gone}")
    where = {"document_ids": [known.upper(), gone, UNKNOWN_ID.upper(), "minutes.pdf", "\ud800", known]}
    unknown = [gone, UNKNOWN_ID, "minutes.pdf", "\ufffd"]
    search, question = {"query": "ferry", "filter": where}, {"question": "When was the ferry?", "filter": where}
    assert post_raw(api, "/v1/search", search)["unknown_documents"] == unknown
    assert api.service.last_filter.document_ids == (known, *unknown)
    assert post_raw(api, "/v1/search", search | {"group_by_document": True})["unknown_documents"] == unknown
    assert post_raw(api, "/v1/answers", question)["unknown_documents"] == unknown
    streamed = api.post("/v1/answers", content=json.dumps(question | {"stream": True}), headers=JSON)
    assert events(streamed)[-1][1]["unknown_documents"] == unknown
    chat = {
        "model": "folioscope",
        "messages": [{"role": "user", "content": "When was the ferry?"}],
        "folioscope": {"filter": where},
    }
    told = post_raw(api, "/v1/chat/completions", chat)
    assert told["folioscope"]["unknown_documents"] == unknown
    assert told["choices"][0]["message"]["content"].endswith(
        "Not in this archive: 4 documents of those that were named.)"
    )
    assert (
        "4 documents of those"
        in api.post("/v1/chat/completions", content=json.dumps(chat | {"stream": True}), headers=JSON).text
    )


def test_a_folder_that_is_not_there_is_told(api):
    """By all that takes the filter: with a slip in its name it finds nothing, as if nothing stood on its pages. One
    that is there is not, though nothing in it passes the rest of the filter."""
    known = api.add(TEXT + b" Again.", path="Council/1931/minutes.pdf")
    chat = {"model": "folioscope", "messages": [{"role": "user", "content": "When was the ferry?"}]}
    question = {"question": "When was the ferry?"}
    later = {"folder": "Council", "created_from": "2999-01-01"}
    api.service.heeds_folders = True
    for where, unknown in (
        ({"folder": "Councl/"}, "Councl"), ({"folder": "Council/1931"}, None), (later, None), ({}, None),
        ({"folder": "council", "document_ids": [known]}, "council"),
    ):  # fmt: skip
        for grouped in (False, True):
            asked = {"query": "ferry", "filter": where, "group_by_document": grouped}
            assert post_raw(api, "/v1/search", asked)["unknown_folder"] == unknown
        assert post_raw(api, "/v1/answers", question | {"filter": where})["unknown_folder"] == unknown
        streamed = api.post(
            "/v1/answers", content=json.dumps(question | {"filter": where, "stream": True}), headers=JSON
        )
        assert events(streamed)[-1][1]["unknown_folder"] == unknown
        asked = chat | {"folioscope": {"filter": where}}
        told = post_raw(api, "/v1/chat/completions", asked)
        assert told["folioscope"]["unknown_folder"] == unknown
        remark = "Not in this archive: the folder that was named."
        assert (remark in told["choices"][0]["message"]["content"]) == (unknown is not None)
        streamed = api.post("/v1/chat/completions", content=json.dumps(asked | {"stream": True}), headers=JSON).text
        assert (remark in streamed) == (unknown is not None)
        assert api.get("/v1/export", params={"folder": where.get("folder", "")}).status_code == (
            404 if unknown else 200
        )


def test_an_export_of_what_is_not_there_is_a_problem(api):
    """No line of the file could tell it."""
    (known,) = api.service.views
    told = assert_problem(api.get("/v1/export?folder=Councl"), 404, "not_found")["detail"]
    assert told == "No document lies in the folder 'Councl'."
    told = assert_problem(api.get(f"/v1/export?document_id={known}&document_id={UNKNOWN_ID}"), 404, "not_found")[
        "detail"
    ]
    assert told == f"There is no document {UNKNOWN_ID}."
    assert api.get(f"/v1/export?document_id={known}").content.count(b"\n") == 2


def test_filters_without_unknown_documents_tell_none(api):
    """Nor does a question without a filter."""
    (known,) = api.service.views
    for where in ({}, {"document_ids": [known]}, {"folder": "nowhere"}):
        assert api.post("/v1/search", json={"query": "ferry", "filter": where}).json()["unknown_documents"] == []
        answer = api.post("/v1/answers", json={"question": "ferry?", "filter": where}).json()
        assert answer["unknown_documents"] == []


def test_filters_at_the_ends_of_the_calendar(api):
    """A moment that no other zone can write is a moment: the first and the last there is."""
    from api import convert
    from api.schemas_asking import FilterJSON

    given = FilterJSON(created_from="0001-01-01T00:00:00+14:00", created_to="9999-12-31T23:59:59-14:00")
    where = convert.search_filter(given)
    assert (where.created_from.year, where.created_to.year) == (1, 9999)
    assert where.created_from.utcoffset() == where.created_to.utcoffset() == timedelta(0)
