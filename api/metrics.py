"""Prometheus metrics of one app, on a registry of its own, so that two apps in a process do not collide.

Labels are bounded: routes are counted by template and methods by name, never by what a client sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from worker.metrics import register as register_reading
from worker.service import ServiceProtocol

log = logging.getLogger("folioscope.api")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# From a cached page image to the upload of a large file.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600)


class _Service:
    """Asks the service when it is scraped: progress is counted from page states, never kept in a counter. What is not
    known during an outage is missing, and that is the alarm; all else is there.
    """

    def __init__(self, service: ServiceProtocol) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        for known in (self._pages, self._depth, self._workers, self._disk):
            try:
                metric = known()
            except Exception:
                log.exception("a scrape lacks what is asked of the service")
            else:
                yield metric

    def _pages(self) -> Metric:
        pages = GaugeMetricFamily("folioscope_pages", "Pages by state, of all tenants.", labels=["state"])
        counts = self._service.counts(None)
        # `undecoded` pages and `drafts` are among the `done` ones.
        for state in ("pending", "done", "failed", "undecoded", "drafts"):
            pages.add_metric([state], getattr(counts, state))
        return pages

    def _depth(self) -> Metric:
        return GaugeMetricFamily("folioscope_queue_depth", "Jobs that wait or run.", value=self._service.queue_depth())

    def _workers(self) -> Metric:
        workers = GaugeMetricFamily("folioscope_workers", "Workers that are there, by queue.", labels=["queue"])
        inside = self._service.inside()
        # Also the queues that nobody takes from; none at all where the broker does not tell.
        for queue in inside.queues:
            workers.add_metric([queue.name], sum(queue.name in worker.queues for worker in inside.workers))
        return workers

    def _disk(self) -> Metric:
        space = GaugeMetricFamily(
            "folioscope_disk_bytes", "The data directory's disk; uploads leave `reserved` free.", labels=["state"]
        )
        if disk := self._service.disk():
            for state in ("total", "free", "reserved"):
                space.add_metric([state], getattr(disk, state))
        return space


class Metrics:
    def __init__(self, service: ServiceProtocol) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Service(service))
        register_reading(self.registry)  # of an embedded service; a worker serves its own
        self._requests = Counter(
            "folioscope_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "folioscope_http_request_seconds",
            "Time to answer, without event streams.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._errors = Counter(
            "folioscope_errors", "Problems that requests were answered with, by code.", ["code"], registry=self.registry
        )
        self.upload_bytes = Counter("folioscope_upload_bytes", "Bytes of files received.", registry=self.registry)
        self.uploads = Counter("folioscope_uploads", "Uploads by outcome.", ["outcome"], registry=self.registry)
        self.answers = Counter("folioscope_answers", "Answers by outcome.", ["outcome"], registry=self.registry)
        self.decoded = Counter(
            "folioscope_answer_pages_decoded",
            "Pages decoded for answers, by prompt and outcome: `done`, or the code of what went wrong.",
            ["prompt", "outcome"],
            registry=self.registry,
        )
        # A series that begins with its first event has no increase that an alarm could see.
        for outcome in ("new", "existing", "replayed", "storage_full", "refused"):
            self.uploads.labels(outcome)
        for outcome in ("found", "not_found", "failed"):
            self.answers.labels(outcome)
        self._errors.labels("storage_full")

    def request(self, method: str, route: str, status: int, seconds: float | None) -> None:
        method = method if method in _METHODS else "OTHER"
        self._requests.labels(method, route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(method, route).observe(seconds)

    def error(self, code: str) -> None:
        """`code` is one of ours, so there are few."""
        self._errors.labels(code).inc()

    def render(self) -> bytes:
        """The text format. Blocks: it asks the service."""
        return generate_latest(self.registry)
