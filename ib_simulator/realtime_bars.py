"""Five-second real-time bars: one every five seconds while anything trades, told when it is over."""

from __future__ import annotations

from dataclasses import dataclass

from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import NO_SECURITY
from ib_simulator.line_service import LineService
from ib_simulator.market_data_permissions import Permission
from ib_simulator.plausible import WINDOW_S, trades_in
from ib_simulator.request_types import ReqRealTimeBars
from ib_simulator.shown_bars import NO_COUNT, mean_price_usd, shown_as

SOURCES = ("TRADES", "MIDPOINT", "BID", "ASK")
INVALID = "Invalid Real-time Query"


@dataclass(slots=True, eq=False)
class RealTimeLine:
    """One subscription to real-time bars."""

    client: ClientConnection
    req_id: int
    symbol: str
    what_to_show: str
    use_rth: bool


class RealTimeBarService(LineService[RealTimeLine]):
    """All real-time bar subscriptions. Like market data lines, they count towards the gateway's limit."""

    def follow(self, client: ClientConnection, request: ReqRealTimeBars) -> None:
        """Begin a subscription, or refuse it with the error code that a gateway gives."""
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
        elif request.bar_size_s not in (0, WINDOW_S) or request.what_to_show not in SOURCES:
            client.error(request.req_id, 420, f"{INVALID}:{request.bar_size_s} secs {request.what_to_show}")
        elif self._permissions.of(stock.symbol) is not Permission.LIVE:
            client.error(request.req_id, 420, f"{INVALID}:No market data permissions for {stock.symbol} STK")
        elif self._is_taken(client, request.req_id):
            client.error(request.req_id, 322, "Error processing request.-'bN' : cause - Duplicate ticker id")
        elif not self._pacing.has_free_line(len(self.lines)):
            client.error(request.req_id, 420, f"{INVALID}:Historical data request pacing violation")
        else:
            self._market_of(stock.symbol)
            self.lines.append(RealTimeLine(client, request.req_id, stock.symbol, request.what_to_show, request.use_rth))

    def on_grid(self, second: int) -> None:
        """At a multiple of five seconds: the bar that has just ended, for every symbol that has traded."""
        for line in self.lines:
            market = self._market_of(line.symbol)
            bar = market.seen().bar(second - WINDOW_S, second) if market is not None else None
            if market is None or bar is None:
                continue
            if line.use_rth and not (market.open and market.is_regular(bar.start_s)):
                continue
            if market.halt:
                bar = bar._replace(volume=0)
            told = shown_as(bar, line.what_to_show, market.recorded_half)
            trades = line.what_to_show == "TRADES"
            volume = replies.market_data_size(line.client.version, bar.volume) if trades else NO_COUNT
            line.client.send(
                replies.realtime_bar(
                    line.req_id,
                    told.start_s,
                    told.open / 10_000,
                    told.high / 10_000,
                    told.low / 10_000,
                    told.close / 10_000,
                    volume,
                    mean_price_usd(told) if trades else float(NO_COUNT),
                    trades_in(bar.volume) if trades else NO_COUNT,
                )
            )
