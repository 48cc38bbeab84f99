"""What a cycle of the weekly bot was: intended, done, and how things stand after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from portfolio.attribution import Attribution
from portfolio.calibration import CalibrationRow
from portfolio.construction import Target
from portfolio.exposures import Exposures, RiskNumbers
from portfolio.fulfilment import Fulfilment
from portfolio.rebalance import Funds, Plan, Position
from weekly.analysis import Analysis


class Stage(StrEnum):
    """How far a cycle came."""

    ANALYSED = "analysed"  # no orders were meant to follow
    PLANNED = "planned"  # a plan that nobody sent: a dry run, or the exchange is closed
    QUEUED = "queued"  # its orders wait for the next open
    TRADING = "trading"  # its orders are being sent; a cycle that stays so was interrupted
    DONE = "done"  # nothing of it is left to send


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """The weekly bot's book and the account at one instant. Money in 1e-6 USD, prices in 1e-4 USD."""

    at: datetime
    account_id: str
    positions: tuple[Position, ...]  # names owned or looked at, by symbol
    costs: Mapping[str, int]  # symbol -> what the owned shares cost, fees included
    funds: Funds
    of_others: Mapping[str, int]  # symbol -> shares of the day trader's ledger

    @property
    def owned(self) -> dict[str, int]:
        """symbol -> shares of this bot."""
        return {each.symbol: each.owned for each in self.positions if each.owned}

    def price(self, symbol: str) -> int:
        """The price of a symbol; 0 where it is not known."""
        return next((each.price for each in self.positions if each.symbol == symbol), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """One cycle, for its log, its report and the cycle after it. What it has not come to is None.

    `attribution` is of the time since the cycle before it; `why` says why it did not trade, empty when it did.
    """

    cycle_id: str
    number: int  # cycles on record before it
    session_date: date
    mode: str
    started_at: datetime
    ended_at: datetime
    stage: Stage
    why: str
    snapshot_digest: str
    snapshot_file: str
    analysis: Analysis | None
    before: Holdings
    after: Holdings
    target: Target | None
    plan: Plan | None
    fulfilment: Fulfilment | None
    exposures: Exposures | None
    risk: RiskNumbers | None
    attribution: Attribution | None
    calibration: tuple[CalibrationRow, ...]
    forecasts_made: int
    forecasts_settled: int
    warnings: tuple[str, ...]
