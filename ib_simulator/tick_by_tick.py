"""Tick-by-tick subscriptions and historical ticks: every path point is a trade and a quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import NO_SECURITY
from ib_simulator.line_service import LineService
from ib_simulator.market import SymbolMarket
from ib_simulator.market_data_permissions import Permission
from ib_simulator.plausible import quote_shares, trade_shares
from ib_simulator.request_types import ReqTickByTick
from trading.matching import ask_at, bid_at

KINDS = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}  # type -> its number on the wire
MOST_HISTORY = 1000
EXCHANGE, CONDITIONS = "NASDAQ", ""
FAILED = "Failed to request tick-by-tick data."


class Tick(NamedTuple):
    """A trade and the quote around it. Prices in 1e-4 USD, sizes in shares."""

    second: int
    price: int
    bid: int
    ask: int

    @property
    def midpoint_usd(self) -> float:
        """Between bid and ask, in USD."""
        return (self.bid + self.ask) / 20_000


@dataclass(slots=True, eq=False)
class TickLine:
    """One subscription, and the quote that it was told last."""

    client: ClientConnection
    req_id: int
    symbol: str
    kind: str
    quote: tuple[int, int] = (0, 0)


class TickByTickService(LineService[TickLine]):
    """All tick-by-tick subscriptions."""

    def follow(self, client: ClientConnection, request: ReqTickByTick) -> None:
        """Begin a subscription, past ticks first, or refuse it with the error code that a gateway gives."""
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
        elif request.tick_type not in KINDS:
            cause = f"Invalid tick-by-tick type: {request.tick_type}"
            client.error(request.req_id, 321, f"Error validating request.-'cs' : cause - {cause}")
        elif self._permissions.of(stock.symbol) is not Permission.LIVE:
            client.error(request.req_id, 10189, f"{FAILED}No market data permissions for {stock.symbol} STK")
        elif self._is_taken(client, request.req_id):
            client.error(request.req_id, 322, "Error processing request.-'cs' : cause - Duplicate ticker id")
        elif not self._pacing.has_free_tick_line(len(self.lines)):
            client.error(request.req_id, 10190, "Max number of tick-by-tick requests has been reached.")
        else:
            market = self._market_of(stock.symbol)
            if market is not None and request.n_ticks > 0:
                self._tell_past(client, request, market)
            self.lines.append(TickLine(client, request.req_id, stock.symbol, request.tick_type))

    def on_point(self, market: SymbolMarket) -> None:
        """A trade, and the quote when it is another one."""
        tick = Tick(market.last_at_s, market.last, market.bid, market.ask)
        for line in self.lines:
            if line.symbol != market.symbol:
                continue
            if line.kind in ("Last", "AllLast") or (tick.bid, tick.ask) != line.quote:
                line.quote = tick.bid, tick.ask
                line.client.send(_message(line.client.version, line.req_id, line.kind, tick))

    def _tell_past(self, client: ClientConnection, request: ReqTickByTick, market: SymbolMarket) -> None:
        """The last prints before the subscription, in one message of historical ticks."""
        seen = market.seen()
        first = max(seen.n_points - min(request.n_ticks, MOST_HISTORY), 0)
        ticks = ticks_of(
            [(seen.point_s[n], seen.point_price[n]) for n in range(first, seen.n_points)], market.recorded_half
        )
        what = {"BidAsk": "BID_ASK", "MidPoint": "MIDPOINT"}.get(request.tick_type, "TRADES")
        client.send(past_ticks_message(client.version, request.req_id, what, ticks))


def ticks_of(prints: list[tuple[int, int]], recorded_half: int) -> list[Tick]:
    """(second, price) pairs with the quotes around them."""
    return [Tick(at_s, price, bid_at(price, recorded_half), ask_at(price, recorded_half)) for at_s, price in prints]


def past_ticks_message(version: int, req_id: int, what_to_show: str, ticks: list[Tick]) -> bytes:
    """Historical ticks in the message of their source; `done` is set, as everything comes in one message."""
    if what_to_show == "TRADES":
        trades = [(t.second, t.price / 10_000, _size(version, trade_shares(t.price, t.second))) for t in ticks]
        return replies.historical_ticks_last(req_id, trades, EXCHANGE, CONDITIONS)
    if what_to_show == "BID_ASK":
        quotes = [(t.second, t.bid / 10_000, t.ask / 10_000, *_quote_sizes(version, t)) for t in ticks]
        return replies.historical_ticks_bid_ask(req_id, quotes)
    return replies.historical_ticks(req_id, [(t.second, t.midpoint_usd) for t in ticks])


def _message(version: int, req_id: int, kind: str, tick: Tick) -> bytes:
    if kind == "BidAsk":
        sizes = _quote_sizes(version, tick)
        return replies.tick_by_tick_bid_ask(req_id, tick.second, tick.bid / 10_000, tick.ask / 10_000, *sizes)
    if kind == "MidPoint":
        return replies.tick_by_tick_midpoint(req_id, tick.second, tick.midpoint_usd)
    size = _size(version, trade_shares(tick.price, tick.second))
    return replies.tick_by_tick_last(
        req_id, KINDS[kind], tick.second, tick.price / 10_000, size, EXCHANGE, 0, CONDITIONS
    )


def _quote_sizes(version: int, tick: Tick) -> tuple[int, int]:
    return _size(version, quote_shares(tick.bid, tick.second)), _size(version, quote_shares(tick.ask, tick.second))


def _size(version: int, shares: int) -> int:
    return replies.market_data_size(version, shares)
