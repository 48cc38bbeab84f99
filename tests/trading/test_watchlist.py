"""Which symbols are worth a session: scores by hand, refusals in words, ranks that do not wobble."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

import pytest

from trading.bars import Bar
from trading.indicators import AtrState
from trading.premarket import Evidence
from trading.watchlist import (
    Candidate,
    Watchlist,
    WatchlistEntry,
    assess,
    atr_of,
    entries_of,
    leave_out,
    rank,
    refused,
    watchlist_from_json,
)

DAY_S = 86_400


def days(n_sessions: int, *, close: int = 1_000_000, half_range: int = 20_000, volume: int = 1_000_000) -> list[Bar]:
    """Sessions that all close at 100.00 after trading 98.00 to 102.00: ATR 4.00, turnover 100 million USD."""
    return [
        Bar(DAY_S * (day + 1), close, close + half_range, close - half_range, close, volume)
        for day in range(n_sessions)
    ]


def judged(
    bars: list[Bar],
    symbol: str = "AAA",
    atr_floor_pct: float = 1.5,
    min_price_usd: float = 3.0,
    min_dollar_volume_usd: float = 1_000_000.0,
) -> Candidate:
    return assess(symbol, bars, atr_floor_pct, min_price_usd, min_dollar_volume_usd)


def test_score_is_atr_times_the_log_of_turnover() -> None:
    # ATR 4 % of price, log10 of 100 million is 8
    candidate = judged(days(20))
    assert candidate.refusal == ""
    assert (candidate.sessions, candidate.close_usd) == (20, 100.0)
    assert candidate.atr_pct == pytest.approx(4.0, rel=1e-12)
    assert candidate.dollar_volume_usd == 100_000_000.0
    assert candidate.score == 32.0
    expected = ("ATR(14) is 4.00 % of price", "trades 100.0 million USD a day", "20 sessions of history")
    assert candidate.reasons == expected


def test_turnover_is_that_of_the_last_fourteen_sessions() -> None:
    # six sessions of 100 million, then fourteen of 10 million
    assert judged(days(6) + days(14, volume=100_000)).dollar_volume_usd == 10_000_000.0


def test_fewer_than_five_sessions_are_refused() -> None:
    candidate = judged(days(4))
    assert (candidate.symbol, candidate.sessions) == ("AAA", 4)
    assert candidate.refusal == "only 4 sessions of history, 5 are needed"
    assert math.isnan(candidate.atr_pct)
    assert candidate.score == 0.0
    assert judged([]).refusal == "only 0 sessions of history, 5 are needed"
    assert judged(days(5)).refusal == ""


def test_fewer_than_fourteen_sessions_are_flagged() -> None:
    assert judged(days(13)).reasons[-1] == "ATR from 13 sessions, fewer than 14"
    assert len(judged(days(14)).reasons) == 3


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"min_price_usd": 100.01}, "closed at 100.00 USD, below 100.01"),
        ({"min_dollar_volume_usd": 100_000_001.0}, "trades 100.00 million USD a day, below 100"),
        ({"atr_floor_pct": 4.5}, "ATR is 4.00 % of price, not above 4.5"),
    ],
)
def test_a_symbol_beyond_a_limit_is_refused_in_words(limits: dict[str, Any], refusal: str) -> None:
    assert judged(days(20), **limits).refusal == refusal


def test_a_price_at_the_limit_is_good_enough() -> None:
    assert judged(days(20), min_price_usd=100.0, min_dollar_volume_usd=100_000_000.0).refusal == ""


def test_a_stock_that_does_not_move_is_refused() -> None:
    assert judged(days(20, half_range=0), atr_floor_pct=0.0).refusal == "ATR is 0.00 % of price, not above 0"


def test_rank_is_by_score_then_by_symbol_and_leaves_refused_ones_out() -> None:
    candidates = [
        judged(days(20), symbol="BBB"),
        judged(days(20, half_range=40_000), symbol="CCC"),
        judged(days(4), symbol="DDD"),
        judged(days(20), symbol="AAA"),
        judged(days(20, half_range=10_000), symbol="EEE"),
    ]
    assert [entry.symbol for entry in rank(candidates, 10)] == ["CCC", "AAA", "BBB", "EEE"]
    best = rank(reversed(candidates), 2)
    assert [(entry.symbol, entry.score) for entry in best] == [("CCC", 64.0), ("AAA", 32.0)]
    assert best[0].reasons == candidates[1].reasons
    assert rank(candidates, 0) == ()


def test_atr_of_too_few_sessions_is_unknown() -> None:
    assert atr_of(days(4)) == AtrState()
    assert atr_of(days(5)).average == 40_000.0


def test_a_list_written_by_hand_carries_symbols_only() -> None:
    for value in (["AAPL", "BRK B"], {"symbols": ["AAPL", "BRK B"]}):
        watchlist = watchlist_from_json(value)
        assert watchlist.symbols == ("AAPL", "BRK B")
        assert watchlist.session_date is None
        assert watchlist.entries[0] == WatchlistEntry(symbol="AAPL")


def test_a_list_written_by_the_program_keeps_order_scores_and_reasons() -> None:
    symbols = [{"symbol": "MSFT", "score": 32.0, "reasons": ["moves"]}, {"symbol": "AAPL", "score": 31}]
    watchlist = watchlist_from_json({"session_date": "2026-09-28", "source": "daily bars", "symbols": symbols})
    assert (watchlist.session_date, watchlist.source) == (date(2026, 9, 28), "daily bars")
    assert watchlist.entries == (
        WatchlistEntry(symbol="MSFT", score=32.0, reasons=("moves",)),
        WatchlistEntry(symbol="AAPL", score=31.0),
    )


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("AAPL", "must be a list of symbols"),
        ({"symbols": "AAPL"}, "must be a list of symbols"),
        ([], "names no symbol"),
        (["AAPL", "aapl"], "entry 2 has no symbol"),
        (["AAPL", "AAPL"], "AAPL is named twice"),
        ([{"score": 1}], "entry 1 has no symbol"),
        ([{"symbol": "AAPL", "score": "high"}], "score that is no number"),
        ([{"symbol": "AAPL", "score": math.nan}], "score that is no number"),
        ([{"symbol": "AAPL", "reasons": "moves"}], "reasons that are no list"),
        ({"symbols": ["AAPL"], "session_date": "28.09.2026"}, "not a date"),
    ],
)
def test_a_faulty_list_is_refused_with_its_fault(value: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        watchlist_from_json(value)


def test_symbols_that_are_never_traded_or_that_another_bot_holds_are_left_out_with_a_word() -> None:
    entries = tuple(WatchlistEntry(symbol=symbol) for symbol in ("AAA", "BBB", "CCC", "DDD"))
    watchlist = Watchlist(session_date=None, source="by hand", entries=entries)
    kept, words = leave_out(watchlist, never_trade=("BBB", "CCC"), others=("CCC", "DDD", "EEE"))
    assert kept.symbols == ("AAA",)
    assert (kept.session_date, kept.source) == (None, "by hand")
    assert words == [
        "BBB is left out: NEVER_TRADE names it",
        "CCC is left out: NEVER_TRADE names it",
        "DDD is left out: another bot holds it",
    ]


def test_a_refused_symbol_has_no_score_and_no_figures_that_could_be_taken_for_some() -> None:
    found = refused("AAA", "no shares to trade", sessions=3)
    assert (found.symbol, found.sessions, found.refusal) == ("AAA", 3, "no shares to trade")
    assert (found.close_usd, found.dollar_volume_usd, found.score) == (0.0, 0.0, 0.0)
    assert math.isnan(found.atr_pct)
    assert (found.reasons, found.parts) == ((), {})
    assert refused("AAA", "why").sessions == 0


def test_an_entry_of_the_list_carries_what_its_candidate_was_scored_by() -> None:
    candidate = judged(days(20))
    assert candidate.parts == {"atr_pct": 4.0, "log10_turnover": 8.0, "gap": 1.0, "news": 1.0}
    assert entries_of([candidate]) == (
        WatchlistEntry(symbol="AAA", score=32.0, reasons=candidate.reasons, parts=candidate.parts),
    )


def test_a_score_that_the_list_does_not_tell_is_zero_and_a_whole_number_is_one() -> None:
    (silent, whole) = watchlist_from_json([{"symbol": "AAPL"}, {"symbol": "MSFT", "score": 31}]).entries
    assert (silent.score, silent.reasons) == (0.0, ())
    assert (whole.score, type(whole.score)) == (31.0, float)


def test_a_list_that_does_not_say_where_it_comes_from_is_a_file() -> None:
    assert watchlist_from_json(["AAPL"]).source == "file"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"symbol": "AAPL"}, 'it must be a list of symbols or an object with a list "symbols"'),
        ({"symbols": []}, "it names no symbol"),
        (["AAPL", 7], "entry 2 has no symbol such as AAPL: 7"),
        ([{"symbol": "AAPL", "score": True}], "entry 1 (AAPL) has a score that is no number: True"),
        ([{"symbol": "AAPL", "reasons": [1]}], "entry 1 (AAPL) has reasons that are no list of texts"),
        ({"symbols": ["AAPL"], "session_date": 5}, '"session_date" is 5, not a date like 2026-09-28'),
        (["x" * 200], f"entry 1 has no symbol such as AAPL: '{'x' * 200}"[:120]),
    ],
)
def test_a_fault_is_told_with_its_place_and_in_one_short_line(value: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        watchlist_from_json(value)


def test_a_session_of_too_little_volume_is_refused_and_an_unknown_ratio_is_not() -> None:
    bars = [*days(19), *days(20, volume=500_000)[19:]]
    at_limit, above = (assess("AAA", bars, 1.5, 3.0, 1e6, min_relative_volume=limit) for limit in (0.5, 0.51))
    assert at_limit.refusal == ""
    assert above.refusal == "the last session's volume is 0.50 of its average, below 0.51"
    quiet = [*days(19, volume=0), *days(20)[19:]]
    assert assess("AAA", quiet, 1.5, 3.0, 1e6, min_relative_volume=9.0).refusal == ""


def test_evidence_of_today_is_told_and_weighs_in_the_score() -> None:
    evidence = Evidence(symbol="AAA", gap_pct=5.0, positive_news=1, negative_news=0)
    found = assess("AAA", days(20), 1.5, 3.0, 1e6, evidence=evidence)
    assert found.score == 36.96  # 4 x 8 x 1.10 x 1.05
    assert found.reasons[3:] == (
        "gap +5.00 %",
        "volume of the last session 1.00 of its average",
        "news: 1 positive, 0 negative",
    )


def test_a_score_is_told_to_a_millionth() -> None:
    # ATR 4 % of price, turnover 11 million: 4 x 7.0413926852 = 28.1655707406
    found = judged(days(20, volume=110_000))
    assert (found.score, found.parts["log10_turnover"]) == (28.165571, 7.041393)


def test_the_price_of_a_symbol_is_its_last_close() -> None:
    # 19 sessions at 100.00 and one at 50.00
    found = judged([*days(19), *days(20, close=500_000)[19:]])
    assert (found.symbol, found.close_usd) == ("AAA", 50.0)


def test_volume_is_no_condition_where_no_limit_is_set() -> None:
    assert judged([*days(19), *days(20, volume=100_000)[19:]]).refusal == ""


def test_turnover_is_told_in_millions_however_large() -> None:
    wide = days(20, volume=10_000_000_000)
    assert judged(wide).reasons[1] == "trades 1,000,000.0 million USD a day"
    refusal = judged(wide, min_dollar_volume_usd=1e13).refusal
    assert refusal == "trades 1,000,000.00 million USD a day, below 1e+07"
