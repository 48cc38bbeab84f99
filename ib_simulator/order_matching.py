"""At which price an order fills, when it arrives and when the price path moves. The exchange decides how much.

The fill rules of limits and stops are those of `trading.matching`. Functions return NO_FILL where an order is not
reached, and set on the order what the price did to it: triggered, trailed, no longer marketable.
"""

from __future__ import annotations

from ib_simulator.market import PathPoint, SymbolMarket
from ib_simulator.orders import BUY, SELL, SimOrder
from ib_simulator.trailing import follow, limit_behind
from trading.matching import NO_FILL, buy_limit_fill, buy_stop_fill, sell_limit_fill, sell_stop_fill


def standing_fill(order: SimOrder, market: SymbolMarket) -> int:
    """The far quote if the order takes it now, else NO_FILL. Triggers no stop."""
    quote = market.ask if order.side == BUY else market.bid
    order_type = order.order_type
    if order_type == "LMT":
        return quote if order.side * quote <= order.side * order.limit else NO_FILL
    if order_type == "STP":
        reached = order.triggered or order.side * market.last >= order.side * order.stop
        return quote if reached else NO_FILL
    if order_type == "MKT":
        return quote
    return _rare_standing_fill(order, market, quote)


def _rare_standing_fill(order: SimOrder, market: SymbolMarket, quote: int) -> int:
    if order.order_type in ("STP LMT", "TRAIL", "TRAIL LIMIT") and not order.triggered:
        if not order.stop or order.side * market.last < order.side * order.stop:
            return NO_FILL
        if order.order_type == "TRAIL":
            return quote
        limit = order.limit if order.order_type == "STP LMT" else limit_behind(order)
        return quote if order.side * quote <= order.side * limit else NO_FILL
    if order.order_type == "TRAIL" or (order.order_type == "MTL" and order.limit == 0):
        return quote
    return quote if order.side * quote <= order.side * order.limit else NO_FILL


def trigger(order: SimOrder) -> None:
    """The stop is reached: from now on the order is a market order, or a limit order."""
    order.triggered = True
    if order.order_type == "TRAIL LIMIT":
        order.limit = limit_behind(order)


def is_reached(order: SimOrder, market: SymbolMarket) -> bool:
    """Whether an untriggered stop, set where there is one, is reached by the last price."""
    return bool(order.stop) and order.side * market.last >= order.side * order.stop


def path_fill(order: SimOrder, market: SymbolMarket, point: PathPoint) -> int:
    """The price at which a working order fills at a path point, else NO_FILL."""
    order_type = order.order_type
    if order_type == "LMT":
        return _limit_fill(order, market, point)
    if order_type == "MKT" or (order.triggered and order_type in ("STP", "TRAIL")):
        return market.ask if order.side == BUY else market.bid
    if order_type == "STP":
        stop_fill = sell_stop_fill if order.side == SELL else buy_stop_fill
        return stop_fill(order.stop, point.price, point.jump, market.recorded_half)
    return _rare_path_fill(order, market, point)


def _limit_fill(order: SimOrder, market: SymbolMarket, point: PathPoint) -> int:
    if order.marketable:
        fill = standing_fill(order, market)
        order.marketable = fill != NO_FILL
        return fill
    limit_fill = sell_limit_fill if order.side == SELL else buy_limit_fill
    return limit_fill(order.limit, point.price, point.jump, market.recorded_half)


def _rare_path_fill(order: SimOrder, market: SymbolMarket, point: PathPoint) -> int:
    if order.order_type == "MTL":
        if order.limit == 0:
            return market.ask if order.side == BUY else market.bid
        return _limit_fill(order, market, point)
    if order.triggered:
        return _limit_fill(order, market, point)
    fill = NO_FILL
    if order.stop:
        stop_fill = sell_stop_fill if order.side == SELL else buy_stop_fill
        fill = stop_fill(order.stop, point.price, point.jump, market.recorded_half)
    if fill == NO_FILL:
        if order.order_type != "STP LMT":
            order.trailed = follow(order, point.price) or order.trailed
        return NO_FILL
    trigger(order)
    if order.order_type == "TRAIL":
        return fill
    # a quote beyond the limit: it rests there, and within this segment the price only moves further away
    return fill if order.side * fill <= order.side * order.limit else NO_FILL
