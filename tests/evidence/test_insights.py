"""Each rule speaks when it should, with its numbers, and suggests nothing out of bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.excursions import PriceBars
from evidence.insights import Denial, Insight, Material, insights, missed_entries, slippage_by_symbol, stops_too_tight
from evidence.insights import worst_hour as find_worst_hour
from evidence.suggestions import BOUNDS, Priority, Suggestion, bounded
from tests.evidence.hand_made import OPEN, trip
from tests.evidence.test_excursions import bars

PRESENT = {"profit_target_pct": 1.4, "stop_loss_pct": 0.8, "rsi_cap": 60.0, "atr_floor_pct": 1.5}
NOTHING = Material(trips=(), recent_trips=(), bars={}, denials=(), judgements={}, present=PRESENT)
DIP = bars((100.0, 99.1, 99.5), (101.5, 99.5, 101.4))  # under a stop of 0.8 %, then over a target of 1.4 %


def only(found: list[Insight]) -> Insight:
    (insight,) = found
    return insight


def suggested(insight: Insight) -> tuple[str, float, Priority]:
    assert insight.suggestion is not None
    return insight.suggestion.parameter, insight.suggestion.new_value, insight.suggestion.priority


def denials(rule: str, n: int) -> list[Denial]:
    return [Denial(rule=rule, symbol="AAA", at_s=OPEN.timestamp(), ask_usd=100.0)] * n


def test_a_session_without_trades_and_refusals_has_no_insight() -> None:
    assert insights(NOTHING) == ()


def test_worst_hour_is_the_one_that_lost_most() -> None:
    trips = (
        [trip(-20.0, hour=10)] * 3 + [trip(-30.0, hour=10)] * 3 + [trip(10.0, hour=11)] * 6 + [trip(-900.0, hour=15)]
    )
    found = only(find_worst_hour(replace(NOTHING, recent_trips=trips)))
    assert (found.numbers["hour"], found.numbers["round_trips"], found.numbers["pnl_usd"]) == ("10", 6, -150.0)
    assert suggested(found) == ("rsi_cap", 58.0, Priority.MEDIUM)


def test_no_hour_is_worst_when_none_lost() -> None:
    assert find_worst_hour(replace(NOTHING, recent_trips=[trip(1.0)] * 9)) == []


def test_stops_that_were_too_tight_get_a_wider_one() -> None:
    stopped = replace(NOTHING, trips=[trip(-82.0, 0, 1)] * 12, bars={"AAA": DIP})
    found = only(stops_too_tight(stopped))
    assert (found.numbers["stopped"], found.numbers["reached_the_target_later"]) == (12, 12)
    assert found.numbers["median_adverse_pct"] == pytest.approx(-0.9)
    assert suggested(found) == ("stop_loss_pct", 1.0, Priority.HIGH)


def test_stops_that_were_right_are_left_alone() -> None:
    fall = bars((100.0, 99.1, 99.1), (99.2, 90.0, 90.0))
    found = only(stops_too_tight(replace(NOTHING, trips=[trip(-82.0, 0, 1)] * 12, bars={"AAA": fall})))
    assert found.numbers["reached_the_target_later"] == 0
    assert suggested(found)[1] < 0.8  # a fall without an end: the tighter, the better


@pytest.mark.parametrize(
    "material", [{"bars": {}}, {"bars": {"AAA": DIP}, "n": 9}, {"bars": {"AAA": DIP}, "pnl": 140.0}]
)
def test_stops_are_not_judged_without_enough_stopped_trips_and_their_bars(material: dict[str, Any]) -> None:
    trips = [trip(material.get("pnl", -82.0), 0, 1)] * material.get("n", 12)
    assert stops_too_tight(replace(NOTHING, trips=trips, bars=material["bars"])) == []


def test_slippage_names_the_costliest_symbol_and_costly_slippage_raises_the_target() -> None:
    cheap = [trip(1.0, symbol="AAA", slipped_usd=1.0, judged_usd=20_000.0)] * 3
    dear = [trip(1.0, symbol="BBB", slipped_usd=40.0, judged_usd=20_000.0)] * 3
    found = only(slippage_by_symbol(replace(NOTHING, recent_trips=cheap + dear)))
    assert found.numbers["by_symbol_bps"] == pytest.approx({"AAA": 0.5, "BBB": 20.0})
    assert found.numbers["slippage_bps"] == pytest.approx(10.25)
    assert suggested(found) == ("profit_target_pct", pytest.approx(1.6), Priority.MEDIUM)  # +0.205, a step at most
    assert only(slippage_by_symbol(replace(NOTHING, recent_trips=cheap))).suggestion is None


def test_refusals_that_missed_gains_loosen_the_strategys_own_rule() -> None:
    rise = bars((101.5, 99.9, 101.4))
    material = replace(NOTHING, bars={"AAA": rise}, denials=denials("rsi_not_below_cap", 12))
    found = only(missed_entries(replace(material, judgements={"rsi_not_below_cap": 700})))
    assert (found.numbers["episodes"], found.numbers["judgements"]) == (12, 700)
    assert found.numbers["average_pct"] == pytest.approx(1.4)
    assert suggested(found) == ("rsi_cap", 65.0, Priority.HIGH)
    by_atr = only(missed_entries(replace(material, denials=denials("atr_not_above_floor", 12))))
    assert suggested(by_atr) == ("atr_floor_pct", 1.0, Priority.HIGH)


def test_a_risk_rule_is_never_suggested_to_be_loosened() -> None:
    rise = bars((101.5, 99.9, 101.4))
    found = only(missed_entries(replace(NOTHING, bars={"AAA": rise}, denials=denials("cool_down", 12))))
    assert found.suggestion is None


@pytest.mark.parametrize(("rule", "n"), [("rsi_not_below_cap", 9), ("position_open", 50), ("warming_up", 50)])
def test_few_refusals_and_those_that_miss_nothing_are_not_told(rule: str, n: int) -> None:
    assert missed_entries(replace(NOTHING, bars={"AAA": DIP}, denials=denials(rule, n))) == []


def test_refusals_that_saved_money_suggest_nothing() -> None:
    found = only(missed_entries(replace(NOTHING, bars={"AAA": DIP}, denials=denials("rsi_not_below_cap", 12))))
    assert found.numbers["average_pct"] == pytest.approx(-0.8)
    assert found.suggestion is None


# Bounds

present_values = {
    name: st.floats(min_value=low, max_value=high, allow_nan=False) for name, (low, high, _) in BOUNDS.items()
}


@given(
    parameter=st.sampled_from(sorted(BOUNDS)),
    wishes=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    data=st.data(),
)
def test_no_wish_moves_a_parameter_out_of_bounds_or_faster_than_its_step(
    parameter: str, wishes: list[float], data: st.DataObject
) -> None:
    low, high, step = BOUNDS[parameter]
    value = data.draw(present_values[parameter])
    for wish in wishes:
        before, new = value, bounded(parameter, value, wish)
        value = before if new is None else new
        assert low - 1e-6 <= value <= high + 1e-6
        assert abs(value - before) <= step + 1e-6


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("rsi_cap", 80.1), ("rsi_cap", float("nan")), ("stop_loss_pct", 0.49), ("allocation", 0.5), ("", 1.0)],
)
def test_what_is_out_of_bounds_cannot_even_be_suggested(parameter: str, value: float) -> None:
    with pytest.raises(ValueError, match=r"is not in|cannot be changed"):
        Suggestion(parameter=parameter, new_value=value, source="llm", reason="", priority=Priority.HIGH, evidence={})


def test_bars_of_another_symbol_are_not_used() -> None:
    other: dict[str, PriceBars] = {"BBB": PriceBars(*(np.array([1.0]),) * 4)}
    assert missed_entries(replace(NOTHING, bars=other, denials=denials("rsi_not_below_cap", 12))) == []
