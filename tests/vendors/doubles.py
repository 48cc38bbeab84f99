"""Servers that answer as FMP and Polygon do, on loopback in a thread of their own; and misbehave when told to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from zlib import crc32

from aiohttp import web

from market_hours import NEW_YORK, new_york_calendar

SESSION_DAY = date(2026, 11, 20)
CALENDAR = new_york_calendar(SESSION_DAY)  # made here: it takes longer than the deadlines of some tests
KEY = "k3y-that-nobody-may-see-0451"
HTML = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
FMP_LIMIT = {"Error Message": "Limit Reach . Please upgrade your plan or visit our documentation for more details"}
POLYGON_LIMIT = {"status": "ERROR", "request_id": "d49f", "error": "You've exceeded the maximum requests per minute"}


class Fault(StrEnum):
    """What a double can do wrong. The comment is the class that it must be told as."""

    BAD_KEY = "bad key"  # AUTH
    PLAN = "plan"  # PLAN
    SYMBOL = "symbol"  # SYMBOL
    QUOTA = "quota"  # QUOTA
    SERVER_ERROR = "server error"  # TRANSIENT
    TRUNCATED = "truncated"  # TRANSIENT: the connection ends before the announced length
    DRIBBLE = "dribble"  # TRANSIENT: blanks that keep the connection alive and never end
    HANGS_UP = "hangs up"  # TRANSIENT
    HTML = "html"  # MALFORMED
    HALF_JSON = "half JSON"  # MALFORMED: whole by its length, cut off as JSON
    WRONG_SHAPE = "wrong shape"  # MALFORMED
    REPEATS_KEY = "repeats the key"  # MALFORMED
    WRONG_TYPES = "wrong types"  # no failure: every row is dropped


class Asked(NamedTuple):
    """A request as the double saw it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float  # by `VendorDouble.now`


class VendorDouble:
    """A real HTTP server. `faults`: part of a path ("" is all) -> what goes wrong there."""

    is_fmp = True

    def __init__(self, symbols: int = 12, latency_s: float = 0.0) -> None:
        self.symbols = [f"S{number:03}" for number in range(symbols)]
        self.latency_s = latency_s
        self.faults: dict[str, Fault] = {}
        self.asked: list[Asked] = []
        self.now: Callable[[], float] = lambda: 0.0
        self.on_hang: Callable[[], None] = lambda: None  # a reply has begun that will not end
        self.answers: dict[str, tuple[int, str, str]] = {}  # path -> status, content type, body: instead of its own
        self.url = ""

    def paths(self) -> list[str]:
        return [each.path for each in self.asked]

    def rows(self, path: str, query: dict[str, str]) -> Any:
        """The body of a good answer."""
        raise NotImplementedError

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request.path, dict(request.query), dict(request.headers), self.now()))
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        for part, fault in self.faults.items():
            if part in request.path:
                return await self._go_wrong(fault, request)
        if request.path in self.answers:
            status, content_type, body = self.answers[request.path]
            headers = {"Location": body} if status == 302 else {}
            return web.Response(status=status, text=body, content_type=content_type, headers=headers)
        return web.json_response(self.rows(request.path, dict(request.query)))

    async def _go_wrong(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        if fault in REFUSALS:
            status, fmp, polygon = REFUSALS[fault]
            body = fmp if self.is_fmp else polygon
            return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))
        good = json.dumps(self.rows(request.path, dict(request.query)))
        if fault is Fault.HTML:
            return web.Response(text=HTML, content_type="text/html")
        if fault is Fault.HALF_JSON:
            return web.json_response(text=good[: len(good) // 2])
        if fault is Fault.WRONG_SHAPE:
            return web.json_response("a text" if self.is_fmp else {"status": "OK", "results": 7, "tickers": "no"})
        if fault is Fault.REPEATS_KEY:
            return web.json_response([{"symbol": KEY}] if self.is_fmp else {"status": "OK", "request_id": KEY})
        if fault is Fault.WRONG_TYPES:
            return web.json_response(_with_wrong_types(json.loads(good)))
        return await self._break_off(fault, request, good.encode())

    async def _break_off(self, fault: Fault, request: web.Request, good: bytes) -> web.StreamResponse:
        assert request.transport is not None
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if fault is Fault.TRUNCATED:
            response.content_length = len(good) + 1
            await response.prepare(request)
            await response.write(good)
        elif fault is Fault.DRIBBLE:
            await response.prepare(request)
            self.on_hang()
            for _ in range(200):
                await response.write(b"\n")
                await asyncio.sleep(0.02)
        request.transport.abort()
        return response


REFUSALS: dict[Fault, tuple[int, Any, Any]] = {  # fault -> status, FMP's body, Polygon's
    Fault.BAD_KEY: (
        401,
        {"Error Message": "Invalid API KEY. Feel free to create a Free API Key or visit the site"},
        {"status": "ERROR", "request_id": "d49f", "error": "Unknown API Key"},
    ),
    Fault.PLAN: (
        403,
        "Restricted Endpoint: This endpoint is not available under your current subscription",
        {"status": "NOT_AUTHORIZED", "request_id": "d49f", "message": "You are not entitled to this data."},
    ),
    Fault.SYMBOL: (
        404,
        "Premium Query Parameter: 'Special Endpoint : This value set for 'symbol' is not available under your plan",
        {"status": "NOT_FOUND", "request_id": "d49f", "message": "Ticker not found."},
    ),
    Fault.QUOTA: (429, FMP_LIMIT, POLYGON_LIMIT),
    Fault.SERVER_ERROR: (503, HTML, HTML),
}


ABOUT: dict[str, dict[str, Any]] = {  # endpoint of FMP that takes one symbol -> what it says of each
    "profile": {
        "price": 20,
        "marketCap": 10**10,
        "beta": 1.2,
        "companyName": "Example Inc.",
        "sector": "Technology",
        "isEtf": False,
        "isActivelyTrading": True,
        "isAdr": False,
        "isFund": False,
    },
    "ratios-ttm": {"priceToEarningsRatioTTM": 21.5, "debtToEquityRatioTTM": 0.4, "netProfitMarginTTM": 0.2},
    "key-metrics-ttm": {"returnOnEquityTTM": 0.3},
    "financial-growth": {
        "date": "2026-06-30",
        "fiscalYear": "2026",
        "period": "FY",
        "revenueGrowth": 0.08,
        "epsgrowth": -0.1,
    },
    "price-target-consensus": {"targetHigh": 30, "targetLow": 10, "targetConsensus": 25.5, "targetMedian": 25},
    "grades-consensus": {"strongBuy": 1, "buy": 29, "hold": 11, "sell": 4, "strongSell": 2, "consensus": "Buy"},
    "analyst-estimates": {"date": "2027-06-30", "epsAvg": 0, "revenueAvg": 1},
}


def _with_wrong_types(body: Any) -> Any:
    """Every number becomes a text, every text a list, in the rows only."""
    if isinstance(body, list):
        return [
            {key: str(value) if isinstance(value, int | float) else [value] for key, value in row.items()}
            for row in body
        ]
    for key in ("results", "tickers"):
        if isinstance(body.get(key), list):
            body[key] = _with_wrong_types(body[key])
    return body


def price_of(symbol: str) -> float:
    return 20.0 + crc32(symbol.encode()) % 200


def daily_prices(symbol: str, day: date) -> tuple[float, float, float, float, int]:
    """Open, high, low, close, volume of a session, from nothing but its name and date: ranges of 2 to 6 %."""
    price = price_of(symbol)
    wide = price * (0.01 + crc32(symbol[::-1].encode()) % 20 / 1000)
    drift = (crc32(f"{symbol}{day}".encode()) % 100 - 50) / 100 * wide
    close = round(price + drift, 2)
    return price, round(max(price, close) + wide, 2), round(min(price, close) - wide, 2), close, 1_000_000


def sessions(query_first: str, query_last: str) -> list[date]:
    first, last = date.fromisoformat(query_first), date.fromisoformat(query_last)
    return [each.date for each in CALENDAR.sessions_between(first, last)]


def minutes_of(symbol: str, day: date) -> list[tuple[datetime, float]]:
    """Starts (New York) and opens of a day's minutes: three before the open, then to the close but for one."""
    session = CALENDAR.session_on(day)
    assert session is not None
    first = session.open - timedelta(minutes=3)
    count = 3 + (session.close_s - session.open_s) // 60
    starts = [(first + timedelta(minutes=number)).astimezone(NEW_YORK) for number in range(count)]
    return [(start, round(price_of(symbol) + 0.01 * number, 2)) for number, start in enumerate(starts) if number != 100]


class FmpDouble(VendorDouble):
    def _chart_bar(self, price: float) -> dict[str, Any]:
        high, low = round(price + 0.02, 2), round(price - 0.01, 2)
        return {"open": price, "high": high, "low": low, "close": round(price + 0.01, 2), "volume": 700}

    def rows(self, path: str, query: dict[str, str]) -> Any:
        name = path.removeprefix("/stable/")
        wanted = [each for each in query.get("symbols", query.get("symbol", "")).split(",") if each in self.symbols]
        if name == "company-screener":
            return [self._screened(symbol) for symbol in self.symbols[: int(query["limit"])]]
        if name in ("most-actives", "biggest-gainers", "biggest-losers"):
            return [
                {
                    "symbol": symbol,
                    "price": price_of(symbol),
                    "name": symbol,
                    "change": 1.5,
                    "changesPercentage": 3,
                    "exchange": "NASDAQ",
                }
                for symbol in self.symbols[:3]
            ] + [
                {
                    "symbol": "BROKE",
                    "price": 1,
                    "name": "",
                    "change": 9,
                    "changesPercentage": 900.5,
                    "exchange": "NASDAQ",
                }
            ]
        if name in ABOUT:
            return [{"symbol": symbol} | ABOUT[name] for symbol in wanted]
        if name == "batch-quote":
            return [self._quote(symbol) for symbol in wanted]
        if name == "historical-price-eod/full":
            days = reversed(sessions(query["from"], query["to"]))
            return [self._bar(symbol, day) for symbol in wanted for day in days]
        if name == "historical-chart/1min":
            return [
                {"date": start.strftime("%Y-%m-%d %H:%M:%S"), **self._chart_bar(price)}
                for symbol in wanted
                for day in sessions(query["from"], query["to"])
                for start, price in reversed(minutes_of(symbol, day))
            ]
        if name == "earnings-calendar":
            return [
                {
                    "symbol": self.symbols[1],
                    "date": query["to"],
                    "epsActual": None,
                    "epsEstimated": 1.5,
                    "revenueActual": None,
                    "revenueEstimated": None,
                    "lastUpdated": query["to"],
                }
            ]
        if name == "news/stock":
            return [
                {
                    "symbol": symbol,
                    "publishedDate": "2026-11-20 08:00:00",
                    "publisher": "Wire",
                    "title": f"{symbol} moves",
                    "image": "",
                    "site": "wire.example",
                    "text": "It moves.",
                    "url": "https://wire.example/1",
                }
                for symbol in wanted[:5]
            ]
        return []

    def _screened(self, symbol: str) -> dict[str, Any]:
        return {
            "symbol": symbol,
            "companyName": f"{symbol} Inc.",
            "marketCap": 10**10,
            "sector": "Technology",
            "industry": "Software",
            "beta": None,
            "price": price_of(symbol),
            "lastAnnualDividend": None,
            "volume": 1_000_000,
            "exchange": "NASDAQ Global Select",
            "exchangeShortName": "NASDAQ",
            "country": "US",
            "isEtf": False,
            "isFund": False,
            "isActivelyTrading": True,
        }

    def _quote(self, symbol: str) -> dict[str, Any]:
        price = price_of(symbol)
        gap = 30.0 if symbol == "S002" else 1.0
        return {
            "symbol": symbol,
            "name": symbol,
            "price": round(price * (1 + gap / 100), 2),
            "changePercentage": gap,
            "change": 1,
            "volume": 5000,
            "dayLow": price,
            "dayHigh": price,
            "yearHigh": price,
            "yearLow": price,
            "marketCap": 10**10,
            "priceAvg50": price,
            "priceAvg200": price,
            "exchange": "NASDAQ",
            "open": price,
            "previousClose": price,
            "timestamp": 1_795_000_000,
        }

    def _bar(self, symbol: str, day: date) -> dict[str, Any]:
        opened, high, low, close, volume = daily_prices(symbol, day)
        return {
            "symbol": symbol,
            "date": day.isoformat(),
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "change": 0.5,
            "changePercent": 0.5,
            "vwap": close,
        }


class PolygonDouble(VendorDouble):
    is_fmp = False

    def rows(self, path: str, query: dict[str, str]) -> Any:
        parts = path.split("/")
        ok = {"status": "OK", "request_id": "d49f"}
        if "/range/1/minute/" in path:
            days = sessions(parts[-2], parts[-1]) if parts[4] in self.symbols else []
            rows = [self._minute(start, price) for day in days for start, price in minutes_of(parts[4], day)]
            return {**ok, "ticker": parts[4], "adjusted": False, **({"results": rows} if rows else {})}
        if "/range/" in path:
            bars = [self._bar(parts[4], day) for day in sessions(parts[-2], parts[-1]) if parts[4] in self.symbols]
            return {**ok, "ticker": parts[4], "resultsCount": len(bars), **({"results": bars} if bars else {})}
        if "/grouped/" in path:
            day = date.fromisoformat(parts[-1])
            return {**ok, "results": [{"T": symbol, **self._bar(symbol, day)} for symbol in self.symbols]}
        if path.endswith(("/gainers", "/losers")):
            return {**ok, "tickers": [self._snapshot(symbol) for symbol in self.symbols[:3]]}
        if path.endswith("/stocks/tickers"):
            wanted = query.get("tickers", "").split(",")
            return {**ok, "tickers": [self._snapshot(symbol) for symbol in wanted if symbol in self.symbols]}
        if path == "/v2/reference/news":
            return {
                **ok,
                "results": [self._news(symbol, mood) for symbol in self.symbols[3:4] for mood in ("negative",) * 3],
            }
        return {**ok, "results": []}

    def _minute(self, start: datetime, price: float) -> dict[str, Any]:
        at = int(start.timestamp() * 1000)
        return {"o": price, "h": price + 0.02, "l": price - 0.01, "c": price + 0.01, "v": 700.5, "t": at, "n": 9}

    def _bar(self, symbol: str, day: date) -> dict[str, Any]:
        opened, high, low, close, volume = daily_prices(symbol, day)
        start = datetime.combine(day, time(), NEW_YORK)
        return {
            "o": opened,
            "h": high,
            "l": low,
            "c": close,
            "v": float(volume),
            "vw": close,
            "t": int(start.timestamp() * 1000),
            "n": 99,
        }

    def _snapshot(self, symbol: str) -> dict[str, Any]:
        price = price_of(symbol)
        half = price * (0.02 if symbol == "S004" else 0.0002)
        return {
            "ticker": symbol,
            "day": {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0, "vw": 0},
            "min": {
                "av": 5000,
                "o": price,
                "h": price,
                "l": price,
                "c": price,
                "v": 10,
                "vw": price,
                "t": 1_795_000_000_000,
                "n": 1,
            },
            "prevDay": {"o": price, "h": price, "l": price, "c": price, "v": 1e6, "vw": price},
            "lastQuote": {"p": price - half, "s": 1, "P": price + half, "S": 1, "t": 1_795_000_000_000_000_000},
            "todaysChange": 0.1,
            "todaysChangePerc": 0.1,
            "updated": 1_795_000_000_000_000_000,
        }

    def _news(self, symbol: str, mood: str) -> dict[str, Any]:
        return {
            "id": "1",
            "publisher": {"name": "Wire"},
            "title": f"{symbol} in trouble",
            "author": "A",
            "published_utc": "2026-11-20T12:00:00Z",
            "article_url": "https://wire.example/2",
            "tickers": [symbol],
            "insights": [{"ticker": symbol, "sentiment": mood, "sentiment_reasoning": "so it reads"}],
        }


@contextmanager
def serving(*doubles: VendorDouble) -> Iterator[None]:
    """The doubles answer while the block runs, on a loop in a thread: whatever loop the caller is on."""
    ready = threading.Event()
    ends: list[Callable[[], None]] = []

    async def serve() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        runners = [await start(double) for double in doubles]
        ends.append(lambda: loop.call_soon_threadsafe(over.set))
        ready.set()
        await over.wait()
        for runner in runners:
            await runner.cleanup()

    async def start(double: VendorDouble) -> web.AppRunner:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", double.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        double.url = f"http://127.0.0.1:{runner.addresses[0][1]}" + "/stable" * double.is_fmp
        return runner

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="vendor doubles", daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        ends[0]()
        thread.join(10)


FAR_S = 20.0  # of wall time: ends a test that has failed anyway


class StillClock:
    """A live clock whose `now` is a given one that moves only when somebody sleeps.

    Of doubles that it watches calls reach their limit once all that are open hang, however slow the machine is.
    """

    is_real = False

    def __init__(self, now: datetime = datetime(2026, 11, 20, 13, tzinfo=UTC)) -> None:
        self._now = now
        self.slept_s = 0.0
        self._watches = False
        self._open: dict[asyncio.Timeout, None] = {}  # calls outside
        self._hanging = 0  # of them
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by

    async def sleep_until(self, when: datetime) -> None:
        if when > self._now:
            self.slept_s += (when - self._now).total_seconds()
            self._now = when

    def off_loop(self, job: Any) -> Any:
        return asyncio.wrap_future(job)

    @asynccontextmanager
    async def outside(self, limit_s: float) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        async with asyncio.timeout(FAR_S if self._watches else limit_s) as limit:
            self._open[limit] = None
            try:
                yield
            finally:
                self._open.pop(limit, None)
                self._pass_time()

    def watch(self, *doubles: VendorDouble) -> None:
        """Doubles that say when a call hangs. All calls on this clock must be to them."""
        self._watches = True
        for double in doubles:
            double.on_hang = self._hang

    def _hang(self) -> None:
        """One of the open calls is never answered. Called by the thread of a double."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._one_more_hangs)

    def _one_more_hangs(self) -> None:
        self._hanging += 1
        self._pass_time()

    def _pass_time(self) -> None:
        if self._hanging and self._hanging >= len(self._open):
            over, self._open, self._hanging = self._open, {}, 0
            for limit in over:
                limit.reschedule(0)
