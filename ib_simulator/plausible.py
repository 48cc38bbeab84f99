"""Details that bars do not record, made up so that they repeat: sizes of quotes and trades, volume within a minute.

All are pure functions of price and time: equal days look equal, on every machine and whatever was asked before.
"""

from __future__ import annotations

from functools import lru_cache

from trading.matching import BAR_SECONDS

ROUND_LOT = 100
WINDOW_S = 5
WINDOWS_PER_MINUTE = BAR_SECONDS // WINDOW_S
SHARES_PER_TRADE = 100  # mean trade size behind the trade counts of bars
_MIX = 2_654_435_761  # Knuth's multiplicative hash
_MINUTES_KEPT = 4096


def quote_shares(price: int, second: int) -> int:
    """Shares shown at a bid or ask: 1 to 16 round lots. Fills are bounded by the minute's volume, not by this."""
    return (((price + second) * _MIX >> 13 & 15) + 1) * ROUND_LOT


def trade_shares(price: int, second: int) -> int:
    """Shares of the trade seen at a path point: 1 to 8 round lots, mostly the smaller ones."""
    draw = (price + 7 * second) * _MIX >> 13 & 63
    return ((draw * draw >> 9) + 1) * ROUND_LOT


def trades_in(volume: int) -> int:
    """How many trades a bar's volume is told to be."""
    return max(volume // SHARES_PER_TRADE, 1) if volume > 0 else 0


@lru_cache(_MINUTES_KEPT)
def window_volumes(volume: int, minute_s: int) -> tuple[int, ...]:
    """The shares of each 5-second window of the minute that starts at `minute_s`; they sum to `volume`.

    Windows differ by up to 15 to 1, so that the first of them do not tell what the whole minute will be.
    """
    weights = [(((minute_s + n) * _MIX >> 11) & 15) + 1 for n in range(WINDOWS_PER_MINUTE)]
    total, shares, passed, given = sum(weights), [], 0, 0
    for weight in weights:
        passed += weight
        until = volume * passed // total
        shares.append(until - given)
        given = until
    return tuple(shares)
