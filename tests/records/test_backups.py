"""Backups, their retention, the way back, and old rows that leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from observability import TradingHistory
from records.__main__ import main
from records.backups import back_up, backups_of
from records.faults import RecordsFailed
from records.rows import DecisionRow, HealthRow
from records.settings import RecordsSettings
from tests.test_trading_history import DAY, OPEN, intent, trade
from utils import HaltTrading

LIMIT_S = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def history(path: Path) -> Iterator[TradingHistory]:
    settings = RecordsSettings(records_backups=2, records_keep_days=30)
    with TradingHistory(path, bot="day_trader", mode="paper", settings=settings) as history:
        yield history


def exec_ids(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT exec_id FROM trades ORDER BY trade_id")]


def damage_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xa5" * (path.stat().st_size - 4_096))


def test_a_session_ends_with_a_copy_that_holds_all_of_it_and_the_oldest_copies_leave(
    history: TradingHistory, path: Path
) -> None:
    for day in (6, 7, 8):
        history.record_trade(trade(f"e{day}"))
        assert history.end_session(f"2025-10-0{day}", OPEN) == ""
    kept = [file.name for file in backups_of(path)]
    assert kept == ["history-2025-10-08.db", "history-2025-10-07.db"]
    assert exec_ids(path.parent / "backups" / kept[0]) == ["e6", "e7", "e8"]
    assert exec_ids(path.parent / "backups" / kept[1]) == ["e6", "e7"]
    assert sorted(file.name for file in (path.parent / "backups").iterdir()) == sorted(kept)


def test_the_same_session_again_replaces_its_copy(history: TradingHistory, path: Path) -> None:
    for exec_id in ("e1", "e2"):
        history.record_trade(trade(exec_id))
        history.end_session(DAY, OPEN)
    (only,) = backups_of(path)
    assert exec_ids(only) == ["e1", "e2"]


def test_a_copy_is_made_while_another_program_writes(history: TradingHistory, path: Path) -> None:
    history.record_trade(trade("e1"))
    history.flush().result(LIMIT_S)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO meta VALUES ('half', 'done')")
        copy = back_up(path, DAY, keep=1)
        other.execute("ROLLBACK")
    assert exec_ids(copy) == ["e1"]


def test_a_damaged_database_never_replaces_a_good_copy(history: TradingHistory, path: Path) -> None:
    for number in range(500):
        history.record_trade(trade(f"e{number}"))
    assert history.end_session(DAY, OPEN) == ""
    history.close()
    damage_pages(path)
    with pytest.raises(RecordsFailed):
        back_up(path, DAY, keep=1)
    (good,) = backups_of(path)
    assert len(exec_ids(good)) == 500
    assert [file.name for file in good.parent.iterdir()] == [good.name]


def test_simulated_sessions_make_no_copies(path: Path) -> None:
    with TradingHistory(path, bot="day_trader", mode="simulated") as history:
        assert history.end_session(DAY, OPEN) == ""
    assert backups_of(path) == []


def test_a_failed_backup_is_told_and_ends_nothing(history: TradingHistory, path: Path) -> None:
    (path.parent / "backups").write_text("in the way")
    assert "the backup failed" in history.end_session(DAY, OPEN)
    assert history.healthy


def test_old_decisions_and_samples_leave_and_trades_and_orders_stay(history: TradingHistory) -> None:
    for days in (0, 29, 31, 400):
        then = OPEN - timedelta(days=days)
        history.record_trade(trade(f"e{days}", timestamp=then))
        history.commit_intents([intent(f"i{days}", created_at=then)])
    decision = DecisionRow(decision_id="", timestamp=OPEN, session_date=DAY, symbol="F", kind="deny")
    sample = HealthRow(timestamp=OPEN, agent="day_trader", status="normal")
    for number, days in enumerate([400] * 6_000 + [31] * 3 + [29] * 3 + [0]):  # more than one chunk
        then = OPEN - timedelta(days=days)
        history.record_decision(replace(decision, decision_id=f"d{number}", timestamp=then))
        history.record_health(replace(sample, timestamp=then))
    history.end_session(DAY, OPEN)
    with closing(sqlite3.connect(history.path)) as connection:
        counts = {
            table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("decisions", "agent_health", "trades", "order_intents")
        }
    assert counts == {"decisions": 4, "agent_health": 4, "trades": 4, "order_intents": 4}


def test_the_way_back_from_a_damaged_database(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        for number in range(500):
            history.record_trade(trade(f"e{number}"))
        history.end_session("2025-10-06", OPEN)
        history.record_trade(trade("later"))
        history.end_session("2025-10-07", OPEN)
    damage_pages(path)
    damage_pages(backups_of(path)[0])  # the newest copy is no good either
    with pytest.raises(HaltTrading, match="is damaged"):
        TradingHistory(path, bot="day_trader", mode="paper")
    assert main(["check", "--db", str(path)]) == 3
    assert main(["restore", "--db", str(path)]) == 0
    told = capsys.readouterr()
    assert "history-2025-10-06.db; what happened after it is not in it" in told.out
    assert "is damaged" in told.err
    assert main(["check", "--db", str(path)]) == 0
    assert len(list(path.parent.glob("history.damaged-*.db"))) == 1
    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        assert len(history.trades()) == 500


def test_without_a_good_copy_nothing_is_moved(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"\xa5" * 9_000)
    assert main(["restore", "--db", str(path)]) == 2
    assert "there is no good backup" in capsys.readouterr().err
    assert [file.name for file in path.parent.iterdir()] == ["history.db"]


def test_a_copy_can_be_made_by_hand(history: TradingHistory, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.record_trade(trade("e1"))
    history.flush().result(LIMIT_S)
    assert main(["backup", "--db", str(path)]) == 0
    assert capsys.readouterr().out.endswith(".db: made and checked\n")
    assert exec_ids(backups_of(path)[0]) == ["e1"]


@pytest.mark.parametrize("arguments", [[], ["check"], ["mend", "--db", "x"], ["check", "--db", "absent.db"]])
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code  # type: ignore[assignment]
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1
