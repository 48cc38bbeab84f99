"""Views stay sane, and a language model's influence is what its measured skill has earned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio.skill import MAX_INFLUENCE, NO_SKILL, SettledForecast, measured_skill
from portfolio.views import make_views

NAMES, CYCLES = 20, 104


def settled(model: str, cycles: int = CYCLES, seed: int = 1) -> list[SettledForecast]:
    """Forecasts of names that beat the benchmark with probabilities of their own, which only an oracle knows."""
    rng = np.random.default_rng(seed)
    forecasts = []
    for cycle in range(cycles):
        chances = rng.beta(1.0, 1.0, NAMES)
        outcomes = rng.random(NAMES) < chances
        said = {"random": rng.random(NAMES), "oracle": chances, "coin": np.full(NAMES, 0.5)}[model]
        forecasts += [
            SettledForecast(cycle=cycle, probability=float(p), came_true=bool(o))
            for p, o in zip(said, outcomes, strict=True)
        ]
    return forecasts


def test_model_without_a_record_has_no_influence() -> None:
    assert NO_SKILL.influence == measured_skill([]).influence == 0.0


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("model", ["random", "coin"])
def test_model_that_answers_at_random_never_gains_influence(model: str, seed: int) -> None:
    skill = measured_skill(settled(model, seed=seed))
    assert skill.skill < 0.02
    assert skill.influence < 0.02


def test_influence_of_an_oracle_rises_with_its_record() -> None:
    steps = [measured_skill(settled("oracle", cycles)).influence for cycles in (4, 10, 26, 104)]
    assert steps[0] == 0.0
    assert steps == sorted(steps)
    assert 0.35 < steps[-1] < MAX_INFLUENCE


def test_forecasts_of_one_cycle_do_not_count_as_many() -> None:
    lucky = [SettledForecast(cycle=1, probability=0.9, came_true=True) for _ in range(1_000)]
    assert measured_skill(lucky).influence == 0.0


def test_skill_of_three_cycles_by_hand() -> None:
    # climatology says 1/2, 2/3, 3/4; gains 1/4-1/100, 1/9-1/100, 1/16-1/100 over a mean baseline of 61/432
    forecasts = [SettledForecast(cycle=cycle, probability=0.9, came_true=True) for cycle in range(3)]
    assert measured_skill(forecasts).skill == pytest.approx((61 / 432 - 0.01) / (61 / 432))


def test_forecast_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5 is not a probability"):
        measured_skill([SettledForecast(cycle=0, probability=1.5, came_true=True)])


def test_without_influence_probabilities_change_nothing() -> None:
    volatility = {"A": 0.02, "B": 0.03}
    plain = make_views({"A": 0.4}, {}, volatility, llm_influence=0.0)
    opinionated = make_views({"A": 0.4}, {"A": 0.01, "B": 0.99}, volatility, llm_influence=0.0)
    assert [v.horizon_return for v in plain.views] == [v.horizon_return for v in opinionated.views]


def test_view_blends_both_sources_by_hand() -> None:
    view = make_views({"A": 0.3}, {"A": 0.8413447460685429}, {"A": 0.02}, llm_influence=0.25, horizon_days=4).views[0]
    assert view.factor_return == pytest.approx(0.03 * 0.04)
    assert view.llm_return == pytest.approx(0.04)  # one standard deviation of four days
    assert view.horizon_return == pytest.approx(0.75 * 0.0012 + 0.25 * 0.04)


@pytest.mark.parametrize("absurd", [math.nan, math.inf, -math.inf, 7.0, -0.1])
def test_answer_that_is_no_probability_is_named_and_counts_nothing(absurd: float) -> None:
    views = make_views({"A": 0.3}, {"A": absurd}, {"A": 0.02}, llm_influence=0.5)
    assert views.unusable == ("A",)
    assert views.views[0].horizon_return == views.views[0].factor_return


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1e300])
def test_absurd_score_is_bounded(score: float) -> None:
    view = make_views({"A": score}, {}, {"A": 0.02}, llm_influence=0.0).views[0]
    assert abs(view.horizon_return) <= 0.02 * math.sqrt(5)
