"""Two bots on one account, reports that come late, twice and in any order: the ledgers always explain the position."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.trading.examples import PROPERTY, execution, session_book
from trading.book import Recorded, SessionBook
from trading.ledger import Position
from trading.money import notional
from trading.orders import Action, ExecutionReport, Reason
from trading.sync import SyncPolicy, plan_sync

SYMBOLS = ("AAA", "BBB")
BOTS = ("day_trader", "weekly")
SIZES = st.integers(1, 300)
PRICES = st.integers(10_000, 5_000_000)


class Held(NamedTuple):
    """A position as the broker tells it."""

    symbol: str
    quantity: float
    average_cost: int = 100_000
    is_stock: bool = True
    is_short_option: bool = False


class TwoBotsOnOneAccount(RuleBasedStateMachine):
    """`at_broker` is the truth; `untold` are executions that happened and whose reports are on their way."""

    def __init__(self) -> None:
        super().__init__()
        self.at_broker: Counter[str] = Counter()
        self.external: Counter[str] = Counter()
        self.books: dict[str, SessionBook] = {bot: session_book() for bot in BOTS}
        self.untold: dict[str, list[ExecutionReport]] = {bot: [] for bot in BOTS}
        self.told: dict[str, list[ExecutionReport]] = {bot: [] for bot in BOTS}
        self.fees: dict[str, int] = {}  # exec_id -> 1e-6 USD
        self.number = 0

    @initialize(shares=SIZES, symbol=st.sampled_from(SYMBOLS))
    def somebody_holds_shares_already(self, shares: int, symbol: str) -> None:
        self.at_broker[symbol] += shares
        self.external[symbol] += shares

    # What happens at the broker

    @rule(bot=st.sampled_from(BOTS), symbol=st.sampled_from(SYMBOLS), quantity=SIZES, price=PRICES)
    def buy(self, bot: str, symbol: str, quantity: int, price: int) -> None:
        self._execute(bot, symbol, Action.BUY, quantity, price)

    @rule(bot=st.sampled_from(BOTS), symbol=st.sampled_from(SYMBOLS), quantity=SIZES, price=PRICES)
    def sell_of_its_own(self, bot: str, symbol: str, quantity: int, price: int) -> None:
        if own := self._truly_owned(bot, symbol):
            self._execute(bot, symbol, Action.SELL, min(quantity, own), price)

    @rule(symbol=st.sampled_from(SYMBOLS), quantity=SIZES)
    def somebody_else_buys(self, symbol: str, quantity: int) -> None:
        self.at_broker[symbol] += quantity
        self.external[symbol] += quantity

    # What the ledgers hear

    @rule(bot=st.sampled_from(BOTS), data=st.data())
    @precondition(lambda self: any(self.untold.values()))
    def report(self, bot: str, data: st.DataObject) -> None:
        if self.untold[bot]:
            self._tell(bot, data.draw(st.sampled_from(self.untold[bot])))

    @rule(bot=st.sampled_from(BOTS), data=st.data())
    @precondition(lambda self: any(self.told.values()))
    def report_again(self, bot: str, data: st.DataObject) -> None:
        if self.told[bot]:
            before = (dict(self.books[bot].positions), self.books[bot].realised)
            self._tell(bot, data.draw(st.sampled_from(self.told[bot])))
            assert (self.books[bot].positions, self.books[bot].realised) == before

    @rule(bot=st.sampled_from(BOTS), fee=st.integers(0, 3_000_000), data=st.data())
    @precondition(lambda self: any(self.told.values()))
    def report_a_fee_or_revise_it(self, bot: str, fee: int, data: st.DataObject) -> None:
        if self.told[bot]:
            known = data.draw(st.sampled_from(self.told[bot]))
            self.books[bot].on_fee(known.exec_id, fee)
            self.fees[known.exec_id] = fee

    @rule(bot=st.sampled_from(BOTS), symbol=st.sampled_from(SYMBOLS), price=PRICES)
    def a_sale_of_more_than_is_owned_is_refused_and_changes_nothing(self, bot: str, symbol: str, price: int) -> None:
        book = self.books[bot]
        before = (dict(book.positions), book.realised, len(book.closed_round_trips()))
        too_many = book.positions.get(symbol, Position()).quantity + 1
        try:
            book.on_execution(execution("never", Action.SELL, too_many, price, symbol=symbol), Reason.MANUAL)
            raise AssertionError("it was booked")
        except ValueError:
            assert (book.positions, book.realised, len(book.closed_round_trips())) == before
            assert not book.knows("never")

    @rule(bot=st.sampled_from(BOTS))
    def adopt_what_nobody_explains(self, bot: str) -> None:
        """Position sync, once everything is told: as it happens at a start."""
        self._tell_all()
        before = {symbol: count for symbol, count in self.external.items() if count}
        plan = self._plan(bot)
        assert {adoption.symbol: adoption.quantity for adoption in plan.adoptions} == before
        for adoption in plan.adoptions:
            self.number += 1
            adopted = execution(
                f"e{self.number}",
                Action.BUY,
                adoption.quantity,
                adoption.average_cost,
                symbol=adoption.symbol,
                ref="sync",
            )
            self.books[bot].on_execution(adopted, Reason.SYNC)
            self.told[bot].append(adopted)
            self.external[adoption.symbol] -= adoption.quantity
        assert self._plan(bot).adoptions == ()

    @rule(bot=st.sampled_from(BOTS))
    def a_new_run_that_reads_the_record_owns_the_same(self, bot: str) -> None:
        book, again = self.books[bot], session_book()
        again.restore([], [Recorded(told, Reason.ENTRY, self.fees.get(told.exec_id)) for told in self.told[bot]])
        assert {s: p.quantity for s, p in again.positions.items()} == {s: p.quantity for s, p in book.positions.items()}
        if not book.positions:
            assert again.realised == book.realised

    # What always holds

    @invariant()
    def what_is_attributed_and_untold_is_what_the_broker_holds(self) -> None:
        for symbol in SYMBOLS:
            owned = sum(book.positions.get(symbol, Position()).quantity for book in self.books.values())
            on_the_way = sum(_signed(e) for reports in self.untold.values() for e in reports if e.symbol == symbol)
            assert owned + on_the_way + self.external[symbol] == self.at_broker[symbol]

    @invariant()
    def nothing_is_negative(self) -> None:
        for book in self.books.values():
            for position in book.positions.values():
                assert position.quantity > 0
                assert position.cost >= 0

    @invariant()
    def money_is_neither_made_nor_lost(self) -> None:
        for bot, book in self.books.items():
            cash = sum(-_signed(told) * notional(told.price, 1) for told in self.told[bot])
            cash -= sum(self.fees.get(told.exec_id, 0) for told in self.told[bot])
            assert book.realised - sum(position.cost for position in book.positions.values()) == cash

    def teardown(self) -> None:
        """In the end everything is told, and nothing is left to explain."""
        self._tell_all()
        for symbol in SYMBOLS:
            owned = sum(book.positions.get(symbol, Position()).quantity for book in self.books.values())
            assert owned + self.external[symbol] == self.at_broker[symbol]

    # How

    def _execute(self, bot: str, symbol: str, action: Action, quantity: int, price: int) -> None:
        self.number += 1
        self.untold[bot].append(execution(f"e{self.number}", action, quantity, price, symbol=symbol, ref=bot))
        self.at_broker[symbol] += quantity if action is Action.BUY else -quantity

    def _truly_owned(self, bot: str, symbol: str) -> int:
        on_the_way = sum(_signed(report) for report in self.untold[bot] if report.symbol == symbol)
        return self.books[bot].positions.get(symbol, Position()).quantity + on_the_way

    def _tell(self, bot: str, report: ExecutionReport) -> None:
        """As the bookkeeper does: once, and a sale not before its purchase."""
        book = self.books[bot]
        if book.knows(report.exec_id):
            return
        if report.action is Action.SELL and report.quantity > book.positions.get(report.symbol, Position()).quantity:
            return
        book.on_execution(report, Reason.ENTRY)
        self.untold[bot].remove(report)
        self.told[bot].append(report)

    def _tell_all(self) -> None:
        """As after a connection: all executions, in their order, twice."""
        for bot in BOTS:
            for report in [*self.untold[bot], *self.told[bot]]:
                self._tell(bot, report)
            assert self.untold[bot] == []

    def _plan(self, bot: str) -> object:
        owned, of_others = (
            {symbol: position.quantity for symbol, position in self.books[name].positions.items()}
            for name in sorted(BOTS, key=lambda name: name != bot)
        )
        held = [Held(symbol, float(count)) for symbol, count in self.at_broker.items() if count]
        return plan_sync(owned, of_others, held, SyncPolicy("adopt", SYMBOLS))


def _signed(report: ExecutionReport) -> int:
    return report.quantity if report.action is Action.BUY else -report.quantity


TwoBotsOnOneAccount.TestCase.settings = PROPERTY
TestTwoBotsOnOneAccount = TwoBotsOnOneAccount.TestCase
