"""Cycles of one account over years, and beside it an account that buys every name once and holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from market_hours import Clock, Session
from observability import TradingHistory
from weekly.digest import CycleDigest, digest_of
from weekly.reconciliation import Truth, cash_flow, reconcile
from weekly.results import CycleResult
from weekly.span import Span

AFTER_OPEN = timedelta(minutes=5)  # when a cycle begins: quotes stand, and the day's open is all that is known of it
AFTER_CLOSE = timedelta(seconds=1)
BEFORE_CLOSE = timedelta(minutes=10)  # a session's last moment for a cycle


class Books(Protocol):
    """An account as its broker keeps it, in 1e-6 USD. `distributions` is cash that came without a trade."""

    cash: int
    distributions: int

    def net_liquidation(self) -> int: ...

    def owned(self) -> Mapping[str, tuple[int, int]]:
        """symbol -> shares and what they cost, fees included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Both accounts at a close, in 1e-6 USD."""

    session_date: date
    bot: int
    holder: int


class YearsOfCycles:
    """Plays a span. After each cycle the bot's records must agree with its account to the cent."""

    def __init__(
        self,
        cycle: Callable[[Session], Awaitable[CycleResult]],
        begin: Callable[[], None],
        account: Books,
        holder: Books,
        clock: Clock,
        history: TradingHistory,
        tell: Callable[[CycleDigest], None] = lambda _digest: None,
    ) -> None:
        self._cycle = cycle
        self._begin = begin  # before the first cycle: the other account buys
        self._account = account
        self._holder = holder
        self._clock = clock
        self._history = history
        self._tell = tell
        self._flow = 0  # of all executions on record, 1e-6 USD
        self.start = account.cash
        self.closes: list[Close] = []
        self.digests: list[CycleDigest] = []
        self.latest: CycleResult | None = None
        self.stopped_because = ""
        self.is_killed = False

    @property
    def distributions(self) -> int:
        """Cash that came to the bot's account without a trade, 1e-6 USD."""
        return self._account.distributions

    def stop(self, reason: str, *, flatten: bool = False) -> None:
        """End after the cycle that runs."""
        self.stopped_because = self.stopped_because or reason

    def kill(self, reason: str, *, flatten: bool = False) -> None:
        """The kill switch, thrown by a signal: as `stop`, and the exit code says so."""
        self.is_killed = True
        self.stop(f"kill switch: {reason}")

    async def run(self, span: Span, interval: timedelta | None = None) -> None:
        """Play the span from its first cycle on; with `interval` a cycle's session has more of them.

        Raises HaltTrading when records and account differ.
        """
        for session in span.sessions:
            if session.date in span.cycles:
                await self._session(session, interval)
            if self.stopped_because:
                return
            if self.digests:
                await self._clock.sleep_until(session.close + AFTER_CLOSE)
                worth = self._account.net_liquidation(), self._holder.net_liquidation()
                self.closes.append(Close(session_date=session.date, bot=worth[0], holder=worth[1]))

    async def _session(self, session: Session, interval: timedelta | None) -> None:
        moment = session.open + AFTER_OPEN
        booked = 0  # of this session's executions, 1e-6 USD
        while moment < session.close - BEFORE_CLOSE and not self.stopped_because:
            await self._clock.sleep_until(moment)
            if not self.digests:
                self._begin()
            self.latest = await self._cycle(session)
            flow = cash_flow(self._history.trades(session.date.isoformat(), bot=self._history.bot))
            self._flow, booked = self._flow + flow - booked, flow
            self._reconcile(self.latest)
            self.digests.append(digest_of(self.latest))
            self._tell(self.digests[-1])
            if interval is None:
                return
            moment += interval

    def _reconcile(self, result: CycleResult) -> None:
        account = self._account
        truth = Truth(cash=account.cash, net_liquidation=account.net_liquidation(), holdings=account.owned())
        reconcile(result.after, self.start + account.distributions + self._flow, truth)
