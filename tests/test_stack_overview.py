"""The overview and reading again on the full stack: real processes, a real broker, a real index server."""

from __future__ import annotations

import pytest

from tests.stack_kit import Stack, scan, until

pytestmark = pytest.mark.slow

WORKERS = {"decode": 0, "housekeeping": 1, "read.gpu": 0, "read.cpu": 1}


def test_how_the_stack_stands_and_reading_again(tmp_path):
    """Workers and queues as they are; all pages read again by whoever works; without a broker the page says so."""
    with Stack(tmp_path) as stack:
        api = stack.start_api()

        def seen():
            answer = api.http.get("/v1/admin/overview")
            assert answer.status_code == 200, answer.text
            return answer.json()

        nobody = seen()
        assert (nobody["stack"], nobody["workers"], nobody["documents"]) == (True, [], 0)
        assert nobody["disk"]["free"] > 0
        document = api.upload(scan(*(f"page {n}" for n in range(24))))
        stack.hold("read")
        stack.start_worker("w1")
        told = {}

        def works():
            told.update(seen())
            return any(one["jobs"] for one in told["workers"])

        until(works, "it says what it does")
        stack.release("read")
        worker = told["workers"][0]
        assert (worker["name"], worker["queues"]) == ("w1", ["housekeeping", "read.cpu"])
        assert worker["seen_s"] < 10
        assert worker["memory_bytes"] > 0
        assert {one["name"] for one in told["queues"]} == {"decode", "housekeeping", "read.gpu", "read.cpu"}
        scraped = api.http.get("/metrics").text
        counted = {f'folioscope_workers{{queue="{queue}"}} {n}.0' for queue, n in WORKERS.items()}
        assert counted <= set(scraped.splitlines())
        assert 'folioscope_disk_bytes{state="free"}' in scraped
        api.wait([document])
        assert seen()["pages"]["done"] == 24
        assert set(stack.reads().values()) == {1}
        again = api.http.post(f"/v1/documents/{document}/read-again?all=true")
        assert (again.status_code, again.json()["pages"]) == (202, 24)
        api.wait([document])
        assert min(stack.reads().values()) >= 2
        assert seen()["pages"] | {"undecoded": 0} == {
            "pending": 0,
            "done": 24,
            "failed": 0,
            "total": 24,
            "undecoded": 0,
            "drafts": 0,
        }
        stack.redis.stop()
        away = seen()
        assert away["workers"] == []
        assert "folioscope_workers{" not in api.http.get("/metrics").text
        assert "broker" in away["problem"]
        assert away["pages"]["done"] == 24
