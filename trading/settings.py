"""Settings of strategy and risk as the user writes them, and their integer forms for the rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from trading.money import BPS, MONEY_UNITS_PER_USD
from trading.risk import MoneyShares, RiskLimits, session_limits
from trading.strategy import Parameters
from trading.watchlist import SYMBOL

ROUNDING = 1e-9  # 0.7 + 0.3 is more than 1 in floats


class StrategySettings(BaseModel):
    """Where the strategy's parameters start. They change later through `parameter_changes` only."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("STRATEGY_", "ATR_", "WATCHLIST_")

    strategy_profit_target_pct: float = Field(1.4, description="profit target over the fill, percent", ge=0.8, le=3.0)
    strategy_stop_loss_pct: float = Field(0.8, description="stop under the fill, percent", ge=0.5, le=2.0)
    strategy_rsi_cap: float = Field(60.0, description="enter only while RSI(14) is below", ge=20, le=90)
    strategy_atr_floor_pct: float = Field(1.5, description="enter only while ATR is above this percent", ge=0, le=20)
    strategy_position_size_pct: float | None = Field(
        None, description="position size, percent of the account; unset: an equal share of the allocation", ge=3, le=10
    )
    atr_timeframe: Literal["day", "minute"] = Field("day", description="bars of the ATR: day or minute")
    watchlist_size: int = Field(10, description="symbols to trade in a session", ge=1, le=100)
    watchlist_universe: tuple[str, ...] = Field(
        (
            *("AAPL", "AMD", "AMZN", "AVGO", "BA", "BAC", "C", "COIN", "CRM", "CVX", "DIS", "F", "GOOGL", "GS", "HOOD"),
            *("INTC", "JPM", "META", "MRNA", "MSFT", "MU", "NFLX", "NVDA", "PLTR", "PYPL", "QCOM", "SBUX", "SOFI"),
            *("TSLA", "UBER", "WFC", "XOM"),
        ),
        description="symbols that the watchlist is chosen from, separated by commas",
        min_length=1,
    )
    watchlist_min_price_usd: float = Field(3.0, description="cheapest stock to consider", ge=0.01)
    watchlist_min_dollar_volume_usd: float = Field(
        1_000_000.0, description="least average daily turnover to consider", ge=0
    )
    watchlist_universe_size: int = Field(500, description="most symbols to look at with a data vendor", ge=1, le=2_000)
    watchlist_max_spread_bps: float = Field(100.0, description="widest spread before the open", gt=0, le=1_000)
    watchlist_max_gap_pct: float = Field(15.0, description="largest gap at the open, percent", gt=0, le=100)
    watchlist_min_relative_volume: float = Field(
        0.0, description="least volume of the last session over its average", ge=0, le=10
    )
    watchlist_earnings_today: Literal["exclude", "allow"] = Field(
        "exclude", description="companies that report on the day: exclude or allow"
    )
    watchlist_negative_news: Literal["exclude", "allow"] = Field(
        "exclude", description="symbols with mostly negative reports since yesterday: exclude or allow"
    )

    @field_validator("watchlist_universe")
    @classmethod
    def _check_symbols(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        return unique_symbols(symbols)

    def parameters(self) -> Parameters:
        """The starting parameters in the units of the rules."""
        return Parameters(
            profit_target_bps=round(self.strategy_profit_target_pct * 100),
            stop_loss_bps=round(self.strategy_stop_loss_pct * 100),
            rsi_cap=self.strategy_rsi_cap,
            atr_floor_pct=self.strategy_atr_floor_pct,
            position_bps=round((self.strategy_position_size_pct or 0.0) * 100),
        )


def unique_symbols(symbols: tuple[str, ...]) -> tuple[str, ...]:
    """`symbols` as they are. Raises ValueError for what is no symbol, and for one that comes twice."""
    for symbol in symbols:
        if not SYMBOL.fullmatch(symbol):
            raise ValueError(f"{symbol!r} is not a symbol such as AAPL")
        if symbols.count(symbol) > 1:
            raise ValueError(f"{symbol} is named twice")
    return symbols


class RiskSettings(BaseModel):
    """Limits that no other part of the program may loosen. Percentages are of the allocated capital."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("RISK_",)

    risk_max_daily_loss_pct: float = Field(2.0, description="stop entries for the session at this loss", gt=0, le=20)
    risk_max_drawdown_pct: float = Field(3.0, description="stop entries at this fall from the peak", gt=0, le=30)
    risk_max_order_value_usd: float = Field(50_000.0, description="largest single entry", gt=0, le=10_000_000)
    risk_max_position_pct: float | None = Field(
        None,
        description="largest position in a symbol, percent of the account; unset: the allocation",
        gt=0,
        le=100,
    )
    risk_max_open_positions: int = Field(10, description="positions and pending entries at once", ge=1, le=100)
    risk_max_entries_per_session: int = Field(50, description="entries in a session", ge=1, le=1_000)
    risk_max_entries_per_symbol: int = Field(5, description="entries in a symbol and session", ge=1, le=100)
    risk_max_entries_per_tick: int = Field(5, description="entries at one 5-second instant", ge=1, le=20)
    risk_cool_down_s: int = Field(300, description="pause in a symbol after an exit", ge=60, le=23_400)
    risk_loss_streak: int = Field(4, description="losing round trips in a row that pause entries", ge=2, le=50)
    risk_loss_streak_pause_s: int = Field(1_800, description="length of that pause", ge=0, le=23_400)
    risk_last_entry_s: int = Field(900, description="no entry in the last seconds before the close", ge=600, le=23_400)
    risk_max_quote_age_s: int = Field(60, description="oldest quote to enter on", ge=5, le=600)
    risk_max_spread_bps: int = Field(30, description="widest spread to enter at", ge=1, le=500)
    risk_max_cost_pct_of_target: int = Field(20, description="round-trip cost as a share of the target", ge=1, le=100)
    risk_max_volume_share_pct: float = Field(10.0, description="entry size as a share of the last minute", gt=0, le=10)
    risk_collar_bps: int = Field(10, description="most an entry pays above the ask", ge=0, le=100)

    def limits(self, capital: int, equity: int = 0) -> RiskLimits:
        """The limits of a session that may use `capital` of an account worth `equity` (1e-6 USD)."""
        return session_limits(self.fixed_limits(), self.money_shares(), capital, equity)

    def money_shares(self) -> MoneyShares:
        """What follows the capital and the account of a session."""
        return MoneyShares(
            max_daily_loss_pct=self.risk_max_daily_loss_pct,
            max_drawdown_pct=self.risk_max_drawdown_pct,
            max_position_pct=self.risk_max_position_pct or 0.0,
        )

    def fixed_limits(self) -> RiskLimits:
        """What is the same in every session; without capital both loss limits are 0."""
        return RiskLimits(
            max_daily_loss=0,
            max_drawdown=0,
            max_order_value=round(self.risk_max_order_value_usd * MONEY_UNITS_PER_USD),
            max_open_positions=self.risk_max_open_positions,
            max_entries_per_session=self.risk_max_entries_per_session,
            max_entries_per_symbol=self.risk_max_entries_per_symbol,
            max_entries_per_tick=self.risk_max_entries_per_tick,
            cool_down_s=self.risk_cool_down_s,
            loss_streak=self.risk_loss_streak,
            loss_streak_pause_s=self.risk_loss_streak_pause_s,
            last_entry_s=self.risk_last_entry_s,
            max_quote_age_s=self.risk_max_quote_age_s,
            max_spread_bps=self.risk_max_spread_bps,
            max_cost_pct_of_target=self.risk_max_cost_pct_of_target,
            volume_share_bps=round(self.risk_max_volume_share_pct * BPS / 100),
            collar_bps=self.risk_collar_bps,
        )


class SafetySettings(BaseModel):
    """What the program may touch on a shared account, and how it is stopped from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("EXTERNAL_", "NEVER_", "SHARED_", "KILL_")

    external_positions: Literal["auto", "adopt", "ask", "ignore", "halt"] = Field(
        "auto", description="shares that no ledger explains: auto adopts on paper and asks on a live account"
    )
    never_trade: tuple[str, ...] = Field(
        (), description="symbols that no bot ever trades or adopts, separated by commas"
    )
    shared_symbols: Literal["exclude", "share"] = Field(
        "exclude", description="symbols that the weekly bot holds: exclude leaves them to it"
    )
    kill_switch_file: str = Field(
        "KILL", description="while this file exists entries are off; with the word flatten in it positions are closed"
    )

    @field_validator("never_trade")
    @classmethod
    def _check_symbols(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        return unique_symbols(symbols)


class AllocationSettings(BaseModel):
    """How two bots share one account: fractions of its net liquidation."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("DAY_TRADER_",)

    weekly_allocation: float = Field(0.75, description="share of the account for the weekly bot", gt=0, le=1)
    day_trader_allocation: float = Field(
        0.25, description="share of the account that the weekly bot leaves to the day trader; 0 without one", ge=0, le=1
    )

    def contradictions(self) -> Iterator[str]:
        """Both shares together are more than the account."""
        if self.weekly_allocation + self.day_trader_allocation > 1 + ROUNDING:
            yield (
                f"WEEKLY_ALLOCATION={self.weekly_allocation:g} and DAY_TRADER_ALLOCATION="
                f"{self.day_trader_allocation:g} are more than the whole account together"
            )

    def contradictions_of_day_trader(self, allocation: float) -> Iterator[str]:
        """The same for the day trader's own `--allocation`, where the user said that there is a weekly bot."""
        if "weekly_allocation" in self.model_fields_set and allocation + self.weekly_allocation > 1 + ROUNDING:
            yield (
                f"--allocation {allocation:g} and WEEKLY_ALLOCATION={self.weekly_allocation:g} are more than the whole "
                "account together"
            )
