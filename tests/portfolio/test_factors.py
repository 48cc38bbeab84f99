"""The factor score: ranks, winsorised, missing values neutral and named."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from portfolio.factors import PARTS, factor_scores, price_factors
from portfolio.history import PriceHistory


def scores(part: str, raw: list[float | None]) -> list[float]:
    return [each.score for each in factor_scores({f"S{i:02}": {part: value} for i, value in enumerate(raw)})]


def test_weights_of_the_parts_add_up_to_one() -> None:
    assert sum(part.weight for part in PARTS) == pytest.approx(1.0)


def test_ranks_of_five_names_by_hand() -> None:
    # ranks -0.8, -0.4, 0, 0.4, 0.8 times the weight 0.15
    assert scores("earnings_yield", [1, 2, 3, 4, 5]) == pytest.approx([-0.12, -0.06, 0, 0.06, 0.12])


def test_less_is_better_where_the_sign_says_so() -> None:
    assert scores("debt_to_equity", [1, 2, 3, 4, 5]) == pytest.approx([0.08, 0.04, 0, -0.04, -0.08])


def test_an_absurd_value_counts_no_more_than_the_largest() -> None:
    sane, absurd = scores("momentum", [1, 2, 3, 4, 5]), scores("momentum", [1, 2, 3, 4, 1e300])
    assert sane == pytest.approx(absurd)


def test_missing_values_are_neutral_and_named() -> None:
    values: dict[str, dict[str, float | None]] = {
        f"S{i}": {"earnings_yield": float(i), "momentum": float(i)} for i in range(6)
    }
    values["HOLE"] = {"earnings_yield": float("nan"), "momentum": 9.0}
    hole = next(each for each in factor_scores(values) if each.symbol == "HOLE")
    assert "earnings_yield" in hole.missing
    assert hole.score == pytest.approx(hole.parts["momentum"])


def test_name_of_which_nothing_is_known_scores_zero() -> None:
    nothing = factor_scores({"A": {}})[0]
    assert (nothing.score, len(nothing.missing)) == (0.0, len(PARTS))


def test_unknown_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="no such factor: momentun"):
        factor_scores({"A": {"momentun": 1.0}})


def test_price_factors_skip_the_last_month_and_need_their_history() -> None:
    closes = np.full((274, 2), 100.0)
    closes[252:, 0] = 150.0
    closes[-21:, 0] = 999.0  # the last 21 sessions do not count
    closes[:100, 1] = np.nan
    sessions = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(274))
    found = price_factors(PriceHistory(symbols=("A", "B"), sessions=sessions, closes_usd=closes))
    assert found["A"]["momentum"] == pytest.approx(0.5)
    assert found["B"]["momentum"] is None
