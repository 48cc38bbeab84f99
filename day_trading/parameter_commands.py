"""What an operator may say about the strategy's parameters; it holds from the next session on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from day_trading.operator_control import Perform
from market_hours import new_york_date
from records.rows import ParameterChangeRow
from trading.commands import Command, CommandKind, Outcome


class Parameters(Protocol):
    """The parameters in force; see `continuous_improvement.AdaptiveParameters`."""

    @property
    def frozen(self) -> str: ...
    def freeze(self, why: str) -> None: ...
    def roll_back(self, session_date: str, now: datetime) -> Sequence[ParameterChangeRow]: ...


def parameter_commands(parameters: Parameters, now: Callable[[], datetime]) -> Mapping[CommandKind, Perform]:
    """How each of the commands is performed."""

    def freeze(command: Command) -> Outcome:
        parameters.freeze(f"frozen by {command.who}")
        return Outcome(done=True, words="parameters stay as they are until they are unfrozen")

    def unfreeze(command: Command) -> Outcome:
        if not parameters.frozen:
            return Outcome(done=False, words="parameters are not frozen")
        parameters.freeze("")
        return Outcome(done=True, words="parameters may change again, on evidence")

    def roll_back(command: Command) -> Outcome:
        at = now()
        changed = parameters.roll_back(new_york_date(at).isoformat(), at)
        if not changed:
            return Outcome(done=False, words="there is no change to take back")
        words = ", ".join(f"{row.parameter} {row.old_value} -> {row.new_value}" for row in changed)
        return Outcome(done=True, words=f"from the next session on: {words}")

    return {CommandKind.FREEZE: freeze, CommandKind.UNFREEZE: unfreeze, CommandKind.ROLLBACK: roll_back}
