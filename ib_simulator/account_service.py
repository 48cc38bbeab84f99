"""Account values, positions and their updates at the gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ib_simulator import replies_account as replies
from ib_simulator.account import Account
from ib_simulator.account_values import ValueRow, is_total, value_rows
from ib_simulator.accounts import Accounts
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import StockList
from ib_simulator.orders import Refusal, SimExecution
from ib_simulator.request_types import ReqAccountSummary, ReqAccountUpdates, ReqAccountUpdatesMulti
from ib_simulator.wire_order import WireContract
from market_hours import NEW_YORK
from trading.money import MONEY_UNITS_PER_USD, price_to_usd

REFRESH_S = 180  # account values are sent this often, and when a position changes
MAX_SUMMARIES = 2
LEDGER_ALL = "$LEDGER"  # this tag, whatever follows its colon, asks for the values by currency
UNSUBSCRIBED = "New account data requested from TWS.  API client has been unsubscribed from account data."
OTHER_SUBSCRIBED = "Unable to subscribe to account as the following clients are subscribed to a different account."


@dataclass(slots=True)
class Told:
    """What a subscriber heard last, so that only changes are sent."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)  # (key, currency) -> value

    def changes(self, rows: list[ValueRow]) -> list[ValueRow]:
        """The rows that are new, which count as told from now on."""
        new = [row for row in rows if self.values.get((row[0], row[2])) != row[1]]
        self.values.update({(key, currency): value for key, value, currency in new})
        return new


@dataclass(slots=True)
class Summary:
    """One account summary subscription."""

    client: ClientConnection
    req_id: int
    tags: tuple[str, ...]
    accounts: list[tuple[Account, Told]]


@dataclass(slots=True)
class Updates:
    """One subscription to account updates."""

    client: ClientConnection
    account: Account
    told: Told


class AccountService:
    """Who wants to know what about which account."""

    def __init__(self, accounts: Accounts, stocks: StockList, now: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._stocks = stocks
        self._now = now
        self._positions: list[ClientConnection] = []
        self._updates: list[Updates] = []
        self._summaries: list[Summary] = []

    def next_refresh_s(self) -> int | None:
        """When somebody is told of account values next without a fill, None when nobody listens."""
        if not (self._updates or self._summaries):
            return None
        now_s = int(self._now().timestamp())
        return now_s - now_s % REFRESH_S + REFRESH_S

    def forget(self, client: ClientConnection) -> None:
        """Drop all subscriptions of a client that is gone."""
        self._positions = [other for other in self._positions if other is not client]
        self._updates = [updates for updates in self._updates if updates.client is not client]
        self._summaries = [summary for summary in self._summaries if summary.client is not client]

    # Positions

    def tell_positions(self, client: ClientConnection) -> None:
        """Answer reqPositions and follow with changes."""
        for account in self._accounts.values():
            for symbol, holding in account.holdings.items():
                if holding.quantity:
                    client.send(self._position(account, symbol))
        client.send(replies.position_end())
        if client not in self._positions:
            self._positions.append(client)

    def stop_positions(self, client: ClientConnection) -> None:
        self._positions = [other for other in self._positions if other is not client]

    # Account updates

    def follow_updates(self, client: ClientConnection, request: ReqAccountUpdates) -> None:
        """Answer reqAccountUpdates and follow with changes, or stop. A gateway serves one account at a time."""
        account = self._accounts.for_request(request.account)
        if isinstance(account, Refusal):
            client.error(-1, *account)
            return
        earlier = [updates for updates in self._updates if updates.client is client]
        if request.subscribe and any(u.account is not account for u in self._updates if u.client is not client):
            client.error(-1, 2101, OTHER_SUBSCRIBED)
            return
        self._updates = [updates for updates in self._updates if updates.client is not client]
        if not request.subscribe:
            return
        if any(updates.account is not account for updates in earlier):
            client.error(-1, 2100, UNSUBSCRIBED)
        updates = Updates(client, account, Told())
        self._updates.append(updates)
        self._tell_updates(updates, [symbol for symbol, holding in account.holdings.items() if holding.quantity])
        client.send(replies.account_download_end(account.account_id))

    def tell_multi(self, client: ClientConnection, request: ReqAccountUpdatesMulti) -> None:
        """Answer reqAccountUpdatesMulti; this gateway sends no changes after the first answer."""
        account = self._accounts.for_request(request.account)
        if isinstance(account, Refusal):
            client.error(request.req_id, *account)
            return
        for key, value, currency in value_rows(account):
            client.send(
                replies.account_update_multi(
                    request.req_id, account.account_id, request.model_code, key, value, currency
                )
            )
        client.send(replies.account_update_multi_end(request.req_id))

    # Account summary

    def follow_summary(self, client: ClientConnection, request: ReqAccountSummary) -> None:
        """Answer reqAccountSummary and tell of changes every three minutes."""
        active = [summary for summary in self._summaries if summary.client is client]
        if len(active) >= MAX_SUMMARIES:
            text = "Error processing request.-'cU' : cause - Maximum number of account summary requests exceeded"
            client.error(request.req_id, 322, text)
            return
        accounts = [(account, Told()) for account in self._accounts.in_group(request.group)]
        if not accounts:
            cause = f"Group name cannot be found: {request.group}"
            client.error(request.req_id, 321, f"Error validating request.-'cU' : cause - {cause}")
            return
        summary = Summary(client, request.req_id, request.tags, accounts)
        self._summaries.append(summary)
        self._tell_summary(summary)
        client.send(replies.account_summary_end(request.req_id))

    def stop_summary(self, client: ClientConnection, req_id: int) -> None:
        self._summaries = [s for s in self._summaries if not (s.client is client and s.req_id == req_id)]

    # Changes

    def on_fill(self, execution: SimExecution) -> None:
        """A position changed. One that closed is told once more, with quantity 0."""
        account, symbol = self._accounts[execution.order.account], execution.order.symbol
        for client in self._positions:
            client.send(self._position(account, symbol))
        for updates in self._updates:
            if updates.account is account:
                self._tell_updates(updates, [symbol], [row for row in value_rows(account) if is_total(row)])

    def refresh(self) -> None:
        """The three-minute refresh."""
        for updates in self._updates:
            holdings = updates.account.holdings
            self._tell_updates(updates, [symbol for symbol, holding in holdings.items() if holding.quantity])
        for summary in self._summaries:
            self._tell_summary(summary)

    def _tell_updates(self, updates: Updates, symbols: list[str], rows: list[ValueRow] | None = None) -> None:
        account, send = updates.account, updates.client.send
        for key, value, currency in updates.told.changes(value_rows(account) if rows is None else rows):
            send(replies.account_value(key, value, currency, account.account_id))
        time_text = f"{self._now().astimezone(NEW_YORK):%H:%M}"
        for symbol in symbols:
            holding, worth = account.holdings[symbol], account.market_value(symbol)
            send(
                replies.portfolio_value(
                    account.account_id,
                    self._contract(symbol),
                    quantity=holding.quantity,
                    market_price_usd=price_to_usd(account.price_of(symbol)),
                    market_value_usd=worth / MONEY_UNITS_PER_USD,
                    average_cost_usd=holding.average_cost_usd,
                    unrealized_pnl_usd=(worth - holding.cost) / MONEY_UNITS_PER_USD,
                    realized_pnl_usd=holding.realised / MONEY_UNITS_PER_USD,
                ),
                replies.account_time(time_text),
            )
        send(replies.account_time(time_text))

    def _tell_summary(self, summary: Summary) -> None:
        tags = summary.tags
        ledger = any(tag.startswith(LEDGER_ALL) for tag in tags)
        for account, told in summary.accounts:
            for key, value, currency in told.changes(
                [
                    row
                    for row in value_rows(account)
                    if ((row[0] in tags or "All" in tags) and row[2] != "BASE") or (ledger and row[2] == "BASE")
                ]
            ):
                summary.client.send(replies.account_summary(summary.req_id, account.account_id, key, value, currency))

    def _position(self, account: Account, symbol: str) -> bytes:
        holding = account.holdings[symbol]
        return replies.position(account.account_id, self._contract(symbol), holding.quantity, holding.average_cost_usd)

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
