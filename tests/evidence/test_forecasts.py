"""Scores by hand, skill against climatology with honest uncertainty."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from evidence.forecasts import (
    Skill,
    brier_scores,
    calibration_and_resolution,
    log_scores,
    skill,
)


def forecasts(n: int, knows: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Events whose true probabilities differ; the source says a mixture of them and of one half."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.05, 0.95, n)
    return 0.5 + knows * (true - 0.5), (rng.random(n) < true).astype(float)


def test_scores_by_hand() -> None:
    said, came = np.array([0.8, 0.3, 1.0]), np.array([1.0, 1.0, 0.0])
    assert brier_scores(said, came) == pytest.approx([0.04, 0.49, 1.0])
    assert log_scores(said, came) == pytest.approx([-log(0.8), -log(0.3), -log(1e-6)])


def test_parts_of_the_brier_score_add_up_when_forecasts_are_those_of_the_bins() -> None:
    rng = np.random.default_rng(1)
    said = rng.integers(0, 10, 500) / 10 + 0.05
    came = (rng.random(500) < said).astype(float)
    calibration, resolution = calibration_and_resolution(said, came)
    uncertainty = came.mean() * (1 - came.mean())
    assert brier_scores(said, came).mean() == pytest.approx(calibration - resolution + uncertainty)


def is_proven(found: Skill) -> bool:
    """Whether a source beat climatology beyond doubt, by both scores."""
    return found.brier_gain.low > 0 and found.log_gain.low > 0


def test_a_source_that_knows_is_proven_and_one_that_does_not_is_not() -> None:
    knowing, ignorant = skill(*forecasts(300, 1.0)), skill(*forecasts(300, 0.0))
    assert isinstance(knowing, Skill)
    assert isinstance(ignorant, Skill)
    assert is_proven(knowing)
    assert knowing.brier_skill > 0.2
    assert not is_proven(ignorant)


def test_overconfidence_costs_skill() -> None:
    said, came = forecasts(400, 1.0, seed=4)
    fair, shouting = skill(said, came), skill(np.clip(0.5 + 3 * (said - 0.5), 0, 1), came)
    assert isinstance(fair, Skill)
    assert isinstance(shouting, Skill)
    assert shouting.brier_skill < fair.brier_skill
    assert shouting.calibration > fair.calibration


def test_a_source_without_skill_is_rarely_called_proven() -> None:
    rng = np.random.default_rng(9)
    proven = 0
    for seed in range(60):
        said, came = rng.uniform(0.3, 0.7, 100), (rng.random(100) < 0.5).astype(float)
        found = skill(said, came, np.full(100, 0.5), seed=seed)
        assert isinstance(found, Skill)
        proven += is_proven(found)
    assert proven <= 4


def test_too_few_forecasts_give_words() -> None:
    assert str(skill(*forecasts(29, 1.0))) == "too few forecasts: 29 of 30"


@pytest.mark.parametrize(
    ("said", "came", "words"),
    [([1.2] * 30, [1.0] * 30, "not a probability"), ([0.5] * 30, [0.5] * 30, "neither"), ([0.5], [1.0, 0.0], "1 fore")],
)
def test_what_is_no_probability_or_no_outcome_is_refused(said: list[float], came: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        skill(np.array(said), np.array(came))
