"""What an operator sees is in the units that a user sets, and a number that is not known is none."""

from __future__ import annotations

import math

import pytest

from trading.live_view import distance_pct, known, shown_parameters


def test_parameters_in_basis_points_are_shown_in_percent_and_others_as_they_are() -> None:
    shown = shown_parameters({"profit_target_bps": 140, "rsi_cap": 60.0, "stop_loss_bps": 75})
    assert shown == {"profit_target_pct": 1.4, "rsi_cap": 60.0, "stop_loss_pct": 0.75}


def test_an_unknown_number_is_none() -> None:
    assert known(0.0) == 0.0
    assert known(-1.5) == -1.5
    assert (known(math.nan), known(math.inf)) == (None, None)


def test_the_distance_to_a_level_is_in_percent_of_the_price_and_signed() -> None:
    assert distance_pct(200.0, 203.0) == pytest.approx(1.5)
    assert distance_pct(200.0, 198.0) == pytest.approx(-1.0)
