"""Profit and loss streams at the gateway: reqPnL of an account and reqPnLSingle of a position.

Values go out when they changed, at most once a second. Prices change at path points and positions with fills, so the
gateway asks after those; without a subscription there is nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from ib_simulator import replies_account as replies
from ib_simulator.account import Account
from ib_simulator.accounts import Accounts
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import StockList
from ib_simulator.orders import Refusal
from ib_simulator.request_types import ById, ReqPnL, ReqPnLSingle
from trading.money import MONEY_UNITS_PER_USD


@dataclass(slots=True)
class PnLLine:
    """One subscription, to an account or (with a symbol) to a position."""

    client: ClientConnection
    req_id: int
    account: Account
    symbol: str = ""
    told: bytes = b""


class PnLService:
    """Who wants to know what was earned."""

    def __init__(self, accounts: Accounts, stocks: StockList) -> None:
        self._accounts = accounts
        self._stocks = stocks
        self.lines: list[PnLLine] = []

    def forget(self, client: ClientConnection) -> None:
        """Drop all subscriptions of a client that is gone."""
        self.lines = [line for line in self.lines if line.client is not client]

    def follow(self, client: ClientConnection, request: ReqPnL) -> None:
        """Answer reqPnL and follow with changes."""
        account = self._subscribable(client, request.req_id, request.account)
        if account is not None:
            self._add(PnLLine(client, request.req_id, account))

    def follow_single(self, client: ClientConnection, request: ReqPnLSingle) -> None:
        """Answer reqPnLSingle and follow with changes."""
        account = self._subscribable(client, request.req_id, request.account)
        if account is None:
            return
        stock = self._stocks.find(request.con_id, "") if request.con_id else None
        if stock is None:
            client.error(request.req_id, 321, "Error validating request.-'cv' : cause - Invalid contract id")
            return
        self._add(PnLLine(client, request.req_id, account, stock.symbol))

    def unfollow(self, client: ClientConnection, request: ById) -> None:
        """Stop either kind of stream."""
        kept = [line for line in self.lines if not (line.client is client and line.req_id == request.req_id)]
        if len(kept) == len(self.lines):
            client.error(request.req_id, 300, f"Can't find EId with tickerId:{request.req_id}")
        self.lines = kept

    def tell_changes(self) -> None:
        """Send what changed since it was told last."""
        for line in self.lines:
            self._tell(line)

    def _subscribable(self, client: ClientConnection, req_id: int, account_id: str) -> Account | None:
        account = self._accounts.for_order(account_id)
        if isinstance(account, Refusal):
            client.error(req_id, *account)
            return None
        if any(line.client is client and line.req_id == req_id for line in self.lines):
            client.error(req_id, 322, "Error processing request.-'cU' : cause - Duplicate ticker id")
            return None
        return account

    def _add(self, line: PnLLine) -> None:
        self.lines.append(line)
        self._tell(line)

    def _tell(self, line: PnLLine) -> None:
        message = _single(line) if line.symbol else _whole(line)
        if message != line.told:
            line.told = message
            line.client.send(message)


def _whole(line: PnLLine) -> bytes:
    account = line.account
    daily = sum(account.day_profit(symbol) for symbol in account.holdings)
    return replies.pnl(line.req_id, _usd(daily), _usd(account.unrealised()), _usd(account.realised()))


def _single(line: PnLLine) -> bytes:
    """Nothing is available about a symbol that the account did not hold today, nor values without a price."""
    account, symbol = line.account, line.symbol
    holding = account.holdings.get(symbol)
    if holding is None:
        return replies.pnl_single(line.req_id, 0, None, None, None, None)
    if holding.quantity and not account.price_of(symbol):
        return replies.pnl_single(line.req_id, holding.quantity, None, None, _usd(holding.realised), None)
    value = account.market_value(symbol)
    unrealised = _usd(value - holding.cost) if holding.quantity else None
    daily = _usd(account.day_profit(symbol))
    return replies.pnl_single(line.req_id, holding.quantity, daily, unrealised, _usd(holding.realised), _usd(value))


def _usd(money: int) -> float:
    return money / MONEY_UNITS_PER_USD
