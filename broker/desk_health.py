"""How the bot's side of the broker is doing, and what can be done about it."""

from __future__ import annotations

from broker.connection_state import Link
from broker.trading_desk import TradingDesk
from health.findings import Action, Measure, Reading, Severity, Vitals, severity_of
from health.treatment import Step
from market_hours import Clock, Session
from trading.orders import Role

GATEWAY_TIME_LIMIT_S = 4.5
FEED_SYMBOLS = 3  # so many live symbols are not all quiet by chance: when none of them ticks, the feed is at fault
THE_CONNECTION = frozenset({Measure.CONNECTION, Measure.SERVERS})
BEHIND_THE_CONNECTION = frozenset({Measure.FEED_AGE, Measure.DATA_AGE, Measure.BARS_MISSING, Measure.UNPROTECTED})
SYNC_MAY_TAKE_S = 15.0  # a synchronisation in between is no lost connection


class DeskHealth:
    """Reads and heals the desk of one session. Orders are only ever sent by the desk's own nets and reconciliation."""

    def __init__(self, desk: TradingDesk, session: Session, clock: Clock, *, dry_run: bool) -> None:
        self._desk = desk
        self._session = session
        self._clock = clock
        self._dry_run = dry_run
        self._naked_since_s: dict[str, int] = {}  # symbol -> since when shares of it have had no live stop

    def vitals(self, now_s: float) -> Vitals:
        """The connection; while the exchange is open the ages of data, missing bars, and shares without a stop."""
        supervisor = self._desk.supervisor
        state, down_s = supervisor.state, supervisor.down_s
        if supervisor.restart_is_due or (state is Link.SYNCING and down_s < SYNC_MAY_TAKE_S):
            return Vitals((), BEHIND_THE_CONNECTION | THE_CONNECTION)  # planned, or over in a moment
        if state is Link.DEGRADED:
            return Vitals((Reading(Measure.SERVERS, down_s),), BEHIND_THE_CONNECTION)
        if state is not Link.READY:
            return Vitals((Reading(Measure.CONNECTION, down_s),), BEHIND_THE_CONNECTION)
        if not self._session.open_s <= now_s < self._session.close_s:
            return Vitals(())
        missing = [Reading(Measure.BARS_MISSING, 1, symbol) for symbol in self._desk.view.unfollowed]
        naked = [Reading(Measure.UNPROTECTED, now_s - at_s, name) for name, at_s in self._naked_since_s.items()]
        return Vitals((*self._ages(now_s), *missing, *naked))

    def _ages(self, now_s: float) -> list[Reading]:
        """Whole seconds since the last tick of each symbol that trades, from the open on."""
        open_s = self._session.open_s
        quotes = {symbol: self._desk.broker.data.quote(symbol) for symbol in self._desk.view.symbols}
        ages = {symbol: int(now_s) - max(q.at_s, open_s) for symbol, q in quotes.items() if not q.halted}
        readings = [Reading(Measure.DATA_AGE, age, symbol) for symbol, age in ages.items()]
        if len(ages) >= FEED_SYMBOLS:
            readings.append(Reading(Measure.FEED_AGE, min(ages.values())))
        return readings

    def watch_exits(self, now_s: int) -> Severity:
        """Look which shares have no live stop at this instant; how bad it is. Nobody knows while not connected."""
        if self._desk.supervisor.is_ready:
            watched = not self._dry_run and now_s < int(self._session.eod.timestamp())
            since_s = self._naked_since_s
            self._naked_since_s = {name: since_s.get(name, now_s) for name in (self._naked() if watched else ())}
        longest_s = max((now_s - at_s for at_s in self._naked_since_s.values()), default=0)
        return severity_of(Measure.UNPROTECTED, longest_s)

    def _naked(self) -> list[str]:
        """Symbols of which the account holds more of the bot's shares than live stops cover."""
        keeper, orders = self._desk.keeper, self._desk.broker.orders
        naked = []
        for symbol, position in keeper.book.positions.items():
            bracket = keeper.brackets.get(symbol)
            if bracket is not None and bracket.has_live(Role.CLOSE):
                continue  # being sold
            stop = bracket.legs.get(Role.STOP) if bracket is not None else None
            covered = stop.quantity - stop.filled if stop is not None and not stop.is_over else 0
            if min(position.quantity, orders.held(symbol)) > covered:
                naked.append(symbol)
        return naked

    async def clock_drift_s(self) -> float | None:
        """How far this machine's clock is from the gateway's, which tells whole seconds; None while not connected.

        Raises BrokerUnavailable when there is no answer.
        """
        if self._desk.supervisor.state is not Link.READY:
            return None
        asked = self._clock.now()
        theirs = await self._desk.broker.gateway_time(GATEWAY_TIME_LIMIT_S)
        early_s = (theirs - self._clock.now()).total_seconds()  # their second began before our answer came
        late_s = (asked - theirs).total_seconds() - 1.0  # and ended after our question went out
        return max(early_s, late_s, 0.0)

    async def heal(self, step: Step) -> None:
        """Carry out what is the broker's to heal. Raises BrokerUnavailable, HistoryUnavailable."""
        desk, finding = self._desk, step.finding
        if step.action is Action.RECONNECT:
            desk.supervisor.renew()
        elif step.action is Action.RECONCILE:
            desk.supervisor.ask_for_sync()
        elif finding.measure is Measure.BARS_MISSING:
            await desk.view.follow_again(finding.subject)
        else:
            for symbol in (finding.subject,) if finding.subject else desk.view.symbols:
                desk.broker.data.renew_quotes(symbol)
