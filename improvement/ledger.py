"""What is in force, from the changes on record; and which change would be the next to take back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from improvement.parameters import NAMES, ParameterSet
from records.rows import ChangeSource, ParameterChangeRow

NO_STEPS: tuple[ChangeSource, ...] = ("rollback", "manual")
UNDOES = "undoes"  # in the evidence of a change that takes another back: when that one was recorded


def in_force(base: ParameterSet, changes: Iterable[ParameterChangeRow]) -> ParameterSet:
    """`base` with every change that was applied, in order."""
    values: dict[str, float | None] = {}
    for change in changes:
        if change.applied and change.parameter in NAMES:
            values[change.parameter] = _number(change.new_value)
    return base.with_values(values)


def last_step(present: ParameterSet, changes: Sequence[ParameterChangeRow]) -> list[ParameterChangeRow]:
    """The rows of the newest step that still stands: applied, no way back itself, not taken back, still in force."""
    undone = {change.evidence[UNDOES] for change in changes if change.evidence and UNDOES in change.evidence}
    steps: dict[str, list[ParameterChangeRow]] = {}  # when -> rows of that step
    for change in changes:
        if change.applied and change.source not in NO_STEPS:
            steps.setdefault(change.timestamp.isoformat(), []).append(change)
    values = present.values()
    for when, step in reversed(steps.items()):
        if when not in undone and all(values[row.parameter] == row.new_value for row in step):
            return step
    return []


def without(present: ParameterSet, step: Iterable[ParameterChangeRow]) -> ParameterSet:
    """`present` without a step."""
    return present.with_values({row.parameter: _number(row.old_value) for row in step})


def undoing(step: Sequence[ParameterChangeRow]) -> dict[str, object]:
    """The evidence of a change that takes a step back."""
    return {UNDOES: step[0].timestamp.isoformat()} if step else {}


def rows_of(
    old: ParameterSet,
    new: ParameterSet,
    *,
    source: ChangeSource,
    reason: str,
    evidence: dict[str, object],
    session_date: str,
    now: datetime,
    applied: bool = True,
) -> list[ParameterChangeRow]:
    """One row for each parameter that differs."""
    return [
        ParameterChangeRow(
            timestamp=now,
            session_date=session_date,
            parameter=name,
            old_value=before,
            new_value=after,
            source=source,
            reason=reason,
            evidence=evidence,
            applied=applied,
        )
        for name, (before, after) in old.differences(new).items()
    ]


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)
