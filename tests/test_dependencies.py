"""Packages: what is imported is declared for those who run it; what is declared is used, pinned and explained."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tests.house import FLOORS, OUTSIDE, ROOT, Source, imports_of, product_sources

DAY_TRADER, WEEKLY, RESEARCH = "day_trader_requirements.txt", "requirements.txt", "requirements-research.txt"
DEVELOPMENT, IB_ASYNC = "requirements-dev.txt", "requirements-ib_async.txt"
FILES = (DAY_TRADER, WEEKLY, RESEARCH, DEVELOPMENT, IB_ASYNC)
RUN_WITH = {  # room -> the file of those who run it; that of every other room is the day trader's
    "agents": WEEKLY,
    "llm": WEEKLY,
    "main": WEEKLY,
    "portfolio": WEEKLY,
    "weekly": WEEKLY,
    "research": RESEARCH,
}
INSTALLED_OTHERWISE = {  # (room, module) -> why its file does not declare it
    ("broker", "ib_async"): "in a folder of its own, by `make ib_async`",
    ("research", "llvmlite"): "the compiler of numba, which brings the version that it needs",
    ("ib_simulator", "skfolio"): "a market that only `python main.py --simulate` plays",
}
BROUGHT = {  # module of the tests -> the declared package whose own module it is, or that speaks in it
    "google": "opentelemetry-exporter-otlp",
    "grpc": "opentelemetry-exporter-otlp",
    "jsonschema": "openapi-spec-validator",
    "libcst": "mutmut",
    "openapi_schema_validator": "openapi-spec-validator",
}
IN_OTHER_ENVIRONMENTS = frozenset({"backtesting", "gguf", "vectorbt"})  # DEPENDENCIES.md tells in which
NOT_IMPORTED = {  # package -> why it is declared all the same
    "aeventkit": "ib_async imports it, and is installed without dependencies",
    "coverage": "make coverage",
    "mypy": "make lint",
    "pandas": "exchange_calendars, which leaves its version open, answers in it",
    "pandas-stubs": "types for mypy",
    "pandas-ta-classic": "the reference of our indicators: who trades with them can compare, as the tests do",
    "pip-audit": "make audit",
    "pytest-xdist": "pytest -n",
    "ruff": "make lint",
    "types-psutil": "types for mypy",
    "tzdata": "zoneinfo reads it where the system has no time zones",
}

OURS = frozenset({*FLOORS, *OUTSIDE, *sys.stdlib_module_names})
Found = dict[tuple[str, str], str]  # (room, top-level module of somebody else) -> a file that imports it


def pins(file: str) -> dict[str, str]:
    """package -> version, of this file alone."""
    return dict(line.split("==") for line in lines_of(file) if not line.startswith("-r "))


def files_of(file: str) -> set[str]:
    """The file and those that it includes."""
    return {file}.union(*(files_of(line.removeprefix("-r ")) for line in lines_of(file) if line.startswith("-r ")))


def declared(file: str) -> set[str]:
    """Packages that an installation of the file asks for by name."""
    return {normal(package) for each in files_of(file) for package in pins(each)}


def lines_of(file: str) -> list[str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def normal(package: str) -> str:
    """The name as registries compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


@cache
def providers() -> dict[str, set[str]]:
    """module -> installed packages that provide it."""
    return {module: set(map(normal, packages)) for module, packages in packages_distributions().items()}


def packages_of(module: str) -> set[str]:
    """Who provides a module; where it is not installed, a package of its name."""
    return providers().get(module, {normal(module)})


def foreign_imports(sources: Iterable[Source]) -> Found:
    """What is neither ours nor of the standard library. In tests and benchmarks, neighbours are ours too."""
    found: Found = {}
    for source in sources:
        folder = (ROOT / source.path).parent
        for top in {each.top for each in imports_of(source)} - OURS:
            if not (folder / f"{top}.py").exists():
                found.setdefault((source.room, top), source.path)
    return found


def sources_of_development() -> Iterator[Source]:
    for folder in ("tests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


@cache
def of_the_product() -> Found:
    return foreign_imports(product_sources())


@cache
def of_development() -> Found:
    return foreign_imports(sources_of_development())


def test_what_a_room_imports_is_declared_for_those_who_run_it() -> None:
    missing = [
        f"{path}: {module} is not in {file}"
        for (room, module), path in of_the_product().items()
        if (room, module) not in INSTALLED_OTHERWISE
        and packages_of(module).isdisjoint(declared(file := RUN_WITH.get(room, DAY_TRADER)))
    ]
    assert missing == []


def test_what_tests_and_benchmarks_import_is_declared() -> None:
    known = declared(DEVELOPMENT) | declared(IB_ASYNC)
    missing = [
        f"{path}: {module}"
        for (_, module), path in of_development().items()
        if module not in {*BROUGHT, *IN_OTHER_ENVIRONMENTS} and packages_of(module).isdisjoint(known)
    ]
    assert missing == []
    assert set(BROUGHT.values()) <= known


def test_what_is_declared_is_imported() -> None:
    unused = [
        f"{file}: {package}"
        for file in FILES
        for package in pins(file)
        if normal(package) not in {*NOT_IMPORTED, *packages_used_with(file)}
    ]
    assert unused == []


def packages_used_with(file: str) -> set[str]:
    """Packages that anybody who has installed the file imports."""
    if file == IB_ASYNC:
        return packages_of("ib_async")
    if file == DEVELOPMENT:
        modules = {module for _, module in of_development()}
    else:
        modules = {module for room, module in of_the_product() if file in files_of(RUN_WITH.get(room, DAY_TRADER))}
    return set().union(*map(packages_of, modules))


def test_exceptions_are_needed() -> None:
    imported = {module for _, module in {*of_the_product(), *of_development()}}
    assert set(INSTALLED_OTHERWISE) <= set(of_the_product())
    assert set(BROUGHT) | IN_OTHER_ENVIRONMENTS <= imported
    assert set(NOT_IMPORTED) <= {normal(package) for file in FILES for package in pins(file)}
    assert {package for module in imported for package in packages_of(module)}.isdisjoint(
        set(NOT_IMPORTED) - {"aeventkit", "pandas", "pandas-ta-classic"}  # tests import these
    )


@pytest.mark.parametrize("file", FILES)
def test_packages_stand_once_pinned_and_in_their_order(file: str) -> None:
    lines = [line for line in lines_of(file) if not line.startswith("-r ")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[0-9][\w.]*", line)] == []
    packages = [normal(line.split("==")[0]) for line in lines]
    assert packages == sorted(set(packages))


def rows_of_the_document() -> dict[str, list[list[str]]]:
    """file -> cells of the rows of DEPENDENCIES.md in the section that names it, or that name it themselves."""
    found: dict[str, list[list[str]]] = {}
    section = ""
    for line in (ROOT / "Documentation" / "DEPENDENCIES.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section = line
        elif line.startswith("| ") and not line.startswith("| package"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            names = re.findall(r"`([\w-]+\.txt)`", section) or re.findall(r"`([\w-]+\.txt)`", cells[0])
            for name in names:
                found.setdefault(name, []).append(cells)
    return found


@pytest.mark.parametrize("file", FILES)
def test_each_package_has_a_reason_and_a_licence_and_nothing_else_has(file: str) -> None:
    rows = rows_of_the_document()[file]
    assert sorted(normal(cells[0].split(" ")[0]) for cells in rows) == sorted(map(normal, pins(file)))
    assert [cells for cells in rows if len(cells) != 3 or not all(cells)] == []
