"""What an operator sees of a full stack: traces of API and worker at a collector, log lines and metrics of both."""

from __future__ import annotations

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.stack_kit import Stack, scan, until
from tests.stack_redis import free_port

pytestmark = pytest.mark.slow
CALLER = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Takes spans as an OpenTelemetry collector does (OTLP over HTTP, protobuf)."""

    def __init__(self):
        self.spans = []  # (service, span)
        taken = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in request.resource_spans:
                    [service] = [
                        one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                    ]
                    taken.extend((service, span) for scope in resource.scope_spans for span in scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, trace):
        """(service, name) of the spans of a trace."""
        return [(service, span.name) for service, span in list(self.spans) if span.trace_id.hex() == trace]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def lines(process):
    """What a process said, as far as it is of ours."""
    return [json.loads(line) for line in process.said().splitlines() if line.startswith("{")]


def test_traces_logs_and_metrics_of_api_and_worker(tmp_path):
    """A document's reading by a worker is one trace, named by its id; a page that a person has decoded by a worker goes
    on with that person's trace; log lines of both say which request, document and page; both count."""
    collector, port = Collector(), free_port()
    with Stack(
        tmp_path,
        vision=True,
        folioscope_traces_url=collector.url,
        folioscope_log_format="json",
        folioscope_metrics_port=port,
    ) as stack:
        api = stack.start_api()
        stack.start_worker("gpu", queues="housekeeping,decode,read.gpu")
        until(stack.workers, "the worker is there")
        good = api.upload(scan("one", "two"))
        api.wait([good])
        decoded = api.http.post(
            f"/v1/documents/{good}/pages/1/decode",
            json={"task": "text"},
            headers={"traceparent": f"00-{CALLER}-b7ad6b7169203331-01", "X-Request-ID": "a-person"},
        )
        assert decoded.status_code == 200, decoded.text
        failed = api.http.post(f"/v1/documents/{good}/pages/2/decode", json={"prompt": "bug"})
        assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")

        def counted():
            told = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60).text
            return {
                (one.name, *one.labels.values()): one.value
                for family in text_string_to_metric_families(told)
                for one in family.samples
            }

        # A page is done a moment before its worker has counted it.
        until(lambda: counted().get(("folioscope_page_attempts_total", "done")) == 2, "both pages are counted")
        found = counted()
        for step in ("render", "read", "embed", "commit"):
            assert found["folioscope_step_seconds_count", step] == 2
        front = api.http.get("/metrics").text
        pages = [family for family in text_string_to_metric_families(front) if family.name == "folioscope_pages"]
        assert {one.labels["state"]: one.value for one in pages[0].samples}["done"] == 2
        assert "folioscope_queue_depth" in front
        assert 'folioscope_errors_total{code="internal_error"} 1.0' in front
        assert "folioscope_http_request_seconds_count" in front

        [looked] = [line for line in lines(stack.processes["api"]) if line.get("request_id") == "a-person"]
        assert (looked["document_id"], looked["page"]) == (good, "1")
        [wrong] = [line for line in lines(stack.processes["gpu"]) if line["level"] == "ERROR"]
        assert (wrong["document_id"], wrong["page"]) == (good, 2)
        for name in ("api", "gpu"):
            stack.processes[name].end()  # spans that wait are sent at the end

    document = uuid.UUID(good).hex
    by_worker = collector.of(document)
    assert {service for service, _ in by_worker} == {"folioscope-worker"}
    names = [name for _, name in by_worker]
    assert names.count("expand") >= 1
    assert names.count("page") == names.count("read") == names.count("commit") == 2
    asked = collector.of(CALLER)
    assert ("folioscope-api", "POST request") in asked
    assert ("folioscope-worker", "decode") in asked
    [upload] = [
        span
        for service, span in collector.spans
        if service == "folioscope-api" and document in {link.trace_id.hex() for link in span.links}
    ]
    assert upload.name == "POST request"
    collector.close()
