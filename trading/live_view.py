"""What an operator sees of a running session: one frozen value, published by the trading loop and drawn by others.

Money and prices are floats of USD here: this is a border. A number that cannot be told is None, never NaN or zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

Phase = Literal["before_open", "trading", "closing", "over"]


class Account(NamedTuple):
    """The account in this session. Drawdown is at most 0; `allocated_usd` is what positions and entries may take."""

    account_id: str
    equity_usd: float
    equity_at_open_usd: float
    realised_usd: float  # net of all fees known
    unrealised_usd: float  # at the bid
    pnl_usd: float
    peak_usd: float  # best result of the day
    drawdown_usd: float  # distance from it now
    max_drawdown_usd: float  # deepest of the day
    allocated_usd: float
    committed_usd: float  # cost of positions and pending entries
    available_funds_usd: float | None


class RestingLeg(NamedTuple):
    """An exit that may still sell, as the broker last told it.

    `held`: it is not at the exchange yet, as a stop that has not triggered.
    """

    role: str  # stop, target, time_exit, close
    state: str  # of the intent: created, sent, working, unknown
    order_type: str
    tif: str
    quantity: int  # still to sell
    limit_usd: float | None
    stop_usd: float | None
    held: bool


class PositionView(NamedTuple):
    """Shares of this bot. Distances are from the last bid, in percent of it; both are positive while inside."""

    symbol: str
    quantity: int
    average_cost_usd: float
    bid_usd: float | None
    unrealised_usd: float
    unrealised_pct: float
    stop_usd: float | None
    target_usd: float | None
    to_stop_pct: float | None
    to_target_pct: float | None
    opened_at: datetime | None
    resting: tuple[RestingLeg, ...]
    closing: bool  # an operator asked for its end


class Watched(NamedTuple):
    """One symbol of the watchlist. `rule` is the outcome of its last judgement, empty before the first."""

    rank: int
    symbol: str
    last_usd: float | None
    bid_usd: float | None
    ask_usd: float | None
    vwap_usd: float | None
    rsi: float | None
    atr_pct: float | None
    bars: int
    quote_age_s: int | None
    position: int
    pending: int  # shares of an entry on its way
    rule: str


class LimitUse(NamedTuple):
    """A risk limit and how much of it is used, in the same unit. `reached`: it refuses entries now."""

    name: str
    unit: str
    used: float
    allowed: float
    reached: bool


class DecisionView(NamedTuple):
    """A decision on record: `kind` is enter, exit, deny or sync; `limit` and `actual` share the rule's unit."""

    decision_id: str
    at: datetime
    symbol: str
    kind: str
    rule: str
    limit: float | None
    actual: float | None
    price_usd: float | None
    quantity: int | None
    trace_id: str


class Finding(NamedTuple):
    """What the health monitor sees. Severity is normal, warning or critical."""

    severity: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session at one agent instant. All datetimes are aware, in UTC."""

    at: datetime
    mode: str  # live, paper or simulated
    bot: str
    phase: Phase
    session_date: str
    opens_at: datetime
    eod_at: datetime
    closes_at: datetime
    connection: str
    reconnects: int
    health: str
    findings: tuple[Finding, ...]
    no_entries: tuple[str, ...]  # every reason why nothing is bought now, in words; empty while entries go on
    held_by_operator: bool  # whether an operator's pause is one of them
    killed: bool
    account: Account
    positions: tuple[PositionView, ...]
    watchlist: tuple[Watched, ...]
    limits: tuple[LimitUse, ...]
    parameters: Mapping[str, float]
    decisions: tuple[DecisionView, ...]  # the latest, newest first
    warnings: tuple[str, ...]  # the latest, newest first
    ticks: int
    n_decisions: int
    n_orders: int
    n_fills: int


def shown_parameters(parameters: Mapping[str, float]) -> dict[str, float]:
    """Parameters of the rules in the units in which a user sets them: percent instead of basis points."""
    shown = {}
    for name, value in parameters.items():
        is_bps = name.endswith("_bps")
        shown[f"{name.removesuffix('_bps')}_pct" if is_bps else name] = value / 100 if is_bps else value
    return shown


def known(number: float) -> float | None:
    """The number, or None where nothing is known."""
    return number if math.isfinite(number) else None


def distance_pct(price: float, level: float) -> float:
    """How far `level` is above (below: negative) `price`, in percent of the price."""
    return 100.0 * (level - price) / price
