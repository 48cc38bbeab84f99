"""Each metric on four round trips, worked by hand; what cannot be said is None."""

from __future__ import annotations

import pytest

from evidence.metrics import BPS, OF_TRIPS, measured
from evidence.trips import GROUPINGS, grouped
from tests.evidence.hand_made import trip

# Open 0-30, 10-20, 30-90, 120-150 minutes; 10,000 USD each, the third 20,000
TRIPS = (
    trip(+100.0, 0, 30, slipped_usd=2.0, judged_usd=20_000.0),
    trip(-50.0, 10, 10, symbol="BBB", regime="ranging"),
    trip(-70.0, 30, 60, quantity=200, executions=3, exit_price_usd=99.66, hour=10, exit_reason="time_exit"),
    trip(+30.0, 120, 30, slipped_usd=1.0, judged_usd=10_000.0, hour=11, variant="b"),
)
BY_HAND = {
    "trades": 9,
    "round_trips": 4,
    "wins": 2,
    "losses": 2,
    "win_rate_pct": 50.0,
    "total_pnl_usd": 10.0,
    "gross_profit_usd": 130.0,
    "gross_loss_usd": -120.0,
    "profit_factor": 130 / 120,
    "average_win_usd": 65.0,
    "average_loss_usd": -60.0,
    "risk_reward": 65 / 60,
    "expectancy_usd": 2.5,
    # closed in the order 20, 30, 90, 150 minutes: -50, 50, -20, 10; peaks 0, 50, 50, 50
    "max_drawdown_usd": -70.0,
    "average_duration_s": (30 + 10 + 60 + 30) * 60 / 4,
    "median_duration_s": 30 * 60.0,
    "average_position_usd": 12_500.0,
    # 20,000 from 10 to 20 minutes; the third takes the room of the first at 30: 20,000 again
    "capital_used_usd": 20_000.0,
    # 5,000 + 1,666.67 + 20,000 + 5,000 USD·h
    "capital_efficiency_pct": 100 * 10.0 / (5_000 + 10_000 / 6 + 20_000 + 5_000),
    # 10,000 + 10,102; 10,000 + 9,952; 20,000 + 19,932; 10,000 + 10,032
    "turnover_usd": 20_102 + 19_952 + 39_932 + 20_032,
    "commissions_usd": 8.0,
    "slippage_bps": BPS * 3 / 30_000,
    "exposure_s": (90 + 30) * 60.0,
    "best_trade_usd": 100.0,
    "worst_trade_usd": -70.0,
    "exit_reasons": {"profit_target": 2, "stop_loss": 1, "time_exit": 1},
}


@pytest.mark.parametrize("metric", OF_TRIPS, ids=lambda metric: metric.__name__)
def test_metric_is_what_the_hand_finds(metric) -> None:  # type: ignore[no-untyped-def]
    assert metric(TRIPS) == pytest.approx(BY_HAND[metric.__name__])


def test_without_a_trip_sums_are_zero_and_ratios_are_unsaid() -> None:
    values = measured(())
    zeros = {"trades", "round_trips", "wins", "losses", "total_pnl_usd", "gross_profit_usd", "gross_loss_usd"}
    zeros |= {"capital_used_usd", "turnover_usd", "commissions_usd", "exposure_s"}
    assert {name for name, value in values.items() if value == 0} == zeros
    assert values["exit_reasons"] == {}
    assert all(value is None for name, value in values.items() if name not in zeros | {"exit_reasons"})


def test_profit_factor_of_winners_only_is_unsaid() -> None:
    assert measured([trip(5.0)])["profit_factor"] is None


def test_drawdown_counts_from_the_start_when_the_first_trip_loses() -> None:
    assert measured([trip(-30.0, 0), trip(-10.0, 60)])["max_drawdown_usd"] == -40.0


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("day", {"2025-10-07": 4}),
        ("symbol", {"AAA": 3, "BBB": 1}),
        ("hour", {"09": 2, "10": 1, "11": 1}),
        ("regime", {"ranging": 1, "unknown": 3}),
        ("variant", {"b": 1, "none": 3}),
        ("exit_reason", {"profit_target": 2, "stop_loss": 1, "time_exit": 1}),
    ],
)
def test_trips_are_grouped_without_losing_one(by: str, groups: dict[str, int]) -> None:
    assert {name: len(trips) for name, trips in grouped(TRIPS, by).items()} == groups


def test_every_grouping_is_tried_above_and_an_unknown_one_is_refused() -> None:
    assert set(GROUPINGS) == {"day", "symbol", "hour", "regime", "variant", "exit_reason"}
    with pytest.raises(ValueError, match="not by 'weather'"):
        grouped(TRIPS, "weather")
