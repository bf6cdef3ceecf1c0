"""Webhooks as people meet them: over HTTP, on the command line, and of a service that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from api import cli
from index.errors import StoreUnavailable
from tests.access_kit import ADMIN, ALL, HOOK_URL, KeyedApi
from tests.api_kit import UNKNOWN_ID, assert_problem, wait_for
from tests.stack_kit import scan
from tests.stack_redis import free_port
from tests.webhook_kit import Receiver, dripping, status, verified
from worker.webhooks.desk import Webhooks
from worker.webhooks.outbox import Message
from worker.webhooks.runner import Runner
from worker.webhooks.targets import HostRules

ROOT = Path(__file__).parent.parent


@pytest.fixture
def api(tmp_path):
    made = KeyedApi(tmp_path)
    yield made
    made.archive.close()


def register(api, headers, url=HOOK_URL, **more):
    return api.post("/v1/webhooks", json={"url": url, **more}, headers=headers)


# -- over HTTP --------------------------------------------------------------------------------


def test_registered_listed_and_deleted(api):
    """The secret is in the first answer and nowhere after; for administrators only."""
    admin = api.key("one", ADMIN)
    made = register(api, admin, events=["document.failed"])
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    listed = api.get("/v1/webhooks", headers=admin)
    (item,) = listed.json()["items"]
    assert (item["id"], item["url"], item["events"]) == (made.json()["id"], HOOK_URL, ["document.failed"])
    assert "secret" not in listed.text
    assert "whsec" not in listed.text
    assert_problem(register(api, api.key("one", ALL - ADMIN)), 403, "scope_missing")
    place = f"/v1/webhooks/{item['id']}"
    assert api.request("DELETE", place, headers=admin).status_code == 204
    assert_problem(api.request("DELETE", place, headers=admin), 404, "not_found")
    assert api.get("/v1/webhooks", headers=admin).json() == {"items": []}


def test_tenants_do_not_see_each_others_hooks(api):
    """An administrator has the hooks of its own tenant; another's id is an unknown one."""
    mine, theirs = api.key("one", ADMIN), api.key("two", ADMIN)
    hook = register(api, mine).json()["id"]
    assert api.get("/v1/webhooks", headers=theirs).json() == {"items": []}
    for method, path in (("DELETE", f"/v1/webhooks/{hook}"), ("POST", f"/v1/webhooks/{hook}/test")):
        assert_problem(api.request(method, path, headers=theirs), 404, "not_found")
    assert len(api.get("/v1/webhooks", headers=mine).json()["items"]) == 1


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "http://hooks.example/", "https://hooks.example:1/", "http://169.254.169.254/", "x"],
)
def test_hosts_that_are_not_allowed(api, url):
    """422 with the setting's name or the reason; nothing is registered."""
    admin = api.key("one", ADMIN)
    assert_problem(register(api, admin, url), 422, "webhook_not_allowed")
    assert api.get("/v1/webhooks", headers=admin).json() == {"items": []}


@pytest.mark.parametrize("more", [{"events": []}, {"events": ["document.read"]}, {"secret": "mine"}, {"url": None}])
def test_requests_that_make_no_sense(api, more):
    """Unknown events and fields are told."""
    assert_problem(register(api, api.key("one", ADMIN), **more), 422, "invalid_request")


def test_there_may_be_so_many(api):
    """Of each tenant."""
    admin = api.key("one", ADMIN)
    for _ in range(20):
        assert register(api, admin).status_code == 201
    assert_problem(register(api, admin), 409, "too_many_webhooks")
    assert register(api, api.key("two", ADMIN)).status_code == 201


def test_a_test_says_what_came_of_it(api):
    """Delivered, or why not; at once, and signed like the others."""
    admin = api.key("one", ADMIN)
    with Receiver(status(204), status(500)) as receiver:
        api.service.webhooks._rules = type(api.service.webhooks._rules)([receiver.host, HOOK_URL[:-5]])
        made = register(api, admin, receiver.host + "/x").json()
        good, bad = (api.post(f"/v1/webhooks/{made['id']}/test", headers=admin).json() for _ in range(2))
        assert (good["delivered"], good["status"]) == (True, 204)
        assert (bad["delivered"], bad["status"], bad["detail"]) == (False, 500, "it answered 500")
        assert verified(made["secret"], receiver.got[0])["type"] == "webhook.test"
    away = api.post(f"/v1/webhooks/{register(api, admin).json()['id']}/test", headers=admin).json()
    assert (away["delivered"], away["status"]) == (False, None)
    assert "refused" in away["detail"]


def not_taken(desk, hook_id, tenant):
    """Leave what a failed try leaves."""
    body, at = "{}", 1_800_000_000.0
    message = Message("msg_1", tenant, hook_id, UNKNOWN_ID, "document.done", body, at, at)
    desk.outbox.put(message)
    desk.outbox.retry(message, next_at=at + 45, error="it answered 503")


def test_what_waits_for_another_try_says_why(api):
    """Why the last one failed, and when the next one comes."""
    admin = api.key("one", ADMIN)
    hook_id = register(api, admin).json()["id"]
    not_taken(api.service.webhooks, hook_id, "one")
    (item,) = api.get("/v1/webhooks", headers=admin).json()["items"]
    (retrying,) = item["retrying"]
    assert item["waiting"] == 1
    assert (retrying["error"], retrying["attempts"], retrying["document_id"]) == ("it answered 503", 1, UNKNOWN_ID)
    assert (retrying["created_at"], retrying["next_try_at"]) == ("2027-01-15T08:00:00Z", "2027-01-15T08:00:45Z")


# -- on the command line ----------------------------------------------------------------------


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FOLIOSCOPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOLIOSCOPE_WEBHOOK_HOSTS", '["hooks.example"]')

    def go(*arguments):
        code = cli.run(["webhooks", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return go


def test_hooks_on_the_command_line(run):
    """Added with the secret alone on standard output, listed without it, removed."""
    code, out, err = run("add", "https://hooks.example/x", "--event", "document.failed")
    assert code == 0, err
    secret = out.strip()
    assert secret.startswith("whsec_")
    assert secret not in err
    code, out, _ = run("list", "--json")
    listed = json.loads(out)
    assert (listed["url"], listed["events"], listed["waiting"]) == ("https://hooks.example/x", ["document.failed"], 0)
    assert "whsec" not in out
    assert listed["id"] in run("list")[1]
    assert run("list", "--tenant", "other", "--json")[1] == ""
    assert run("rm", listed["id"], "--tenant", "other")[0] == 1
    assert run("rm", listed["id"])[0] == 0
    assert run("list", "--json")[1] == ""


def test_a_mistyped_id_leaves_no_other_hook_there(run):
    """They are removed all the same, and the exit code says that a part failed."""
    for _ in range(2):
        run("add", "https://hooks.example/x")
    ids = [json.loads(line)["id"] for line in run("list", "--json")[1].splitlines()]
    code, _, err = run("rm", ids[0], "nonsense", ids[1])
    assert (code, err.count("\n")) == (3, 1)
    assert run("list", "--json")[1] == ""


def test_the_command_line_says_why_a_message_waits(run, tmp_path):
    """In the table and as JSON."""
    run("add", "https://hooks.example/x")
    hook_id = json.loads(run("list", "--json")[1])["id"]
    not_taken(Webhooks(tmp_path / "webhooks", HostRules()), hook_id, "default")
    assert "it answered 503 (attempt 1); the next at 2027-01-15 08:00:45 UTC" in run("list")[1]
    (retrying,) = json.loads(run("list", "--json")[1])["retrying"]
    assert (retrying["error"], retrying["next_try_at"]) == ("it answered 503", "2027-01-15T08:00:45+00:00")


@pytest.mark.parametrize(
    "arguments",
    [["add", "https://evil.example/"], ["add", "https://hooks.example/", "--tenant", "../x"], ["rm", "../../keys/x"]],
)
def test_mistakes_on_the_command_line(run, arguments):
    """One line that says why."""
    code, _, err = run(*arguments)
    assert code == 1
    assert len(err.strip().splitlines()) == 1


# -- a service that is killed -----------------------------------------------------------------


class Service:
    """`folioscope serve` with a light engine, as a process of its own."""

    def __init__(self, root, receiver):
        self.data = root / "data"
        self.port = free_port()
        self.log = root / "service.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FOLIOSCOPE_")},
            "OMP_NUM_THREADS": "1",
            "FOLIOSCOPE_DATA_DIR": str(self.data),
            "FOLIOSCOPE_MIN_FREE_BYTES": "0",
            "FOLIOSCOPE_WEBHOOK_HOSTS": json.dumps([receiver.host]),
            "FOLIOSCOPE_LOG_LEVEL": "DEBUG",
            "FOLIOSCOPE_JUDGE": "false",
        }
        self.process = None

    def __enter__(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.stack_service", "serve", "--port", str(self.port)],
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=120, trust_env=False)

        def ready():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                return self.http.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_for(ready, 240)
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)

    def upload(self, *texts):
        answer = self.http.post("/v1/documents", files={"file": ("a.tiff", scan(*texts))})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def ended(self, document_id):
        return self.http.get(f"/v1/documents/{document_id}").json()["state"] == "done"


@pytest.mark.slow
def test_killed_between_the_end_and_its_delivery(tmp_path):
    """SIGKILL while a slow receiver is being told: told after the restart, under the same id, whole and signed. And
    SIGKILL at once after the last page: what was read without having been noted is told, too.
    """
    with Receiver(dripping) as receiver:
        with Service(tmp_path, receiver) as service:
            hook = service.http.post("/v1/webhooks", json={"url": receiver.host}).json()
            first = service.upload("one", "two")
            wait_for(lambda: receiver.got, 120)
            assert service.http.get("/v1/webhooks").json()["items"][0]["waiting"] == 1
            second = service.upload("three")
            wait_for(lambda: service.ended(second), 120)
            service.kill()
        attempted = receiver.got[0].id
        before = [got.id for got in receiver.got].count(attempted)  # each waits for its answer as long as it may
        receiver.behave = [status(204)]
        with Service(tmp_path, receiver) as service:
            wait_for(lambda: len({got.message["data"]["document_id"] for got in receiver.got}) == 2, 120)
            wait_for(lambda: service.http.get("/v1/webhooks").json()["items"][0]["waiting"] == 0, 120)
            told = len(receiver.got)
            time.sleep(2.5)  # two more looks, which find nothing to tell
            assert len(receiver.got) == told
        by_document = {}
        for got in receiver.got:
            assert verified(hook["secret"], got)["type"] == "document.done"
            by_document.setdefault(got.message["data"]["document_id"], set()).add(got.id)
        assert {one: len(found) for one, found in by_document.items()} == {first: 1, second: 1}
        assert attempted in by_document[first]
        assert [got.id for got in receiver.got].count(attempted) > before
        log = service.log.read_text()
        assert hook["secret"].removeprefix("whsec_") not in log
        assert receiver.host + "/" not in log.replace(f"http://127.0.0.1:{service.port}", "")


def test_one_process_sends(tmp_path):
    """Of two that share the data directory one looks; when it ends, the other does."""
    looks = {"a": 0, "b": 0}

    class Counting(Runner):
        def __init__(self, name):
            nothing = SimpleNamespace(stop=lambda: None)
            super().__init__(tmp_path, nothing, nothing, nothing, look_s=0.01)
            self.name = name

        def _look(self):
            looks[self.name] += 1

    first, second = Counting("a"), Counting("b")
    first.start()
    wait_for(lambda: looks["a"] > 2)
    second.start()
    time.sleep(0.2)
    assert looks["b"] == 0
    first.stop()
    wait_for(lambda: looks["b"] > 2)
    second.stop()


def test_what_is_known_is_sent_while_the_index_is_away(tmp_path):
    """Looking for ends waits; and a look that takes long is followed by a longer rest, while sending goes on."""
    sent = []
    slow = [0.0]
    looks = []  # (begun, ended, how much was sent before)

    def look():
        begun = time.monotonic()
        time.sleep(slow[0])
        looks.append((begun, time.monotonic(), len(sent)))
        if not slow[0]:
            raise StoreUnavailable("The index does not answer.")

    nothing = SimpleNamespace(look=look, tidy=lambda: None, sweep=lambda _at: None, stop=lambda: None)
    sender = SimpleNamespace(look=lambda: sent.append(1), stop=lambda: None)
    runner = Runner(tmp_path, nothing, nothing, sender, look_s=0.01)
    runner.start()
    wait_for(lambda: len(sent) > 5)
    wait_for(lambda: len(looks) > 1)
    slow[0] = 0.2
    count = len(looks)

    def rested():
        """Between the slow looks (the first one may have begun before)."""
        return list(pairwise(looks[count + 1 :]))

    wait_for(lambda: any(after[2] > before[2] + 3 for before, after in rested()), 200)
    runner.stop()
    for (begun, ended, _), (begun_again, *_) in rested():
        assert begun_again - ended >= min(50, 8 * (ended - begun))
