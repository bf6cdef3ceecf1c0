"""Settings as people write them into environments: lists with commas or as JSON, and slips named by their variable."""

from __future__ import annotations

import pytest

from api.cli_settings import settings
from index.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", []),
        (" ", []),
        ("a.example", ["a.example"]),
        ("a.example,b.example", ["a.example", "b.example"]),
        (" a.example , http://127.0.0.1:9000 ,", ["a.example", "http://127.0.0.1:9000"]),
        ('["a.example", "b.example"]', ["a.example", "b.example"]),
        ("[]", []),
        ("127.0.0.1", ["127.0.0.1"]),
    ],
)
def test_lists_are_read_as_they_are_written(monkeypatch, tmp_path, written, read):
    """With commas between the values, as one value, as JSON, or as nothing."""
    monkeypatch.setenv("FOLIOSCOPE_WEBHOOK_HOSTS", written)
    assert settings(tmp_path).webhook_hosts == read


@pytest.mark.parametrize("written", ['["a.example"', "[1]", '{"a": 1}', "[a.example]"])
def test_what_is_no_list_is_said_by_name(monkeypatch, tmp_path, written):
    """The message names the variable, and holds no word of how it was parsed in vain."""
    monkeypatch.setenv("FOLIOSCOPE_ALLOWED_HOSTS", written)
    with pytest.raises(ConfigError, match="FOLIOSCOPE_ALLOWED_HOSTS") as refused:
        settings(tmp_path)
    assert refused.value.code == "bad_setting"


def test_an_empty_variable_is_none(monkeypatch, tmp_path):
    """As compose files and unit files have them: the default holds, and the data are not where one happens to stand."""
    for name in ("DATA_DIR", "PORT", "LLM_API_KEY", "QDRANT_URL", "READING"):
        monkeypatch.setenv(f"FOLIOSCOPE_{name}", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    given = settings(None)
    assert given.data_dir == tmp_path / "folioscope"
    assert (given.port, given.llm_api_key, given.qdrant_url, given.reading) == (8321, None, None, "full")
