"""A session's minute bars of a symbol as a chart: with the VWAP that the strategy saw, and the executions."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.answers import Chart, Mark
from dashboard.program import Program
from records.browsing import Browsing
from trading.bars import Bar
from trading.indicators import VWAP_BARS, MinuteIndicators
from trading.money import PRICE_UNITS_PER_USD, price_to_usd
from trading.strategy import vwap_for_report

MOST_MARKS = 500

Line = tuple[int, float, float, float, float, int, float | None]


def chart(browsing: Browsing, program: Program, session_date: str | None, symbol: str) -> Chart:
    """Bars of the running session, or of a finished one where somebody has them."""
    bars, why_none = _bars(program, session_date, symbol)
    executions = browsing.trades(session_date, symbol, limit=MOST_MARKS).rows if session_date else []
    marks = [
        Mark(each.timestamp, each.action, each.price_usd, each.quantity, each.reason, each.pnl_usd)
        for each in reversed(executions)
    ]
    return Chart(symbol, session_date, lines(bars), marks, why_none)


def lines(bars: Sequence[Bar]) -> list[Line]:
    """Bars in USD with VWAP(20), which begins with the twentieth."""
    indicators = MinuteIndicators()
    found: list[Line] = []
    for bar in bars:
        indicators.add(bar)
        vwap = vwap_for_report(indicators.vwap) if indicators.bars >= VWAP_BARS else 0.0
        prices = [price_to_usd(price) for price in (bar.open, bar.high, bar.low, bar.close)]
        found.append((bar.start_s, prices[0], prices[1], prices[2], prices[3], bar.volume, _usd(vwap)))
    return found


def _bars(program: Program, session_date: str | None, symbol: str) -> tuple[Sequence[Bar], str]:
    """The bars, and why there are none."""
    view = program.live.view
    if session_date is None:
        return (), "no session is on record"
    if view is not None and view.session_date == session_date:
        bars = program.live.bars(symbol)
        return bars, "" if bars else "no minute of it is complete yet"
    try:
        return program.bars_of(session_date, symbol), ""
    except LookupError as error:
        return (), str(error.args[0])


def _usd(vwap: float) -> float | None:
    """1e-4 USD to USD; None where there is none."""
    return round(vwap / PRICE_UNITS_PER_USD, 4) if vwap else None
