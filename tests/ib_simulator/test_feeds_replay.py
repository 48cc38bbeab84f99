from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ib_simulator.feeds.replay import ReplayFeed
from ib_simulator.feeds.tape import five_second_path, half_spreads, minute_path, prices_to_tick_from_usd
from market_hours import TradingCalendar, new_york_calendar
from trading.bars import Bar
from trading.money import price_to_tick_from_usd
from utils import Misconfigured

# exchange_calendars reads pandas in a way that pandas 3 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray:DeprecationWarning")

DAY = date(2025, 10, 7)
OPEN = datetime(2025, 10, 7, 13, 30, tzinfo=UTC)
OPEN_S = 1_759_843_800  # 20,368 days after 1970-01-01, and 13:30
NANOSECONDS = 10**9
RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

Row = tuple[datetime | None, float | None, float | None, float | None, float | None, float | None]


@pytest.fixture(scope="module")
def calendar() -> TradingCalendar:
    return new_york_calendar(DAY)


@pytest.fixture(scope="module")
def recorded(calendar: TradingCalendar) -> ReplayFeed:
    if not RECORDED.is_dir():
        pytest.skip("no recorded market data beside the repository")
    return ReplayFeed(RECORDED, calendar)


def row(minute: float, open_: float = 10.0, high: float = 10.2, low: float = 9.9, close: float = 10.1) -> Row:
    return (OPEN + timedelta(minutes=minute), open_, high, low, close, 300)


def write(directory: Path, file: str, rows: Sequence[Row], tz: str | None = "UTC", **changed: pa.Array | None) -> Path:
    """A Parquet file `file` such as `minute/AAA`; `changed` replaces columns, or drops those that are None."""
    names = ("open", "high", "low", "close", "volume")
    stamps = [row[0] if tz or row[0] is None else row[0].replace(tzinfo=None) for row in rows]
    columns: dict[str, Any] = {"timestamp": pa.array(stamps, pa.timestamp("us", tz))}
    columns |= {name: pa.array([row[1 + i] for row in rows], pa.float64()) for i, name in enumerate(names)}
    columns |= changed
    path = directory / f"{file}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), path)
    return path


def write_csv(directory: Path, file: str, *lines: str, header: str = "timestamp,open,high,low,close,volume") -> Path:
    path = directory / f"{file}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def quote_columns(bids: Sequence[float | None], asks: Sequence[float | None]) -> dict[str, pa.Array]:
    return {"bid_close": pa.array(bids, pa.float64()), "ask_close": pa.array(asks, pa.float64())}


def refusal(directory: Path, calendar: TradingCalendar) -> str:
    """The line a user reads when the session of DAY cannot be played."""
    with pytest.raises(Misconfigured) as caught:
        feed = ReplayFeed(directory, calendar)
        feed.tape("AAA", feed.require_session(DAY))
    return str(caught.value)


# --- the path ---------------------------------------------------------------------------------------------------


def test_a_rising_minute_shows_its_low_first_and_a_falling_one_its_high() -> None:
    starts = np.array([600, 660], dtype=np.int64)
    open_, high, low, close = (np.array(c, dtype=np.int64) for c in ([100, 50], [140, 70], [90, 20], [120, 40]))
    path = minute_path(starts, open_, high, low, close)
    assert path.point_s.tolist() == [600, 620, 640, 659, 660, 680, 700, 719]
    assert path.point_price.tolist() == [100, 90, 140, 120, 50, 70, 20, 40]
    assert path.point_jump.tolist() == [True, False, False, False, True, False, False, False]


def test_an_unchanged_minute_counts_as_rising() -> None:
    one = [np.array([price], dtype=np.int64) for price in (0, 100, 140, 90, 100)]
    assert minute_path(*one).point_price.tolist() == [100, 90, 140, 100]


def test_a_five_second_bar_shows_its_prices_at_seconds_0_1_3_4() -> None:
    one = [np.array([price], dtype=np.int64) for price in (605, 100, 140, 90, 99)]
    path = five_second_path(*one)
    assert path.point_s.tolist() == [605, 606, 608, 609]
    assert path.point_price.tolist() == [100, 140, 90, 99]


def test_array_rounding_equals_the_scalar_rule() -> None:
    ties = [0.00015, 0.00025, 0.99995, 1.00005, 1.005, 1.015, 10.005, 10.015, 10.025, 123.455, 700_000.005]
    off_cent = np.random.default_rng(1).uniform(0.0001, 2000, 2000).tolist()
    prices = [*ties, *off_cent, *(round(price, 3) for price in off_cent), *(round(price, 5) for price in off_cent)]
    expected = [price_to_tick_from_usd(price) for price in prices]
    assert prices_to_tick_from_usd(np.array(prices)).tolist() == expected


def test_off_cent_ties_round_to_the_even_cent() -> None:
    rounded = prices_to_tick_from_usd(np.array([10.005, 10.015, 10.0151, 0.12345]))
    assert rounded.tolist() == [100_000, 100_200, 100_200, 1_234]


def test_half_spreads_round_half_up_and_are_never_below_a_tick() -> None:
    bid = np.array([100_000, 100_000, 100_000, 5_000], dtype=np.int64)
    ask = np.array([100_100, 100_300, 100_400, 5_003], dtype=np.int64)
    assert half_spreads(bid, ask).tolist() == [100, 200, 200, 2]


# --- a session --------------------------------------------------------------------------------------------------


def test_tape_holds_the_regular_session_in_integer_units(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(-1), row(0, 10.005, 10.2, 9.9, 10.015), row(389), row(390)])
    feed = ReplayFeed(tmp_path, calendar)
    tape = feed.tape("AAA", feed.latest_session())
    assert (tape.symbol, tape.session_date) == ("AAA", DAY)
    assert tape.bars() == (
        Bar(OPEN_S, 100_000, 102_000, 99_000, 100_200, 300),
        Bar(OPEN_S + 389 * 60, 100_000, 102_000, 99_000, 101_000, 300),
    )
    assert tape.point_s[-1] == OPEN_S + 389 * 60 + 59
    assert tape.spread_s is None
    assert tape.spread_half is None


def test_a_missing_minute_has_no_path_point(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0), row(2)])
    feed = ReplayFeed(tmp_path, calendar)
    points = feed.tape("AAA", feed.latest_session()).point_s - OPEN_S
    assert points.tolist() == [0, 20, 40, 59, 120, 140, 160, 179]


def test_five_second_bars_give_the_path_and_the_minute_file_the_bars(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0), row(1)])
    write(tmp_path, "bars5s/AAA", [row(0, 10, 10.1, 9.9, 10), row(5 / 60, 11, 11.1, 10.9, 10.95)])
    feed = ReplayFeed(tmp_path, calendar)
    tape = feed.tape("AAA", feed.latest_session())
    assert len(tape.bars()) == 2
    assert (tape.point_s - OPEN_S).tolist() == [0, 1, 3, 4, 5, 6, 8, 9]
    assert (tape.point_price // 100).tolist() == [1000, 990, 1010, 1000, 1100, 1110, 1090, 1095]
    assert tape.point_jump.tolist() == [True, False, False, False] * 2


def test_five_second_bars_of_another_session_do_not_replace_the_minute_path(
    tmp_path: Path, calendar: TradingCalendar
) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    write(tmp_path, "bars5s/AAA", [row(24 * 60)])
    feed = ReplayFeed(tmp_path, calendar)
    assert (feed.tape("AAA", feed.latest_session()).point_s - OPEN_S).tolist() == [0, 20, 40, 59]


def test_recorded_quotes_are_known_at_the_end_of_their_interval(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    bids, asks = [10.0, 10.0, 10.0, 10.02, None, 0.0], [10.5, 10.04, 10.01, 10.02, 10.1, 10.1]
    rows = [row(minute) for minute in (-1, 0, 1, 2, 3, 4)]
    write(tmp_path, "quotes/AAA", rows, **quote_columns(bids, asks))
    feed = ReplayFeed(tmp_path, calendar)
    tape = feed.tape("AAA", feed.latest_session())
    assert tape.spread_s is not None
    assert tape.spread_half is not None
    assert (tape.spread_s - OPEN_S).tolist() == [60, 120]  # the first row ended before the session began
    assert tape.spread_half.tolist() == [200, 100]


def test_five_second_quotes_are_preferred_where_they_cover_the_session(
    tmp_path: Path, calendar: TradingCalendar
) -> None:
    write(tmp_path, "minute/AAA", [row(0), row(1440)])
    write(tmp_path, "quotes/AAA", [row(0), row(1440)], **quote_columns([10.0, 10.0], [10.06, 10.06]))
    write(tmp_path, "quotes5s/AAA", [row(0)], **quote_columns([10.0], [10.02]))
    feed = ReplayFeed(tmp_path, calendar)
    fine, coarse = (feed.tape("AAA", feed.require_session(day)) for day in feed.session_dates())
    assert fine.spread_s is not None and coarse.spread_s is not None
    assert fine.spread_half is not None and coarse.spread_half is not None
    assert (fine.spread_s.tolist(), fine.spread_half.tolist()) == ([OPEN_S + 5], [100])
    assert (coarse.spread_s.tolist(), coarse.spread_half.tolist()) == ([OPEN_S + 86_460], [300])


def test_a_tape_cannot_be_written_to(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    feed = ReplayFeed(tmp_path, calendar)
    with pytest.raises(ValueError, match="read-only"):
        feed.tape("AAA", feed.latest_session()).close[0] = 1


def test_a_csv_file_plays_like_a_parquet_file(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path / "a", "minute/AAA", [row(0), row(1)])
    write_csv(
        tmp_path / "b",
        "minute/AAA",
        "2025-10-07T13:30:00Z,10.0,10.2,9.9,10.1,300",
        "2025-10-07T09:31:00-04:00,10.0,10.2,9.9,10.1,300",
    )
    parquet, text = (ReplayFeed(tmp_path / name, calendar) for name in "ab")
    session = parquet.latest_session()
    assert text.tape("AAA", session).bars() == parquet.tape("AAA", session).bars()
    assert text.tape("AAA", session).bars()[1].start_s == OPEN_S + 60


# --- sessions and history ---------------------------------------------------------------------------------------


def test_symbols_are_sorted_and_have_a_bar_in_the_session(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/ZZZ", [row(0)])
    write(tmp_path, "minute/BRK.B", [row(5)])
    write(tmp_path, "minute/PRE", [row(-30), row(390)])
    write(tmp_path, "minute/LATER", [row(1440)])
    feed = ReplayFeed(tmp_path, calendar)
    assert feed.symbols(DAY) == ("BRK.B", "ZZZ")
    assert feed.session_dates() == (DAY, date(2025, 10, 8))
    assert feed.latest_session().date == date(2025, 10, 8)
    assert feed.symbols(date(2025, 10, 6)) == ()


def test_a_symbol_without_bars_in_the_session_is_a_lookup_error(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    write(tmp_path, "minute/LATER", [row(1440)])
    feed = ReplayFeed(tmp_path, calendar)
    session = feed.require_session(DAY)
    for symbol in ("LATER", "NONE"):
        with pytest.raises(LookupError, match=symbol):
            feed.tape(symbol, session)


def test_weekend_rows_do_not_make_a_session(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0), row(5 * 1440)])  # Tuesday and Sunday
    assert ReplayFeed(tmp_path, calendar).session_dates() == (DAY,)


def test_daily_joins_recorded_days_with_days_of_minutes_and_stops_before_the_session(
    tmp_path: Path, calendar: TradingCalendar
) -> None:
    days = [row(-1440), row(0, 11, 12, 10, 11)]
    write(tmp_path, "daily/AAA", days, timestamp=None, date=pa.array([date(2025, 10, 6), DAY]))
    later = [row(1440, 10, 10.2, 9.9, 10.1), row(1441, 10.1, 10.4, 10.0, 10.3)]
    write(tmp_path, "minute/AAA", [row(0), *later, row(2880)])
    feed = ReplayFeed(tmp_path, calendar)
    assert feed.daily("AAA", date(2025, 10, 9), date(2025, 10, 1)) == (
        Bar(OPEN_S - 86_400, 100_000, 102_000, 99_000, 101_000, 300),
        Bar(OPEN_S, 110_000, 120_000, 100_000, 110_000, 300),
        Bar(OPEN_S + 86_400, 100_000, 104_000, 99_000, 103_000, 600),
    )
    assert feed.daily("AAA", DAY, date(2025, 10, 7)) == ()
    assert feed.daily("NONE", DAY, date(2025, 10, 1)) == ()


def test_daily_rows_without_a_date_column_are_dated_in_new_york(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(1440)])
    write(tmp_path, "daily/AAA", [row(0)])
    bars = ReplayFeed(tmp_path, calendar).daily("AAA", date(2025, 10, 8), date(2025, 10, 1))
    assert [bar.start_s for bar in bars] == [OPEN_S]


def test_minute_history_gives_the_last_sessions_with_data(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(-5 * 1440), row(-4 * 1440), row(-1440), row(-1439), row(0)])
    feed = ReplayFeed(tmp_path, calendar)
    days = [(bar.start_s - OPEN_S) / 86_400 for bar in feed.minute_history("AAA", DAY, 2)]
    assert days == pytest.approx([-4, -1, -1 + 60 / 86_400])
    assert feed.minute_history("AAA", DAY, 0) == ()
    assert feed.minute_history("NONE", DAY, 2) == ()


def test_a_date_without_bars_names_the_nearest_sessions(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(days * 1440) for days in (-4, -1, 0, 1, 6, 7, 8)])
    feed = ReplayFeed(tmp_path, calendar)
    with pytest.raises(Misconfigured) as caught:
        feed.require_session(date(2025, 10, 12))
    assert str(caught.value) == (
        f"no bars for 2025-10-12 in {tmp_path}; the nearest sessions are 2025-10-07, 2025-10-08, 2025-10-13, 2025-10-14"
    )


# --- bad input: one line each -----------------------------------------------------------------------------------

BAD_ROWS: dict[str, tuple[list[Row], str]] = {  # what is wrong -> rows, the words after the file
    "unsorted": (
        [row(1), row(0)],
        "row 2 (2025-10-07T13:30:00Z): the timestamp is earlier than the row before; rows must be sorted",
    ),
    "duplicate": (
        [row(0), row(0)],
        "row 2 (2025-10-07T13:30:00Z): the timestamp is a duplicate of the row before",
    ),
    "off the grid": (
        [row(0), row(1.5)],
        "row 2 (2025-10-07T13:31:30Z): the timestamp is not the start of a 60-second bar",
    ),
    "no timestamp": ([row(0), (None, *row(1)[1:])], "row 2: timestamp is empty"),
    "negative": ([row(0, low=-1)], "row 1 (2025-10-07T13:30:00Z): low is zero or negative"),
    "zero": ([row(0), row(1, open_=0)], "row 2 (2025-10-07T13:31:00Z): open is zero or negative"),
    "rounds to zero": ([row(0, low=0.00001)], "row 1 (2025-10-07T13:30:00Z): low is zero or negative"),
    "NaN": ([row(0, close=float("nan"))], "row 1 (2025-10-07T13:30:00Z): close is not a number"),
    "empty": ([(*row(0)[:4], None, 300)], "row 1 (2025-10-07T13:30:00Z): close is not a number"),
    "infinite": ([row(0, high=float("inf"))], "row 1 (2025-10-07T13:30:00Z): high is above 1,000,000,000 USD"),
    "high below low": ([row(0, high=9.8)], "row 1 (2025-10-07T13:30:00Z): high is below low"),
    "open outside": ([row(0, open_=10.3)], "row 1 (2025-10-07T13:30:00Z): open is outside low..high"),
    "close outside": ([row(0, close=9.8)], "row 1 (2025-10-07T13:30:00Z): close is outside low..high"),
    "negative volume": ([(*row(0)[:5], -1)], "row 1 (2025-10-07T13:30:00Z): volume is negative"),
    "part of a share": (
        [(*row(0)[:5], 0.5)],
        "row 1 (2025-10-07T13:30:00Z): volume is not a whole number of shares",
    ),
    "no volume": ([(*row(0)[:5], None)], "row 1 (2025-10-07T13:30:00Z): volume is not a whole number of shares"),
    "two faults": ([row(0), row(1, high=9), row(2, low=-1)], "row 2 (2025-10-07T13:31:00Z): high is below low"),
    "no rows": ([], "the file has no rows"),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_bad_row_is_refused_in_one_line(what: str, tmp_path: Path, calendar: TradingCalendar) -> None:
    rows, words = BAD_ROWS[what]
    path = write(tmp_path, "minute/AAA", rows)
    assert refusal(tmp_path, calendar) == f"{path}: {words}"


def test_directories_that_hold_no_bars_are_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    absent = tmp_path / "absent"
    assert refusal(absent, calendar) == f"market data directory {absent} does not exist"
    assert refusal(tmp_path, calendar) == f"market data directory {tmp_path} has no folder minute/"
    minute = tmp_path / "minute"
    minute.mkdir()
    (minute / "README.txt").touch()
    assert refusal(tmp_path, calendar) == f"{minute} holds no bar file (SYMBOL.parquet or SYMBOL.csv)"


def test_a_symbol_in_two_files_is_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    write_csv(tmp_path, "minute/AAA")
    assert refusal(tmp_path, calendar) == f"{tmp_path / 'minute'} has both AAA.csv and AAA.parquet; keep one of them"


def test_bars_outside_every_session_are_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(-60)])
    feed = ReplayFeed(tmp_path, calendar)
    with pytest.raises(Misconfigured, match=r"no bar in .* falls into a regular session of the calendar"):
        feed.latest_session()
    assert refusal(tmp_path, calendar) == f"no bars for 2025-10-07 in {tmp_path}; the nearest sessions are none"


def test_a_missing_column_is_named(tmp_path: Path, calendar: TradingCalendar) -> None:
    path = write(tmp_path, "minute/AAA", [row(0)], volume=None)
    assert refusal(tmp_path, calendar) == (
        f"{path}: column 'volume' is missing; the file has timestamp, open, high, low, close"
    )


def test_a_wrong_column_type_is_named(tmp_path: Path, calendar: TradingCalendar) -> None:
    path = write(tmp_path, "minute/AAA", [row(0)], close=pa.array(["10.1"]))
    assert refusal(tmp_path, calendar) == f"{path}: column 'close' holds string, not numbers"
    write(tmp_path, "minute/AAA", [row(0)], timestamp=pa.array([OPEN_S]))
    assert refusal(tmp_path, calendar) == f"{path}: column 'timestamp' holds int64, not timestamps"


def test_naive_timestamps_are_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    path = write(tmp_path, "minute/AAA", [row(0)], tz=None)
    assert refusal(tmp_path, calendar) == f"{path}: column 'timestamp' has no time zone; write timestamps in UTC"


def test_a_corrupt_parquet_file_is_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    path = write(tmp_path, "minute/AAA", [row(minute) for minute in range(300)])
    path.write_bytes(path.read_bytes()[:-100])
    line = refusal(tmp_path, calendar)
    assert line.startswith(f"{path}: not a readable parquet file: ")
    assert "\n" not in line
    path.write_bytes(b"")
    assert refusal(tmp_path, calendar).startswith(f"{path}: not a readable parquet file: ")


def test_damage_inside_a_parquet_file_is_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    path = write(tmp_path, "minute/AAA", [row(minute) for minute in range(300)])
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    assert refusal(tmp_path, calendar).startswith(f"{path}: not a readable parquet file: ")


CSV_FAULTS = {  # line -> words
    "2025-10-07T13:30:00,10,10.2,9.9,10.1,300": (
        "row 1: timestamp '2025-10-07T13:30:00' has no UTC offset; write 2025-10-07T13:30:00Z"
    ),
    "noon,10,10.2,9.9,10.1,300": "row 1: timestamp 'noon' is not an ISO 8601 time with a UTC offset",
    "2025-10-07T13:30:00Z,ten,10.2,9.9,10.1,300": "row 1: open 'ten' is not a number",
    "2025-10-07T13:30:00Z,10,10.2,9.9,10.1,": ("row 1 (2025-10-07T13:30:00Z): volume is not a whole number of shares"),
    ",10,10.2,9.9,10.1,300": "row 1: timestamp is empty",
}


@pytest.mark.parametrize("line", CSV_FAULTS)
def test_a_bad_csv_line_is_refused(line: str, tmp_path: Path, calendar: TradingCalendar) -> None:
    path = write_csv(tmp_path, "minute/AAA", line)
    assert refusal(tmp_path, calendar) == f"{path}: {CSV_FAULTS[line]}"


def test_empty_ragged_and_partial_csv_files_are_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    path = write_csv(tmp_path, "minute/AAA")
    assert refusal(tmp_path, calendar) == f"{path}: the file has no rows"
    path.write_text("")
    assert refusal(tmp_path, calendar) == f"{path}: the file is empty"
    write_csv(tmp_path, "minute/AAA", "2025-10-07T13:30:00Z,10", header="timestamp,open")
    assert refusal(tmp_path, calendar) == f"{path}: column 'high' is missing; the file has timestamp, open"
    write_csv(tmp_path, "minute/AAA", "2025-10-07T13:30:00Z,10")
    assert refusal(tmp_path, calendar).startswith(f"{path}: not a readable csv file: ")


def test_bad_rows_beside_the_minute_file_are_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    path = write(tmp_path, "bars5s/AAA", [row(0.05)])
    assert refusal(tmp_path, calendar) == (
        f"{path}: row 1 (2025-10-07T13:30:03Z): the timestamp is not the start of a 5-second bar"
    )


def test_bad_daily_rows_are_refused(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    midnight_utc: Row = (datetime(2025, 10, 6, tzinfo=UTC), *row(0)[1:])
    faults: tuple[tuple[list[Row], dict[str, pa.Array], str], ...] = (
        (
            [midnight_utc],
            {},
            "row 1 (2025-10-05T20:00:00-04:00): the timestamp is in the evening of the day before",
        ),
        ([row(0), row(60)], {}, "row 2 (2025-10-07): the date is a duplicate of the row before"),
        ([row(0, high=1)], {}, "row 1 (2025-10-07): high is below low"),
        ([row(0)], {"date": pa.array([7])}, "column 'date' holds int64, not dates"),
        ([row(0)], {"date": pa.array(["2025-10-07"])}, "column 'date' holds string, not dates"),
    )
    for rows, changed, words in faults:
        path = write(tmp_path, "daily/AAA", rows, **changed)
        with pytest.raises(Misconfigured) as caught:
            ReplayFeed(tmp_path, calendar).daily("AAA", DAY, date(2025, 10, 1))
        assert str(caught.value).startswith(f"{path}: {words}")


def test_daily_csv_rows_are_read_and_checked_too(tmp_path: Path, calendar: TradingCalendar) -> None:
    write(tmp_path, "minute/AAA", [row(0)])
    header = "date,open,high,low,close,volume"
    write_csv(tmp_path, "daily/AAA", "2025-10-06,10,10.2,9.9,10.1,300", header=header)
    expected = (Bar(OPEN_S - 86_400, 100_000, 102_000, 99_000, 101_000, 300),)
    assert ReplayFeed(tmp_path, calendar).daily("AAA", DAY, date(2025, 10, 1)) == expected
    path = write_csv(tmp_path, "daily/AAA", "7 Oct,10,10.2,9.9,10.1,300", header=header)
    with pytest.raises(Misconfigured) as caught:
        ReplayFeed(tmp_path, calendar).daily("AAA", DAY, date(2025, 10, 1))
    assert str(caught.value) == f"{path}: row 1: date '7 Oct' is not a date like 2025-10-07"


# --- recorded data ----------------------------------------------------------------------------------------------


def test_recorded_day_has_44_full_symbols_of_which_15_move_in_five_seconds(recorded: ReplayFeed) -> None:
    session = recorded.require_session(DAY)
    tapes = [recorded.tape(symbol, session) for symbol in recorded.symbols(DAY)]
    assert [len(tape.start_s) for tape in tapes] == [390] * 44
    fine = [tape for tape in tapes if len(tape.point_s) == 4680 * 4]
    assert len(fine) == 15
    assert {len(tape.point_s) for tape in tapes} == {390 * 4, 4680 * 4}


def test_recorded_early_close_ends_at_one(recorded: ReplayFeed) -> None:
    session = recorded.require_session(date(2015, 12, 24))
    assert recorded.symbols(session.date) == ("GOOG",)
    tape = recorded.tape("GOOG", session)
    assert session.open_s <= tape.start_s[0] <= tape.start_s[-1] == session.close_s - 60
    assert len(tape.start_s) == 210
    assert tape.spread_s is not None
    assert tape.spread_s[-1] <= session.close_s


def test_every_recorded_session_can_be_played(recorded: ReplayFeed, calendar: TradingCalendar) -> None:
    dates = recorded.session_dates()
    assert (len(dates), dates[0], dates[-1]) == (46, date(2013, 6, 27), date(2025, 10, 8))
    for day in dates:
        session = recorded.require_session(day)
        for symbol in recorded.symbols(day):
            points = recorded.tape(symbol, session).point_s
            assert all(earlier < later for earlier, later in itertools.pairwise(points.tolist()[::4]))
            assert session.open_s <= points[0] and points[-1] < session.close_s


def test_recorded_daily_bars_end_before_the_session(recorded: ReplayFeed) -> None:
    bars = recorded.daily("AAPL", DAY, date(2025, 8, 23))
    assert len(bars) >= 5
    assert bars[-1].start_s < OPEN_S
    assert [bar.start_s for bar in bars] == sorted({bar.start_s for bar in bars})


def test_a_recorded_session_loads_in_seconds_of_processor_time(calendar: TradingCalendar) -> None:
    if not RECORDED.is_dir():
        pytest.skip("no recorded market data beside the repository")
    started = time.process_time_ns()
    feed = ReplayFeed(RECORDED, calendar)
    session = feed.require_session(DAY)
    for symbol in feed.symbols(DAY):
        feed.tape(symbol, session)
    assert time.process_time_ns() - started < 5 * NANOSECONDS  # 0.3 s when written; a net for a lost order of size
