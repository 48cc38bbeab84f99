"""What is known before the open: gaps and spreads by hand, refusals in words, small weights."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from trading.bars import Bar
from trading.premarket import (
    Evidence,
    PremarketFilters,
    evidence_of,
    premarket_refusal,
    relative_volume,
    score_parts,
    today_words,
)

FILTERS = PremarketFilters(
    max_spread_bps=100.0,
    max_gap_pct=15.0,
    min_relative_volume=0.0,
    excludes_earnings=True,
    excludes_negative_news=True,
)


def bars(*volumes: int) -> list[Bar]:
    return [Bar(number, 1, 1, 1, 1, volume) for number, volume in enumerate(volumes, start=1)]


def test_gap_and_spread_of_a_quote() -> None:
    found = evidence_of("A", 102.0, 100.0, 99.5, 100.5)
    assert found.gap_pct == pytest.approx(2.0)
    assert found.spread_bps == pytest.approx(100.0)


def test_the_spread_is_in_basis_points_of_the_mid_and_a_locked_market_has_none() -> None:
    wide = evidence_of("A", 100.0, 100.0, 99.0, 101.0)
    assert wide.spread_bps == pytest.approx(200.0)
    assert evidence_of("A", 100.0, 100.0, 100.0, 100.0).spread_bps == 0.0


@pytest.mark.parametrize(("bid", "ask"), [(None, 10.0), (10.0, None), (10.1, 10.0), (0.0, 10.0)])
def test_one_sided_or_crossed_quote_has_no_spread(bid: float | None, ask: float | None) -> None:
    assert evidence_of("A", 10.0, 0.0, bid, ask) == Evidence(symbol="A")


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Evidence(symbol="A"), ""),
        (Evidence(symbol="A", spread_bps=100.0, gap_pct=-15.0, reports_today=False, negative_news=1), ""),
        (Evidence(symbol="A", spread_bps=101.0), "spread is 101 bps, above 100"),
        (Evidence(symbol="A", gap_pct=-16.0), "gap is -16.0 %, beyond 15"),
        (Evidence(symbol="A", reports_today=True), "reports earnings today"),
        (Evidence(symbol="A", negative_news=3, positive_news=2), "3 negative reports since yesterday, 2 positive"),
        (Evidence(symbol="A", negative_news=3, positive_news=3), ""),
        (Evidence(symbol="A", negative_news=2), "2 negative reports since yesterday, 0 positive"),
    ],
)
def test_refusals_in_words_and_what_is_unknown_refuses_nothing(evidence: Evidence, words: str) -> None:
    assert premarket_refusal(evidence, FILTERS) == words


def test_filters_that_are_allowed_let_pass() -> None:
    lax = replace(FILTERS, excludes_earnings=False, excludes_negative_news=False)
    assert premarket_refusal(Evidence(symbol="A", reports_today=True, negative_news=5), lax) == ""


def test_relative_volume_is_over_the_fourteen_sessions_before_the_last() -> None:
    assert relative_volume(bars(9_000, *[100] * 14, 250)) == 2.5
    assert relative_volume(bars(9_000, *range(100, 240, 10), 330)) == 2.0  # over a mean of 165
    assert relative_volume(bars(100, 300, 400)) == 2.0  # or over as many as there are
    assert math.isnan(relative_volume(bars(100)))
    assert math.isnan(relative_volume([]))
    assert math.isnan(relative_volume(bars(0, 0, 5)))


def test_score_without_evidence_is_atr_times_log_turnover_and_evidence_weighs_little() -> None:
    assert math.prod(score_parts(4.0, 1e8, Evidence(symbol="A")).values()) == 32.0
    wild = score_parts(4.0, 1e8, Evidence(symbol="A", gap_pct=-50.0, negative_news=9, positive_news=0))
    assert (wild["gap"], wild["news"]) == (1.1, 0.95)
    assert score_parts(4.0, 1e8, Evidence(symbol="A", positive_news=9))["news"] == 1.05


def test_what_is_known_of_today_is_told_and_nothing_else() -> None:
    assert today_words(Evidence(symbol="A"), 2.5) == []  # the volume alone is no news of today
    assert today_words(Evidence(symbol="A", gap_pct=-1.25), 2.5) == [
        "gap -1.25 %",
        "volume of the last session 2.50 of its average",
    ]
    assert today_words(Evidence(symbol="A", spread_bps=12.4), 0.5) == [
        "spread 12 bps",
        "volume of the last session 0.50 of its average",
    ]
    assert today_words(Evidence(symbol="A", gap_pct=2.0, positive_news=3, negative_news=0), math.nan) == [
        "gap +2.00 %",
        "news: 3 positive, 0 negative",
    ]
    assert today_words(Evidence(symbol="A", positive_news=0, negative_news=1), 1.0) == ["news: 0 positive, 1 negative"]


def test_a_gap_adds_in_proportion_up_to_five_percent_and_news_by_its_balance() -> None:
    some = score_parts(2.0, 1e6, Evidence(symbol="A", gap_pct=-2.5, positive_news=2, negative_news=1))
    assert some == {"atr_pct": 2.0, "log10_turnover": 6.0, "gap": 1.05, "news": 1.05}
    assert score_parts(2.0, 0.0, Evidence(symbol="A", positive_news=1, negative_news=1)) == {
        "atr_pct": 2.0,
        "log10_turnover": 1.0,  # of ten dollars at least
        "gap": 1.0,
        "news": 1.0,
    }
