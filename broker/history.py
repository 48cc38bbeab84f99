"""Past bars from the gateway, as slowly as IBKR wants them asked for: what research downloads."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from broker.client_library import IB
from broker.connection import open_connection
from broker.market_data import MarketData
from broker.settings import BrokerSettings
from market_hours import Clock, Session
from trading.bars import Bar

PACE_REQUESTS, PACE_WINDOW = 60, timedelta(minutes=10)  # IBKR's limit on historical requests


class GatewayHistory:
    """Minute bars of past sessions, at most 60 requests in any ten minutes."""

    adjusts_for_splits = True

    def __init__(self, data: MarketData, clock: Clock) -> None:
        self._data = data
        self._clock = clock
        self._asked: deque[datetime] = deque(maxlen=PACE_REQUESTS)  # the latest requests

    async def session_minutes(self, symbol: str, session: Session) -> list[Bar]:
        """Minute bars of a session, adjusted for splits until today. Raises HistoryUnavailable, BrokerUnavailable."""
        if len(self._asked) == PACE_REQUESTS:
            await self._clock.sleep_until(self._asked[0] + PACE_WINDOW)
        self._asked.append(self._clock.now())
        return await self._data.session_minutes(symbol, session)


@asynccontextmanager
async def gateway_history(settings: BrokerSettings, clock: Clock, client_id: int) -> AsyncIterator[GatewayHistory]:
    """A connection that only asks for bars. Raises BrokerUnavailable, naming host, port and the likely cause."""
    ib = IB()
    ib.RaiseRequestErrors = True
    try:
        await open_connection(ib, settings, client_id)
        yield GatewayHistory(MarketData(ib, settings, clock), clock)
    finally:
        ib.disconnect()
