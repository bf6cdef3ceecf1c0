"""The full stack as processes: pages per second with 1, 2 and 4 workers, and how long people wait beside that.

`python -m benchmarks.stack [--pages 400] [--read-s 0.4] [--clients 64] [--seconds 15]`. Redis, an index server (the
tests' helper over Qdrant Edge, or `FOLIOSCOPE_TEST_QDRANT_URL`), API processes and workers are real. The reading engine
is a stub that sleeps, so that what is measured is queue, claims, rendering, index and commits, and not a model.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np

from benchmarks.report import publish, table
from tests.stack_kit import Stack, scan, until

SCALING_TARGET, ACCEPT_TARGET_S = 0.9, 1.0
_BOOK = 20


def _rate(workers: int, *, pages: int, read_s: float, threads: int) -> float:
    """Pages per second, from the tenth page that is done to the last."""
    with tempfile.TemporaryDirectory() as root, Stack(Path(root), read_s=read_s) as stack:
        api = stack.start_api()
        names = [f"w{number}" for number in range(workers)]
        for name in names:
            stack.start_worker(name, threads=threads)
        until(lambda: stack.workers() == set(names), "all workers are there")
        books = [scan(*(f"{book} {page}" for page in range(_BOOK))) for book in range(pages // _BOOK)]
        documents = [api.upload(book) for book in books]
        first, first_at = 0, 0.0
        while True:
            done, now = sum(stack.reads().values()), time.perf_counter()
            if done >= 10 and not first:
                first, first_at = done, now
            if done >= len(documents) * _BOOK:
                break
            time.sleep(0.02)
        api.wait(documents)
        assert set(stack.reads().values()) == {1}, "a page was read twice"
        return (len(documents) * _BOOK - first) / (now - first_at)


class _Clients:
    """So many people at once, who send a page of their own and search, one after the other, for a while."""

    def __init__(self, urls: list[str], clients: int, seconds: float) -> None:
        self.times: dict[str, list[float]] = {"upload": [], "search": []}
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._urls = urls
        self._end = time.monotonic() + seconds
        self._guard = threading.Lock()
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, number: int) -> None:
        rng = random.Random(number)
        with httpx.Client(base_url=self._urls[number % len(self._urls)], timeout=60, trust_env=False) as http:
            while time.monotonic() < self._end:
                content = scan(f"client {number} page {rng.random()}")
                self._call("upload", lambda c=content: http.post("/v1/documents", files={"file": ("a.tiff", c)}))
                query = {"query": f"page {rng.randrange(1000)}"}
                self._call("search", lambda q=query: http.post("/v1/search", json=q))
                # People read what they get.
                time.sleep(rng.uniform(0.5, 1.5))

    def _call(self, what: str, send) -> None:
        start = time.perf_counter()
        status = send().status_code
        with self._guard:
            self.times[what].append(time.perf_counter() - start)
            self.statuses[what, status] += 1


def _people(clients: int, seconds: float, *, apis: int, read_s: float) -> _Clients:
    with tempfile.TemporaryDirectory() as root, Stack(Path(root), read_s=read_s) as stack:
        started = [stack.start_api(f"a{number}") for number in range(apis)]
        stack.start_worker("w1", threads=2)
        warm = [started[0].upload(scan(*(f"warm {page}" for page in range(_BOOK))))]
        started[0].wait(warm)
        return _Clients([api.url for api in started], clients, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--read-s", type=float, default=0.4, help="how long the stub engine sleeps over a page")
    parser.add_argument("--threads", type=int, default=2, help="of each worker")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--apis", type=int, default=2)
    options = parser.parse_args()
    rates = {
        workers: _rate(workers, pages=options.pages, read_s=options.read_s, threads=options.threads)
        for workers in (1, 2, 4)
    }
    ideal = options.threads / options.read_s
    scaling = [
        (workers, rate, workers * ideal, rate / (workers * rates[1]), rate / (workers * ideal))
        for workers, rate in rates.items()
    ]
    people = _people(options.clients, options.seconds, apis=options.apis, read_s=options.read_s)
    latencies = [
        (what, len(times), *(1000 * float(np.quantile(times, q)) for q in (0.5, 0.95, 0.99)), 1000 * max(times))
        for what, times in people.times.items()
    ]
    bad = {key: count for key, count in people.statuses.items() if key[1] >= 400}
    accept = float(np.quantile(people.times["upload"], 0.99))
    publish(
        "stack",
        "The full stack",
        f"A stub engine that sleeps {options.read_s:g} s over a page; {options.threads} threads a worker; everything, "
        f"load and servers, on the {os.cpu_count()} cores of one machine.",
        table(
            (
                "worker processes",
                "pages/s",
                "sleep alone allows",
                "of one worker's rate × workers",
                "of what sleep allows",
            ),
            scaling,
        ),
        f"{options.clients} clients at once over {options.apis} API processes for {options.seconds:g} s, each sending "
        "a one-page file of its own and searching, while a worker reads:",
        table(("request", "number", "p50 ms", "p95 ms", "p99 ms", "longest ms"), latencies),
        f"Answers of 400 and above: {bad or 'none'}. Aims: scaling at least {SCALING_TARGET}, accepting a one-page "
        f"file within {ACCEPT_TARGET_S:g} s at p99 ({accept:.2f} s here), no 5xx.",
    )
    return int(any(status >= 500 for _, status in people.statuses))


if __name__ == "__main__":
    sys.exit(main())
