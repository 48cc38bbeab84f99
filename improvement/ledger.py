"""What is in force, from the changes on record; and which change would be the next to take back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from improvement.parameters import NAMES, ParameterSet
from records.rows import ChangeSource, ParameterChangeRow

UNDOES = "undoes"  # in the evidence of a change that takes another back: when that one was recorded


def in_force(base: ParameterSet, changes: Iterable[ParameterChangeRow]) -> ParameterSet:
    """`base` with every change that was applied, in order."""
    values: dict[str, float | None] = {}
    for change in changes:
        if change.applied and change.parameter in NAMES:
            values[change.parameter] = None if change.new_value is None else float(change.new_value)
    return base.with_values(values)


def last_step(changes: Sequence[ParameterChangeRow]) -> list[ParameterChangeRow]:
    """The rows of the newest step that still stands: applied, no way back itself, and not taken back."""
    undone = {str(change.evidence[UNDOES]) for change in changes if change.evidence and UNDOES in change.evidence}
    standing = [
        change
        for change in changes
        if change.applied and change.source not in ("rollback", "manual") and _when(change) not in undone
    ]
    newest = standing[-1].timestamp if standing else None
    return [change for change in standing if change.timestamp == newest]


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


def _when(change: ParameterChangeRow) -> str:
    return change.timestamp.isoformat()
