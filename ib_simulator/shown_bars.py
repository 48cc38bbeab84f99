"""Trade bars as other sources show them: midpoint, bid, ask. The quote stands a half-spread around the price."""

from __future__ import annotations

from trading.bars import Bar
from trading.matching import ask_at, bid_at

SOURCES = ("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST")
COUNTED_SOURCES = ("TRADES", "ADJUSTED_LAST")  # the others have no volume, no average and no count
NO_COUNT = -1


def shown_as(bar: Bar, what_to_show: str, recorded_half: int = 0) -> Bar:
    """`bar` of trades as `what_to_show` has it. `recorded_half` is the half-spread in 1e-4 USD, 0 for the model's.

    BID_ASK has the average bid and ask as open and close, the highest ask as high, the lowest bid as low.
    """
    match what_to_show:
        case "BID":
            open_, high, low, close = (bid_at(price, recorded_half) for price in bar[1:5])
        case "ASK":
            open_, high, low, close = (ask_at(price, recorded_half) for price in bar[1:5])
        case "BID_ASK":
            mean = (bar.open + bar.close) // 200 * 100 or bar.close
            open_, close = bid_at(mean, recorded_half), ask_at(mean, recorded_half)
            high, low = ask_at(bar.high, recorded_half), bid_at(bar.low, recorded_half)
        case _:
            open_, high, low, close = bar[1:5]
    volume = bar.volume if what_to_show in COUNTED_SOURCES else NO_COUNT
    return Bar(bar.start_s, open_, high, low, close, volume)


def mean_price_usd(bar: Bar) -> float:
    """The typical price in USD, told as the bar's volume-weighted average."""
    return round((bar.high + bar.low + bar.close) / 30_000, 4)
