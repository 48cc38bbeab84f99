"""Everything that `.env` may say to the weekly bot, checked together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from broker.settings import BrokerSettings
from configuration import Configuration
from llm.settings import LlmSettings
from notifications.settings import NotificationSettings
from performance_config import PerformanceSettings
from portfolio.screening import ScreeningRules
from records.settings import RecordsSettings
from telemetry.settings import TelemetrySettings
from tools import VendorSettings
from trading.settings import AllocationSettings, SafetySettings, unique_symbols
from utils import Misconfigured

SCREEN = ScreeningRules()


class WeeklySettings(BaseModel):
    """What the weekly bot looks at, how it weighs and how it trades. Percentages of weights are of its capital."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("WEEKLY_", "REBALANCE_")

    weekly_universe: tuple[str, ...] = Field(
        (
            *("AAPL", "ABBV", "AMZN", "AVGO", "BA", "BAC", "CAT", "COST", "CRM", "CVX", "DIS", "GE", "GOOGL"),
            *("GS", "HD", "HON", "IBM", "JNJ", "JPM", "KO", "LIN", "LLY", "MA", "MCD", "META", "MRK", "MSFT", "NEE"),
            *("NFLX", "NKE", "NVDA", "ORCL", "PEP", "PFE", "PG", "QCOM", "T", "TSLA", "UNH", "UNP", "V", "VZ", "WMT"),
            *("XOM",),
        ),
        description="symbols to look at while no data vendor answers, separated by commas",
        min_length=1,
    )
    weekly_candidates: int = Field(500, description="most names of a vendor's screen", ge=10, le=2_000)
    weekly_detailed_names: int = Field(
        80, description="best names by price factors whose fundamentals, estimates and news are gathered", ge=5, le=500
    )
    weekly_weighed_names: int = Field(60, description="best names by score that weights are made of", ge=5, le=300)
    weekly_llm_names: int = Field(20, description="most names that a language model is asked about", ge=0, le=200)
    weekly_history_days: int = Field(800, description="calendar days of daily history", ge=200, le=4_000)
    weekly_min_market_cap_usd: float = Field(SCREEN.min_market_cap_usd, description="smallest company", ge=0)
    weekly_min_price_usd: float = Field(SCREEN.min_price_usd, description="cheapest stock", ge=0.01)
    weekly_min_dollar_volume_usd: float = Field(
        SCREEN.min_dollar_volume_usd, description="least average daily turnover", ge=0
    )
    weekly_max_weight_pct: float = Field(10.0, description="largest weight of a name, percent", gt=0, le=100)
    weekly_max_sector_pct: float = Field(30.0, description="largest weight of a sector, percent", gt=0, le=100)
    weekly_min_cash_pct: float = Field(2.0, description="cash that is never invested, percent", ge=0, le=100)
    weekly_max_turnover_pct: float = Field(
        60.0, description="most bought and sold together in a cycle, percent", gt=0, le=200
    )
    weekly_max_loss_probability_pct: float = Field(
        10.0, description="most probability of losing 10 % in five sessions, percent", gt=0, le=100
    )
    weekly_min_trade_usd: float = Field(200.0, description="smallest order but for an exit", ge=0, le=1_000_000)
    weekly_collar_bps: int = Field(50, description="how far beyond the quote an order may fill", ge=1, le=500)
    weekly_open_collar_bps: int = Field(
        200, description="how far beyond the last price an order for the open may fill", ge=1, le=2_000
    )
    weekly_order_patience_s: int = Field(300, description="how long an order works before it expires", ge=15, le=7_200)
    rebalance_band_pct: float = Field(
        5.0, description="drift of a weight that allows a second trading cycle in a session, percent", gt=0, le=100
    )

    @field_validator("weekly_universe")
    @classmethod
    def _check_symbols(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        return unique_symbols(symbols)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyConfiguration(Configuration):
    """One checked value of each class that the weekly bot reads."""

    READ_BESIDE = (TelemetrySettings, NotificationSettings)

    weekly: WeeklySettings
    allocation: AllocationSettings
    safety: SafetySettings
    broker: BrokerSettings
    vendors: VendorSettings
    llm: LlmSettings
    performance: PerformanceSettings
    records: RecordsSettings

    def refuse_contradictions(self) -> None:
        """What is wrong with the settings together. Raises Misconfigured, in one line."""
        faults = list(self.allocation.contradictions())
        weekly, never = self.weekly, self.safety.never_trade
        if set(weekly.weekly_universe) <= set(never):
            faults.append("NEVER_TRADE names every symbol of WEEKLY_UNIVERSE: nothing is left to trade")
        if weekly.weekly_max_sector_pct < weekly.weekly_max_weight_pct:
            faults.append(
                f"WEEKLY_MAX_SECTOR_PCT={weekly.weekly_max_sector_pct:g} is less than "
                f"WEEKLY_MAX_WEIGHT_PCT={weekly.weekly_max_weight_pct:g}: no name could ever have that weight"
            )
        if faults:
            raise Misconfigured(" | ".join(faults))
