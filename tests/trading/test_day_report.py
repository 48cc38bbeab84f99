"""The day as values: what is counted, and what cannot be said."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.trading.examples import LIMITS, OPEN_S, USD, execution, session_book
from tests.trading.reports import facts
from trading.book import RoundTrip
from trading.day_report import DayReport, day_metrics, day_report, round_trip_for_report
from trading.funnel import DecisionFunnel
from trading.orders import Action, Reason
from trading.rules import Rule

# bought 10 at 100.00, sold at 101.50: 15.00 less 2.00 of fees
WON = RoundTrip("AAA", OPEN_S, OPEN_S + 600, 10, 1_000 * USD, 1_015 * USD, 2 * USD, 13 * USD, "profit_target")
# bought 20 at 50.00, sold at 49.60: -8.00 less 2.00 of fees
LOST = RoundTrip("BBB", OPEN_S, OPEN_S + 900, 20, 1_000 * USD, 992 * USD, 2 * USD, -10 * USD, "stop_loss")
# bought and sold for the same, no fee
EVEN = RoundTrip("CCC", OPEN_S, OPEN_S + 60, 1, 30 * USD, 30 * USD, 0, 0, "time_exit")


def test_metrics_of_a_day_by_hand() -> None:
    metrics = day_metrics([WON, LOST, EVEN], -12_500_000)
    assert metrics == {
        "round_trips": 3,
        "wins": 1,
        "losses": 1,  # a trip that ends even is neither
        "win_rate_pct": 33.33,
        "total_pnl_usd": 3.0,
        "gross_profit_usd": 13.0,
        "gross_loss_usd": -10.0,
        "profit_factor": 1.3,
        "commissions_usd": 4.0,
        "turnover_usd": 1_000 + 1_015 + 1_000 + 992 + 30 + 30,
        "max_drawdown_usd": -12.5,
        "exit_reasons": {"profit_target": 1, "stop_loss": 1, "time_exit": 1},
    }


def test_the_smallest_gain_is_a_win_and_the_smallest_loss_a_loss() -> None:
    metrics = day_metrics([EVEN._replace(pnl=1), EVEN._replace(pnl=-1), LOST], 0)
    assert (metrics["wins"], metrics["losses"]) == (1, 2)


def test_reasons_are_counted_in_alphabetical_order_and_ratios_are_told_to_four_digits() -> None:
    metrics = day_metrics([WON, EVEN, LOST, LOST, LOST._replace(pnl=-11 * USD)], 0)
    assert list(metrics["exit_reasons"].items()) == [("profit_target", 1), ("stop_loss", 3), ("time_exit", 1)]
    assert metrics["profit_factor"] == 0.4194  # 13 / 31 = 0.419354…


def test_ratios_that_cannot_be_said_are_none() -> None:
    assert day_metrics([], 0)["win_rate_pct"] is None
    assert day_metrics([], 0)["profit_factor"] is None
    assert day_metrics([WON], 0)["profit_factor"] is None  # nothing was lost: no denominator
    assert day_metrics([LOST], 0)["profit_factor"] == 0.0


def test_a_round_trip_shows_average_prices() -> None:
    trip = round_trip_for_report(WON._replace(quantity=3, bought_for=100 * USD, sold_for=101 * USD))
    assert trip["entry_price_usd"] == 33.333333
    assert trip["exit_price_usd"] == 33.666667
    assert (trip["fees_usd"], trip["pnl_usd"], trip["exit_reason"]) == (2.0, 13.0, "profit_target")


def test_report_takes_results_from_the_book_and_refusals_from_the_funnel() -> None:
    book = session_book()
    book.on_execution(execution("b1", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    book.on_fee("b1", USD)
    book.on_execution(execution("s1", Action.SELL, 10, 1_010_000, at_s=OPEN_S + 60), Reason.PROFIT_TARGET)
    book.on_fee("s1", USD)
    book.on_execution(execution("b2", Action.BUY, 5, 500_000, symbol="BBB"), Reason.ENTRY)
    book.mark({"BBB": 490_000})
    funnel = DecisionFunnel()
    funnel.count("AAA", Rule.WARMING_UP)
    funnel.count("AAA", Rule.APPROVED)
    report = day_report(book, funnel, **facts())
    assert report.metrics["total_pnl_usd"] == 8.0  # 10 x 1.00 less 2.00
    assert [trip["symbol"] for trip in report.round_trips] == ["AAA"]
    assert report.positions_left == {"BBB": 5}
    assert report.unrealised_pnl_usd == -5.0  # 5 x (49.00 - 50.00)
    assert (report.equity_at_open_usd, report.judgements) == (100_000.0, 2)
    assert report.funnel == {"AAA": {"approved": 1, "warming_up": 1}}
    assert report.limits == LIMITS._asdict()


def test_a_flat_book_has_nothing_unrealised_whatever_was_marked_last() -> None:
    book = session_book()
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    book.mark({"AAA": 1_010_000})
    book.on_execution(execution("s", Action.SELL, 10, 1_010_000, at_s=OPEN_S + 60), Reason.MANUAL)
    assert day_report(book, DecisionFunnel(), **facts()).unrealised_pnl_usd == 0.0


@pytest.mark.parametrize("field", ["metrics", "positions_left"])
def test_a_report_is_frozen(field: str) -> None:
    report: Any = day_report(session_book(), DecisionFunnel(), **facts())
    assert isinstance(report, DayReport)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(report, field, {})
