"""What the broker tells the rest of the house: small domain values, and the ports it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from trading.orders import ExecutionReport, OrderIntent, OrderReport, OrderTerms


class Quote(NamedTuple):
    """The latest market of a symbol. Prices in 1e-4 USD (0: none), `at_s` epoch second of the last tick."""

    bid: int = 0
    ask: int = 0
    last: int = 0
    at_s: int = 0
    halted: bool = False
    delayed: bool = False


class AccountState(NamedTuple):
    """The account at one instant. Money in 1e-6 USD.

    `settled_cash` and `cash` (below zero: borrowed) are None where the gateway does not tell them. `day_trades_left` is
    the account's own flag, -1 where it does not limit them.
    """

    account_id: str
    net_liquidation: int
    available_funds: int
    is_cash: bool = False
    settled_cash: int | None = None
    day_trades_left: int = -1
    cash: int | None = None

    @property
    def spendable(self) -> int:
        """What new positions may bind. A cash account spends settled cash only: it cannot violate good faith.

        IBKR's available funds of a cash account are its settled cash; where both are told, the smaller one counts.
        """
        if self.is_cash and self.settled_cash is not None:
            return min(self.available_funds, self.settled_cash)
        return self.available_funds

    @property
    def unborrowed(self) -> int:
        """What may be spent without a loan: a margin account's funds are more than its cash."""
        return self.spendable if self.cash is None else max(min(self.spendable, self.cash), 0)

    @property
    def is_paper(self) -> bool:
        """Paper or live is decided by the account id alone: ids that start with D are paper."""
        return self.account_id.startswith("D")


class BrokerPosition(NamedTuple):
    """A net position at the broker. `average_cost` in 1e-4 USD a share, fees included."""

    symbol: str
    quantity: float
    average_cost: int
    is_stock: bool
    is_short_option: bool = False  # on `symbol`: its shares may be what covers it


class FilledOrder(NamedTuple):
    """What an order says it filled. `price` is its average in 1e-4 USD, 0: not told."""

    quantity: int
    price: int


class FinishedSale(NamedTuple):
    """A sell order that is over, as the broker lists it: `quantity` shares of it were sold."""

    perm_id: int
    order_ref: str
    symbol: str
    quantity: int


class RestingOrder(NamedTuple):
    """An order alive at the broker, for reports and reconciliation. The price is 0 for market orders."""

    order_ref: str
    symbol: str
    action: str
    quantity: float
    order_type: str
    price_usd: float
    tif: str
    status: str
    order_id: int
    perm_id: int
    client_id: int


class BrokerListener(Protocol):
    """Who hears what happens at the broker. All calls are synchronous, in the order of the messages."""

    def on_order(self, report: OrderReport) -> None:
        """The state of one of our orders changed."""

    def on_terms(self, terms: OrderTerms) -> None:
        """Size and prices of one of our live orders, as the broker has them."""

    def on_execution(self, execution: ExecutionReport) -> None:
        """An execution of any order on the account, once or more often."""

    def on_fee(self, exec_id: str, fee: int) -> None:
        """Commission and fees (1e-6 USD) of an execution."""

    def on_message(self, code: int, text: str, order_ref: str) -> None:
        """A message of the gateway that is not a mere notice."""


class IntentStore(Protocol):
    """Where intents are written before they are sent."""

    def commit(self, intents: Sequence[OrderIntent]) -> Awaitable[None]:
        """Write the intents of one bracket durably, in one transaction."""

    def sent(self, intent_id: str, order_id: int, client_id: int) -> None:
        """The intent went out under this order id."""

    def reported(self, report: OrderReport) -> None:
        """The broker told the state of an intent."""

    def terms(self, terms: OrderTerms) -> None:
        """The broker told size and prices of an intent's order."""
