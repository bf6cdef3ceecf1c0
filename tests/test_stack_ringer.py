"""What is kept while a broker is away, and what is asked of one that is there: over stand-ins, without a server."""

from __future__ import annotations

import threading
from collections import Counter
from types import SimpleNamespace

import pytest

from index.errors import Unavailable
from index.types import PageKey
from tests.api_kit import wait_for
from worker import messages, queue_celery
from worker.broker import WorkerFacts
from worker.decode_remote import RemoteDecoder
from worker.engine.prompts import Prompt
from worker.patience import Patience
from worker.queue import Expand, Read
from worker.queue_celery import CeleryQueue

DEPTHS = SimpleNamespace(depth=lambda _queues: 0)


class Gated:
    """A `Sends` whose first call waits for `gate` and fails; what later calls send is in `sent`."""

    def __init__(self):
        self.entered, self.gate = threading.Event(), threading.Event()
        self.sent = []

    def send(self, jobs):
        if not self.entered.is_set():
            self.entered.set()
            assert self.gate.wait(60)
            raise Unavailable("away", code="broker_unavailable")
        self.sent += [job for job, _ in jobs]

    def close(self):
        pass


@pytest.fixture
def ringing(monkeypatch):
    """A queue whose ringer is held at its first page, `gate` open at the end."""
    monkeypatch.setattr(queue_celery, "_AWAY_S", 0.01)
    sender = Gated()
    queue = CeleryQueue(sender, DEPTHS, read_queue=lambda: messages.READ_CPU, max_waiting=3)
    queue.ring(pages(1))
    assert sender.entered.wait(60)
    yield queue, sender
    sender.gate.set()
    queue.close(timeout_s=60)


def pages(*numbers):
    return [Read(PageKey("default", "doc", number)) for number in numbers]


def test_what_is_kept_is_bounded_but_for_documents(ringing):
    """Pages can be rung for again; a document opens the way to all else."""
    queue, _ = ringing
    documents = [Expand("default", str(number)) for number in range(5)]
    queue.ring([*pages(*range(100, 110)), *pages(*range(1, 12)), *documents])
    assert queue.unsent() == 1 + 3 + 3 + 5


def test_a_letter_does_not_wait_for_a_full_list_in_the_broker():
    """First pages have room of their own, also bounded."""
    sent = []
    sender = SimpleNamespace(send=lambda jobs: sent.extend(job for job, _ in jobs), close=lambda: None)
    queue = CeleryQueue(
        sender, SimpleNamespace(depth=lambda _queues: len(sent)), read_queue=lambda: messages.READ_CPU, max_waiting=10
    )
    for document, number in (("book", 40), ("letter", 1), ("second book", 40)):
        queue.ring(Read(PageKey("default", document, page)) for page in range(1, number + 1))
        wait_for(lambda: queue.unsent() == 0)
    queue.close(timeout_s=60)
    count = Counter(job.key.document_id for job in sent)
    assert count == {"book": 10, "letter": 1, "second book": 8}
    queue = CeleryQueue(
        sender, SimpleNamespace(depth=lambda _queues: 20), read_queue=lambda: messages.READ_CPU, max_waiting=10
    )
    queue.ring([Read(PageKey("default", "third", 1))])
    queue.close(timeout_s=60)
    assert len(sent) == count.total()


def test_what_could_not_be_sent_is_sent_first(ringing):
    """The order in which jobs were rung for stays."""
    queue, sender = ringing
    queue.ring(pages(2, 3))
    sender.gate.set()
    wait_for(lambda: queue.unsent() == 0)
    assert sender.sent == pages(1, 2, 3)


class Asked:
    """A `Broker` with a worker that never answers."""

    def __init__(self):
        self.left, self.waited = {}, []

    def workers(self):
        return [WorkerFacts("w", (messages.DECODE,))]

    def ask(self, ticket, question, *, seconds):
        self.left[ticket] = question, seconds

    def wait(self, _ticket, *, seconds, still):
        self.waited.append((seconds, still()))

    def take(self, ticket):
        return self.left.pop(ticket, None)


@pytest.mark.parametrize(("patience_s", "most_s"), [(30.0, 30.0), (500.0, 60.0), (None, 60.0)])
def test_a_question_lives_as_long_as_somebody_waits(patience_s, most_s):
    """The shorter of the setting and of what is left for the answer; nothing is left of it afterwards."""
    broker = Asked()
    sender = SimpleNamespace(send_task=lambda *_: broker.waited.append(next(iter(broker.left.values()))[1]))
    decoder = RemoteDecoder(sender, broker, timeout_s=60.0)
    with pytest.raises(Unavailable) as error:
        decoder.decode(PageKey("default", "doc", 1), Prompt(), Patience(patience_s))
    assert error.value.code == "decode_timeout"
    lives, (waited, _) = broker.waited
    assert 0 < lives == waited <= most_s
    assert broker.left == {}


def test_nobody_waits_for_one_who_went_away():
    """Nor is a worker to find the question."""
    went = []
    broker = Asked()
    sender = SimpleNamespace(send_task=lambda *_: went.append(True))
    with pytest.raises(Unavailable) as error:
        RemoteDecoder(sender, broker, timeout_s=60.0).decode(
            PageKey("default", "doc", 1), Prompt(), Patience(cancelled=lambda: bool(went))
        )
    assert error.value.code == "cancelled"
    assert broker.waited == [(60.0, False)]
    assert broker.left == {}
