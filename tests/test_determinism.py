"""The same command gives the same day: whatever the hash seed, the threads' timing and the load of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulated_runs import ROOT, busy_cores, files, records, rows, run

DATA = ROOT.parent / "shared" / "data"
SYMBOLS = {"WATCHLIST_UNIVERSE": "AAPL,AMD,COIN,F,MSFT,TSLA", "WATCHLIST_SIZE": "5"}
SYNTHETIC = ("2025-03-07", "--days", "2")
RECORDED = ("2025-10-07", "--market-data", str(DATA))
FEWER = {"WATCHLIST_SIZE": "5"}


def assert_same(one: Path, other: Path) -> None:
    """Compare what two runs left behind, table by table, so that a failure names the first row that differs."""
    expected, actual = records(one), records(other)
    for table, wanted in expected.items():
        for number, (row, found) in enumerate(zip(wanted, actual[table], strict=False), start=1):
            assert found == row, f"{table}, row {number}"
        assert len(actual[table]) == len(wanted), table
    assert files(other) == files(one)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic days on a machine that has nothing else to do, with hash seed 0."""
    folder = tmp_path_factory.mktemp("determinism") / "quiet"
    done = run(folder, *SYNTHETIC, settings=SYMBOLS)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


def test_the_days_that_are_compared_have_trades_to_compare(quiet: Path) -> None:
    per_day = dict(rows(quiet, "SELECT session_date, COUNT(*) FROM trades GROUP BY session_date"))
    assert list(per_day) == ["2025-03-07", "2025-03-10"]  # winter and summer time
    assert min(per_day.values()) >= 10
    assert len({reason for (reason,) in rows(quiet, "SELECT DISTINCT reason FROM trades")}) >= 3


def test_another_hash_seed_changes_nothing(quiet: Path, tmp_path: Path) -> None:
    done = run(tmp_path, *SYNTHETIC, settings=SYMBOLS, hash_seed="4242")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (quiet / "stdout").read_text()
    assert_same(quiet, tmp_path)


def test_hesitating_threads_change_nothing(quiet: Path, tmp_path: Path) -> None:
    done = run(tmp_path, *SYNTHETIC, settings=SYMBOLS, hash_seed="random", jitter_seed=1)
    assert done.returncode == 0, done.stderr
    delays = int(done.stderr.splitlines()[-1].removesuffix(" delays"))
    assert delays > 100
    assert_same(quiet, tmp_path)


def test_busy_cores_and_hesitating_threads_together_change_nothing(quiet: Path, tmp_path: Path) -> None:
    with busy_cores():
        done = run(tmp_path, *SYNTHETIC, settings=SYMBOLS, hash_seed="random", jitter_seed=2)
    assert done.returncode == 0, done.stderr
    assert_same(quiet, tmp_path)


def test_another_seed_of_the_market_is_another_day(quiet: Path, tmp_path: Path) -> None:
    done = run(tmp_path, *SYNTHETIC, "--seed", "1", settings=SYMBOLS)
    assert done.returncode == 0, done.stderr
    assert records(tmp_path)["trades"] != records(quiet)["trades"]


@pytest.mark.skipif(not DATA.is_dir(), reason="no recorded market data beside the repository")
def test_a_recorded_day_repeats_itself(tmp_path: Path) -> None:
    first = run(tmp_path / "first", *RECORDED, settings=FEWER)
    second = run(tmp_path / "second", *RECORDED, settings=FEWER, hash_seed="random", jitter_seed=3)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert rows(tmp_path / "first", "SELECT COUNT(*) FROM trades")[0][0] > 0
    assert_same(tmp_path / "first", tmp_path / "second")
