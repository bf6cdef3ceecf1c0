"""What the command line is given to reach a service and its documents, where that is no address, no key, no id."""

from __future__ import annotations

import pytest

from tests.api_kit import UNKNOWN_ID
from tests.cli_kit import fake_cli


@pytest.fixture
def folioscope(capsys, monkeypatch, tmp_path):
    with fake_cli(capsys, monkeypatch, tmp_path / "data") as command:
        yield command


@pytest.mark.parametrize(
    "url",
    [
        "http://[bad",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://a:b",
        "nonsense",
        "ftp://x",
        "http://",
        "//x",
    ],
)
def test_what_is_no_address_is_said_to_be_none(folioscope, url):
    """One line that says how one is written, and nothing is asked."""
    folioscope.url = url
    result = folioscope("ls")
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith("is no address of a service: write http://host:port.\n")
    assert result.err.count("\n") == 1
    assert folioscope("health", "api").err == result.err


def test_health_is_asked_at_an_address_as_others_are(folioscope, monkeypatch):
    """Also with a slash at its end, and from the environment; for programs it is JSON."""
    folioscope.url += "/"
    assert folioscope("health", "api").out == "healthy\n"
    monkeypatch.setenv("FOLIOSCOPE_URL", folioscope.url)
    assert folioscope("health", "api", url=False).out == "healthy\n"
    assert folioscope("health", "api", "--json").json == {"healthy": True}


@pytest.mark.parametrize("key", ["ключ", "a\nb", "a\x00b"])
def test_what_cannot_be_a_key_is_said_to_be_none(folioscope, key):
    """It is not sent, and not shown."""
    result = folioscope("ls", "--key", key)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert result.err.startswith("This is no key")


def test_spaces_around_a_key_and_an_address_are_none_of_them(folioscope):
    """As copying brings them along."""
    folioscope.url += " "
    assert folioscope("ls", "--key", " fsk_x\n").code == 0


@pytest.mark.parametrize("document_id", ["..", ".", "", "/", "../..", "..%2f", "x?y", "0" * 36 + "/.."])
def test_what_is_no_id_asks_for_nothing_else(folioscope, monkeypatch, tmp_path, document_id):
    """`read-again ..` would be the address at which all that failed is tried again."""
    monkeypatch.setenv("FOLIOSCOPE_URL", folioscope.url)  # after `--` no option is one
    (tmp_path / "a.pdf").write_bytes(b"page")
    folioscope("add", tmp_path / "a.pdf")
    for command in (["rm", "--yes"], ["read-again"]):
        result = folioscope(*command, "--", document_id, url=False)
        assert result.code == 3
        assert "There is no such document." in result.err
    assert len(folioscope("ls", "--json").lines) == 1


@pytest.mark.parametrize(
    "command",
    [["ls"], ["search", "x"], ["ask", "x"], ["rm", UNKNOWN_ID, "--yes"], ["read-again", "--failed"], ["mcp"]],
)
def test_a_mistyped_data_directory_is_told_and_not_made(folioscope, tmp_path, command):
    """`add` alone makes an archive; a look into one that is not there must not leave an empty one behind."""
    nowhere = tmp_path / "archvie"
    result = folioscope(*command, "--data", nowhere, url=False)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"There is no archive in {nowhere}.")
    assert not nowhere.exists()
