"""What a session's trading was worth minute by minute: money in and out, and shares at the last close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from records.rows import TradeRow
from trading.bars import Bar
from trading.money import price_to_usd

MINUTE_S = 60


class DayCurve(NamedTuple):
    """Ends of minutes (epoch seconds), and at each the result so far and its distance from the best one, in USD."""

    at_s: list[int]
    pnl_usd: list[float]
    drawdown_usd: list[float]  # <= 0


def day_curve(rows: Sequence[TradeRow], bars: Mapping[str, Sequence[Bar]], first_s: int, last_s: int) -> DayCurve:
    """The curve from `first_s` to `last_s`.

    `rows` are the executions that the session's result follows from, in the order of time: its own, and those of
    positions that it began with. Shares without a bar yet are worth what was last paid for them.
    """
    closes = {row.symbol: _closes(bars.get(row.symbol, ())) for row in rows}
    prices_usd: dict[str, float] = {}
    shares: dict[str, int] = {}
    cash_usd, best_usd, done = 0.0, 0.0, 0
    next_close = {symbol: next(each, None) for symbol, each in closes.items()}
    curve = DayCurve([], [], [])
    for now_s in range(first_s, last_s + 1, MINUTE_S):
        while done < len(rows) and rows[done].timestamp.timestamp() <= now_s:
            row = rows[done]
            signed = row.quantity if row.action == "BUY" else -row.quantity
            shares[row.symbol] = shares.get(row.symbol, 0) + signed
            cash_usd -= signed * row.price_usd + (row.commission_usd or 0.0)
            prices_usd[row.symbol] = row.price_usd
            done += 1
        for symbol, each in closes.items():
            while (closing := next_close[symbol]) is not None and closing[0] <= now_s:
                prices_usd[symbol] = closing[1]
                next_close[symbol] = next(each, None)
        pnl_usd = cash_usd + sum(count * prices_usd[symbol] for symbol, count in shares.items() if count)
        best_usd = max(best_usd, pnl_usd)
        curve.at_s.append(now_s)
        curve.pnl_usd.append(pnl_usd)
        curve.drawdown_usd.append(pnl_usd - best_usd)
    return curve


def _closes(bars: Sequence[Bar]) -> Iterator[tuple[int, float]]:
    """(when it was known, close in USD) of each bar."""
    return ((bar.start_s + MINUTE_S, price_to_usd(bar.close)) for bar in bars)
