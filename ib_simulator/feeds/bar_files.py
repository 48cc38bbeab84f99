"""Bar and quote files (Parquet or CSV) to validated arrays. Bad input ends in one line of `Misconfigured`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ib_simulator.feeds.tape import Flags, Floats, Int64s, half_spreads, prices_to_tick_from_usd
from market_hours import NEW_YORK, utc_from_epoch
from trading.bar_columns import BarColumns
from utils import Misconfigured

SUFFIXES = (".parquet", ".csv")
PRICE_COLUMNS = ("open", "high", "low", "close")
UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
HIGHEST_PRICE_USD = 1e9
LATEST_DAILY_START_H = 12  # New York; a bar stamped later is the evening before its session (midnight UTC)


class SpreadColumns(NamedTuple):
    """Usable quotes of one file: when each is known (epoch second of its end) and its half-spread (1e-4 USD)."""

    known_s: Int64s
    half: Int64s


class _Check(NamedTuple):
    """A rule over all rows of a file, and what to tell the user about the first row that breaks it."""

    bad: Flags  # shape (n_rows,)
    words: str


RowName = Callable[[int], str]  # row index -> its timestamp or date, for the message


def files_of(folder: Path) -> dict[str, Path]:
    """Bar files of a folder by symbol, sorted. Misconfigured when a symbol has both a Parquet and a CSV file."""
    files: dict[str, Path] = {}  # symbol -> file
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem in files:
            raise Misconfigured(f"{folder} has both {files[path.stem].name} and {path.name}; keep one of them")
        files[path.stem] = path
    return dict(sorted(files.items()))


def read_starts(path: Path, bar_s: int) -> Int64s:
    """Start seconds of all rows; only that column is read. Strictly increasing, on the grid of `bar_s` seconds."""
    return _starts(path, _table(path, ("timestamp",)), bar_s)


def read_bars(path: Path, bar_s: int) -> BarColumns:
    """All rows of a file of bars that last `bar_s` seconds."""
    table = _table(path, ("timestamp", *PRICE_COLUMNS, "volume"))
    starts = _starts(path, table, bar_s)
    return BarColumns(starts, *_prices_and_volume(path, table, lambda row: _instant_text(int(starts[row]))))


def read_daily(path: Path) -> tuple[list[date], BarColumns]:
    """Session dates of all rows and their bars (whose `start_s` is zero: the calendar knows the open).

    The date is the column `date` where there is one, else the New York date of `timestamp`.
    """
    dated = "date" in _column_names(path)
    table = _table(path, ("date" if dated else "timestamp", *PRICE_COLUMNS, "volume"))
    days = _dates(path, table) if dated else _dates_of_starts(path, _starts(path, table, 1))
    ordinals = np.array([day.toordinal() for day in days], dtype=np.int64)
    _refuse_bad_row(path, lambda row: days[row].isoformat(), _order_checks(ordinals, "date"))
    columns = _prices_and_volume(path, table, lambda row: days[row].isoformat())
    return days, BarColumns(np.zeros_like(ordinals), *columns)


def read_half_spreads(path: Path, bar_s: int) -> SpreadColumns:
    """Half-spreads at the end of each interval. Rows with an empty, crossed or non-positive quote are left out."""
    table = _table(path, ("timestamp", "bid_close", "ask_close"))
    starts = _starts(path, table, bar_s)
    bid_usd, ask_usd = (_numbers(path, table, name) for name in ("bid_close", "ask_close"))
    usable = (bid_usd > 0) & (ask_usd > bid_usd) & (ask_usd < HIGHEST_PRICE_USD)  # NaN compares false
    bid, ask = prices_to_tick_from_usd(bid_usd[usable]), prices_to_tick_from_usd(ask_usd[usable])
    return SpreadColumns(starts[usable] + bar_s, half_spreads(bid, ask))


def _column_names(path: Path) -> list[str]:
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as lines:
                return next(csv.reader(lines), [])
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error


def _table(path: Path, columns: tuple[str, ...]) -> Any:
    """The named columns of a file that has rows; CSV cells stay text so that a bad one can be named."""
    names = _column_names(path)
    if not names:
        raise Misconfigured(f"{path}: the file is empty")
    for column in columns:
        if column not in names:
            raise Misconfigured(f"{path}: column {column!r} is missing; the file has {', '.join(names)}")
    try:
        table = _csv_table(path, columns) if path.suffix == ".csv" else _parquet_table(path, columns)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    if table.num_rows == 0:
        raise Misconfigured(f"{path}: the file has no rows")
    return table


def _parquet_table(path: Path, columns: tuple[str, ...]) -> Any:
    with pq.ParquetFile(path) as file:
        return file.read(columns=list(columns), use_threads=False)


def _csv_table(path: Path, columns: tuple[str, ...]) -> Any:
    options = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()),
        include_columns=list(columns),
        strings_can_be_null=True,
        null_values=[""],
    )
    return pa_csv.read_csv(path, convert_options=options)


def _unreadable(path: Path, error: Exception) -> Misconfigured:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return Misconfigured(f"{path}: not a readable {path.suffix.removeprefix('.')} file: {reason}")


def _starts(path: Path, table: Any, bar_s: int) -> Int64s:
    column = table["timestamp"]
    if path.suffix == ".csv":
        column = _from_text(path, column, "timestamp", pa.timestamp("ns", "UTC"), _timestamp_fault)
    if not pa.types.is_timestamp(column.type):
        raise Misconfigured(f"{path}: column 'timestamp' holds {column.type}, not timestamps")
    if column.type.tz is None:
        raise Misconfigured(f"{path}: column 'timestamp' has no time zone; write timestamps in UTC")
    _refuse_empty_cell(path, column, "timestamp")
    unit = column.type.unit
    raw = column.cast(pa.int64()).to_numpy()
    off_grid = _Check(
        raw % (bar_s * UNITS_PER_SECOND[unit]) != 0, f"the timestamp is not the start of a {bar_s}-second bar"
    )
    _refuse_bad_row(path, lambda row: _instant_text(int(raw[row]), unit), [off_grid, *_order_checks(raw, "timestamp")])
    return np.asarray(raw // UNITS_PER_SECOND[unit], dtype=np.int64)


def _dates(path: Path, table: Any) -> list[date]:
    column = table["date"]
    if path.suffix == ".csv":
        column = _from_text(path, column, "date", pa.date32(), lambda text: "is not a date like 2025-10-07")
    if not pa.types.is_date(column.type):
        raise Misconfigured(f"{path}: column 'date' holds {column.type}, not dates")
    _refuse_empty_cell(path, column, "date")
    return list(column.to_pylist())


def _dates_of_starts(path: Path, starts: Int64s) -> list[date]:
    local = [utc_from_epoch(start).astimezone(NEW_YORK) for start in starts.tolist()]
    evening = np.array([moment.hour >= LATEST_DAILY_START_H for moment in local], dtype=np.bool_)
    words = "the timestamp is in the evening of the day before; stamp the session's open or add a column 'date'"
    _refuse_bad_row(path, lambda row: local[row].isoformat(), [_Check(evening, words)])
    return [moment.date() for moment in local]


def _prices_and_volume(path: Path, table: Any, row_name: RowName) -> tuple[Int64s, Int64s, Int64s, Int64s, Int64s]:
    checks: list[_Check] = []
    prices: list[Int64s] = []
    for name in PRICE_COLUMNS:
        usd = _numbers(path, table, name)
        sane = (usd > 0) & (usd < HIGHEST_PRICE_USD)  # NaN compares false
        rounded = prices_to_tick_from_usd(np.where(sane, usd, 1.0))
        checks += (
            _Check(np.isnan(usd), f"{name} is not a number"),
            _Check((usd <= 0) | (rounded == 0), f"{name} is zero or negative"),
            _Check(usd >= HIGHEST_PRICE_USD, f"{name} is above {HIGHEST_PRICE_USD:,.0f} USD"),
        )
        prices.append(rounded)
    open_, high, low, close = prices
    checks += (
        _Check(high < low, "high is below low"),
        _Check((open_ < low) | (open_ > high), "open is outside low..high"),
        _Check((close < low) | (close > high), "close is outside low..high"),
    )
    shares = _numbers(path, table, "volume")
    countable = (shares >= 0) & (shares < 2**53) & (shares == np.floor(shares))
    checks += (
        _Check(shares < 0, "volume is negative"),
        _Check(~countable, "volume is not a whole number of shares"),
    )
    _refuse_bad_row(path, row_name, checks)
    return open_, high, low, close, shares.astype(np.int64)


def _numbers(path: Path, table: Any, name: str) -> Floats:
    """A column as float64; an empty cell is NaN."""
    column = table[name]
    if path.suffix == ".csv":
        column = _from_text(path, column, name, pa.float64(), lambda text: "is not a number")
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise Misconfigured(f"{path}: column {name!r} holds {column.type}, not numbers")
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _from_text(path: Path, column: Any, name: str, kind: Any, fault: Callable[[str], str]) -> Any:
    """A text column cast to `kind`; the first cell that cannot be cast is named with what `fault` says of it."""
    try:
        return column.cast(kind)
    except pa.ArrowInvalid as error:
        for row, cell in enumerate(column):
            try:
                cell.cast(kind)
            except pa.ArrowInvalid:
                text = cell.as_py()
                raise Misconfigured(f"{path}: row {row + 1}: {name} {text!r} {fault(text)}") from error
        raise


def _timestamp_fault(text: str) -> str:
    try:
        naive = datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        naive = False
    return "has no UTC offset; write 2025-10-07T13:30:00Z" if naive else "is not an ISO 8601 time with a UTC offset"


def _refuse_empty_cell(path: Path, column: Any, name: str) -> None:
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise Misconfigured(f"{path}: row {row + 1}: {name} is empty")


def _order_checks(values: Int64s, name: str) -> list[_Check]:
    steps = np.diff(values, prepend=values[0] - 1)
    return [
        _Check(steps == 0, f"the {name} is a duplicate of the row before"),
        _Check(steps < 0, f"the {name} is earlier than the row before; rows must be sorted"),
    ]


def _refuse_bad_row(path: Path, row_name: RowName, checks: list[_Check]) -> None:
    """Misconfigured for the first row that breaks a check, with the first check it breaks. Rows count from 1."""
    faults = [(int(np.argmax(check.bad)), check.words) for check in checks if check.bad.any()]
    if faults:
        row, words = min(faults, key=lambda fault: fault[0])
        raise Misconfigured(f"{path}: row {row + 1} ({row_name(row)}): {words}")


def _instant_text(count: int, unit: str = "s") -> str:
    """Epoch units to ISO 8601 in UTC, with no more digits than needed."""
    text = str(np.array(count, dtype=f"datetime64[{unit}]"))
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}Z"
