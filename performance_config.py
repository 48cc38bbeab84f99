"""What the machine allows: `python performance_config.py` prints the tuned configuration and the reason for each value.

Hardware becomes workers, cache sizes and research processes once, at the start; entries pass them down frozen.
Tuned on is only what two starts on one machine agree about: cores, all memory, the kind of disk. Free memory and
free space are shown and warned about.

What is traded does not depend on the machine. The two intervals are rules and the same everywhere unless set. Workers
change only how soon a result is there: simulated time releases completions in the order of submission, and the
analyst reads its results in the order of the universe. Caches and maps hold what the file holds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from commands import DONE, FAULT, WRONG_USAGE, CommandParser
from utils import Misconfigured, TradingError, load_settings, read_environment, unknown_variables

if TYPE_CHECKING:
    from records.inspection import Check

DATABASES = (Path("trading_history.db"), Path("simulated_history.db"))  # the first that exists is verified

MIB = 1 << 20
WORKERS, MOST_WORKERS = 6, 20  # 20: requests for history that the broker has in flight at once, by default
CACHE_MB, MOST_CACHE_MB, CACHE_GROWS_FROM_GB = 10, 64, 8
MAP_SHARE, MOST_MAP_MB = 16, 256  # a million trades take 320 MB; mapped, reading them all is 10 to 20 % faster
MONITOR_INTERVAL_S, HEALTH_INTERVAL_S = 5, 60
RESEARCH_PROCESS_MB, SYSTEM_MB = 1_024, 2_048
CORES_TO_SPARE_ONE = 4

SCARCE_MB = 1_024  # of memory or free space
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs"}
)
FSYNCS = 15  # measured by --analyze, odd for the median


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    about = "The tuned configuration of this machine, and why."
    parser = CommandParser(prog="performance_config.py", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("--analyze", action="store_true", help="show the hardware too, with the time of a durable commit")
    add("--verify", action="store_true", help="check that WAL, indexes, workers and caches are really active")
    add("--db", type=Path, metavar="FILE", help=f"database to verify; default {' or '.join(map(str, DATABASES))}")
    add("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    build_parser().parse_args()  # before pydantic is imported: --help and wrong usage are answered at once

from pydantic import BaseModel, ConfigDict, Field  # noqa: E402

from health.workers import jobs_at_once  # noqa: E402


class PerformanceSettings(BaseModel):
    """What the user wants instead of the tuned values. None: as tuned."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("PERF_",)

    perf_watchlist_workers: int | None = Field(default=None, description="threads of the watchlist", ge=1, le=64)
    perf_sqlite_cache_mb: int | None = Field(default=None, description="cache of a database connection", ge=1, le=2_048)
    perf_sqlite_mmap_mb: int | None = Field(
        default=None, description="part of the database that readers map into memory, 0 is none", ge=0, le=1_024
    )
    perf_monitor_interval_s: int | None = Field(
        default=None, description="seconds between two looks at the market; research assumes 5", ge=1, le=60
    )
    perf_health_interval_s: int | None = Field(
        default=None, description="seconds between health checks, a multiple of the monitor interval", ge=5, le=300
    )
    perf_research_processes: int | None = Field(default=None, description="processes of a search", ge=1, le=256)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceConfig:
    """The tuned configuration. Intervals are part of the trading rules and do not depend on the machine."""

    watchlist_workers: int = WORKERS
    sqlite_cache_mb: int = CACHE_MB
    sqlite_mmap_mb: int = 0
    monitor_interval_s: int = MONITOR_INTERVAL_S
    health_interval_s: int = HEALTH_INTERVAL_S
    research_processes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What this process may use, and the disk below one directory. Sizes in MB of 2**20 bytes."""

    cores: int  # after affinity and the container's quota
    memory_mb: int  # after the container's limit
    memory_free_mb: int
    disk_mb: int
    disk_free_mb: int
    file_system: str
    is_network_disk: bool
    is_64_bit: bool
    machine_cores: int
    machine_memory_mb: int


class Choice(NamedTuple):
    """A value of the configuration and why it is so."""

    name: str  # the field of PerformanceConfig
    value: int
    reason: str


# --- tuning -----------------------------------------------------------------------------------------------------


def tuned(settings: PerformanceSettings, hardware: Hardware) -> PerformanceConfig:
    """The configuration for `hardware`, with what the user set. Raises Misconfigured on intervals that do not fit."""
    return PerformanceConfig(**{choice.name: choice.value for choice in choices(settings, hardware)})


def choices(settings: PerformanceSettings, hardware: Hardware) -> list[Choice]:
    """Every value with its reason, in the order of the fields. Raises Misconfigured on intervals that do not fit."""
    made: dict[str, Choice] = {}
    for field in fields(PerformanceConfig):
        value, reason = RULES[field.name](hardware)
        setting = f"perf_{field.name}"
        wanted: int | None = getattr(settings, setting)
        if wanted is not None:
            value, reason = wanted, f"set by {setting.upper()}; tuned would be {value}"
        made[field.name] = Choice(field.name, value, reason)
    health, monitor = made["health_interval_s"].value, made["monitor_interval_s"].value
    if health % monitor:
        raise Misconfigured(
            f"PERF_HEALTH_INTERVAL_S: {health} is not a multiple of {monitor}, the seconds between two looks "
            "at the market (PERF_MONITOR_INTERVAL_S)"
        )
    return list(made.values())


def _watchlist_workers(hardware: Hardware) -> tuple[int, str]:
    if hardware.cores <= WORKERS:
        return WORKERS, "they wait for data more than for a core, so six on small machines too"
    if hardware.cores <= MOST_WORKERS:
        return hardware.cores, f"one a core; {WORKERS} on small machines"
    return MOST_WORKERS, f"one a core, but no more than the {MOST_WORKERS} requests the gateway answers at once"


def _sqlite_cache_mb(hardware: Hardware) -> tuple[int, str]:
    more_gb = hardware.memory_mb // 1_024 - CACHE_GROWS_FROM_GB
    if more_gb <= 0:
        return CACHE_MB, f"enough for the inner pages of all indexes; more from {CACHE_GROWS_FROM_GB} GB of memory"
    return min(CACHE_MB + more_gb, MOST_CACHE_MB), (
        f"{CACHE_MB} and one more for each GB of memory above {CACHE_GROWS_FROM_GB}, {MOST_CACHE_MB} at most"
    )


def _sqlite_mmap_mb(hardware: Hardware) -> tuple[int, str]:
    if hardware.is_network_disk:
        return 0, f"{hardware.file_system} is a network disk: a lost connection would end the process"
    if not hardware.is_64_bit:
        return 0, "addresses of 32 bits are too scarce to map a file"
    return min(hardware.memory_mb // MAP_SHARE, MOST_MAP_MB), (
        f"1/{MAP_SHARE} of the memory, {MOST_MAP_MB} at most; readers of whole tables copy less, the writer never maps"
    )


def _research_processes(hardware: Hardware) -> tuple[int, str]:
    spare = hardware.cores >= CORES_TO_SPARE_ONE
    by_cores = hardware.cores - spare
    by_memory = max(1, (hardware.memory_mb - SYSTEM_MB) // RESEARCH_PROCESS_MB)
    if by_memory < by_cores:
        return by_memory, f"{RESEARCH_PROCESS_MB} MB of memory each, and {SYSTEM_MB} for the rest"
    return by_cores, "one a core, with one core left to trading" if spare else "one a core"


RULES: Mapping[str, Callable[[Hardware], tuple[int, str]]] = {  # field of PerformanceConfig -> value and reason
    "watchlist_workers": _watchlist_workers,
    "sqlite_cache_mb": _sqlite_cache_mb,
    "sqlite_mmap_mb": _sqlite_mmap_mb,
    "monitor_interval_s": lambda _: (MONITOR_INTERVAL_S, "a rule of trading, the same on every machine"),
    "health_interval_s": lambda _: (HEALTH_INTERVAL_S, "once a minute on every machine"),
    "research_processes": _research_processes,
}


# --- hardware ---------------------------------------------------------------------------------------------------


def read_hardware(directory: Path = Path()) -> Hardware:
    """This machine, with the disk that holds `directory` (the nearest parent that exists)."""
    import psutil

    directory = directory.resolve()
    while not directory.is_dir():
        directory = directory.parent
    machine_cores = psutil.cpu_count() or 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine_cores
    memory = psutil.virtual_memory()
    quota_cores, limit_bytes = container_limits()
    usable_bytes = min(memory.total, limit_bytes or memory.total)
    disk = psutil.disk_usage(str(directory))
    mounts = [each for each in psutil.disk_partitions(all=True) if directory.is_relative_to(each.mountpoint)]
    mount = max(reversed(mounts), key=lambda each: len(each.mountpoint), default=None)  # a later one covers an earlier
    file_system = mount.fstype if mount else "unknown"
    return Hardware(
        cores=max(1, min(cores, int(quota_cores or cores))),
        memory_mb=usable_bytes // MIB,
        memory_free_mb=min(memory.available, usable_bytes) // MIB,
        disk_mb=disk.total // MIB,
        disk_free_mb=disk.free // MIB,
        file_system=file_system,
        is_network_disk=file_system in NETWORK_FILE_SYSTEMS or (mount is not None and "remote" in mount.opts),
        is_64_bit=sys.maxsize > 2**32,
        machine_cores=machine_cores,
        machine_memory_mb=memory.total // MIB,
    )


def container_limits(
    own_groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> tuple[float | None, int | None]:
    """Cores and bytes of memory that Linux control groups (version 2) allow this process; None: no limit."""
    own = next((line[3:] for line in _lines(own_groups) if line.startswith("0::")), None)
    if own is None:
        return None, None
    group = root / own.strip("/")
    groups = [each for each in (group, *group.parents) if each.is_relative_to(root)]
    quotas, limits = [], []
    for each in groups:  # a limit of a parent holds too
        for line in _lines(each / "cpu.max"):
            quota, period = line.split()
            quotas += [int(quota) / int(period)] if quota != "max" else []
        limits += [int(line) for line in _lines(each / "memory.max") if line != "max"]
    return min(quotas, default=None), min(limits, default=None)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:  # another system, or a group that this process may not see: no limit is known
        return []


def fsync_ms(directory: Path) -> float | None:
    """Median time to make 4 KB durable in `directory`, which each order waits for; None: it cannot be written."""
    from tempfile import TemporaryFile

    times_s = []
    try:
        with TemporaryFile(dir=directory) as file:
            for _ in range(FSYNCS):
                file.write(b"0" * 4_096)
                file.flush()
                start = perf_counter()
                os.fsync(file.fileno())
                times_s.append(perf_counter() - start)
    except OSError:
        return None
    return sorted(times_s)[FSYNCS // 2] * 1_000


def hardware_rows(hardware: Hardware, commit_ms: float | None) -> list[tuple[str, str, str]]:
    """What was found, as name, value and what to know about it."""
    cores = f"of {hardware.machine_cores} in the machine" if hardware.cores < hardware.machine_cores else ""
    memory = f"of {hardware.machine_memory_mb:,} MB in the machine"
    memory *= hardware.memory_mb < hardware.machine_memory_mb
    scarce = "WARNING: less than 1 GB"
    network = "WARNING: a network disk; the database's write-ahead log needs a local one"
    durable = ("not possible", "WARNING: the directory cannot be written")
    if commit_ms is not None:
        durable = (f"{commit_ms:.3f} ms", "what each order waits for")
    return [
        ("cores", str(hardware.cores), cores),
        ("memory", f"{hardware.memory_mb:,} MB", scarce if hardware.memory_mb < SCARCE_MB else memory),
        ("memory free", f"{hardware.memory_free_mb:,} MB", ""),
        ("disk", f"{hardware.disk_mb:,} MB", ""),
        ("disk free", f"{hardware.disk_free_mb:,} MB", scarce if hardware.disk_free_mb < SCARCE_MB else ""),
        ("file system", hardware.file_system, network if hardware.is_network_disk else ""),
        ("durable write", *durable),
    ]


# --- verification -----------------------------------------------------------------------------------------------


def find_database(named: Path | None) -> Path:
    """The database to verify. Raises Misconfigured when there is none."""
    for path in (named,) if named else DATABASES:
        if path.exists():
            return path
    names = named or " nor ".join(map(str, DATABASES))
    raise Misconfigured(f"there is no database {names}: run a day first, or name another with --db")


def verify(database: Path, config: PerformanceConfig) -> list[Check]:
    """Check, without writing, that the workers, `database` and the last runs on it work as `config` says.

    Raises Misconfigured when the file is not a database of this program, Retryable when it is locked.
    """
    from records.inspection import Check, inspect_database
    from records.queries import QUERY_OF_INDEX

    checks = inspect_database(database, QUERY_OF_INDEX, asdict(config))
    wanted, at_once = config.watchlist_workers, jobs_at_once(config.watchlist_workers)
    return [*checks, Check("watchlist workers", at_once == wanted, f"{at_once} of {wanted} at work at the same time")]


# --- command ----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done and everything holds, 1 a check failed, 2 wrong usage or no database."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.db and not args.verify:
        parser.error("--db needs --verify")
    try:
        return _report(args)
    except TradingError as error:
        print(f"performance_config.py: {error}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, Misconfigured) else FAULT


def _report(args: argparse.Namespace) -> int:
    environment = read_environment()
    settings = load_settings(PerformanceSettings, environment)
    for line in unknown_variables(environment, (PerformanceSettings,)):
        if line.startswith(PerformanceSettings.ENV_PREFIXES):  # the other rooms' variables are not unknown
            print(f"performance_config.py: {line}", file=sys.stderr)
    database = find_database(args.db) if args.verify else None
    directory = database.parent if database else Path()
    hardware = read_hardware(directory)
    chosen = choices(settings, hardware)
    commit_ms = fsync_ms(directory) if args.analyze else None
    checks = verify(database, tuned(settings, hardware)) if database else []
    held = sum(check.ok for check in checks)
    if args.json:
        values = {each.name: {"value": each.value, "reason": each.reason} for each in chosen}
        report: dict[str, Any] = {"configuration": values}
        if args.analyze:
            report["hardware"] = {**asdict(hardware), "durable_write_ms": commit_ms}
        if database:
            rows = [check._asdict() for check in checks]
            report["verification"] = {"database": str(database), "ok": held == len(checks), "checks": rows}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        if args.analyze:
            _print_table("Hardware", hardware_rows(hardware, commit_ms))
        if args.analyze or not database:
            _print_table("Configuration", [(each.name, str(each.value), each.reason) for each in chosen])
        if database:
            lines = [(check.name, "ok" if check.ok else "FAILED", check.detail) for check in checks]
            _print_table(f"Verification of {database}", lines)
            print(f"{held} of {len(checks)} checks hold")
    return DONE if held == len(checks) else FAULT


def _print_table(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    print(f"{title}\n{'=' * len(title)}")
    for name, value, words in rows:
        print(f"{name:<{names}}  {value:>{values}}  {words}".rstrip())
    print()


if __name__ == "__main__":
    sys.exit(main())
