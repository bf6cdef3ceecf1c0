"""What one key may use up, and what it is told then."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api.limits import Limits
from api.problems import LimitReached
from index.keys import ApiKey, KeyLimits, Scope
from index.usage import DailyUsage
from tests.access_kit import KeyedApi
from tests.api_kit import LOCAL, Api, FakeService, assert_problem
from tests.kit import pdf

NOW = datetime(2026, 5, 1, 23, 59, tzinfo=UTC)


def key(key_id="aaaaaaaa", **limits):
    return ApiKey(key_id, "", "me", "default", frozenset(Scope), NOW, limits=KeyLimits(**limits))


class Clock:
    def __init__(self):
        self.at = 0.0

    def __call__(self):
        return self.at


def test_requests_per_minute():
    """A minute's worth at once, then as they come back; told to the second, and each key for itself."""
    clock = Clock()
    limits = Limits(requests_per_minute=30, clock=clock)
    for _ in range(30):
        limits.request(key())
    with pytest.raises(LimitReached) as error:
        limits.request(key())
    assert (error.value.code, error.value.retry_after_s) == ("rate_limited", 2)
    limits.request(key("bbbbbbbb"))
    clock.at += 2
    limits.request(key())
    with pytest.raises(LimitReached):
        limits.request(key())
    clock.at += 3600
    for _ in range(30):
        limits.request(key())


def test_keys_may_have_limits_of_their_own():
    """Higher, lower or none; the local user has none at all."""
    limits = Limits(requests_per_minute=1, clock=Clock())
    for _ in range(5):
        limits.request(key(requests_per_minute=0))
        limits.request(None)
    limits.request(key("bbbbbbbb", requests_per_minute=2))
    limits.request(key("bbbbbbbb", requests_per_minute=2))
    with pytest.raises(LimitReached):
        limits.request(key("bbbbbbbb", requests_per_minute=2))


def test_answers_at_once():
    """Places are given back, also when an answer fails."""
    limits = Limits(concurrent_answers=2)
    with limits.answer(key()), limits.answer(key()):
        with pytest.raises(LimitReached), limits.answer(key()):
            raise AssertionError
        with limits.answer(key("bbbbbbbb")), limits.answer(None):
            pass
    with pytest.raises(ZeroDivisionError), limits.answer(key()):
        raise ZeroDivisionError
    with limits.answer(key()), limits.answer(key()):
        pass


def test_bytes_per_day(tmp_path):
    """What came counts at once; the next day, told to the second, begins at nothing."""
    at = [NOW]
    limits = Limits(upload_bytes_per_day=100, usage=DailyUsage(tmp_path), now=lambda: at[0])
    meter = limits.upload(key())
    meter.check(100)
    meter.count(60)
    meter.close()
    second = Limits(upload_bytes_per_day=100, usage=DailyUsage(tmp_path), now=lambda: at[0]).upload(key())
    second.check(40)
    with pytest.raises(LimitReached) as error:
        second.check(41)
    assert (error.value.code, error.value.retry_after_s) == ("quota_exceeded", 60)
    at[0] += timedelta(minutes=1)
    second.check(100)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_count_that_cannot_be_written_ends_no_upload(tmp_path, monkeypatch, number):
    """Not the first of a day either, whose folder cannot be made: it counts in this process, and is told later."""
    usage = DailyUsage(tmp_path)

    def refuse(path, *_arguments, **_options):
        raise OSError(number, os.strerror(number), str(path))

    usage.add("one", 5, NOW.date())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        usage.save("one")
    assert usage.total("one", NOW.date()) == 5
    assert DailyUsage(tmp_path).total("one", NOW.date()) == 0
    usage.save("one")
    assert DailyUsage(tmp_path).total("one", NOW.date()) == 5


@pytest.fixture
def make(tmp_path):
    made = []

    def go(**limits):
        made.append(KeyedApi(tmp_path, limits=Limits(usage=DailyUsage(tmp_path), **limits)))
        return made[-1]

    yield go
    for one in made:
        one.archive.close()


def test_429_says_when_to_come_again(make):
    """As a problem, with Retry-After; what anybody may ask is not limited by a key's count."""
    api = make(requests_per_minute=3, clock=Clock())
    headers = api.key()
    for _ in range(3):
        assert api.get("/v1/documents", headers=headers).status_code == 200
    response = api.get("/v1/documents", headers=headers)
    assert_problem(response, 429, "rate_limited")
    assert 1 <= int(response.headers["retry-after"]) <= 20
    assert api.get("/livez", headers=headers).status_code == 200
    assert api.get("/v1/documents", headers=api.key()).status_code == 200


def test_an_upload_over_the_days_bytes_is_refused_and_not_kept(make):
    """Before the first byte when its length says so, in the middle when it does not."""
    api = make(upload_bytes_per_day=1000)
    headers = api.key()
    small = api.post("/v1/documents", files={"file": ("a.pdf", pdf("a"))}, headers=headers)
    assert small.status_code == 202
    announced = api.post("/v1/documents", content=pdf("b" * 2000), headers=headers)
    assert_problem(announced, 429, "quota_exceeded")
    assert int(announced.headers["retry-after"]) <= 86_400

    async def pieces():
        for _ in range(20):
            yield b"%PDF-1.7\n" + b"c" * 100

    assert_problem(api.post("/v1/documents", content=pieces(), headers=headers), 429, "quota_exceeded")
    assert len(api.get("/v1/documents", headers=headers).json()["items"]) == 1
    assert not list((api.archive.root / "incoming").iterdir())


def test_a_key_cannot_keep_the_models_to_itself(make, monkeypatch):
    """With its places taken another answer is refused at once, and another key's is given."""
    api = make(concurrent_answers=1)
    mine, other = api.key(), api.key()
    gate, entered = threading.Event(), threading.Event()
    search = api.archive.store.search

    def slow(*args, **options):
        entered.set()
        assert gate.wait(60)
        return search(*args, **options)

    monkeypatch.setattr(api.archive.store, "search", slow)

    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url=LOCAL) as client:

            def ask(headers):
                return client.post("/v1/answers", json={"question": "What is it?"}, headers=headers)

            first = asyncio.create_task(ask(mine))
            assert await asyncio.to_thread(entered.wait, 60)
            refused = await ask(mine)
            others = asyncio.create_task(ask(other))
            await asyncio.sleep(0.05)
            gate.set()
            return await first, refused, await others, await ask(mine)

    first, refused, others, again = asyncio.run(main())
    assert_problem(refused, 429, "too_many_answers")
    assert [one.status_code for one in (first, others, again)] == [200, 200, 200]


def test_an_open_service_has_no_limits():
    """The local user's own machine is the limit."""
    api = Api(FakeService())
    assert {api.get("/v1/documents").status_code for _ in range(50)} == {200}
