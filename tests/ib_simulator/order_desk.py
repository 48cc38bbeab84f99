"""Order and account services over a hand-made market, and clients that write down what the real library hears."""

from __future__ import annotations

from datetime import date
from typing import Any

from ib_simulator import replies
from ib_simulator.account import Account, AccountKind
from ib_simulator.account_service import AccountService
from ib_simulator.accounts import Accounts
from ib_simulator.contracts import StockList
from ib_simulator.exchange import Exchange
from ib_simulator.market import SymbolMarket
from ib_simulator.order_service import OrderService
from ib_simulator.pnl_service import PnLService
from ib_simulator.request_types import CancelOrder, PlaceOrder, ReqExecutions
from ib_simulator.wire_order import WireContract, WireOrder
from market_hours import Session, utc_from_epoch
from tests.ib_simulator.ib_insync_peer import heard
from tests.ib_simulator.test_market import OPEN_S, Minute, tape_of
from trading.costs import FeeSchedule

VERSION = 176
CASH = 1_000_000_000_000
CLOSE_S = OPEN_S + 23_400
DAY = utc_from_epoch(OPEN_S).date()


class FakeClient:
    """Takes the place of a ClientConnection."""

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        self.version = VERSION
        self._frames: list[bytes] = []

    def send(self, *messages: bytes) -> None:
        self._frames += messages

    def error(self, request_id: int, code: int, text: str) -> None:
        self.send(replies.error(self.version, request_id, code, text))

    def calls(self) -> list[tuple[str, tuple[Any, ...]]]:
        """The library's wrapper calls since the last time."""
        frames, self._frames = self._frames, []
        return heard(self.version, *frames)

    def story(self) -> list[str]:
        """The same in short: `openOrder 1 Filled`, `orderStatus 1 Filled 100/0`, `error 1 202`."""
        return [_told(name, arguments) for name, arguments in self.calls()]


def _told(name: str, arguments: tuple[Any, ...]) -> str:
    if name == "openOrder":
        order_id, _, _, state = arguments
        fee = "" if state.commission > 1e300 else f" fee {state.commission:.2f}"
        return f"openOrder {order_id} {state.status}{fee}"
    if name == "orderStatus":
        order_id, status, filled, remaining, *_, held, _ = arguments
        return f"orderStatus {order_id} {status} {filled:.0f}/{remaining:.0f} {held}".rstrip()
    if name == "execDetails":
        return f"execDetails {arguments[0]} {arguments[2].shares:.0f} at {arguments[2].price:.2f}"
    if name == "commissionReport":
        return f"commissionReport {arguments[0].commission:.2f}"
    if name == "error":
        return f"error {arguments[0]} {arguments[1]}"
    return " ".join([name, *[str(argument) for argument in arguments]]) if len(arguments) < 4 else name


class Desk:
    """An open exchange with the market AAA, its services and some connected clients (id 1 is `client`)."""

    def __init__(
        self,
        *minutes: Minute,
        kind: AccountKind = AccountKind.MARGIN,
        accounts: tuple[str, ...] = ("DU1",),
        master: int | None = None,
        is_open: bool = True,
        cash: int = CASH,
    ) -> None:
        self.accounts = Accounts(*[Account(name, cash, self._price_of, kind=kind) for name in accounts])
        self.clients: list[FakeClient] = []
        stocks = StockList(["AAA", "BBB"])
        connected: Any = lambda: self.clients  # noqa: E731
        self.orders = OrderService(stocks, self.accounts, self.now, connected, master)
        self.exchange = Exchange(self.orders.reports, self.accounts, FeeSchedule())
        self.exchange.now_s = OPEN_S - 3_600
        self.orders.exchange = self.exchange
        self.values = AccountService(self.accounts, stocks, self.now)
        self.pnl = PnLService(self.accounts, stocks)
        self.orders.reports.on_fill = self.values.on_fill
        self.market = SymbolMarket(tape_of(minutes), previous_close=0)
        self.exchange.markets = {"AAA": self.market}
        self.client = self.connect(1)
        self.begin(DAY)
        if is_open:
            self.exchange.now_s = OPEN_S
            self.exchange.open_session(OPEN_S)

    def _price_of(self, symbol: str) -> int:
        market = self.exchange.markets.get(symbol)
        return market.last if market is not None else 0

    def now(self) -> Any:
        return utc_from_epoch(self.exchange.now_s)

    def begin(self, day: date) -> None:
        session = Session(date=day, open=utc_from_epoch(OPEN_S), close=utc_from_epoch(CLOSE_S))
        self.accounts.new_session(day)
        self.orders.new_session(session)

    def connect(self, client_id: int) -> Any:
        self.clients.append(FakeClient(client_id))
        return self.clients[-1]

    def to(self, second: int) -> None:
        """Play everything up to and including `second` after the open."""
        end_s = OPEN_S + second
        while True:
            due = [self.market.next_point_s(), self.market.next_publication_s(), self.exchange.next_condition_s()]
            now_s = max(min((s for s in due if s is not None), default=end_s + 1), self.exchange.now_s)
            if now_s > end_s:
                break
            self.exchange.now_s = now_s
            if due[0] is not None and due[0] <= now_s:
                self.exchange.on_point(self.market, self.market.step())
            if due[1] is not None and due[1] <= now_s:
                self.market.publish()
            self.exchange.on_second(now_s)
        self.exchange.now_s = end_s

    def place(self, order_id: int, action: str, quantity: float, order_type: str = "MKT", **terms: Any) -> None:
        """A client's placeOrder. `client`, `symbol` and the attributes of a WireOrder."""
        client = terms.pop("client", self.client)
        contract = WireContract(symbol=terms.pop("symbol", "AAA"), sec_type="STK", exchange="SMART", currency="USD")
        order = WireOrder(action=action, quantity=quantity, order_type=order_type, **{"transmit": True, **terms})
        request = PlaceOrder(order_id=order_id, contract=contract, sec_id_type="", sec_id="", order=order)
        self.orders.place(client, request)

    def cancel(self, order_id: int, client: Any = None) -> None:
        self.orders.cancel(client or self.client, CancelOrder(order_id=order_id))

    def executions(self, client: Any = None, **terms: Any) -> list[str]:
        empty: dict[str, Any] = {
            "req_id": 9,
            "client_id": 0,
            "account": "",
            "time": "",
            "symbol": "",
            "sec_type": "",
            "exchange": "",
            "side": "",
        }
        listener = client or self.client
        listener.calls()
        self.orders.queries.tell_executions(listener, ReqExecutions(**{**empty, **terms}))
        return [line for line in listener.story() if line.startswith("execDetails ")]
