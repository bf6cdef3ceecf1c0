"""Celery, all of it: the only module that imports it.

Celery carries doorbells and nothing else: no results, no retries, no chains, no times. A message holds ids; what is to
be done and what was done stands in the index, and reconcile rings again for what was lost. So nothing here needs to be
reliable, only quick and bounded in time.

Redis as a broker has no confirmed delivery: a message that a worker took is kept in a second list until the worker
acknowledges it, and comes back after `visibility_timeout`. Reconcile is much faster than that (`worker.housekeeping`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError, OperationalError

from index.errors import Unavailable
from worker import messages
from worker.queue import Expand, Job

log = logging.getLogger("folioscope.celery")

_NODE = "folioscope@"
_CONNECT_S = 2.0
_PING_S = 5.0

_SETTINGS: dict[str, Any] = {
    # A message is acknowledged when its job has ended, so one that was taken by a worker that died comes back.
    "task_acks_late": True,
    # Says what prefork workers do with the message of a child that died. Not put back: the attempt is written before
    # the work, reconcile rings for the page, and a page that kills its reader must not do so as fast as it can.
    "task_reject_on_worker_lost": False,
    # What a job answers is in the index, and nobody reads a Celery result.
    "task_ignore_result": True,
    "result_backend": None,
    # Ids only, in a format that cannot carry code.
    "task_serializer": "json",
    "accept_content": ["json"],
    # As many messages as jobs that run: what one worker holds back another could do.
    "worker_prefetch_multiplier": 1,
    # SIGTERM lets jobs that run end, and `worker.watch` ends the process when that takes too long. This is for SIGQUIT.
    "worker_soft_shutdown_timeout": 10.0,
    # A broker that is away is waited for, for as long as it takes, at the start too.
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_connection_timeout": _CONNECT_S,
    # A job whose message cannot be acknowledged any more goes on: its end is written to the index all the same.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # Or the worker would take fewer messages after each reconnection until it is idle.
    "worker_enable_prefetch_count_reduction": False,
    # Logging is the process's own business.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "event_queue_ttl": 60.0,
    "timezone": "UTC",
    "enable_utc": True,
}


@dataclass(frozen=True, slots=True)
class CeleryConfig:
    """`hard_limit_s` is the longest time in which a job gets no further (kept by `worker.watch`: Celery ends only jobs
    of its own child processes). Messages come back after twice that, so of jobs that run only the unpacking of a large
    archive is offered to a second worker, which finds it claimed.
    """

    broker_url: str
    hard_limit_s: float = 1800.0


def _app(config: CeleryConfig, **transport: Any) -> Celery:
    app = Celery("folioscope", broker=config.broker_url, set_as_current=False)
    app.conf.update(_SETTINGS)
    app.conf.broker_transport_options = {
        "visibility_timeout": 2 * config.hard_limit_s,
        # The lowest step first; queues of the same step take turns, so that opening and reading go on together.
        "priority_steps": list(messages.STEPS),
        "queue_order_strategy": "round_robin",
        "socket_connect_timeout": _CONNECT_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        **transport,
    }
    return app


class Sender:
    """Puts messages into the broker, within seconds or not at all. One thread at a time."""

    def __init__(self, config: CeleryConfig) -> None:
        # Without these a publisher would look for a broker that is away for ever.
        self._app = _app(config, socket_timeout=5.0, max_retries=0, interval_start=0, interval_max=0)

    def send(self, jobs: Iterable[tuple[Job, str]]) -> None:
        """Send each job to the queue named beside it; `Unavailable` (`broker_unavailable`) at the first that fails."""
        for job, queue in jobs:
            task, arguments = messages.pack(job)
            self.send_task(task, arguments, queue, messages.priority(job))

    def send_task(self, task: str, arguments: Sequence[str | int], queue: str, priority: int) -> None:
        try:
            # To the queue by its name and through no exchange: bindings are kept in Redis, which may be emptied.
            self._app.send_task(
                task, args=list(arguments), queue=queue, priority=priority, retry=False, ignore_result=True
            )
        except (OperationalError, KombuError, CeleryError, OSError) as error:
            raise Unavailable(
                f"The message broker does not answer ({type(error).__name__}).", code="broker_unavailable"
            ) from error

    def close(self) -> None:
        self._app.close()


def ping(config: CeleryConfig, name: str) -> bool:
    """Whether the worker `name` answers through the broker: its connection and its loop are alive."""
    app = _app(config, max_retries=0, interval_start=0, interval_max=0)
    try:
        return bool(app.control.ping(destination=[_NODE + name], timeout=_PING_S, limit=1))
    except (OperationalError, KombuError, OSError):
        return False
    finally:
        app.close()


def serve(
    config: CeleryConfig,
    *,
    name: str,
    queues: Sequence[str],
    threads: int,
    run: Callable[[Job], None],
    decode: Callable[[str], None],
    on_ready: Callable[[], None],
    on_stopping: Callable[[], None],
) -> int:
    """Take messages and call `run` and `decode` in `threads` threads until SIGTERM; the exit code.

    Threads around one engine, for the processor and for the GPU. Like the solo pool this neither forks, which CUDA and
    OpenVINO do not survive, nor loads weights twice; unlike it, a worker takes as many pages as its engine batches,
    goes on answering pings, and lets a page be rendered in a child process while others are decoded.
    """
    app = _app(config)

    @app.task(name=messages.EXPAND_TASK)
    def expand(tenant: str, document_id: str) -> None:
        run(Expand(tenant, document_id))

    @app.task(name=messages.READ_TASK)
    def read(tenant: str, document_id: str, page: int) -> None:
        run(messages.read_job(tenant, document_id, page))

    @app.task(name=messages.DECODE_TASK)
    def decode_task(ticket: str) -> None:
        decode(ticket)

    @signals.setup_logging.connect(weak=False)
    def keep_logging(**_: Any) -> None:
        """A receiver keeps Celery from setting up handlers of its own."""

    @signals.worker_ready.connect(weak=False)
    def ready(**_: Any) -> None:
        on_ready()

    @signals.worker_shutting_down.connect(weak=False)
    def stopping(**_: Any) -> None:
        on_stopping()

    worker = app.Worker(
        hostname=_NODE + name,
        queues=",".join(queues),
        pool="threads",
        concurrency=threads,
        quiet=True,
        # What workers tell each other: nobody here listens.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return worker.exitcode or 0
