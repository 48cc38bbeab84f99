"""The floor plan of the house, read from the syntax trees: who may import whom, and who may read a clock."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

import pytest

from tests.house import ENTRY_FLOOR, FLOORS, OUTSIDE, Source, imports_of, last_name, product_sources

PURE_MAY_IMPORT = frozenset({"numpy", "pydantic", "utils"})  # and the standard library
PURE_ROOMS = {  # room -> what else it may import
    "trading": frozenset[str](),
    "evidence": frozenset[str](),
    "reporting": frozenset[str](),
    "portfolio": frozenset({"trading", "evidence", "arch", "cvxpy", "skfolio"}),
}
OWNED = {
    "ib_insync": "broker",
    "ib_async": "broker",
    "eventkit": "broker",
    "langchain": "llm",
    "apprise": "notifications",
}  # library (and its kin) -> its only room
CLIENT_LIBRARIES = ("ib_insync", "ib_async")
HEAVY = frozenset({"arch", "scipy", "skfolio", "cvxpy", "numba"})  # imported where they are used, never at start

# broker/ takes time from the clock, from bars and from executions, which the gateway stamps
TIME_OWNERS = frozenset({"bar", "execution", "loop", "get_running_loop"})
WALL_CLOCK_READERS = frozenset(  # of ib_insync, and of the standard library
    {"setTimeout", "schedule", "timeRange", "timeRangeAsync", "waitUntil", "waitUntilAsync", "waitOnUpdate"}
    | {"loopUntil", "lastTime", "startLoop", "patchAsyncio", "utcnow", "today"}
)


Checker = Callable[[Source], list[str]]


def unknown_rooms(source: Source) -> list[str]:
    if source.room in FLOORS:
        return []
    return [f"{source.path}: {source.room} has no floor; add it to FLOORS"]


def imports_upward(source: Source) -> list[str]:
    """Imports of a higher floor, of another room on the same floor, or of what is no product code."""
    floor = ENTRY_FLOOR if source.is_entry else FLOORS.get(source.room, -1)
    return [
        f"{source.path}:{each.line}: {source.room} (floor {floor}) imports {each.module}"
        for each in imports_of(source)
        if each.top != source.room and (each.top in OUTSIDE or FLOORS.get(each.top, -1) >= floor)
    ]


def simulator_imports(source: Source) -> list[str]:
    if source.is_entry or source.room == "ib_simulator":
        return []
    return [
        f"{source.path}:{each.line}: only entries, tests and benchmarks know the simulator"
        for each in imports_of(source)
        if each.top == "ib_simulator"
    ]


def library_imports(source: Source) -> list[str]:
    """Libraries outside their room, outside what pure rooms may use, or heavy and loaded at start."""
    faults = []
    for each in imports_of(source):
        where = f"{source.path}:{each.line}: "
        owner = OWNED.get(each.top.partition("_")[0], OWNED.get(each.top, source.room))
        if owner != source.room:
            faults.append(f"{where}only {owner}/ imports {each.top}")
        allowed = {source.room, *PURE_MAY_IMPORT, *PURE_ROOMS.get(source.room, ()), *sys.stdlib_module_names}
        if source.room in PURE_ROOMS and not source.is_entry and each.top not in allowed:  # an entry composes
            faults.append(f"{where}{source.room}/ is pure: no {each.top}")
        if each.at_start and each.top in HEAVY:
            faults.append(f"{where}{each.top} is heavy: import it in the function that needs it")
    return faults


def wall_clock_reads(source: Source) -> list[str]:
    """In broker/: what ib_insync or the standard library takes from the wall clock.

    Names decide, as types are unknown here: a `.time` is accepted from an `execution`, a `bar` or an event `loop`,
    a `.now()` from a name that ends in `clock`, a `sleep` from `asyncio`.
    """
    if source.room != "broker":
        return []
    faults = [(each.line, f"imports {each.module}") for each in imports_of(source) if each.top == "time"]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and (fault := _clock_fault(node.attr, last_name(node.value))):
            faults.append((node.lineno, fault))
        elif isinstance(node, ast.Call) and last_name(node.func) in {"getattr", "attrgetter", "methodcaller"}:
            owner = last_name(node.args[0]) if last_name(node.func) == "getattr" else ""
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            faults += [(node.lineno, fault) for name in names if (fault := _clock_fault(str(name), owner))]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in CLIENT_LIBRARIES:
            faults += [
                (node.lineno, f"imports {alias.name} of {node.module}")
                for alias in node.names
                if alias.name == "sleep" or alias.name in WALL_CLOCK_READERS
            ]
    return [f"{source.path}:{line}: {fault}" for line, fault in sorted(faults)]


def _clock_fault(attribute: str, owner: str) -> str:
    allowed = {
        "time": owner in TIME_OWNERS,
        "now": owner.lower().endswith("clock"),
        "sleep": owner == "asyncio",
    }.get(attribute, attribute not in WALL_CLOCK_READERS)
    return "" if allowed else f"reads the wall clock: {owner or '...'}.{attribute}"


POSIX_ONLY = frozenset({"fcntl", "resource", "pwd", "grp", "termios", "pty"})  # modules that Windows does not have
POSIX_NAMES = frozenset({"fork", "posix_fallocate", "add_signal_handler", "getuid", "setsid", "SIGKILL", "SIGUSR1"})


def strays_of_an_operating_system(source: Source) -> list[str]:
    """What only some systems have, outside the one module that knows what the others do instead."""
    if source.room == "operating_system":
        return []
    faults = [(each.line, each.module) for each in imports_of(source) if each.top in POSIX_ONLY]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in POSIX_NAMES:
            faults.append((node.lineno, node.attr))
    return [f"{source.path}:{line}: {name} is not on every system: see operating_system" for line, name in faults]


CHECKERS: list[Checker] = [
    unknown_rooms,
    imports_upward,
    simulator_imports,
    library_imports,
    wall_clock_reads,
    strays_of_an_operating_system,
]


@pytest.mark.parametrize("checker", CHECKERS)
def test_product_keeps_the_floor_plan(checker: Checker) -> None:
    assert [fault for source in product_sources() for fault in checker(source)] == []


def test_walk_sees_the_product_and_not_the_tests() -> None:
    paths = {source.path for source in product_sources()}
    assert {"utils.py", "trading/bars.py"} <= paths
    assert not any(path.startswith(("tests/", ".venv/")) for path in paths)


@pytest.mark.parametrize(
    ("checker", "path", "text", "words"),
    [
        (unknown_rooms, "helpers.py", "", "helpers has no floor"),
        (unknown_rooms, "misc/a.py", "", "misc has no floor"),
        (imports_upward, "trading/a.py", "import records", "trading (floor 1) imports records"),
        (imports_upward, "records/a.py", "def f():\n    from broker.x import y", "records/a.py:2: "),
        (imports_upward, "trading/a.py", "import market_hours", "imports market_hours"),
        (imports_upward, "trading/a.py", "if TYPE_CHECKING:\n    import evidence.x", "imports evidence.x"),
        (imports_upward, "agents.py", "import day_trading_agents", "imports day_trading_agents"),
        (imports_upward, "main.py", "import day_trader", "imports day_trader"),
        (imports_upward, "dashboard/__main__.py", "import research", ""),
        (imports_upward, "dashboard/app.py", "import research", "imports research"),
        (imports_upward, "utils.py", "importlib.import_module('trading.money')", "imports trading.money"),
        (imports_upward, "broker/a.py", "from tests import fakes", "imports tests"),
        (imports_upward, "broker/a/b.py", "from ..x import y\nfrom . import z\nimport utils", ""),
        (simulator_imports, "agents.py", "import ib_simulator.exchange", "only entries"),
        (simulator_imports, "day_trader.py", "def f():\n    import ib_simulator", ""),
        (simulator_imports, "ib_simulator/a.py", "from ib_simulator import b", ""),
        (library_imports, "agents.py", "import ib_insync", "only broker/ imports ib_insync"),
        (library_imports, "ib_simulator/a.py", "from eventkit import Event", "only broker/ imports eventkit"),
        (library_imports, "broker/a.py", "import ib_insync, ib_async, eventkit", ""),
        (library_imports, "agents.py", "import ib_async", "only broker/ imports ib_async"),
        (library_imports, "agents.py", "def f():\n    import langchain_core.messages", "only llm/"),
        (library_imports, "agents.py", "import langchain", "only llm/"),
        (library_imports, "llm/a.py", "def f():\n    import langchain_deepseek", ""),
        (library_imports, "trading/a.py", "import pandas", "trading/ is pure: no pandas"),
        (library_imports, "evidence/a.py", "def f():\n    import scipy.stats", "evidence/ is pure: no scipy"),
        (library_imports, "trading/a.py", "def f():\n    import numba", "trading/ is pure: no numba"),
        (library_imports, "trading/a.py", "import numpy, math, pydantic, utils\nfrom .b import c", ""),
        (library_imports, "portfolio/a.py", "import trading.money, numpy\ndef f():\n    import skfolio", ""),
        (library_imports, "portfolio/a.py", "import skfolio", "skfolio is heavy"),
        (library_imports, "portfolio/a.py", "def f():\n    import pandas", "portfolio/ is pure: no pandas"),
        (library_imports, "research/a.py", "class A:\n    import numba", "numba is heavy"),
        (library_imports, "research/a.py", "def f():\n    import numba\nif TYPE_CHECKING:\n    import numba", ""),
        (wall_clock_reads, "broker/a.py", "x = ticker.time", "reads the wall clock: ticker.time"),
        (wall_clock_reads, "broker/a.py", "x = trade.log[-1].time", "reads the wall clock: ....time"),
        (wall_clock_reads, "broker/a.py", "x = fill.time", "fill.time"),
        (wall_clock_reads, "broker/a.py", "x = getattr(ticker, 'time')", "ticker.time"),
        (wall_clock_reads, "broker/a.py", "key = attrgetter('time')", "....time"),
        (wall_clock_reads, "broker/a.py", "ib.setTimeout(60)", "ib.setTimeout"),
        (wall_clock_reads, "broker/a.py", "util.schedule(when, job)", "util.schedule"),
        (wall_clock_reads, "broker/a.py", "from ib_insync.util import sleep", "imports sleep of ib_insync.util"),
        (wall_clock_reads, "broker/a.py", "from ib_async import sleep", "imports sleep of ib_async"),
        (wall_clock_reads, "broker/a.py", "util.sleep(1)", "util.sleep"),
        (wall_clock_reads, "broker/a.py", "self._ib.sleep(1)", "_ib.sleep"),
        (wall_clock_reads, "broker/a.py", "x = datetime.now(UTC)", "datetime.now"),
        (wall_clock_reads, "broker/a.py", "x = datetime.datetime.now()", "datetime.now"),
        (wall_clock_reads, "broker/a.py", "x = date.today()", "date.today"),
        (wall_clock_reads, "broker/a.py", "import time", "imports time"),
        (wall_clock_reads, "broker/a.py", "def f():\n    from time import monotonic", "imports time"),
        (wall_clock_reads, "broker/a.py", "x = ib.wrapper.lastTime", "wrapper.lastTime"),
        (
            wall_clock_reads,
            "broker/a.py",
            "a = fill.execution.time, bar.time, self._clock.now(), loop.time()\n"
            "asyncio.get_running_loop().time(), asyncio.sleep(1)\nb = datetime.fromtimestamp(0, UTC)",
            "",
        ),
        (wall_clock_reads, "market_hours.py", "x = datetime.now(UTC)", ""),
        (strays_of_an_operating_system, "records/a.py", "def f():\n    import fcntl", "fcntl is not on every"),
        (strays_of_an_operating_system, "broker/a.py", "loop.add_signal_handler(2, f)", "add_signal_handler"),
        (strays_of_an_operating_system, "operating_system.py", "import fcntl", ""),
    ],
)
def test_checker_finds_the_fault_and_only_that(checker: Checker, path: str, text: str, words: str) -> None:
    faults = checker(Source(path, text))
    if words:
        assert len(faults) == 1
        assert words in faults[0]
    else:
        assert faults == []
