"""What reading costs, measured in the process that reads: seconds by step, pages by outcome, memory of the GPU.

Counters live in a registry of this process. The API shows them at `/metrics` beside its own; a worker serves them by
`start_metrics_server`. Each process has its own port and counts for itself, and the monitoring system adds up, so there
is no multi-process mode and no shared file: workers are threads around one engine, never forks. Labels are bounded.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from worker import tracing

log = logging.getLogger("folioscope.metrics")

# From an embedding to a page of a thousand tokens on a processor.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

_step_seconds = Histogram(
    "folioscope_step_seconds",
    "Time of one step of reading a page: render, layer, read (lazily: encode, draft), embed, commit; on need: keep_…",
    ["step"],
    buckets=_SECONDS,
    registry=None,
)
_attempts = Counter(
    "folioscope_page_attempts",
    "Attempts to read a page by outcome: `done`, or the code of what went wrong.",
    ["outcome"],
    registry=None,
)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Time one step of the work on a page, failed ones included, and trace it."""
    started_at = perf_counter()
    try:
        with tracing.span(name):
            yield
    finally:
        _step_seconds.labels(name).observe(perf_counter() - started_at)


def attempt_ended(outcome: str) -> None:
    """`done`, or one of the codes of `docs/errors.md`."""
    _attempts.labels(outcome).inc()


class _Gpu(Collector):
    """Memory of each GPU. Never loads torch: a process that did not has nothing there."""

    def collect(self) -> Iterable[Metric]:
        used = GaugeMetricFamily("folioscope_gpu_memory_bytes", "Memory of a GPU by state.", labels=["device", "state"])
        torch: Any = sys.modules.get("torch")
        try:
            if torch is not None and torch.cuda.is_initialized():
                for number in range(torch.cuda.device_count()):
                    free, total = torch.cuda.mem_get_info(number)
                    device = str(number)
                    used.add_metric([device, "total"], total)
                    used.add_metric([device, "free"], free)
                    used.add_metric([device, "allocated"], torch.cuda.memory_allocated(number))
                    used.add_metric([device, "reserved"], torch.cuda.memory_reserved(number))
        except Exception:
            log.exception("the memory of the GPU is not known")
        return [used]


_COLLECTORS: tuple[Collector, ...] = (_step_seconds, _attempts, _Gpu())


def register(registry: CollectorRegistry) -> None:
    """Show this process's reading in another registry too."""
    for collector in _COLLECTORS:
        registry.register(collector)


class _QueueDepth(Collector):
    def __init__(self, depth: Callable[[], int]) -> None:
        self._depth = depth

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("folioscope_queue_depth", "Jobs that wait or run.")
        try:
            family.add_metric([], self._depth())
        except Exception:
            # A scrape during an outage still carries everything else; the missing series is the alarm.
            log.exception("the depth of the queue is not known")
        return [family]


def start_metrics_server(
    port: int, *, host: str = "127.0.0.1", queue_depth: Callable[[], int] | None = None
) -> Callable[[], None]:
    """Serve this process's metrics at `http://host:port/metrics`, from a thread; returns what stops it.

    `OSError` when the port is taken. There is no key: give it an address that only monitoring reaches.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    register(registry)
    if queue_depth is not None:
        registry.register(_QueueDepth(queue_depth))
    server, thread = start_http_server(port, addr=host, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
