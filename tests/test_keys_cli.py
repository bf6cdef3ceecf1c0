"""`folioscope keys`, and the other commands with a key."""

from __future__ import annotations

import json
import re

import pytest

from api import cli, serve
from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from index.errors import ConfigError
from index.keys import KeyDirectory, key_id_of
from tests.api_kit import FakeService, serving
from worker.settings import Settings


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FOLIOSCOPE_DATA_DIR", str(tmp_path))
    for name in ("FOLIOSCOPE_URL", "FOLIOSCOPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def go(*arguments):
        code = cli.run(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return go


@pytest.fixture
def url(tmp_path):
    """A service that wants keys, on this data directory."""
    service = FakeService()
    app = create_app(service, ApiConfig(retry_after_s=1), ring=KeyRing(KeyDirectory(tmp_path), required=True))
    with serving(app) as address:
        yield address
    service.close()


def test_a_key_is_shown_once_and_alone(run):
    """On standard output, so that a shell can take it; the list never shows it again."""
    code, out, err = run("keys", "create", "--name", "reading room", "--expires", "90d", "--scope", "read")
    assert code == 0, err
    key = out.strip()
    assert key_id_of(key)
    assert key not in err
    code, out, _ = run("keys", "list")
    assert "reading room" in out
    assert re.search(r"until \d{4}-\d\d-\d\d", out)
    assert key not in out
    assert key.split("_")[2] not in run("keys", "list", "--json")[1]


def test_keys_as_json(run):
    """For programs: one object a line, with everything but the hash."""
    made = json.loads(run("keys", "create", "--name", "a", "--tenant", "council", "--bytes-per-day", "5", "--json")[1])
    assert key_id_of(made["key"]) == made["id"]
    (listed,) = [json.loads(line) for line in run("keys", "list", "--json")[1].splitlines()]
    assert (listed["tenant"], listed["scopes"]) == ("council", ["read", "write"])
    assert listed["limits"]["upload_bytes_per_day"] == 5
    assert "sha256" not in listed
    assert run("keys", "revoke", made["id"])[0] == 0
    assert json.loads(run("keys", "list", "--json")[1])["revoked_at"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["create"], 2),
        (["create", "--name", "x", "--scope", "all"], 2),
        (["create", "--name", " "], 1),
        (["create", "--name", "x", "--tenant", "../y"], 1),
        (["revoke", "00000000"], 1),
        (["revoke"], 2),
    ],
)
def test_what_makes_no_sense_is_said(run, arguments, code):
    """In one line, and no key is made."""
    assert run("keys", *arguments)[0] == code
    assert run("keys", "list", "--json")[1] == ""


def test_a_mistyped_id_leaves_no_other_key_good(run):
    """They are revoked all the same, and the exit code says that a part failed."""
    ids = [json.loads(run("keys", "create", "--name", name, "--json")[1])["id"] for name in "ab"]
    code, _, err = run("keys", "revoke", ids[0], "00000000", ids[1])
    assert (code, err.count("\n")) == (3, 1)
    assert "There is no key 00000000" in err
    assert all(json.loads(line)["revoked_at"] for line in run("keys", "list", "--json")[1].splitlines())


@pytest.mark.parametrize(
    ("lifetime", "why"),
    [
        *((odd, "write 30m, 12h, 90d or 1y") for odd in ("soon", "-1d", "", "d", "1w", "1.5d", "+1d", "١d")),
        *((odd, "at most 100 years") for odd in ("0d", "101y", "99999y", "9" * 5000 + "m")),
    ],
)
def test_a_time_that_is_none_is_said_to_be_so(run, lifetime, why):
    """What is not understood, and what no key can be good for, are told apart; the option is named."""
    code, _, err = run("keys", "create", "--name", "x", "--expires", lifetime)
    assert code == 2
    assert "'--expires'" in err
    assert why in err
    assert run("keys", "list", "--json")[1] == ""


def test_commands_with_a_key(run, url, monkeypatch):
    """By option or environment; without one the message says what to do, and a revoked one is no key."""
    code, _, err = run("ls", "--url", url)
    assert code == 1
    assert "--key" in err
    key = run("keys", "create", "--name", "me")[1].strip()
    assert run("ls", "--url", url, "--key", key)[0] == 0
    monkeypatch.setenv("FOLIOSCOPE_API_KEY", key)
    assert run("ls", "--url", url)[0] == 0
    read_only = run("keys", "create", "--name", "me", "--scope", "read")[1].strip()
    code, _, err = run("rm", "00000000-0000-4000-8000-000000000000", "--yes", "--url", url, "--key", read_only)
    assert code == 1
    assert "`write`" in err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_beyond_loopback_there_has_to_be_a_key_that_opens(tmp_path, run, host):
    """A revoked one does not; one from the environment does."""
    settings = Settings(data_dir=tmp_path, host=host)
    with pytest.raises(ConfigError, match="keys create") as error:
        serve.check_address(settings)
    assert error.value.code == "open_address"
    made = json.loads(run("keys", "create", "--name", "a", "--json")[1])
    serve.check_address(settings)
    run("keys", "revoke", made["id"])
    with pytest.raises(ConfigError):
        serve.check_address(settings)
    serve.check_address(Settings(data_dir=tmp_path, host=host, initial_key="k" * 32))
    serve.check_address(Settings(data_dir=tmp_path, host="127.0.0.1"))


def test_the_initial_key_can_come_from_a_file(tmp_path, monkeypatch):
    """As containers mount secrets; a short one is refused."""
    path = tmp_path / "secret"
    path.write_text("x" * 40 + "\n")
    monkeypatch.setenv("FOLIOSCOPE_INITIAL_KEY_FILE", str(path))
    assert Settings().initial_key.get_secret_value() == "x" * 40
    path.write_text("short")
    with pytest.raises(ValueError, match="initial_key"):
        Settings()
