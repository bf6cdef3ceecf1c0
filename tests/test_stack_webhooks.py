"""Webhooks and limits of the full stack: one of several API processes sends, and both count together."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime

import pytest

from index.keys import KeyDirectory, KeyLimits, Scope
from tests.api_kit import wait_for
from tests.stack_kit import Stack, scan, until
from tests.webhook_kit import Receiver, status, verified


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
        limits = KeyLimits(requests_per_minute=6)
        token, _ = KeyDirectory(stack.data).create(
            name="k", tenant="default", scopes=frozenset(Scope), now=datetime.now(UTC), limits=limits
        )
        limited = {"Authorization": f"Bearer {token}"}
        statuses = [api.http.get("/v1/models", headers=limited).status_code for api in (first, second) * 5]
        assert 6 <= statuses.count(200) <= 8, statuses  # one comes back every ten seconds
        assert set(statuses) == {200, 429}
        hook = second.http.post("/v1/webhooks", json={"url": receiver.host}).json()
        documents = [first.upload(scan("one")), second.upload(scan("two", "three"))]
        second.wait(documents)
        wait_for(lambda: receiver.got, 60)
        stack.processes["one"].end(signal.SIGKILL)  # it got the lock, having been there first
        documents.append(second.upload(scan("four")))
        second.wait(documents)

        def told():
            return {got.message["data"]["document_id"] for got in receiver.got} == set(documents)

        until(told, "all ends are told", 60)
        until(lambda: second.http.get("/v1/webhooks").json()["items"][0]["waiting"] == 0, "nothing waits", 60)
        ids = {}
        for got in receiver.got:
            assert verified(hook["secret"], got)["type"] == "document.done"
            ids.setdefault(got.message["data"]["document_id"], set()).add(got.id)
        assert all(len(found) == 1 for found in ids.values())
