"""The entry rule: each condition alone refuses, at its exact edge."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.trading.examples import VWAP_340, WANTED
from trading.indicators import VwapState
from trading.rules import Rule, Verdict, approved, rule_name
from trading.strategy import Parameters, propose_entry, vwap_for_report


def test_defaults_are_target_1_4_stop_0_8_rsi_60_atr_1_5() -> None:
    assert Parameters() == Parameters(profit_target_bps=140, stop_loss_bps=80, rsi_cap=60.0, atr_floor_pct=1.5)


def test_price_above_vwap_with_low_rsi_and_enough_atr_is_wanted() -> None:
    assert propose_entry(WANTED, Parameters()) == approved()


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"last": 0}, Verdict(Rule.NO_PRICE, 0.0, 0.0)),
        ({"bid": 0}, Verdict(Rule.NO_PRICE, 0.0, 0.0)),
        ({"ask": 0}, Verdict(Rule.NO_PRICE, 0.0, 0.0)),
        ({"bars": 19}, Verdict(Rule.WARMING_UP, 20.0, 19.0)),
        ({"atr_pct": 1.5}, Verdict(Rule.ATR_NOT_ABOVE_FLOOR, 1.5, 1.5)),
        ({"last": 3_400_000}, Verdict(Rule.NOT_ABOVE_VWAP, 3_400_000.0, 3_400_000.0)),
        ({"rsi": 60.0}, Verdict(Rule.RSI_NOT_BELOW_CAP, 60.0, 60.0)),
        ({"vwap": VwapState()}, Verdict(Rule.NOT_ABOVE_VWAP, 0.0, 3_405_200.0)),
    ],
)
def test_a_condition_that_fails_names_the_refusal(change: dict[str, Any], verdict: Verdict) -> None:
    assert propose_entry(WANTED._replace(**change), Parameters()) == verdict


@pytest.mark.parametrize(
    "change", [{"atr_pct": 1.500001}, {"last": 3_400_001}, {"rsi": 59.999999}, {"bars": 20}, {"rsi": 0.0}]
)
def test_just_inside_each_condition_is_wanted(change: dict[str, Any]) -> None:
    assert propose_entry(WANTED._replace(**change), Parameters()).rule == Rule.APPROVED


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"atr_pct": math.nan}, Rule.ATR_NOT_ABOVE_FLOOR), ({"rsi": math.nan}, Rule.RSI_NOT_BELOW_CAP)],
)
def test_an_unknown_indicator_refuses(change: dict[str, Any], rule: Rule) -> None:
    assert propose_entry(WANTED._replace(**change), Parameters()).rule == rule


def test_parameters_move_the_conditions() -> None:
    strict = Parameters(rsi_cap=50.0, atr_floor_pct=1.0)
    assert propose_entry(WANTED, strict) == Verdict(Rule.RSI_NOT_BELOW_CAP, 50.0, 55.0)
    assert propose_entry(WANTED._replace(atr_pct=1.2, rsi=49.0), strict) == approved()


def test_the_lowest_price_there_is_is_a_price() -> None:
    assert propose_entry(WANTED._replace(last=1), Parameters()).rule == Rule.NOT_ABOVE_VWAP
    assert propose_entry(WANTED._replace(bid=1), Parameters()) == approved()
    assert propose_entry(WANTED._replace(ask=1), Parameters()) == approved()


def test_vwap_for_report_is_in_price_units_and_zero_when_there_is_none() -> None:
    assert vwap_for_report(VWAP_340) == 3_400_000.0
    assert vwap_for_report(VwapState()) == 0.0


def test_rules_show_their_names_in_lower_case() -> None:
    assert rule_name(Rule.NOT_ABOVE_VWAP) == "not_above_vwap"
    assert rule_name(0) == "approved"
