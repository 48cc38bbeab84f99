"""Market data subscriptions: live and delayed ticks, snapshots, generic ticks, and data that is not permitted.

A line is told what changed at each path point; the day's volume (tick 8) follows at publications. Delayed lines
see the market of 15 minutes ago, every five seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import NO_SECURITY, StockList
from ib_simulator.delayed import DelayedLine
from ib_simulator.market import SymbolMarket
from ib_simulator.market_data_permissions import DataType, Grant, Permissions, grant
from ib_simulator.pacing import Pacing
from ib_simulator.plausible import ROUND_LOT, quote_shares, trade_shares
from ib_simulator.request_types import CancelMktData, ReqMarketDataType, ReqMktData
from trading.matching import half_spread_at

BID, ASK, LAST, HIGH, LOW, CLOSE, OPEN, MARK = 1, 2, 4, 6, 7, 9, 14, 37  # tick types of prices
BID_SIZE, ASK_SIZE, LAST_SIZE, VOLUME, SHORTABLE_SHARES = 0, 3, 5, 8, 89  # of sizes
BID_EXCHANGE, ASK_EXCHANGE, LAST_TIME, RT_VOLUME, LAST_EXCHANGE = 32, 33, 45, 48, 84  # of strings
SHORTABLE, HALTED = 46, 49  # of numbers
EASY_TO_BORROW = 3.0  # tick 46 above 2.5: at least 1000 shares can be shorted
SHARES_TO_BORROW = 1_000_000
EXCHANGE_LETTER = "Q"
GENERIC_TICKS = {
    "100": "Option Volume",
    "101": "Option Open Interest",
    "104": "Historical Volatility",
    "105": "Average Opt Volume",
    "106": "impvolat",
    "165": "Misc. Stats",
    "221": "Mark Price",
    "225": "Auction",
    "232": "Mark Price",
    "233": "RTVolume",
    "236": "inventory",
    "258": "Fundamentals",
    "292": "Wide_news",
    "293": "TradeCount",
    "294": "TradeRate",
    "295": "VolumeRate",
    "318": "LastRTHTrade",
    "375": "RTTrdVolume",
    "411": "rthistvol",
    "456": "IBDividends",
    "586": "IPOHLMTD",
    "588": "Futures Open Interest",
    "595": "ShortTermVolume",
}
INVALID = "Error validating request.-'bQ' : cause - "


@dataclass(slots=True, eq=False)
class QuoteLine:
    """One market data subscription, and what it was told last. `data_type` None: it gets no ticks now."""

    client: ClientConnection
    req_id: int
    symbol: str
    generic: tuple[str, ...] = ()
    data_type: DataType | None = None
    partial: bool = False
    bid: int = 0
    ask: int = 0
    last: int = 0
    high: int = 0
    low: int = 0
    delayed: DelayedLine | None = None


LineKey = tuple[ClientConnection, int]  # connection, request id


class QuoteService:
    """All market data lines of the gateway."""

    def __init__(
        self,
        stocks: StockList,
        market_of: Callable[[str], SymbolMarket | None],
        permissions: Permissions,
        pacing: Pacing,
        is_open: Callable[[], bool],
    ) -> None:
        self._stocks = stocks
        self._market_of = market_of
        self._permissions = permissions
        self._pacing = pacing
        self._is_open = is_open
        self._lines: dict[LineKey, QuoteLine] = {}
        self._live: dict[str, list[QuoteLine]] = {}  # symbol -> lines that live ticks go to now
        self._delayed: list[QuoteLine] = []
        self._wanted: dict[ClientConnection, int] = {}  # data type of reqMarketDataType; live when absent
        self._stale: dict[str, bool] = {}  # symbol ("": all) whose ticks do not come
        self.follow_closer: Callable[[SymbolMarket], None] | None = None  # tick-by-tick, while anybody asks for it

    def followed(self) -> list[str]:
        """Symbols with a line, sorted."""
        return sorted({line.symbol for line in self._lines.values()})

    @property
    def has_delayed(self) -> bool:
        """Whether anybody has to be told of the market of 15 minutes ago."""
        return bool(self._delayed)

    # Requests

    def follow(self, client: ClientConnection, request: ReqMktData) -> None:
        """Begin a line, or answer a snapshot; else the error code that a gateway gives."""
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
            return
        fault = _request_fault(request)
        if fault:
            client.error(request.req_id, 321, fault)
            return
        if (client, request.req_id) in self._lines:
            client.error(request.req_id, 322, "Error processing request.-'bN' : cause - Duplicate ticker id")
            return
        if not request.snapshot and not self._pacing.has_free_line(len(self._lines)):
            client.error(request.req_id, 101, "Max number of tickers has been reached")
            return
        line = QuoteLine(client, request.req_id, stock.symbol, tuple(map(_generic_id, request.generic_ticks)))
        self._begin(line, stock.min_tick)
        if request.snapshot:
            client.send(replies.tick_snapshot_end(request.req_id))
        else:
            self._lines[client, request.req_id] = line
            self._index()

    def unfollow(self, client: ClientConnection, request: CancelMktData) -> None:
        """End a line; code 300 where there is none."""
        if self._lines.pop((client, request.req_id), None) is None:
            client.error(request.req_id, 300, f"Can't find EId with tickerId:{request.req_id}")
        self._index()

    def set_type(self, client: ClientConnection, request: ReqMarketDataType) -> None:
        """The data type of this client's later subscriptions."""
        if request.market_data_type in list(DataType):
            self._wanted[client] = request.market_data_type
        else:
            cause = f"Invalid market data type:{request.market_data_type}"
            client.error(-1, 321, f"Error validating request.-'cd' : cause - {cause}")

    def forget(self, client: ClientConnection) -> None:
        """Drop all lines of a client that is gone."""
        self._lines = {key: line for key, line in self._lines.items() if line.client is not client}
        self._wanted.pop(client, None)
        self._index()

    # What happens at the market

    def on_point(self, market: SymbolMarket) -> None:
        """The price moved: tell what changed, and that there was a trade."""
        for line in self._live.get(market.symbol, ()):
            self._tell(line, market)
        if self.follow_closer is not None:
            self.follow_closer(market)

    def on_published(self, market: SymbolMarket) -> None:
        """A minute is complete: the day's volume."""
        for line in self._live.get(market.symbol, ()):
            if not line.partial:
                size = replies.market_data_size(line.client.version, market.day_volume)
                line.client.send(replies.tick_size(line.req_id, VOLUME, size))

    def on_phase(self, market: SymbolMarket) -> None:
        """The market was halted or has reopened."""
        for line in self._lines.values():
            if line.symbol == market.symbol and line.data_type is not None:
                line.client.send(replies.tick_generic(line.req_id, HALTED, float(market.halt)))

    def on_grid(self, second: int) -> None:
        """The five-second grid: delayed lines see how the market was."""
        for line in self._delayed:
            market = self._market_of(line.symbol)
            if market is not None and not self.is_stale(line.symbol):
                line.delayed = line.delayed or DelayedLine(line.client, line.req_id, market)
                line.delayed.tell(second)

    def new_session(self) -> None:
        """Midnight: what was told of the day before does not count any more."""
        for line in self._lines.values():
            line.bid = line.ask = line.last = line.high = line.low = 0
            line.delayed = None

    # Interventions

    def refresh_permissions(self, symbol: str) -> None:
        """Permissions changed: lines of `symbol` (empty: all) begin anew where their grant is another now."""
        for line in self._lines.values():
            if symbol in ("", line.symbol):
                answer = self._grant(line)
                if (answer.data_type, answer.partial) != (line.data_type, line.partial):
                    line.bid = line.ask = line.last = line.high = line.low = 0
                    self._begin(line, 0.0)
        self._index()

    def set_stale(self, symbol: str, *, stale: bool) -> None:
        """Stop or resume ticks of `symbol` (empty: all). The market goes on."""
        if stale:
            self._stale[symbol] = True
        elif symbol:
            self._stale.pop(symbol, None)
        else:
            self._stale.clear()
        self._index()

    def is_stale(self, symbol: str) -> bool:
        """Whether the ticks of `symbol` do not come."""
        return "" in self._stale or symbol in self._stale

    # Telling

    def _grant(self, line: QuoteLine) -> Grant:
        wanted = self._wanted.get(line.client, DataType.LIVE)
        return grant(self._permissions.of(line.symbol), wanted, is_open=self._is_open())

    def _begin(self, line: QuoteLine, min_tick: float) -> None:
        """The first messages of a line; without `min_tick` it is one that goes on under another permission."""
        client, req_id = line.client, line.req_id
        answer = self._grant(line)
        line.data_type, line.partial = answer.data_type, answer.partial
        if answer.code:
            client.error(req_id, answer.code, answer.text)
        if answer.data_type is None:
            return
        client.send(replies.market_data_type(req_id, answer.data_type))
        if min_tick:
            client.send(replies.tick_req_params(req_id, min_tick))
        market = self._market_of(line.symbol)
        if answer.data_type is DataType.DELAYED:
            line.delayed = None  # the first ticks come with the next point of the five-second grid
            return
        if line.partial:
            pass
        elif market is not None and market.last:
            self._tell_all(line, market)
        else:
            client.send(replies.tick_price(req_id, BID, -1.0, 0), replies.tick_price(req_id, ASK, -1.0, 0))
        if market is not None and market.previous_close:
            client.send(replies.tick_price(req_id, CLOSE, market.previous_close / 10_000, 0))
        if market is not None and market.halt:
            client.send(replies.tick_generic(req_id, HALTED, float(market.halt)))
        if "236" in line.generic:
            size = replies.market_data_size(client.version, SHARES_TO_BORROW)
            client.send(
                replies.tick_generic(req_id, SHORTABLE, EASY_TO_BORROW),
                replies.tick_size(req_id, SHORTABLE_SHARES, size),
            )

    def _index(self) -> None:
        """Sort the lines by what they follow. The dictionary keeps the order of subscription."""
        self._live = {}
        self._delayed = []
        for line in self._lines.values():
            if line.data_type is DataType.DELAYED:
                self._delayed.append(line)
            elif line.data_type is not None and not line.partial and not self.is_stale(line.symbol):
                self._live.setdefault(line.symbol, []).append(line)

    def _tell_all(self, line: QuoteLine, market: SymbolMarket) -> None:
        client, req_id = line.client, line.req_id
        self._tell(line, market)
        volume = replies.market_data_size(client.version, market.day_volume)
        client.send(
            replies.tick_size(req_id, VOLUME, volume),
            replies.tick_string(req_id, BID_EXCHANGE, EXCHANGE_LETTER),
            replies.tick_string(req_id, ASK_EXCHANGE, EXCHANGE_LETTER),
            replies.tick_string(req_id, LAST_EXCHANGE, EXCHANGE_LETTER),
        )
        if market.open:
            client.send(replies.tick_price(req_id, OPEN, market.open / 10_000, 0))

    def _tell(self, line: QuoteLine, market: SymbolMarket) -> None:
        client, req_id = line.client, line.req_id
        last, second = market.last, market.last_at_s
        half = half_spread_at(last, market.recorded_half)
        bid, ask = max(last - half, 1), last + half  # `bid_at` and `ask_at` with one spread
        in_lots = client.version < replies.TICK_SIZES_IN_SHARES_VERSION
        if bid != line.bid:
            line.bid = bid
            size = quote_shares(bid, second)
            size = size // ROUND_LOT if in_lots else size
            client.send(replies.tick_price_and_size(req_id, BID, BID_SIZE, bid / 10_000, size))
        if ask != line.ask:
            line.ask = ask
            size = quote_shares(ask, second)
            size = size // ROUND_LOT if in_lots else size
            client.send(replies.tick_price_and_size(req_id, ASK, ASK_SIZE, ask / 10_000, size))
        client.send(replies.tick_string(req_id, LAST_TIME, str(second)))
        if last != line.last:
            line.last = last
            size = trade_shares(last, second)
            size = size // ROUND_LOT if in_lots else size
            client.send(replies.tick_price_and_size(req_id, LAST, LAST_SIZE, last / 10_000, size))
            if market.high != line.high:
                line.high = market.high
                client.send(replies.tick_price(req_id, HIGH, market.high / 10_000, 0))
            if market.low != line.low:
                line.low = market.low
                client.send(replies.tick_price(req_id, LOW, market.low / 10_000, 0))
        if line.generic:
            self._tell_generic(line, market)

    def _tell_generic(self, line: QuoteLine, market: SymbolMarket) -> None:
        client, req_id, second = line.client, line.req_id, market.last_at_s
        if "233" in line.generic:
            size = replies.market_data_size(client.version, trade_shares(market.last, second))
            total = replies.market_data_size(client.version, market.day_volume)
            price, vwap = market.last / 10_000, round(market.day_vwap_usd, 6)
            client.send(replies.tick_string(req_id, RT_VOLUME, f"{price};{size};{second * 1000};{total};{vwap};true"))
        if "232" in line.generic or "221" in line.generic:
            client.send(replies.tick_price(req_id, MARK, (market.bid + market.ask) / 20_000, 0))


def _generic_id(text: str) -> str:
    """`233` of `233` and of `mdoff`-like modifiers such as `292:BRFG`."""
    return text.strip().partition(":")[0]


def _request_fault(request: ReqMktData) -> str:
    """Why the subscription is not taken, empty when it is."""
    if request.regulatory_snapshot:
        return INVALID + "Regulatory snapshots are not served by the simulated gateway"
    if request.snapshot and request.generic_ticks:
        return INVALID + "Snapshot market data subscription is not applicable to generic ticks"
    for text in request.generic_ticks:
        if _generic_id(text) not in GENERIC_TICKS and _generic_id(text) != "mdoff":
            legal = ",".join(f"{number}({name})" for number, name in GENERIC_TICKS.items())
            return f"{INVALID}Incorrect generic tick list of {text}.  Legal ones for (STK) are: {legal}"
    return ""
