"""How the simulated exchange fills orders along a price path: pure, integer, shared with the research engine.

The price shows a few points per bar. Within a bar it moves continuously from point to point, between bars it
jumps. An order that is reached inside a segment fills at its own level, on a jump at the standing quote.
All prices are in 1e-4 USD. Functions return NO_FILL where an order is not reached.
"""

from __future__ import annotations

from trading.money import ONE_USD, ceil_to_tick, div_half_up, floor_to_tick

NO_FILL = 0
MIN_VOLUME_BUDGET = 100  # shares a minute, however quiet it was
VOLUME_SHARE_BPS = 1_000  # 10 % of the last published minute's volume
HALF_SPREAD_HUNDREDTH_BPS = 50  # half a basis point: typical of large US stocks, at least one tick
BAR_SECONDS = 60

PATH_SECONDS_MINUTE = (0, 20, 40, 59)  # of a minute bar: when it shows its four prices
PATH_SECONDS_FIVE = (0, 1, 3, 4)  # of a bar of five seconds


def half_spread(price: int) -> int:
    """Half the modelled bid-ask spread at `price`: half a basis point in whole ticks, at least one."""
    if price < ONE_USD:
        return 1  # a basis point of less than a dollar is less than a tick
    return max(div_half_up(price * HALF_SPREAD_HUNDREDTH_BPS, 100_000_000), 1) * 100


def half_spread_at(price: int, recorded_half: int) -> int:
    """The recorded half-spread where there is one (> 0), else the modelled one."""
    return recorded_half if recorded_half > 0 else half_spread(price)


def bid_at(price: int, recorded_half: int) -> int:
    """The standing bid when the last trade was at `price`; at least one price unit."""
    return max(price - half_spread_at(price, recorded_half), 1)


def ask_at(price: int, recorded_half: int) -> int:
    """The standing ask when the last trade was at `price`."""
    return price + half_spread_at(price, recorded_half)


def path_prices(open_: int, high: int, low: int, close: int) -> tuple[int, int, int, int]:
    """The four points that a bar shows: O→L→H→C when it closed at or above its open, else O→H→L→C."""
    if close >= open_:
        return open_, low, high, close
    return open_, high, low, close


def sell_stop_fill(stop: int, price: int, jump: bool, recorded_half: int) -> int:
    """A resting sell stop when the path reaches `price`: triggers at last ≤ stop."""
    if price > stop:
        return NO_FILL
    return bid_at(price if jump else stop, recorded_half)


def buy_stop_fill(stop: int, price: int, jump: bool, recorded_half: int) -> int:
    """A resting buy stop when the path reaches `price`: triggers at last ≥ stop."""
    if price < stop:
        return NO_FILL
    return ask_at(price if jump else stop, recorded_half)


def sell_limit_fill(limit: int, price: int, jump: bool, recorded_half: int) -> int:
    """A resting sell limit when the path reaches `price`: fills when bid ≥ limit."""
    bid = bid_at(price, recorded_half)
    if bid < limit:
        return NO_FILL
    return bid if jump else limit


def buy_limit_fill(limit: int, price: int, jump: bool, recorded_half: int) -> int:
    """A resting buy limit when the path reaches `price`: fills when ask ≤ limit."""
    ask = ask_at(price, recorded_half)
    if ask > limit:
        return NO_FILL
    return ask if jump else limit


def volume_left(last_published_volume: int, filled_this_minute: int) -> int:
    """Shares that may still fill in the current minute, shared by all orders in the symbol."""
    budget = max(MIN_VOLUME_BUDGET, last_published_volume * VOLUME_SHARE_BPS // 10_000)
    return max(budget - filled_this_minute, 0)


def entry_stop_price(fill_price: int, stop_loss_bps: int) -> int:
    """The protective stop under a fill, rounded down to the tick."""
    return floor_to_tick(fill_price * (10_000 - stop_loss_bps) // 10_000)


def entry_target_price(fill_price: int, profit_target_bps: int) -> int:
    """The profit target over a fill, rounded up to the tick."""
    return ceil_to_tick(-(-fill_price * (10_000 + profit_target_bps) // 10_000))
