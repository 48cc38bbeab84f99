"""A session of IBKR's own client, ibapi, with a gateway on the given port: `... ibapi_journey PORT`. Exits 0."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper

ACCOUNT = "DU1000001"
LARGE = 3_000_000  # shares, more than many minutes' volume budgets
BID, ASK, LAST, CLOSE = 1, 2, 4, 9
QUIET = {2104, 2106, 2107, 2108, 2158}

STOCK = Contract()
STOCK.symbol, STOCK.secType, STOCK.exchange, STOCK.currency = "AAA", "STK", "SMART", "USD"


class Client(EWrapper, EClient):  # type: ignore[misc]  # ibapi has no types
    """Keeps what it is told. `heard` are the callbacks as (name, arguments), oldest first."""

    def __init__(self, port: int, client_id: int) -> None:
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.heard: list[tuple[str, tuple[Any, ...]]] = []
        self.changed = threading.Condition()
        self.connect("127.0.0.1", port, client_id)
        self.messages = threading.Thread(target=self.run, daemon=True)
        self.messages.start()

    def __getattribute__(self, name: str) -> Any:
        if hasattr(EWrapper, name) and name not in ("__init__", "__class__", "__dict__", "logAnswer"):
            return lambda *arguments: self.keep(name, arguments)
        return super().__getattribute__(name)

    def keep(self, name: str, arguments: tuple[Any, ...]) -> None:
        with self.changed:
            self.heard.append((name, arguments))
            self.changed.notify_all()

    def told(self, name: str, first: Any = None) -> list[tuple[Any, ...]]:
        """Arguments of all callbacks of that name, and that first argument if given."""
        return [arguments for known, arguments in list(self.heard) if known == name and first in (None, *arguments[:1])]

    def wait(self, found: Callable[[], Any], what: str, limit_s: float = 15.0) -> Any:
        """`found()` once it is true. Raises AssertionError after `limit_s` seconds of real time."""
        with self.changed:
            if not self.changed.wait_for(found, limit_s):
                tail = [entry for entry in self.heard if not entry[0].startswith("tick")][-12:]
                raise AssertionError(f"{what}: not within {limit_s} s; heard last {tail}")
            return found()

    def answer(self, name: str, first: Any = None) -> tuple[Any, ...]:
        """Arguments of the first such callback, once it came."""
        self.wait(lambda: self.told(name, first), f"{name} {first}")
        return self.told(name, first)[0]

    def codes(self, request_id: int) -> list[int]:
        return [arguments[1] for arguments in self.told("error", request_id)]

    def status(self, order_id: int) -> tuple[str, float, float] | None:
        """Status, filled and remaining of the last orderStatus."""
        told = self.told("orderStatus", order_id)
        return (told[-1][1], float(told[-1][2]), float(told[-1][3])) if told else None

    def finish(self) -> None:
        reader = self.reader
        self.disconnect()
        self.messages.join(5)
        if reader is not None:
            reader.join(5)  # the socket closes only when the reader's recv times out, after a second
        assert not self.messages.is_alive()


def order(action: str, quantity: float, order_type: str, limit: float = 0.0, stop: float = 0.0, **more: Any) -> Order:
    made = Order()
    made.action, made.totalQuantity, made.orderType = action, quantity, order_type
    if limit:
        made.lmtPrice = limit
    if stop:
        made.auxPrice = stop
    for name, value in more.items():
        setattr(made, name, value)
    return made


def contracts(client: Client) -> int:
    """Returns the contract's id."""
    assert client.answer("managedAccounts") == (ACCOUNT,)
    client.reqContractDetails(1, STOCK)
    _, details = client.answer("contractDetails", 1)
    client.answer("contractDetailsEnd", 1)
    assert (details.contract.symbol, details.minTick) == ("AAA", 0.01)
    assert details.contract.conId > 0
    client.reqMatchingSymbols(2, "AA")
    assert [row.contract.symbol for row in client.answer("symbolSamples", 2)[1]] == ["AAA"]
    client.reqMarketRule(26)
    assert client.answer("marketRule", 26)[1][-1].increment == 0.01
    client.reqCurrentTime()
    client.answer("currentTime")
    unknown = Contract()
    unknown.symbol, unknown.secType, unknown.exchange, unknown.currency = "NONE", "STK", "SMART", "USD"
    client.reqContractDetails(3, unknown)
    client.wait(lambda: client.codes(3) == [200], "the refusal of an unknown stock")
    contract_id: int = details.contract.conId
    return contract_id


def history(client: Client) -> None:
    client.reqHistoricalData(10, STOCK, "", "30 D", "1 day", "TRADES", 1, 1, False, [])
    client.answer("historicalDataEnd", 10)
    assert len(client.told("historicalData", 10)) >= 30
    client.reqHistoricalData(11, STOCK, "", "1800 S", "1 min", "TRADES", 1, 2, False, [])
    client.answer("historicalDataEnd", 11)
    bars = [bar for _, bar in client.told("historicalData", 11)]
    assert all(bar.low <= bar.close <= bar.high and bar.volume > 0 for bar in bars)
    client.reqHistoricalData(12, STOCK, "", "1800 S", "1 min", "TRADES", 1, 2, True, [])
    client.answer("historicalDataEnd", 12)
    client.wait(
        lambda: len({bar.date for _, bar in client.told("historicalDataUpdate", 12)}) >= 2, "updates of two minutes"
    )
    client.cancelHistoricalData(12)
    client.reqHeadTimeStamp(13, STOCK, "TRADES", 1, 2)
    assert int(client.answer("headTimestamp", 13)[1]) < int(bars[0].date)


def stream(client: Client) -> dict[int, float]:
    """Returns the last prices by tick type."""

    def prices() -> dict[int, float]:
        return {kind: price for _, kind, price, _ in client.told("tickPrice", 20)}

    client.reqMktData(20, STOCK, "233", False, False, [])
    client.wait(lambda: {BID, ASK, LAST, CLOSE} <= prices().keys(), "quotes")
    client.wait(lambda: len({price for _, kind, price, _ in client.told("tickPrice", 20) if kind == LAST}) > 2, "moves")
    assert 0 < prices()[BID] < prices()[ASK]
    client.answer("tickReqParams", 20)
    client.reqRealTimeBars(21, STOCK, 5, "TRADES", True, [])
    client.wait(lambda: len(client.told("realtimeBar", 21)) >= 3, "three real-time bars")
    times = [told[1] for told in client.told("realtimeBar", 21)]
    assert all(later - start == 5 for start, later in pairwise(times))
    assert times[0] % 5 == 0
    client.cancelRealTimeBars(21)
    client.reqTickByTickData(22, STOCK, "BidAsk", 0, False)
    client.answer("tickByTickBidAsk", 22)
    client.cancelTickByTickData(22)
    client.reqMktData(23, STOCK, "", True, False, [])
    client.answer("tickSnapshotEnd", 23)
    client.cancelMktData(20)
    return prices()


def bracket(client: Client, first_id: int, ask: float) -> None:
    """Buys 100; a target and a stop far away stay."""
    client.placeOrder(first_id, STOCK, order("BUY", 100, "LMT", round(ask * 1.01, 2), transmit=False, orderRef="entry"))
    children = {"parentId": first_id, "tif": "GTC"}
    client.placeOrder(first_id + 1, STOCK, order("SELL", 100, "LMT", round(ask * 1.5, 2), transmit=False, **children))
    client.placeOrder(first_id + 2, STOCK, order("SELL", 100, "STP", stop=round(ask * 0.5, 2), **children))
    client.wait(lambda: client.status(first_id) == ("Filled", 100, 0), "the entry fills")
    client.wait(lambda: client.status(first_id + 1) == ("Submitted", 0, 100), "the target works")
    client.wait(lambda: client.status(first_id + 2) == ("PreSubmitted", 0, 100), "the stop waits")
    (execution,) = [told[2] for told in client.told("execDetails") if told[2].orderId == first_id]
    assert (execution.side, execution.shares, execution.orderRef) == ("BOT", 100, "entry")
    client.wait(
        lambda: [told for told in client.told("commissionReport") if told[0].execId == execution.execId], "commission"
    )


def partial_fill(client: Client, order_id: int, bid: float, ask: float) -> float:
    """A large order fills in part; the rest is modified and cancelled. Returns the shares bought."""
    client.placeOrder(order_id, STOCK, order("BUY", LARGE, "LMT", round(ask * 1.02, 2)))
    client.wait(lambda: 0 < (client.status(order_id) or ("", 0, 0))[1] < LARGE, "a partial fill")
    client.placeOrder(order_id, STOCK, order("BUY", LARGE, "LMT", round(bid * 0.5, 2)))
    client.wait(
        lambda: client.told("openOrder", order_id)[-1][2].lmtPrice == round(bid * 0.5, 2), "the modified order is told"
    )
    _, filled, _ = client.status(order_id) or ("", 0.0, 0.0)
    time.sleep(1.0)
    assert client.status(order_id) == ("Submitted", filled, LARGE - filled)
    client.cancelOrder(order_id)
    client.wait(lambda: client.status(order_id) == ("Cancelled", filled, LARGE - filled), "the cancel")
    client.wait(lambda: client.codes(order_id) == [202], "the notice of the cancel")
    return filled


def account(client: Client, contract_id: int, shares: float) -> None:
    client.reqPositions()
    client.answer("positionEnd")
    name, contract, held, cost = client.told("position")[-1]
    assert (name, contract.symbol, held) == (ACCOUNT, "AAA", shares)
    assert cost > 0
    client.cancelPositions()
    client.reqAccountUpdates(True, ACCOUNT)
    client.answer("accountDownloadEnd", ACCOUNT)
    values = {key: value for key, value, currency, _ in client.told("updateAccountValue") if currency in ("", "USD")}
    assert float(values["NetLiquidation"]) > 1e8
    assert [row[1] for row in client.told("updatePortfolio")][-1] == shares
    client.reqAccountUpdates(False, ACCOUNT)
    client.reqAccountSummary(30, "All", "NetLiquidation,BuyingPower")
    client.answer("accountSummaryEnd", 30)
    assert sorted(told[2] for told in client.told("accountSummary", 30)) == ["BuyingPower", "NetLiquidation"]
    client.cancelAccountSummary(30)
    client.reqPnL(31, ACCOUNT, "")
    client.answer("pnl", 31)
    client.reqPnLSingle(32, ACCOUNT, "", contract_id)
    assert client.answer("pnlSingle", 32)[1] == shares
    client.cancelPnL(31)
    client.cancelPnLSingle(32)


def second_client(client: Client, port: int, stop_id: int) -> None:
    other = Client(port, 2)
    other.answer("nextValidId")
    other.reqAllOpenOrders()
    other.answer("openOrderEnd")
    assert stop_id in [told[0] for told in other.told("openOrder")]
    other.cancelOrder(stop_id)
    other.wait(lambda: other.codes(stop_id) == [10147], "the refusal to cancel another client's order")
    assert client.status(stop_id) == ("PreSubmitted", 0, 100)
    loser = Client(port, 2)
    loser.wait(lambda: 326 in loser.codes(-1), "client id in use")
    loser.finish()
    other.reqIds(-1)
    other.wait(lambda: len(other.told("nextValidId")) == 2, "the answer to reqIds")
    other.finish()


def reconnected(port: int, first_id: int, large_id: int, bought: float) -> None:
    client = Client(port, 1)
    assert client.answer("nextValidId")[0] > large_id
    client.reqExecutions(40, ExecutionFilter())
    client.answer("execDetailsEnd", 40)
    executions = [told[2] for told in client.told("execDetails", 40)]
    assert sum(execution.shares for execution in executions) == bought
    reported = {told[0].execId for told in client.told("commissionReport")}
    assert {execution.execId for execution in executions} == reported
    client.reqOpenOrders()
    client.answer("openOrderEnd")
    assert sorted({told[0] for told in client.told("openOrder")}) == [first_id + 1, first_id + 2]
    client.reqCompletedOrders(False)
    client.answer("completedOrdersEnd")
    states = {told[1].permId: told[2].status for told in client.told("completedOrder")}
    assert sorted(states.values()) == ["Cancelled", "Filled"]
    client.reqGlobalCancel()
    for order_id in (first_id + 1, first_id + 2):
        client.wait(lambda order_id=order_id: (client.status(order_id) or ("",))[0] == "Cancelled", "global cancel")
    client.placeOrder(large_id + 1, STOCK, order("SELL", 100, "MKT"))
    client.wait(lambda: (client.status(large_id + 1) or ("",))[0] == "Filled", "a sale")
    client.finish()


def main(port: int) -> None:
    """The whole journey."""
    client = Client(port, 1)
    (first_id,) = client.answer("nextValidId")
    assert client.serverVersion() == 157
    contract_id = contracts(client)
    history(client)
    prices = stream(client)
    bracket(client, first_id, prices[ASK])
    bought = 100 + partial_fill(client, first_id + 3, prices[BID], prices[ASK])
    account(client, contract_id, bought)
    second_client(client, port, first_id + 2)
    told = {code for _, code, _ in client.told("error")} - QUIET
    assert told == {162, 200, 202}, told  # 162 answers the cancel of a history that is kept up to date
    client.finish()
    reconnected(port, first_id, first_id + 3, bought)
    print(f"ibapi: {bought:.0f} bought")  # noqa: T201


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    try:
        main(int(sys.argv[1]))
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # ibapi's reader threads would keep the process alive
