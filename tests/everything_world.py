"""Everything at once: the program of `everything_day_trader`, and around it who reads, collects and is told.

A browser's worth of questions and an event stream at the dashboard, a collector of OpenTelemetry, and a web hook for
notifications, each over a socket of its own.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from tests.notifications.web import web
from tests.otlp_receiver import Received, grpc_receiver
from tests.simulated_runs import ROOT, run

PROGRAM = ROOT / "tests" / "everything_day_trader.py"
SPEED = "1000000"  # faster than any machine: as fast as possible, and with the dashboard
QUESTIONS = (  # what an open page asks again and again
    *("/", "/healthz", "/metrics", "/api/state", "/api/sessions", "/api/equity", "/api/bars/AAPL", "/api/decisions"),
    *("/api/denials", "/api/trades", "/api/round-trips", "/api/orders", "/api/orders?open=1", "/api/positions"),
    *("/api/health", "/api/parameters", "/api/experiments", "/api/insights", "/api/llm", "/api/log?lines=100"),
)
PAUSE_S = 0.1  # between two questions: an open page asks each of its sources once a second at most
GIVEN_UP_S = 30.0


class Told(NamedTuple):
    """A span as the collector keeps it. Instants in nanoseconds of the wall."""

    name: str
    parent_id: bytes  # empty: a root
    start_ns: int
    end_ns: int


class Collector(Received):
    """Keeps of each span only what is judged: a run has hundreds of thousands."""

    def __init__(self) -> None:
        super().__init__()
        self.by_trace: defaultdict[str, dict[bytes, Told]] = defaultdict(dict)  # trace id (hex) -> span id -> span
        self.twice = 0

    def take_traces(self, request: Any, headers: dict[str, str]) -> None:
        with self._lock:
            for span in (span for of in request.resource_spans for scope in of.scope_spans for span in scope.spans):
                spans = self.by_trace[span.trace_id.hex()]
                self.twice += span.span_id in spans
                told = Told(span.name, span.parent_span_id, span.start_time_unix_nano, span.end_time_unix_nano)
                spans[span.span_id] = told

    def _keep(self, request: Any, headers: dict[str, str]) -> None:
        """Nothing of a request but what is read out of it."""

    def total(self, metric: str) -> int:
        """A counter as it was told last; 0 when it never was."""
        told = self.metrics.get(metric)
        return sum(point.as_int for point in told.sum.data_points) if told is not None else 0


class Answer(NamedTuple):
    """One answer of the dashboard. `session` is the one that the stream showed then; `status` 0: none came."""

    session: str
    path: str
    status: int
    seconds: float


class Visitor:
    """A page that is open all the time: it listens to the event stream and asks its questions."""

    def __init__(self, port: int) -> None:
        self.answers: list[Answer] = []
        self.views: Counter[str] = Counter()  # session -> views that came over the stream
        self.streams = 0  # how often the stream had to be opened
        self._port = port
        self._session = ""
        self._is_over = threading.Event()
        self._is_served = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._ask)]

    @contextmanager
    def visiting(self) -> Iterator[None]:
        """While the block runs. It may begin before there is a dashboard."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._is_served.set()
            for thread in self._threads:
                thread.join(GIVEN_UP_S)

    def _listen(self) -> None:
        """Until the dashboard is gone: a stream that breaks is opened again, and where that fails all is over."""
        while not self._is_over.is_set():
            with suppress(OSError, http.client.HTTPException):
                self._listen_once()
            if self.streams and not self._is_reachable():
                self._is_over.set()
            time.sleep(PAUSE_S)

    def _is_reachable(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), GIVEN_UP_S):
            return True
        return False

    def _listen_once(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=GIVEN_UP_S)) as connection:
            connection.request("GET", "/api/stream")
            answer = connection.getresponse()
            self.streams += 1
            self._is_served.set()
            with closing(answer):
                self._hear(answer)

    def _hear(self, stream: http.client.HTTPResponse) -> None:
        event = ""
        while line := stream.readline():
            name, _, value = line.decode().rstrip().partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "view":
                self._session = json.loads(value)["session_date"]
                self.views[self._session] += 1

    def _ask(self) -> None:
        self._is_served.wait()
        for path in cycle(QUESTIONS):
            if self._is_over.is_set():
                return
            began_s, status = time.monotonic(), 0
            with suppress(OSError, http.client.HTTPException):
                status = self._status_of(path)
            took_s = time.monotonic() - began_s
            time.sleep(PAUSE_S)  # when nobody answers because the program ends, the other thread finds out
            if status or not self._is_over.is_set():
                self.answers.append(Answer(self._session, path, status, took_s))

    def _status_of(self, path: str) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=GIVEN_UP_S)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status


@dataclass(frozen=True, kw_only=True)
class Everything:
    """What a run left and what was seen of it from outside."""

    folder: Path
    done: subprocess.CompletedProcess[str]
    collector: Collector
    visitor: Visitor
    messages: list[str]  # bodies of notifications, in the order of their coming
    took_s: float

    def lines(self, file: str) -> list[dict[str, Any]]:
        """The lines of a `.jsonl` file of the program; none where there is no file."""
        path = self.folder / file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def everything(
    folder: Path, first: str, days: int, *, seed: int, faults_a_day: int, settings: Mapping[str, str], limit_s: float
) -> Everything:
    """Run it. The program's files go to `folder`; the caller looks at the exit code."""
    port = _free_port()
    visitor, collector = Visitor(port), Collector()
    began_s = time.monotonic()
    with grpc_receiver(collector), web() as hook, visitor.visiting():
        done = run(
            folder,
            *(first, "--days", str(days), "--seed", str(seed), "--speed", SPEED, "--plain"),
            settings={
                **settings,
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                "OTEL_METRIC_EXPORT_INTERVAL": "5000",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "10",  # the collector is a thread of this test: it may be late
                "NOTIFY_URLS": f"json://{hook.address}/",
                "NOTIFY_SIMULATED": "yes",
                "NOTIFY_PAUSE_S": "0",
                "NOTIFY_PER_HOUR": "3600",
                "DASHBOARD_PORT": str(port),
                "DASHBOARD_TOKEN": "a-token-that-nobody-uses",
            },
            program=(str(PROGRAM), str(seed), str(faults_a_day)),
            limit_s=limit_s,
        )
        messages = [asked.json()["message"] for asked in hook.asked]
    return Everything(
        folder=folder,
        done=done,
        collector=collector,
        visitor=visitor,
        messages=messages,
        took_s=time.monotonic() - began_s,
    )


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
