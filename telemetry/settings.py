"""Where telemetry goes: the program's own settings, and the standard `OTEL_...` variables that it goes by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from utils import STANDARDS, Misconfigured

GRPC, HTTP = "grpc", "http/protobuf"
HTTP_PORT = 4318  # of the OTLP standard: who names it means HTTP


class TelemetrySettings(BaseModel):
    """Metrics for those who scrape. What is pushed is set by the standard variables of OpenTelemetry."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("TELEMETRY_",)

    telemetry_prometheus_port: int | None = Field(
        None, description="port of the Prometheus endpoint, unset is none", ge=1, le=65_535
    )
    telemetry_prometheus_host: str = Field(
        "127.0.0.1",
        description="address of that endpoint; 0.0.0.0 lets other machines read it",
        min_length=1,
    )


class Push(NamedTuple):
    """One signal on its way to a collector: over which protocol, with which limit for one export, and to whom."""

    protocol: str
    timeout_s: float
    where: str  # host and port, for messages: nothing else of the address, which may hold a key


LONGEST_EXPORT_S = 2.0  # default; the standard's 10 s would be most of a shutdown


def push_of(signal: str, variables: Mapping[str, str]) -> Push | None:
    """How `signal` (TRACES or METRICS) is pushed; None when it is not. Raises Misconfigured in one line."""
    if is_disabled(variables):
        return None
    exporters = [name.strip() for name in _value(variables, f"OTEL_{signal}_EXPORTER", "otlp").split(",")]
    for name in exporters:
        if name not in ("otlp", "none"):
            raise Misconfigured(f"OTEL_{signal}_EXPORTER={name}: this program knows otlp and none")
    endpoint = _either(variables, signal, "ENDPOINT")
    if not endpoint or "otlp" not in exporters:
        return None
    host, port = _address(endpoint, signal)
    protocol = _either(variables, signal, "PROTOCOL") or (HTTP if port == HTTP_PORT else GRPC)
    if protocol not in (GRPC, HTTP):
        raise Misconfigured(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: this program speaks {GRPC} and {HTTP}")
    if protocol == HTTP and not endpoint.startswith(("http://", "https://")):
        raise Misconfigured("OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https:// for http/protobuf")
    where = f"{host}:{port}" if port else host
    return Push(protocol, _seconds(_either(variables, signal, "TIMEOUT")), where)


def is_disabled(variables: Mapping[str, str]) -> bool:
    """Whether all of OpenTelemetry is switched off."""
    return _value(variables, "OTEL_SDK_DISABLED").lower() == "true"


def header_secrets(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the headers that go to the collector: keys of its service, most likely. Never to be shown."""
    headers = [value for name, value in variables.items() if name.startswith(STANDARDS) and name.endswith("HEADERS")]
    pairs = [pair.partition("=")[2].strip() for text in headers for pair in text.split(",")]
    return tuple(word for value in pairs if value for word in (value, *value.split()[1:]))  # `Bearer KEY`


def _either(variables: Mapping[str, str], signal: str, what: str) -> str:
    """The signal's own variable, or the one for all."""
    return _value(variables, f"OTEL_EXPORTER_OTLP_{signal}_{what}") or _value(variables, f"OTEL_EXPORTER_OTLP_{what}")


def _value(variables: Mapping[str, str], name: str, default: str = "") -> str:
    return variables.get(name, "").strip() or default


def _address(endpoint: str, signal: str) -> tuple[str, int | None]:
    """(host, port) of an endpoint."""
    try:
        parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
        if parts.hostname:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise Misconfigured(f"the OTLP endpoint for {signal.lower()} is no address such as http://127.0.0.1:4317")


def _seconds(text: str) -> float:
    try:
        seconds = float(text or LONGEST_EXPORT_S)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise Misconfigured(f"OTEL_EXPORTER_OTLP_TIMEOUT={text}: seconds above 0 are needed")
    return seconds
