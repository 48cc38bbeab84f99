"""A collector for tests: the services of opentelemetry-proto on loopback, over gRPC and over HTTP."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Received:
    """Everything that arrived."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.headers: list[dict[str, str]] = []  # of each request
        self.bodies: list[bytes] = []
        self.resources: list[dict[str, Any]] = []
        self.spans: list[Span] = []
        self.metrics: dict[str, Metric] = {}  # name -> as it was told last
        self._lock = threading.Lock()

    def take_traces(self, request: Any, headers: dict[str, str]) -> None:
        with self._lock:
            self._keep(request, headers)
            for resource in request.resource_spans:
                self.resources.append(values_of(resource.resource.attributes))
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)

    def take_metrics(self, request: Any, headers: dict[str, str]) -> None:
        with self._lock:
            self._keep(request, headers)
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    self.metrics.update({metric.name: metric for metric in scope.metrics})

    def _keep(self, request: Any, headers: dict[str, str]) -> None:
        self.headers.append(headers)
        self.bodies.append(request.SerializeToString())

    def traces(self) -> dict[str, dict[bytes, Span]]:
        """trace id (hex) -> span id -> span."""
        found: dict[str, dict[bytes, Span]] = defaultdict(dict)
        for span in self.spans:
            found[span.trace_id.hex()][span.span_id] = span
        return found


def values_of(attributes: Any) -> dict[str, Any]:
    """Attributes as plain values."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def grpc_receiver(received: Received | None = None) -> Iterator[Received]:
    received = received or Received()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            received.take_traces(request, dict(context.invocation_metadata()))
            return trace_service_pb2.ExportTraceServiceResponse()

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            received.take_metrics(request, dict(context.invocation_metadata()))
            return metrics_service_pb2.ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    received.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield received
    finally:
        server.stop(0).wait()


@contextmanager
def http_receiver() -> Iterator[Received]:
    received = Received()
    kinds = {
        "/v1/traces": (trace_service_pb2.ExportTraceServiceRequest, received.take_traces),
        "/v1/metrics": (metrics_service_pb2.ExportMetricsServiceRequest, received.take_metrics),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request, take = kinds[self.path]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            take(request.FromString(body), {name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
