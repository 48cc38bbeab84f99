"""The only module that imports the OpenTelemetry SDK: spans and measurements become OTLP and Prometheus.

The SDK goes by its `OTEL_...` variables (endpoints, headers, certificates, compression, sampler, limits, resource,
export interval); `settings.push_of` has chosen protocol and limit before.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from telemetry.instruments import Instrument, InstrumentKind
from telemetry.settings import GRPC, Push
from telemetry.tracing import Attributes, AttributeValue, Kind, Link, Measurement, SpanRecord
from utils import Misconfigured

SCOPE = "day_trader"
KINDS = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.CLIENT: SpanKind.CLIENT}
Blank = Callable[[str], str]


class _GivenIds(IdGenerator):
    """Ids as the trading side derived them."""

    def __init__(self) -> None:
        self.next = Link(0, 0)

    def generate_span_id(self) -> int:
        return self.next.span_id

    def generate_trace_id(self) -> int:
        return self.next.trace_id


class _Collected(SpanProcessor):
    """Ended spans, until they are taken."""

    def __init__(self) -> None:
        self._ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled:
            self._ended.append(span)

    def take(self) -> list[ReadableSpan]:
        ended, self._ended = self._ended, []
        return ended


class OpenTelemetry:
    """The pump's `Backend`. `blank` removes secrets from every text that leaves."""

    def __init__(
        self,
        *,
        service: str,
        mode: str,
        traces: Push | None,
        metrics: Push | None,
        prometheus: tuple[str, int] | None,
        blank: Blank,
    ) -> None:
        silence_the_sdk()
        self._blank = blank
        resource = _resource(service, mode)
        self._exporter = _span_exporter(traces) if traces else None
        self._ids, self._collected = _GivenIds(), _Collected()
        self._tracing = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=self._ids)
        self._tracing.add_span_processor(self._collected)
        self._tracer = self._tracing.get_tracer(SCOPE)
        self._metric_exporter = _metric_exporter(metrics) if metrics else None
        exporter = self._metric_exporter
        readers: list[MetricReader] = [PeriodicExportingMetricReader(exporter)] if exporter else []
        self._stop_serving: Callable[[], None] = lambda: None
        self.exposition: Callable[[], bytes] = bytes  # in the text format of Prometheus, where that is served
        if prometheus is not None:
            reader, self.exposition, self._stop_serving = _serve_prometheus(*prometheus)
            readers.append(reader)
        self._metering = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._meter = self._metering.get_meter(SCOPE)
        self._book: dict[str, Callable[..., None]] = {}  # instrument name -> how it books a value

    def export(self, spans: Sequence[SpanRecord]) -> bool:
        if self._exporter is None:
            return True
        for record in spans:
            self._end(record)
        return self._exporter.export(self._collected.take()) is SpanExportResult.SUCCESS

    def measure(self, measurement: Measurement) -> None:
        instrument = measurement.instrument
        book = self._book.get(instrument.name)
        if book is None:
            book = self._book[instrument.name] = self._make(instrument)
        book(measurement.value, self._blanked(measurement.attributes))

    def shut_down(self, *, deliver: bool) -> None:
        self._stop_serving()
        if not deliver:
            self.abandon()
            return
        self._metering.shutdown(timeout_millis=2_000)
        if self._exporter is not None:
            self._exporter.shutdown()

    def abandon(self) -> None:
        """Give up what is on its way to a collector that does not answer. Any thread may ask; returns at once."""
        for exporter in (self._exporter, self._metric_exporter):
            if exporter is not None:
                exporter.shutdown()

    def _end(self, record: SpanRecord) -> None:
        """Make one span of the SDK. Whether it is sampled is decided by its trace, alike for all of its spans."""
        self._ids.next = record.link
        span = self._tracer.start_span(
            self._blank(record.name),
            context=self._above(record),
            kind=KINDS[record.kind],
            attributes=self._blanked(record.attributes),
            start_time=record.start_ns,
        )
        if error := record.error or record.attributes.get("error.type"):
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR, self._blank(record.detail)[:500]))
        span.end(record.end_ns)

    def _above(self, record: SpanRecord) -> otel_context.Context:
        if not record.parent_id:
            return otel_context.Context()
        trace_id = record.link.trace_id
        sampled = (
            self._tracing.sampler.should_sample(None, trace_id, record.name).decision is Decision.RECORD_AND_SAMPLE
        )
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        above = SpanContext(trace_id, record.parent_id, is_remote=False, trace_flags=flags)
        return set_span_in_context(NonRecordingSpan(above), otel_context.Context())

    def _blanked(self, attributes: Attributes) -> dict[str, AttributeValue]:
        return {name: self._blank(value) if isinstance(value, str) else value for name, value in attributes.items()}

    def _make(self, instrument: Instrument) -> Callable[..., None]:
        about: dict[str, Any] = {"unit": instrument.unit, "description": instrument.meaning}
        if instrument.kind is InstrumentKind.COUNTER:
            return self._meter.create_counter(instrument.name, **about).add
        if instrument.kind is InstrumentKind.GAUGE:
            return self._meter.create_gauge(instrument.name, **about).set
        buckets = list(instrument.buckets)
        return self._meter.create_histogram(
            instrument.name, **about, explicit_bucket_boundaries_advisory=buckets
        ).record


def silence_the_sdk() -> None:
    """A collector that is away makes four lines per batch, for ever. The pump has its own, rare ones."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


@contextmanager
def visible(variables: Mapping[str, str]) -> Iterator[None]:
    """Let the SDK see what `.env` says: it reads the process's environment only. What is set there wins."""
    hidden = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del os.environ[name]


def _resource(service: str, mode: str) -> Resource:
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({"deployment.environment.name": mode} | ({} if named else {"service.name": service}))


def _span_exporter(push: Push) -> SpanExporter:
    if push.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(timeout=push.timeout_s)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(timeout=push.timeout_s)


def _metric_exporter(push: Push) -> MetricExporter:
    if push.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc

        return Grpc(timeout=push.timeout_s)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

    return Http(timeout=push.timeout_s)


def _serve_prometheus(host: str, port: int) -> tuple[MetricReader, Callable[[], bytes], Callable[[], None]]:
    """A reader, its text, and how to stop its HTTP server. Raises Misconfigured when the port is taken."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server

    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        words = error.strerror or error
        raise Misconfigured(f"the Prometheus endpoint cannot listen on {host}:{port}: {words}") from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(1.0)

    return reader, lambda: generate_latest(registry), stop
