"""Notices joined to one message, and how many of a kind are told; pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from notifications.notices import Kind, Notice

HOUR_S = 3_600.0
LONGEST_BODY = 3_500  # characters; Telegram takes 4,096, services with less say so

WORDS = {  # kind -> (one, several), as a title says it
    Kind.FILL: ("fill", "fills"),
    Kind.STOP_HIT: ("stop hit", "stops hit"),
    Kind.REJECT: ("order refused", "orders refused"),
    Kind.LIMIT: ("limit reached", "limits reached"),
    Kind.KILL_SWITCH: ("kill switch", "kill switch"),
    Kind.CONNECTION: ("connection", "connection"),
    Kind.INVARIANT: ("entries stopped", "entries stopped"),
    Kind.HEALTH: ("health", "health"),
    Kind.FAULT: ("fault", "faults"),
    Kind.DAY_SUMMARY: ("the day", "days"),
    Kind.WEEKLY_REPORT: ("weekly report", "weekly reports"),
}


class Weight(StrEnum):
    """How bad the worst of a message is."""

    INFO = "info"
    WARNING = "warning"
    FAILURE = "failure"


WEIGHTS = {  # kind -> its weight; others are information
    Kind.STOP_HIT: Weight.WARNING,
    Kind.REJECT: Weight.WARNING,
    Kind.LIMIT: Weight.WARNING,
    Kind.CONNECTION: Weight.WARNING,
    Kind.KILL_SWITCH: Weight.FAILURE,
    Kind.INVARIANT: Weight.FAILURE,
    Kind.HEALTH: Weight.FAILURE,
    Kind.FAULT: Weight.FAILURE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a service gets."""

    title: str
    body: str
    weight: Weight


def joined(who: str, notices: Sequence[Notice], untold: Counter[Kind], zone: tzinfo, longest: int) -> Message:
    """One message of `notices`, in their order, and of how many more there were; at most `longest` characters."""
    counts = Counter(notice.kind for notice in notices)
    title = f"{who}: {', '.join(_counted(kind, count) for kind, count in counts.items()) or 'notices'}"
    lines = [f"{notice.at.astimezone(zone):%H:%M:%S} {notice.words}" for notice in notices]
    more = [f"not told one by one: {', '.join(_counted(kind, n) for kind, n in untold.items())}"] if untold else []
    body = _fitting(lines, more, min(longest, LONGEST_BODY))
    weights = [WEIGHTS.get(kind, Weight.INFO) for kind in counts]
    return Message(title=title, body=body, weight=max(weights, key=list(Weight).index, default=Weight.INFO))


def _counted(kind: Kind, count: int) -> str:
    one, several = WORDS[kind]
    return one if count == 1 else f"{count} {several}"


def _fitting(lines: Sequence[str], last: Sequence[str], longest: int) -> str:
    """As many whole lines as fit, the newest ones, and how many are missing."""
    kept: list[str] = []
    room = longest - sum(len(line) + 1 for line in last) - len("(9999 earlier ones)\n")
    for line in reversed(lines):
        if kept and len(line) + 1 > room:
            break
        kept.append(line[: max(room, 0)])
        room -= len(line) + 1
    missing = len(lines) - len(kept)
    return "\n".join([*[f"({missing} earlier ones)"] * bool(missing), *reversed(kept), *last])


class Throttle:
    """At most `per_hour` notices of a kind in any hour; the rest is counted in `untold` until somebody tells it."""

    def __init__(self, per_hour: int) -> None:
        self.untold: Counter[Kind] = Counter()
        self._per_hour = per_hour
        self._told_s: dict[Kind, deque[float]] = {}  # when notices of a kind were admitted, within an hour

    def admitted(self, notices: Iterable[Notice], now_s: float) -> list[Notice]:
        """Those that may be told at `now_s` (monotonic)."""
        return [notice for notice in notices if self._admits(notice.kind, now_s)]

    def _admits(self, kind: Kind, now_s: float) -> bool:
        told_s = self._told_s.setdefault(kind, deque())
        while told_s and told_s[0] <= now_s - HOUR_S:
            told_s.popleft()
        if len(told_s) >= self._per_hour:
            self.untold[kind] += 1
            return False
        told_s.append(now_s)
        return True
