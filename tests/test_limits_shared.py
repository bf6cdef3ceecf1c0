"""Limits of keys over several API processes: one count in Redis, each its own without it, and never an error."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import httpx
import pytest
from mcp.client import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from redis import Redis

from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from api.limits import Limits
from api.problems import LimitReached
from index.keys import ApiKey, KeyLimits, Scope
from tests.access_kit import KeyedApi
from tests.api_kit import LOCAL, assert_problem, serving, wait_for
from tests.stack_redis import RedisServer, free_port
from worker.broker import Broker
from worker.settings import Settings
from worker.shared_counts import SharedCounts, open_counts

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LEASES = "folioscope:limit:answers:aaaaaaaa"


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def counts(redis):
    """Makes the counts of one more process. Each test begins with an empty Redis."""
    redis.empty()
    made = []

    def go(url=redis.url, *, timeout_s=60.0, **options):
        made.append(SharedCounts(Broker(url, timeout_s=timeout_s), **options))
        return made[-1]

    yield go
    for one in made:
        one.close()


def key(key_id="aaaaaaaa", **limits):
    return ApiKey(key_id, "", "me", "default", frozenset(Scope), NOW, limits=KeyLimits(**limits))


@pytest.fixture
def lease_end(redis):
    """When the last lease on an answer of the key ends, in milliseconds; 0 where there is none."""
    with Redis.from_url(redis.url) as client:
        yield lambda: max((end for _, end in client.zrange(LEASES, 0, -1, withscores=True)), default=0)


def refused(call, *arguments):
    with pytest.raises(LimitReached) as error:
        call(*arguments)
    return error.value


def test_one_rate_for_all_processes(counts):
    """A minute's worth over both; what comes back is told to the second, and each key counts for itself."""
    first, second = (Limits(requests_per_minute=60, shared=counts()) for _ in range(2))
    began = time.monotonic()
    taken = 0

    def requests():
        nonlocal taken
        for limits in [first, second] * 60:
            limits.request(key())
            taken += 1

    error = refused(requests)
    assert (error.code, error.retry_after_s) == ("rate_limited", 1)
    assert 60 <= taken <= 60 + (time.monotonic() - began) + 1
    second.request(key("bbbbbbbb"))
    second.request(key(requests_per_minute=0))
    refused(requests)  # but for those that came back meanwhile
    time.sleep(1.1)
    second.request(key())


def test_one_count_of_answers_for_all_processes(counts):
    """A place that one gives back is free for the other."""
    first, second = (Limits(concurrent_answers=2, shared=counts()) for _ in range(2))
    place, other = first.answer(key()), second.answer(key())
    assert refused(first.answer, key()).code == "too_many_answers"
    refused(second.answer, key())
    with second.answer(key("bbbbbbbb")):
        pass
    place.give_back()
    place.give_back()

    def free():
        try:
            return second.answer(key())
        except LimitReached:
            return None

    wait_for(free)
    refused(first.answer, key())
    other.give_back()


def test_many_at_once(counts):
    """However many ask at the same moment, over four processes, no more get a place than there are."""
    limits = [Limits(concurrent_answers=3, shared=counts()) for _ in range(4)]
    places, guard = [], threading.Lock()

    def ask(one):
        try:
            place = one.answer(key())
        except LimitReached:
            return
        with guard:
            places.append(place)

    threads = [threading.Thread(target=ask, args=(limits[number % 4],)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(places) == 3


def test_the_places_of_a_killed_process_come_back(counts, redis, lease_end):
    """Soon, by themselves; those of one that lives are renewed for as long as it holds them."""
    code = (
        "import sys, time\nfrom worker.broker import Broker\nfrom worker.shared_counts import SharedCounts\n"
        "counts = SharedCounts(Broker(sys.argv[1]), lease_s=1.5)\nassert counts.hold('aaaaaaaa', 1)\n"
        "print('held', flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, redis.url], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        first = lease_end()
        wait_for(lambda: lease_end() > first + 1500)  # renewed beyond the end that it had
        process.kill()
        process.wait()
    mine = counts(lease_s=1.5)
    wait_for(lambda: mine.hold("aaaaaaaa", 1))


def test_a_dead_lease_ends_beside_one_that_lives(counts, redis, lease_end):
    """Who goes on renewing its own place keeps no other's."""
    mine = counts(lease_s=1.5)
    with Redis.from_url(redis.url) as client:
        assert mine.hold("aaaaaaaa", 2)
        client.zadd(LEASES, {"of one that died": lease_end()})
        assert mine.hold("aaaaaaaa", 2) is None
        wait_for(lambda: mine.hold("aaaaaaaa", 2))
        assert client.zscore(LEASES, "of one that died") is None


def test_a_long_answer_keeps_its_place_while_short_ones_come_and_go(counts, lease_end):
    """Places are given back all the time; the one that is held is renewed all the same."""
    busy = counts(lease_s=1.5)
    assert busy.hold("aaaaaaaa", 1)
    first = lease_end()

    def renewed():
        busy.free("bbbbbbbb", busy.hold("bbbbbbbb", 10))
        time.sleep(0.05)
        return lease_end() > first + 2000

    wait_for(renewed)


def test_without_redis_each_counts_for_itself(counts):
    """Nobody waits long, no error comes out, and limits still hold in each process."""
    away = f"redis://127.0.0.1:{free_port()}/0"
    limits = Limits(requests_per_minute=5, concurrent_answers=1, shared=counts(away), clock=lambda: 0.0)
    for _ in range(5):
        limits.request(key())
    refused(limits.request, key())
    place = limits.answer(key())
    refused(limits.answer, key())
    place.give_back()
    with limits.answer(key()):
        pass


def test_a_redis_that_hangs_is_asked_seldom(counts):
    """It takes connections and says nothing: one call finds out, the others go on without it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        limits = Limits(requests_per_minute=1000, shared=counts(url, timeout_s=0.5))
        began = time.monotonic()
        for _ in range(200):
            limits.request(key())
        assert time.monotonic() - began < 75  # each call by itself: 200 times half a second


def test_redis_comes_and_goes(tmp_path, counts):
    """Counted over all again when it is back, also what was begun while it was away; an emptied one learns of it."""
    with RedisServer(tmp_path / "redis") as server:
        shared = [counts(server.url, lease_s=0.6, again_s=0.2) for _ in range(2)]
        first, second = (Limits(concurrent_answers=1, shared=one) for one in shared)
        server.stop()
        place = first.answer(key())
        with second.answer(key()):
            pass  # for itself
        server.start()

        def told():
            try:
                second.answer(key()).give_back()
            except LimitReached:
                return True
            time.sleep(0.1)
            return False

        wait_for(told)
        server.empty()
        wait_for(told)
        place.give_back()
        wait_for(lambda: not told())


# -- as apps ----------------------------------------------------------------------------------


@pytest.fixture
def apps(tmp_path, counts):
    """Two apps over one library and one directory of keys, as two API processes have it."""
    keyed = KeyedApi(tmp_path)

    def go(url=None, **limits):
        made = []
        for _ in range(2):
            shared = counts(url) if url else counts()
            ring = KeyRing(keyed.keys, required=True)
            made.append(create_app(keyed.service, ApiConfig(), ring=ring, limits=Limits(shared=shared, **limits)))
        return keyed, made

    yield go
    keyed.archive.close()


def ask(app, path, headers):
    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOCAL) as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def test_two_apps_are_one_limit(apps):
    """429 at either, when both together have answered as many as the key may have."""
    keyed, both = apps(requests_per_minute=2)  # one comes back in half a minute
    headers = keyed.key()
    answers = [ask(both[number % 2], "/v1/documents", headers) for number in range(2)]
    assert {answer.status_code for answer in answers} == {200}
    for app in both:
        response = ask(app, "/v1/documents", headers)
        assert_problem(response, 429, "rate_limited")
        assert 1 <= int(response.headers["retry-after"]) <= 30


def test_two_apps_without_redis_answer(apps):
    """Each by its own count; nothing is a 500."""
    keyed, both = apps(f"redis://127.0.0.1:{free_port()}/0", requests_per_minute=3, clock=lambda: 0.0)
    headers = keyed.key()
    for app in both:
        statuses = [ask(app, "/v1/documents", headers).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize("over_redis", [True, False])
def test_a_call_of_an_assistant_counts_once(apps, tmp_path, over_redis):
    """What its tools call is the same request; without it they would be refused at half the limit."""
    if over_redis:
        keyed, (app, _) = apps(requests_per_minute=30)
    else:
        keyed, _ = apps(requests_per_minute=30)
        limits = Limits(requests_per_minute=30)
        app = create_app(keyed.service, ApiConfig(), ring=KeyRing(keyed.keys, required=True), limits=limits)
    headers = keyed.key()
    keyed.fill(headers)
    made = 0

    async def main(url):
        nonlocal made

        async def count(_request):
            nonlocal made
            made += 1

        hooks = {"request": [count]}
        async with (
            httpx.AsyncClient(headers=headers, event_hooks=hooks, trust_env=False, timeout=60) as http,
            McpClient(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            for _ in range(12):
                found = await client.call_tool("search", {"query": "zanzibar"})
                assert not found.is_error, found

    began = time.monotonic()
    with serving(app) as url:
        asyncio.run(main(url))
        left = 0
        with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
            while client.get("/v1/documents").status_code == 200:
                left += 1
    assert made >= 12
    assert -3 <= made + left - 30 <= 3 + (time.monotonic() - began) / 2  # so many came back meanwhile


def test_nobody_can_say_that_a_request_was_counted(apps):
    """The mark is no header."""
    keyed, (app, _) = apps(requests_per_minute=1)
    headers = keyed.key() | {"folioscope.counted": "true", "Counted": "true"}
    assert [ask(app, "/v1/documents", headers).status_code for _ in range(2)] == [200, 429]


def test_where_one_process_does_all_nothing_is_shared(tmp_path):
    """No Redis, no connection; a full stack has one."""
    assert open_counts(Settings(data_dir=tmp_path)) is None
    counts = open_counts(Settings(data_dir=tmp_path, broker_url="redis://127.0.0.1:1/0"))
    assert isinstance(counts, SharedCounts)
    assert counts.take("aaaaaaaa", 5) is None
    counts.close()
