"""Which other sets are looked at: a finite family around the present one, whoever suggests.

A suggestion is moved to the nearest member of the family. So the number of trials is known beforehand, and no source
can search for luck by suggesting ever finer values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from evidence.regime import Regime
from evidence.suggestions import BOUNDS, Priority, Suggestion
from improvement.parameters import ParameterSet, towards

STEP_SHARES = (-1.0, -0.5, 0.5, 1.0)  # of a session's step: where the family has members
RANKS = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)

# Where a regime suggests to go, a step at a time. Priors, from how such markets are usually traded, not from data:
# trends are let run, calm and ranging markets give little and often, volatile ones need room.
PRESETS: Mapping[Regime, Mapping[str, float]] = MappingProxyType(
    {
        Regime.TRENDING_UP: {"profit_target_pct": 2.0, "stop_loss_pct": 1.0, "rsi_cap": 70.0},
        Regime.TRENDING_DOWN: {"profit_target_pct": 1.0, "stop_loss_pct": 0.6, "rsi_cap": 50.0},
        Regime.HIGH_VOLATILITY: {"profit_target_pct": 2.2, "stop_loss_pct": 1.4, "atr_floor_pct": 2.0},
        Regime.LOW_VOLATILITY: {"profit_target_pct": 1.0, "stop_loss_pct": 0.6, "atr_floor_pct": 1.0},
        Regime.RANGING: {"profit_target_pct": 1.2, "stop_loss_pct": 0.8, "rsi_cap": 55.0},
    }
)
FAMILY_SIZE = len(BOUNDS) * len(STEP_SHARES) + len(PRESETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Another set, who speaks for it and why. `source`, one of `parameter_changes`, is that of the strongest voice;
    `suggested` tells that somebody meant it for the next session.
    """

    parameters: ParameterSet
    source: str
    priority: Priority
    reasons: tuple[str, ...]
    suggested: bool = False


def candidates(
    present: ParameterSet, suggestions: Sequence[Suggestion], regime: Regime | None, equal_share_pct: float
) -> tuple[Candidate, ...]:
    """The whole family of `present` in a fixed order, with what speaks for each member. `present` is not among them."""
    members = _single_moves(present, equal_share_pct)
    found = {member: _searched(name, member) for name, of_name in members.items() for member in of_name}
    for suggestion in suggestions:
        member = _nearest(members.get(suggestion.parameter, ()), present, suggestion, equal_share_pct)
        if member is not None:
            found[member] = _supported(found[member], suggestion.source, suggestion.priority, suggestion.reason, True)
    for kind, preset in PRESETS.items():
        moved = towards(present, preset, equal_share_pct)
        if moved != present:
            priority = Priority.HIGH if kind is regime else Priority.LOW
            nothing = Candidate(parameters=moved, source="regime", priority=priority, reasons=())
            reason = f"a step towards the preset of {kind.value}"
            found[moved] = _supported(found.get(moved, nothing), "regime", priority, reason, kind is regime)
    return tuple(found[key] for key in sorted(found, key=str))


def _single_moves(present: ParameterSet, equal_share_pct: float) -> dict[str, tuple[ParameterSet, ...]]:
    """parameter -> the sets in which it alone is moved."""
    moves = {}
    for name, bounds in BOUNDS.items():
        now = _value(present, name, equal_share_pct)
        moved = (towards(present, {name: now + share * bounds.step}, equal_share_pct) for share in STEP_SHARES)
        moves[name] = tuple(dict.fromkeys(member for member in moved if member != present))
    return moves


def _searched(name: str, member: ParameterSet) -> Candidate:
    """What search proposes: it has nothing but the replay to speak for it, so replay alone decides."""
    reason = f"search around the present set: {name} {getattr(member, name):g}"
    return Candidate(parameters=member, source="rule", priority=Priority.HIGH, reasons=(reason,))


def _nearest(
    members: Sequence[ParameterSet], present: ParameterSet, suggestion: Suggestion, equal_share_pct: float
) -> ParameterSet | None:
    """The member nearest to a suggestion, on its side of the present value; None when there is none."""
    name, wanted = suggestion.parameter, suggestion.new_value
    now = _value(present, name, equal_share_pct)
    near = [member for member in members if (_value(member, name, equal_share_pct) - now) * (wanted - now) > 0]
    return min(near, key=lambda member: abs(_value(member, name, equal_share_pct) - wanted), default=None)


def _supported(candidate: Candidate, source: str, priority: Priority, reason: str, suggested: bool) -> Candidate:
    """With one more voice for it; the source of the strongest voice is named, a voice before search."""
    is_stronger = RANKS.index(priority) >= RANKS.index(candidate.priority)
    return replace(
        candidate,
        source=source if is_stronger else candidate.source,
        priority=priority if is_stronger else candidate.priority,
        reasons=(*candidate.reasons, reason),
        suggested=candidate.suggested or suggested,
    )


def _value(parameters: ParameterSet, name: str, equal_share_pct: float) -> float:
    value = getattr(parameters, name)
    return equal_share_pct if value is None else float(value)
