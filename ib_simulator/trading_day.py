"""The course of a session at the gateway: what happens in which second, in which order. No waiting, no sockets."""

from __future__ import annotations

from collections.abc import Callable

from ib_simulator.account_service import REFRESH_S, AccountService
from ib_simulator.accounts import Accounts
from ib_simulator.contracts import StockList
from ib_simulator.data_service import DataService
from ib_simulator.exchange import Exchange
from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.order_service import OrderService
from ib_simulator.orders import SimExecution
from ib_simulator.payouts import cancel_delisted, delist, pay_dividend
from ib_simulator.pnl_service import PnLService
from ib_simulator.splits import split_orders, split_position
from ib_simulator.tape_player import TapePlayer
from ib_simulator.trading_hours import TradingHours, trading_hours
from market_hours import Session
from trading.costs import fee_schedule_on


class TradingDay:
    """The session being played, over the parts of a gateway that it moves. `now_s` is the clock.

    `wake` is called when something is due earlier than was said before.
    """

    def __init__(
        self,
        player: TapePlayer,
        exchange: Exchange,
        stocks: StockList,
        accounts: Accounts,
        orders: OrderService,
        data: DataService,
        account_service: AccountService,
        pnl: PnLService,
        now_s: Callable[[], int],
        wake: Callable[[], None],
        *,
        extended_hours: bool,
        splits_cancel_orders: bool,
    ) -> None:
        self._extended_hours = extended_hours
        self._player = player
        self._exchange = exchange
        self._stocks = stocks
        self._accounts = accounts
        self._orders = orders
        self._data = data
        self._account_service = account_service
        self._pnl = pnl
        self._now_s = now_s
        self._wake = wake
        self._splits_cancel_orders = splits_cancel_orders
        self._pnl_due_s = 0  # when a fill is told to those who follow profit and loss, 0 when there is none
        self._hours: TradingHours
        self.session: Session | None = None
        orders.reports.on_fill = self._on_fill

    @property
    def open_until_s(self) -> int:
        """When the session that is open closes, 0 when none is."""
        return self.session.close_s if self.session is not None and self._exchange.is_open else 0

    @property
    def extended_until_s(self) -> int:
        """When the day that is being traded ends with its post-market, 0 when there is none."""
        trades = self._exchange.is_open or self._exchange.is_extended
        return self._hours.last_s if trades and self._extended_hours else 0

    def begin(self, session: Session) -> None:
        """Midnight before `session`: splits, dividends and delistings, fee rates, a new day in every account."""
        self.session = session
        self._hours = trading_hours(session, extended=self._extended_hours)
        self._data.begin(session)
        for symbol, actions in self._player.begin(session).items():
            for action in actions:
                self._act_on(symbol, action)
        self._exchange.rates = fee_schedule_on(session.date)
        self._accounts.new_session(session.date)
        self._orders.new_session(session)
        held = [symbol for account in self._accounts.values() for symbol in account.holdings]
        orders = self._exchange.orders.values()
        ordered = {symbol for order in orders for symbol in (order.symbol, *[rule.symbol for rule in order.conditions])}
        for symbol in sorted({*self._data.followed(), *held, *ordered} - {""}):
            self._player.market(symbol)

    def next_second(self) -> int | None:
        """The next second at which something happens, None when the day is over."""
        now_s, hours, exchange = self._now_s(), self._hours, self._exchange
        if not (exchange.is_open or exchange.is_extended):
            return max(hours.first_s, now_s) if now_s < hours.last_s else None
        if exchange.is_open:
            phase_ends_s = hours.close_s
        else:
            phase_ends_s = hours.open_s if now_s <= hours.open_s else hours.last_s
        parts = (self._player.next_s(), self._exchange.next_condition_s(), self._account_service.next_refresh_s())
        due = [phase_ends_s, *(second for second in parts if second is not None)]
        if self._pnl_due_s:
            due.append(self._pnl_due_s)
        return min(max(min(due), now_s), phase_ends_s)

    def act(self, session: Session, second: int) -> None:
        """Everything that happens in one second."""
        exchange, hours = self._exchange, self._hours
        exchange.now_s = second
        if not exchange.is_open and hours.is_regular(second):
            exchange.open_session(second)
        elif not (exchange.is_open or exchange.is_extended):
            exchange.open_extended(second)
        self._player.act(session, second)
        exchange.on_second(second)
        if self._pnl.lines or self._pnl_due_s:
            self._pnl_due_s = 0
            self._pnl.tell_changes()
        if second % REFRESH_S == 0:
            self._account_service.refresh()
        if exchange.is_open and second >= hours.close_s:
            self._player.close()
            exchange.close_session(second, goes_on=self._extended_hours)
            if self._extended_hours:
                exchange.open_extended(second)
        elif exchange.is_extended and second >= hours.last_s:
            self._player.close()
            exchange.close_extended(second)

    def _act_on(self, symbol: str, action: Action) -> None:
        for account in self._accounts.values():
            pay_dividend(account, symbol, action.dividend)
            if action.payout is not None:
                delist(account, symbol, action.payout)
            elif action.split != 1:
                split_position(account, symbol, action.split)
        if action.payout is not None:
            cancel_delisted(self._exchange, symbol)
            self._stocks.delist(symbol)
        elif action.split != 1:
            split_orders(self._exchange, symbol, action.split, cancels=self._splits_cancel_orders)

    def _on_fill(self, execution: SimExecution) -> None:
        self._account_service.on_fill(execution)
        if self._pnl.lines:
            self._pnl_due_s = self._now_s() + 1
            self._wake()
