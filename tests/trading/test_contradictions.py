"""Settings that contradict each other are told in words that name them."""

from __future__ import annotations

from typing import Any

import pytest

from trading.contradictions import contradictions
from trading.settings import RiskSettings, SafetySettings, StrategySettings


def told(
    strategy: dict[str, Any] | None = None,
    risk: dict[str, Any] | None = None,
    safety: dict[str, Any] | None = None,
    allocation: float = 0.25,
    consents: dict[str, int] | None = None,
) -> list[str]:
    return list(
        contradictions(
            StrategySettings(**strategy or {}),
            RiskSettings(**risk or {}),
            SafetySettings(**safety or {}),
            allocation,
            consents or {},
        )
    )


def test_the_defaults_do_not_contradict_each_other() -> None:
    assert told() == []
    assert told(allocation=1e-9, consents={"AAPL": 1}) == []


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"risk": {"risk_collar_bps": 80}}, ["RISK_COLLAR_BPS=80", "STRATEGY_STOP_LOSS_PCT is 0.8"]),
        ({"risk": {"risk_max_spread_bps": 500}}, ["RISK_MAX_SPREAD_BPS=500", "STRATEGY_STOP_LOSS_PCT is 0.8"]),
        (
            {
                "risk": {"risk_max_spread_bps": 90},
                "strategy": {"strategy_stop_loss_pct": 1.0, "strategy_profit_target_pct": 0.8},
            },
            ["RISK_MAX_SPREAD_BPS=90", "STRATEGY_PROFIT_TARGET_PCT is 0.8"],
        ),
        (
            {
                "strategy": {"watchlist_size": 1, "strategy_stop_loss_pct": 2.0},
                "risk": {"risk_max_daily_loss_pct": 1.0},
            },
            ["RISK_MAX_DAILY_LOSS_PCT=1:", "STRATEGY_STOP_LOSS_PCT=2 ", "WATCHLIST_SIZE=1,"],
        ),
        (
            {"strategy": {"watchlist_size": 1}, "risk": {"risk_max_drawdown_pct": 0.5}},
            ["RISK_MAX_DRAWDOWN_PCT=0.5:", "STRATEGY_STOP_LOSS_PCT=0.8"],
        ),
        ({"risk": {"risk_last_entry_s": 22_200}}, ["RISK_LAST_ENTRY_S=22200: no entry is possible"]),
        (
            {"risk": {"risk_max_entries_per_symbol": 6, "risk_max_entries_per_session": 5}},
            ["RISK_MAX_ENTRIES_PER_SYMBOL=6", "RISK_MAX_ENTRIES_PER_SESSION=5"],
        ),
        (
            {"risk": {"risk_max_entries_per_tick": 3, "risk_max_entries_per_session": 2}},
            ["RISK_MAX_ENTRIES_PER_TICK=3", "RISK_MAX_ENTRIES_PER_SESSION=2"],
        ),
        ({"risk": {"risk_loss_streak": 9, "risk_max_entries_per_session": 8}}, ["RISK_LOSS_STREAK=9"]),
        ({"risk": {"risk_max_position_pct": 25.1}}, ["RISK_MAX_POSITION_PCT=25.1:", "the 25 % of"]),
        (
            {"strategy": {"strategy_position_size_pct": 5.04}, "allocation": 0.05},
            ["STRATEGY_POSITION_SIZE_PCT=5.04:", "the 5 % of"],
        ),
        ({"risk": {"risk_max_position_pct": 30.0}}, ["RISK_MAX_POSITION_PCT=30", "--allocation 0.25"]),
        (
            {"strategy": {"watchlist_universe": ("AAPL", "AMD")}, "safety": {"never_trade": ("AMD", "X", "AAPL")}},
            ["NEVER_TRADE names every symbol"],
        ),
        ({"safety": {"never_trade": ("AMD",)}, "consents": {"AMD": 5}}, ["--adopt AMD:5: NEVER_TRADE names AMD"]),
        (
            {"safety": {"external_positions": "ignore"}, "consents": {"AMD": 5}},
            ["--adopt AMD:5: EXTERNAL_POSITIONS=ignore"],
        ),
    ],
)
def test_a_contradiction_is_one_line_that_names_what_contradicts(given: dict[str, Any], names: list[str]) -> None:
    (line,) = told(**given)
    assert [name for name in names if name not in line] == []
    assert "\n" not in line


@pytest.mark.parametrize(
    "given",
    [
        {"risk": {"risk_collar_bps": 79, "risk_max_spread_bps": 79}},
        {"strategy": {"watchlist_size": 1}, "risk": {"risk_max_daily_loss_pct": 0.8, "risk_max_drawdown_pct": 0.8}},
        {"risk": {"risk_last_entry_s": 22_199}},
        {"risk": {"risk_max_entries_per_session": 1}},  # the defaults of the others are no wish of the user
        {"risk": {"risk_max_position_pct": 25.0}},
        {"strategy": {"strategy_position_size_pct": 10.0}, "allocation": 0.1},
        {"risk": {"risk_max_entries_per_symbol": 5, "risk_max_entries_per_session": 5}},
        {"safety": {"external_positions": "ask"}, "consents": {"AMD": 5}},
    ],
)
def test_what_can_be_meant_is_not_refused(given: dict[str, Any]) -> None:
    assert told(**given) == []


def test_the_lines_say_both_sides_in_the_units_of_their_settings() -> None:
    assert told(risk={"risk_max_position_pct": 30.0}) == [
        "RISK_MAX_POSITION_PCT=30: one position cannot be larger than the 25 % of the account that --allocation 0.25 "
        "gives to all of them"
    ]
    assert told(strategy={"strategy_position_size_pct": 10.0}, allocation=0.05) == [
        "STRATEGY_POSITION_SIZE_PCT=10: one position cannot be larger than the 5 % of the account that "
        "--allocation 0.05 gives to all of them"
    ]
    assert told(risk={"risk_collar_bps": 80}) == [
        "RISK_COLLAR_BPS=80: with 0.8 % paid above the ask an entry is at its stop as it fills, "
        "STRATEGY_STOP_LOSS_PCT is 0.8"
    ]
    cheap = {"strategy_stop_loss_pct": 1.0, "strategy_profit_target_pct": 0.8}
    assert told(strategy=cheap, risk={"risk_max_spread_bps": 80}) == [
        "RISK_MAX_SPREAD_BPS=80: 0.8 % of spread cost more than the target brings, STRATEGY_PROFIT_TARGET_PCT is 0.8"
    ]
    assert told(risk={"risk_last_entry_s": 22_200}) == [
        "RISK_LAST_ENTRY_S=22200: no entry is possible at all, the first one can come 20 minutes after the open, "
        "22200 seconds before the close"
    ]


def test_a_universe_that_is_never_traded_is_one_that_names_every_symbol_and_no_other() -> None:
    (line,) = told(strategy={"watchlist_universe": ("AAPL",)}, safety={"never_trade": ("AAPL",)})
    assert line == "NEVER_TRADE names every symbol of WATCHLIST_UNIVERSE: nothing is left to trade"


def test_a_policy_that_ends_the_run_adopts_nothing() -> None:
    halts = told(safety={"external_positions": "halt"}, consents={"AMD": 5})
    assert halts == ["--adopt AMD:5: EXTERNAL_POSITIONS=halt adopts nothing"]
