"""A webhook's secret is replaced without a break: both sign for a while, and a former one for no longer."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from api import cli
from index.errors import InvalidRequest, NotFound
from tests.access_kit import ADMIN, ALL, KeyedApi
from tests.api_kit import assert_problem
from tests.kit import TENANT
from tests.webhook_kit import URL, Receiver, Telling, verified
from worker.webhooks.desk import Webhooks
from worker.webhooks.hooks import MAX_FORMER
from worker.webhooks.sender import SenderConfig
from worker.webhooks.targets import HostRules

DAY = timedelta(days=1)
PATIENT = SenderConfig(timeout_s=60.0)


def opened(secret, got):
    """Whether the official library takes the message with this secret."""
    try:
        return verified(secret, got)["type"] == "webhook.test"
    except WebhookVerificationError:
        return False


def sent(desk, receiver, hook):
    outcome, _ = desk.test(hook.tenant, hook.hook_id)
    assert outcome.taken
    return receiver.got[-1]


def test_both_secrets_sign_during_the_overlap(tmp_path):
    """A real receiver takes messages with the old and with the new secret, of which the new one is first; without
    overlap the former ones end at once.
    """
    with Receiver() as receiver:
        desk = Webhooks(tmp_path, HostRules([receiver.host]), config=PATIENT)
        hook = desk.register("default", receiver.host)
        assert " " not in sent(desk, receiver, hook).headers["webhook-signature"]
        rotated = desk.rotate("default", hook.hook_id, DAY).hook
        assert rotated.secret != hook.secret
        got = sent(desk, receiver, hook)
        assert [one[:3] for one in got.headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]
        assert opened(rotated.secret, got)
        assert opened(hook.secret, got)
        assert not opened(desk.register("default", receiver.host).secret, got)
        last = desk.rotate("default", hook.hook_id, timedelta()).hook
        got = sent(desk, receiver, hook)
        assert [opened(one.secret, got) for one in (last, rotated, hook)] == [True, False, False]
        assert last.rotating_until(datetime.now(UTC)) is None


def test_an_overlap_ends_by_itself(tmp_path):
    """When its time is over the former secret signs nothing, whether or not its file was tidied."""
    with Receiver() as receiver:
        desk = Webhooks(tmp_path, HostRules([receiver.host]), config=PATIENT)
        hook = desk.register("default", receiver.host)
        before = datetime.now(UTC)
        rotated = desk.rotate("default", hook.hook_id, timedelta(seconds=0.5)).hook
        assert rotated.rotating_until(before) is not None
        time.sleep(1.6)  # messages are signed by the second
        got = sent(desk, receiver, hook)
        assert (opened(rotated.secret, got), opened(hook.secret, got)) == (True, False)
        assert desk.hooks.get("default", hook.hook_id).rotating_until(datetime.now(UTC)) is None


def test_former_secrets_are_forgotten(tmp_path):
    """They leave the file with their time, and the hook stays as it was; so many are kept and no more."""
    telling = Telling(tmp_path)
    try:
        hook = telling.desk.register(TENANT, URL, ["document.failed"])
        path = telling.archive.root / "webhooks" / "hooks" / TENANT / f"{hook.hook_id}.json"
        for _ in range(MAX_FORMER + 2):
            newest = telling.desk.rotate(TENANT, hook.hook_id, DAY).hook
        assert len(newest.former) == MAX_FORMER
        assert oct(path.stat().st_mode)[-3:] == "600"
        telling.ends.tidy()
        assert len(json.loads(path.read_text())["former"]) == MAX_FORMER
        telling.late += 86_500
        telling.ends.tidy()
        kept = json.loads(path.read_text())
        assert "former" not in kept
        assert (kept["secret"], kept["events"], kept["url"]) == (newest.secret, ["document.failed"], URL)
        assert kept["created_at"] == hook.created_at.isoformat()
        assert newest.former[0].secret not in repr(newest)
    finally:
        telling.archive.close()


def test_two_rotations_at_once_lose_no_secret(tmp_path):
    """Whoever is told a secret can verify with it, however many ask at the same time, a deletion among them."""
    with Receiver() as receiver:
        desk = Webhooks(tmp_path, HostRules([receiver.host]), config=PATIENT)
        hook = desk.register("default", receiver.host)
        others = [Webhooks(tmp_path, HostRules([receiver.host])) for _ in range(MAX_FORMER)]
        with ThreadPoolExecutor(MAX_FORMER) as pool:
            told = list(pool.map(lambda one: one.rotate("default", hook.hook_id, DAY).hook.secret, others))
        got = sent(desk, receiver, hook)
        assert [opened(secret, got) for secret in told] == [True] * MAX_FORMER
        desk.delete("default", hook.hook_id)
        with pytest.raises(NotFound):
            desk.rotate("default", hook.hook_id, DAY)
        assert desk.list("default") == []


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=7, seconds=1)])
def test_overlaps_that_make_no_sense(tmp_path, overlap):
    """None before now, none without end; the secret stays."""
    desk = Webhooks(tmp_path, HostRules(["hooks.example"]))
    hook = desk.register("default", URL)
    with pytest.raises(InvalidRequest):
        desk.rotate("default", hook.hook_id, overlap)
    assert desk.hooks.get("default", hook.hook_id) == hook
    for tenant, hook_id in (
        ("other", hook.hook_id),
        ("../x", hook.hook_id),
        ("default", "0" * 32),
        ("default", "../x"),
    ):
        with pytest.raises(NotFound):
            desk.rotate(tenant, hook_id, DAY)


# -- over HTTP and on the command line --------------------------------------------------------


def test_rotated_over_http(tmp_path):
    """The new secret is in the answer and nowhere after; for administrators of the tenant only."""
    api = KeyedApi(tmp_path)
    try:
        admin = api.key("one", ADMIN)
        made = api.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x"}, headers=admin).json()
        place = f"/v1/webhooks/{made['id']}/rotate"
        rotated = api.request("POST", place, headers=admin)
        assert rotated.status_code == 200, rotated.text
        assert rotated.json()["secret"] != made["secret"]
        until = datetime.fromisoformat(rotated.json()["rotating_until"])
        assert timedelta(hours=23) < until - datetime.now(UTC) <= DAY
        listed = api.get("/v1/webhooks", headers=admin)
        assert listed.json()["items"][0]["rotating_until"] == rotated.json()["rotating_until"]
        assert "whsec" not in listed.text
        at_once = api.post(place, json={"overlap_hours": 0}, headers=admin).json()
        assert at_once["rotating_until"] is None
        for hours in (-1, 169, "x", None):
            assert_problem(api.post(place, json={"overlap_hours": hours}, headers=admin), 422, "invalid_request")
        assert_problem(api.post(place, json={"hours": 1}, headers=admin), 422, "invalid_request")
        assert_problem(api.request("POST", place, headers=api.key("two", ADMIN)), 404, "not_found")
        assert_problem(api.request("POST", place, headers=api.key("one", ALL - ADMIN)), 403, "scope_missing")
        kept = api.archive.library.webhooks.hooks.get("one", made["id"])
        assert kept.secret == at_once["secret"]
    finally:
        api.archive.close()


def test_rotated_on_the_command_line(capsys, monkeypatch, tmp_path):
    """The secret alone on standard output; what makes no sense is said in one line."""
    monkeypatch.setenv("FOLIOSCOPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOLIOSCOPE_WEBHOOK_HOSTS", '["hooks.example"]')

    def run(*arguments):
        code = cli.run(["webhooks", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    old = run("add", URL)[1].strip()
    hook_id = json.loads(run("list", "--json")[1])["id"]
    code, out, err = run("rotate", hook_id)
    assert code == 0, err
    assert out.strip().startswith("whsec_")
    assert old not in out + err
    assert out.strip() not in err
    assert "signs too until" in err
    said = json.loads(run("rotate", hook_id, "--overlap-hours", "0", "--json")[1])
    assert (said["id"], said["rotating_until"]) == (hook_id, None)
    assert run("rotate", hook_id, "--overlap-hours", "169")[0] == 2
    assert run("rotate", "0" * 32)[0] == 1
    assert run("rotate", hook_id, "--tenant", "other")[0] == 1
