"""Single answers about the past: historical ticks, price histogram, first known date."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import islice

from ib_simulator import replies
from ib_simulator.bar_store import BarStore
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import NO_SECURITY, Stock, StockList
from ib_simulator.feeds.tape import Feed
from ib_simulator.history import Duration
from ib_simulator.history_service import SERVICE, epoch_of
from ib_simulator.request_types import ReqHeadTimestamp, ReqHistogramData, ReqHistoricalTicks
from ib_simulator.shown_bars import SOURCES
from ib_simulator.tick_by_tick import MOST_HISTORY, past_ticks_message, ticks_of
from ib_simulator.wire_order import WireContract
from trading.bars import Bar

TICK_SOURCES = ("TRADES", "MIDPOINT", "BID_ASK")
REACH_S = 7 * 86_400  # how far from the asked instant ticks are looked for
PERIOD = re.compile(r"(\d+) (second|minute|hour|day|week|month|year)s?")
UNIT_OF_PERIOD = {"second": "S", "minute": "S", "hour": "S", "day": "D", "week": "W", "month": "M", "year": "Y"}
SECONDS_OF_PERIOD = {"second": 1, "minute": 60, "hour": 3600}


class PastService:
    """Answers from what the feed has and the running session has shown."""

    def __init__(
        self, stocks: StockList, feed: Feed, store: Callable[[], BarStore], now: Callable[[], datetime]
    ) -> None:
        self._stocks = stocks
        self._feed = feed
        self._store = store
        self._now = now

    def tell_ticks(self, client: ClientConnection, request: ReqHistoricalTicks) -> None:
        """Up to 1000 ticks from a start on or before an end; exactly one of the two is given."""
        stock = self._find(client, request.req_id, request.contract)
        if stock is None:
            return
        try:
            if bool(request.start_datetime) == bool(request.end_datetime):
                raise ValueError("Exactly one of start and end date has to be given")
            if request.what_to_show not in TICK_SOURCES:
                raise ValueError(f"Historical ticks type is invalid: {request.what_to_show}")
            if not 0 < request.n_ticks <= MOST_HISTORY:
                raise ValueError(f"Number of ticks must be from 1 to {MOST_HISTORY}. Was: {request.n_ticks}")
            at_s = epoch_of(request.start_datetime or request.end_datetime, self._now())
        except ValueError as error:
            client.error(request.req_id, 321, f"Error validating request.-'cr' : cause - {error}")
            return
        now_s = int(self._now().timestamp())
        first_s, end_s = (at_s, at_s + REACH_S) if request.start_datetime else (at_s - REACH_S, at_s)
        prints = self._store().prints(stock.symbol, first_s, min(end_s, now_s + 1), use_rth=request.use_rth)
        wanted = islice(prints, request.n_ticks) if request.start_datetime else list(prints)[-request.n_ticks :]
        ticks = ticks_of(list(wanted), 0)
        client.send(past_ticks_message(client.version, request.req_id, request.what_to_show, ticks))

    def tell_histogram(self, client: ClientConnection, request: ReqHistogramData) -> None:
        """Shares by the closing prices of the period's minutes."""
        stock = self._find(client, request.req_id, request.contract)
        if stock is None:
            return
        match = PERIOD.fullmatch(request.period.strip())
        if match is None or int(match[1]) == 0:
            cause = f"Histogram period is invalid: {request.period!r}"
            client.error(request.req_id, 321, f"Error validating request.-'cj' : cause - {cause}")
            return
        amount = int(match[1]) * SECONDS_OF_PERIOD.get(match[2], 1)
        duration = Duration(amount, UNIT_OF_PERIOD[match[2]])
        shares: Counter[int] = Counter()
        now_s = int(self._now().timestamp())
        for bar in self._store().bars(stock.symbol, "1 min", duration, now_s, use_rth=request.use_rth):
            shares[bar.close] += bar.volume
        rows = [(price / 10_000, volume) for price, volume in sorted(shares.items()) if volume]
        client.send(replies.histogram(request.req_id, rows))

    def tell_head_timestamp(self, client: ClientConnection, request: ReqHeadTimestamp) -> None:
        """The open of the first session that the feed has of the symbol."""
        stock = self._find(client, request.req_id, request.contract)
        if stock is None:
            return
        if request.what_to_show not in SOURCES:
            cause = f"Historical data type is invalid: {request.what_to_show}"
            client.error(request.req_id, 321, f"Error validating request.-'ci' : cause - {cause}")
            return
        bars = self._first_bars(stock.symbol)
        if not bars:
            client.error(request.req_id, 162, f"{SERVICE}No head time stamp")
            return
        text = replies.bar_time_text(client.version, bars[0].start_s, request.format_date, is_daily=False)
        client.send(replies.head_timestamp(request.req_id, text))

    def _first_bars(self, symbol: str) -> tuple[Bar, ...]:
        """Some bars that begin with the first one of the feed. A generated market is not generated from its start."""
        dates = self._feed.session_dates()
        until = self._store().session.date
        if not dates:
            return ()
        first = min(dates[0] + timedelta(days=1), until)
        return self._feed.daily(symbol, first, date.min) or self._feed.daily(symbol, until, first)

    def _find(self, client: ClientConnection, req_id: int, contract: WireContract) -> Stock | None:
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(req_id, 200, NO_SECURITY)
        return stock
