"""What a cycle of the weekly bot was asked to do, and the settings as the rules of `portfolio/` take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from portfolio.construction import ConstructionRules
from portfolio.limits import WeightLimits
from portfolio.monte_carlo import MonteCarloRules
from portfolio.rebalance import PPM, PlanRules
from portfolio.screening import ScreeningRules
from trading.costs import FeeSchedule
from trading.money import money_from_usd
from trading.settings import AllocationSettings, SafetySettings
from weekly.settings import WeeklySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOptions:
    """What a cycle was asked to do. With `snapshot_folder` None its evidence is not kept in a file."""

    settings: WeeklySettings
    allocation: AllocationSettings
    safety: SafetySettings
    dry_run: bool = False
    queue: bool = False  # while the exchange is closed: orders for the next open, not only a plan
    snapshot_folder: Path | None = None
    monte_carlo_paths: int = 10_000
    attribute_sources: bool = True

    def screening_rules(self) -> ScreeningRules:
        """Bounds of the screen."""
        settings = self.settings
        return ScreeningRules(
            min_market_cap_usd=settings.weekly_min_market_cap_usd,
            min_price_usd=settings.weekly_min_price_usd,
            min_dollar_volume_usd=settings.weekly_min_dollar_volume_usd,
            never_trade=frozenset(self.safety.never_trade),
        )

    def monte_carlo_rules(self) -> MonteCarloRules:
        """What a name may show in five days."""
        most = self.settings.weekly_max_loss_probability_pct / 100
        return MonteCarloRules(paths=self.monte_carlo_paths, max_loss_probability=most)

    def construction_rules(self) -> ConstructionRules:
        """How weights are made."""
        settings = self.settings
        limits = WeightLimits(
            max_weight=settings.weekly_max_weight_pct / 100,
            max_sector_weight=settings.weekly_max_sector_pct / 100,
            min_cash=settings.weekly_min_cash_pct / 100,
            max_turnover=settings.weekly_max_turnover_pct / 100,
        )
        return ConstructionRules(limits=limits, attribute_sources=self.attribute_sources)

    def plan_rules(self, rates: FeeSchedule, *, at_open: bool) -> PlanRules:
        """How a plan is made under the fees of its session; orders for the open have room for a gap."""
        settings = self.settings
        return PlanRules(
            rates=rates,
            allocation_ppm=round(self.allocation.weekly_allocation * PPM),
            min_trade=money_from_usd(settings.weekly_min_trade_usd),
            collar_bps=settings.weekly_open_collar_bps if at_open else settings.weekly_collar_bps,
            never_trade=frozenset(self.safety.never_trade),
        )
