"""The cycle over recorded sessions on disk: killed at every step, repeated, misled, frozen, taken back."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from continuous_improvement import AdaptiveParameters
from improvement.__main__ import main as command
from improvement.experiment import BASELINE
from improvement.ledger import rows_of
from improvement.settings import ImprovementSettings
from improvement.steps import STEPS
from tests.improvement import world
from tests.improvement.world import BASE, DATABASE, REPORTS, SESSIONS, at_close, cycle_of, open_history, play
from trading.settings import StrategySettings

ROOT = Path(__file__).resolve().parents[2]
CHANGED_AT = 19  # the twentieth session of the losing market: not trading at all is better beyond doubt
CALMEST = BASE.with_values({"atr_floor_pct": 2.0})
CALMER = BASE.with_values({"atr_floor_pct": 1.75})
TABLES = ("parameter_changes", "experiment_days", "improvement_sessions", "improvement_steps", "evaluations")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nineteen sessions with their cycles, and a twentieth that waits for its own."""
    folder = tmp_path_factory.mktemp("recorded")
    world.make(folder, CHANGED_AT + 3)
    play(folder, range(CHANGED_AT))
    with open_history(folder) as history:
        world.record_session(history, cycle_of(history, folder), CHANGED_AT)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A copy to work in."""
    return Path(shutil.copytree(template, tmp_path / "copy"))


def day(number: int) -> str:
    return SESSIONS[number].date.isoformat()


def run_cycle(folder: Path, number: int = CHANGED_AT) -> None:
    with open_history(folder) as history:
        cycle_of(history, folder).run(day(number), at_close(number))


def report(folder: Path, number: int = CHANGED_AT) -> bytes:
    return (folder / REPORTS / f"improvement_report_{day(number)}.json").read_bytes()


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute(query).fetchall()


def everything(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(folder, f"SELECT * FROM {table} ORDER BY rowid") for table in TABLES}


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What becomes of the template when nothing goes wrong."""
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("undisturbed") / "copy"))
    run_cycle(folder)
    return folder


def test_a_better_set_is_applied_with_its_evidence_and_the_next_session_trades_it(undisturbed: Path) -> None:
    applied = rows(undisturbed, "SELECT parameter, old_value, new_value, source FROM parameter_changes WHERE applied")
    assert applied == [("atr_floor_pct", 1.5, 1.75, "rule")]
    with open_history(undisturbed) as history:
        assigned = cycle_of(history, undisturbed).begin_session(day(CHANGED_AT + 1), at_close(CHANGED_AT))
        assert (assigned.parameters, assigned.variant) == (CALMER, BASELINE)
        assert assigned.parameters.settings(StrategySettings()).parameters().atr_floor_pct == 1.75


@pytest.mark.parametrize(
    ("commit", "when"), [*((number, "before") for number in range(1, len(STEPS) + 1)), (len(STEPS), "after")]
)
def test_killed_at_a_step_the_next_start_continues_and_ends_the_same(
    folder: Path, undisturbed: Path, commit: int, when: str
) -> None:
    """Before a commit is after the one before it; after the last one only the report is missing."""
    _killed(folder, commit, when)
    is_done = when == "after"
    query = f"SELECT step FROM improvement_steps WHERE session_date = '{day(CHANGED_AT)}' ORDER BY rowid"
    assert [step for (step,) in rows(folder, query)] == list(STEPS if is_done else STEPS[: commit - 1])
    assert rows(folder, "SELECT COUNT(*) FROM parameter_changes WHERE applied") == [(int(is_done),)]
    assert unfinished(folder) == day(CHANGED_AT)
    run_cycle(folder)
    assert unfinished(folder) is None
    assert everything(folder) == everything(undisturbed)
    assert report(folder) == report(undisturbed)


def unfinished(folder: Path) -> str | None:
    with open_history(folder) as history:
        return cycle_of(history, folder).unfinished(day(CHANGED_AT + 1))


def _killed(folder: Path, commit: int, when: str) -> None:
    program = [sys.executable, "-m", "tests.improvement.world", str(folder), str(CHANGED_AT), str(commit), when]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -9, done.stderr


def test_the_same_database_and_bars_give_the_same_report_again(folder: Path, undisturbed: Path) -> None:
    run_cycle(folder)
    first = report(folder)
    assert first == report(undisturbed)
    run_cycle(folder)  # all steps are done: only the report is written again
    assert report(folder) == first
    assert (folder / REPORTS / f"improvement_report_{day(CHANGED_AT)}.html").read_text().count("<svg") > 3


def test_a_simulated_session_leaves_the_report_of_a_real_one_alone(folder: Path) -> None:
    real = folder / REPORTS / f"improvement_report_{day(CHANGED_AT)}.json"
    real.write_text('{"mode": "live"}', encoding="utf-8")
    run_cycle(folder)
    assert real.read_text(encoding="utf-8") == '{"mode": "live"}'
    assert real.with_stem(f"{real.stem}_simulated").exists()


def test_adversarial_recommendations_on_record_change_nothing_and_are_told(folder: Path, undisturbed: Path) -> None:
    said = [
        {"parameter": "stop_loss_pct", "new_value": 1e9, "source": "llm", "reason": "all in", "priority": "high"},
        {"parameter": "risk_max_daily_loss_pct", "new_value": 20, "source": "llm", "reason": "x", "priority": "high"},
        {"parameter": "rsi_cap", "new_value": 65, "source": "manual", "reason": "root", "priority": "high"},
        {"parameter": "rsi_cap", "new_value": 79.0, "source": "llm", "reason": "as far as it goes", "priority": "high"},
    ]
    with open_history(folder) as history:
        world.record_session(history, cycle_of(history, folder), CHANGED_AT, recommendations=tuple(said))
    run_cycle(folder)
    query = "SELECT parameter, new_value, source, applied FROM parameter_changes ORDER BY change_id"
    assert ("rsi_cap", 65.0, "llm", 0) in rows(folder, query)  # a step, recorded with its verdict
    assert [row for row in rows(folder, query) if row[3]] == [("atr_floor_pct", 1.75, "rule", 1)]
    assert report(folder).count(b"ValueError") == 3


def test_observing_tells_and_changes_nothing(folder: Path) -> None:
    with open_history(folder) as history:
        settings = ImprovementSettings(improvement_mode="observe")
        cycle_of(history, folder, settings=settings).run(day(CHANGED_AT), at_close(CHANGED_AT))
    assert rows(folder, "SELECT COUNT(*) FROM parameter_changes WHERE applied") == [(0,)]
    assert b"IMPROVEMENT_MODE=observe" in report(folder)


def test_a_changed_env_wins_over_what_was_learned_and_is_told_once(folder: Path) -> None:
    run_cycle(folder)
    moved = BASE.with_values({"atr_floor_pct": 1.0, "stop_loss_pct": 0.9})
    with open_history(folder) as history:
        cycle = cycle_of(history, folder, base=moved)
        assigned = cycle.begin_session(day(CHANGED_AT + 1), at_close(CHANGED_AT))
        assert assigned.parameters == moved
        assert len(assigned.notes) == 2
        assert ".env says 1 for atr_floor_pct now, it said 1.5" in assigned.notes[1]
        assert cycle.begin_session(day(CHANGED_AT + 1), at_close(CHANGED_AT)).notes == ()


def test_a_session_whose_program_died_before_measuring_it_is_measured_from_the_record(folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("DELETE FROM daily_metrics WHERE session_date = ?", [day(CHANGED_AT)])
        connection.execute("DELETE FROM evaluations WHERE session_date = ?", [day(CHANGED_AT)])
    run_cycle(folder)
    assert rows(folder, f"SELECT trades FROM daily_metrics WHERE session_date = '{day(CHANGED_AT)}'") == [(0,)]
    assert rows(folder, f"SELECT source FROM evaluations WHERE session_date = '{day(CHANGED_AT)}'") == [("rules",)]


def test_without_bars_the_cycle_reports_and_changes_nothing(folder: Path) -> None:
    shutil.rmtree(folder / world.BARS)
    run_cycle(folder)
    assert rows(folder, "SELECT COUNT(*) FROM parameter_changes WHERE applied") == [(0,)]
    assert b'"recorded_sessions": 0' in report(folder)


# The commands


@pytest.fixture
def quiet_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield


@pytest.mark.usefixtures("quiet_env")
def test_rollback_takes_the_change_back_for_the_next_session_and_only_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_cycle(folder)
    database = str(folder / DATABASE)
    assert command(["--db", database, "--rollback"]) == 0
    assert "atr_floor_pct  1.75       1.5" in capsys.readouterr().out
    assert command(["--db", database, "--rollback"]) == 0
    assert "Nothing to take back" in capsys.readouterr().out
    with open_history(folder) as history:
        assert AdaptiveParameters(history, BASE).present() == BASE
        assert cycle_of(history, folder).begin_session(day(CHANGED_AT + 1), at_close(CHANGED_AT)).parameters == BASE
    source = "SELECT source, old_value, new_value FROM parameter_changes WHERE applied ORDER BY change_id DESC LIMIT 1"
    assert rows(folder, source) == [("rollback", 1.75, 1.5)]


@pytest.mark.usefixtures("quiet_env")
def test_steps_are_taken_back_one_by_one_and_all_of_them_lead_to_env(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(folder / DATABASE)
    with open_history(folder) as history:
        for number, (old, new) in enumerate([(BASE, CALMER), (CALMER, CALMEST)]):
            history.commit_improvement(
                changes=rows_of(
                    *(old, new),
                    source="rule",
                    reason="a step",
                    evidence={},
                    session_date=day(number),
                    now=at_close(number),
                )
            )
    told = []
    for how in (["--rollback"], ["--rollback"], ["--rollback"]):
        assert command(["--db", database, *how]) == 0
        told.append(capsys.readouterr().out.splitlines()[-1].split())
    assert told[:2] == [["atr_floor_pct", "2", "1.75"], ["atr_floor_pct", "1.75", "1.5"]]
    assert told[2][:3] == ["Nothing", "to", "take"]


@pytest.mark.usefixtures("quiet_env")
def test_frozen_by_hand_nothing_changes_until_it_is_lifted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = str(folder / DATABASE)
    assert command(["--db", database, "--freeze", "holiday"]) == 0
    run_cycle(folder)
    assert rows(folder, "SELECT COUNT(*) FROM parameter_changes WHERE applied") == [(0,)]
    assert b'"frozen": "holiday"' in report(folder)
    assert command(["--db", database, "--status"]) == 0
    assert "Frozen: holiday" in capsys.readouterr().out
    assert command(["--db", database, "--unfreeze"]) == 0
    with open_history(folder) as history:
        assert AdaptiveParameters(history, BASE).frozen == ""


@pytest.mark.usefixtures("quiet_env")
def test_status_and_history_show_what_is_in_force_and_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_cycle(folder)
    assert command(["--db", str(folder / DATABASE)]) == 0
    told = capsys.readouterr().out
    assert "atr_floor_pct      1.75         1.5" in told
    assert f"On probation since {day(CHANGED_AT)}" in told
    assert command(["--db", str(folder / DATABASE), "--history"]) == 0
    assert "search around the present set: atr_floor_pct 1.75" in capsys.readouterr().out


@pytest.mark.usefixtures("quiet_env")
@pytest.mark.parametrize("what", ["missing", "empty", "other"])
def test_a_database_without_a_cycle_is_one_line_and_exit_2(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.db"
    if what == "empty":
        open_history(tmp_path).close()
        file = tmp_path / DATABASE
    elif what == "other":
        file.write_bytes(b"no database at all" * 100)
    assert command(["--db", str(file)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_two_wishes_at_once_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command(["--rollback", "--freeze"])
    assert stop.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
