"""The database: what recording costs, how fast the writer is, and the program's queries on a million executions.

    make bench    or    python benchmarks/bench_records.py [--trades 1000000] [--repeat 3]

Everything happens in a temporary directory (`TMPDIR` chooses the disk) and is removed. Times of the disk are taken
in turn with a plain fsync, so that both see the same disk.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from observability import TradingHistory
from records.connections import open_for_writing
from records.log_file import LOG_MB
from records.queries import ORDER_INTENTS, QUERY_OF_INDEX, TRADES, UPSERT_TRADE
from records.rows import IntentRow, TradeRow

BOT, MODE = "day_trader", "paper"
SESSION_TRADES, SESSION_SYMBOLS, SYMBOLS = 100, 10, 200  # a day of 50 round trips in ten symbols
FIRST_OPEN = datetime(1999, 1, 4, 14, 30, tzinfo=UTC)
OPEN_AT_THE_END = 10  # positions
LOGGED, BURST = 100_000, 5_000
INTENTS = 400
WAL_PAGES = 8  # that committing a bracket appends to the write-ahead log, about
PAGE = 4_096
REPEATED = 200  # times that each query is asked
WAL_COMMITS = 300
COMMITS = {"one row, durable": "FULL", "one row": "NORMAL"}  # as intents and as all other rows are written
GOAL_LOG_US, GOAL_ROWS_S, GOAL_OVER_FSYNC_US, GOAL_QUERY_MS = 20.0, 50_000, 50.0, 1.0

FILL = f"""
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :trades - 1), slots AS (
    SELECT n, n / {SESSION_TRADES} AS day, (n % {SESSION_TRADES}) / 2 AS slot, n % 2 AS side FROM numbers
)
INSERT INTO trades (exec_id, order_ref, bot, mode, session_date, timestamp, symbol, action, quantity, price, commission,
    pnl, pnl_pct, reason, rsi, vwap, atr, atr_pct, parameters, intent_id, order_id, perm_id)
SELECT
    printf('0000e0d5.%08x.01.01', n), printf('%032x', n), '{BOT}', '{MODE}', date('1999-01-04', '+' || day || ' days'),
    strftime('%Y-%m-%dT%H:%M:%f', julianday('1999-01-04 14:30') + day + slot * 0.005 + side * 0.002) || '000+00:00',
    printf('S%03d', (day * {SESSION_SYMBOLS} + slot % {SESSION_SYMBOLS}) % {SYMBOLS}),
    IIF(side, 'SELL', 'BUY'), 10, 100.25, 0.35,
    IIF(side, 1.5, NULL), IIF(side, 0.1, NULL), IIF(side, 'profit_target', 'entry'), 55.5, 100.2, 1.5, 1.5,
    '{{"atr_floor_pct":1.5,"profit_target_bps":140,"rsi_cap":60.0,"stop_loss_bps":80}}', printf('%032x', n), n, n
FROM slots WHERE NOT (side AND n >= :trades - {2 * OPEN_AT_THE_END})
"""
FILL_INTENTS = f"""
INSERT INTO order_intents (intent_id, role, bot, mode, session_date, created_at, symbol, action, quantity, order_type,
    tif, state, order_id, client_id, filled_quantity, updated_at)
SELECT intent_id, IIF(action = 'BUY', 'entry', 'target'), bot, mode, session_date, timestamp, symbol, action, quantity,
    'LMT', 'DAY', IIF(trade_id > :trades - {2 * OPEN_AT_THE_END}, 'working', 'filled'), order_id, 2, quantity, timestamp
FROM trades
"""
FILL_HEALTH = """
INSERT INTO agent_health (timestamp, bot, mode, agent, status)
SELECT timestamp, bot, mode, 'day_trader', 'normal' FROM trades
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=1_000_000, help="executions in the large database")
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of logging and of the journal modes; the best counts"
    )
    args = parser.parse_args()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    print(f"records: Python {python}, SQLite {sqlite}, {os.cpu_count()} cores{load}\n")
    with tempfile.TemporaryDirectory() as folder:
        logging_of_trades(Path(folder), args.repeat)
        durable_intents(Path(folder))
        journal_modes(Path(folder), args.repeat)
        large_database(Path(folder) / "large.db", args.trades)


# Writing


def trade(number: int) -> TradeRow:
    side = number % 2
    return TradeRow(
        exec_id=f"0000e0d5.{number:08x}.01.01",
        session_date="2025-10-07",
        timestamp=FIRST_OPEN + timedelta(milliseconds=number),
        symbol=f"S{number // 2 % SYMBOLS:03}",
        action="SELL" if side else "BUY",
        quantity=10,
        price_usd=100.25,
        reason="profit_target" if side else "entry",
        order_ref=f"{number:032x}",
        commission_usd=0.35,
        pnl_usd=1.5 if side else None,
        rsi=55.5,
        vwap_usd=100.2,
        atr_usd=1.5,
        atr_pct=1.5,
        parameters={"profit_target_bps": 140, "stop_loss_bps": 80, "rsi_cap": 60.0, "atr_floor_pct": 1.5},
        intent_id=f"{number:032x}",
        order_id=number,
        perm_id=number,
        bot=BOT,
        mode=MODE,
    )


def logging_of_trades(folder: Path, repeat: int) -> None:
    """What `record_trade` costs its caller, and how many rows a second the writer takes for as long as it must."""
    trades = [trade(number) for number in range(LOGGED)]
    calls_ns: list[int] = []
    rates, cpu_us, writer_us = [], [], []
    for run in range(repeat):
        with TradingHistory(folder / f"logging{run}.db", bot=BOT, mode=MODE) as history:
            start_s, cpu_s = time.perf_counter(), time.process_time()
            for first in range(0, LOGGED, BURST):
                for row in trades[first : first + BURST]:
                    before = time.perf_counter_ns()
                    history.record_trade(row)
                    calls_ns.append(time.perf_counter_ns() - before)
                while history.waiting > BURST:  # what a caller does that `trouble` would stop
                    time.sleep(0.0005)
            history.flush().result()
            rates.append(LOGGED / (time.perf_counter() - start_s))
            cpu_us.append((time.process_time() - cpu_s) / LOGGED * 1e6)
            writer_us.append(history._writer.run(lambda _: time.thread_time()).result() / LOGGED * 1e6)
    calls_ns.sort()
    p50, p99 = (calls_ns[int(len(calls_ns) * share)] / 1_000 for share in (0.5, 0.99))
    print(f"trade logging, {LOGGED:,} executions with all columns, triggers and indexes, best of {repeat}")
    print(f"  returns to the caller   p50 {p50:6.1f} us   p99 {p99:6.1f} us        {goal(p50 <= GOAL_LOG_US)}")
    print(f"  sustained               {max(rates):10,.0f} rows/s              {goal(max(rates) >= GOAL_ROWS_S)}")
    alone = 1e6 / min(writer_us)
    print(f"  cpu                     {min(cpu_us):10.1f} us a row, {min(writer_us):.1f} of it the writer's thread")
    print(f"                          (which alone on a core would take {alone:,.0f} rows/s)\n")


def durable_intents(folder: Path) -> None:
    """From `commit_intents` to the completed future, in turn with one fsync of as many pages in a growing file."""
    now = FIRST_OPEN
    row = IntentRow(
        intent_id="",
        role="entry",
        session_date="2025-10-07",
        created_at=now,
        symbol="AAPL",
        action="BUY",
        quantity=10,
        order_type="LMT",
        tif="GTD",
        updated_at=now,
    )
    times: dict[str, list[float]] = {"one fsync": [], "an intent": [], "a bracket of four": [], "SQLite alone": []}
    file = os.open(folder / "plain.dat", os.O_RDWR | os.O_CREAT)
    with (
        closing(open_for_writing(folder / "alone.db")) as alone,
        TradingHistory(folder / "intents.db", bot=BOT, mode=MODE, log_mb=LOG_MB) as history,
    ):
        alone.execute("PRAGMA synchronous = FULL")
        for number in range(INTENTS):
            os.write(file, b"x" * (WAL_PAGES * PAGE))
            single = replace(row, intent_id=f"{number}", bot=BOT, mode=MODE)
            bracket = [replace(row, intent_id=f"{number}-{leg}") for leg in range(4)]
            times["one fsync"].append(timed_us(lambda: os.fsync(file)))
            times["an intent"].append(timed_us(lambda made=single: history.commit_intents([made]).result()))
            times["a bracket of four"].append(timed_us(lambda made=bracket: history.commit_intents(made).result()))
            times["SQLite alone"].append(
                timed_us(lambda made=single: alone.execute(ORDER_INTENTS.insert, ORDER_INTENTS.values(made)))
            )
    os.close(file)
    fsync = times["one fsync"]
    print(f"durable intents, {INTENTS} each in turn")
    for name, values in times.items():
        over = median(value - plain for value, plain in zip(values, fsync, strict=True))
        best_over = quantile(values, 0.1) - quantile(fsync, 0.1)
        verdict = goal(over <= GOAL_OVER_FSYNC_US) if name == "an intent" else ""
        print(
            f"  {name:18} p10 {quantile(values, 0.1):7.0f} us   p50 {median(values):7.0f} us   "
            f"over one fsync: p10 {best_over:+5.0f} us, p50 {over:+5.0f} us   {verdict}".rstrip()
        )
    print()


def journal_modes(folder: Path, repeat: int) -> None:
    """The write-ahead log against SQLite's default, the rollback journal, each as durable as the other."""
    values = [TRADES.values(trade(number)) for number in range(2 * WAL_COMMITS)]
    seconds: dict[str, dict[str, float]] = {}
    for run in range(repeat):
        for mode in ("WAL", "DELETE"):
            with closing(open_for_writing(folder / f"{mode}{run}.db")) as connection:
                connection.execute(f"PRAGMA journal_mode = {mode}")
                best = seconds.setdefault(mode, {})
                for number, (name, synchronous) in enumerate(COMMITS.items()):
                    connection.execute(f"PRAGMA synchronous = {synchronous}")
                    rows = values[number * WAL_COMMITS : (number + 1) * WAL_COMMITS]
                    before = time.perf_counter_ns()
                    insert(connection, rows)
                    took = (time.perf_counter_ns() - before) / 1_000 / len(rows)
                    best[name] = min(best.get(name, took), took)
    print("write-ahead log against rollback journal, time of a commit")
    for name, wal_us in seconds["WAL"].items():
        other_us = seconds["DELETE"][name]
        print(f"  {name:26} {wal_us:8.0f} us against {other_us:8.0f} us   {other_us / wal_us:6.1f} times as fast")
    print()


def insert(connection: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
    for row in rows:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(UPSERT_TRADE, row)
        connection.execute("COMMIT")


# Reading


def large_database(path: Path, trades: int) -> None:
    """The program's own queries, then what people ask, then the same without the indexes."""
    start_s = time.perf_counter()
    with closing(open_for_writing(path, cache_mb=64)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for statement in (FILL, FILL_INTENTS, FILL_HEALTH):
            connection.execute(statement, {"trades": trades} if ":trades" in statement else {})
        connection.execute("COMMIT")
        last_day = connection.execute("SELECT MAX(session_date) FROM trades").fetchone()[0]
    size_mb = path.stat().st_size / 2**20
    print(f"{trades:,} executions, as many orders and samples: {size_mb:,.0f} MB, made in", end=" ")
    print(f"{time.perf_counter() - start_s:.0f} s\n")
    started_s = time.perf_counter()
    with TradingHistory(path, bot=BOT, mode=MODE) as history:
        opening_s = time.perf_counter() - started_s
        queries_of_the_program(history, last_day)
    print(f"\n  opening, with the check of every page {opening_s:8.2f} s")
    with closing(sqlite3.connect(path)) as connection:
        for view in ("open_positions", "round_trips"):
            took_s = timed_us(lambda view=view: connection.execute(f"SELECT * FROM {view}").fetchall()) / 1e6
            print(f"  all of the view {view:21} {took_s:8.3f} s")
    indexed_against_unindexed(path, last_day)


def queries_of_the_program(history: TradingHistory, last_day: str) -> None:
    day = datetime.fromisoformat(f"{last_day}T14:30:00+00:00")
    asked: dict[str, Callable[[], object]] = {
        "executions of a session": lambda: history.trades(last_day, BOT),
        "executions of an hour": lambda: history.trades_between(day, day + timedelta(hours=1)),
        "last 20 executions of a symbol": lambda: history.latest_trades("S007"),
        "the ledger at a restart": lambda: history.ledger(last_day),
        "open positions of all bots": lambda: history.open_positions(),
        "round trips of a session": lambda: history.round_trips(last_day, BOT),
        "orders that may be alive": lambda: history.open_intents(),
        "one order": lambda: history.intent(f"{7:032x}"),
        "highest order id": lambda: (history._highest_order_ids.clear(), history.highest_order_id(2)),
        "health samples of an hour": lambda: history.health_between(day, day + timedelta(hours=1)),
        "the account": lambda: history.account_id(),
    }
    print(f"queries of the program, {REPEATED} times each: SQL, and all of it with rows as values")
    for name, ask in asked.items():
        sql_ms, all_ms, rows = measured(history, ask)
        print(
            f"  {name:32} sql p50 {sql_ms:6.3f} ms   all p50 {all_ms:6.3f} ms   "
            f"{rows:4} rows   {goal(all_ms < GOAL_QUERY_MS)}"
        )


def measured(history: TradingHistory, ask: Callable[[], object]) -> tuple[float, float, int]:
    """Median ms of the statements alone and of the whole call, and how many rows came."""
    alone: list[float] = []
    read = history._read

    def timed_read(query: str, parameters: Sequence[object]) -> list[sqlite3.Row]:
        found: list[sqlite3.Row] = []
        alone[-1] += timed_us(lambda: found.extend(read(query, parameters)))
        return found

    history._read = timed_read  # type: ignore[method-assign]
    whole, rows = [], 0
    for _ in range(REPEATED):
        alone.append(0.0)
        before = time.perf_counter_ns()
        found = ask()
        whole.append((time.perf_counter_ns() - before) / 1_000)
        rows = len(found) if isinstance(found, list) else 1
    history._read = read  # type: ignore[method-assign]
    return median(alone) / 1_000, median(whole) / 1_000, rows


def indexed_against_unindexed(path: Path, last_day: str) -> None:
    parameters: dict[str, Sequence[object]] = {
        "trades_timestamp": (f"{last_day}T14:30:00.000000+00:00", f"{last_day}T15:30:00.000000+00:00", MODE),
        "trades_symbol_timestamp": ("S007", MODE, 20),
        "trades_session_date_bot": (MODE, last_day, BOT),
        "agent_health_timestamp": (f"{last_day}T14:30:00.000000+00:00", f"{last_day}T15:30:00.000000+00:00", MODE),
        "order_intents_open": (MODE, BOT),
        "order_intents_client_order": (2,),
    }
    print("\neach index against none")
    for index, values in parameters.items():
        query = QUERY_OF_INDEX[index]
        with closing(open_for_writing(path)) as connection:
            with_us = best_us(connection, query, values, 20)
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for other in QUERY_OF_INDEX:
                connection.execute(f"DROP INDEX {other}")
            without_us = best_us(connection, query, values, 2)
            connection.execute("ROLLBACK")
        print(
            f"  {index:28} {with_us / 1_000:8.3f} ms against {without_us / 1_000:9.1f} ms   "
            f"{without_us / with_us:9,.0f} times as fast"
        )


def best_us(connection: sqlite3.Connection, query: str, parameters: Sequence[object], times: int) -> float:
    return min(timed_us(lambda: connection.execute(query, parameters).fetchall()) for _ in range(times))


def timed_us(work: Callable[[], object]) -> float:
    before = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - before) / 1_000


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def goal(met: bool) -> str:
    return "goal met" if met else "goal MISSED"


if __name__ == "__main__":
    main()
