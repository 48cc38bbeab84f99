"""What an equity curve was worth, and whether the bot beat what needed no bot: the honest lines of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from portfolio.history import Floats
from portfolio.survivorship import SurvivorshipWarning

SESSIONS_A_YEAR = 252
BOT = "weekly bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Equity in USD at the same closes, (n_sessions,) each: the bot's, and by name what no bot would have earned."""

    bot_usd: Floats
    others_usd: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveNumbers:
    """Fractions of one: return in all and a year (compound), volatility a year, their ratio, deepest fall (<= 0)."""

    name: str
    final_usd: float
    years: float
    total_return: float
    annual_return: float
    volatility: float
    return_over_volatility: float | None
    max_drawdown: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.final_usd:,.2f} USD, {self.return_text}, "
            f"volatility {self.volatility:.2%}, deepest fall {self.max_drawdown:.2%}"
        )

    @property
    def return_text(self) -> str:
        """The return a year; of less than a year the return in all, which says less and promises nothing."""
        return f"{self.annual_return:+.2%} a year" if self.years >= 1 else f"{self.total_return:+.2%} in all"


def curve_numbers(name: str, equity_usd: Floats) -> CurveNumbers:
    """Numbers of equity (n_sessions,), at least two closes, all above zero. Raises `ValueError` otherwise."""
    if len(equity_usd) < 2 or not (np.isfinite(equity_usd).all() and (equity_usd > 0).all()):
        raise ValueError(f"{name}: a curve needs two closes, all above zero")
    years = (len(equity_usd) - 1) / SESSIONS_A_YEAR
    annual = float(equity_usd[-1] / equity_usd[0]) ** (1.0 / years) - 1.0
    spread = float(np.std(equity_usd[1:] / equity_usd[:-1] - 1.0)) * math.sqrt(SESSIONS_A_YEAR)
    return CurveNumbers(
        name=name,
        final_usd=float(equity_usd[-1]),
        years=years,
        total_return=float(equity_usd[-1] / equity_usd[0]) - 1.0,
        annual_return=annual,
        volatility=spread,
        return_over_volatility=annual / spread if spread > 0 else None,
        max_drawdown=float(drawdown(equity_usd).min()),
    )


def drawdown(equity_usd: Floats) -> Floats:
    """How far equity is below its highest close so far, as fractions <= 0."""
    return np.asarray(equity_usd / np.maximum.accumulate(equity_usd) - 1.0, dtype=np.float64)


def comparison(curves: Curves) -> tuple[CurveNumbers, ...]:
    """The bot first, then what needed no bot."""
    return tuple(curve_numbers(name, curve) for name, curve in {BOT: curves.bot_usd, **curves.others_usd}.items())


def verdict(curves: Curves, warning: SurvivorshipWarning | None = None) -> str:
    """One line that says where the bot was worse, and the warning that goes with any result."""
    bot, *others = comparison(curves)
    lost_to = [other.name for other in others if bot.annual_return < other.annual_return]
    beaten = f"earned less than {' and '.join(lost_to)}" if lost_to else "earned at least as much as every baseline"
    return f"the bot {beaten}" + (f"; {warning}" if warning else "")
