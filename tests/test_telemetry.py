"""Telemetry from the outside: a day's traces at a real collector, and what happens where there is none."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import day_trader
from commands import FAULT, WRONG_USAGE
from observability import Telemetry
from telemetry import tracing
from telemetry.instruments import LOST, ORDERS
from telemetry.metering import measure
from telemetry.run import exposition
from telemetry.settings import TelemetrySettings
from tests.otlp_receiver import Received, grpc_receiver, http_receiver, values_of
from tests.ports import free_port
from tests.simulated_runs import ROOT, files, records, rows, run
from tests.terminal import inherited_environment
from utils import Misconfigured, read_environment

DAY = ("2025-10-07",)
SMALL = {"WATCHLIST_UNIVERSE": "AMZN,COIN,CRM,TSLA", "WATCHLIST_SIZE": "4"}
SECRETS = {  # every way in which a key can be given
    "FMP_API_KEY": "fmp-0123456789abcdef",
    "POLYGON_API_KEY": "polygon/0123+456789=abc",
    "DEEPSEEK_API_KEY": "sk-deepseek-0123456789",
    "MY_OWN_TOKEN": "token-of-something-else",
    "SMTP_PASSWORD": "pass word & more, 0123",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=collector-key-0123456789,authorization=Bearer%20bearer-key-012345",
}
KEYS = [*list(SECRETS.values())[:-1], "collector-key-0123456789", "bearer-key-012345"]
Receiver = Callable[[], AbstractContextManager[Received]]


@pytest.fixture(scope="module")
def untraced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated day that nobody listens to."""
    folder = tmp_path_factory.mktemp("telemetry") / "untraced"
    done = run(folder, *DAY, settings=SMALL)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


class Day:
    """A traced day: its folder, what it printed, what the collector got."""

    def __init__(self, folder: Path, done: subprocess.CompletedProcess[str], received: Received) -> None:
        self.folder = folder
        self.done = done
        self.received = received


@pytest.fixture(scope="module", params=[grpc_receiver, http_receiver], ids=["grpc", "http"])
def traced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The same day with a collector and with every key set, half of them in `.env`."""
    folder = tmp_path_factory.mktemp("telemetry") / "traced"
    folder.mkdir()
    protocol = "grpc" if request.param is grpc_receiver else "http/protobuf"
    with request.param() as received:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        given = list(SECRETS.items())
        in_file = dict(given[:3]) | endpoint
        (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in in_file.items()))
        done = run(folder, *DAY, "--verbose", settings=SMALL | dict(given[3:]))
        assert done.returncode == 0, done.stderr
        yield Day(folder, done, received)


def chain(spans: dict[bytes, Span], span: Span) -> list[str]:
    """Names from a span up to the root of its trace."""
    names = [span.name]
    while span.parent_span_id:
        span = spans[span.parent_span_id]  # a KeyError: the chain is broken
        names.append(span.name)
    return names


def test_collector_gets_every_decision_with_its_chain_from_the_row_up_to_the_tick(traced: Day) -> None:
    traces = traced.received.traces()
    decided = rows(traced.folder, "SELECT trace_id, kind FROM decisions")
    assert len(decided) > 20
    for trace_id, kind in decided:
        names = [chain(traces[trace_id], s) for s in traces[trace_id].values() if s.name == "INSERT decisions"]
        assert ["INSERT decisions", "decision", "tick"] in names, kind


def test_collector_gets_every_execution_with_its_chain_from_the_row_up_to_the_tick(traced: Day) -> None:
    traces = traced.received.traces()
    booked = rows(traced.folder, "SELECT trace_id, exec_id, order_ref FROM trades")
    assert len(booked) > 4
    for trace_id, exec_id, intent_id in booked:
        spans = traces[trace_id]
        fill = next(s for s in spans.values() if values_of(s.attributes).get("trading.execution.id") == exec_id)
        assert values_of(spans[fill.parent_span_id].attributes)["trading.intent.id"] == intent_id
        inserts = [s for s in spans.values() if s.name == "INSERT trades" and s.parent_span_id == fill.span_id]
        assert [chain(spans, s) for s in inserts] == [
            ["INSERT trades", "fill", "order", "intent", "risk", "decision", "tick"]
        ]


def test_every_span_of_the_day_hangs_together_and_none_is_sent_twice(traced: Day) -> None:
    traces = traced.received.traces()
    assert sum(map(len, traces.values())) == len(traced.received.spans)
    for spans in traces.values():
        assert len({chain(spans, span)[-1] for span in spans.values()}) == 1
    n_orders = rows(traced.folder, "SELECT COUNT(*) FROM order_intents")[0][0]
    assert len([span for span in traced.received.spans if span.name == "order"]) == n_orders
    assert {resource["service.name"] for resource in traced.received.resources} == {"day_trader"}


def test_collector_gets_the_metrics_of_the_day(traced: Day) -> None:
    metrics = traced.received.metrics
    n_orders = rows(traced.folder, "SELECT COUNT(*) FROM order_intents")[0][0]
    n_trades = rows(traced.folder, "SELECT COUNT(*) FROM trades")[0][0]
    assert sum(point.as_int for point in metrics["trading.orders"].sum.data_points) == n_orders
    assert sum(point.as_int for point in metrics["trading.fills"].sum.data_points) == n_trades
    n_latencies = sum(point.count for point in metrics["trading.tick_to_order.duration"].histogram.data_points)
    assert n_latencies == rows(traced.folder, "SELECT COUNT(*) FROM decisions WHERE kind = 'enter'")[0][0]
    assert {
        "trading.pnl.realized",
        "trading.equity",
        "trading.drawdown",
        "trading.loop.lag",
        "trading.tick.age",
    } <= set(metrics)
    assert {"trading.database.queue", "db.client.operation.duration"} <= set(metrics)


def test_tracing_changes_nothing_that_the_day_leaves_behind(traced: Day, untraced: Path) -> None:
    assert records(traced.folder) == records(untraced)
    assert files(traced.folder) == files(untraced)
    assert traced.done.stdout == (untraced / "stdout").read_text()


def test_collector_is_sent_the_headers_and_no_key_is_anywhere_else(traced: Day) -> None:
    assert all(headers["x-api-key"] == "collector-key-0123456789" for headers in traced.received.headers)
    left = [path for path in traced.folder.rglob("*") if path.is_file() and path.name != ".env"]
    assert any(path.suffix == ".log" for path in left)
    told = [traced.done.stdout.encode(), traced.done.stderr.encode(), *traced.received.bodies]
    told += [path.read_bytes() for path in left]
    for key in KEYS:
        assert not any(key.encode() in text for text in told), key


# Without a collector


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, day_trader\n"
        "code = day_trader.main(['--allocation', '0.25', '--simulate', '2025-10-07', '--db', 'history.db'])\n"
        "print('loaded', [name for name in sys.modules if name.startswith(('opentelemetry', 'grpc', 'prometheus'))])\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=inherited_environment() | {"PYTHONPATH": str(ROOT), "WATCHLIST_UNIVERSE": "CRM"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "loaded []"


@contextmanager
def silent_collector() -> Iterator[str]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def no_collector() -> Iterator[str]:
    """A port on which nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def telemetry(tmp_path: Path, secrets: tuple[str, ...] = (), port: int | None = None, **variables: str) -> Telemetry:
    """Of a process with these variables, upper-cased."""
    process = {name.upper(): value for name, value in variables.items()}
    environment = read_environment(tmp_path / ".env", process=process)
    settings = TelemetrySettings(telemetry_prometheus_port=port)
    return Telemetry(settings, environment, bot="day_trader", mode="simulated", secrets=secrets)


def in_time(work: Callable[[], None]) -> None:
    """Do the work in a thread that may not hang: far more than it may take, far less than what it waits for."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("collector", [silent_collector, no_collector])
def test_an_absent_collector_holds_up_neither_the_caller_nor_the_end(
    tmp_path: Path,
    protocol: str,
    collector: Callable[[], AbstractContextManager[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with collector() as endpoint:
        variables = {"otel_exporter_otlp_endpoint": endpoint, "otel_exporter_otlp_protocol": protocol}
        run_of = telemetry(tmp_path, **variables, otel_exporter_otlp_timeout="3600")

        def trade() -> None:
            with run_of:
                for _ in range(1_000):
                    with tracing.span("decision"):
                        measure(ORDERS, role="entry")

        in_time(trade)
    for thread in threading.enumerate():
        if thread.name == "telemetry":
            thread.join(20)
            assert not thread.is_alive()  # what hung was given up, and is not tried again
    assert not [record for record in caplog.records if record.name.startswith(("opentelemetry", "urllib3", "grpc"))]


def test_a_day_with_an_absent_collector_is_the_same_day_and_says_so_once(tmp_path: Path, untraced: Path) -> None:
    with no_collector() as endpoint:
        done = run(tmp_path / "day", *DAY, settings=SMALL | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    assert done.returncode == 0
    assert records(tmp_path / "day") == records(untraced)
    assert done.stdout == (untraced / "stdout").read_text()
    assert len(done.stderr.splitlines()) <= 1
    assert all("takes no spans; trading is not affected" in line for line in done.stderr.splitlines())


# Settings


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"otel_exporter_otlp_protocol": "http/json"}, "http/json: this program speaks grpc and http/protobuf"),
        ({"otel_exporter_otlp_timeout": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT=soon: seconds above 0"),
        ({"otel_exporter_otlp_endpoint": "http://"}, "is no address such as http://127.0.0.1:4317"),
        ({"otel_exporter_otlp_endpoint": "host:4318"}, "must begin with http:// or https://"),
        ({"otel_traces_exporter": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin: this program knows otlp and none"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    given = {"otel_exporter_otlp_endpoint": "http://127.0.0.1:4317"} | variables
    with pytest.raises(Misconfigured) as caught:
        telemetry(tmp_path, **given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_variable_ends_the_program_with_exit_code_2(tmp_path: Path) -> None:
    wrong = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}
    done = run(tmp_path / "day", *DAY, settings=wrong)
    assert done.returncode == WRONG_USAGE
    assert done.stderr.splitlines() == [
        "day_trader.py: OTEL_EXPORTER_OTLP_PROTOCOL=smoke: this program speaks grpc and http/protobuf"
    ]


@pytest.mark.parametrize(
    ("variables", "is_on"),
    [
        ({}, False),
        ({"otel_exporter_otlp_endpoint": "http://127.0.0.1:4317"}, True),
        ({"otel_exporter_otlp_traces_endpoint": "127.0.0.1:4317"}, True),
        ({"otel_exporter_otlp_metrics_endpoint": "127.0.0.1:4317"}, True),
        ({"otel_exporter_otlp_endpoint": "x:1", "otel_sdk_disabled": "TRUE"}, False),
        (
            {"otel_exporter_otlp_endpoint": "x:1", "otel_traces_exporter": "none", "otel_metrics_exporter": "none"},
            False,
        ),
    ],
)
def test_an_endpoint_switches_it_on(tmp_path: Path, variables: dict[str, str], is_on: bool) -> None:
    assert telemetry(tmp_path, **variables).is_on is is_on


def test_a_disabled_sdk_serves_no_metrics_either(tmp_path: Path) -> None:
    assert telemetry(tmp_path, port=free_port()).is_on
    assert not telemetry(tmp_path, port=free_port(), otel_sdk_disabled="true").is_on


def test_sampling_keeps_or_leaves_out_whole_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    with grpc_receiver() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.endpoint)
        with telemetry(tmp_path, otel_exporter_otlp_endpoint=received.endpoint):
            for number in range(200):
                tick = tracing.derived(f"decision {number}", "tick")
                with tracing.span("tick", link=tick), tracing.span("order"):
                    pass
    kept = [len(spans) for spans in received.traces().values()]
    assert set(kept) == {2}
    assert 60 < len(kept) < 140  # 200 fair coins


# Prometheus


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_metrics_can_be_scraped_on_loopback_only(tmp_path: Path) -> None:
    port = free_port()
    with telemetry(tmp_path, port=port):
        measure(ORDERS, role="entry")
        measure(ORDERS, 2, role="stop")
        waiting = threading.Event()
        while "trading_orders_total{" not in (text := scraped(port)):
            waiting.wait(0.05)
        assert 'role="stop"' in text
        assert " 2.0" in next(line for line in text.splitlines() if 'role="stop"' in line)
        assert 'role="stop"' in exposition().decode()  # the dashboard shows the same
        other = socket.gethostbyname(socket.gethostname())
        if not other.startswith("127."):
            with pytest.raises(OSError), socket.create_connection((other, port), timeout=5):
                pass
    assert exposition() == b""
    with pytest.raises(OSError):
        scraped(port)


def test_a_taken_port_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{port}"):
            telemetry(tmp_path, port=port).__enter__()


# Secrets


def test_a_key_in_a_span_or_in_an_exception_is_blanked_before_it_leaves(tmp_path: Path) -> None:
    secrets = ("polygon/0123+456789=abc", "a-long-secret")
    with grpc_receiver() as received:
        with telemetry(tmp_path, secrets, otel_exporter_otlp_endpoint=received.endpoint):
            with tracing.span("GET a-long-secret", {"url.path": "/v1/polygon%2F0123%2B456789%3Dabc", "n": 1}):
                pass
            with pytest.raises(ValueError), tracing.span("call"):
                raise ValueError("refused: apikey=polygon/0123+456789=abc")
            measure(ORDERS, role="a-long-secret")
        spans = {span.name: span for span in received.spans}
    assert set(spans) == {"GET ***", "call"}
    assert values_of(spans["GET ***"].attributes)["url.path"] == "/v1/***"
    assert spans["call"].status.message == "refused: apikey=***"
    assert values_of(spans["call"].attributes)["error.type"] == "ValueError"
    assert not any(secret.encode() in body for secret in secrets for body in received.bodies)


def run_with_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> tuple[int, str]:
    """The day trader with a fault in its middle and a key in the fault's words: exit code, everything told."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FMP_API_KEY", "fmp-0123456789abcdef")

    def fail(*_: Any) -> int:
        raise error

    monkeypatch.setattr(day_trader, "_simulate", fail)
    former = logging.getLogger().handlers[:]
    try:
        code = day_trader.main(["--allocation", "0.25", "--simulate"])
    finally:
        for handler in [each for each in logging.getLogger().handlers if each not in former]:
            logging.getLogger().removeHandler(handler)
            handler.close()
    printed = capsys.readouterr()
    return code, printed.out + printed.err + (folder / "logs" / "day_trader.log").read_text()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("https://host/?apikey=fmp-0123456789abcdef is wrong"), WRONG_USAGE),
        (KeyError("https://host/?apikey=fmp-0123456789abcdef"), FAULT),
    ],
)
def test_a_key_in_the_words_of_an_exception_is_blanked_wherever_the_program_tells_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
) -> None:
    exit_code, told = run_with_fault(tmp_path, monkeypatch, capsys, error)
    assert exit_code == code
    assert "apikey=***" in told
    assert "fmp-0123456789abcdef" not in told


def test_what_reaches_nobody_is_counted(tmp_path: Path) -> None:
    with no_collector() as absent, grpc_receiver() as received:
        variables = {"otel_exporter_otlp_traces_endpoint": absent, "otel_exporter_otlp_traces_timeout": "0.2"}
        variables |= {"otel_exporter_otlp_metrics_endpoint": received.endpoint, "otel_metric_export_interval": "100"}
        with telemetry(tmp_path, **variables):
            for _ in range(3):
                with tracing.span("decision"):
                    pass
            waiting = threading.Event()
            while LOST.name not in received.metrics:
                waiting.wait(0.05)
        assert received.metrics[LOST.name].sum.data_points[0].as_int == 3
