"""The header `Idempotency-Key`: what is a key, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.idempotency import key_of
from index.errors import InvalidRequest
from tests.access_kit import KeyedApi
from tests.api_kit import assert_problem
from tests.kit import pdf

NO_KEYS = ["", '""', '"open', "two words", "a,b", '"a";b=1', "ü", '"ü"', "x" * 256, '"a\\b"', "a\x01"]


@pytest.mark.parametrize("header", NO_KEYS)
def test_keys_that_are_none(header):
    """Are no keys."""
    with pytest.raises(InvalidRequest):
        key_of(header)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255))
@settings(max_examples=100, deadline=None, database=None)
def test_every_string_of_structured_fields_is_a_key(key):
    """In quotes, with what has to be escaped; and the same without quotes where that can be read."""
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert key_of(quoted) == key
    if not set(key) & set(' ",;\\'):
        assert key_of(key) == key


def test_a_key_that_is_none_is_refused_before_anything_is_read(tmp_path):
    """As any malformed request, and no file is on its way in."""
    api = KeyedApi(tmp_path)
    headers = api.key()
    for header in NO_KEYS:
        if header.isascii() and header.isprintable():
            sent = {**headers, "Idempotency-Key": header}
            refused = api.post("/v1/documents", files={"file": ("a.pdf", pdf("a"))}, headers=sent)
            assert_problem(refused, 422, "invalid_request")
    assert not list((tmp_path / "incoming").iterdir())
    api.archive.close()
