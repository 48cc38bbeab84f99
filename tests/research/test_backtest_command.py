"""`python -m research backtest`: what it tells, and one line for what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")

from research.__main__ import main
from research.store import BarStore
from trading.bar_columns import BarColumns

ROOT = Path(__file__).resolve().parents[2]
OPEN_S = 1_759_843_800  # 2025-10-07 13:30 UTC


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One session of AAA that rises slowly: nothing falls below the VWAP, the RSI is 100, nothing is bought."""
    path = tmp_path_factory.mktemp("data")
    (path / "minute").mkdir()
    price = 100.0 + 0.01 * np.arange(390)
    seconds = (OPEN_S + 60 * np.arange(390)) * 1_000_000
    columns = dict.fromkeys(("open", "high", "low", "close"), price)
    stamps = pa.array(seconds, pa.timestamp("us", "UTC"))
    table = pa.table({"timestamp": stamps, **columns, "volume": np.full(390, 10_000)})
    pq.write_table(table, path / "minute" / "AAA.parquet")
    return path


def test_a_day_is_told_with_its_judgements(folder: Path, tmp_path: Path) -> None:
    options = ("--market-data", str(folder), "--symbols", "AAA", "--why")
    done = subprocess.run(
        [sys.executable, "-m", "research", "backtest", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2025-10-07, 1 symbol-days" in done.stdout
    assert "0, 0 won, 0 not" in done.stdout
    assert "no_price" in done.stdout  # without earlier sessions the day trader leaves a symbol alone
    assert [path.name for path in tmp_path.iterdir()] == ["research.db"]


def refusal(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the command says on its one line before it ends with exit 2."""
    try:
        code = main(["backtest", *options])
    except SystemExit as stop:  # of argparse
        code = stop.code
    told = capsys.readouterr()
    assert code == 2
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    return told.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "2025-10-08", "--to", "2025-10-07"), "--from 2025-10-08 is after --to 2025-10-07"),
        (("--from", "2026-01-05"), "no session from 2026-01-05 to the end:"),
        (("--set", "rsi_kap=50"), "'rsi_kap' is not a parameter; did you mean rsi_cap?"),
        (("--set", "rsi_cap=500"), "--set rsi_cap=500: Input should be less than or equal to 90"),
        (("--symbols", "ZZZ"), "ZZZ has no bar in any of these sessions"),
        (("--from", "yesterday"), "'yesterday' is not a date like 2025-10-07"),
        (("--equity", "1e9"), "an equity of 1,000,000,000 USD is not within"),
    ],
)
def test_what_is_wrong_is_one_line(
    folder: Path, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refusal(capsys, "--market-data", str(folder), *options)


def test_a_corrupt_file_is_one_line_and_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "minute").mkdir()
    file = tmp_path / "minute" / "AAA.parquet"
    file.write_bytes(b"PAR1 this is no parquet file PAR1")
    assert "AAA.parquet: not a readable parquet file" in refusal(capsys, "--market-data", str(tmp_path))
    assert file.read_bytes() == b"PAR1 this is no parquet file PAR1"


def test_a_store_is_played_without_the_libraries_that_other_commands_need(tmp_path: Path) -> None:
    start_s = OPEN_S + 60 * np.arange(390)
    price = 1_000_000 + 100 * np.arange(390)
    BarStore.at(tmp_path / "bars").append("minute", "AAA", BarColumns(start_s, *[price] * 4, np.full(390, 10_000)))
    arguments = ["backtest", "--market-data", "bars", "--symbols", "AAA"]
    program = f"import sys; from research.__main__ import main; code = main({arguments}); print(code, *sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    code, *loaded = done.stdout.splitlines()[-1].split()
    assert code == "0"
    assert not {"pandas", "scipy", "matplotlib", "arch", "optuna", "dask", "exchange_calendars"} & set(loaded)
