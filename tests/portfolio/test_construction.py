"""Target weights obey every limit, whatever views, histories and holdings are; each fallback says why."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio import construction
from portfolio.construction import ConstructionRules, Target, construct
from portfolio.history import Floats, PriceHistory, Returns, believable_returns
from portfolio.limits import Bounds, WeightLimits, breaches, lowered, obeying, turnover
from portfolio.solvers import SOLVERS, Problem
from portfolio.views import View, Views, make_views

NO_VIEWS = Views(views=(), unusable=(), llm_influence=0.0)
SYMBOLS = tuple(f"S{i}" for i in range(8))
SECTORS = {symbol: ("tech", "energy", "banks")[i % 3] for i, symbol in enumerate(SYMBOLS)}
FULL_TURNOVER = WeightLimits(max_weight=0.25, max_sector_weight=0.5, min_cash=0.05, max_turnover=2.0)


def daily_returns(names: int = 8, days: int = 250, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    spreads = np.linspace(0.008, 0.03, names)
    return np.asarray(rng.normal(0, 0.006, (days, 1)) + rng.normal(0, 1, (days, names)) * spreads)


def returns(names: int = 8) -> Returns:
    return Returns(symbols=SYMBOLS[:names], daily=daily_returns(names))


def rules(limits: WeightLimits = FULL_TURNOVER, **changes: Any) -> ConstructionRules:
    return ConstructionRules(limits=limits, **changes)


def limits_hold(target: Target, previous: dict[str, float], limits: WeightLimits, sectors: dict[str, str]) -> None:
    """Judge a target from its numbers alone, with no help from the code that made it."""
    weights, locked = target.weights, set(target.locked)
    assert all(math.isfinite(weight) and weight >= 0 for weight in weights.values())
    assert all(weights[symbol] <= limits.max_weight + 1e-9 for symbol in weights if symbol not in locked)
    assert all(weights[symbol] == previous[symbol] for symbol in locked)
    stuck = sum(previous[symbol] for symbol in locked)
    assert sum(weights.values()) <= max(1 - limits.min_cash, stuck) + 1e-9
    for sector in {sectors.get(symbol, "unknown") for symbol in weights}:
        members = [symbol for symbol in weights if sectors.get(symbol, "unknown") == sector]
        stuck = sum(previous[symbol] for symbol in members if symbol in locked)
        assert sum(weights[symbol] for symbol in members) <= max(limits.max_sector_weight, stuck) + 1e-9
    traded = sum(abs(weights.get(symbol, 0) - previous.get(symbol, 0)) for symbol in {*weights, *previous})
    assert traded <= target.turnover_allowed + 1e-9
    assert set(weights) >= {symbol for symbol, weight in previous.items() if weight > 0}


weight = st.floats(0, 0.6)
absurd = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([1e300, -1e300, 0.0, 5.0]))


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Prices with holes, halts, splits and disappearances; holdings that may break the limits; absurd opinions."""
    closes = 40.0 * np.exp(np.random.default_rng(draw(st.integers(0, 99))).normal(0, 0.015, (200, 8)).cumsum(axis=0))
    for i, fate in enumerate(draw(st.lists(st.sampled_from(["", "hole", "halt", "split", "gone", "nan"]), max_size=8))):
        if fate == "hole":
            closes[50:60, i] = np.nan
        elif fate == "halt":
            closes[-7:, i] = closes[-8, i]
        elif fate == "split":
            closes[100:, i] /= draw(st.sampled_from([2, 3, 10, 0.1]))
        elif fate == "gone":
            closes[-4:, i] = np.nan
        elif fate == "nan":
            closes[:, i] = np.nan
    limits = WeightLimits(
        max_weight=draw(st.floats(0, 1)),
        max_sector_weight=draw(st.floats(0, 1)),
        min_cash=draw(st.floats(0, 1)),
        max_turnover=draw(st.floats(0, 2)),
    )
    previous = draw(st.dictionaries(st.sampled_from((*SYMBOLS, "OLD", "GHOST")), weight, max_size=6))
    return {
        "closes": closes,
        "limits": limits,
        "previous": previous,
        "untradable": frozenset(draw(st.lists(st.sampled_from((*SYMBOLS, "OLD")), max_size=3))),
        "scores": draw(st.dictionaries(st.sampled_from(SYMBOLS), absurd)),
        "probabilities": draw(st.dictionaries(st.sampled_from(SYMBOLS), absurd)),
        "influence": draw(st.floats(0, 1)),
    }


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_weights_obey_every_limit_in_absurd_worlds(world: dict[str, Any]) -> None:
    sessions = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(200))
    found = believable_returns(PriceHistory(symbols=SYMBOLS, sessions=sessions, closes_usd=world["closes"]))
    volatility = dict(zip(found.symbols, found.daily.std(axis=0).tolist(), strict=True))
    views = make_views(world["scores"], world["probabilities"], volatility, llm_influence=world["influence"])
    target = construct(found, views, world["previous"], SECTORS, rules(world["limits"]), untradable=world["untradable"])
    limits_hold(target, world["previous"], world["limits"], SECTORS)
    total = {symbol: sum(part[symbol] for part in target.sources.values()) for symbol in target.weights}
    assert total == pytest.approx(dict(target.weights), abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_wanted_weights_are_made_to_obey(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    several = st.lists(absurd, min_size=count, max_size=count)
    bounds = Bounds(
        symbols=SYMBOLS[:count],
        sectors=tuple(SECTORS[symbol] for symbol in SYMBOLS[:count]),
        previous=np.array(data.draw(st.lists(weight, min_size=count, max_size=count))),
        locked=tuple(data.draw(st.lists(st.booleans(), min_size=count, max_size=count))),
        limits=WeightLimits(
            max_weight=data.draw(st.floats(0, 1)),
            max_sector_weight=data.draw(st.floats(0, 1)),
            min_cash=data.draw(st.floats(0, 1)),
            max_turnover=data.draw(st.floats(0, 2)),
        ),
    )
    assert breaches(obeying(np.array(data.draw(several)), bounds), bounds) == ()


def one_name(previous: float, limits: WeightLimits, *, locked: bool = False) -> Bounds:
    return Bounds(symbols=("A",), sectors=("x",), previous=np.array([previous]), locked=(locked,), limits=limits)


def test_turnover_limit_stops_half_way() -> None:
    limits = WeightLimits(max_weight=1.0, max_sector_weight=1.0, min_cash=0.0, max_turnover=0.1)
    assert obeying(np.array([0.8]), one_name(0.2, limits))[0] == pytest.approx(0.3)


def test_turnover_limit_yields_to_a_weight_that_must_come_down() -> None:
    limits = WeightLimits(max_weight=0.2, max_sector_weight=1.0, min_cash=0.0, max_turnover=0.1)
    bounds = one_name(0.9, limits)
    assert obeying(np.array([0.2]), bounds)[0] == pytest.approx(0.2)
    assert bounds.turnover_allowed == pytest.approx(0.7)


def test_breaches_are_found_in_weights_that_nobody_made_obey() -> None:
    limits = WeightLimits(max_weight=0.2, max_sector_weight=0.15, min_cash=0.9, max_turnover=0.05)
    found = breaches(np.array([0.3]), one_name(0.0, limits))
    assert [breach.rule for breach in found] == ["max_weight", "max_sector_weight", "min_cash", "max_turnover"]
    assert breaches(np.array([0.3]), one_name(0.2, limits, locked=True))[0].rule == "locked"


def test_lowering_scales_a_sector_and_leaves_the_other() -> None:
    bounds = Bounds(
        symbols=("A", "B", "C"),
        sectors=("x", "x", "y"),
        previous=np.zeros(3),
        locked=(False,) * 3,
        limits=WeightLimits(max_weight=0.4, max_sector_weight=0.4, min_cash=0.0, max_turnover=2.0),
    )
    assert lowered(np.array([0.4, 0.4, 0.2]), bounds) == pytest.approx([0.2, 0.2, 0.2])
    assert turnover(np.array([0.1, 0.0]), np.array([0.0, 0.2])) == pytest.approx(0.3)


def test_optimiser_answers_and_invests_what_the_limits_allow() -> None:
    target = construct(returns(), NO_VIEWS, {}, SECTORS, rules())
    assert [(attempt.method, attempt.failure) for attempt in target.attempts] == [("mean_cvar", "")]
    assert sum(target.weights.values()) == pytest.approx(0.95, abs=0.002)
    calm, wild = target.weights["S0"], target.weights["S7"]
    assert calm > wild


def opinion(factor_return: float, llm_return: float, llm_share: float) -> Views:
    """What is said of S5; of the others nothing."""
    view = View(symbol="S5", factor_return=factor_return, llm_return=llm_return, llm_share=llm_share)
    return Views(views=(view,), unusable=(), llm_influence=llm_share)


def test_a_score_moves_weight_to_its_name_and_is_attributed() -> None:
    without = construct(returns(), NO_VIEWS, {}, SECTORS, rules())
    target = construct(returns(), opinion(0.02, 0.0, 0.0), {}, SECTORS, rules())
    assert target.method == "mean_cvar"
    assert target.weights["S5"] > without.weights["S5"] + 0.02
    assert target.sources["factor"]["S5"] > 0.02
    assert target.sources["llm"]["S5"] == 0.0


def test_llm_is_attributed_what_it_changed_beyond_the_score() -> None:
    target = construct(returns(), opinion(0.0, 0.06, 0.5), {}, SECTORS, rules())
    assert target.method == "mean_cvar"
    assert target.sources["llm"]["S5"] > 0.02
    assert construct(returns(), opinion(0.0, 0.06, 0.0), {}, SECTORS, rules()).sources["llm"]["S5"] == 0.0


def broken(problem: Problem) -> Floats:
    raise ValueError("solver refused\nat length")


def not_finite(problem: Problem) -> Floats:
    return np.full(len(problem.previous), np.nan)


def test_each_fallback_is_taken_and_recorded_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = dict(SOLVERS) | {"mean_cvar": broken}
    monkeypatch.setattr(construction, "SOLVERS", ladder)
    second = construct(returns(), NO_VIEWS, {}, SECTORS, rules())
    assert second.method == "hierarchical_risk_parity"
    assert second.attempts[0].failure == "ValueError: solver refused"
    ladder["hierarchical_risk_parity"] = not_finite
    third = construct(returns(), NO_VIEWS, {}, SECTORS, rules())
    assert third.method == "inverse_volatility"
    assert third.attempts[1].failure == "its weights are not finite"
    ladder["inverse_volatility"] = broken
    assert construct(returns(), NO_VIEWS, {}, SECTORS, rules()).method == "cash"


def test_fault_that_is_no_bad_number_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(problem: Problem) -> Floats:
        raise TypeError("a fault of the program")

    monkeypatch.setattr(construction, "SOLVERS", {"mean_cvar": wrong})
    with pytest.raises(TypeError, match="a fault of the program"):
        construct(returns(), NO_VIEWS, {}, SECTORS, rules(methods=("mean_cvar",)))


def test_no_names_at_all_is_cash() -> None:
    empty = Returns(symbols=(), daily=np.empty((0, 0)))
    target = construct(empty, NO_VIEWS, {"OLD": 0.2}, {}, rules())
    assert (target.method, target.weights["OLD"]) == ("cash", 0.0)


def test_halted_holding_keeps_its_weight_and_uses_up_its_sector() -> None:
    previous = {"S0": 0.45}
    target = construct(returns(), NO_VIEWS, previous, SECTORS, rules(), untradable=frozenset({"S0"}))
    assert target.weights["S0"] == 0.45
    assert target.weights["S3"] + target.weights["S6"] <= 0.05 + 1e-9
    assert target.locked == ("S0",)


def test_holding_without_a_history_is_sold() -> None:
    assert construct(returns(), NO_VIEWS, {"OLD": 0.2}, SECTORS, rules()).weights["OLD"] == 0.0
