"""The whole day trader as a program of its own: start it in a folder, and read what it left there."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.terminal import ROOT, inherited_environment

PROGRAM = ROOT / "day_trader.py"
JITTERY_PROGRAM = ROOT / "tests" / "jittery_day_trader.py"
FAULTY_PROGRAM = ROOT / "tests" / "faulty_day_trader.py"
DATABASE = "history.db"
MEASURED_COLUMNS = frozenset(  # of agent_health: the machine's doing
    {"cpu_pct", "memory_mb", "memory_pct", "disk_free_mb", "database_queue"}
)
TABLES = ("trades", "decisions", "order_intents", "daily_metrics", "agent_health")


def run(
    folder: Path,
    *options: str,
    settings: Mapping[str, str],
    hash_seed: str = "0",
    jitter_seed: int | None = None,
    faults: str = "",
    program: tuple[str, ...] = (str(PROGRAM),),
    limit_s: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run `day_trader.py --allocation 0.25 --simulate OPTIONS` in `folder`; everything it writes goes there.

    `jitter_seed` lets its threads hesitate, `faults` (TOML) lets its gateway fail. `program` is another one
    that runs it. The caller looks at the exit code.
    """
    folder.mkdir(exist_ok=True)
    if jitter_seed is not None:
        program = (str(JITTERY_PROGRAM), str(jitter_seed))
    if faults:
        (folder / "faults.toml").write_text(faults, encoding="utf-8")
        program = (str(FAULTY_PROGRAM), "faults.toml")
    return subprocess.run(
        [sys.executable, *program, "--allocation", "0.25", "--db", DATABASE, "--simulate", *options],
        cwd=folder,
        env={**inherited_environment(), **settings, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query finds in the database of a run."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute(query).fetchall()


def records(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """table -> its rows in the order in which they were written, without what was measured on this machine."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [
                _unmeasured(table, dict(row)) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")
            ]
            for table in TABLES
        }


def files(folder: Path) -> dict[str, str]:
    """name -> content of every JSON file of a run: day logs and the watchlist."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.json"))}


@contextmanager
def busy_cores(count: int = 2) -> Iterator[None]:
    """Processes that do nothing as fast as they can while the block runs."""
    idlers = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for idler in idlers:
            idler.kill()
            idler.wait()


def _unmeasured(table: str, row: dict[str, Any]) -> dict[str, Any]:
    if table != "agent_health":
        return row
    return {column: value for column, value in row.items() if column not in MEASURED_COLUMNS}
