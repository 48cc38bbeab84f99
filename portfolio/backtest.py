"""Weekly cycles over daily prices: decide at the close of a week, trade at the next session, count every cost.

The policy sees prices up to the close at which it decides. Its weights become a plan at the quotes of the next
session: the open, or, where the history has no opens, the close. Sales take the bid and purchases the ask. On
adjusted prices the shares, and so the fees per share, are those of today's share and not of the day's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from portfolio.curves import Curves
from portfolio.fulfilment import PlanFill
from portfolio.history import Floats, PriceHistory
from portfolio.policy import Evidence, Policy
from portfolio.rebalance import Funds, Plan, PlanRules, Position, affordable, make_plan
from portfolio.refusal import Refusal
from portfolio.survivorship import SurvivorshipWarning, survivorship
from trading.costs import BUY, SELL, FeeSchedule, fee_schedule_on, fill_fees
from trading.money import BPS, MONEY_UNITS_PER_USD, PRICE_UNITS_PER_USD, notional

Prices = npt.NDArray[np.int64]

DELISTING_LOSS_BPS = 3_000  # of the last price (Shumway 1997)
GONE_SESSIONS = 10  # without a price so long, a holding is taken for delisted


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRules:
    """Money in 1e-6 USD. `plan.rates` is replaced by the rates of each session."""

    plan: PlanRules = field(default_factory=lambda: PlanRules(rates=FeeSchedule(), allocation_ppm=1_000_000))
    start_cash: int = 100_000 * MONEY_UNITS_PER_USD
    half_spread_bps: int = 3
    warm_up_sessions: int = 280


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """A cycle as it happened. `decided` and `traded` are rows of the history."""

    decided: int
    traded: int
    method: str
    plan: Plan
    fills: tuple[PlanFill, ...]
    refused: tuple[Refusal, ...]
    cash: int  # after it, 1e-6 USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Delisting:
    """A holding that lost its price for good, and what it still brought, in 1e-6 USD."""

    session: int
    symbol: str
    shares: int
    proceeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """Equity in USD at each close from the row `first` of the history on, beside what no bot would have earned."""

    first: int
    equity_usd: Floats
    equal_weight_usd: Floats
    index_usd: Floats | None
    cycles: tuple[CycleRecord, ...]
    delistings: tuple[Delisting, ...]
    warning: SurvivorshipWarning | None

    @property
    def curves(self) -> Curves:
        """The bot beside what needed none."""
        others = {"equal weight, held": self.equal_weight_usd}
        if self.index_usd is not None:
            others["index, held (no costs)"] = self.index_usd
        return Curves(bot_usd=self.equity_usd, others_usd=others)

    @property
    def fees_usd(self) -> float:
        """All commissions and fees of the cycles."""
        return sum(fill.fees for cycle in self.cycles for fill in cycle.fills) / MONEY_UNITS_PER_USD


def weekly_decisions(history: PriceHistory, warm_up_sessions: int) -> tuple[int, ...]:
    """Rows whose close ends an ISO week and has a session after it, from the warm-up on."""
    weeks = [session.isocalendar()[:2] for session in history.sessions]
    return tuple(row for row in range(max(warm_up_sessions - 1, 0), len(weeks) - 1) if weeks[row] != weeks[row + 1])


def backtest(
    history: PriceHistory,
    policy: Policy,
    sectors: Mapping[str, str],
    rules: BacktestRules,
    index_usd: Floats | None = None,
) -> BacktestResult:
    """Run weekly cycles. `index_usd` (n_sessions,) is bought and held for comparison, without costs.

    Raises `ValueError` when the history has no cycle after the warm-up, or the index another length.
    """
    decisions = weekly_decisions(history, rules.warm_up_sessions)
    if not decisions:
        raise ValueError(f"{len(history.sessions)} sessions leave no cycle after {rules.warm_up_sessions} of warm-up")
    if index_usd is not None and len(index_usd) != len(history.sessions):
        raise ValueError(f"the index has {len(index_usd)} sessions, the history {len(history.sessions)}")
    first = decisions[0]
    account, due = _Account(history, rules), frozenset(decisions)
    cycles: list[CycleRecord] = []
    equity: list[float] = []
    for row in range(first, len(history.sessions)):
        if row - 1 in due:
            cycles.append(_cycle(account, row, policy, sectors, len(cycles)))
        account.write_off(row)
        equity.append(account.equity(row) / MONEY_UNITS_PER_USD)
    return BacktestResult(
        first=first,
        equity_usd=np.array(equity),
        equal_weight_usd=_equal_weight(history, rules, first),
        index_usd=None if index_usd is None else _held_index(index_usd[first:], rules),
        cycles=tuple(cycles),
        delistings=tuple(account.delistings),
        warning=survivorship(history),
    )


class _Account:
    """Cash and shares of a run, with the prices that it trades and is valued at."""

    def __init__(self, history: PriceHistory, rules: BacktestRules) -> None:
        self.history, self.rules, self.cash = history, rules, rules.start_cash
        self.shares: dict[str, int] = {}  # symbol -> shares above zero
        self.delistings: list[Delisting] = []
        self._column = {symbol: i for i, symbol in enumerate(history.symbols)}
        self._closes = _integer_prices(history.closes_usd)
        traded = history.closes_usd if history.opens_usd is None else history.opens_usd
        self._traded = _integer_prices(traded)
        self._last = _last_known(self._closes)

    def close(self, symbol: str, row: int) -> int:
        """The last close known at a row; 0 where there never was one."""
        return int(self._last[row, self._column[symbol]])

    def has_price(self, symbol: str, row: int) -> bool:
        """Whether the name closed on that session."""
        return bool(self._closes[row, self._column[symbol]])

    def equity(self, row: int) -> int:
        """Cash and shares at the last known closes, 1e-6 USD."""
        return self.cash + sum(notional(self.close(symbol, row), count) for symbol, count in self.shares.items())

    def position(self, symbol: str, row: int) -> Position:
        """The name at the quotes of a session; not tradable where it had none."""
        price = int(self._traded[row, self._column[symbol]])
        half = price * self.rules.half_spread_bps // BPS
        return Position(
            symbol=symbol,
            owned=self.shares.get(symbol, 0),
            price=price or self.close(symbol, row - 1),
            bid=price and max(price - half, 1),
            ask=price and price + half,
            is_tradable=price > 0,
        )

    def trade(self, symbol: str, side: int, quantity: int, price: int, fees: int) -> None:
        """Book an execution."""
        self.cash -= side * notional(price, quantity) + fees
        left = self.shares.pop(symbol, 0) + side * quantity
        if left:
            self.shares[symbol] = left

    def write_off(self, row: int) -> None:
        """Turn holdings that have had no price for long into what a delisting leaves."""
        since = max(row - GONE_SESSIONS + 1, 0)
        for symbol in sorted(self.shares):
            if self._closes[since : row + 1, self._column[symbol]].any():
                continue
            count = self.shares[symbol]
            price = self.close(symbol, row) * (BPS - DELISTING_LOSS_BPS) // BPS
            self.trade(symbol, SELL, count, price, 0)
            proceeds = notional(price, count)
            self.delistings.append(Delisting(session=row, symbol=symbol, shares=count, proceeds=proceeds))


def _cycle(account: _Account, row: int, policy: Policy, sectors: Mapping[str, str], number: int) -> CycleRecord:
    """Decide at the close before `row`, trade on it."""
    known, rules = row - 1, account.rules
    equity = max(account.equity(known), 1)
    held = {symbol: notional(account.close(symbol, known), count) / equity for symbol, count in account.shares.items()}
    halted = frozenset(symbol for symbol in account.history.symbols if not account.has_price(symbol, known))
    history = account.history.first(row)
    evidence = Evidence(cycle=number, history=history, previous=held, sectors=sectors, untradable=halted)
    target = policy(evidence)
    weights = {symbol: min(weight, 1.0) for symbol, weight in target.weights.items() if symbol not in target.locked}
    positions = [account.position(symbol, row) for symbol in sorted({*weights, *account.shares})]
    quoted = account.cash + sum(notional(each.price, each.owned) for each in positions)
    plan = make_plan(
        account.history.sessions[row].isoformat(),
        weights,
        positions,
        Funds(net_liquidation=quoted, settled_buying_power=max(account.cash, 0), proceeds_usable=True),
        replace(rules.plan, rates=fee_schedule_on(account.history.sessions[row])),
    )
    fills = _fills(plan, {each.symbol: each for each in positions}, fee_schedule_on(account.history.sessions[row]))
    for order, fill in zip(plan.orders, fills, strict=True):
        account.trade(order.symbol, order.side, fill.quantity, fill.price, fill.fees)
    return CycleRecord(
        decided=known,
        traded=row,
        method=target.method,
        plan=plan,
        fills=fills,
        refused=target.refused + plan.refused,
        cash=account.cash,
    )


def _fills(plan: Plan, positions: Mapping[str, Position], rates: FeeSchedule) -> tuple[PlanFill, ...]:
    """Each order in one piece at the far quote, which its collar always allows."""
    fills = []
    for order in plan.orders:
        quote = positions[order.symbol]
        price = quote.ask if order.side == BUY else quote.bid
        fees = fill_fees(order.side, order.quantity, price, 0, rates)
        fills.append(PlanFill(order.order_id, order.order_id, order.quantity, price, fees))
    return tuple(fills)


def _equal_weight(history: PriceHistory, rules: BacktestRules, first: int) -> Floats:
    """Equity in USD of buying the same amount of every name at the first trade, with its costs, and holding."""
    account = _Account(history, rules)
    row = first + 1
    rates = fee_schedule_on(history.sessions[row])
    quotes = [quote for symbol in history.symbols if (quote := account.position(symbol, row)).is_tradable]
    equity = [account.equity(first) / MONEY_UNITS_PER_USD]
    for quote in quotes:
        budget = rules.start_cash // len(quotes)
        quantity = affordable(budget // notional(quote.ask, 1), quote.ask, budget, rates)
        if quantity:
            account.trade(quote.symbol, BUY, quantity, quote.ask, fill_fees(BUY, quantity, quote.ask, 0, rates))
    for later in range(row, len(history.sessions)):
        account.write_off(later)
        equity.append(account.equity(later) / MONEY_UNITS_PER_USD)
    return np.array(equity)


def _held_index(levels: Floats, rules: BacktestRules) -> Floats:
    """An index bought at the first trade's close, in fractions and free of costs; flat where it has no level."""
    known = levels.copy()
    for row in range(1, len(known)):
        if not np.isfinite(known[row]):
            known[row] = known[row - 1]
    start = rules.start_cash / MONEY_UNITS_PER_USD
    return np.concatenate([[start], start * known[1:] / known[1]])


def _integer_prices(usd: Floats) -> Prices:
    """Prices in 1e-4 USD; 0 where there is none."""
    sane = np.where(np.isfinite(usd) & (usd > 0), usd, 0.0)
    return np.asarray(np.rint(sane * PRICE_UNITS_PER_USD), dtype=np.int64)


def _last_known(prices: Prices) -> Prices:
    """Each row with gaps (0) filled by what came before."""
    rows = np.where(prices > 0, np.arange(len(prices))[:, None], 0)
    return np.asarray(np.take_along_axis(prices, np.maximum.accumulate(rows, axis=0), axis=0), dtype=np.int64)
