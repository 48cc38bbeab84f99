"""Pages of the record: each row once, newest first, and the same round trips as the view has."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from observability import TradingHistory
from records import browsing
from records.browsing import Browsing, TripFilter, Unanswerable, bots_on_record
from records.connections import open_for_reading
from records.rows import Reason, RoundTripRow, TradeRow

FIRST_DAY = date(2025, 9, 1)
SYMBOLS = ("AAA", "BBB", "CCC")
N_DAYS, TRIPS_A_DAY = 6, 40


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 round trips of three symbols, every third a win of its number, all others a loss of one dollar."""
    path = tmp_path_factory.mktemp("browsing") / "history.db"
    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        for number in range(N_DAYS * TRIPS_A_DAY):
            for trade in round_trip(number):
                history.record_trade(trade)
    with TradingHistory(path, bot="weekly", mode="paper") as history:
        history.record_trade(round_trip(1_000)[0])
    return path


def round_trip(number: int) -> tuple[TradeRow, TradeRow]:
    day = FIRST_DAY + timedelta(days=number // TRIPS_A_DAY)
    opened = datetime(day.year, day.month, day.day, 14, tzinfo=UTC) + timedelta(minutes=number % TRIPS_A_DAY)
    reason: Reason = "profit_target" if number % 3 == 0 else "stop_loss"
    buy = TradeRow(
        exec_id=f"b{number}",
        session_date=day.isoformat(),
        timestamp=opened,
        symbol=SYMBOLS[number % 3],
        action="BUY",
        quantity=10,
        price_usd=100.0,
        reason="entry",
        commission_usd=0.5,
    )
    sell = TradeRow(
        exec_id=f"s{number}",
        session_date=day.isoformat(),
        timestamp=opened + timedelta(seconds=30),
        symbol=SYMBOLS[number % 3],
        action="SELL",
        quantity=10,
        price_usd=101.0,
        reason=reason,
        commission_usd=0.5,
        pnl_usd=float(number) if number % 3 == 0 else -1.0,
    )
    return buy, sell


@pytest.fixture
def pages(database: Path) -> Iterator[Browsing]:
    with closing(open_for_reading(database)) as connection:
        yield Browsing(connection, bot="day_trader", mode="paper")


def walk(pages: Browsing, wanted: TripFilter, limit: int) -> list[RoundTripRow]:
    """All rows, page by page."""
    found, after = [], ""
    while True:
        page = pages.round_trips(wanted, limit=limit, after=after)
        assert len(page.rows) <= limit
        found += page.rows
        if page.next is None:
            return found
        after = page.next


def in_the_view(database: Path, condition: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            f"SELECT symbol, closed_at, pnl FROM round_trips WHERE bot = 'day_trader' AND {condition} "
            "ORDER BY closed_at DESC"
        ).fetchall()


@pytest.mark.parametrize("limit", [1, 7, 200, 500])
@pytest.mark.parametrize(
    ("wanted", "condition"),
    [
        (TripFilter(), "1"),
        (TripFilter(symbol="BBB"), "symbol = 'BBB'"),
        (TripFilter(result="win"), "pnl > 0"),
        (TripFilter(result="loss", symbol="AAA"), "pnl <= 0 AND symbol = 'AAA'"),
        (TripFilter(exit_reason="profit_target"), "exit_reason = 'profit_target'"),
        (TripFilter(first="2025-09-03", last="2025-09-04"), "session_date BETWEEN '2025-09-03' AND '2025-09-04'"),
        (TripFilter(symbol="NONE"), "0"),
    ],
)
def test_pages_hold_every_round_trip_of_the_view_once_newest_first(
    pages: Browsing, database: Path, wanted: TripFilter, condition: str, limit: int
) -> None:
    rows = walk(pages, wanted, limit)
    told = [(row.symbol, row.closed_at.isoformat(timespec="microseconds"), row.pnl_usd) for row in rows]
    assert told == in_the_view(database, condition)


def test_a_rare_result_is_looked_for_in_batches_and_the_page_may_be_short(
    pages: Browsing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "BATCH", 10)
    monkeypatch.setattr(browsing, "MOST_BATCHES", 2)
    page = pages.round_trips(TripFilter(result="win"), limit=100)
    assert len(page.rows) < 10  # two batches of ten, a third of them wins
    assert page.next is not None
    assert len(walk(pages, TripFilter(result="win"), 100)) == N_DAYS * TRIPS_A_DAY // 3 - 1  # number 0 won nothing


def test_sorted_by_result_the_best_come_first_and_pages_go_on(pages: Browsing) -> None:
    wanted = TripFilter(first="2025-09-02", last="2025-09-02")  # numbers 40 to 79
    first = pages.round_trips_by_result(wanted, ascending=False, limit=3)
    assert [row.pnl_usd for row in first.rows] == [78.0, 75.0, 72.0]
    second = pages.round_trips_by_result(wanted, ascending=False, limit=3, after=first.next or "")
    assert [row.pnl_usd for row in second.rows] == [69.0, 66.0, 63.0]
    worst = pages.round_trips_by_result(wanted, ascending=True, limit=1)
    assert [row.pnl_usd for row in worst.rows] == [-1.0]


def test_sorting_more_than_can_be_looked_at_is_refused(pages: Browsing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "MOST_SORTED", 100)
    with pytest.raises(Unanswerable, match="ask for fewer sessions"):
        pages.round_trips_by_result(TripFilter(), ascending=True, limit=3)


def test_executions_of_a_session_page_by_page(pages: Browsing) -> None:
    found, after = [], ""
    while True:
        page = pages.trades("2025-09-03", limit=7, after=after)
        found += [row.exec_id for row in page.rows]
        if page.next is None:
            break
        after = page.next
    assert found == [f"{side}{number}" for number in range(119, 79, -1) for side in ("s", "b")]


@pytest.mark.parametrize("cursor", ["x", "~", "2025-09-01~x", "a" * 40 + "~1", "1~" + "9" * 19])
def test_what_is_no_cursor_is_refused(pages: Browsing, cursor: str) -> None:
    with pytest.raises(Unanswerable, match="is not a cursor"):
        pages.round_trips(TripFilter(), limit=3, after=cursor)


def test_the_latest_session_and_who_is_on_record(pages: Browsing, database: Path) -> None:
    assert pages.latest_session() == "2025-09-06"
    with closing(open_for_reading(database)) as connection:
        assert set(bots_on_record(connection)) == {("day_trader", "paper"), ("weekly", "paper")}


def test_an_empty_database_answers_everything(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    TradingHistory(path, bot="day_trader", mode="paper").close()
    with closing(open_for_reading(path)) as connection:
        pages = Browsing(connection, bot="day_trader", mode="paper")
        assert pages.latest_session() is None
        assert pages.round_trips(TripFilter(result="win"), limit=5) == ([], None)
        assert (pages.days("", ""), pages.positions(), pages.llm_days(), pages.experiment_days()) == ([], [], [], [])
        assert bots_on_record(connection) == []
