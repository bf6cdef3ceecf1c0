"""The queue over a broker, and answers through it: bounded in time and number whatever the broker does."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter

import pytest
import redis

from index.errors import Conflict, InternalError, Unavailable
from index.types import PageKey
from tests.api_kit import wait_for
from tests.stack_redis import RedisServer
from tests.stack_service import StubVisionEngine
from worker import decoding, messages
from worker.broker import Broker, WorkerFacts
from worker.celery_app import CeleryConfig, Sender, _app
from worker.decode_remote import DecodeDesk, RemoteDecoder
from worker.engine.engine import Decoded
from worker.engine.prompts import Prompt, Task
from worker.queue import Expand, Read
from worker.queue_celery import CeleryQueue
from worker.stack import Route

KEY = PageKey("default", "6d1f0e9a-3f57-5c0e-9c0b-6f6c696f7363", 3)


@pytest.fixture
def server(tmp_path):
    with RedisServer(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def broker(server):
    broker = Broker(server.url)
    yield broker
    broker.close()


def pages(document, *numbers):
    return [Read(PageKey("default", document, number)) for number in numbers]


def facts(name="w", queues=(messages.READ_CPU,)):
    return WorkerFacts(name, queues, "stub@1", 2, 1.5, 7, 1000)


def open_queue(server, broker, **options):
    sender = Sender(CeleryConfig(server.url))
    return CeleryQueue(sender, broker, read_queue=lambda: messages.READ_CPU, **options)


def waiting(server, queue=messages.READ_CPU):
    """Messages in the broker, in the order in which a worker takes them: (task, arguments)."""
    client = redis.Redis.from_url(server.url)
    found = []
    for step in messages.STEPS:
        for raw in reversed(client.lrange(f"{queue}\x06\x16{step}" if step else queue, 0, -1)):
            message = json.loads(raw)
            found.append((message["headers"]["task"], json.loads(base64.b64decode(message["body"]))[0], message))
    client.close()
    return found


def test_messages_carry_ids_only(server, broker):
    """A message is a task's name and ids, no result is asked for, and first pages come before later ones."""
    queue = open_queue(server, broker)
    queue.ring([Expand("default", "doc"), *pages("book", 70, 9, 1), *pages("letter", 1)])
    wait_for(lambda: broker.depth() == 5)
    found = waiting(server)
    assert [arguments for _, arguments, _ in found] == [
        ["default", "book", 1],
        ["default", "letter", 1],
        ["default", "book", 9],
        ["default", "book", 70],
    ]
    assert {task for task, _, _ in found} == {messages.READ_TASK}
    [(task, arguments, raw)] = waiting(server, messages.HOUSEKEEPING)
    assert (task, arguments) == (messages.EXPAND_TASK, ["default", "doc"])
    assert raw["headers"]["ignore_result"] is True
    assert raw["content-type"] == "application/json"
    queue.close(timeout_s=2)


def test_what_celery_is_told():
    """A message is kept until its job has ended, comes back only after no job can still run, is never held back by who
    does not work on it, and leaves no result."""
    settings = _app(CeleryConfig("redis://localhost/0", hard_limit_s=600.0)).conf
    assert settings.task_acks_late is True
    assert settings.worker_prefetch_multiplier == 1
    assert settings.broker_transport_options["visibility_timeout"] >= 2 * 600
    assert settings.task_ignore_result is True
    assert settings.result_backend is None
    assert settings.accept_content == ["json"]
    assert settings.worker_soft_shutdown_timeout > 0
    assert settings.broker_connection_max_retries is None


def test_ringing_while_the_broker_is_away(tmp_path):
    """Nobody waits for it; each job is kept once and sent when it is back."""
    server = RedisServer(tmp_path)
    broker = Broker(server.url)
    queue = open_queue(server, broker)
    start = time.monotonic()
    for _ in range(50):
        queue.ring(pages("doc", 1, 2, 3))
    assert time.monotonic() - start < 60
    with pytest.raises(Unavailable):
        broker.depth()
    assert queue.unsent() == 3
    with server:
        wait_for(lambda: queue.unsent() == 0)
        # Some may be sent twice where the broker went away in the middle; none is missing.
        assert set(Counter(a[2] for _, a, _ in waiting(server))) == {1, 2, 3}
    queue.close(timeout_s=2)
    broker.close()


def test_a_restart_of_the_broker_is_survived(server, broker):
    """Connections that broke are made again, without an error that anybody sees."""
    queue = open_queue(server, broker)
    queue.ring(pages("doc", 1))
    wait_for(lambda: broker.depth() == 1)
    for number in (2, 3):
        server.stop()
        server.start()
        queue.ring(pages("doc", number))
        wait_for(lambda: queue.unsent() == 0 and broker.depth() == 1)
    queue.close(timeout_s=2)


def test_pages_beyond_the_room_are_dropped(server, broker):
    """The broker holds a bounded number of pages; documents to be opened are always taken."""
    queue = open_queue(server, broker, max_waiting=250)
    queue.ring(pages("doc", *range(1, 241)))
    wait_for(lambda: queue.unsent() == 0)
    queue.ring(pages("doc", *range(241, 400)))
    queue.ring([Expand("default", str(number)) for number in range(30)])
    wait_for(lambda: queue.unsent() == 0)
    assert broker.depth([messages.READ_CPU]) == 250
    assert broker.depth([messages.HOUSEKEEPING]) == 30
    queue.close(timeout_s=2)


def test_a_queue_is_emptied_and_no_other(server, broker):
    """All steps of it, and what waits elsewhere stays."""
    sender = Sender(CeleryConfig(server.url))
    for page in (1, 20, 200):
        sender.send(
            [(Read(PageKey("t", "d", page)), messages.READ_GPU), (Read(PageKey("t", "d", page)), messages.READ_CPU)]
        )
    assert (broker.depth([messages.READ_GPU]), broker.depth([messages.READ_CPU])) == (3, 3)
    broker.discard(messages.READ_GPU)
    assert (broker.depth([messages.READ_GPU]), broker.depth([messages.READ_CPU])) == (0, 3)
    sender.close()


def test_closing_sends_what_is_left(server, broker):
    """Closing sends the rest, and gives up in time when the broker is away."""
    queue = open_queue(server, broker)
    queue.ring(pages("doc", *range(1, 500)))
    queue.close(timeout_s=120)
    assert broker.depth() == 499
    queue = open_queue(server, broker)
    server.stop()
    queue.ring(pages("doc", 1))
    start = time.monotonic()
    queue.close(timeout_s=1)
    assert time.monotonic() - start < 45


def test_routing_follows_the_workers(broker):
    """`auto` means GPU while a worker serves it, and the processor else; a name means that."""
    route = Route(broker, "auto")
    assert route() == messages.READ_CPU
    broker.beat(facts(queues=(messages.DECODE, messages.READ_GPU)))
    assert Route(broker, "auto")() == messages.READ_GPU
    assert Route(broker, "read.cpu")() == messages.READ_CPU
    broker.leave("w")
    assert Route(broker, "auto")() == messages.READ_CPU


def test_workers_are_those_who_said_something_lately(server, broker):
    """A worker is known by its beat, and forgotten without one."""
    broker.beat(facts("a"))
    broker.beat(facts("b"))
    assert {worker.name for worker in broker.workers()} == {"a", "b"}
    assert broker.workers()[0] == facts("a")
    client = redis.Redis.from_url(server.url)
    # A worker of another version, which says less and more than this one does.
    client.set("folioscope:workers:b", json.dumps({"name": "b", "queues": ["decode"], "gpus": 2, "jobs": 3}))
    assert broker.workers()[1] == WorkerFacts("b", ("decode",), jobs=3)
    redis.Redis.from_url(server.url).delete("folioscope:workers:a")
    assert [worker.name for worker in broker.workers()] == ["b"]


def test_an_emptied_redis_is_noticed_once(server, broker):
    """By whoever asks first."""
    assert broker.was_emptied()
    assert not broker.was_emptied()
    server.empty()
    assert Broker(server.url).was_emptied()
    assert not broker.was_emptied()


class Decoder:
    """A `PageDecoder` that does what it is given, and keeps everything."""

    def __init__(self, decode):
        self._decode = decode

    def decode(self, key, prompt, patience=None):
        return self._decode(key, prompt)

    def keep(self, key, want, patience=None):
        self._decode(key, want)
        return True


class Worker:
    """Takes tickets from the broker as a worker does."""

    def __init__(self, server, broker, decode):
        self._server, self._desk = server, DecodeDesk(broker, Decoder(decode))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._broker = broker

    def _run(self):
        client = redis.Redis.from_url(self._server.url)
        while not self._stop.is_set():
            self._broker.beat(facts(queues=(messages.DECODE,)))
            if found := client.brpop([messages.DECODE], timeout=0.2):
                self._desk(json.loads(base64.b64decode(json.loads(found[1])["body"]))[0][0])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(60)


def decoder(server, broker, timeout_s=120.0):
    return RemoteDecoder(Sender(CeleryConfig(server.url)), broker, timeout_s=timeout_s)


def test_decoding_by_a_worker(server, broker):
    """The worker gets the page and the prompt, the person who waits the whole answer, and nothing stays behind."""
    prompt = Prompt(Task.LOCATE, "Überschrift “x”")
    asked = []

    def decode(key, prompt):
        asked.append((key, prompt))
        return StubVisionEngine().decode([_tokens()], [prompt])[0]

    with Worker(server, broker, decode):
        wait_for(broker.workers)
        answer = decoder(server, broker).decode(KEY, prompt)
    assert asked == [(KEY, prompt)]
    assert isinstance(answer, Decoded)
    assert answer == StubVisionEngine().decode([_tokens()], [prompt])[0]
    left = {name.decode() for name in redis.Redis.from_url(server.url).scan_iter()}
    assert not {name for name in left if "ask" in name or "answer" in name}


def _tokens():
    from PIL import Image

    return StubVisionEngine().encode([Image.new("RGB", (4, 4), (16, 0, 0))])[0]


def test_a_ticket_has_only_the_time_that_is_left(server, broker):
    """What a question waited in the queue is gone from its time: nobody works for somebody who went away."""
    left = []

    class Watched(Decoder):
        def decode(self, key, prompt, patience=None):
            left.append(patience.left_s)
            raise Conflict("enough is known")

    question = {"tenant": KEY.tenant, "document_id": KEY.document_id, "page": KEY.page}
    question |= {"prompt": decoding.dump_prompt(Prompt()), "seconds": 600}
    broker.ask("ticket", question, seconds=600)
    redis.Redis.from_url(server.url).pexpire("folioscope:ask:ticket", 60_000)  # after 540 s
    DecodeDesk(broker, Watched(None))("ticket")
    [seconds] = left
    assert 0 < seconds <= 60


def test_errors_of_the_worker_are_those_of_the_service(server, broker):
    """With class, code and message; a bug there is a bug here, without its insides."""

    def decode(_key, prompt):
        if prompt.argument == "conflict":
            raise Conflict("The page was not read that way.", code="wrong_tokens")
        raise RuntimeError("secret insides")

    with Worker(server, broker, decode):
        wait_for(broker.workers)
        with pytest.raises(Conflict, match="not read that way") as conflict:
            decoder(server, broker).decode(KEY, Prompt(Task.FREE, "conflict"))
        with pytest.raises(InternalError) as bug:
            decoder(server, broker).decode(KEY, Prompt(Task.FREE, "other"))
    assert conflict.value.code == "wrong_tokens"
    assert "secret" not in bug.value.message


def test_without_a_worker_the_answer_comes_at_once(server, broker):
    """No worker serves the queue: said at once, not after the time limit, and no question is left for later."""
    broker.beat(facts(queues=(messages.READ_CPU,)))
    start = time.monotonic()
    with pytest.raises(Unavailable) as error:
        decoder(server, broker, 120).decode(KEY, Prompt())
    assert error.value.code == "no_decoder"
    assert time.monotonic() - start < 60
    assert broker.depth() == 0


def test_a_busy_worker_ends_in_the_time_limit(server, broker):
    """Its workers live but do not come to it: `decode_timeout`, and the ticket is worth nothing afterwards."""
    broker.beat(facts(queues=(messages.DECODE,)))
    with pytest.raises(Unavailable) as error:
        decoder(server, broker, 0.5).decode(KEY, Prompt())
    assert error.value.code == "decode_timeout"
    [(_, [ticket], _)] = waiting(server, messages.DECODE)
    assert broker.take(ticket) is None


def test_a_worker_that_dies_is_not_waited_for(server, broker):
    """The wait ends when the last worker that could answer is gone."""
    broker.beat(facts(queues=(messages.DECODE,)))
    threading.Timer(0.5, lambda: Broker(server.url).leave("w")).start()
    start = time.monotonic()
    with pytest.raises(Unavailable) as error:
        decoder(server, broker, 120).decode(KEY, Prompt())
    assert error.value.code == "no_decoder"
    assert time.monotonic() - start < 60


def test_an_answer_is_the_same_after_the_journey():
    """Every field of a decoded page survives JSON."""
    prompt = Prompt(Task.FREE, "\U0001f600 ü")
    decoded = StubVisionEngine().decode([_tokens()], [prompt])[0]
    assert decoding.load_decoded(json.loads(json.dumps(decoding.dump_decoded(decoded)))) == decoded
