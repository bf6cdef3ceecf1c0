"""API keys: what they look like, what is kept of them, and how soon a revoked one is refused everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from api.keyring import INITIAL_ID, LOCAL_USER, KeyRing
from api.problems import KeyNotValid, KeyRequired
from index.errors import InvalidRequest, NotFound, StoreUnavailable
from index.keys import PREFIX, KeyDirectory, KeyLimits, Scope, _checksum, key_id_of
from index.usage import DailyUsage

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
READ = frozenset({Scope.READ})


@pytest.fixture
def keys(tmp_path):
    return KeyDirectory(tmp_path)


def make(keys, **options):
    return keys.create(**{"name": "me", "tenant": "council", "scopes": READ, "now": NOW, **options})


def ring_of(keys, **options):
    return KeyRing(keys, now=lambda: NOW, **options)


def test_a_key_is_remembered_without_the_key(tmp_path, keys):
    """Only its hash is on the disk, in a file for its owner alone."""
    token, key = make(keys, expires_at=NOW + timedelta(days=1), limits=KeyLimits(5, None, 7))
    assert token.startswith(PREFIX)
    (path,) = (tmp_path / "keys").glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_text()
    assert token.rpartition("_")[2] not in content
    assert json.loads(content)["sha256"] == key.sha256
    assert keys.get(key.key_id) == key == keys.all()[0]
    assert key.matches(token)


def test_keys_differ_and_name_themselves():
    """Each has an id that can be told from the key; a slip of the pen is noticed by the checksum."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as directory:
        keys = KeyDirectory(Path(directory))
        made = [make(keys) for _ in range(20)]
    assert len({token for token, _ in made}) == 20
    for token, key in made:
        assert key_id_of(token) == key.key_id
        for at in (0, 5, 20, len(token) - 1):
            other = "1" if token[at] != "1" else "2"
            assert key_id_of(token[:at] + other + token[at + 1 :]) is None
    assert key_id_of(made[0][0] + "x") is key_id_of("") is key_id_of(made[0][0] + "\n") is None


@pytest.mark.parametrize("tenant", ["", "A", "../x", "a/b", "-a", "a" * 65, "a b", "a\n"])
def test_tenants_that_cannot_be_are_refused(keys, tenant):
    """They become names of directories."""
    with pytest.raises(InvalidRequest):
        make(keys, tenant=tenant)
    assert keys.all() == []


def test_revoking(keys):
    """For good, at the first time that it was said; an unknown id is said."""
    token, key = make(keys)
    assert keys.revoke(key.key_id, NOW).revoked_at == NOW
    assert keys.revoke(key.key_id, NOW + timedelta(days=1)).revoked_at == NOW
    for unknown in ("00000000", "../catalog", "x" * 5000):
        with pytest.raises(NotFound):
            keys.revoke(unknown, NOW)
    with pytest.raises(KeyNotValid, match="revoked"):
        ring_of(keys).caller(token)


def test_a_key_gives_its_tenant_and_scopes(keys):
    """And nothing else decides them."""
    token, key = make(keys)
    caller = ring_of(keys).caller(token)
    assert (caller.tenant, caller.scopes, caller.key) == ("council", READ, key)


def test_expired_keys_and_wrong_ones(keys):
    """Are refused: by time, by secret, by shape, by what a file does not say."""
    token, key = make(keys, expires_at=NOW)
    with pytest.raises(KeyNotValid, match="expired"):
        ring_of(keys).caller(token)
    other = make(KeyDirectory(keys._root / "elsewhere"))[0]
    for wrong in (other, "", "fsk_", token[:-1], token.upper(), key.key_id, key.sha256, "é\udcff"):
        with pytest.raises(KeyNotValid):
            ring_of(keys).caller(wrong)


def test_an_id_alone_opens_nothing(keys):
    """A key with the right id and the right checksum, but another secret."""
    from index.keys import _checksum

    _, key = make(keys)
    body = f"{PREFIX}{key.key_id}_{'0' * 43}"
    forged = body + _checksum(body)
    assert key_id_of(forged) == key.key_id
    with pytest.raises(KeyNotValid):
        ring_of(keys).caller(forged)


def test_open_until_there_is_a_key(keys):
    """On loopback; then closed until the process ends, whatever becomes of the files."""
    ring = ring_of(keys)
    assert ring.caller(None) == LOCAL_USER
    assert ring.caller("none-needed") == LOCAL_USER  # many clients want a key to be filled in, and send any
    token, key = make(keys)
    keys.revoke(key.key_id, NOW)
    fresh = ring_of(keys)
    for _ in range(2):
        with pytest.raises(KeyRequired):
            fresh.caller(None)
        keys._path(key.key_id).unlink(missing_ok=True)
    assert not fresh.has_usable()


def test_required_and_trusted(keys):
    """Beyond loopback nobody comes in without a key; a command in its own process does, but not with a wrong one."""
    with pytest.raises(KeyRequired):
        ring_of(keys, required=True).caller(None)
    make(keys)
    trusted = ring_of(keys, trusted=True)
    assert trusted.caller(None) == LOCAL_USER
    with pytest.raises(KeyNotValid):
        trusted.caller("fsk_wrong")


def test_the_initial_key(keys):
    """Opens everything without a file, and closes the service to everybody else."""
    ring = ring_of(keys, initial_key="s" * 40)
    assert ring.has_usable()
    caller = ring.caller("s" * 40)
    assert (caller.tenant, caller.key.key_id, caller.scopes) == ("default", INITIAL_ID, frozenset(Scope))
    with pytest.raises(KeyRequired):
        ring.caller(None)
    with pytest.raises(KeyNotValid):
        ring.caller("s" * 41)


def test_sessions(keys):
    """Carry the read scope at most, end, cannot be made up, and end with their key in every process."""
    both = frozenset({Scope.READ, Scope.WRITE})
    token, key = make(keys, scopes=both)
    ring = ring_of(keys)
    cookie, ends = ring.session(ring.caller(token))
    other = KeyRing(keys, now=lambda: NOW)
    assert other.caller_of_session(cookie).scopes == READ
    assert other.caller_of_session(cookie).tenant == "council"
    with pytest.raises(KeyNotValid):
        KeyRing(keys, now=lambda: ends).caller_of_session(cookie)
    key_id, expires, mark = cookie.split(".")
    later = f"{key_id}.{int(expires) + 1}.{mark}"
    for wrong in ("", "..", later, cookie[:-1], f"{key_id}.x.{mark}", f"{key_id}.9.", "\udcff.1.x", "é.²." + mark):
        with pytest.raises(KeyNotValid):
            other.caller_of_session(wrong)
    keys.revoke(key.key_id, NOW)
    with pytest.raises(KeyNotValid):
        KeyRing(keys, now=lambda: NOW).caller_of_session(cookie)


def test_sessions_end_with_the_initial_key(keys):
    """Which is another at the next start, where it was changed: by its name alone it would be the same."""
    ring = ring_of(keys, initial_key="s" * 40)
    cookie, _ = ring.session(ring.caller("s" * 40))
    assert ring_of(keys, initial_key="s" * 40).caller_of_session(cookie).key.key_id == INITIAL_ID
    for others in ({"initial_key": "t" * 40}, {"required": True}):
        with pytest.raises(KeyNotValid):
            ring_of(keys, **others).caller_of_session(cookie)


def test_a_key_that_cannot_be_read_is_no_wrong_key(keys):
    """The disk's trouble is 503, which a client tries again, and lets nobody in."""
    token, key = make(keys)
    keys._path(key.key_id).write_text("{")
    with pytest.raises(StoreUnavailable):
        ring_of(keys).caller(token)


def test_last_used_is_noted_at_most_once_a_minute(keys):
    """For people who tidy up."""
    token, key = make(keys)
    assert keys.last_used(key.key_id) is None
    ring_of(keys).caller(token)
    assert keys.last_used(key.key_id) == NOW
    keys.note_use(key.key_id, NOW + timedelta(seconds=59))
    assert keys.last_used(key.key_id) == NOW
    keys.note_use(key.key_id, NOW + timedelta(seconds=61))
    assert keys.last_used(key.key_id) == NOW + timedelta(seconds=61)
    keys.note_use(key.key_id, NOW - timedelta(hours=1))
    assert keys.last_used(key.key_id) == NOW - timedelta(hours=1)


def test_only_who_is_let_in_uses_a_key(keys):
    """Its id is no secret: who knows no more than that leaves no trace by which it would seem to be in use."""
    token, key = make(keys)
    body = token[:13] + "0" * (len(token) - 19)
    forged = body + _checksum(body)
    assert key_id_of(forged) == key.key_id
    ring = ring_of(keys, required=True)
    for attempt in (lambda: ring.caller(forged), lambda: ring.caller_of_session(f"{key.key_id}.99999999999.feed")):
        with pytest.raises(KeyNotValid):
            attempt()
    assert keys.last_used(key.key_id) is None
    cookie, _ = ring.session(ring.caller(token))
    assert keys.last_used(key.key_id) == NOW
    keys.revoke(key.key_id, NOW)
    later = KeyRing(keys, required=True, now=lambda: NOW + timedelta(minutes=5))
    for attempt in (lambda: later.caller(token), lambda: later.caller_of_session(cookie)):
        with pytest.raises(KeyNotValid):
            attempt()
    assert keys.last_used(key.key_id) == NOW


def test_revoking_reaches_every_process_within_five_seconds(keys, tmp_path):
    """Three processes that used the key a moment ago refuse it; the command that revokes talks to none of them."""
    token, key = make(keys, now=datetime.now(UTC))
    # Each counts from when it sees the key revoked in its file, and a moment in which the machine stops as a short one.
    loop = (
        "import sys, time, pathlib\n"
        "from api.keyring import KeyRing\n"
        "from api.problems import KeyNotValid\n"
        "from index.keys import KeyDirectory\n"
        "_, root, token, key_id = sys.argv\n"
        "directory = KeyDirectory(pathlib.Path(root))\n"
        "ring = KeyRing(directory)\n"
        "ring.caller(token)\n"
        "print('in', flush=True)\n"
        "counted, at = 0.0, time.monotonic()\n"
        "while counted < 20:\n"
        "    revoked = directory.get(key_id).revoked_at is not None\n"
        "    try:\n"
        "        ring.caller(token)\n"
        "    except KeyNotValid:\n"
        "        break\n"
        "    time.sleep(0.02)\n"
        "    at, before = time.monotonic(), at\n"
        "    counted += min(0.2, at - before) if revoked else 0.0\n"
        "print(counted, flush=True)\n"
    )
    command = [sys.executable, "-c", loop, str(tmp_path), token, key.key_id]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        for process in processes:
            assert process.stdout.readline() == "in\n"
        command = [sys.executable, "-m", "api.cli", "keys", "revoke", key.key_id, "--data", str(tmp_path)]
        subprocess.run(command, check=True, capture_output=True)
        for process in processes:
            out, _ = process.communicate(timeout=240)
            assert float(out) < 5
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_many_threads_make_and_revoke_keys(keys):
    """None is lost, none is half written."""
    made = []

    def work():
        for _ in range(10):
            _, key = make(keys)
            keys.revoke(key.key_id, NOW)
            made.append(key.key_id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.key_id for key in keys.all()) == sorted(made)
    assert all(key.revoked_at for key in keys.all())


def test_usage_is_counted_over_processes_and_restarts(tmp_path):
    """Each adds its own file; the next day begins at nothing, and old files go."""
    day = NOW.date()
    one, two = DailyUsage(tmp_path), DailyUsage(tmp_path)
    one.add("k", 100, day)
    assert (one.total("k", day), two.total("k", day)) == (100, 0)
    one.save("k")
    two.add("k", 11, day)
    two.save("k")
    after_restart = DailyUsage(tmp_path)
    assert after_restart.total("k", day) == 111
    assert after_restart.total("other", day) == 0
    assert after_restart.total("k", day + timedelta(days=1)) == 0
    assert not (tmp_path / "keys" / "usage" / day.isoformat()).exists()
