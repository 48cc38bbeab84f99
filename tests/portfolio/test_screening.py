"""Screening: every rule refuses by name, with limit and actual; what is unknown never passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from portfolio.screening import Candidate, ScreeningRules, screen

GOOD = Candidate(
    symbol="AAA",
    exchange="NYSE",
    sector="Energy",
    market_cap_usd=5e9,
    price_usd=50.0,
    volume_shares=1e6,
    is_active=True,
    is_fund=False,
)


def test_good_row_passes_on_the_very_limits() -> None:
    rules = ScreeningRules(min_market_cap_usd=5e9, min_price_usd=50.0, min_volume_shares=1e6, min_dollar_volume_usd=5e7)
    assert screen([GOOD], rules).passed == (GOOD,)


@pytest.mark.parametrize(
    ("change", "rule", "actual"),
    [
        ({"is_active": False}, "active", "no"),
        ({"is_active": None}, "active", "unknown"),
        ({"is_fund": True}, "no_funds", "yes"),
        ({"is_fund": None}, "no_funds", "unknown"),
        ({"exchange": "OTC"}, "exchange", "OTC"),
        ({"exchange": None}, "exchange", None),
        ({"price_usd": 4.99}, "min_price_usd", 4.99),
        ({"price_usd": None}, "min_price_usd", None),
        ({"price_usd": 10_001.0}, "max_price_usd", 10_001.0),
        ({"market_cap_usd": 1e9}, "min_market_cap_usd", 1e9),
        ({"volume_shares": 299_999.0}, "min_volume_shares", 299_999.0),
        ({"price_usd": 6.0, "volume_shares": 400_000.0}, "min_dollar_volume_usd", 2_400_000.0),
        ({"spread_bps": 80.0}, "max_spread_bps", 80.0),
    ],
)
def test_bad_row_is_refused_by_name(change: dict[str, Any], rule: str, actual: object) -> None:
    done = screen([replace(GOOD, **change)], ScreeningRules())
    assert done.passed == ()
    assert [(refusal.rule, refusal.actual) for refusal in done.refused] == [(rule, actual)]


def test_infinite_and_nan_are_not_large() -> None:
    rows = [
        replace(GOOD, symbol="INF", market_cap_usd=float("inf")),
        replace(GOOD, symbol="NAN", price_usd=float("nan")),
    ]
    assert [refusal.rule for refusal in screen(rows, ScreeningRules()).refused] == [
        "min_market_cap_usd",
        "min_price_usd",
    ]


def test_never_trade_is_refused_first() -> None:
    rules = ScreeningRules(never_trade=frozenset({"AAA"}))
    assert screen([replace(GOOD, is_active=False)], rules).refused[0].rule == "never_trade"


def test_order_and_repetition_of_rows_do_not_matter() -> None:
    rows = [
        GOOD,
        replace(GOOD, symbol="BBB"),
        replace(GOOD, market_cap_usd=6e9),
        replace(GOOD, symbol="CCC", price_usd=1.0),
    ]
    forward, backward = screen(rows, ScreeningRules()), screen(rows[::-1], ScreeningRules())
    assert forward == backward
    assert [row.market_cap_usd for row in forward.passed] == [6e9, 5e9]
