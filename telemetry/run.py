"""`Telemetry`: the telling side and the listening side put together for one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

from endings import wait_at_end
from telemetry import tracing
from telemetry.log_lines import correlate
from telemetry.quiet import at_quiet
from telemetry.settings import TelemetrySettings, header_secrets, is_disabled, push_of
from utils import STANDARDS, Environment, Redaction, load_settings

_exposition: Callable[[], bytes] | None = None  # of the run that serves Prometheus


class Telemetry:
    """Traces and metrics of a run, told to whoever collects them while the block runs.

    Without an endpoint nothing of OpenTelemetry is even imported. With one, a thread of its own hands on what the
    program tells; a collector that is away costs spans, never time, and at the end no more than `endings` allows.
    Raises Misconfigured for `OTEL_...` variables or an address that cannot be used.
    """

    def __init__(
        self, settings: TelemetrySettings, environment: Environment, *, bot: str, mode: str, secrets: Iterable[str] = ()
    ) -> None:
        standard = {name: value for name, value in environment.items() if name.startswith(STANDARDS)}
        self._traces, self._metrics = push_of("TRACES", standard), push_of("METRICS", standard)
        port = None if is_disabled(standard) else settings.telemetry_prometheus_port
        self._prometheus = (settings.telemetry_prometheus_host, port) if port else None
        self._standard = standard
        self._bot = bot
        self._mode = mode
        self._blank = Redaction((*secrets, *header_secrets(standard)))
        self._stop: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, environment: Environment, *, bot: str, mode: str, secrets: Iterable[str]) -> Telemetry:
        """As the settings of a run say."""
        settings = load_settings(TelemetrySettings, environment)
        return cls(settings, environment, bot=bot, mode=mode, secrets=secrets)

    @property
    def is_on(self) -> bool:
        """Whether anybody is told anything."""
        return self._traces is not None or self._metrics is not None or self._prometheus is not None

    def __enter__(self) -> Self:
        if self.is_on:
            self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _start(self) -> None:
        from telemetry.otlp import OpenTelemetry, visible  # the SDK: half a second
        from telemetry.pump import Pump

        with visible(self._standard):
            backend = OpenTelemetry(
                service=self._bot,
                mode=self._mode,
                traces=self._traces,
                metrics=self._metrics,
                prometheus=self._prometheus,
                blank=self._blank,
            )
        _serve_elsewhere(backend.exposition if self._prometheus else None)
        pushed = self._traces or self._metrics
        pump = Pump(backend, where=f"the collector at {pushed.where}" if pushed else "Prometheus")
        tracing.tell(pump)
        no_more_quiet = at_quiet(pump.quiet)
        uncorrelate = correlate()

        def stop() -> None:
            tracing.tell(None)
            no_more_quiet()
            _serve_elsewhere(None)
            uncorrelate()
            pump.close()
            wait_at_end(pump.join)

        self._stop = stop


def exposition() -> bytes:
    """The run's metrics in the text format of Prometheus; empty where no endpoint of Prometheus is set."""
    return _exposition() if _exposition is not None else b""


def _serve_elsewhere(text: Callable[[], bytes] | None) -> None:
    global _exposition
    _exposition = text
