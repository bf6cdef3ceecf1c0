"""Messages that wait, and those that were given up: how many are kept, and what it costs to look at them."""

from __future__ import annotations

import os
from dataclasses import replace

from worker.webhooks import outbox as boxes
from worker.webhooks.outbox import Message, Outbox
from worker.webhooks.sender import SenderConfig


def test_pauses_grow_over_a_day():
    """Each longer than the one before until six hours, none the same for all; a day has about eleven attempts."""
    config = SenderConfig()
    at, attempts = 0.0, 1
    while at + config.pause(attempts) <= config.give_up_s:
        at += config.pause(attempts)
        attempts += 1
    assert 9 <= attempts <= 13
    assert len({config.pause(3) for _ in range(20)}) > 10
    for attempt in range(1, 60):
        plain = min(6 * 3600, 5 * 3 ** (attempt - 1))
        assert 0.8 * plain <= config.pause(attempt) <= 1.2 * plain


def test_the_newest_failures_are_kept(tmp_path, monkeypatch):
    """A receiver that is down for long fills no disk."""
    monkeypatch.setattr("worker.webhooks.outbox.MAX_FAILED", 3)
    outbox = Outbox(tmp_path)
    for number in range(5):
        message = Message(f"msg_{number}", "default", "hook", "about", "document.done", "{}", 0.0, 0.0)
        outbox.put(message)
        path = outbox.waiting("default", "hook")[0]
        outbox.give_up(message, "down")
        for kept in (tmp_path / "failed").rglob(path.name):
            os.utime(kept, (number, number))
    assert [one.message_id for one in outbox.failed("default", "hook")] == ["msg_4", "msg_3", "msg_2"]
    assert outbox.waiting("default", "hook") == []


def test_what_waits_is_read_once(tmp_path, monkeypatch):
    """However often a hook is looked at while thousands of messages wait: again is read only what has changed."""
    outbox, read = Outbox(tmp_path), []
    messages = [
        Message(f"msg_{number}", "default", "hook", "about", "document.done", "{}", 0.0, 0.0) for number in range(50)
    ]
    for message in messages:
        outbox.put(message)
    outbox.retry(messages[7], next_at=9.0, error="first")
    load = boxes.load
    monkeypatch.setattr(boxes, "load", lambda path: read.append(path) or load(path))

    def retrying():
        return outbox.retrying("default", "hook", outbox.waiting("default", "hook"), 20)

    def told():
        read.clear()
        return [one.last_error for one in retrying()], len(read)

    assert told() == (["first"], 51)
    assert told() == (["first"], 1)
    assert outbox.retry(retrying()[0], next_at=8.0, error="again")
    outbox.retry(messages[8], next_at=7.0, error="another")
    outbox.put(Message("msg_50", "default", "hook", "about", "document.done", "{}", 0.0, 0.0))
    outbox.done(messages[9])
    assert told() == (["another", "again"], 5)
    outbox.done(messages[7])
    assert told() == (["another"], 1)
    Outbox(tmp_path).retry(messages[8], next_at=6.0, error="by another process")
    assert told() == (["by another process"], 2)
    assert sum(map(len, outbox._tries.values())) == 49
    for number in {*range(51)} - {7, 9}:
        outbox.done(replace(messages[0], message_id=f"msg_{number}"))
    assert told() == ([], 0)
    assert outbox._tries == {}  # and of what was sent nothing is remembered
