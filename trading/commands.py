"""What an operator may tell the program to do, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CommandKind(StrEnum):
    """The controls. Those of `AT_THE_DESK` are performed by the trading loop, the others beside it."""

    PAUSE = "pause"  # no entries until RESUME; exits go on
    RESUME = "resume"
    CLOSE = "close"  # sell what the bot owns of one symbol
    FLATTEN = "flatten"  # PAUSE, and CLOSE of everything; the session goes on
    KILL = "kill"  # the kill switch: no entries any more, exits rest at the broker
    KILL_FLATTEN = "kill_flatten"  # the kill switch, everything sold, the run ends
    FREEZE = "freeze"  # no change of parameters until UNFREEZE
    UNFREEZE = "unfreeze"
    ROLLBACK = "rollback"  # parameters as before the last change, from the next session on
    RESEARCH = "research"  # a research run in a process of its own


AT_THE_DESK = (
    CommandKind.PAUSE,
    CommandKind.RESUME,
    CommandKind.CLOSE,
    CommandKind.FLATTEN,
    CommandKind.KILL,
    CommandKind.KILL_FLATTEN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One order of an operator. `who` says through what and from where; `asked_at` is wall time."""

    command_id: str
    kind: CommandKind
    who: str
    asked_at: datetime
    symbol: str = ""  # of CLOSE
    detail: str = ""  # of RESEARCH: what to run


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a command, in words for the operator. `done` False: it was refused or failed, nothing changed."""

    done: bool
    words: str
