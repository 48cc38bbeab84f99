"""The bar store: what is written is read back, and nothing that is there is ever lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from ib_simulator.feeds.replay import ReplayFeed
from ib_simulator.feeds.research_source import FeedSource
from market_hours import Session, new_york_calendar
from operating_system import FileLock
from research.__main__ import main
from research.checking import check_symbol
from research.store import Appended, BarStore, Split, merge
from research.stored import StoreSource
from trading.bar_columns import BarColumns, joined
from trading.matching import PATH_SECONDS_MINUTE
from utils import Misconfigured

CALENDAR = new_york_calendar(date(2026, 9, 30))
LAST_OF_OCTOBER, FIRST_OF_NOVEMBER, EARLY = date(2025, 10, 31), date(2025, 11, 3), date(2025, 11, 28)


def session(day: date) -> Session:
    found = CALENDAR.session_on(day)
    assert found is not None
    return found


def day_of_bars(day: date, price: int = 1_000_000, volume: int = 500) -> BarColumns:
    """A bar a minute that rises by a cent each."""
    start = np.arange(session(day).open_s, session(day).close_s, 60)
    close = price + 100 * np.arange(len(start))
    return BarColumns(start, close, close + 200, close - 200, close, np.full(len(start), volume))


def same(one: BarColumns, other: BarColumns) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_bars_are_read_back_from_files_by_month(tmp_path: Path) -> None:
    store = BarStore.at(tmp_path / "bars")
    bars = joined([day_of_bars(LAST_OF_OCTOBER), day_of_bars(FIRST_OF_NOVEMBER, 1_234_500)])
    assert store.append("minute", "AAA", bars) == Appended(780, 0, 0)
    assert store.months("minute", "AAA") == ("2025-10", "2025-11")
    assert store.sessions("minute", "AAA", "2025-10") == {LAST_OF_OCTOBER: 390}
    assert same(store.bars("minute", "AAA", LAST_OF_OCTOBER, FIRST_OF_NOVEMBER), bars)
    names = pq.read_schema(tmp_path / "bars/minute/AAA/2025-10.parquet").names
    assert names == ["timestamp", "open", "high", "low", "close", "volume"]


def test_what_is_there_stays_and_what_is_missing_comes_between(tmp_path: Path) -> None:
    store = BarStore.at(tmp_path)
    bars = day_of_bars(LAST_OF_OCTOBER)
    store.append("minute", "AAA", BarColumns(*(column[::2] for column in bars)))
    dearer = bars._replace(volume=bars.volume + 1)
    assert store.append("minute", "AAA", dearer) == Appended(195, 0, 195)
    merged = store.bars("minute", "AAA", LAST_OF_OCTOBER, LAST_OF_OCTOBER)
    assert merged.volume[:4].tolist() == [500, 501, 500, 501]
    before = (tmp_path / "minute/AAA/2025-10.parquet").stat().st_mtime_ns
    assert store.append("minute", "AAA", merged) == Appended(0, 390, 0)
    assert (tmp_path / "minute/AAA/2025-10.parquet").stat().st_mtime_ns == before  # nothing to write


@pytest.mark.parametrize(("row", "column", "value"), [(7, 2, 1), (0, 5, -1), (3, 1, 0), (9, 0, 0)])
def test_impossible_bars_are_refused_before_anything_is_written(
    tmp_path: Path, row: int, column: int, value: int
) -> None:
    store = BarStore.at(tmp_path / "bars")
    bars = day_of_bars(LAST_OF_OCTOBER)
    bars[column][row] = value
    with pytest.raises(Misconfigured, match="AAA"):
        store.append("minute", "AAA", bars)
    assert store.symbols("minute") == ()


def test_an_interrupted_write_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BarStore.at(tmp_path)
    store.append("minute", "AAA", day_of_bars(LAST_OF_OCTOBER))
    file = tmp_path / "minute/AAA/2025-10.parquet"
    content = file.read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("research.store.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        store.append("minute", "AAA", day_of_bars(date(2025, 10, 30)))
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_two_writers_exclude_each_other(tmp_path: Path) -> None:
    store = BarStore.at(tmp_path)
    other = FileLock(tmp_path / ".lock")
    assert other.acquire()
    with pytest.raises(Misconfigured, match="is being written by process"):
        store.append("minute", "AAA", day_of_bars(LAST_OF_OCTOBER))
    other.release()
    assert store.append("minute", "AAA", day_of_bars(LAST_OF_OCTOBER)).new == 390


def test_a_store_at_a_url_is_read_and_never_written(tmp_path: Path) -> None:
    BarStore.at(tmp_path).append("minute", "AAA", day_of_bars(LAST_OF_OCTOBER))
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path), "/bars", recursive=True)
    store = BarStore("memory://bars")
    assert store.symbols("minute") == ("AAA",)
    assert same(store.bars("minute", "AAA", LAST_OF_OCTOBER, LAST_OF_OCTOBER), day_of_bars(LAST_OF_OCTOBER))
    with pytest.raises(Misconfigured, match="written where it lies"):
        store.append("minute", "AAA", day_of_bars(LAST_OF_OCTOBER))


def test_the_replayed_market_is_that_of_the_directory_it_was_imported_from(folder: Path, tmp_path: Path) -> None:
    assert main(["import", str(folder), "--store", str(tmp_path / "bars")]) == 0
    feed = FeedSource(ReplayFeed(folder, CALENDAR))
    stored = StoreSource(BarStore(str(tmp_path / "bars")), CALENDAR)
    assert stored.session_dates() == (LAST_OF_OCTOBER, FIRST_OF_NOVEMBER)
    for day in stored.session_dates():
        assert stored.symbols(day) == feed.symbols(day) == ("AAA",)
        ours, theirs = stored.tape("AAA", session(day)), feed.tape("AAA", session(day))
        for name in BarColumns._fields:
            assert np.array_equal(getattr(ours, name), getattr(theirs, name))
        assert ours.point_s is None  # the path is that of the minutes
        assert np.array_equal(theirs.point_s, (theirs.start_s[:, None] + PATH_SECONDS_MINUTE).ravel())
    after = date(2025, 11, 4)
    daily = stored.daily("AAA", after, date(2025, 10, 1))
    assert same(daily, feed.daily("AAA", after, date(2025, 10, 1)))
    assert daily.volume.tolist() == [3 * 390 * 500, 390 * 500]  # the split of the third lies between


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Two sessions of AAA with a split of three for one between them."""
    path = tmp_path / "data"
    (path / "minute").mkdir(parents=True)
    source = BarStore.at(tmp_path / "made")
    bars = joined([day_of_bars(LAST_OF_OCTOBER), day_of_bars(FIRST_OF_NOVEMBER)])
    source.append("minute", "AAA", bars)
    tables = [pq.read_table(file) for file in sorted((tmp_path / "made/minute/AAA").iterdir())]
    with pq.ParquetWriter(path / "minute/AAA.parquet", tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table.cast(tables[0].schema))
    (path / "splits_dividends.csv").write_text("symbol,ex_date,kind,value\nAAA,2025-11-03,split,3.000001\n")
    yield path


def test_splits_are_kept_and_known_ones_stay(tmp_path: Path) -> None:
    store = BarStore.at(tmp_path)
    store.add_splits({"AAA": [Split(FIRST_OF_NOVEMBER, Fraction(3))]})
    store.add_splits({"AAA": [Split(FIRST_OF_NOVEMBER, Fraction(9)), Split(EARLY, Fraction(1, 10))]})
    assert store.splits() == {"AAA": (Split(FIRST_OF_NOVEMBER, Fraction(3)), Split(EARLY, Fraction(1, 10)))}


def test_check_counts_gaps_duplicates_bad_rows_and_what_lies_after_an_early_close() -> None:
    bars = day_of_bars(EARLY)
    late = session(EARLY).close_s
    rows = [*range(10), *range(15, 100), 99, *range(101, 210)]  # five missing, one twice, one missing
    bars = BarColumns(*(column[rows] for column in bars))
    bars.low[3] = bars.high[3] + 1
    bars = joined([bars, BarColumns(*(np.array([value]) for value in (late, 10**6, 10**6, 10**6, 10**6, 1)))])
    october = day_of_bars(date(2025, 11, 25))
    found = check_symbol("AAA", [october, bars], CALENDAR)
    assert (found.sessions, found.bars, found.early_closes) == (2, 390 + 204 + 1, 1)
    assert found.missing_sessions == (date(2025, 11, 26),)
    assert (found.gaps, found.missing_minutes, found.longest_gap_minutes) == (2, 6, 5)
    assert (found.duplicates, found.bad_rows, found.out_of_hours) == (1, 1, 1)
    assert found.is_faulty
    assert not check_symbol("AAA", [october], CALENDAR).is_faulty


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def corrupt(store: Path) -> None:
    (store / "minute/AAA/2025-10.parquet").write_bytes(b"PAR1 this is no parquet file PAR1")


def newer(store: Path) -> None:
    (store / "store.json").write_text(json.dumps({"format": 2}))


def damaged(store: Path) -> None:
    (store / "store.json").write_text("{")


@pytest.mark.parametrize(
    ("harm", "command", "words"),
    [
        (corrupt, ("backtest",), "2025-10.parquet: not a readable bar file"),
        (corrupt, ("import",), "2025-10.parquet: not a readable bar file"),
        (newer, ("backtest",), "has format 2, this program knows 1: it needs a newer program"),
        (newer, ("import",), "has format 2, this program knows 1: it needs a newer program"),
        (newer, ("check",), "has format 2, this program knows 1: it needs a newer program"),
        (damaged, ("check",), "store.json is damaged"),
        (
            None,
            ("backtest", "--from", "2025-11-02", "--to", "2025-11-01"),
            "--from 2025-11-02 is after --to 2025-11-01",
        ),
        (None, ("backtest", "--from", "2025-11-04"), "no session from 2025-11-04 to the end"),
        (None, ("backtest", "--set", "rsi_kap=50"), "'rsi_kap' is not a parameter; did you mean rsi_cap?"),
    ],
)
def test_bad_input_is_one_line_and_leaves_the_store_as_it_is(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: object, command: tuple[str, ...], words: str
) -> None:
    store = tmp_path / "bars"
    assert main(["import", str(folder), "--store", str(store)]) == 0
    if callable(harm):
        harm(store)
    before = contents(store)
    capsys.readouterr()
    where = {"backtest": ["--market-data", str(store)], "check": ["--store", str(store)]}
    name, *options = command
    try:
        code = main([name, *where.get(name, [str(folder), "--store", str(store)]), *options])
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert len(told.err.splitlines()) == 1
    assert words in told.err
    assert contents(store) == before


def test_check_goes_on_after_a_corrupt_file_and_ends_with_a_fault(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "bars"
    assert main(["import", str(folder), "--store", str(store)]) == 0
    assert main(["check", "--store", str(store)]) == 0
    corrupt(store)
    assert main(["check", "--store", str(store)]) == 1
    assert "not a readable bar file" in capsys.readouterr().out.replace("\n", " ")


def test_a_folder_that_is_no_store_is_not_made_one(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert main(["import", str(folder), "--store", str(tmp_path / "mine")]) == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_merge_of_nothing_is_nothing() -> None:
    assert merge(joined([]), joined([]))[1] == Appended(0, 0, 0)
