"""What the user is told of a session's state: orders that cannot be sent for long, findings that became critical."""

from __future__ import annotations

from collections.abc import Sequence

from broker.notices import tell
from broker.trading_desk import TradingDesk
from health.findings import Finding, Measure, Severity
from notifications.notices import Kind

OF_THE_CONNECTION = frozenset({Measure.CONNECTION, Measure.SERVERS})  # an outage is told as such, once


class Alarms:
    """Looked at when something may have changed; tells each thing when it begins and when it is over."""

    def __init__(self, desk: TradingDesk, outage_s: int) -> None:
        self._desk = desk
        self._outage_s = outage_s  # from which length on it is told
        self._longest_s = 0.0  # of the outage that was told; 0: none is
        self._critical: dict[tuple[Measure, str], str] = {}  # (measure, subject) -> the words that were told

    def look(self, findings: Sequence[Finding], now_s: int) -> None:
        """Tell what is new at `now_s`."""
        self._look_at_connection(now_s)
        self._look_at_findings(findings, now_s)

    def _look_at_connection(self, now_s: int) -> None:
        down_s = self._desk.supervisor.down_s
        if down_s >= self._outage_s:
            if not self._longest_s:
                owned = len(self._desk.keeper.book.positions)
                words = f"no order can be sent for {down_s:.0f} s, the connection is {self._desk.supervisor.state}"
                words += f"; open positions: {owned}, their exits rest at the broker" * bool(owned)
                tell(Kind.CONNECTION, words, now_s)
            self._longest_s = down_s
        elif self._longest_s and not down_s:
            tell(Kind.CONNECTION, f"the connection is back after more than {self._longest_s:.0f} s", now_s)
            self._longest_s = 0.0

    def _look_at_findings(self, findings: Sequence[Finding], now_s: int) -> None:
        critical = {
            (each.measure, each.subject): each.words
            for each in findings
            if each.severity is Severity.CRITICAL and each.measure not in OF_THE_CONNECTION
        }
        for key, words in critical.items():
            if key not in self._critical:
                tell(Kind.HEALTH, words, now_s)
        for key, words in self._critical.items():
            if key not in critical:
                tell(Kind.HEALTH, f"over: {words}", now_s)
        self._critical = {key: self._critical.get(key, words) for key, words in critical.items()}
