"""The stocks that the simulated gateway knows, as contract details."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple
from zlib import crc32

from ib_simulator.trading_hours import extended_bounds
from ib_simulator.wire_order import WireContract
from market_hours import NEW_YORK, Session

FIRST_CON_ID = 10_000_000
ORDER_TYPES = "AON,DAY,FOK,GAT,GTC,GTD,HID,IOC,LMT,LOC,MKT,MOC,MTL,OCA,OPG,RTH,STP,STPLMT,TRAIL,TRAILLMT,WHATIF"
EXCHANGES = "SMART,NYSE,NASDAQ,ARCA,BATS,IEX"
HOURS_DAYS = 6
NO_SECURITY = "No security definition has been found for the request"


class Stock(NamedTuple):
    """A US stock as the gateway names it."""

    con_id: int
    symbol: str
    primary_exchange: str = "NASDAQ"
    trading_class: str = "NMS"
    min_tick: float = 0.01


class StockList:
    """Stocks by symbol and by contract id. Ids are a function of the symbol alone."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self._by_symbol: dict[str, Stock] = {}
        self._by_con_id: dict[int, Stock] = {}
        for symbol in sorted(set(symbols)):
            con_id = FIRST_CON_ID + crc32(symbol.encode()) % 800_000_000
            while con_id in self._by_con_id:
                con_id += 1
            stock = Stock(con_id=con_id, symbol=symbol)
            self._by_symbol[symbol] = stock
            self._by_con_id[con_id] = stock

    def find(self, con_id: int, symbol: str, security_type: str = "STK", currency: str = "USD") -> Stock | None:
        """The stock that a client's contract names, by id first; None when there is none."""
        if security_type not in ("STK", "") or currency not in ("USD", ""):
            return None
        return self._by_con_id.get(con_id) if con_id else self._by_symbol.get(symbol)

    def delist(self, symbol: str) -> None:
        """From now on nobody knows it."""
        stock = self._by_symbol.pop(symbol, None)
        if stock is not None:
            del self._by_con_id[stock.con_id]

    def matching(self, pattern: str) -> list[Stock]:
        """Stocks whose symbol starts with `pattern`, at most 16 as on the real gateway."""
        start = pattern.upper()
        return [stock for symbol, stock in self._by_symbol.items() if symbol.startswith(start)][:16]

    def symbols(self) -> tuple[str, ...]:
        """All symbols, sorted."""
        return tuple(self._by_symbol)


def smart_contract(stock: Stock) -> WireContract:
    """The contract of a stock as clients get it told: routed by SMART."""
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


def hours_text(sessions: Iterable[Session], *, extended: bool) -> str:
    """Trading hours as IB writes them, `20260928:0930-20260928:1600;20260929:CLOSED`, in New York time.

    `extended` adds the pre-market and the post-market.
    """
    by_date = {session.date: session for session in sessions}
    if not by_date:
        return ""
    day, last = min(by_date), max(by_date)
    parts: list[str] = []
    while day <= last and len(parts) < HOURS_DAYS:
        session = by_date.get(day)
        if session is None:
            parts.append(f"{day:%Y%m%d}:CLOSED")
        else:
            opens, closes = extended_bounds(session) if extended else (session.open, session.close)
            opens, closes = opens.astimezone(NEW_YORK), closes.astimezone(NEW_YORK)
            parts.append(f"{opens:%Y%m%d:%H%M}-{closes:%Y%m%d:%H%M}")
        day += timedelta(days=1)
    return ";".join(parts)
