"""What is measured, in one table: name, kind, unit, meaning, and the buckets of a distribution."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class InstrumentKind(StrEnum):
    """A counter is added to, a gauge is set, a histogram collects a distribution."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Instrument(NamedTuple):
    """One metric. Its attributes are few and bounded: never a symbol, an id or a text."""

    name: str
    kind: InstrumentKind
    unit: str
    meaning: str
    buckets: tuple[float, ...] = ()


_COUNTER, _GAUGE, _HISTOGRAM = InstrumentKind
_FAST_S = (0.0001, 0.0002, 0.0004, 0.0007, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)
_SLOW_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKENS = (64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0)

DECISIONS = Instrument("trading.decisions", _COUNTER, "{decision}", "decisions on record, by kind and rule")
ORDERS = Instrument("trading.orders", _COUNTER, "{order}", "orders sent, by role")
FILLS = Instrument("trading.fills", _COUNTER, "{execution}", "executions of our orders, by reason")
REJECTS = Instrument("trading.rejects", _COUNTER, "{order}", "orders that the broker rejected, by role")
REALIZED = Instrument("trading.pnl.realized", _GAUGE, "USD", "the session's closed result, net of fees")
UNREALIZED = Instrument("trading.pnl.unrealized", _GAUGE, "USD", "result of open positions at the bid")
EQUITY = Instrument("trading.equity", _GAUGE, "USD", "equity at the open plus the session's result")
DRAWDOWN = Instrument("trading.drawdown", _GAUGE, "USD", "distance from the session's best result, at most 0")
OPEN_POSITIONS = Instrument("trading.positions", _GAUGE, "{position}", "open positions")
LOOP_LAG = Instrument("trading.loop.lag", _HISTOGRAM, "s", "how late an agent instant began", _FAST_S)
TICK_AGE = Instrument("trading.tick.age", _GAUGE, "s", "age of the oldest latest quote of the watchlist")
TICK_TO_ORDER = Instrument(
    "trading.tick_to_order.duration",
    _HISTOGRAM,
    "s",
    "from the look at the market until the orders of an entry are on the socket",
    _FAST_S,
)
RECONNECTS = Instrument("trading.reconnects", _COUNTER, "{connection}", "connections made again")
DATABASE_QUEUE = Instrument("trading.database.queue", _GAUGE, "{row}", "rows that wait to be written")
DATABASE_DURATION = Instrument(
    "db.client.operation.duration", _HISTOGRAM, "s", "transactions of the database, by operation and table", _FAST_S
)
HTTP_DURATION = Instrument(
    "http.client.request.duration", _HISTOGRAM, "s", "requests to data vendors, by server and status", _SLOW_S
)
LLM_DURATION = Instrument(
    "gen_ai.client.operation.duration", _HISTOGRAM, "s", "calls of a language model, by model", _SLOW_S
)
LLM_TOKENS = Instrument(
    "gen_ai.client.token.usage", _HISTOGRAM, "{token}", "tokens of a call, by model and direction", _TOKENS
)
LLM_COST = Instrument("trading.llm.cost", _COUNTER, "USD", "what calls of language models cost, by model")
GC_PAUSE = Instrument("trading.gc.pause", _HISTOGRAM, "s", "pauses for garbage collection, by generation", _FAST_S)
LOST = Instrument("trading.telemetry.lost", _COUNTER, "{item}", "spans and measurements that reached nobody")

INSTRUMENTS = tuple(value for value in list(globals().values()) if isinstance(value, Instrument))
