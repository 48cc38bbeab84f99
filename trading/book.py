"""The day trader's book of one session: positions, pending entries, realised and unrealised money, latches.

Pure and synchronous: the agent feeds it executions, fees and bids; it answers with the state that rules read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from trading.day_money import Marked, free_capital, marked, pause_end, unrealised
from trading.funds import BuyingPower
from trading.ledger import Position, bought, sold, with_fee
from trading.money import BPS, MONEY_PER_PRICE_UNIT, notional
from trading.orders import Action, ExecutionReport, Reason
from trading.risk import BookState, RiskLimits, SymbolState

REPORT_LAG_BPS = 50  # of the equity: how far the account's own figure may be behind prices between two reports


class PendingEntry(NamedTuple):
    """An entry on its way to the broker or working there. `collar` in 1e-4 USD, `fees` in 1e-6 USD."""

    intent_id: str
    quantity: int
    collar: int
    fees: int = 0

    @property
    def capital(self) -> int:
        """The most that it may still cost, in 1e-6 USD."""
        return notional(self.collar, self.quantity) + self.fees


class DayMarks(NamedTuple):
    """What of a session its executions do not tell. Money in 1e-6 USD."""

    equity_at_open: int = 0
    peak: int = 0
    trough: int = 0
    loss_latched: bool = False
    drawdown_latched: bool = False


class Recorded(NamedTuple):
    """An execution that an earlier run counted. `fee` in 1e-6 USD, None while nobody reported it."""

    execution: ExecutionReport
    reason: Reason
    fee: int | None


class RoundTrip(NamedTuple):
    """From flat to flat in one symbol. Money in 1e-6 USD, instants in epoch seconds, `pnl` net of fees."""

    symbol: str
    opened_s: int
    closed_s: int
    quantity: int
    bought_for: int
    sold_for: int
    fees: int
    pnl: int
    exit_reason: str


class Closing(NamedTuple):
    """What a sale realised net of fees known so far, and as a share of its cost."""

    pnl: int
    pnl_pct: float


@dataclass(slots=True)
class _Trip:
    """A round trip in the making."""

    opened_s: int
    quantity: int = 0
    bought_for: int = 0
    sold_for: int = 0
    fees: int = 0
    closed_s: int = 0
    exit_reason: str = ""


@dataclass(slots=True)
class _Sale:
    """A sale whose fee may still come."""

    pnl: int
    cost: int


@dataclass(slots=True)
class SessionBook:
    """Mutable state of one session for one bot. Money in 1e-6 USD, prices in 1e-4 USD."""

    equity_at_open: int
    allocation_ppm: int
    close_s: int
    limits: RiskLimits
    positions: dict[str, Position] = field(default_factory=dict)  # symbol -> shares owned by this bot
    pending: dict[str, PendingEntry] = field(default_factory=dict)  # symbol -> entry not yet terminal
    entries: dict[str, int] = field(default_factory=dict)  # symbol -> entries filled or tried today
    last_exit_s: dict[str, int] = field(default_factory=dict)  # symbol -> when it last became flat
    round_trips: list[tuple[str, _Trip]] = field(default_factory=list)  # closed ones, in order
    entries_stopped: str = ""  # why an operator or a fault stopped entries, empty when they go on
    entries_paused: str = ""  # why the health of the program forbids them for now
    entries_waiting: str = ""  # why they wait for an answer of the broker
    entries_held: str = ""  # which operator told them to wait until told otherwise
    loss_latched: bool = False
    drawdown_latched: bool = False
    realised: int = 0  # net of all fees known
    unrealised: int = 0  # at bid, at the last mark
    peak: int = 0  # of realised + unrealised at marks
    trough: int = 0  # deepest fall below the peak, <= 0
    rejected: dict[str, str] = field(default_factory=dict)  # symbol -> why the broker refused an entry today
    buying_power: BuyingPower = field(default_factory=BuyingPower)
    _open_trips: dict[str, _Trip] = field(default_factory=dict)
    _executions: dict[str, ExecutionReport] = field(default_factory=dict)  # exec_id -> execution
    _sales: dict[str, _Sale] = field(default_factory=dict)  # exec_id -> sale
    _fees: dict[str, int] = field(default_factory=dict)  # exec_id -> fee counted
    _trip_of: dict[str, _Trip] = field(default_factory=dict)  # exec_id -> its round trip
    _earlier: dict[str, None] = field(default_factory=dict)  # exec_ids whose results are not of this session

    def add_pending(self, symbol: str, entry: PendingEntry) -> None:
        """An approved entry: its capital is taken from now on."""
        self.pending[symbol] = entry
        self.entries[symbol] = self.entries.get(symbol, 0) + 1

    def drop_pending(self, symbol: str, intent_id: str, filled: int = 0) -> None:
        """The entry reached a terminal state; what it bought is in the position.

        Of `filled` shares those whose executions are not here yet keep their capital taken.
        """
        entry = self.pending.get(symbol)
        if entry is None or entry.intent_id != intent_id:
            return
        here = sum(known.quantity for known in self._executions.values() if known.order_ref == intent_id)
        if (to_come := filled - here) > 0:
            self.pending[symbol] = entry._replace(quantity=min(to_come, entry.quantity))
        else:
            del self.pending[symbol]

    def knows(self, exec_id: str) -> bool:
        """Whether this execution was counted already: brokers repeat themselves."""
        return exec_id in self._executions

    def on_execution(self, execution: ExecutionReport, reason: Reason) -> Closing | None:
        """Count an execution once. A sale returns what it realised; a buy returns None.

        Raises ValueError for a sale of more than is owned: the caller must reconcile, not guess.
        """
        symbol = execution.symbol
        position = self.positions.get(symbol, Position())
        if execution.action is Action.BUY:
            self._executions[execution.exec_id] = execution
            trip = self._open_trips.setdefault(symbol, _Trip(execution.at_s))
            trip.quantity += execution.quantity
            trip.bought_for += notional(execution.price, execution.quantity)
            self._trip_of[execution.exec_id] = trip
            self.positions[symbol] = bought(position, execution.quantity, execution.price)
            self.buying_power.on_bought(symbol, notional(execution.price, execution.quantity))
            self._shrink_pending(execution)
            return None
        sale = sold(position, execution.quantity, execution.price)
        self._executions[execution.exec_id] = execution
        self.positions[symbol] = sale.position
        self.realised += sale.realised
        trip = self._open_trips[symbol]
        trip.sold_for += notional(execution.price, execution.quantity)
        trip.exit_reason = str(reason)
        self._trip_of[execution.exec_id] = trip
        self._sales[execution.exec_id] = _Sale(sale.realised, sale.cost)
        if sale.position.quantity == 0:
            trip.closed_s = execution.at_s
            del self._open_trips[symbol]
            del self.positions[symbol]
            if reason is not Reason.SYNC:  # shares that a split replaced were not traded
                self.last_exit_s[symbol] = execution.at_s
                self.round_trips.append((symbol, trip))
                self.buying_power.day_trades_made += symbol in self.entries
        return self._closing(execution.exec_id)

    def on_earlier_execution(self, execution: ExecutionReport, reason: Reason) -> Closing | None:
        """Count an execution of an earlier session: shares and their cost change, this session's results do not."""
        realised, trips = self.realised, len(self.round_trips)
        last_exit_s = self.last_exit_s.get(execution.symbol)
        closing = self.on_execution(execution, reason)
        self.realised = realised
        del self.round_trips[trips:]
        if last_exit_s is None:
            self.last_exit_s.pop(execution.symbol, None)
        else:
            self.last_exit_s[execution.symbol] = last_exit_s
        self._earlier[execution.exec_id] = None
        return closing

    def note(self, execution: ExecutionReport) -> None:
        """Know an execution from now on, and book nothing of it."""
        self._executions[execution.exec_id] = execution

    def filled_by(self, order_ref: str) -> tuple[int, int]:
        """Shares that an order executed, of those counted here, and their average price (1e-4 USD)."""
        told = [execution for execution in self._executions.values() if execution.order_ref == order_ref]
        shares = sum(execution.quantity for execution in told)
        value = sum(execution.quantity * execution.price for execution in told)
        return shares, value // shares if shares else 0

    def on_fee(self, exec_id: str, fee: int) -> Closing | None:
        """Count commission and fees (1e-6 USD) of a known execution. A sale returns its corrected result.

        A repeated report changes nothing, a revised one replaces the former.
        """
        execution = self._executions[exec_id]
        if exec_id not in self._trip_of:  # a sale that was not booked
            return None
        trip = self._trip_of[exec_id]
        fee, self._fees[exec_id] = fee - self._fees.get(exec_id, 0), fee
        trip.fees += fee
        is_earlier = exec_id in self._earlier
        if execution.action is Action.SELL:
            self.realised -= 0 if is_earlier else fee
            self._sales[exec_id].pnl -= fee
            return self._closing(exec_id)
        position = self.positions.get(execution.symbol)
        if position is not None and self._open_trips.get(execution.symbol) is trip:
            self.positions[execution.symbol] = with_fee(position, fee)
        elif not is_earlier:  # the shares are gone already: the fee was late
            self.realised -= fee
        return None

    def restore(self, earlier: Iterable[Recorded], today: Iterable[Recorded]) -> None:
        """Count what earlier runs recorded, oldest first: of `earlier` sessions only what is still owned, then `today`.

        `earlier` must begin where its symbols were flat. The result is that of a run that never ended, once `resume`
        has added what executions do not tell.
        """
        for recorded in earlier:
            self._count_again(recorded)
        self.realised = 0
        self.round_trips.clear()
        self.last_exit_s.clear()
        for recorded in today:
            self._count_again(recorded)
        self.buying_power = BuyingPower()

    def resume(self, marks: DayMarks, entries: Mapping[str, int], rejected: Mapping[str, str]) -> None:
        """Take up what an earlier run of the same session knew: its marks, entries tried, refusals of the broker."""
        self.equity_at_open = marks.equity_at_open
        self.peak, self.trough = marks.peak, marks.trough
        self.loss_latched, self.drawdown_latched = marks.loss_latched, marks.drawdown_latched
        self.entries = dict(entries)
        self.rejected = dict(rejected)

    @property
    def marks(self) -> DayMarks:
        """What of the day no execution tells: a later run of the session needs it."""
        return DayMarks(self.equity_at_open, self.peak, self.trough, self.loss_latched, self.drawdown_latched)

    def reject(self, symbol: str, why: str) -> bool:
        """The broker refused an entry: no further one in this symbol today. True when that is news."""
        is_news = symbol not in self.rejected
        self.rejected.setdefault(symbol, why)
        return is_news

    def price_paid(self, symbol: str) -> int:
        """Average price (1e-4 USD, rounded up) of the shares bought since `symbol` was last flat; 0 when it is."""
        trip = self._open_trips.get(symbol)
        return -(-trip.bought_for // (MONEY_PER_PRICE_UNIT * trip.quantity)) if trip else 0

    def symbols_held_before(self, second: int) -> tuple[str, ...]:
        """Symbols, closed since or not, whose shares were there before an epoch second."""
        trips = [*self.round_trips, *self._open_trips.items()]
        return tuple(dict.fromkeys(symbol for symbol, trip in trips if trip.opened_s < second))

    def mark(self, bids: Mapping[str, int]) -> None:
        """Value positions at bid and latch the loss and drawdown stops. Only called at agent instants.

        A symbol without a bid keeps its cost as its value.
        """
        self.unrealised = sum(unrealised(position, bids.get(symbol, 0)) for symbol, position in self.positions.items())
        before = Marked(0, self.peak, self.trough, self.loss_latched, self.drawdown_latched)
        after = marked(before, self.pnl, self.limits.max_daily_loss, self.limits.max_drawdown)
        self.peak, self.trough = after.peak, after.trough
        self.loss_latched, self.drawdown_latched = after.loss_latched, after.drawdown_latched

    def opened_s(self, symbol: str) -> int:
        """When the shares of a symbol were first bought since it was last flat; 0 while it is."""
        trip = self._open_trips.get(symbol)
        return trip.opened_s if trip else 0

    @property
    def why_no_entries(self) -> str:
        """Who or what forbids every entry now, empty while nobody does. Limits of the rules are not among it."""
        return self.entries_stopped or self.entries_held or self.entries_paused or self.entries_waiting

    @property
    def pnl(self) -> int:
        """Realised net plus unrealised at the last mark."""
        return self.realised + self.unrealised

    @property
    def free_capital(self) -> int:
        """What entries may still take: allocation × net liquidation − positions − pending.

        Net liquidation is equity at the open + the day's P&L, and never more than the account's own figure by more
        than what that one lags behind: other bots, withdrawals and foreign positions change it too.
        """
        reported = self.buying_power.reported.net_liquidation + self.equity_at_open * REPORT_LAG_BPS // BPS
        pnl = min(self.pnl, reported - self.equity_at_open)
        return free_capital(self.equity_at_open, pnl, self.allocation_ppm, self.committed)

    @property
    def committed(self) -> int:
        """Cost of the positions, and the most that entries on their way may cost."""
        positions = sum(position.cost for position in self.positions.values())
        return positions + sum(entry.capital for entry in self.pending.values())

    @property
    def _day_trades_begun(self) -> int:
        """Positions and entries of today, each a day trade once it is sold, and those that the account may not know."""
        held = sum(1 for symbol in self.positions if symbol in self.entries)
        return held + len(self.pending.keys() - self.positions.keys()) + self.buying_power.day_trades_made

    def book_state(self, now_s: int, entries_this_tick: int) -> BookState:
        """The account as rules see it now."""
        return BookState(
            now_s=now_s,
            close_s=self.close_s,
            open_positions=len(self.positions) + len(self.pending.keys() - self.positions.keys()),
            entries=sum(self.entries.values()),
            entries_this_tick=entries_this_tick,
            pause_until_s=self._pause_until_s(),
            loss_latched=self.loss_latched,
            drawdown_latched=self.drawdown_latched,
            entries_stopped=bool(self.why_no_entries),
            available_funds=self.buying_power.available({s: entry.capital for s, entry in self.pending.items()}),
            day_trades_left=self.buying_power.reported.day_trades_left,
            day_trades_begun=self._day_trades_begun,
        )

    def symbol_state(self, symbol: str) -> SymbolState:
        """One symbol as rules see it now."""
        position = self.positions.get(symbol)
        return SymbolState(
            quantity=position.quantity if position else 0,
            pending=symbol in self.pending,
            entries=self.entries.get(symbol, 0),
            last_exit_s=self.last_exit_s.get(symbol, 0),
            rejected=symbol in self.rejected,
            margin_ppm=self.buying_power.margin_of(symbol),
        )

    @property
    def losses_in_a_row(self) -> int:
        """How many of the latest round trips lost, as far as the limit on them looks."""
        losses = 0
        for _, trip in reversed(self.round_trips[-self.limits.loss_streak :]):
            if trip.sold_for - trip.bought_for - trip.fees >= 0:
                break
            losses += 1
        return losses

    def closed_round_trips(self) -> tuple[RoundTrip, ...]:
        """All closed round trips with the fees known by now, in the order in which they closed."""
        return tuple(
            RoundTrip(
                symbol=symbol,
                opened_s=trip.opened_s,
                closed_s=trip.closed_s,
                quantity=trip.quantity,
                bought_for=trip.bought_for,
                sold_for=trip.sold_for,
                fees=trip.fees,
                pnl=trip.sold_for - trip.bought_for - trip.fees,
                exit_reason=trip.exit_reason,
            )
            for symbol, trip in self.round_trips
        )

    def _count_again(self, recorded: Recorded) -> None:
        """Count a recorded execution. What was sold beyond the ledger is known from now on, and not booked."""
        execution = recorded.execution
        owned = self.positions.get(execution.symbol, Position()).quantity
        if execution.action is Action.SELL and execution.quantity > owned:
            if owned == 0:
                self.note(execution)
                return
            execution = execution._replace(quantity=owned)
        self.on_execution(execution, recorded.reason)
        if recorded.fee is not None:
            self.on_fee(recorded.execution.exec_id, recorded.fee)

    def _shrink_pending(self, execution: ExecutionReport) -> None:
        entry = self.pending.get(execution.symbol)
        if entry is not None and entry.intent_id == execution.order_ref:
            left = entry.quantity - execution.quantity
            if left > 0:
                self.pending[execution.symbol] = entry._replace(quantity=left)
            else:
                del self.pending[execution.symbol]

    def _pause_until_s(self) -> int:
        """End of the pause after a streak of losing round trips; 0 when there is none."""
        last_closed_s = self.round_trips[-1][1].closed_s if self.round_trips else 0
        return pause_end(self.losses_in_a_row, last_closed_s, self.limits.loss_streak, self.limits.loss_streak_pause_s)

    def _closing(self, exec_id: str) -> Closing:
        sale = self._sales[exec_id]
        return Closing(sale.pnl, 100.0 * sale.pnl / sale.cost if sale.cost else 0.0)
