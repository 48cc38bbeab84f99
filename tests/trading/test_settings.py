"""Settings of strategy and risk: bounds, and the integers that rules work with."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import BaseModel, ValidationError

from tests.trading.examples import USD
from trading.risk import RiskLimits
from trading.settings import AllocationSettings, RiskSettings, SafetySettings, StrategySettings, unique_symbols
from trading.strategy import Parameters
from utils import Misconfigured, load_settings, read_environment

S = TypeVar("S", bound=BaseModel)


def load(settings_class: type[S], **variables: str) -> S:
    return load_settings(settings_class, read_environment(Path("absent.env"), variables))


def test_defaults_are_the_parameters_of_the_strategy() -> None:
    assert load(StrategySettings).parameters() == Parameters()
    assert load(StrategySettings).atr_timeframe == "day"


def test_percentages_become_basis_points() -> None:
    settings = load(
        StrategySettings,
        STRATEGY_PROFIT_TARGET_PCT="1.15",  # 1.15 * 100 is 114.99999999999999 in binary
        STRATEGY_STOP_LOSS_PCT="0.57",  # 56.99999999999999
        STRATEGY_RSI_CAP="55",
        STRATEGY_ATR_FLOOR_PCT="2",
    )
    expected = Parameters(profit_target_bps=115, stop_loss_bps=57, rsi_cap=55.0, atr_floor_pct=2.0)
    assert settings.parameters() == expected


def test_default_limits_of_25000_usd_of_capital() -> None:
    # 2 % and 3 % of the capital; one order at most 50,000
    limits = load(RiskSettings).limits(25_000 * USD)
    assert limits == RiskLimits(max_daily_loss=500 * USD, max_drawdown=750 * USD, max_order_value=50_000 * USD)


def test_every_limit_is_taken_over_in_its_own_unit() -> None:
    settings = load(
        RiskSettings,
        RISK_MAX_DAILY_LOSS_PCT="0.5",
        RISK_MAX_DRAWDOWN_PCT="0.75",
        RISK_MAX_ORDER_VALUE_USD="1234.56",
        RISK_MAX_OPEN_POSITIONS="3",
        RISK_MAX_ENTRIES_PER_SESSION="20",
        RISK_MAX_ENTRIES_PER_SYMBOL="2",
        RISK_MAX_ENTRIES_PER_TICK="1",
        RISK_COOL_DOWN_S="120",
        RISK_LOSS_STREAK="3",
        RISK_LOSS_STREAK_PAUSE_S="60",
        RISK_LAST_ENTRY_S="1200",
        RISK_MAX_QUOTE_AGE_S="15",
        RISK_MAX_SPREAD_BPS="12",
        RISK_MAX_COST_PCT_OF_TARGET="25",
        RISK_MAX_VOLUME_SHARE_PCT="2.5",
        RISK_COLLAR_BPS="7",
    )
    assert settings.limits(10_000 * USD) == RiskLimits(
        max_daily_loss=50 * USD,
        max_drawdown=75 * USD,
        max_order_value=1_234_560_000,
        max_open_positions=3,
        max_entries_per_session=20,
        max_entries_per_symbol=2,
        max_entries_per_tick=1,
        cool_down_s=120,
        loss_streak=3,
        loss_streak_pause_s=60,
        last_entry_s=1_200,
        max_quote_age_s=15,
        max_spread_bps=12,
        max_cost_pct_of_target=25,
        volume_share_bps=250,
        collar_bps=7,
    )


def test_a_position_is_capped_by_its_share_of_the_account() -> None:
    settings = load(RiskSettings, RISK_MAX_POSITION_PCT="5")
    assert settings.limits(25_000 * USD, 100_000 * USD).max_order_value == 5_000 * USD
    assert settings.limits(500_000 * USD, 2_000_000 * USD).max_order_value == 50_000 * USD  # the other cap is smaller


def test_a_share_of_an_account_whose_worth_is_not_known_is_nothing() -> None:
    assert load(RiskSettings, RISK_MAX_POSITION_PCT="100").limits(25_000 * USD).max_order_value == 0


def test_limits_are_integers() -> None:
    settings = load(RiskSettings, RISK_MAX_DAILY_LOSS_PCT="1.1", RISK_MAX_VOLUME_SHARE_PCT="3.3")
    limits = settings.limits(33_333_333_333)
    assert limits.max_daily_loss == 366_666_667  # 366,666,666.663 in 1e-6 USD
    assert limits.volume_share_bps == 330
    assert {type(value) for value in limits} == {int}


@pytest.mark.parametrize(
    ("settings_class", "variable", "value"),
    [
        (StrategySettings, "STRATEGY_PROFIT_TARGET_PCT", "0.79"),
        (StrategySettings, "STRATEGY_PROFIT_TARGET_PCT", "3.01"),
        (StrategySettings, "STRATEGY_STOP_LOSS_PCT", "0"),
        (StrategySettings, "STRATEGY_STOP_LOSS_PCT", "-0.8"),
        (StrategySettings, "STRATEGY_RSI_CAP", "101"),
        (StrategySettings, "STRATEGY_RSI_CAP", "nan"),
        (StrategySettings, "ATR_TIMEFRAME", "week"),
        (StrategySettings, "WATCHLIST_SIZE", "0"),
        (RiskSettings, "RISK_MAX_DAILY_LOSS_PCT", "0"),
        (RiskSettings, "RISK_MAX_DAILY_LOSS_PCT", "21"),
        (RiskSettings, "RISK_MAX_POSITION_PCT", "0"),
        (RiskSettings, "RISK_MAX_POSITION_PCT", "101"),
        (RiskSettings, "RISK_MAX_OPEN_POSITIONS", "0"),
        (RiskSettings, "RISK_COOL_DOWN_S", "59"),
        (RiskSettings, "RISK_LAST_ENTRY_S", "599"),
        (RiskSettings, "RISK_MAX_VOLUME_SHARE_PCT", "10.1"),
        (RiskSettings, "RISK_COLLAR_BPS", "-1"),
        (RiskSettings, "RISK_COLLAR_BPS", "2.5"),
        (SafetySettings, "EXTERNAL_POSITIONS", "take"),
        (SafetySettings, "NEVER_TRADE", "aapl"),  # it would protect nothing
        (SafetySettings, "SHARED_SYMBOLS", "no"),
    ],
)
def test_a_value_out_of_bounds_names_its_variable(settings_class: type[BaseModel], variable: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"{variable}={value}"):
        load(settings_class, **{variable: value})


def test_settings_cannot_be_changed_or_misspelt() -> None:
    settings = load(RiskSettings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.risk_collar_bps = 50
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        RiskSettings.model_validate({"risk_colar_bps": 5})


def test_the_universe_is_a_list_separated_by_commas() -> None:
    settings = load(StrategySettings, WATCHLIST_UNIVERSE="AAPL, MSFT,NVDA")
    assert settings.watchlist_universe == ("AAPL", "MSFT", "NVDA")


def test_a_position_size_in_percent_becomes_basis_points_and_unset_is_none() -> None:
    assert (
        load(StrategySettings, STRATEGY_POSITION_SIZE_PCT="4.35").parameters().position_bps == 435
    )  # 434.99999999999994
    assert load(StrategySettings).parameters().position_bps == 0


def test_symbols_are_taken_as_they_are_and_a_wrong_or_repeated_one_is_named() -> None:
    assert unique_symbols(("AAPL", "BRK B")) == ("AAPL", "BRK B")
    with pytest.raises(ValueError, match=r"^'aapl' is not a symbol such as AAPL$"):
        unique_symbols(("MSFT", "aapl"))
    with pytest.raises(ValueError, match=r"^AAPL is named twice$"):
        unique_symbols(("AAPL", "MSFT", "AAPL"))


def test_two_bots_may_share_the_whole_account_and_no_more() -> None:
    assert list(load(AllocationSettings, WEEKLY_ALLOCATION="0.7", DAY_TRADER_ALLOCATION="0.3").contradictions()) == []
    rounded = load(AllocationSettings, WEEKLY_ALLOCATION="1", DAY_TRADER_ALLOCATION="1e-9")
    assert list(rounded.contradictions()) == list(rounded.contradictions_of_day_trader(1e-9)) == []
    both = load(AllocationSettings, WEEKLY_ALLOCATION="0.7", DAY_TRADER_ALLOCATION="0.31")
    assert list(both.contradictions()) == [
        "WEEKLY_ALLOCATION=0.7 and DAY_TRADER_ALLOCATION=0.31 are more than the whole account together"
    ]


def test_the_allocation_of_the_day_trader_counts_against_a_weekly_bot_that_the_user_named() -> None:
    named = load(AllocationSettings, WEEKLY_ALLOCATION="0.75")
    assert list(named.contradictions_of_day_trader(0.25)) == []
    assert list(named.contradictions_of_day_trader(0.26)) == [
        "--allocation 0.26 and WEEKLY_ALLOCATION=0.75 are more than the whole account together"
    ]
    assert list(load(AllocationSettings).contradictions_of_day_trader(1.0)) == []  # no weekly bot was spoken of
