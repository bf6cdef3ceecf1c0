"""Settings as people write them into environments: lists with commas or as JSON, and slips named by their variable."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from api.cli_settings import misspelt, settings, tell_misspelt
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


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("ALLOWED_HOSTS", "http://archive.example:80"),
        ("ALLOWED_HOSTS", "archive.example:8321"),
        ("ALLOWED_HOSTS", "*.example"),
        ("ALLOWED_HOSTS", "[::1]:8321"),
        ("ALLOWED_HOSTS", "::1"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "intranet.example"),
        ("CORS_ORIGINS", "https://intranet.example/"),
        ("CORS_ORIGINS", "https://Intranet.example"),
        ("CORS_ORIGINS", "https://intranet.example:443"),
        ("LLM_BASE_URL", "localhost:11434/v1"),
        ("TRACES_URL", "nonsense"),
        ("QDRANT_URL", "qdrant:6333"),
        ("QDRANT_URL", "http://"),
    ],
)
def test_what_could_never_hold_is_refused_at_the_start(monkeypatch, tmp_path, name, written):
    """Taken, it would be missed in silence: no host, origin or server is called that."""
    monkeypatch.setenv(f"FOLIOSCOPE_{name}", written)
    with pytest.raises(ConfigError, match=f"FOLIOSCOPE_{name}: ") as refused:
        settings(tmp_path)
    assert "Value error" not in str(refused.value)


HOSTS = ["[fe80::1]", "archive.example", "Archive_2.example.", "*", "192.0.2.7", "xn--bcher-kva.example"]
ORIGINS = ["https://intranet.example", "http://localhost:3000", "http://[::1]:8043", "chrome-extension://abcdef"]


@pytest.mark.parametrize("write", [", ".join, json.dumps])
def test_hosts_and_origins_that_may_hold_are_taken(monkeypatch, tmp_path, write):
    """One list may begin with a bracket, and be none of JSON."""
    monkeypatch.setenv("FOLIOSCOPE_ALLOWED_HOSTS", write(HOSTS))
    monkeypatch.setenv("FOLIOSCOPE_CORS_ORIGINS", write(ORIGINS))
    given = settings(tmp_path)
    assert (given.allowed_hosts, given.cors_origins) == (HOSTS, ORIGINS)


def test_a_misspelt_setting_is_told(monkeypatch, caplog):
    monkeypatch.setenv("FOLIOSCOPE_READNG", "lazy")
    with caplog.at_level(logging.WARNING, "folioscope.cli"):
        tell_misspelt()
    assert "FOLIOSCOPE_READNG is no setting and is not heeded; FOLIOSCOPE_READING is one" in caplog.text


def test_no_name_that_something_else_reads_counts_as_misspelt():
    """Those of the compose file and of the command line resemble settings, and stand in the same environment."""
    root = Path(__file__).parent.parent
    texts = [root / "docker-compose.yml", root / "docs" / "cli.md", root / "docs" / "operations.md"]
    named = {name for text in texts for name in re.findall(r"FOLIOSCOPE_[A-Z_]*[A-Z]", text.read_text("utf-8"))}
    assert len(named) > 30
    assert misspelt(named) == []
