"""Measurements as the trading side makes them: one line each. Without a sink nothing is made."""

from __future__ import annotations

from telemetry import tracing
from telemetry.instruments import Instrument
from telemetry.tracing import AttributeValue, Measurement


def measure(instrument: Instrument, value: float = 1, **attributes: AttributeValue) -> None:
    """Add to a counter, set a gauge, or give a histogram one more value, in the instrument's unit."""
    sink = tracing._sink
    if sink is not None:
        sink.put(Measurement(instrument, value, attributes))
