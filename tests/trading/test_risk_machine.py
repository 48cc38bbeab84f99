"""A book that trades at random under the rules: capital is never exceeded, limits hold, reductions always pass."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.trading.examples import LIMITS, OPEN_S, PROPERTY, RATES, USD, VWAP_340, WANTED, execution, session_book
from trading.book import PendingEntry
from trading.costs import BUY, SELL, fill_fees
from trading.judgement import Judgement, judge_entry
from trading.ledger import Position
from trading.matching import MIN_VOLUME_BUDGET
from trading.money import BPS, notional
from trading.orders import Action, Reason
from trading.rules import Rule
from trading.sizing import symbol_budget
from trading.strategy import Parameters

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
LIMITED = LIMITS._replace(
    max_daily_loss=60 * USD,
    max_drawdown=90 * USD,
    max_open_positions=4,
    max_entries_per_session=9,
    max_entries_per_symbol=3,
)
ANY_SYMBOL = st.sampled_from(SYMBOLS)


class TradingUnderTheRules(RuleBasedStateMachine):
    """Prices move, entries are judged, fill in part or not at all, and are sold again."""

    def __init__(self) -> None:
        super().__init__()
        self.book = session_book(LIMITED)
        self.now_s = OPEN_S + 1_800
        self.price = dict.fromkeys(SYMBOLS, 3_405_000)
        self.volume = dict.fromkeys(SYMBOLS, 5_000)
        self.filled: dict[str, int] = {}  # intent_id -> shares of an entry that were filled
        self.budget = symbol_budget(self.book.equity_at_open, self.book.allocation_ppm, 4, 0)
        self.number = 0
        self.peak = 0
        self.has_lost = False  # for this session, whatever comes after
        self.has_fallen = False

    @rule(symbol=ANY_SYMBOL, change_bps=st.integers(-400, 400), volume=st.integers(0, 20_000))
    def the_price_moves(self, symbol: str, change_bps: int, volume: int) -> None:
        moved = self.price[symbol] * (BPS + change_bps) // BPS // 100 * 100
        self.price[symbol] = min(max(moved, 3_402_000), 4_000_000)  # above VWAP: the strategy wants it always
        self.volume[symbol] = volume
        self._mark()

    @rule(change_bps=st.integers(-900, 900))
    def bids_are_elsewhere_for_an_instant(self, change_bps: int) -> None:
        """And are back at once: peaks and latches must be remembered."""
        self._mark(change_bps)
        self._mark()

    @rule(seconds=st.integers(5, 1_500))
    def time_passes(self, seconds: int) -> None:
        self.now_s += seconds

    @rule(why=st.sampled_from(["kill switch", "shares are missing"]))
    @precondition(lambda self: self.number > 15)
    def entries_are_stopped(self, why: str) -> None:
        self.book.entries_stopped = why

    @rule(symbol=ANY_SYMBOL)
    def an_entry_is_judged(self, symbol: str) -> None:
        book = self.book
        state = book.book_state(self.now_s, 0)
        was_free, symbol_state = book.free_capital, book.symbol_state(symbol)
        judgement = self._judge(symbol)
        if judgement.rule != Rule.APPROVED:
            return
        assert not (self.has_lost or self.has_fallen or book.entries_stopped)
        assert state.open_positions < LIMITED.max_open_positions
        assert state.entries < LIMITED.max_entries_per_session
        assert symbol_state.entries < LIMITED.max_entries_per_symbol
        assert symbol_state.quantity == 0
        assert not symbol_state.pending
        assert self.now_s < book.close_s - LIMITED.last_entry_s
        value = notional(judgement.collar, judgement.quantity)
        assert judgement.quantity > 0
        assert value <= min(self.budget, LIMITED.max_order_value, was_free)
        by_volume = max(MIN_VOLUME_BUDGET, self.volume[symbol] * LIMITED.volume_share_bps // BPS)
        assert judgement.quantity <= by_volume
        self.number += 1
        entry = PendingEntry(f"i{self.number}", judgement.quantity, judgement.collar, judgement.capital - value)
        book.add_pending(symbol, entry)
        self.filled[entry.intent_id] = 0
        at_risk = sum(position.cost for position in book.positions.values())
        at_risk += sum(pending.capital for pending in book.pending.values())
        assert at_risk * 1_000_000 <= (book.equity_at_open + book.pnl) * book.allocation_ppm
        assert self._judge(symbol).rule == Rule.ENTRY_PENDING

    @rule(symbol=ANY_SYMBOL, share_pct=st.integers(1, 100))
    def an_entry_fills(self, symbol: str, share_pct: int) -> None:
        entry = self.book.pending.get(symbol)
        if entry is None:
            return
        quantity = max(entry.quantity * share_pct // 100, 1)
        self._execute(symbol, Action.BUY, quantity, min(self.price[symbol] + 200, entry.collar), entry.intent_id)
        self.filled[entry.intent_id] += quantity

    @rule(symbol=ANY_SYMBOL)
    def an_entry_expires(self, symbol: str) -> None:
        entry = self.book.pending.get(symbol)
        if entry is not None:
            self.book.drop_pending(symbol, entry.intent_id, self.filled[entry.intent_id])
            assert symbol not in self.book.pending

    @rule(symbol=ANY_SYMBOL, share_pct=st.integers(1, 100))
    def a_reduction_is_never_refused(self, symbol: str, share_pct: int) -> None:
        owned = self.book.positions.get(symbol, Position()).quantity
        if owned:
            quantity = max(owned * share_pct // 100, 1)
            self._execute(symbol, Action.SELL, quantity, self.price[symbol] - 200, "exit")
            assert self.book.positions.get(symbol, Position()).quantity == owned - quantity

    @invariant()
    def latches_stay(self) -> None:
        assert self.book.loss_latched == self.has_lost
        assert self.book.drawdown_latched == self.has_fallen

    @invariant()
    def what_is_free_was_never_given_twice(self) -> None:
        book = self.book
        assert book.free_capital >= 0
        at_risk = sum(position.cost for position in book.positions.values())
        at_risk += sum(pending.capital for pending in book.pending.values())
        allowed = (book.equity_at_open + book.pnl) * book.allocation_ppm // 1_000_000
        assert book.free_capital == max(allowed - at_risk, 0) or book.free_capital < allowed - at_risk

    def _judge(self, symbol: str) -> Judgement:
        price = self.price[symbol]
        market = WANTED._replace(
            last=price, bid=price - 200, ask=price + 200, minute_volume=self.volume[symbol], vwap=VWAP_340
        )
        return judge_entry(
            market,
            self.book.symbol_state(symbol),
            self.book.book_state(self.now_s, 0),
            self.budget,
            self.book.free_capital,
            Parameters(),
            LIMITED,
            RATES,
        )

    def _execute(self, symbol: str, action: Action, quantity: int, price: int, reference: str) -> None:
        self.number += 1
        report = execution(f"e{self.number}", action, quantity, price, symbol=symbol, at_s=self.now_s, ref=reference)
        self.book.on_execution(report, Reason.ENTRY if action is Action.BUY else Reason.STOP_LOSS)
        side = BUY if action is Action.BUY else SELL
        self.book.on_fee(report.exec_id, fill_fees(side, quantity, price, 0, RATES))
        self._mark()

    def _mark(self, change_bps: int = 0) -> None:
        """An agent instant, and what the limits say about it: written down apart from the book's own latches."""
        self.book.mark({name: (price - 200) * (BPS + change_bps) // BPS for name, price in self.price.items()})
        self.peak = max(self.peak, self.book.pnl)
        self.has_lost = self.has_lost or self.book.pnl <= -LIMITED.max_daily_loss
        self.has_fallen = self.has_fallen or self.peak - self.book.pnl >= LIMITED.max_drawdown


TradingUnderTheRules.TestCase.settings = PROPERTY
TestTradingUnderTheRules = TradingUnderTheRules.TestCase
