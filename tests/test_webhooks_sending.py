"""Messages reach real receivers: signed, bounded, tried again, given up, and never lost."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from index.errors import StorageFull
from tests.api_kit import wait_for
from tests.webhook_kit import (
    FAST,
    Receiver,
    Sending,
    close,
    dripping,
    endless_body,
    endless_head,
    interim,
    no_http,
    status,
    verified,
)
from worker.webhooks.hooks import EVENTS
from worker.webhooks.outbox import load
from worker.webhooks.post import post
from worker.webhooks.sender import SenderConfig
from worker.webhooks.targets import HostRules

IMPATIENT = replace(FAST, timeout_s=1.0)


@pytest.fixture
def sending(tmp_path):
    made = []

    def go(*receivers, **options):
        made.append(Sending(tmp_path, *receivers, **options))
        return made[-1]

    yield go
    for one in made:
        one.sender.stop()


def test_a_message_is_signed_as_the_standard_says(sending):
    """The official library takes it with the hook's secret, and with no other; the time of signing is now."""
    with Receiver() as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", f"{receiver.host}/hook?a=b")
        made.put(hook)
        made.send()
        (got,) = receiver.got
        assert verified(hook.secret, got)["data"] == {"number": 1}
        assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
        assert (got.path, got.headers["content-type"]) == ("/hook?a=b", "application/json")
        other = made.desk.register("default", f"{receiver.host}/other")
        with pytest.raises(WebhookVerificationError):
            verified(other.secret, got)
        assert made.desk.list("default")[0].waiting == 0
        assert made.desk.list("default")[0].last_success


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (status(500), "it answered 500"),
        (status(302, Location="/elsewhere"), "redirects are not followed"),
        (status(404), "it answered 404"),
        (close, "closed before an answer"),
        (dripping, "no answer within"),
        (endless_head, "head is longer"),
        (no_http, "no HTTP"),
    ],
)
def test_what_is_not_taken_is_tried_again(sending, behaviour, reason, caplog):
    """With the same id and a new signature, until it is; whatever the receiver did before."""
    with Receiver(behaviour, status(200)) as receiver:
        made = sending(receiver, config=IMPATIENT if behaviour is dripping else FAST)
        hook = made.desk.register("default", f"{receiver.host}/hook")
        made.put(hook)
        made.send()  # whose limit is a small part of the minutes that all drops take
        (waiting,) = made.desk.outbox.waiting("default", hook.hook_id)
        told = json.loads(waiting.read_text())
        assert told["attempts"] == 1
        assert reason in told["last_error"]
        assert reason in caplog.text
        assert "tried again in 0 s" in caplog.text
        (retrying,) = made.view().retrying
        assert (retrying.attempts, retrying.last_error) == (1, told["last_error"])
        assert retrying.next_at > retrying.created_at
        assert made.view().last_success is None
        made.config = FAST
        made.open()  # a restart in between changes nothing
        made.until(lambda: made.view().waiting == 0)
        assert made.view().retrying == ()
        assert {got.id for got in receiver.got} == {f"msg_{1:032x}"}
        assert len(receiver.got) == 2
        assert all(got.path == "/hook" for got in receiver.got)
        assert verified(hook.secret, receiver.got[-1])


@pytest.mark.parametrize("behaviour", [status(204), status(299), endless_body, interim])
def test_what_counts_is_the_status(sending, behaviour):
    """Any 2xx is taken, after interim answers and before a body that never ends."""
    with Receiver(behaviour) as receiver:
        made = sending(receiver)
        made.put(made.desk.register("default", receiver.host))
        began = time.monotonic()
        made.send()
        assert time.monotonic() - began < FAST.timeout_s  # its end is not waited for
        assert (made.view().waiting, made.view().failed) == (0, ())
        assert len(receiver.got) == 1


def test_nobody_listens(sending):
    """Refused connections are failures like others."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody else can listen there meanwhile
        nobody = SimpleNamespace(host=f"http://127.0.0.1:{taken.getsockname()[1]}")
        made = sending(nobody)
        hook = made.desk.register("default", nobody.host)
        made.put(hook)
        made.send()
    assert "refused" in json.loads(made.desk.outbox.waiting("default", hook.hook_id)[0].read_text())["last_error"]


def test_given_up_after_a_day_and_disabled(sending):
    """What was never taken is listed as failed; the hook that took nothing all that time gets nothing more until it
    takes a test.
    """
    with Receiver(status(500)) as receiver:
        made = sending(receiver, config=SenderConfig(timeout_s=60.0))
        hook = made.desk.register("default", receiver.host)
        made.put(hook)
        made.send()
        for hours in (1, 12, 23, 23.99):
            made.late = hours * 3600
            made.send()
        view = made.view()
        assert (view.waiting, len(view.failed)) == (0, 1)
        assert view.failed[0].last_error == "it answered 500"
        assert "24 hours" in view.hook.disabled
        made.put(hook, number=2)
        made.send()
        assert len(made.view().failed) == 2
        assert not made.desk.test("default", hook.hook_id)[0].taken
        assert made.view().hook.disabled
        receiver.behave = [status(200)]
        assert made.desk.test("default", hook.hook_id)[0].taken
        assert made.view().hook.disabled is None
        made.put(hook, number=3)
        made.send()
        assert made.view().waiting == 0


def test_a_hook_that_works_is_not_disabled_for_one_message(sending):
    """Something in it may be at fault: it alone is given up."""
    with Receiver(status(500)) as receiver:
        made = sending(receiver, config=SenderConfig(timeout_s=60.0))
        hook = made.desk.register("default", receiver.host)
        made.put(hook)
        made.send()
        made.late = 3600
        receiver.behave = [status(200), status(500)]
        made.put(hook, number=2, about="11111111-0000-4000-8000-000000000000")
        made.send()
        made.late = 30 * 3600
        made.until(lambda: made.view().waiting == 0)
        assert {one.message_id for one in made.view().failed} <= {f"msg_{1:032x}", f"msg_{2:032x}"}
        assert made.view().hook.disabled is None


def test_a_hook_that_worked_once_is_disabled_when_it_is_dead(sending):
    """What it took before the message that is given up says nothing of the day since."""
    with Receiver(status(200), status(500)) as receiver:
        made = sending(receiver, config=SenderConfig(timeout_s=60.0))
        hook = made.desk.register("default", receiver.host)
        made.put(hook)
        made.send()
        assert made.view().last_success is not None
        made.late = 3600
        made.put(hook, number=2)
        for hours in (1, 5, 10, 24.99):
            made.late = hours * 3600
            made.send()
        assert "24 hours" in made.view().hook.disabled


def test_a_failure_that_cannot_be_written_is_no_hurry(sending, monkeypatch):
    """On a full disk a receiver that is down is not tried at every look, but a minute later."""

    def full(*_args, **_options):
        raise StorageFull("full")

    with Receiver(status(500)) as receiver:
        made = sending(receiver)
        made.put(made.desk.register("default", receiver.host))
        with monkeypatch.context() as patch:
            patch.setattr(made.desk.outbox, "retry", full)
            for _ in range(3):
                made.send()
        assert len(receiver.got) == 1
        made.late = 120
        made.send()
        assert len(receiver.got) == 2


def test_a_clock_that_is_set_back_holds_no_message_up(sending):
    """What was written while it was a month ahead is sent, tried again in time, and given up in time."""
    with Receiver(status(500)) as receiver:
        made = sending(receiver)
        made.late = 30 * 86_400
        hook = made.desk.register("default", receiver.host)
        made.put(hook)
        made.late = 0
        made.send()
        assert len(receiver.got) == 1
        (path,) = made.desk.outbox.waiting("default", hook.hook_id)
        message = load(path)
        assert message.attempts == 1
        assert message.created_at <= message.next_at < made.clock() + 60
        made.late = 2 * 86_400
        made.send()
        assert not made.desk.outbox.waiting("default", hook.hook_id)
        assert len(made.desk.outbox.failed("default", hook.hook_id)) == 1


def test_gone_is_the_end(sending):
    """410: the receiver says that it wants no more."""
    with Receiver(status(410)) as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", receiver.host)
        made.put(hook)
        made.send()
        assert "410" in made.view().hook.disabled
        assert len(made.view().failed) == 1


def test_a_slow_hook_holds_nobody_up(sending):
    """Another tenant's messages go out while it is waited for."""
    go_on = threading.Event()

    def held(handler):
        assert go_on.wait(60)
        status(204)(handler)

    with Receiver(held) as slow, Receiver() as quick:
        made = sending(slow, quick)
        made.put(made.desk.register("slow", slow.host))
        hook = made.desk.register("default", quick.host)
        for number in range(2, 5):
            made.put(hook, number=number, about=f"{number:08d}-0000-4000-8000-000000000000")
        made.sender.look()
        wait_for(lambda: slow.got and len(quick.got) == 3, 50)
        go_on.set()
        wait_for(made.sender.idle, 90)
        assert made.desk.list("slow")[0].waiting == 0


def test_a_slow_hook_does_not_hold_the_end_up(sending):
    """The end of a process waits for threads, up to `timeout_s` and for a resolver longer, but not for these."""
    go_on = threading.Event()

    def held(handler):
        assert go_on.wait(60)
        status(204)(handler)

    with Receiver(held) as slow:
        made = sending(slow)
        made.put(made.desk.register("default", slow.host))
        made.sender.look()
        wait_for(lambda: slow.got)
        waiting = [thread for thread in threading.enumerate() if thread.name.startswith("webhook")]
        assert waiting
        assert all(thread.daemon for thread in waiting)
        go_on.set()
        wait_for(made.sender.idle)


def test_deleted_hooks_and_documents_get_nothing(sending):
    """What waits for them is dropped, also between two attempts."""
    with Receiver(status(500)) as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", receiver.host)
        document = "22222222-0000-4000-8000-000000000000"
        made.put(hook)
        made.put(hook, number=2, about=document)
        made.send()
        made.desk.forget("default", document)
        assert made.view().waiting == 1
        made.put(hook, number=3, about=document)
        made.gone.add(document)  # deleted by another process, which did not see this message yet
        made.until(lambda: made.view().waiting == 1)
        made.desk.delete("default", hook.hook_id)
        count = len(receiver.got)
        made.late = 3600
        made.send()
        assert len(receiver.got) == count
        assert {got.message["data"]["number"] for got in receiver.got} <= {1, 2}
        assert not list((made.root / "outbox").glob("*/*/*"))


def test_a_host_that_is_not_allowed_any_more(sending):
    """The setting is looked at for each attempt."""
    with Receiver() as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", receiver.host)
        made.put(hook)
        made.sender._rules = HostRules([])
        made.send()
        assert receiver.got == []
        assert "FOLIOSCOPE_WEBHOOK_HOSTS" in made.desk.outbox.waiting("default", hook.hook_id)[0].read_text()


def test_what_was_checked_is_connected_to(monkeypatch, sending):
    """The name is resolved once for each attempt: a second answer of a hostile resolver is never asked for."""
    with Receiver() as receiver:
        rules = HostRules([f"http://localhost:{receiver.port}"])
        asked = []

        def resolve(host, port, **_):
            asked.append(host)
            address = "127.0.0.1" if len(asked) == 1 else "192.0.2.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        target = rules.target(f"http://localhost:{receiver.port}/")
        outcome = post(target, rules.addresses(target), b"{}", {}, timeout_s=60)
        assert (outcome.status, asked) == (204, ["localhost"])


def test_an_address_that_says_nothing_costs_its_share(request):
    """Behind an address that swallows calls the next one is tried, within the time that the hook has."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)  # takes no more calls once these have not been accepted
    waiting = [socket.socket() for _ in range(4)]
    for one in (full, *waiting):
        request.addfinalizer(one.close)
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    with Receiver() as receiver:
        rules = HostRules([f"http://localhost:{receiver.port}"])
        target = rules.target(f"http://localhost:{receiver.port}/")
        addresses = [(socket.AF_INET, full.getsockname()), (socket.AF_INET, ("127.0.0.1", receiver.port))]
        outcome = post(target, addresses, b"{}", {}, timeout_s=4)
    assert outcome.taken
    alone = post(target, addresses[:1], b"{}", {}, timeout_s=1)
    assert (alone.status, alone.reason) == (None, "no answer within 1 s")


def test_no_proxy_of_the_environment(monkeypatch, sending):
    """Somebody's proxy would connect to whatever it likes."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Receiver() as receiver:
        made = sending(receiver)
        made.put(made.desk.register("default", receiver.host))
        made.send()
        assert len(receiver.got) == 1


def test_secrets_stay_secret(sending, caplog):
    """Not in logs, not in what is listed, not in a representation, and readable by the service's user only."""
    caplog.set_level(logging.DEBUG)
    with Receiver(status(500), status(410)) as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", receiver.host)
        made.put(hook)
        made.until(lambda: made.view().hook.disabled)
        secret = hook.secret.removeprefix("whsec_")
        assert secret not in caplog.text + repr(made.desk.list("default")) + repr(hook)
        assert receiver.host not in caplog.text  # URLs may hold tokens
        kept = next((made.root / "hooks").glob("*/*.json"))
        assert oct(kept.stat().st_mode)[-3:] == "600"
        assert not any(secret in path.read_text() for path in made.root.glob("outbox/**/*.json"))
        assert not any(secret in path.read_text() for path in made.root.glob("failed/**/*.json"))


def test_what_is_tried_again_is_told_in_the_order_of_the_tries(sending):
    """Few of many, and of those that wait for their first try none."""
    with Receiver() as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", receiver.host)
        for number in range(30):
            message = made.put(hook, number)
            if number % 3:
                made.desk.outbox.retry(message, next_at=message.next_at + 1000 - number, error=f"error {number}")
        view = made.view()
        told = [message.last_error for message in view.retrying]
        assert view.waiting == 30
        assert told == [f"error {number}" for number in range(29, 0, -1) if number % 3]


def test_of_many_that_are_tried_again_the_next_are_told(sending):
    """Which are those that failed first, as a rule, behind which hundreds may have come since."""
    with Receiver() as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", receiver.host)
        for number in range(25):
            message = made.put(hook, number)
            made.desk.outbox.retry(message, next_at=message.next_at + number, error=f"error {number}")
        for number in range(25, 250):
            made.put(hook, number)
        assert [message.last_error for message in made.view().retrying] == [f"error {number}" for number in range(20)]


def test_a_damaged_message_is_passed_over(sending):
    """It keeps nothing else from being sent."""
    with Receiver() as receiver:
        made = sending(receiver)
        hook = made.desk.register("default", receiver.host, EVENTS)
        made.put(hook)
        made.put(hook, number=2, about="33333333-0000-4000-8000-000000000000")
        made.desk.outbox.waiting("default", hook.hook_id)[0].write_text("{")
        made.until(lambda: len(receiver.got) == 1)
