"""The day in plain lines, as a trader reads it in a narrow terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.trading.examples import OPEN_S, USD, execution, session_book
from tests.trading.reports import facts
from trading.book import SessionBook
from trading.day_report import DayReport, day_report
from trading.day_summary import short_summary, summary_lines, words_of
from trading.funnel import DecisionFunnel
from trading.orders import Action, Reason
from trading.rules import Rule

NEW_YORK = ZoneInfo("America/New_York")


def lines_of(report: DayReport) -> list[str]:
    return summary_lines(report, {"day log": "logs/day.json"}, NEW_YORK)


def traded_day() -> SessionBook:
    """AAA 10 from 100.00 to 101.00 with 2.00 of fees; BBB 3 from 33.3333 to 33.00 without any."""
    book = session_book()
    book.on_execution(execution("b1", Action.BUY, 10, 1_000_000, at_s=OPEN_S + 1_260), Reason.ENTRY)
    book.on_fee("b1", USD)
    book.on_execution(execution("s1", Action.SELL, 10, 1_010_000, at_s=OPEN_S + 2_000), Reason.PROFIT_TARGET)
    book.on_fee("s1", USD)
    book.on_execution(execution("b2", Action.BUY, 3, 333_333, symbol="BBB", at_s=OPEN_S + 3_600), Reason.ENTRY)
    book.on_execution(execution("s2", Action.SELL, 3, 330_000, symbol="BBB", at_s=OPEN_S + 23_100), Reason.TIME_EXIT)
    return book


def resting(symbol: str, order_type: str, price_usd: float, quantity: float, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "action": "SELL",
        "quantity": quantity,
        "order_type": order_type,
        "price_usd": price_usd,
        "tif": "GTC",
        **changes,
    }


def test_a_whole_day_reads_like_this() -> None:
    funnel = DecisionFunnel()
    for symbol, rule, times in (
        ("AAA", Rule.WARMING_UP, 240),
        ("BBB", Rule.WARMING_UP, 240),
        ("AAA", Rule.NOT_ABOVE_VWAP, 1_000),
        ("BBB", Rule.APPROVED, 2),
        ("AAA", Rule.COOL_DOWN, 1),
    ):
        for _ in range(times):
            funnel.count(symbol, rule)
    report = day_report(traded_day(), funnel, **facts(warnings=("BBB: something odd",)))
    assert lines_of(report) == [
        "Day trader, paper session Monday 2026-09-28",
        "===========================================",
        "account       DU1000001",
        "capital       25 % of 100,000.00 USD, 12,500.00 a symbol",
        "prices        the gateway",
        "watchlist     AAA BBB",
        "",
        "symbol   shares  entry            exit                     P&L  reason",
        "AAA          10  09:51   100.00   10:03   101.00         +8.00  profit target",
        "BBB           3  10:30    33.3333 15:55    33.00         -1.00  time exit",
        "",
        "day's P&L     +7.00 USD after 2.00 of fees",
        "round trips   2: 1 won, 1 lost, profit factor 8.00",
        "exits         profit target 1, time exit 1",
        "max drawdown  0.00 USD",
        "",
        "judged        1,483 times at 4,624 instants",
        "wanted        to buy 3 times; entries sent: 2",
        "no entry because of",
        "  not above VWAP            1,000   most: AAA 1,000",
        "  warming up                  480   most: AAA 240, BBB 240",
        "  cool down                     1   most: AAA 1",
        "",
        "at broker     flat, no resting orders",
        "",
        "warning       BBB: something odd",
        "ended         15:55, the session is over",
        "day log       logs/day.json",
    ]


def test_the_table_fits_eighty_columns_at_its_widest() -> None:
    book = session_book()
    book.on_execution(execution("b", Action.BUY, 12_345, 67_891_234, symbol="BRK B"), Reason.ENTRY)
    book.on_execution(
        execution("s", Action.SELL, 12_345, 66_891_234, symbol="BRK B", at_s=OPEN_S + 60), Reason.PROFIT_TARGET
    )
    watchlist = tuple(f"SYM{n}" for n in range(100))
    lines = lines_of(day_report(book, DecisionFunnel(), **facts(watchlist=watchlist)))
    assert "BRK B    12,345  09:30 6,789.1234 09:31 6,689.1234 -1,234,500.00  profit target" in lines
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith(" " * 14)] != []  # the watchlist goes on there


def test_an_early_morning_is_told_in_new_york_time_also_in_winter() -> None:
    winter = replace(
        day_report(session_book(), DecisionFunnel(), **facts()), ended_at=datetime(2026, 11, 20, 15, 27, tzinfo=UTC)
    )
    assert "ended         10:27, the session is over" in lines_of(winter)


def test_shares_of_an_earlier_day_show_their_date() -> None:
    book = session_book()
    book.on_execution(execution("b", Action.BUY, 1, 1_000_000, at_s=OPEN_S - 86_400 * 3), Reason.ENTRY)
    book.on_execution(execution("s", Action.SELL, 1, 1_000_000, at_s=OPEN_S), Reason.EOD)
    assert any(line.startswith("AAA           1  09-25   100.00   09:30") for line in lines_of(report_of(book)))


def report_of(book: SessionBook, **changes: Any) -> DayReport:
    return day_report(book, DecisionFunnel(), **facts(**changes))


def test_a_day_without_trades_says_so_and_shows_no_empty_result() -> None:
    lines = lines_of(report_of(session_book()))
    assert "no round trips" in lines
    assert not any(line.startswith(("day's P&L", "judged", "exits")) for line in lines)


def test_what_is_left_stands_symbol_by_symbol_with_its_exits() -> None:
    book = session_book()
    book.on_execution(execution("b", Action.BUY, 228, 2_183_000), Reason.ENTRY)
    book.on_fee("b", USD)
    book.mark({"AAA": 2_184_000})
    orders = (
        resting("AAA", "STP", 216.55, 228.0),
        resting("AAA", "LMT", 221.36, 228.0, tif="DAY"),
        resting("AAA", "MKT", 0.0, 228.0),
    )
    lines = lines_of(report_of(book, resting_orders=orders, ended_because="stopped by Ctrl-C"))
    assert "left at the broker" in lines
    assert "  AAA         228 shares   stop 216.55 GTC, limit 221.36 DAY, time exit GTC" in lines
    # 228 x 0.10 less 1.00 for the entry
    assert "day's P&L     +21.80 USD: +0.00 after 0.00 of fees, +21.80 open at the bid" in lines
    assert "ended         15:55, stopped by Ctrl-C" in lines


def test_shares_without_a_resting_stop_cannot_be_overlooked() -> None:
    book = session_book()
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    lines = lines_of(report_of(book, resting_orders=(resting("AAA", "LMT", 101.4, 10.0),)))
    assert "  AAA          10 shares   limit 101.40 GTC, NO STOP RESTS" in lines
    assert "  AAA          10 shares   NO STOP RESTS" in lines_of(report_of(book))


def test_orders_of_another_side_or_size_are_told_in_full() -> None:
    orders = (
        resting("AAA", "LMT", 0.1234, 10.0, action="BUY", tif="GTD"),
        resting("BBB", "STP", 5.0, 7.0),
    )
    lines = lines_of(report_of(session_book(), resting_orders=orders))
    assert "  AAA           0 shares   BUY 10 limit 0.1234 GTD" in lines
    assert "  BBB           0 shares   SELL 7 stop 5.00 GTC" in lines


def test_a_broker_that_could_not_be_asked_is_not_called_flat() -> None:
    never = report_of(session_book(), resting_orders=None, account_id="", watchlist=())
    assert "account       none: the gateway was not reached" in lines_of(never)
    assert "watchlist     empty" in lines_of(never)
    assert "at broker     unknown, it could not be asked" in lines_of(never)
    book = session_book()
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    lost = lines_of(report_of(book, resting_orders=None))
    assert "at broker     unknown, it could not be asked; the ledger has 10 AAA" in lost


def test_a_connection_that_had_to_be_restored_is_told_and_an_unbroken_one_is_not() -> None:
    assert "connection    restored 1 time" in lines_of(report_of(session_book(), reconnects=1))
    assert "connection    restored 3 times" in lines_of(report_of(session_book(), reconnects=3))
    assert not any(line.startswith("connection") for line in lines_of(report_of(session_book())))


# What the evaluation adds


def evaluated(**changes: Any) -> DayReport:
    """The traded day after its evaluation: one regime, nothing known of variants, too few days for a Sharpe ratio."""
    report = report_of(traded_day())
    return replace(
        report,
        metrics={
            **report.metrics,
            "expectancy_usd": 3.5,
            "average_win_usd": 8.0,
            "average_loss_usd": -1.0,
            "average_duration_s": 10_110.0,
            "capital_used_usd": 1_234.5,
            "capital_efficiency_pct": 0.1234,
            "slippage_bps": -1.255,
            "detail": {
                "by": {
                    "regime": {
                        "quiet_up": {"total_pnl_usd": 1_008.0, "round_trips": 1_001},
                        "unknown": {"total_pnl_usd": -1.0, "round_trips": 1},
                    },
                    "variant": {"baseline": {"total_pnl_usd": 7.0, "round_trips": 2}},
                },
                "sharpe": "too few days",
            },
            **changes,
        },
    )


def evaluation_of(report: DayReport) -> list[str]:
    lines = lines_of(report)
    first = next(n for n, line in enumerate(lines) if line.startswith("max drawdown")) + 1
    return lines[first : lines.index("", first)]


def test_the_evaluation_of_a_day_reads_like_this() -> None:
    assert evaluation_of(evaluated()) == [
        "on average    win +8.00, loss -1.00, trip +3.50 USD; 168 min in a position",  # 168.5 to even
        "at work       at most 1,234.50 USD, +0.123 % an hour",
        "slippage      -1.25 bps of turnover",  # -1.255 is a little less in binary
        "by regime     quiet up +1,008.00 in 1,001, unknown -1.00 in 1",
        "Sharpe        too few days",
    ]


def test_what_the_evaluation_cannot_say_is_left_out() -> None:
    by = {
        "regime": {"unknown": {}, "none": {}, "baseline": {}},
        "variant": {"wide_atr": {"total_pnl_usd": 7.0, "round_trips": 2}},
    }
    sharpe = {"sharpe": 1.234, "interval": (-0.5, 3.056, 0.95), "days": 1}
    told = evaluated(
        average_win_usd=None,
        capital_efficiency_pct=None,
        slippage_bps=None,
        detail={"by": by, "sharpe": sharpe},
    )
    assert evaluation_of(told) == [
        "on average    loss -1.00, trip +3.50 USD; 168 min in a position",
        "at work       at most 1,234.50 USD, no time",
        "by variant    wide ATR +7.00 in 2",
        "Sharpe        1.23 a year, 95 % between -0.50 and 3.06, of 1 day",
    ]


def test_a_day_that_was_not_evaluated_says_nothing_of_it() -> None:
    assert evaluation_of(report_of(traded_day())) == []


# What stood out, and the broker's own count


def test_insights_are_wrapped_and_name_the_model_that_wrote_them() -> None:
    long_words = "word " * 15 + "abc ab " + "word " * 5
    report = report_of(
        session_book(),
        insights=(
            {"words": "most refusals came from VWAP", "numbers": {}},
            {"words": long_words.strip(), "numbers": {"model": "a-model"}},
        ),
    )
    lines = lines_of(report)
    first = lines.index("what stood out")
    assert lines[first + 1 : lines.index("", first)] == [
        "- most refusals came from VWAP",
        "- " + "word " * 15 + "abc",  # 80 columns
        "  ab word word word word word (a-model)",
    ]
    assert "what stood out" not in lines_of(report_of(session_book()))


def test_the_brokers_own_count_stands_below_the_result() -> None:
    told = {
        "broker_usd": 1_007.0,
        "difference_usd": 1_000.0,
        "explained": [{"usd": 990.0, "words": "sales of the weekly bot"}],
        "unexplained_usd": 10.0,
    }
    lines = lines_of(report_of(traded_day(), broker_result=told))
    below = lines.index("day's P&L     +7.00 USD after 2.00 of fees") + 1
    assert lines[below : below + 2] == [
        "broker's P&L  +1,007.00 USD, +1,000.00 from the ledger: +990.00 sales of the",
        "              weekly bot, +10.00 unexplained",
    ]


def test_a_day_of_wins_only_has_no_profit_factor() -> None:
    book = session_book()
    book.on_execution(execution("b", Action.BUY, 1, 1_000_000), Reason.ENTRY)
    book.on_execution(execution("s", Action.SELL, 1, 1_010_000), Reason.EOD)
    assert "round trips   1: 1 won, 0 lost" in lines_of(report_of(book))


# In a message


def test_a_day_in_a_message_is_a_few_lines_without_columns() -> None:
    report = report_of(traded_day(), warnings=("one", "two"), resting_orders=(resting("CCC", "STP", 5.0, 7.0),))
    assert short_summary(report).splitlines() == [
        "Monday 2026-09-28",
        "day's P&L +7.00 USD after 2.00 of fees",
        "round trips 2: 1 won, 1 lost, profit factor 8.00",
        "exits profit target 1, time exit 1",
        "max drawdown 0.00 USD",
        "left at the broker",
        "CCC 0 shares SELL 7 stop 5.00 GTC",
        "warnings 2",
        "ended the session is over",
    ]


def test_a_message_about_a_day_without_trades_or_warnings_says_so_in_four_lines() -> None:
    assert short_summary(report_of(session_book())).splitlines() == [
        "Monday 2026-09-28",
        "no round trips",
        "at broker flat, no resting orders",
        "ended the session is over",
    ]


# Details


def test_indicators_are_written_in_capitals() -> None:
    assert words_of("atr_not_above_floor") == "ATR not above floor"
    assert words_of("rsi_not_below_cap") == "RSI not below cap"


def test_the_three_symbols_that_were_refused_most_are_named_and_none_without_a_refusal() -> None:
    funnel = DecisionFunnel()
    for symbol, times in (("AAA", 1), ("BBB", 3), ("CCC", 2), ("DDD", 4)):
        for _ in range(times):
            funnel.count(symbol, Rule.WARMING_UP)
    funnel.count("EEE", Rule.COOL_DOWN)
    lines = lines_of(day_report(session_book(), funnel, **facts(ticks=1)))
    assert "judged        11 times at 1 instant" in lines
    assert "  warming up                   10   most: DDD 4, BBB 3, CCC 2" in lines
    assert "  cool down                     1   most: EEE 1" in lines


def test_a_position_open_or_an_entry_pending_is_no_wish_to_buy() -> None:
    funnel = DecisionFunnel()
    for rule in (Rule.POSITION_OPEN, Rule.ENTRY_PENDING, Rule.NO_PRICE, Rule.ATR_NOT_ABOVE_FLOOR, Rule.APPROVED):
        funnel.count("AAA", rule)
    lines = lines_of(day_report(session_book(), funnel, **facts()))
    assert "wanted        to buy 1 time; entries sent: 1" in lines


def test_what_the_ledger_has_of_several_symbols_is_listed_when_the_broker_cannot_be_asked() -> None:
    book = session_book()
    book.on_execution(execution("a", Action.BUY, 1_000, 10_000), Reason.ENTRY)
    book.on_execution(execution("b", Action.BUY, 2, 1_000_000, symbol="BBB"), Reason.ENTRY)
    line = "at broker     unknown, it could not be asked; the ledger has 1,000 AAA, 2 BBB"
    assert line in lines_of(report_of(book, resting_orders=None))


def test_a_market_order_that_buys_is_no_time_exit() -> None:
    orders = (resting("AAA", "MKT", 0.0, 1_000.0, action="BUY", tif="OPG"),)
    assert "  AAA           0 shares   BUY 1,000 market OPG" in lines_of(
        report_of(session_book(), resting_orders=orders)
    )
