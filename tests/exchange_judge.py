"""What a gateway's journal proves about one client: no share naked, none sold twice, nothing bought beyond the limit.

The judge replays the journal and never asks the daemon. A bound counts seconds in which the client could have acted:
logged in, and in no window in which the gateway kept it from seeing or doing anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ib_simulator.journal import JournalEntry
from trading.money import notional

REPAIR_S = 10.0  # a share whose stop is gone has another one by then
AFTER_ENTRY_S = 2.0  # the shares of an entry that has come to its end have theirs by then
BUY, SELL = 1, -1
DONE = ("Filled", "Cancelled", "Inactive")


class Window(NamedTuple):
    """Epoch seconds from which and until which something holds."""

    start_s: float
    end_s: float


@dataclass(slots=True)
class _Order:
    """An order of the client, as the exchange has it."""

    perm_id: int
    order_ref: str
    symbol: str
    side: int
    order_type: str
    group: str  # its OCA group, or its own
    parent: _Order | None
    quantity: int = 0
    filled: int = 0
    limit_price: int = 0
    good_after_s: int = 0
    sold_by_children: int = 0

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled

    @property
    def fillable(self) -> int:
        """A bracket's children together sell no more than their parent bought."""
        if self.parent is None:
            return self.remaining
        return max(min(self.remaining, self.parent.filled - self.parent.sold_by_children), 0)


@dataclass(slots=True)
class _Since:
    """Since when a bound of one symbol is not kept (0.0: it is), and whether that was told."""

    start_s: float = 0.0
    is_told: bool = False


@dataclass(slots=True)
class _Held:
    """Shares of one symbol and what they cost, in 1e-6 USD with fees."""

    shares: int = 0
    cost: int = 0


@dataclass(slots=True)
class ExchangeJudge:
    """Hears a journal in its order; `broken` names what did not hold.

    `sessions` are the hours in which shares must be covered: from the open to EOD time. `unreachable` are windows in
    which the gateway let the client know or do nothing; more may be added as long as they begin after what was heard.
    """

    client_id: int
    allocation_ppm: int
    sessions: list[Window] = field(default_factory=list)
    unreachable: list[Window] = field(default_factory=list)
    slack_s: float = 0.0  # beyond the bounds, for a world in which seconds are short
    broken: list[str] = field(default_factory=list)
    longest_naked_s: float = 0.0  # while the client could have acted
    highest_exposure_ppm: int = 0  # of the net liquidation, when a purchase was accepted
    now_s: float = 0.0
    able_since_s: float = 0.0  # the client can act since then, if it can
    _orders: dict[int, _Order] = field(default_factory=dict)  # perm_id -> order
    _live_buys: dict[int, _Order] = field(default_factory=dict)  # perm_id -> order
    _live_sells: dict[str, dict[int, _Order]] = field(default_factory=dict)  # symbol -> perm_id -> order
    _held: dict[str, _Held] = field(default_factory=dict)  # symbol -> shares
    _refs: dict[str, int] = field(default_factory=dict)  # order reference -> the one permId it may have
    _logged_in: bool = False
    _naked: dict[str, _Since] = field(default_factory=dict)  # symbol -> since when shares lack a stop
    _excess: dict[str, _Since] = field(default_factory=dict)  # symbol -> since when orders could sell more than is held
    _entry_over_s: dict[str, float] = field(default_factory=dict)  # symbol -> when its last entry came to its end

    def hear(self, entries: Iterable[JournalEntry]) -> None:
        """Replay more of the journal."""
        for entry in entries:
            if entry.client_id == self.client_id:
                self.advance(datetime.fromisoformat(entry.at).timestamp())
                self._take(entry)

    def advance(self, moment_s: float) -> None:
        """Time passes; what was left undone for too long is told. An execution may bear the second it began in."""
        if moment_s <= self.now_s:
            return
        for step_s in self._steps(moment_s):
            self._pass(step_s)

    @property
    def is_able(self) -> bool:
        """Whether the client can act now, in the hours in which it must."""
        return self._logged_in and _within(self.now_s, self.sessions) and not _within(self.now_s, self.unreachable)

    def shares(self) -> dict[str, int]:
        """What the client's orders bought and did not sell."""
        return {symbol: held.shares for symbol, held in self._held.items() if held.shares}

    def _steps(self, moment_s: float) -> list[float]:
        """The moment, and before it every one at which the client becomes able or unable to act."""
        edges = {edge for window in (*self.sessions, *self.unreachable) for edge in window}
        return [*sorted(edge for edge in edges if self.now_s < edge < moment_s), moment_s]

    def _pass(self, moment_s: float) -> None:
        """From `now_s` to a moment, between which nothing happens."""
        able = self.is_able
        if not able:
            self.able_since_s = moment_s
        for symbol, held in self._held.items():
            self._watch_cover(symbol, held, moment_s, able)
            self._watch_excess(symbol, held, moment_s, able)
        self.now_s = moment_s

    def _watch_cover(self, symbol: str, held: _Held, moment_s: float, able: bool) -> None:
        naked = self._naked.setdefault(symbol, _Since())
        if held.shares <= self._covered(symbol):
            self._naked[symbol] = _Since()
            return
        naked.start_s = naked.start_s or self.now_s
        since_s = max(naked.start_s, self.able_since_s)
        due_s = since_s + REPAIR_S
        over_s = self._entry_over_s.get(symbol, 0.0)
        if over_s >= naked.start_s:
            due_s = min(due_s, max(over_s, since_s) + AFTER_ENTRY_S)
        if not able:
            return
        self.longest_naked_s = max(self.longest_naked_s, moment_s - since_s)
        if moment_s > due_s + self.slack_s and not naked.is_told:
            naked.is_told = True
            lacking = held.shares - self._covered(symbol)
            self._tell(since_s, f"{lacking} of {held.shares} {symbol} without a stop for {moment_s - since_s:.1f} s")

    def _watch_excess(self, symbol: str, held: _Held, moment_s: float, able: bool) -> None:
        excess = self._excess.setdefault(symbol, _Since())
        could_sell = self._could_sell(symbol)
        if could_sell <= held.shares:
            self._excess[symbol] = _Since()
            return
        excess.start_s = excess.start_s or self.now_s
        since_s = max(excess.start_s, self.able_since_s)
        if able and moment_s > since_s + REPAIR_S + self.slack_s and not excess.is_told:
            excess.is_told = True
            self._tell(since_s, f"orders could sell {could_sell} of {held.shares} {symbol}")

    def _covered(self, symbol: str) -> int:
        """Shares that a resting stop or a sale under way would sell."""
        return _most_of_each_group(
            order
            for order in self._live_sells.get(symbol, {}).values()
            if order.order_type in ("STP", "MKT") and order.good_after_s <= self.now_s
        )

    def _could_sell(self, symbol: str) -> int:
        return _most_of_each_group(self._live_sells.get(symbol, {}).values())

    # Events

    def _take(self, entry: JournalEntry) -> None:
        if entry.event in ("connected", "disconnected"):
            self._logged_in = entry.event == "connected"
            self.able_since_s = self.now_s
            return
        order = self._orders.get(entry.perm_id)
        is_new = order is None
        if order is None:
            order = self._orders[entry.perm_id] = _Order(
                perm_id=entry.perm_id,
                order_ref=entry.order_ref,
                symbol=entry.symbol,
                side=entry.side,
                order_type=entry.order_type,
                group=entry.oca_group or str(entry.perm_id),
                parent=self._orders.get(entry.parent_perm_id),
            )
        if entry.event == "execution" and order.parent is not None:
            order.parent.sold_by_children += entry.shares
        order.quantity, order.filled, order.limit_price = entry.quantity, entry.filled, entry.limit_price
        order.good_after_s = entry.good_after_s
        self._file(order, is_over=entry.status in DONE)
        if self._refs.setdefault(entry.order_ref, entry.perm_id) != entry.perm_id:
            self._tell(self.now_s, f"{entry.order_ref} was sent more than once")
        if entry.event == "execution":
            self._execute(entry)
        elif is_new and entry.side == BUY:
            self._weigh(entry)

    def _file(self, order: _Order, *, is_over: bool) -> None:
        """Keep an order among the live ones of its side as long as it is alive."""
        live = self._live_buys if order.side == BUY else self._live_sells.setdefault(order.symbol, {})
        if not is_over:
            live[order.perm_id] = order
            return
        live.pop(order.perm_id, None)
        if order.side == BUY:
            self._entry_over_s[order.symbol] = self.now_s

    def _execute(self, entry: JournalEntry) -> None:
        held = self._held.setdefault(entry.symbol, _Held())
        if entry.side == BUY:
            held.cost += notional(entry.price, entry.shares) + entry.fees
        elif held.shares:
            held.cost -= held.cost * min(entry.shares, held.shares) // held.shares
        held.shares += entry.side * entry.shares
        if held.shares < 0:
            self._tell(self.now_s, f"short {held.shares} {entry.symbol}")
        if entry.filled > entry.quantity:
            self._tell(self.now_s, f"{entry.order_ref}: {entry.filled} filled of {entry.quantity}")

    def _weigh(self, entry: JournalEntry) -> None:
        """A purchase was accepted: what is held and what may still be bought stays within the allocation."""
        exposure = sum(held.cost for held in self._held.values())
        exposure += sum(notional(order.limit_price, order.remaining) for order in self._live_buys.values())
        self.highest_exposure_ppm = max(self.highest_exposure_ppm, exposure * 1_000_000 // entry.net_liquidation)
        limit = entry.net_liquidation * self.allocation_ppm // 1_000_000
        if exposure > limit:
            self._tell(self.now_s, f"{entry.symbol}: {exposure / 1e6:,.2f} USD at risk, {limit / 1e6:,.2f} allowed")

    def _tell(self, moment_s: float, words: str) -> None:
        self.broken.append(f"{datetime.fromtimestamp(moment_s).astimezone():%m-%d %H:%M:%S}: {words}")


def _within(moment_s: float, windows: Sequence[Window]) -> bool:
    return any(start_s <= moment_s < end_s for start_s, end_s in windows)


def _most_of_each_group(orders: Iterable[_Order]) -> int:
    """What orders may fill together: of a group only one member does."""
    most: dict[str, int] = {}  # group -> shares
    for order in orders:
        most[order.group] = max(most.get(order.group, 0), order.fillable)
    return sum(most.values())
