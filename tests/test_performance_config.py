"""Hardware becomes a configuration, the configuration is verified, and trading does not depend on it."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import performance_config
from performance_config import (
    RULES,
    Hardware,
    PerformanceConfig,
    PerformanceSettings,
    choices,
    container_limits,
    fsync_ms,
    hardware_rows,
    jobs_at_once,
    main,
    read_hardware,
    tuned,
    verify,
)
from tests.simulated_runs import DATABASE, files, records, run
from utils import Misconfigured, load_settings, read_environment

SMALL = Hardware(
    cores=2,
    memory_mb=4_096,
    memory_free_mb=2_000,
    disk_mb=100_000,
    disk_free_mb=50_000,
    file_system="ext4",
    is_network_disk=False,
    is_64_bit=True,
    machine_cores=2,
    machine_memory_mb=4_096,
)
AS_TUNED = PerformanceSettings()
NAMES = [field.name for field in fields(PerformanceConfig)]
ANALYSIS = ["cores", "memory", "memory free", "disk", "disk free", "file system", "durable write"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in PerformanceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


@pytest.fixture
def simulated(folder: Path) -> Path:
    """The database of one simulated day, as the program leaves it."""
    done = run(folder, "2026-03-05", settings={"WATCHLIST_UNIVERSE": "AAPL,F", "WATCHLIST_SIZE": "2"})
    assert done.returncode == 0, done.stderr
    return Path(DATABASE)


def machine(**changes: Any) -> Hardware:
    return replace(SMALL, **changes)


# Tuning


@pytest.mark.parametrize(
    ("cores", "memory_mb", "expected"),
    [
        (1, 512, (6, 10, 32, 1)),
        (2, 4_096, (6, 10, 256, 2)),
        (4, 8_192, (6, 10, 256, 3)),  # one core is left to trading
        (6, 16_384, (6, 18, 256, 5)),  # 10 + (16 - 8)
        (8, 4_096, (8, 10, 256, 2)),  # (4096 - 2048) / 1024 fit into memory
        (16, 65_536, (16, 64, 256, 15)),  # 10 + 56 would be 66
        (64, 524_288, (20, 64, 256, 63)),
    ],
)
def test_workers_cache_map_and_processes_follow_the_machine(
    cores: int, memory_mb: int, expected: tuple[int, int, int, int]
) -> None:
    config = tuned(AS_TUNED, machine(cores=cores, memory_mb=memory_mb))
    found = (config.watchlist_workers, config.sqlite_cache_mb, config.sqlite_mmap_mb, config.research_processes)
    assert found == expected


def test_intervals_are_the_same_on_every_machine() -> None:
    for hardware in (SMALL, machine(cores=64, memory_mb=524_288), machine(cores=1, memory_mb=256)):
        config = tuned(AS_TUNED, hardware)
        assert (config.monitor_interval_s, config.health_interval_s) == (5, 60)


@pytest.mark.parametrize("change", [{"is_network_disk": True, "file_system": "nfs4"}, {"is_64_bit": False}])
def test_no_file_is_mapped_where_that_is_unsafe_or_too_narrow(change: dict[str, Any]) -> None:
    assert tuned(AS_TUNED, machine(**change)).sqlite_mmap_mb == 0


def test_what_changes_by_the_minute_does_not_tune() -> None:
    busy = machine(memory_free_mb=1, disk_free_mb=1)
    assert choices(AS_TUNED, busy) == choices(AS_TUNED, SMALL)


def test_every_value_has_a_rule_a_setting_and_a_reason() -> None:
    assert list(RULES) == NAMES
    assert [name.removeprefix("perf_") for name in PerformanceSettings.model_fields] == NAMES
    assert [choice.name for choice in choices(AS_TUNED, SMALL) if choice.reason] == NAMES


@pytest.mark.parametrize(("name", "value"), list(zip(NAMES, (3, 99, 0, 10, 120, 7), strict=True)))
def test_every_value_can_be_set_and_says_so(name: str, value: int, tmp_path: Path) -> None:
    variable = f"PERF_{name.upper()}"
    settings = load_settings(PerformanceSettings, read_environment(tmp_path / ".env", process={variable: str(value)}))
    assert getattr(tuned(settings, SMALL), name) == value
    (choice,) = [each for each in choices(settings, SMALL) if each.name == name]
    would_be = getattr(tuned(AS_TUNED, SMALL), name)
    assert choice.reason == f"set by {variable}; tuned would be {would_be}"
    others = [each for each in choices(settings, SMALL) if each.name != name]
    assert others == [each for each in choices(AS_TUNED, SMALL) if each.name != name]


def test_a_health_check_that_would_fall_between_two_looks_is_refused() -> None:
    with pytest.raises(Misconfigured, match="PERF_HEALTH_INTERVAL_S: 60 is not a multiple of 7"):
        tuned(PerformanceSettings(perf_monitor_interval_s=7), SMALL)
    assert tuned(PerformanceSettings(perf_monitor_interval_s=7, perf_health_interval_s=70), SMALL)


# Hardware


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    hardware = read_hardware(tmp_path / "not" / "there")
    assert 1 <= hardware.cores <= hardware.machine_cores
    assert 0 < hardware.memory_free_mb <= hardware.memory_mb <= hardware.machine_memory_mb
    assert 0 < hardware.disk_free_mb <= hardware.disk_mb
    assert hardware.file_system


def test_limits_of_a_container_and_of_what_holds_it_are_found(tmp_path: Path) -> None:
    inner = tmp_path / "cgroup" / "slice" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "self").write_text("4:memory:/old\n0::/slice/inner\n")
    assert container_limits(tmp_path / "self", tmp_path / "cgroup") == (None, None)
    (inner / "cpu.max").write_text("max 100000\n")
    (inner / "memory.max").write_text("2147483648\n")
    (inner.parent / "cpu.max").write_text("150000 100000\n")
    (inner.parent / "memory.max").write_text("max\n")
    (tmp_path / "memory.max").write_text("1\n")  # outside of the groups
    assert container_limits(tmp_path / "self", tmp_path / "cgroup") == (1.5, 2_147_483_648)


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert container_limits(tmp_path / "none", tmp_path) == (None, None)


def test_a_container_counts_as_its_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(performance_config, "container_limits", lambda: (0.5, 64 << 20))
    hardware = read_hardware(tmp_path)
    assert (hardware.cores, hardware.memory_mb) == (1, 64)
    assert hardware.memory_free_mb <= 64


def test_the_disk_is_that_of_the_innermost_and_latest_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root, inner = Path(tmp_path.anchor), tmp_path.resolve()
    mounts = [(inner, "ext4", "rw"), (root, "rootfs", "rw"), (inner, "nfs4", "rw"), (inner / "deeper", "xfs", "rw")]
    partitions = [SimpleNamespace(mountpoint=str(path), fstype=kind, opts=opts) for path, kind, opts in mounts]
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: partitions)
    assert (read_hardware(inner).file_system, read_hardware(inner).is_network_disk) == ("nfs4", True)
    partitions[2:] = [SimpleNamespace(mountpoint=str(root), fstype="NTFS", opts="rw,remote")]
    assert (read_hardware(inner).file_system, read_hardware(inner).is_network_disk) == ("ext4", False)
    assert read_hardware(inner.parent).is_network_disk  # as Windows tells it


def test_a_durable_write_is_timed_where_it_is_possible(tmp_path: Path) -> None:
    measured = fsync_ms(tmp_path)
    assert measured is not None
    assert 0 < measured < 10_000
    assert list(tmp_path.iterdir()) == []
    assert fsync_ms(tmp_path / "not there") is None


def test_analysis_warns_of_what_is_scarce() -> None:
    poor = machine(memory_mb=512, disk_free_mb=100, is_network_disk=True, file_system="nfs4")
    warned = [name for name, _, words in hardware_rows(poor, None) if words.startswith("WARNING")]
    assert warned == ["memory", "disk free", "file system", "durable write"]
    assert [name for name, _, words in hardware_rows(SMALL, 0.2) if "WARNING" in words] == []
    limited = {name: words for name, _, words in hardware_rows(machine(machine_cores=8), 0.2)}
    assert limited["cores"] == "of 8 in the machine"


# Verification and command


def test_workers_are_really_at_work_at_once() -> None:
    assert jobs_at_once(6) == 6


def test_a_system_that_refuses_threads_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def start_two(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    assert jobs_at_once(6) == 0


def test_idle_workers_fail_their_check(simulated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance_config, "jobs_at_once", lambda workers: workers - 1)
    config = replace(tuned(AS_TUNED, SMALL), watchlist_workers=7)
    assert verify(simulated, config)[-1] == ("watchlist workers", False, "6 of 7 at work at the same time")


def test_a_simulated_day_passes_every_check(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--verify", "--db", str(simulated)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("  ok  " in line for line in lines) == 18
    assert lines[-1] == "18 of 18 checks hold"


def test_a_lost_index_or_another_setting_fails_its_check(
    simulated: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(simulated)) as connection:
        connection.execute("DROP INDEX trades_symbol_timestamp")
    monkeypatch.setenv("PERF_WATCHLIST_WORKERS", "21")  # no machine is tuned to that
    assert main(["--verify", "--json", "--db", str(simulated)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["configuration"]["watchlist_workers"]["value"] == 21
    assert report["verification"]["ok"] is False
    assert [check["name"] for check in report["verification"]["checks"] if not check["ok"]] == [
        "index trades_symbol_timestamp",
        "last run of day_trader",
    ]


def test_the_real_history_is_verified_before_the_simulated_one(
    simulated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated.rename("simulated_history.db")
    assert main(["--verify"]) == 0
    assert capsys.readouterr().out.startswith("Verification of simulated_history.db")
    Path("trading_history.db").touch()
    assert main(["--verify"]) == 2
    assert capsys.readouterr().err == "performance_config.py: trading_history.db: is empty, no run has used it\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--verify"], "there is no database trading_history.db nor simulated_history.db: run a day first"),
        (["--verify", "--db", "lost.db"], "there is no database lost.db: run a day first"),
    ],
)
def test_no_database_is_one_line_and_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"performance_config.py: {words}")
    assert told.err.count("\n") == 1


def test_a_bad_setting_is_one_line_and_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERF_WATCHLIST_WORKERS", "0")
    assert main([]) == 2
    told = capsys.readouterr().err
    assert told.startswith("performance_config.py: PERF_WATCHLIST_WORKERS=0 (from the environment): ")
    assert told.endswith("; allowed 1..64\n")


def test_only_a_misspelt_variable_of_this_room_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_text("PERF_WORKERS=3\nIB_PORT=4002\n")
    assert main([]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("performance_config.py: PERF_WORKERS (from .env) is not a setting")


def test_a_database_without_verify_is_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--db", "history.db"])
    assert stop.value.code == 2
    assert "--db needs --verify" in capsys.readouterr().err


def test_every_value_is_printed_with_its_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[0] for row in rows if row] == NAMES
    assert all(len(row.split()) > 3 for row in rows if row)


def test_analysis_shows_the_hardware_before_the_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--analyze"]) == 0
    text = capsys.readouterr().out
    assert [text.index(f"\n{name}") for name in (*ANALYSIS, *NAMES)] == sorted(
        text.index(f"\n{name}") for name in (*ANALYSIS, *NAMES)
    )
    assert main(["--analyze", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["configuration"]) == NAMES
    assert report["hardware"]["cores"] >= 1
    assert report["hardware"]["durable_write_ms"] > 0


# Trading does not depend on the machine


def test_another_machine_makes_the_same_day(tmp_path: Path) -> None:
    day = ("2026-03-05",)
    symbols = {"WATCHLIST_UNIVERSE": "AAPL,AMD,COIN,F,MSFT,TSLA", "WATCHLIST_SIZE": "5"}
    narrow = {"PERF_WATCHLIST_WORKERS": "1", "PERF_SQLITE_CACHE_MB": "1", "PERF_SQLITE_MMAP_MB": "0"}
    wide = {"PERF_WATCHLIST_WORKERS": "20", "PERF_SQLITE_CACHE_MB": "64", "PERF_SQLITE_MMAP_MB": "256"}
    for name, settings in (("narrow", narrow), ("wide", wide)):
        done = run(tmp_path / name, *day, settings={**symbols, **settings})
        assert done.returncode == 0, done.stderr
    assert len(records(tmp_path / "narrow")["trades"]) >= 4
    assert records(tmp_path / "wide") == records(tmp_path / "narrow")
    assert files(tmp_path / "wide") == files(tmp_path / "narrow")
