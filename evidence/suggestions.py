"""What may be changed about the strategy and how far: every suggestion, whoever makes it, is one of these values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, NamedTuple


class Priority(StrEnum):
    """How much speaks for a suggestion. Only `high` may ever be applied, and only after replay."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Bounds(NamedTuple):
    """Where a parameter may be, and how far it may move in a session."""

    low: float
    high: float
    step: float


BOUNDS: Mapping[str, Bounds] = MappingProxyType(
    {
        "profit_target_pct": Bounds(0.8, 3.0, 0.2),
        "stop_loss_pct": Bounds(0.5, 2.0, 0.2),
        "position_size_pct": Bounds(3.0, 10.0, 1.0),
        "rsi_cap": Bounds(40.0, 80.0, 5.0),
        "atr_floor_pct": Bounds(0.5, 5.0, 0.5),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A candidate value of one parameter. `source` is one of the sources of `parameter_changes`, `evidence` JSON.

    Raises ValueError for an unknown parameter and for a value out of its bounds: nothing else can be suggested.
    """

    parameter: str
    new_value: float
    source: str
    reason: str
    priority: Priority
    evidence: Mapping[str, Any]

    def __post_init__(self) -> None:
        bounds = BOUNDS.get(self.parameter)
        if bounds is None:
            raise ValueError(f"{self.parameter!r} cannot be changed; what can: {', '.join(BOUNDS)}")
        if not (isfinite(self.new_value) and bounds.low <= self.new_value <= bounds.high):
            raise ValueError(f"{self.parameter}={self.new_value} is not in {bounds.low:g} to {bounds.high:g}")


def a_step(parameter: str, present: float, *, up: bool) -> float | None:
    """The value one session's full step away, within the bounds; None where `present` is at the bound already."""
    step = BOUNDS[parameter].step
    return bounded(parameter, present, present + (step if up else -step))


def bounded(parameter: str, present: float, wanted: float) -> float | None:
    """`wanted`, moved into the bounds and to at most a step from `present`; None when that changes nothing.

    A present value out of bounds moves towards them, a step at a time at most, but never to another outside value:
    then it is the nearest bound. Raises KeyError for an unknown parameter, ValueError for what is no number.
    """
    low, high, step = BOUNDS[parameter]
    if not (isfinite(wanted) and isfinite(present)):
        raise ValueError(f"{parameter}: {wanted} after {present} is no number")
    stepped = min(max(wanted, present - step), present + step)
    value = round(min(max(stepped, low), high), 6)
    return None if value == round(present, 6) else value
