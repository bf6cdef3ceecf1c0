"""Webhooks and limits of the full stack: one of several API processes sends, and both count together."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime

import pytest

from index.keys import KeyDirectory, KeyLimits, Scope
from tests.api_kit import wait_for
from tests.stack_kit import Stack, scan, until
from tests.webhook_kit import Receiver, status, verified


def counted_together(stack, apis):
    """That requests of a key count over both; False where one of them counted for itself, since the broker had not
    answered it in time, or where it took so long that nearly all came back.
    """

    def alone():
        said = [stack.processes[name].said() for name in ("one", "two")]
        return [
            (one.count("counted by each process for itself"), one.count("over all processes again")) for one in said
        ]

    limits = KeyLimits(requests_per_minute=6)
    token, _ = KeyDirectory(stack.data).create(
        name="k", tenant="default", scopes=frozenset(Scope), now=datetime.now(UTC), limits=limits
    )
    limited = {"Authorization": f"Bearer {token}"}
    began, before = time.monotonic(), alone()
    statuses = [api.http.get("/v1/models", headers=limited).status_code for api in apis * 5]
    come_back = (time.monotonic() - began) / 10  # one every ten seconds
    if alone() != before or any(away > back for away, back in before) or come_back > 3:
        return False
    if not 6 <= statuses.count(200) <= 7 + come_back or set(statuses) != {200, 429}:
        pytest.fail(f"{statuses} in {10 * come_back:.0f} s")
    return True


@pytest.mark.slow
def test_one_of_two_api_processes_sends_and_the_other_takes_over(tmp_path):
    """Documents that a worker reads are told once, also when the API process that sent is killed in the middle; and a
    key's requests count over both.
    """
    with (
        Receiver(status(500), status(204)) as receiver,
        Stack(
            tmp_path,
            folioscope_webhook_hosts=json.dumps([receiver.host]),
            folioscope_initial_key="x" * 40,
            folioscope_requests_per_minute=2000,
        ) as stack,
    ):
        first = stack.start_api("one")
        stack.processes["one"]._supervised = False
        second = stack.start_api("two")
        for api in (first, second):
            api.http.headers["Authorization"] = "Bearer " + "x" * 40
        stack.start_worker()
        until(lambda: counted_together(stack, (first, second)), "the broker answered them in time")
        hook = second.http.post("/v1/webhooks", json={"url": receiver.host}).json()
        documents = [first.upload(scan("one")), second.upload(scan("two", "three"))]
        second.wait(documents)
        wait_for(lambda: receiver.got, 240)
        stack.processes["one"].end(signal.SIGKILL)  # it got the lock, having been there first
        documents.append(second.upload(scan("four")))
        second.wait(documents)

        def told():
            return {got.message["data"]["document_id"] for got in receiver.got} == set(documents)

        until(told, "all ends are told")
        until(lambda: second.http.get("/v1/webhooks").json()["items"][0]["waiting"] == 0, "nothing waits")
        ids = {}
        for got in receiver.got:
            assert verified(hook["secret"], got)["type"] == "document.done"
            ids.setdefault(got.message["data"]["document_id"], set()).add(got.id)
        assert all(len(found) == 1 for found in ids.values())
