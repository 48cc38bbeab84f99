"""Values that the tests of the rules start from, and how property tests run."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import settings

from trading.book import SessionBook
from trading.costs import FeeSchedule
from trading.indicators import VwapState
from trading.orders import Action, ExecutionReport
from trading.risk import BookState, RiskLimits, SymbolState
from trading.strategy import Market

# no clock and no stored examples: the same cases on every machine, and nothing left behind
EXAMPLES = settings().max_examples * 3 // 2  # 150, and fewer in the profile for mutants
PROPERTY = settings(derandomize=True, database=None, deadline=None, max_examples=EXAMPLES)

USD = 1_000_000  # one dollar of money
RATES = FeeSchedule()  # in force since 2026-04-04
OPEN_S = 1_790_602_200  # 2026-09-28 13:30:00 UTC
CLOSE_S = OPEN_S + 23_400
LIMITS = RiskLimits(max_daily_loss=500 * USD, max_drawdown=750 * USD, max_order_value=50_000 * USD)

# 20 bars at a typical price of 340.00: 3 * 3,400,000 * 20,000 shares over 20,000 shares
VWAP_340 = VwapState(sum_pv3=204_000_000_000, sum_volume=20_000)
# 340.50 x 340.54, last 340.52: above VWAP, RSI 55, ATR 2 %
WANTED = Market(
    last=3_405_200,
    bid=3_405_000,
    ask=3_405_400,
    bars=20,
    minute_volume=5_000,
    vwap=VWAP_340,
    rsi=55.0,
    atr_pct=2.0,
    quote_age_s=1,
)
BOOK = BookState(
    now_s=OPEN_S + 3_600,
    close_s=CLOSE_S,
    open_positions=0,
    entries=0,
    entries_this_tick=0,
    pause_until_s=0,
    loss_latched=False,
    drawdown_latched=False,
    entries_stopped=False,
)
FLAT = SymbolState(quantity=0, pending=False, entries=0, last_exit_s=0)


def session_book(limits: RiskLimits = LIMITS) -> SessionBook:
    """A quarter of 100,000 USD: 25,000 USD to trade with."""
    return SessionBook(equity_at_open=100_000 * USD, allocation_ppm=250_000, close_s=CLOSE_S, limits=limits)


def execution(
    exec_id: str, action: Action, quantity: int, price: int, *, symbol: str = "AAA", at_s: int = OPEN_S, ref: str = ""
) -> ExecutionReport:
    return ExecutionReport(exec_id, ref, symbol, action, quantity, price, at_s, 0, 0)


def counted_ids() -> Callable[[], str]:
    """A source of ids: id1, id2, …"""
    numbers = itertools.count(1)
    return lambda: f"id{next(numbers)}"
