"""The bar store: Parquet files by resolution, symbol and month, which readers always see whole.

    STORE/store.json                      {"format": 1}
    STORE/splits.json                     {"AAPL": [["2020-08-31", "4"]], …}: ex-date, new shares per old
    STORE/minute/AAPL/2025-10.parquet     the columns of `--market-data`: timestamp, open, high, low, close, volume
    STORE/daily/AAPL/2025-10.parquet      timestamp is the session's open

Prices are as traded, in USD; months are those of UTC. Each file's footer says which sessions it holds, so that nobody
reads bars to learn what there is. A local store is written by one process at a time, each file replaced in one step.
A store at a URL (`s3://…`, `memory://…`) is read through fsspec and never written.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from market_hours import TradingCalendar, new_york_date, utc_from_epoch
from operating_system import FileLock
from research.tapes import Flags, Floats, Int64s
from trading.bar_columns import BarColumns, joined
from trading.money import PRICE_UNITS_PER_USD
from utils import Misconfigured, write_json_atomically

FORMAT = 1
MARK, SPLITS, LOCK = "store.json", "splits.json", ".lock"
SUFFIX = ".parquet"
SESSIONS_KEY = b"sessions"  # in a footer: JSON of session date -> bars
Resolution = Literal["minute", "daily"]
RESOLUTIONS: tuple[Resolution, ...] = ("minute", "daily")
COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
SCHEMA = pa.schema(
    [("timestamp", pa.timestamp("ms", "UTC")), *((name, pa.float64()) for name in COLUMNS[1:5]), ("volume", pa.int64())]
)
ENCODING: dict[str, Any] = {  # against the defaults: three fifths of the size, read in two thirds of the time
    "compression": "zstd",
    "use_dictionary": list(COLUMNS[1:5]),
    "column_encoding": {"timestamp": "DELTA_BINARY_PACKED", "volume": "DELTA_BINARY_PACKED"},
}
MS = 1_000
HOUR_S = 3_600  # no date begins within one
HOURS_KEPT = 65_536  # of which the date is known: those of sessions in 25 years
WRITERS = 8  # months that are written side by side


class Split(NamedTuple):
    """`ratio` new shares per old before the open of `ex_date`."""

    ex_date: date
    ratio: Fraction


class Appended(NamedTuple):
    """What an append did: bars that are new, that were there already, and that differ from what stays."""

    new: int
    known: int
    different: int

    def __add__(self, other: Appended) -> Appended:  # type: ignore[override]  # sums, not a longer tuple
        return Appended(self.new + other.new, self.known + other.known, self.different + other.different)


class Files(Protocol):
    """Where a store lies. Names are relative, with slashes."""

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError, OSError."""

    def names(self, folder: str) -> list[str]:
        """What a folder holds, sorted; empty when there is none."""


class LocalFiles:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def names(self, folder: str) -> list[str]:
        place = self.root / folder
        return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


class RemoteFiles:
    """A folder that fsspec reaches. Raises Misconfigured for a URL that it does not know."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        try:
            self._system, self._root = url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise Misconfigured(f"{url}: {error}") from error

    def read(self, name: str) -> bytes:
        content: bytes = self._system.cat_file(f"{self._root}/{name}")
        return content

    def names(self, folder: str) -> list[str]:
        place = f"{self._root}/{folder}"
        if not self._system.isdir(place):
            return []
        return sorted(entry.rstrip("/").rpartition("/")[2] for entry in self._system.ls(place, detail=False))


def is_store(where: str) -> bool:
    """Whether a path or URL is meant as a bar store: any URL, and a folder with the store's mark."""
    return "://" in where or (Path(where) / MARK).exists()


class BarStore:
    """A store that is there. Raises Misconfigured when it is not, or is of a newer version."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._files: Files = RemoteFiles(where) if "://" in where else LocalFiles(Path(where))
        try:
            mark = json.loads(self._files.read(MARK))
            version = mark["format"]
        except FileNotFoundError as error:
            raise Misconfigured(f"{where} is no bar store: it has no {MARK}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Misconfigured(f"{where}/{MARK} is damaged: {error}") from error
        except OSError as error:
            raise Misconfigured(f"{where}: {error}") from error
        if not isinstance(version, int) or version > FORMAT:
            raise Misconfigured(f"{where} has format {version}, this program knows {FORMAT}: it needs a newer program")

    @classmethod
    def at(cls, folder: Path) -> BarStore:
        """The store in a folder of this machine, made when the folder is missing or empty."""
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            write_json_atomically(folder / MARK, {"format": FORMAT})
        return cls(str(folder))

    def symbols(self, resolution: Resolution) -> tuple[str, ...]:
        """Symbols with a file, sorted."""
        return tuple(self._files.names(resolution))

    def months(self, resolution: Resolution, symbol: str) -> tuple[str, ...]:
        """Months with a file, like 2025-10, in order."""
        names = self._files.names(f"{resolution}/{symbol}")
        return tuple(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX) and name[0] != ".")

    def sessions(self, resolution: Resolution, symbol: str, month: str) -> dict[date, int]:
        """Session date -> bars of one file, from its footer."""
        name = _name(resolution, symbol, month)
        metadata = self._parquet(name).schema_arrow.metadata or {}
        try:
            return {date.fromisoformat(day): count for day, count in json.loads(metadata[SESSIONS_KEY]).items()}
        except (KeyError, ValueError, AttributeError) as error:
            raise Misconfigured(f"{self.where}/{name} does not say which sessions it holds") from error

    def month(self, resolution: Resolution, symbol: str, month: str) -> BarColumns:
        """All bars of one file, as they are: `check` judges them. Raises Misconfigured when it is not readable."""
        name = _name(resolution, symbol, month)
        try:
            table = self._parquet(name).read(columns=list(COLUMNS), use_threads=False)
            return _columns(table)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise _unreadable(f"{self.where}/{name}", error) from error

    def bars(self, resolution: Resolution, symbol: str, first: date, last: date) -> BarColumns:
        """Bars of the months from `first` to `last`. Raises Misconfigured for a file that is not in time order."""
        months = [month for month in self.months(resolution, symbol) if f"{first:%Y-%m}" <= month <= f"{last:%Y-%m}"]
        return joined([self.ordered_month(resolution, symbol, month) for month in months])

    def ordered_month(self, resolution: Resolution, symbol: str, month: str) -> BarColumns:
        """All bars of one file. Raises Misconfigured also when they are not in time order."""
        bars = self.month(resolution, symbol, month)
        if np.any(np.diff(bars.start_s) <= 0):
            name = _name(resolution, symbol, month)
            raise Misconfigured(f"{self.where}/{name} is not in time order: python -m research check")
        return bars

    def splits(self) -> dict[str, tuple[Split, ...]]:
        """All known splits by symbol, in order."""
        try:
            content = json.loads(self._files.read(SPLITS))
            return {
                symbol: tuple(sorted(Split(date.fromisoformat(day), Fraction(ratio)) for day, ratio in rows))
                for symbol, rows in content.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise Misconfigured(f"{self.where}/{SPLITS} is damaged: {error}") from error

    def append(self, resolution: Resolution, symbol: str, bars: BarColumns) -> Appended:
        """Add bars; those that are there stay as they are. Raises Misconfigured when a bar cannot be real.

        Months are written side by side, because the disk takes several forced writes in the time of one.
        """
        refuse_impossible(symbol, bars)
        with self._writing(), ThreadPoolExecutor(WRITERS) as writers:
            append_month = partial(self._append_month, resolution, symbol, self.months(resolution, symbol))
            return sum(writers.map(append_month, _by_month(bars)), Appended(0, 0, 0))

    def add_splits(self, splits: Mapping[str, Sequence[Split]]) -> None:
        """Make splits known; those that are there stay."""
        with self._writing() as root:
            known = {symbol: dict(rows) for symbol, rows in self.splits().items()}
            for symbol, rows in splits.items():
                known[symbol] = dict(rows) | known.get(symbol, {})
            plain = {
                symbol: [[day.isoformat(), str(ratio)] for day, ratio in sorted(rows.items())]
                for symbol, rows in sorted(known.items())
            }
            write_json_atomically(root / SPLITS, plain)

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        """The store's folder, held for one writer. Raises Misconfigured when another process has it."""
        if not isinstance(self._files, LocalFiles):
            raise Misconfigured(f"{self.where}: a store is written where it lies on this machine")
        lock = FileLock(self._files.root / LOCK)
        if not lock.acquire():
            raise Misconfigured(f"{self.where} is being written by {lock.holder()}")
        try:
            yield self._files.root
        finally:
            lock.release()

    def _append_month(
        self, resolution: Resolution, symbol: str, there: Sequence[str], part: tuple[str, BarColumns]
    ) -> Appended:
        month, bars = part
        old = self.month(resolution, symbol, month) if month in there else joined([])
        merged, did = merge(old, bars)
        if did.new:
            self._write(_name(resolution, symbol, month), merged)
        return did

    def _write(self, name: str, bars: BarColumns) -> None:
        path = Path(self.where) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                pq.write_table(_table(bars), file, **ENCODING)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _parquet(self, name: str) -> Any:
        try:
            return pq.ParquetFile(io.BytesIO(self._files.read(name)))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(f"{self.where}/{name}", error) from error


def merge(old: BarColumns, new: BarColumns) -> tuple[BarColumns, Appended]:
    """`old` with the bars of `new` at starts that it does not have, in time order."""
    known = np.isin(new.start_s, old.start_s)
    there = np.searchsorted(old.start_s, new.start_s[known])
    same = np.ones(int(known.sum()), dtype=np.bool_)
    for before, after in zip(old[1:], new[1:], strict=True):
        same &= before[there] == after[known]
    both = joined([old, BarColumns(*(column[~known] for column in new))])
    order = np.argsort(both.start_s, kind="stable")
    did = Appended(int((~known).sum()), int(same.sum()), int((~same).sum()))
    return BarColumns(*(column[order] for column in both)), did


def regular_only(bars: BarColumns, calendar: TradingCalendar) -> BarColumns:
    """The bars inside regular sessions."""
    if not len(bars.start_s):
        return bars
    first, last = (new_york_date(utc_from_epoch(int(bars.start_s[end]))) for end in (0, -1))
    sessions = calendar.sessions_between(first, last)
    return joined([bars.between(session.open_s, session.close_s) for session in sessions])


def impossible(bars: BarColumns) -> Flags:
    """Which bars cannot be real: no price, a price outside low..high, a negative volume."""
    prices = np.stack(bars[1:5])
    outside = (np.minimum(bars.open, bars.close) < bars.low) | (np.maximum(bars.open, bars.close) > bars.high)
    return (prices <= 0).any(axis=0) | outside | (bars.volume < 0)


def refuse_impossible(symbol: str, bars: BarColumns) -> None:
    """Raises Misconfigured for bars out of order or a bar that cannot be real, before anything is written."""
    if np.any(np.diff(bars.start_s) <= 0):
        raise Misconfigured(f"{symbol}: bars are not in time order")
    bad = impossible(bars)
    if bad.any():
        at = utc_from_epoch(int(bars.start_s[int(np.argmax(bad))]))
        raise Misconfigured(f"{symbol}: the bar of {at:%Y-%m-%d %H:%M} UTC cannot be real")


def _name(resolution: Resolution, symbol: str, month: str) -> str:
    return f"{resolution}/{symbol}/{month}{SUFFIX}"


def _by_month(bars: BarColumns) -> Iterator[tuple[str, BarColumns]]:
    first = 0
    while first < len(bars.start_s):
        start = utc_from_epoch(int(bars.start_s[first]))
        following = start.replace(day=1, hour=0, minute=0, second=0, tzinfo=UTC)
        year, month = (start.year, start.month + 1) if start.month < 12 else (start.year + 1, 1)
        end_s = int(following.replace(year=year, month=month).timestamp())
        part = bars.between(int(bars.start_s[first]), end_s)
        yield f"{start:%Y-%m}", part
        first += len(part.start_s)


@lru_cache(HOURS_KEPT)
def _date_of_hour(hour: int) -> str:
    """The New York date of an hour since the epoch."""
    return new_york_date(utc_from_epoch(hour * HOUR_S)).isoformat()


def _table(bars: BarColumns) -> Any:
    days = Counter[str]()  # session date -> bars
    for hour, count in zip(*np.unique(bars.start_s // HOUR_S, return_counts=True), strict=True):
        days[_date_of_hour(int(hour))] += int(count)
    stamps = pa.array(bars.start_s * MS, pa.timestamp("ms", "UTC"))
    usd = [pa.array(column / PRICE_UNITS_PER_USD) for column in bars[1:5]]
    schema = SCHEMA.with_metadata({SESSIONS_KEY: json.dumps(days).encode()})
    return pa.table([stamps, *usd, pa.array(bars.volume)], schema=schema)


def _columns(table: Any) -> BarColumns:
    if not table.schema.equals(SCHEMA):
        raise ValueError("its columns are not those of a bar store")
    if any(column.null_count for column in table.columns):
        raise ValueError("it has empty cells")
    start_s = _numbers(table["timestamp"], pa.int64()) // MS
    open_, high, low, close = (_price_units(_numbers(table[name])) for name in COLUMNS[1:5])
    return BarColumns(start_s, open_, high, low, close, _numbers(table["volume"]))


def _numbers(column: Any, seen_as: Any = None) -> Any:
    """A column of a table as an array. Its own `to_numpy` would import pandas, `cast` all of Arrow's functions."""
    return np.from_dlpack(column.combine_chunks().view(seen_as or column.type))


def _price_units(usd: Floats) -> Int64s:
    """Prices of a file in 1e-4 USD: the store writes whole ones. What is not finite becomes 0, a bad row."""
    units = np.rint(usd * PRICE_UNITS_PER_USD)
    units[~np.isfinite(units)] = 0.0
    return units.astype(np.int64)


def _unreadable(path: str, error: Exception) -> Misconfigured:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return Misconfigured(f"{path}: not a readable bar file: {reason}")
