"""The client library of the TWS API, in one place. Everything else in `broker/` takes it from here.

It binds to the event loop that is set when it is first imported: set the loop before.
"""

from __future__ import annotations

from ib_insync import IB, BarData, BarDataList, Contract, Fill, Order, Stock, Ticker, Trade
from ib_insync.objects import CommissionReport
from ib_insync.wrapper import RequestError

from broker import library_speed

__all__ = [
    "IB",
    "BarData",
    "BarDataList",
    "CommissionReport",
    "Contract",
    "Fill",
    "Order",
    "RequestError",
    "Stock",
    "Ticker",
    "Trade",
]

library_speed.quicken()
