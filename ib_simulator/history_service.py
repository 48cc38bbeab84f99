"""Historical bars at the gateway, and subscriptions that keep them up to date.

A subscription first gets the whole answer, then updates of its unfinished bar. Bars of a minute and longer are
updated at each publication; between them either at the first price of a minute only (`update_s` 0, which costs an
embedded gateway little) or every five seconds with the volume so far (`update_s` 5, as on a real gateway).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ib_simulator import replies
from ib_simulator.bar_store import BarStore
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import NO_SECURITY, StockList
from ib_simulator.history import BAR_SIZES_S, DAY_S, Duration, bucket_start, merge, parse_duration
from ib_simulator.market import SymbolMarket
from ib_simulator.market_data_permissions import Permission, Permissions
from ib_simulator.pacing import Pacing
from ib_simulator.plausible import WINDOW_S, trades_in
from ib_simulator.request_types import CancelHistoricalData, ReqHistoricalData
from ib_simulator.shown_bars import COUNTED_SOURCES, NO_COUNT, SOURCES, mean_price_usd, shown_as
from market_hours import NEW_YORK
from trading.bars import Bar

SERVICE = "Historical Market Data Service error message:"
LIVE_SOURCES = ("TRADES", "MIDPOINT", "BID", "ASK")  # of subscriptions that keep up to date
MINUTE_S = 60
DAYS_OF_UNIT = {"D": 1, "W": 7, "M": 31, "Y": 366}


@dataclass(slots=True, eq=False)
class BarLine:
    """One keep-up-to-date subscription. `base` is its unfinished bar as far as it is published.

    `use_rth` False: it hears of the hours around the regular session as well.
    """

    client: ClientConnection
    req_id: int
    symbol: str
    size_s: int
    what_to_show: str
    format_date: int
    use_rth: bool
    base: Bar | None = None

    def grown(self, bar: Bar) -> Bar:
        """The unfinished bar with one more minute."""
        base, start_s = self.base, self._start_of(bar)
        if base is not None and base.start_s <= bar.start_s and self._start_of(base) == start_s:
            return merge(base, bar)
        return bar if self.size_s >= DAY_S else bar._replace(start_s=start_s)

    def _start_of(self, bar: Bar) -> int:
        return bucket_start(bar.start_s, self.size_s, from_open=self.use_rth)

    @property
    def hears_all(self) -> bool:
        """Whether it hears of all hours. Bars of a day and longer are those of the regular session."""
        return not self.use_rth and self.size_s < DAY_S


class HistoryService:
    """Historical requests of all clients. `update_s` is 0 or 5, see the module."""

    def __init__(
        self,
        stocks: StockList,
        store: Callable[[], BarStore],
        permissions: Permissions,
        pacing: Pacing,
        now: Callable[[], datetime],
        update_s: int,
        market_of: Callable[[str], object],
    ) -> None:
        self._stocks = stocks
        self._store = store
        self._permissions = permissions
        self._pacing = pacing
        self._now = now
        self._update_s = update_s
        self._market_of = market_of
        self._lines: dict[str, list[BarLine]] = {}  # symbol -> keep-up-to-date subscriptions
        self.needs_grid = False

    def followed(self) -> list[str]:
        """Symbols with a subscription, sorted."""
        return sorted(symbol for symbol, lines in self._lines.items() if lines)

    # Requests

    def tell(self, client: ClientConnection, request: ReqHistoricalData) -> None:
        """Bars at once and, where it is asked for, as they come; else the error code that a gateway gives."""
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
            return
        try:
            _check(request)
            duration = parse_duration(request.duration)
            end_s = epoch_of(request.end_datetime, self._now())
        except ValueError as error:
            client.error(request.req_id, 321, f"Error validating request.-'bM' : cause - {error}")
            return
        if any(line.client is client and line.req_id == request.req_id for line in self._all()):
            client.error(request.req_id, 322, "Error processing request.-'bM' : cause - Duplicate ticker id")
            return
        refusal = self._refusal(request, stock.symbol)
        if refusal:
            client.error(request.req_id, 162, refusal)
            return
        dividends = request.what_to_show == "ADJUSTED_LAST"
        bars = self._store().bars(
            stock.symbol, request.bar_size, duration, end_s, dividends=dividends, use_rth=request.use_rth
        )
        if not bars:
            text = f"HMDS query returned no data: {stock.symbol}@SMART {request.what_to_show.capitalize()}"
            client.error(request.req_id, 162, f"{SERVICE}{text}")
            return
        is_daily = BAR_SIZES_S[request.bar_size] >= DAY_S
        rows = [_row(client.version, bar, request.what_to_show, request.format_date, is_daily=is_daily) for bar in bars]
        window = [datetime.fromtimestamp(at_s, UTC) for at_s in (_window_start_s(duration, end_s), end_s)]
        start_text, end_text = (replies.exchange_time_text(client.version, moment) for moment in window)
        client.send(replies.historical_data(client.version, request.req_id, start_text, end_text, rows))
        if request.keep_up_to_date:
            self._follow(client, request, stock.symbol)

    def cancel(self, client: ClientConnection, request: CancelHistoricalData) -> None:
        """End a subscription, told by code 162; 366 where there is none."""
        for line in self._all():
            if line.client is client and line.req_id == request.req_id:
                self._lines[line.symbol].remove(line)
                text = f"API historical data query cancelled: {request.req_id}"
                client.error(request.req_id, 162, f"{SERVICE}{text}")
                break
        else:
            client.error(request.req_id, 366, f"No historical data query found for ticker id:{request.req_id}")
        self._see_what_is_needed()

    def forget(self, client: ClientConnection) -> None:
        """Drop all subscriptions of a client that is gone."""
        for lines in self._lines.values():
            lines[:] = [line for line in lines if line.client is not client]
        self._see_what_is_needed()

    # What happens at the market

    def on_published(self, market: SymbolMarket, bar: Bar) -> None:
        """A minute is complete: the state of each subscription's bar, of minutes the final one."""
        is_regular = market.is_regular(bar.start_s)
        for line in self._lines.get(market.symbol, ()):
            if not (is_regular or line.hears_all):
                continue
            if line.size_s == MINUTE_S:
                self._tell(line, bar, market)
            elif line.size_s > MINUTE_S:
                line.base = line.grown(bar)
                self._tell(line, line.base, market)

    def on_moved(self, market: SymbolMarket) -> None:
        """The first price of a minute, once this second's publications are out."""
        building = market.building
        if self._update_s or building is None or building.start_s != market.last_at_s:
            return
        is_regular = market.is_regular(building.start_s)
        for line in self._lines.get(market.symbol, ()):
            if line.size_s == MINUTE_S and (is_regular or line.hears_all):
                self._tell(line, building, market)

    def on_grid(self, second: int, market_of: Callable[[str], SymbolMarket | None]) -> None:
        """The five-second grid: bars shorter than a minute, and unfinished ones where they are asked for."""
        for symbol, lines in self._lines.items():
            market = market_of(symbol) if lines else None
            if market is None or market.halt:
                continue
            building = market.building_at(second) if self._update_s else None
            is_regular = market.is_regular(second - 1)
            for line in lines:
                if not (is_regular or line.hears_all):
                    continue
                if line.size_s < MINUTE_S:
                    start_s = (second - WINDOW_S) // line.size_s * line.size_s
                    bar = market.seen().bar(start_s, second)
                    if bar is not None:
                        self._tell(line, bar, market)
                elif building is not None:
                    self._tell(line, line.grown(building), market)

    def _follow(self, client: ClientConnection, request: ReqHistoricalData, symbol: str) -> None:
        size_s = BAR_SIZES_S[request.bar_size]
        use_rth = request.use_rth or not self._store().is_extended
        line = BarLine(client, request.req_id, symbol, size_s, request.what_to_show, request.format_date, use_rth)
        if size_s > MINUTE_S:
            reach = Duration(size_s, "S") if size_s < DAY_S else Duration(-(-size_s // DAY_S), "D")
            now_s = int(self._now().timestamp())
            published = self._store().bars(symbol, request.bar_size, reach, now_s, unfinished=False, use_rth=use_rth)
            line.base = published[-1] if published else None
        self._lines.setdefault(symbol, []).append(line)
        self._market_of(symbol)  # it must move, even if it was asked for before the open
        self._see_what_is_needed()

    def _refusal(self, request: ReqHistoricalData, symbol: str) -> str:
        if self._permissions.of(symbol) in (Permission.COMPETING_SESSION, Permission.NONE, Permission.NO_API):
            return f"{SERVICE}No market data permissions for {symbol} STK"
        source = f"{symbol} {request.contract.exchange} {request.what_to_show}"
        spelled = f"{source} {request.bar_size} {request.duration} {request.end_datetime} {request.use_rth}"
        weight = 2 if request.what_to_show == "BID_ASK" else 1
        return self._pacing.history(spelled, source, BAR_SIZES_S[request.bar_size], weight, len(self._all()))

    def _all(self) -> list[BarLine]:
        return [line for lines in self._lines.values() for line in lines]

    def _see_what_is_needed(self) -> None:
        self.needs_grid = any(self._update_s or line.size_s < MINUTE_S for line in self._all())

    def _tell(self, line: BarLine, bar: Bar, market: SymbolMarket) -> None:
        version = line.client.version
        is_daily = line.size_s >= DAY_S
        row = _row(
            version, bar, line.what_to_show, line.format_date, is_daily=is_daily, recorded_half=market.recorded_half
        )
        line.client.send(replies.historical_data_update(version, line.req_id, row))


def _check(request: ReqHistoricalData) -> None:
    """Raises ValueError with the cause when the request is not one."""
    if request.bar_size not in BAR_SIZES_S:
        legal = ", ".join(BAR_SIZES_S)
        raise ValueError(
            f"Historical data bar size setting is invalid. Legal ones are: {legal}. Was: {request.bar_size!r}"
        )
    if request.what_to_show not in SOURCES:
        raise ValueError(f"Historical data type is invalid: {request.what_to_show}")
    if request.keep_up_to_date:
        if request.end_datetime:
            raise ValueError("End Date not allowed with live updates")
        if request.what_to_show not in LIVE_SOURCES:
            raise ValueError(f"Live updates are not available for {request.what_to_show}")
        if BAR_SIZES_S[request.bar_size] < WINDOW_S:
            raise ValueError("Live updates need bars of 5 secs or more")
    if request.what_to_show == "ADJUSTED_LAST" and request.end_datetime:
        raise ValueError("End Date not supported with adjusted last")


def _row(
    version: int, bar: Bar, what_to_show: str, format_date: int, *, is_daily: bool, recorded_half: int = 0
) -> replies.BarRow:
    told = bar if what_to_show in COUNTED_SOURCES else shown_as(bar, what_to_show, recorded_half)
    has_volume = told.volume >= 0
    return replies.BarRow(
        time_text=replies.bar_time_text(version, bar.start_s, format_date, is_daily=is_daily),
        open_usd=told.open / 10_000,
        high_usd=told.high / 10_000,
        low_usd=told.low / 10_000,
        close_usd=told.close / 10_000,
        volume=told.volume,
        wap_usd=mean_price_usd(told) if has_volume else float(NO_COUNT),
        count=trades_in(told.volume) if has_volume else NO_COUNT,
    )


def _window_start_s(duration: Duration, end_s: int) -> int:
    """Where the window of a request starts, by the calendar."""
    if duration.unit == "S":
        return end_s - duration.amount
    back = timedelta(days=duration.amount * DAYS_OF_UNIT[duration.unit])
    return int((datetime.fromtimestamp(end_s, NEW_YORK) - back).timestamp())


def epoch_of(text: str, now: datetime) -> int:
    """The instant of a historical request in epoch seconds; empty is now. Raises ValueError.

    `20251007 15:00:00 US/Eastern`, `20251007-19:00:00` (UTC), or without a zone in New York time.
    """
    if not text:
        return int(now.timestamp())
    if text[8:9] == "-":
        return int(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp())
    local = datetime.strptime(text.replace("  ", " ")[:17], "%Y%m%d %H:%M:%S").replace(
        tzinfo=UTC if text.endswith("UTC") else NEW_YORK
    )
    return int(local.timestamp())
