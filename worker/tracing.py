"""Traces across API and workers by OpenTelemetry, where the extra `otel` is installed and a collector is named.

Without `configure` everything here does nothing, at no cost. A queue message may be lost and rung for again by
anybody, so it carries no trace: the work on a document belongs to one trace whose id is the document's own (a UUID is
128 bits, as a trace id is), whoever does it and whenever. The request that brought the document has a link to it. Where
somebody waits for another process, `inject` and `extracted` carry the trace in a string.
Source: W3C Trace Context, https://www.w3.org/TR/trace-context.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from index.errors import ConfigError

_tracer: Any = None


def configure(service: str, url: str | None) -> None:
    """Send spans of this process, under this name, to `url` (OTLP over HTTP). None: no traces.

    `ConfigError` (`missing_extra`) when a URL is given and the extra is not installed.
    """
    if url is None:
        return
    if not find_spec("opentelemetry") or not find_spec("opentelemetry.exporter"):
        raise ConfigError("Traces need OpenTelemetry: pip install 'folioscope[otel]'.", code="missing_extra")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    use(provider)


def use(provider: Any) -> None:
    """Make spans with this provider (for programs and tests that set up their own); None: no more."""
    global _tracer  # noqa: PLW0603  like logging: one for the process
    _tracer = provider.get_tracer("folioscope") if provider is not None else None


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[None]:
    """A step of what is being done. An exception is recorded and goes on."""
    if _tracer is None:
        yield
        return
    with _tracer.start_as_current_span(name, attributes=_named(attributes)):
        yield


@contextmanager
def document_span(name: str, document_id: str, **attributes: Any) -> Iterator[None]:
    """Work on a document, in the document's own trace. Not a UUID: in a trace of its own."""
    if _tracer is None:
        yield
        return
    from opentelemetry import trace

    named = _named({"document_id": document_id, **attributes})
    parent = _of_document(document_id)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent else None
    with _tracer.start_as_current_span(name, context=context, attributes=named):
        yield


def link(document_id: str) -> None:
    """Say that the current span began work on a document."""
    if _tracer is None:
        return
    from opentelemetry import trace

    current, target = trace.get_current_span(), _of_document(document_id)
    current.set_attribute("folioscope.document_id", document_id)
    if target:
        current.add_link(target)


@contextmanager
def extracted(traceparent: str | None) -> Iterator[None]:
    """Go on with the trace of somebody who waits; `traceparent` is what `inject` gave there, and may be anything."""
    if _tracer is None or not traceparent:
        yield
        return
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)


def inject() -> str | None:
    """The current trace as a string, for somebody who works for us; None when there is none."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def _of_document(document_id: str) -> Any:
    from opentelemetry import trace

    try:
        number = uuid.UUID(document_id).int
    except ValueError:
        return None
    # Nobody records this parent: it only gives all spans of the document the same trace.
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    return trace.SpanContext(number, number & ((1 << 64) - 1) or 1, is_remote=True, trace_flags=flags)


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"folioscope.{name}": value for name, value in attributes.items() if value is not None}
