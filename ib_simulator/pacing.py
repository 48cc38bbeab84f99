"""The limits that a gateway puts on its clients: messages a second, market data lines, historical requests.

A standalone gateway enforces them; an embedded one does not, because a whole simulated day of requests may come
in one instant. Times are epoch seconds of the gateway's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ib_simulator.client import ClientConnection

PACING_TEXT = "Historical Market Data Service error message:Historical data request pacing violation"


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingLimits:
    """The limits of a gateway with default settings. `enforced` False lets everything pass."""

    enforced: bool = False
    messages_per_second: int = 50
    warned_from: int = 46  # messages in a second; ib_insync keeps to 45
    strikes: int = 3  # of the message rate, then the socket is closed
    market_data_lines: int = 100
    tick_by_tick_lines: int = 5
    small_bar_s: int = 60  # historical limits hold for bars shorter than this
    history_window_s: int = 600
    history_in_window: int = 60
    same_contract_s: int = 2
    same_contract_in_window: int = 6  # so many of one contract, exchange and source are too many
    identical_s: int = 15
    open_history: int = 50


class Violation(NamedTuple):
    """A limit was passed or is near: what to tell, whether the message is served, whether the socket ends."""

    code: int
    text: str
    is_served: bool
    closes: bool = False


@dataclass(slots=True)
class _Rate:
    """The message times of one client within the last second, and its strikes."""

    at: deque[float] = field(default_factory=deque)
    strikes: int = 0
    warned: bool = False


class Pacing:
    """Counts what clients do. `now_s` is the clock with fractions of a second."""

    def __init__(self, limits: PacingLimits, now_s: Callable[[], float]) -> None:
        self.limits = limits
        self._now_s = now_s
        self._rates: dict[ClientConnection, _Rate] = {}
        self._history: deque[tuple[float, int]] = deque()  # (time, weight) of historical requests for small bars
        self._identical: dict[str, float] = {}  # request -> its last time
        self._same: dict[str, deque[float]] = {}  # contract, exchange and source -> times

    def message(self, client: ClientConnection) -> Violation | None:
        """Count an inbound message. None: nothing to say of it."""
        limits = self.limits
        if not limits.enforced:
            return None
        rate = self._rates.setdefault(client, _Rate())
        now = self._now_s()
        _drop_until(rate.at, now - 1)
        rate.at.append(now)
        received = len(rate.at)
        limit = limits.messages_per_second
        if received <= limit:
            if received < limits.warned_from or rate.warned:
                return None
            rate.warned = True
            return Violation(0, f"Approaching max rate of {limit} messages per second ({received})", is_served=True)
        rate.at.clear()
        rate.strikes += 1
        text = f"Max rate of messages per second has been exceeded:max={limit} rec={received} ({rate.strikes})"
        return Violation(100, text, is_served=False, closes=rate.strikes >= limits.strikes)

    def has_free_line(self, used: int) -> bool:
        """Whether one more market data line may be opened."""
        return not self.limits.enforced or used < self.limits.market_data_lines

    def has_free_tick_line(self, used: int) -> bool:
        """Whether one more tick-by-tick subscription may be opened."""
        return not self.limits.enforced or used < self.limits.tick_by_tick_lines

    def history(self, request_key: str, contract_key: str, bar_s: int, weight: int, open_lines: int) -> str:
        """Count a historical request; why it is refused, empty when it is served.

        `request_key` spells the whole request, `contract_key` contract, exchange and source. `weight` is 2 for
        BID_ASK. The limits over time hold for bars shorter than a minute.
        """
        limits = self.limits
        if not limits.enforced:
            return ""
        if open_lines >= limits.open_history:
            return f"{PACING_TEXT} (more than {limits.open_history} requests are open)"
        if bar_s >= limits.small_bar_s:
            return ""
        now = self._now_s()
        while self._history and self._history[0][0] <= now - limits.history_window_s:
            self._history.popleft()
        if not self._history:
            self._identical.clear()
            self._same.clear()
        if sum(weight for _, weight in self._history) + weight > limits.history_in_window:
            return PACING_TEXT
        if now - self._identical.get(request_key, -limits.identical_s) < limits.identical_s:
            return PACING_TEXT
        same = self._same.setdefault(contract_key, deque())
        _drop_until(same, now - limits.same_contract_s)
        if len(same) + 1 >= limits.same_contract_in_window:
            return PACING_TEXT
        self._history.append((now, weight))
        self._identical[request_key] = now
        same.append(now)
        return ""

    def forget(self, client: ClientConnection) -> None:
        """The client is gone."""
        self._rates.pop(client, None)


def _drop_until(times: deque[float], until: float) -> None:
    while times and times[0] <= until:
        times.popleft()
