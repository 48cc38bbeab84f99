"""Account values, positions and their updates at the gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ib_simulator import replies_account as replies
from ib_simulator.account import Account
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import StockList
from ib_simulator.orders import SimExecution
from ib_simulator.request_types import ReqAccountSummary, ReqAccountUpdates, ReqAccountUpdatesMulti
from ib_simulator.wire_order import WireContract
from market_hours import NEW_YORK
from trading.money import MONEY_UNITS_PER_USD, price_to_usd

REFRESH_S = 180  # account values are sent this often, and when a position changes
MAX_SUMMARIES = 2


@dataclass(slots=True)
class Summary:
    """One account summary subscription."""

    client: ClientConnection
    req_id: int
    tags: tuple[str, ...]


class AccountService:
    """Who wants to know what about the account."""

    def __init__(self, account: Account, stocks: StockList, now: Callable[[], datetime]) -> None:
        self._account = account
        self._stocks = stocks
        self._now = now
        self._positions: list[ClientConnection] = []
        self._updates: list[ClientConnection] = []
        self._summaries: list[Summary] = []

    def forget(self, client: ClientConnection) -> None:
        """Drop all subscriptions of a client that is gone."""
        self._positions = [other for other in self._positions if other is not client]
        self._updates = [other for other in self._updates if other is not client]
        self._summaries = [summary for summary in self._summaries if summary.client is not client]

    def tell_positions(self, client: ClientConnection) -> None:
        """Answer reqPositions and follow with changes."""
        for symbol, holding in self._account.holdings.items():
            if holding.quantity:
                client.send(self._position(symbol))
        client.send(replies.position_end())
        if client not in self._positions:
            self._positions.append(client)

    def stop_positions(self, client: ClientConnection) -> None:
        self._positions = [other for other in self._positions if other is not client]

    def follow_updates(self, client: ClientConnection, request: ReqAccountUpdates) -> None:
        """Answer reqAccountUpdates and follow with changes, or stop."""
        self._updates = [other for other in self._updates if other is not client]
        if not request.subscribe:
            return
        self._updates.append(client)
        self._tell_updates(client)
        client.send(replies.account_download_end(self._account.account_id))

    def tell_multi(self, client: ClientConnection, request: ReqAccountUpdatesMulti) -> None:
        """Answer reqAccountUpdatesMulti; this gateway sends no changes after the first answer."""
        for key, value, currency in self._account.values():
            client.send(
                replies.account_update_multi(
                    request.req_id, self._account.account_id, request.model_code, key, value, currency
                )
            )
        client.send(replies.account_update_multi_end(request.req_id))

    def follow_summary(self, client: ClientConnection, request: ReqAccountSummary) -> None:
        """Answer reqAccountSummary and refresh every three minutes."""
        active = [summary for summary in self._summaries if summary.client is client]
        if len(active) >= MAX_SUMMARIES:
            text = "Error processing request.-'cU' : cause - Maximum number of account summary requests exceeded"
            client.error(request.req_id, 322, text)
            return
        summary = Summary(client, request.req_id, request.tags)
        self._summaries.append(summary)
        self._tell_summary(summary)
        client.send(replies.account_summary_end(request.req_id))

    def stop_summary(self, client: ClientConnection, req_id: int) -> None:
        self._summaries = [s for s in self._summaries if not (s.client is client and s.req_id == req_id)]

    def on_fill(self, execution: SimExecution) -> None:
        """A position changed."""
        symbol = execution.order.symbol
        for client in self._positions:
            client.send(self._position(symbol))
        for client in self._updates:
            self._tell_updates(client, only=symbol)

    def refresh(self) -> None:
        """The three-minute refresh."""
        for client in self._updates:
            self._tell_updates(client)
        for summary in self._summaries:
            self._tell_summary(summary)

    def _tell_updates(self, client: ClientConnection, only: str = "") -> None:
        account = self._account
        for key, value, currency in account.values():
            client.send(replies.account_value(key, value, currency, account.account_id))
        time_text = f"{self._now().astimezone(NEW_YORK):%H:%M}"
        for symbol, holding in account.holdings.items():
            if only and symbol != only:
                continue
            price = account.price_of(symbol)
            worth = account.market_value(symbol)
            client.send(
                replies.portfolio_value(
                    account.account_id,
                    self._contract(symbol),
                    quantity=holding.quantity,
                    market_price_usd=price_to_usd(price),
                    market_value_usd=worth / MONEY_UNITS_PER_USD,
                    average_cost_usd=holding.average_cost_usd,
                    unrealized_pnl_usd=(worth - holding.cost) / MONEY_UNITS_PER_USD,
                    realized_pnl_usd=holding.realised / MONEY_UNITS_PER_USD,
                )
            )
        client.send(replies.account_time(time_text))

    def _tell_summary(self, summary: Summary) -> None:
        account = self._account
        for key, value, currency in account.values():
            if key in summary.tags or "All" in summary.tags:
                summary.client.send(replies.account_summary(summary.req_id, account.account_id, key, value, currency))

    def _position(self, symbol: str) -> bytes:
        holding = self._account.holdings[symbol]
        return replies.position(
            self._account.account_id, self._contract(symbol), holding.quantity, holding.average_cost_usd
        )

    def _contract(self, symbol: str) -> WireContract:
        stock = self._stocks.find(0, symbol)
        con_id = stock.con_id if stock else 0
        return WireContract(
            con_id=con_id,
            symbol=symbol,
            sec_type="STK",
            exchange="",
            currency="USD",
            local_symbol=symbol,
            primary_exchange="NASDAQ",
            trading_class="NMS",
        )
