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
from trading.day_summary import summary_lines
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
