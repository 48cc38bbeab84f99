"""Faults of trading say what is wrong with which symbol, and keep it for who handles them."""

from __future__ import annotations

from trading.errors import FeedStale, HistoryUnavailable
from utils import Retryable


def test_a_stale_feed_names_its_symbol_and_age() -> None:
    fault = FeedStale("AAA", 61.4)
    assert str(fault) == "market data of AAA is 61 s old"
    assert (fault.symbol, fault.age_s) == ("AAA", 61.4)
    assert isinstance(fault, Retryable)


def test_missing_history_names_its_symbol_and_the_brokers_code() -> None:
    fault = HistoryUnavailable("AAA", 162, "no data")
    assert str(fault) == "no history for AAA: 162 no data"
    assert (fault.symbol, fault.code) == ("AAA", 162)
    assert str(HistoryUnavailable("AAA", 0, "")) == "no history for AAA: 0"
