"""What is measured and said while pages are read: steps, attempts, errors, log lines, traces."""

from __future__ import annotations

import json
import logging
import socket
import urllib.request
import uuid

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tests.access_kit import ADMIN, READ, KeyedApi
from tests.api_kit import Api, assert_problem
from tests.kit import Archive, pdf
from tests.stack_redis import free_port
from tests.test_logs import only_of_this_thread
from worker import logs, metrics, tracing


@pytest.fixture
def api(tmp_path):
    made = KeyedApi(tmp_path)
    yield made
    made.archive.close()


def samples(text):
    """{(name, labels): value} of the text format."""
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def of(found, name, **labels):
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


def scrape(api):
    response = api.get("/metrics", headers=api.key(scopes=ADMIN))
    assert response.status_code == 200
    return samples(response.text)


def test_pages_of_all_tenants_are_counted(api):
    """By state, over everybody; so it needs the admin scope."""
    for tenant in ("council", "parish"):
        api.fill(api.key(tenant), f"The fund of the {tenant}.")
    assert of(scrape(api), "folioscope_pages", state="done") == 4
    assert_problem(api.get("/metrics", headers=api.key(scopes=READ)), 403, "scope_missing")


def test_each_step_of_reading_is_timed(api):
    """Render, read, embed and commit once for each page; failed ones by their code."""
    before = scrape(api)
    api.post("/v1/documents", content=pdf("one", "two", "!render_timeout"), headers=api.key())
    api.archive.settle()
    after = scrape(api)

    def more(name, **labels):
        return of(after, name, **labels) - of(before, name, **labels)

    for step in ("embed", "commit"):
        assert more("folioscope_step_seconds_count", step=step) == 2
    assert more("folioscope_step_seconds_count", step="read") >= 2
    assert more("folioscope_step_seconds_count", step="render") >= 5  # the page that fails is tried three times
    assert more("folioscope_page_attempts_total", outcome="done") == 2
    assert more("folioscope_page_attempts_total", outcome="render_timeout") == 3


def test_errors_are_counted_by_code(api):
    """Those of routes, of the guard and of the door alike."""
    headers = api.key()
    api.get("/v1/documents/00000000-0000-4000-8000-000000000000", headers=headers)
    api.get("/v1/documents", headers={"Host": "evil.example"})
    api.get("/v1/documents")
    found = scrape(api)
    for code in ("not_found", "host_not_allowed", "key_required"):
        assert of(found, "folioscope_errors_total", code=code) == 1


def test_a_worker_serves_its_own_metrics():
    """From a thread, at the address that it was told; stopped, the port is free again."""
    port = free_port()
    stop = metrics.start_metrics_server(port, queue_depth=lambda: 3)
    try:
        with metrics.step("embed"):
            pass
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:  # noqa: S310
            found = samples(answer.read().decode())
        assert of(found, "folioscope_queue_depth") == 3
        assert of(found, "folioscope_step_seconds_count", step="embed") >= 1
        assert of(found, "process_resident_memory_bytes") > 0
    finally:
        stop()
    socket.create_server(("127.0.0.1", port)).close()


def test_a_scrape_during_an_outage_carries_the_rest():
    """A queue that does not answer leaves its series out, and nothing else."""

    def away():
        raise OSError("the broker is away")

    with metrics.step("render"):  # else, where no test has read a page before, there is nothing to carry
        pass
    registry = CollectorRegistry()
    registry.register(metrics._QueueDepth(away))
    metrics.register(registry)
    names = {family.name for family in registry.collect() if family.samples}
    assert "folioscope_queue_depth" not in names
    assert "folioscope_step_seconds" in names


def test_memory_of_a_gpu_where_there_is_one(monkeypatch):
    """By device and state; a process without torch, or whose torch never used a GPU, shows none and loads nothing."""
    import sys
    from types import SimpleNamespace

    def torch(used):
        return SimpleNamespace(
            cuda=SimpleNamespace(
                is_initialized=lambda: used,
                device_count=lambda: 1,
                mem_get_info=lambda _device: (60, 80),
                memory_allocated=lambda _device: 15,
                memory_reserved=lambda _device: 20,
            )
        )

    def seen():
        return {tuple(one.labels.values()): one.value for one in metrics._Gpu().collect()[0].samples}

    monkeypatch.setitem(sys.modules, "torch", None)
    assert seen() == {}
    monkeypatch.setitem(sys.modules, "torch", torch(False))
    assert seen() == {}
    monkeypatch.setitem(sys.modules, "torch", torch(True))
    assert seen() == {("0", "total"): 80, ("0", "free"): 60, ("0", "allocated"): 15, ("0", "reserved"): 20}


def test_log_lines_name_request_key_document_and_page(api, capsys):
    """As JSON: an access line has who and what, a line of the work the page that it is about."""
    headers = api.key()
    ids = api.fill(headers)
    logs.configure("DEBUG", as_json=True)
    only_of_this_thread()
    api.get(f"/v1/documents/{ids.document_id}/pages/1", headers=headers | {"X-Request-ID": "trace-1"})
    api.get(f"/v1/documents/{ids.document_id}/pages/77", headers=headers)
    api.post("/v1/documents", content=pdf("!render_timeout"), headers=headers)
    api.archive.settle()
    logging.getLogger("folioscope.test").info("idle")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    looked, missed = [line for line in lines if line["logger"] == "folioscope.access"][:2]
    assert (looked["request_id"], looked["tenant"], looked["page"]) == ("trace-1", "default", "1")
    assert looked["document_id"] == ids.document_id
    assert len(looked["key_id"]) == 8
    assert missed["code"] == "not_found"
    failed = next(line for line in lines if line["logger"] == "folioscope.jobs")
    assert failed["page"] == 1
    assert uuid.UUID(failed["document_id"])
    assert "document_id" not in lines[-1]
    assert not any("fsk_" in json.dumps(line) for line in lines)


@pytest.fixture
def spans():
    """What was traced, in memory."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter.get_finished_spans
    tracing.use(None)


def test_all_work_on_a_document_is_one_trace(api, spans):
    """Whose id is the document's, whoever does the work; the request that brought it goes on with its caller's trace
    and has a link to the document's."""
    caller = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    answer = api.post("/v1/documents", content=pdf("one", "two"), headers=api.key() | caller)
    document = uuid.UUID(answer.json()["id"])
    api.archive.settle()
    request = next(span for span in spans() if span.name == "POST request")
    assert f"{request.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert [link.context.trace_id for link in request.links] == [document.int]
    work = [span for span in spans() if span.context.trace_id == document.int]
    names = sorted(span.name for span in work)
    assert names.count("expand") == 1
    assert names.count("page") == names.count("embed") == names.count("commit") == 2
    page = next(span for span in work if span.name == "page")
    assert page.attributes["folioscope.page"] in {1, 2}


def test_a_trace_goes_to_who_works_for_us_and_back(spans):
    """As a string that may be missing or nonsense."""
    with tracing.span("asking"):
        carried = tracing.inject()
    for given in (carried, None, "nonsense"):
        with tracing.extracted(given), tracing.span("answering"):
            pass
    asking, one, two, three = spans()
    assert one.context.trace_id == asking.context.trace_id
    assert len({span.context.trace_id for span in (one, two, three)}) == 3


def test_without_a_collector_nothing_is_traced():
    """No tracer, no string, and the work goes on."""
    tracing.configure("test", None)
    with tracing.span("x"), tracing.document_span("y", "not-a-uuid"), tracing.extracted("z"):
        assert tracing.inject() is None


def test_an_open_service_shows_its_metrics_to_the_local_user(tmp_path):
    """On loopback without keys."""
    archive = Archive(tmp_path)
    assert Api(archive.library).get("/metrics").status_code == 200
    archive.close()
