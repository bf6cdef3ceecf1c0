"""Redis beside its queues: who works, how much waits, and the answers that persons wait for.

Nothing here is the truth about a document; all of it may be emptied at any time. Every method answers within seconds
or raises `Unavailable` (`broker_unavailable`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from index.errors import ConfigError, Unavailable
from worker import messages

_PREFIX = "folioscope:"
_WORKERS = f"{_PREFIX}workers"
_EPOCH = f"{_PREFIX}epoch"
_ANSWER_KEPT_S = 60
# How kombu names the list of a queue's messages of one step (the first step has the queue's own name).
_STEP = "{queue}\x06\x16{step}"

BEAT_S = 2.0
_BEAT_KEPT_S = 10
"""A worker that has said nothing for so long is gone."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself every `BEAT_S` seconds. `oldest_s` is how long its longest job has run.

    Workers of several versions run side by side while a stack is renewed: what one does not say stands as it does
    here, and what it says beside this is nobody's business.
    """

    name: str
    queues: tuple[str, ...] = ()
    engine: str = ""
    jobs: int = 0
    oldest_s: float = 0.0
    done: int = 0
    memory_bytes: int = 0


class Broker:
    """One connection pool. Thread-safe."""

    def __init__(self, url: str, *, timeout_s: float = 2.0) -> None:
        try:
            # One more try: a connection that was idle while Redis was restarted is found broken only when it is used.
            self._redis = redis.Redis.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                decode_responses=True,
                retry=Retry(NoBackoff(), 1),
                retry_on_error=[redis.ConnectionError],
            )
        except ValueError as error:
            raise ConfigError(f"FOLIOSCOPE_BROKER_URL is no URL of a Redis: {error}.", code="bad_setting") from None

    def close(self) -> None:
        self._redis.close()

    def ping(self) -> None:
        with _errors():
            self._redis.ping()

    def script(self, text: str) -> Callable[[Sequence[str], Sequence[str | int]], Any]:
        """A script that runs in Redis in one step: to be called with its keys and arguments."""
        run = self._redis.register_script(text)

        def call(keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
            with _errors():
                return run(keys=keys, args=arguments)

        return call

    # -- who works ----------------------------------------------------------------------------

    def beat(self, facts: WorkerFacts) -> None:
        """Say that a worker is there."""
        with _errors():
            pipe = self._redis.pipeline(transaction=False)
            pipe.set(f"{_WORKERS}:{facts.name}", json.dumps(asdict(facts)), ex=_BEAT_KEPT_S)
            pipe.zadd(_WORKERS, {facts.name: time.time()})
            pipe.execute()

    def leave(self, name: str) -> None:
        """Say that a worker is going, so that nobody waits for it."""
        with _errors():
            self._redis.delete(f"{_WORKERS}:{name}")
            self._redis.zrem(_WORKERS, name)

    def workers(self) -> list[WorkerFacts]:
        """Those who said something within the last seconds."""
        with _errors():
            names = self._redis.zrange(_WORKERS, 0, -1)
            if not names:
                return []
            found = self._redis.mget([f"{_WORKERS}:{name}" for name in names])
            gone = [name for name, facts in zip(names, found, strict=True) if facts is None]
            if gone:
                self._redis.zrem(_WORKERS, *gone)
        return [_facts(str(name), facts) for name, facts in zip(names, found, strict=True) if facts is not None]

    def seen(self) -> dict[str, float]:
        """How many seconds ago each worker said something."""
        now = time.time()
        with _errors():
            return {str(name): max(0.0, now - at) for name, at in self._redis.zrange(_WORKERS, 0, -1, withscores=True)}

    # -- how much waits -----------------------------------------------------------------------

    def depth(self, queues: Sequence[str] = messages.QUEUES) -> int:
        """Messages that wait in these queues."""
        with _errors():
            pipe = self._redis.pipeline(transaction=False)
            for queue in queues:
                for name in _lists(queue):
                    pipe.llen(name)
            return sum(pipe.execute())

    def discard(self, queue: str) -> None:
        """Throw away the messages that wait in a queue."""
        with _errors():
            self._redis.delete(*_lists(queue))

    def was_emptied(self) -> bool:
        """Whether Redis holds nothing of what it held when this was last asked, by anybody; true the first time."""
        with _errors():
            return bool(self._redis.set(_EPOCH, "1", nx=True))

    # -- what persons wait for ----------------------------------------------------------------

    def ask(self, ticket: str, question: dict[str, Any], *, seconds: float) -> None:
        """Leave a question, for so long."""
        with _errors():
            self._redis.set(f"{_PREFIX}ask:{ticket}", json.dumps(question), px=max(1, int(seconds * 1000)))

    def take(self, ticket: str) -> tuple[dict[str, Any], float] | None:
        """The question, once, and for how many more seconds it is waited for, by Redis's clock; None when somebody took
        it or nobody waits any more.
        """
        with _errors():
            pipe = self._redis.pipeline(transaction=True)
            pipe.pttl(f"{_PREFIX}ask:{ticket}")
            pipe.getdel(f"{_PREFIX}ask:{ticket}")
            left_ms, found = pipe.execute()
        return None if found is None else (json.loads(found), max(0, left_ms) / 1000)

    def answer(self, ticket: str, answer: dict[str, Any]) -> None:
        with _errors():
            pipe = self._redis.pipeline(transaction=True)
            pipe.rpush(f"{_PREFIX}answer:{ticket}", json.dumps(answer))
            pipe.expire(f"{_PREFIX}answer:{ticket}", _ANSWER_KEPT_S)
            pipe.execute()

    def wait(self, ticket: str, *, seconds: float, still: Callable[[], bool]) -> dict[str, Any] | None:
        """The answer; None after `seconds`, or as soon as `still()`, asked every second, is false."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with _errors():
                # Shorter than the socket's patience.
                found = self._redis.blpop([f"{_PREFIX}answer:{ticket}"], timeout=max(0.01, min(1.0, left)))
            if found is not None:
                return json.loads(found[1])
            if not still():
                return None
        return None


def _lists(queue: str) -> list[str]:
    """Redis's lists of a queue, one for each step."""
    return [_STEP.format(queue=queue, step=step) if step else queue for step in messages.STEPS]


_KNOWN = frozenset(field.name for field in fields(WorkerFacts))


def _facts(name: str, text: str) -> WorkerFacts:
    values = {key: value for key, value in json.loads(text).items() if key in _KNOWN}
    return WorkerFacts(**{**values, "name": name, "queues": tuple(values.get("queues", ()))})


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise Unavailable(
            f"The message broker does not answer ({type(error).__name__}).", code="broker_unavailable"
        ) from error
