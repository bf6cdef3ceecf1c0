"""The full stack's composition: `open_front` for processes that talk to people, `run_worker` for those that read.

Both share one data directory and one index server, and are as many as one likes. `worker.wiring` builds what is the
same in one process.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit, urlunsplit

from index.errors import ConfigError, Unavailable
from worker import messages, wiring
from worker.broker import Broker, WorkerFacts
from worker.celery_app import CeleryConfig, Sender, ping, serve
from worker.claims import Claims
from worker.crashes import CrashLogs
from worker.decode_remote import DecodeDesk, RemoteDecoder
from worker.decoding import LocalDecoder
from worker.deletion import Deletion
from worker.engine.choice import readers as readers_for
from worker.engine.choice import vision_dim
from worker.engine.engine import Engine
from worker.gpu_guard import GuardedEngine
from worker.housekeeping import Housekeeper, HousekeepingConfig, Reconciler
from worker.jobs import now
from worker.overview import Inside, QueueFacts, WorkerState
from worker.queue_celery import CeleryQueue
from worker.recovery import Recovery
from worker.service import Readiness
from worker.settings import Settings
from worker.shell import Activity, JobShell
from worker.watch import Watch, WatchConfig, resident_bytes
from worker.webhooks.setup import webhook_parts

if TYPE_CHECKING:
    from PIL.Image import Image

    from index.types import PageReading
    from worker.library import Library
    from worker.wiring import Truth

log = logging.getLogger("folioscope.stack")

_FRONT_RENDERERS = 4
_CLOSE_S = 5.0
_ROUTE_KEPT_S = 3.0
_STALE_UPLOAD_S = 86_400.0


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """`name` tells workers apart: one for each that runs at the same time. `threads` 0: one for each processor."""

    name: str
    queues: tuple[str, ...] = (messages.HOUSEKEEPING, messages.READ_CPU)
    threads: int = 0


def default_name() -> str:
    """In a container, where one worker runs, its host name."""
    return socket.gethostname()


def celery_config(settings: Settings) -> CeleryConfig:
    if settings.broker_url is None:
        raise ConfigError(
            "FOLIOSCOPE_BROKER_URL is not set: workers need the Redis of the full stack. Without one, "
            "`folioscope serve` reads by itself.",
            code="bad_setting",
        )
    url = settings.broker_url.get_secret_value()
    if urlsplit(url).scheme not in {"redis", "rediss"}:
        raise ConfigError(
            "FOLIOSCOPE_BROKER_URL is no URL of a Redis: it begins with redis:// or rediss://.", code="bad_setting"
        )
    if settings.broker_password is not None:
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0].partition(":")[0]
        password = quote(settings.broker_password.get_secret_value(), safe="")
        url = urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))
    return CeleryConfig(url, settings.job_timeout_s)


class Route:
    """Which queue pages go to now. Remembered for a moment: it is asked for every few hundred pages."""

    def __init__(self, broker: Broker, setting: str) -> None:
        self._broker = broker
        self._setting = setting
        self._queue = messages.READ_CPU
        self._asked_at: float | None = None

    def __call__(self) -> str:
        if self._setting != "auto":
            return self._setting
        at = time.monotonic()
        if self._asked_at is None or at - self._asked_at > _ROUTE_KEPT_S:
            served = {queue for worker in self._broker.workers() for queue in worker.queues}
            self._queue = messages.READ_GPU if messages.READ_GPU in served else messages.READ_CPU
            self._asked_at = at
        return self._queue


class NoEngine:
    """Stands where an engine would in a process that reads nothing."""

    name = "none"
    revision = ""

    def read(self, _images: Sequence[Image]) -> list[PageReading]:
        raise Unavailable("This process does not read pages; `folioscope worker` does.")

    def warm(self) -> None:
        pass


class Member:
    """What every process of the stack has: truth, broker, queue, claims and its turn at housekeeping."""

    def __init__(
        self, settings: Settings, role: str, activity: Activity, stack: ExitStack, *, vision_dim: int | None = None
    ) -> None:
        config = celery_config(settings)
        self.process = f"{role}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.truth: Truth = wiring.open_truth(settings, vision_dim=vision_dim)
        stack.callback(self.truth.close)
        self.broker = Broker(config.broker_url)
        stack.callback(self.broker.close)
        self.route = Route(self.broker, settings.read_queue)
        self.queue = CeleryQueue(
            Sender(config),
            self.broker,
            read_queue=self.route,
            running=lambda: sum(w.jobs for w in self.broker.workers()),
        )
        stack.callback(self.queue.close, timeout_s=_CLOSE_S)
        self.claims = Claims(settings.data_dir / "claims", self.process)
        self.crashes = CrashLogs(settings.data_dir / "crashes")
        self.crashes.arm(self.process)
        stack.callback(self.crashes.disarm)
        self.deletion = Deletion(self.truth.blobs, self.truth.catalog, self.truth.store, now)
        self.activity = activity
        self._housekeeper = self._build_housekeeper(settings)
        stack.callback(self._housekeeper.stop)

    def start(self) -> None:
        self._housekeeper.start()

    def _build_housekeeper(self, settings: Settings) -> Housekeeper:
        truth = self.truth
        may_tidy = wiring.tidying(truth)
        config = HousekeepingConfig(look_s=min(5.0, settings.housekeeping_s / 4), compare_s=settings.housekeeping_s)
        reconciler = Reconciler(
            truth.store,
            self.queue,
            self.broker,
            self.claims,
            Recovery(truth.catalog, truth.store, self.queue.ring, now, tidy=may_tidy, splits=truth.splits),
            read_queue=self.route,
            config=config,
        )
        tidy = (
            lambda: truth.blobs.sweep(older_than_s=_STALE_UPLOAD_S),
            truth.catalog.sweep,
            truth.catalog.thin_tombstones,
            lambda: self.deletion.finish(sweep=may_tidy),
            self.claims.sweep,
            wiring.build_uploads(settings).sweep,
            wiring.build_idempotency(settings).sweep,
            wiring.build_conversations(settings).sweep,
            lambda: wiring.sweep_half_written(settings),
            self.crashes.sweep,
        )
        return Housekeeper(settings.data_dir / "housekeeper.lock", reconciler.look, tidy, config)


@contextmanager
def open_front(settings: Settings) -> Iterator[Library]:
    """The part that talks to people: accepts, finds, answers, and rings for the rest."""
    with ExitStack() as stack:
        member = Member(settings, "front", Activity(), stack)
        renderer = wiring.build_renderer(settings, children=_FRONT_RENDERERS)
        stack.callback(renderer.close)
        jobs = wiring.build_jobs(settings, member.truth, renderer, cast("Engine", NoEngine()), member.queue.ring)

        decoder = remote_decoder(settings)
        stack.callback(decoder.close)

        def readiness() -> Readiness:
            return _readiness(member, ", ".join(renderer.protections()), wiring.reading_asked_for(settings))

        library = wiring.build_library(
            settings,
            member.truth,
            jobs=jobs,
            queue=member.queue,
            deletion=member.deletion,
            renderer=renderer,
            readiness=readiness,
            inside=lambda: _inside(member.broker),
            decoder=decoder,
        )
        webhooks = webhook_parts(settings, member.truth.catalog, member.truth.store).runner(library.document)
        stack.callback(webhooks.stop)
        member.start()
        webhooks.start()
        yield library


def remote_decoder(settings: Settings) -> RemoteDecoder:
    """Decoding by whichever worker serves it."""
    config = celery_config(settings)
    return RemoteDecoder(Sender(config), Broker(config.broker_url), timeout_s=settings.decode_timeout_s)


def _readiness(member: Member, sandbox: str, reading: str) -> Readiness:
    """Ready without a worker or a broker too: uploads are kept, and read later."""
    checks = {"index": "qdrant", "sandbox": sandbox, "reading": reading}
    engines: list[str] = []
    try:
        workers = member.broker.workers()
        engines = sorted({worker.engine for worker in workers if worker.engine})
        checks["queue"] = "celery on redis"
        checks["workers"] = ", ".join(f"{worker.name} ({', '.join(worker.queues)})" for worker in workers) or "none"
    except Unavailable:
        checks["queue"] = checks["workers"] = "the broker does not answer"
    return Readiness(
        ready=True, engine=", ".join(engines) or "none", embedder=member.truth.embedder.name, checks=checks
    )


def _inside(broker: Broker) -> Inside:
    """Queues and workers, as far as the broker tells."""
    try:
        seen = broker.seen()
        queues = tuple(QueueFacts(name, broker.depth([name])) for name in messages.QUEUES)
        workers = tuple(
            WorkerState(
                one.name,
                one.queues,
                one.engine,
                one.jobs,
                one.oldest_s,
                one.done,
                seen.get(one.name, 0.0),
                one.memory_bytes,
            )
            for one in sorted(broker.workers(), key=lambda one: one.name)
        )
    except Unavailable as error:
        return Inside(stack=True, problem=error.message)
    return Inside(stack=True, queues=queues, workers=workers)


def run_worker(settings: Settings, config: WorkerConfig) -> int:
    """Work until SIGTERM; the exit code."""
    broker_config = celery_config(settings)
    unknown = set(config.queues) - set(messages.QUEUES)
    if unknown or not config.queues:
        raise ConfigError(
            f"There is no queue {', '.join(sorted(unknown)) or 'named'}; there are {', '.join(messages.QUEUES)}.",
            code="unknown_queue",
        )
    stopping = threading.Event()
    activity = Activity()
    with ExitStack() as stack:
        engine = _engine(settings, config.queues)
        stack.callback(wiring.close_engine, engine)  # where the rest of the start fails, too
        member = Member(settings, "worker", activity, stack, vision_dim=vision_dim(settings, engine))
        stack.callback(wiring.close_engine, engine)  # before the index: it ends what would still be written there
        processors = os.cpu_count() or 1
        threads = config.threads or readers_for(settings, engine, processors)
        renderer = wiring.build_renderer(
            settings, children=min(threads, max(processors, settings.readers, config.threads))
        )
        stack.callback(renderer.close)
        watch = _watch(settings, config, member, engine)
        stack.callback(watch.stop)
        guarded = cast("Engine", GuardedEngine(engine, watch.gpu_failed))
        jobs = wiring.build_jobs(
            settings, member.truth, renderer, guarded, member.queue.ring, member.claims.hold, activity.progress
        )
        shell = JobShell(
            jobs.run,
            ring=member.queue.ring,
            claims=member.claims,
            crashes=member.crashes,
            store=member.truth.store,
            activity=activity,
            stopping=stopping,
            clock=now,
        )
        desk = DecodeDesk(member.broker, LocalDecoder(member.truth.store, guarded, jobs.keep))

        def decode(ticket: str) -> None:
            with activity.job("decode"):
                desk(ticket)

        def on_ready() -> None:
            watch.start()
            log.info("worker %s: %s, %d threads, %s", config.name, engine.name, threads, ", ".join(config.queues))

        def on_stopping() -> None:
            stopping.set()
            watch.stopping()

        member.start()
        code = serve(
            broker_config,
            name=config.name,
            queues=config.queues,
            threads=threads,
            run=shell,
            decode=decode,
            on_ready=on_ready,
            on_stopping=on_stopping,
        )
        _leave(member.broker, config.name)
        return code


def _engine(settings: Settings, queues: Iterable[str]) -> Engine:
    """The engine, its weights loaded: the first page should not wait for them, and their absence shows at once."""
    wanted = set(queues)
    if not wanted & {messages.READ_CPU, messages.READ_GPU, messages.DECODE}:
        return cast("Engine", NoEngine())
    engine = wiring.build_engine(settings)
    if messages.DECODE in wanted and not hasattr(engine, "decode"):
        raise ConfigError(
            f"The engine {engine.name} has no vision tokens to decode: do not give this worker the queue `decode`, "
            "or set FOLIOSCOPE_ENGINE to one that has.",
            code="unknown_engine",
        )
    engine.warm()
    return engine


def _watch(settings: Settings, config: WorkerConfig, member: Member, engine: Engine) -> Watch:
    activity = member.activity

    def facts() -> WorkerFacts:
        jobs, oldest_s, _ = activity.now()
        name = "" if isinstance(engine, NoEngine) else f"{engine.name}@{engine.revision}"
        return WorkerFacts(
            config.name,
            config.queues,
            name,
            jobs,
            oldest_s,
            activity.done,
            resident_bytes(),
        )

    watch = WatchConfig(hard_limit_s=settings.job_timeout_s, memory_bytes=settings.worker_memory_bytes)
    return Watch(member.broker, member.crashes, facts, lambda: activity.now()[2], watch)


def _leave(broker: Broker, name: str) -> None:
    try:
        broker.leave(name)
    except Unavailable:
        log.debug("the broker did not hear that this worker is gone")


def check_worker(settings: Settings, name: str) -> str | None:
    """What is wrong with a worker, asked through the broker as its work comes; None when it works."""
    config = celery_config(settings)
    broker = Broker(config.broker_url)
    try:
        facts = next((worker for worker in broker.workers() if worker.name == name), None)
    except Unavailable as error:
        return error.message
    finally:
        broker.close()
    if facts is None:
        return f"The worker {name} has not been heard of for some seconds."
    if facts.oldest_s > settings.job_timeout_s:
        return f"The worker {name} hangs in a job for {facts.oldest_s:.0f} s."
    return None if ping(config, name) else f"The worker {name} does not answer a ping."
