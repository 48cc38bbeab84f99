"""The Monte Carlo filter against geometric Brownian motion in closed form, and against a plain loop."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from portfolio.bootstrap import block_length, stationary_days
from portfolio.garch import fit_garch
from portfolio.history import Floats, Returns
from portfolio.monte_carlo import (
    MonteCarloRules,
    Outlook,
    bootstrap_steps,
    expected_shortfall,
    garch_steps,
    monte_carlo_filter,
    outlooks_of,
)

NORMAL = NormalDist()
SIGMA = 0.03
RULES = MonteCarloRules(loss=0.08, target=0.04, stop=0.05)


def lognormal_days(sigma: float, days: int = 20_001) -> Floats:
    """Returns of a day at equally spaced quantiles, shuffled: the distribution itself, without its luck."""
    quantiles = [NORMAL.inv_cdf((i + 0.5) / days) for i in range(days)]
    logs = sigma * np.array(quantiles) - sigma**2 / 2
    return np.asarray(np.random.default_rng(3).permutation(np.expm1(logs)))[:, None]


def gbm_target_first(sigma: float, rules: MonteCarloRules, paths: int = 400_000) -> float:
    """P(target's close before the stop's) of geometric Brownian motion, path by path in logarithms."""
    steps = np.random.default_rng(11).normal(-(sigma**2) / 2, sigma, (paths, rules.horizon_days)).cumsum(axis=1)
    up, down = steps >= math.log1p(rules.target), steps <= math.log1p(-rules.stop)
    first_up = np.where(up.any(axis=1), up.argmax(axis=1), 99)
    first_down = np.where(down.any(axis=1), down.argmax(axis=1), 99)
    return float((first_up < first_down).mean())


def oracle_outlook(model: str) -> Outlook:
    daily = lognormal_days(SIGMA)
    rng = np.random.default_rng(7)
    steps = bootstrap_steps(daily, RULES, 1.0, rng) if model == "bootstrap" else garch_steps(daily, RULES, rng)
    return next(outlooks_of(("GBM",), model, steps, RULES))


def test_bootstrap_of_brownian_returns_gives_the_closed_forms() -> None:
    outlook = oracle_outlook("bootstrap")
    spread = SIGMA * math.sqrt(5)
    loss = NORMAL.cdf((math.log1p(-RULES.loss) + spread**2 / 2) / spread)
    worst = NORMAL.inv_cdf(RULES.tail)
    shortfall = 1.0 - NORMAL.cdf(worst - spread) / RULES.tail
    assert abs(outlook.loss_probability.value - loss) < 4 * outlook.loss_probability.error
    assert abs(outlook.expected_shortfall.value - shortfall) < 4 * outlook.expected_shortfall.error
    assert abs(outlook.target_first.value - gbm_target_first(SIGMA, RULES)) < 4 * outlook.target_first.error


def test_garch_of_brownian_returns_stays_near_them() -> None:
    outlook = oracle_outlook("garch")
    spread = SIGMA * math.sqrt(5)
    loss = NORMAL.cdf((math.log1p(-RULES.loss) + spread**2 / 2) / spread)
    assert outlook.loss_probability.value == pytest.approx(loss, abs=0.015)


def test_stated_errors_are_those_between_seeds() -> None:
    daily = lognormal_days(SIGMA, days=2_001)
    rules = MonteCarloRules(paths=1_000, loss=0.08)
    outlooks = [
        next(outlooks_of(("A",), "bootstrap", bootstrap_steps(daily, rules, 1.0, np.random.default_rng(seed)), rules))
        for seed in range(200)
    ]
    for name in ("loss_probability", "expected_shortfall", "target_first"):
        values = [getattr(outlook, name).value for outlook in outlooks]
        stated = np.mean([getattr(outlook, name).error for outlook in outlooks])
        assert np.std(values) == pytest.approx(stated, rel=0.2), name


def test_expected_shortfall_of_a_hundred_known_losses() -> None:
    losses = np.random.default_rng(1).permutation(np.arange(1.0, 101.0))[:, None]
    assert expected_shortfall(losses, 0.05)[0][0] == pytest.approx(98.0)  # mean of 96 … 100


def test_drift_of_the_history_does_not_show() -> None:
    calm = lognormal_days(0.01, days=2_001)
    rising = Returns(symbols=("UP", "FLAT"), daily=np.hstack([calm + 0.01, calm]))
    outlooks = monte_carlo_filter(rising, MonteCarloRules(), seed=1).outlooks
    shortfall = {(o.symbol, o.model): o.expected_shortfall.value for o in outlooks}
    assert shortfall["UP", "bootstrap"] == pytest.approx(shortfall["FLAT", "bootstrap"])
    assert shortfall["UP", "garch"] == pytest.approx(shortfall["FLAT", "garch"])


def test_names_share_their_days() -> None:
    rng = np.random.default_rng(5)
    one = rng.normal(0, 0.02, (300, 1))
    daily = np.hstack([one, -one])
    for step in bootstrap_steps(daily, MonteCarloRules(paths=50), 3.0, rng):
        assert np.allclose(step[:, 0], -step[:, 1])


def test_name_whose_volatility_just_rose_fails_by_garch_alone() -> None:
    rng = np.random.default_rng(2)
    daily = rng.normal(0, 0.012, (500, 1))
    for day in range(485, 500):
        daily[day] = 0.05 * (-1) ** day
    rules = MonteCarloRules(loss=0.08, max_loss_probability=0.1)
    done = monte_carlo_filter(Returns(symbols=("A",), daily=daily), rules, seed=1)
    probability = {outlook.model: outlook.loss_probability.value for outlook in done.outlooks}
    assert probability["bootstrap"] < 0.1 < probability["garch"]
    assert [refusal.rule for refusal in done.refused] == ["loss_probability"]
    assert done.refused[0].actual == probability["garch"]


def test_same_seed_gives_the_same_and_another_seed_does_not() -> None:
    returns = Returns(symbols=("A",), daily=lognormal_days(0.02, days=501))
    first, again, other = (monte_carlo_filter(returns, MonteCarloRules(), seed) for seed in (1, 1, 2))
    assert first == again
    assert first.outlooks != other.outlooks


def test_blocks_have_the_mean_length_that_was_asked_for() -> None:
    days = stationary_days(1_000, 400, 200, 8.0, np.random.default_rng(1))
    goes_on = (days[1:] == (days[:-1] + 1) % 1_000).mean()
    assert 1.0 / (1.0 - goes_on) == pytest.approx(8.0, rel=0.05)


def test_clustered_volatility_lengthens_the_blocks() -> None:
    rng = np.random.default_rng(4)
    even = rng.normal(0, 0.01, (1_000, 1))
    clustered = even * np.repeat([1.0, 4.0] * 10, 50)[:, None]
    assert block_length(clustered) > 3 * block_length(even)


def test_garch_fit_agrees_with_arch() -> None:
    from arch import arch_model

    rng = np.random.default_rng(6)
    variance, shocks = 1.0, []
    for _ in range(3_000):
        shocks.append(math.sqrt(variance) * rng.standard_normal())
        variance = 0.05 + 0.10 * shocks[-1] ** 2 + 0.85 * variance
    reference = arch_model(np.array(shocks), mean="Constant").fit(disp="off")
    fit = fit_garch(np.array(shocks)[:, None])
    tomorrow = float(reference.forecast(horizon=1).variance.iloc[-1, 0])
    assert fit.alpha[0] == pytest.approx(reference.params["alpha[1]"], abs=0.03)
    assert fit.alpha[0] + fit.beta[0] == pytest.approx(
        reference.params["alpha[1]"] + reference.params["beta[1]"], abs=0.04
    )
    assert fit.variance[0] == pytest.approx(tomorrow, rel=0.1)
