"""Contracts, quotes and historical bars at the gateway: what is asked, and what follows as the market moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import EXCHANGES, ORDER_TYPES, Stock, StockList, hours_text
from ib_simulator.feeds.tape import Feed
from ib_simulator.history import BAR_SIZES_S, Duration, aggregate, duration_start_s, parse_duration, whole_day
from ib_simulator.market import SymbolMarket
from ib_simulator.request_types import (
    CancelHistoricalData,
    CancelMktData,
    ReqContractDetails,
    ReqHeadTimestamp,
    ReqHistoricalData,
    ReqMarketRule,
    ReqMatchingSymbols,
    ReqMktData,
)
from ib_simulator.wire_order import WireContract
from market_hours import NEW_YORK, Session, TradingCalendar
from trading.bars import Bar
from trading.money import price_to_usd

BID, ASK, LAST, CLOSE = 1, 2, 4, 9  # tick types of prices
BID_SIZE, ASK_SIZE, LAST_SIZE, VOLUME = 0, 3, 5, 8  # tick types of sizes
LAST_TIME = 45
QUOTE_SHARES = 500  # shown at bid and ask; fills are bounded by the minute's volume, not by this
LAST_SHARES = 100
NO_SECURITY = "No security definition has been found for the request"
DAY = "1 day"
US_STOCK_RULE = 26
HISTORY_SESSIONS_LIMIT = 30  # sessions of minute bars that one request may reach back


@dataclass(slots=True)
class QuoteLine:
    """One market data subscription, and what it was told last."""

    client: ClientConnection
    req_id: int
    bid: int = 0
    ask: int = 0
    last: int = 0


@dataclass(slots=True)
class BarLine:
    """One keep-up-to-date subscription. `bars` is the unfinished bar of its size."""

    client: ClientConnection
    req_id: int
    size: str
    format_date: int
    unfinished: Bar | None = None


class DataService:
    """Subscriptions by symbol and the answers to requests for data."""

    def __init__(self, stocks: StockList, feed: Feed, calendar: TradingCalendar, now: Callable[[], datetime]) -> None:
        self._stocks = stocks
        self._feed = feed
        self._calendar = calendar
        self._now = now
        self._quotes: dict[str, list[QuoteLine]] = {}  # symbol -> subscriptions
        self._bars: dict[str, list[BarLine]] = {}  # symbol -> keep-up-to-date subscriptions
        self._hours: dict[date, tuple[str, str]] = {}  # session -> trading and liquid hours texts
        self.market_of: Callable[[str], SymbolMarket | None] = lambda _: None
        self.session: Session

    def followed(self) -> list[str]:
        """Symbols that somebody is subscribed to."""
        return sorted(self._quotes.keys() | self._bars.keys())

    def forget(self, client: ClientConnection) -> None:
        """Drop all subscriptions of a client that is gone."""
        for lines in self._quotes.values():
            lines[:] = [line for line in lines if line.client is not client]
        for bars in self._bars.values():
            bars[:] = [line for line in bars if line.client is not client]

    # Contracts

    def tell_contract(self, client: ClientConnection, request: ReqContractDetails) -> None:
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
            return
        trading, liquid = self._hours_texts()
        row = replies.ContractRow(
            contract=_wire_contract(stock),
            min_tick=stock.min_tick,
            long_name=f"{stock.symbol} (SIMULATED)",
            order_types=ORDER_TYPES,
            valid_exchanges=EXCHANGES,
            trading_hours=trading,
            liquid_hours=liquid,
            market_rule_ids=",".join([str(US_STOCK_RULE)] * len(EXCHANGES.split(","))),
        )
        client.send(
            replies.contract_details(client.version, request.req_id, row), replies.contract_details_end(request.req_id)
        )

    def tell_symbols(self, client: ClientConnection, request: ReqMatchingSymbols) -> None:
        rows = [
            replies.SymbolRow(
                con_id=stock.con_id,
                symbol=stock.symbol,
                sec_type="STK",
                primary_exchange=stock.primary_exchange,
                currency="USD",
                description=f"{stock.symbol} (SIMULATED)",
            )
            for stock in self._stocks.matching(request.pattern)
        ]
        client.send(replies.symbol_samples(client.version, request.req_id, rows))

    def tell_market_rule(self, client: ClientConnection, request: ReqMarketRule) -> None:
        if request.market_rule_id != US_STOCK_RULE:
            client.error(
                -1, 321, f"Error validating request.-'cl' : cause - Unknown market rule {request.market_rule_id}"
            )
            return
        client.send(replies.market_rule(US_STOCK_RULE, [(0.0, 0.0001), (1.0, 0.01)]))

    # Quotes

    def follow_quotes(self, client: ClientConnection, request: ReqMktData) -> None:
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
            return
        line = QuoteLine(client, request.req_id)
        client.send(
            replies.market_data_type(request.req_id, 1), replies.tick_req_params(request.req_id, stock.min_tick)
        )
        market = self.market_of(stock.symbol)
        if market is not None and market.last:
            self._tell_quote(line, market)
            size = replies.market_data_size(client.version, market.day_volume)
            client.send(replies.tick_size(request.req_id, VOLUME, size))
        else:
            client.send(
                replies.tick_price(request.req_id, BID, -1.0, 0), replies.tick_price(request.req_id, ASK, -1.0, 0)
            )
        if market is not None and market.previous_close:
            client.send(replies.tick_price(request.req_id, CLOSE, price_to_usd(market.previous_close), 0))
        if request.snapshot:
            client.send(replies.tick_snapshot_end(request.req_id))
        else:
            self._quotes.setdefault(stock.symbol, []).append(line)

    def unfollow_quotes(self, client: ClientConnection, request: CancelMktData) -> None:
        for lines in self._quotes.values():
            for line in lines:
                if line.client is client and line.req_id == request.req_id:
                    lines.remove(line)
                    return
        client.error(request.req_id, 300, f"Can't find EId with tickerId:{request.req_id}")

    def on_point(self, market: SymbolMarket) -> None:
        """The price moved: tell what changed, and that there was a trade."""
        for line in self._quotes.get(market.symbol, ()):
            self._tell_quote(line, market)

    def _tell_quote(self, line: QuoteLine, market: SymbolMarket) -> None:
        client, req_id = line.client, line.req_id
        size = replies.market_data_size(client.version, QUOTE_SHARES)
        bid, ask, last = market.bid, market.ask, market.last
        if bid != line.bid:
            line.bid = bid
            client.send(replies.tick_price(req_id, BID, bid / 10_000, size), replies.tick_size(req_id, BID_SIZE, size))
        if ask != line.ask:
            line.ask = ask
            client.send(replies.tick_price(req_id, ASK, ask / 10_000, size), replies.tick_size(req_id, ASK_SIZE, size))
        client.send(replies.tick_string(req_id, LAST_TIME, str(market.last_at_s)))
        if last != line.last:
            line.last = last
            size = replies.market_data_size(client.version, LAST_SHARES)
            client.send(
                replies.tick_price(req_id, LAST, last / 10_000, size), replies.tick_size(req_id, LAST_SIZE, size)
            )

    # Historical bars

    def tell_history(self, client: ClientConnection, request: ReqHistoricalData) -> None:
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
            return
        if request.bar_size not in BAR_SIZES_S or request.what_to_show != "TRADES":
            _refuse(client, request, f"Invalid step or source: {request.bar_size} {request.what_to_show}")
            return
        if request.keep_up_to_date and request.end_datetime:
            _refuse(client, request, "End Date not allowed with live updates")
            return
        try:
            duration = parse_duration(request.duration)
            end_s = _end_s(request.end_datetime, self._now())
        except ValueError as error:
            _refuse(client, request, str(error))
            return
        bars = self._bars_until(stock.symbol, request.bar_size, duration, end_s)
        if not bars:
            text = f"HMDS query returned no data: {stock.symbol}@SMART Trades"
            client.error(request.req_id, 162, f"Historical Market Data Service error message:{text}")
            return
        start_text = replies.exchange_time_text(client.version, datetime.fromtimestamp(bars[0].start_s, UTC))
        end_text = replies.exchange_time_text(client.version, datetime.fromtimestamp(end_s, UTC))
        is_daily = request.bar_size == DAY
        rows = [_row(client.version, bar, request.format_date, is_daily=is_daily) for bar in bars]
        client.send(replies.historical_data(client.version, request.req_id, start_text, end_text, rows))
        if request.keep_up_to_date:
            line = BarLine(client, request.req_id, request.bar_size, request.format_date)
            self._bars.setdefault(stock.symbol, []).append(line)
            self.market_of(stock.symbol)  # it must move, even if it was asked before the open

    def cancel_history(self, client: ClientConnection, request: CancelHistoricalData) -> None:
        for lines in self._bars.values():
            for line in lines:
                if line.client is client and line.req_id == request.req_id:
                    lines.remove(line)
                    text = f"API historical data query cancelled: {request.req_id}"
                    client.error(request.req_id, 162, f"Historical Market Data Service error message:{text}")
                    return
        client.error(request.req_id, 366, f"No historical data query found for ticker id:{request.req_id}")

    def tell_head_timestamp(self, client: ClientConnection, request: ReqHeadTimestamp) -> None:
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        bars = self._feed.daily(stock.symbol, self.session.date, date.min) if stock else ()
        if not bars:
            client.error(request.req_id, 162, "Historical Market Data Service error message:No head time stamp")
            return
        text = replies.bar_time_text(client.version, bars[0].start_s, request.format_date, is_daily=False)
        client.send(replies.head_timestamp(request.req_id, text))

    def on_published(self, market: SymbolMarket, bar: Bar) -> None:
        """A minute is complete: its last update, in each subscription's bar size."""
        for line in self._bars.get(market.symbol, ()):
            seconds = BAR_SIZES_S[line.size]
            merged = aggregate(([line.unfinished] if line.unfinished else []) + [bar], seconds)
            line.unfinished = merged[-1] if seconds > 60 else None
            for finished in merged:
                self._tell_bar(line, finished)

    def on_moved(self, market: SymbolMarket) -> None:
        """The unfinished minute has changed: show it once this second's publications are out."""
        building = market.building
        if building is None:
            return
        for line in self._bars.get(market.symbol, ()):
            if BAR_SIZES_S[line.size] == 60 and building.start_s == market.last_at_s:
                self._tell_bar(line, building)

    def _tell_bar(self, line: BarLine, bar: Bar) -> None:
        row = _row(line.client.version, bar, line.format_date, is_daily=line.size == DAY)
        line.client.send(replies.historical_data_update(line.client.version, line.req_id, row))

    def _bars_until(self, symbol: str, size: str, duration: Duration, end_s: int) -> list[Bar]:
        """Published bars of the last `duration` before `end_s`, the running one included."""
        end_date = datetime.fromtimestamp(end_s, NEW_YORK).date()
        today = self._today(symbol, end_s)
        before = min(end_date + timedelta(days=1), self.session.date)
        if size == DAY:
            first = end_date - timedelta(days=duration.calendar_days)
            bars = [bar for bar in self._feed.daily(symbol, before, first) if bar.start_s < end_s]
            running = whole_day(today, self.session.open_s)
            bars += [running] if running else []
            return bars[-duration.amount :] if duration.unit == "D" else bars
        sessions = min(duration.amount if duration.unit == "D" else duration.calendar_days, HISTORY_SESSIONS_LIMIT)
        earlier = sessions - 1 if today and duration.unit == "D" else sessions
        minutes = [bar for bar in self._feed.minute_history(symbol, before, earlier) if bar.start_s < end_s]
        minutes += today
        if duration.unit != "D":
            start_s = duration_start_s(duration, end_s)
            minutes = [bar for bar in minutes if bar.start_s >= start_s]
        return aggregate(minutes, BAR_SIZES_S[size])

    def _today(self, symbol: str, end_s: int) -> list[Bar]:
        market = self.market_of(symbol) if end_s >= self.session.open_s else None
        if market is None:
            return []
        bars = [bar for bar in market.published if bar.start_s < end_s]
        if market.building is not None and market.building.start_s < end_s:
            bars.append(market.building)
        return bars

    def _hours_texts(self) -> tuple[str, str]:
        day = self.session.date
        if day not in self._hours:
            sessions = self._calendar.sessions_between(day, day + timedelta(days=6))
            self._hours = {day: (hours_text(sessions, extended=True), hours_text(sessions, extended=False))}
        return self._hours[day]


def _row(version: int, bar: Bar, format_date: int, *, is_daily: bool) -> replies.BarRow:
    return replies.BarRow(
        time_text=replies.bar_time_text(version, bar.start_s, format_date, is_daily=is_daily),
        open_usd=bar.open / 10_000,
        high_usd=bar.high / 10_000,
        low_usd=bar.low / 10_000,
        close_usd=bar.close / 10_000,
        volume=bar.volume,
        wap_usd=round((bar.high + bar.low + bar.close) / 30_000, 4),
        count=max(bar.volume // LAST_SHARES, 1) if bar.volume else 0,
    )


def _wire_contract(stock: Stock) -> WireContract:
    return WireContract(
        con_id=stock.con_id,
        symbol=stock.symbol,
        sec_type="STK",
        exchange="SMART",
        primary_exchange=stock.primary_exchange,
        currency="USD",
        local_symbol=stock.symbol,
        trading_class=stock.trading_class,
    )


def _refuse(client: ClientConnection, request: ReqHistoricalData, cause: str) -> None:
    client.error(request.req_id, 321, f"Error validating request.-'cl' : cause - {cause}")


def _end_s(text: str, now: datetime) -> int:
    """The end of a historical request in epoch seconds; empty is now. Raises ValueError."""
    if not text:
        return int(now.timestamp())
    if text[8:9] == "-":
        return int(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp())
    local = datetime.strptime(text.replace("  ", " ")[:17], "%Y%m%d %H:%M:%S").replace(
        tzinfo=UTC if text.endswith("UTC") else NEW_YORK
    )
    return int(local.timestamp())
