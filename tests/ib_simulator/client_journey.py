"""A session of ib_insync or ib_async with the simulated gateway, over TCP and in simulated time.

`python -m tests.ib_simulator.client_journey LIBRARY` runs it and exits 0; each library in a process of its own, for
both bring a package called eventkit.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, time
from itertools import pairwise
from types import ModuleType
from typing import Any

from ib_simulator.data_service import DataOptions
from ib_simulator.gateway import GatewayOptions
from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop
from market_hours import NEW_YORK
from tests.ib_simulator.wire_client import DAY, in_simulated_time, simulated_gateway

ACCOUNT = "DU1000001"
LARGE = 200_000  # shares, more than a minute's volume budget


class Journey:
    """One library against one gateway: `ib` is its first client, `other` a second one."""

    def __init__(self, library: ModuleType, port: int, clock: SimulatedClock) -> None:
        self.library = library
        self.port = port
        self.clock = clock
        self.stock = library.Stock("AAA", "SMART", "USD")
        self.errors: list[tuple[int, int]] = []  # (request or order id, code)

    async def connected(self, client_id: int) -> Any:
        """A new connection of that client id."""
        ib = self.library.IB()
        ib.errorEvent += lambda request_id, code, *_: self.errors.append((request_id, code))
        ib.RaiseRequestErrors = True
        await ib.connectAsync("127.0.0.1", self.port, clientId=client_id, timeout=10)
        return ib

    async def until(self, condition: Callable[[], object], what: str, seconds: int = 120) -> None:
        """Wait in simulated time until `condition()` holds."""
        for _ in range(seconds * 2):
            if condition():
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"{what}: not within {seconds} s")

    def codes(self, request_id: int) -> list[int]:
        """Of the errors told for a request or an order."""
        return [code for known, code in self.errors if known == request_id]

    async def contracts(self, ib: Any) -> None:
        assert ib.managedAccounts() == [ACCOUNT]
        await ib.qualifyContractsAsync(self.stock)
        assert self.stock.conId > 0
        (details,) = await ib.reqContractDetailsAsync(self.stock)
        assert (details.contract.symbol, details.minTick, details.timeZoneId) == ("AAA", 0.01, "US/Eastern")
        samples = await ib.reqMatchingSymbolsAsync("AA")
        assert [sample.contract.symbol for sample in samples] == ["AAA"]
        assert (await ib.reqMarketRuleAsync(26))[-1].increment == 0.01
        now = await ib.reqCurrentTimeAsync()
        assert abs((now - self.clock.now()).total_seconds()) < 2
        try:
            unknown = await ib.reqContractDetailsAsync(self.library.Stock("NONE", "SMART", "USD"))
        except self.library.RequestError as error:
            assert error.code == 200
        else:
            raise AssertionError(f"details of an unknown stock: {unknown}")

    async def history(self, ib: Any) -> None:
        async def bars(duration: str, size: str, **more: Any) -> Any:
            return await ib.reqHistoricalDataAsync(
                self.stock, "", duration, size, more.pop("show", "TRADES"), useRTH=True, formatDate=2, **more
            )

        daily = await bars("30 D", "1 day")
        assert len(daily) >= 30
        assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in daily)
        minutes = await bars("3600 S", "1 min")
        assert minutes[-1].date < self.clock.now()
        assert all(bar.date < later.date and later.date.second == 0 for bar, later in pairwise(minutes))
        middle = await bars("1 D", "5 mins", show="MIDPOINT")
        assert middle[-1].close > 0
        head = await ib.reqHeadTimeStampAsync(self.stock, "TRADES", True, 2)
        assert head < daily[0].date if isinstance(daily[0].date, datetime) else head.date() < daily[0].date
        kept = await bars("1800 S", "1 min", keepUpToDate=True)
        news: list[bool] = []
        kept.updateEvent += lambda _, has_new_bar: news.append(has_new_bar)
        before, last = len(kept), kept[-1].date
        await self.until(lambda: sum(news) >= 2, "two new minute bars", 240)
        assert len(kept) >= before + 2
        assert (kept[-1].date - last).seconds >= 120
        ib.cancelHistoricalData(kept)

    async def stream(self, ib: Any) -> None:
        ticker = ib.reqMktData(self.stock, "233", False, False)
        await self.until(lambda: ticker.bid > 0 and ticker.ask > ticker.bid and ticker.last > 0, "quotes")
        assert ticker.close > 0
        seen: list[float] = []
        ticker.updateEvent += lambda ticker: seen.append(ticker.last)
        await self.until(lambda: len(set(seen)) >= 3, "three different prices")
        five = ib.reqRealTimeBars(self.stock, 5, "TRADES", True)
        await self.until(lambda: len(five) >= 3, "three real-time bars", 30)
        times = [bar.time for bar in five]
        assert all((later - moment).seconds == 5 for moment, later in pairwise(times))
        assert times[0].second % 5 == 0
        ib.cancelRealTimeBars(five)
        tick_by_tick = ib.reqTickByTickData(self.stock, "BidAsk", 0, False)
        await self.until(lambda: ticker.tickByTicks, "tick-by-tick quotes", 120)
        ib.cancelTickByTickData(self.stock, "BidAsk")
        assert tick_by_tick is ticker
        (snapshot,) = await ib.reqTickersAsync(self.stock)
        assert snapshot.ask > snapshot.bid > 0
        ib.cancelMktData(self.stock)

    async def bracket(self, ib: Any) -> Any:
        """Buys 100 with a target and a stop far away, which stay."""
        (ticker,) = await ib.reqTickersAsync(self.stock)
        entry_limit, target, stop = (round(ticker.ask * factor, 2) for factor in (1.01, 1.5, 0.5))
        bracket = ib.bracketOrder("BUY", 100, entry_limit, target, stop)
        for order in bracket:
            order.orderRef = f"journey-{order.orderId}"
        parent, target_trade, stop_trade = (ib.placeOrder(self.stock, order) for order in bracket)
        await self.until(parent.isDone, "the entry fills", 10)
        assert parent.orderStatus.status == "Filled"
        assert parent.orderStatus.avgFillPrice <= entry_limit
        (fill,) = parent.fills
        assert (fill.execution.side, fill.execution.shares, fill.execution.orderRef) == (
            "BOT",
            100,
            bracket.parent.orderRef,
        )
        await self.until(lambda: fill.commissionReport.commission > 0, "the commission", 10)
        await self.until(lambda: target_trade.orderStatus.status == "Submitted", "the target works", 10)
        assert stop_trade.orderStatus.status == "PreSubmitted"
        assert "trigger" in stop_trade.orderStatus.whyHeld
        assert len(ib.openTrades()) == 2
        return stop_trade

    async def partial_fill(self, ib: Any) -> Any:
        """A large order fills in part; the rest is modified and then cancelled."""
        (ticker,) = await ib.reqTickersAsync(self.stock)
        order = self.library.LimitOrder("BUY", LARGE, round(ticker.ask + 0.05, 2), orderRef="large")
        trade = ib.placeOrder(self.stock, order)
        await self.until(lambda: 0 < trade.filled() < LARGE, "a partial fill", 60)
        perm_id = trade.orderStatus.permId
        assert trade.orderStatus.status == "Submitted"
        assert trade.remaining() == LARGE - trade.filled()
        order.lmtPrice = round(ticker.bid * 0.9, 2)
        assert ib.placeOrder(self.stock, order) is trade
        await asyncio.sleep(2)
        filled = trade.filled()
        await asyncio.sleep(120)
        assert trade.filled() == filled, "nothing fills at the lower limit"
        assert (trade.orderStatus.status, trade.orderStatus.permId) == ("Submitted", perm_id)
        ib.cancelOrder(order)
        await self.until(trade.isDone, "the cancel", 10)
        assert trade.orderStatus.status == "Cancelled"
        assert trade.orderStatus.remaining == LARGE - filled
        assert self.codes(order.orderId) == [202]
        return trade

    async def account(self, ib: Any, shares: float) -> None:
        (position,) = await ib.reqPositionsAsync()
        assert (position.contract.symbol, position.position, position.account) == ("AAA", shares, ACCOUNT)
        assert position.avgCost > 0
        await self.until(lambda: ib.portfolio() and ib.portfolio()[0].position == shares, "the portfolio row", 200)
        values = {value.tag: value.value for value in ib.accountValues() if value.currency in ("", "USD")}
        assert float(values["NetLiquidation"]) > 90_000_000
        assert float(values["TotalCashValue"]) < 100_000_000
        summary = {row.tag: row.value for row in await ib.accountSummaryAsync() if row.account == ACCOUNT}
        assert float(summary["NetLiquidation"]) > 90_000_000
        pnl = ib.reqPnL(ACCOUNT)
        single = ib.reqPnLSingle(ACCOUNT, "", self.stock.conId)
        await self.until(lambda: pnl.dailyPnL == pnl.dailyPnL and single.position == shares, "PnL", 10)
        assert abs(single.value / shares / position.avgCost - 1) < 0.1
        ib.cancelPnL(ACCOUNT)
        ib.cancelPnLSingle(ACCOUNT, "", self.stock.conId)

    async def second_client(self, ib: Any, stop_trade: Any) -> None:
        other = await self.connected(2)
        assert [trade.order.permId for trade in other.openTrades()] == []
        shown = await other.reqAllOpenOrdersAsync()
        assert stop_trade.order.permId in [trade.order.permId for trade in shown]
        order = self.library.LimitOrder("SELL", 1, 9_999.0)
        trade = other.placeOrder(self.stock, order)
        await self.until(lambda: trade.orderStatus.status == "Submitted", "the order of the second client", 10)
        assert trade.order.permId not in [known.order.permId for known in ib.openTrades()]
        other.cancelOrder(order)
        await self.until(trade.isDone, "its cancel", 10)
        foreign = self.library.Order(orderId=9_999_999)
        other.client.cancelOrder(*([foreign.orderId] if self.library.__name__ == "ib_insync" else [9_999_999, ""]))
        await self.until(lambda: self.codes(9_999_999) == [10147], "the refusal to cancel an unknown order", 10)
        try:
            await self.connected(2)
        except (ConnectionError, TimeoutError, asyncio.TimeoutError):  # noqa: UP041 (a name of its own to a library)
            assert 326 in [code for _, code in self.errors]
        else:
            raise AssertionError("two clients with one id")
        assert other.isConnected()
        other.disconnect()

    async def reconnected(self, first: Any, bought: int, cancelled: Any, stop_trade: Any) -> None:
        used = first.client.getReqId()
        first.disconnect()
        await asyncio.sleep(5)
        ib = await self.connected(1)
        assert ib.client.getReqId() > cancelled.order.orderId
        assert used > 0
        fills = ib.fills()
        assert sum(fill.execution.shares for fill in fills) == bought
        assert all(fill.commissionReport.commission >= 0 for fill in fills)
        assert len({fill.execution.execId for fill in fills}) == len(fills)
        resting = {trade.order.permId: trade for trade in ib.openTrades()}
        assert len(resting) == 2
        assert resting[stop_trade.order.permId].order.auxPrice == stop_trade.order.auxPrice
        completed = {trade.order.permId: trade.orderStatus.status for trade in await ib.reqCompletedOrdersAsync(False)}
        assert completed[cancelled.order.permId] == "Cancelled"
        assert "Filled" in completed.values()
        filtered = await ib.reqExecutionsAsync(self.library.ExecutionFilter(symbol="BBB"))
        assert filtered == []
        ib.reqGlobalCancel()
        await self.until(lambda: not ib.openTrades(), "the global cancel", 10)
        sale = ib.placeOrder(self.stock, self.library.MarketOrder("SELL", bought))
        await self.until(sale.isDone, "the sale of everything", 3_600)
        await self.until(lambda: not ib.positions(), "flat", 10)
        assert sum(fill.commissionReport.realizedPNL for fill in sale.fills) != 0
        ib.disconnect()


@asynccontextmanager
async def _gateway(loop: SimulatedTimeLoop) -> AsyncIterator[tuple[int, SimulatedClock]]:
    options = GatewayOptions(cash=100_000_000_000_000, data=DataOptions(bar_update_s=5))
    async with simulated_gateway(loop, options=options) as (_, port, clock):
        yield port, clock


def main(name: str) -> None:
    """Run the journey of the library `name`."""

    async def scenario(loop: SimulatedTimeLoop) -> None:
        library = importlib.import_module(name)
        async with _gateway(loop) as (port, clock):
            journey = Journey(library, port, clock)
            await clock.sleep_until(datetime.combine(DAY, time(10, 0), NEW_YORK))
            ib = await journey.connected(1)
            await journey.contracts(ib)
            await journey.history(ib)
            await journey.stream(ib)
            stop_trade = await journey.bracket(ib)
            cancelled = await journey.partial_fill(ib)
            bought = int(100 + cancelled.filled())
            await journey.account(ib, bought)
            await journey.second_client(ib, stop_trade)
            await journey.reconnected(ib, bought, cancelled, stop_trade)
            print(f"{name} {library.__version__}: {bought} bought and sold")  # noqa: T201

    logging.basicConfig(level=logging.WARNING)
    in_simulated_time(scenario)


if __name__ == "__main__":
    main(sys.argv[1])
