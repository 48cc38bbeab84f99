"""The product as its files say it: rooms and their floors, sources, what each file imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {  # top-level module or package -> floor; imports go down only
    "utils": 0,
    "operating_system": 0,
    "endings": 0,
    "commands": 1,
    "configuration": 1,
    "trading": 1,
    "evidence": 1,
    "market_hours": 1,
    "reporting": 1,
    "telemetry": 1,
    "records": 2,
    "notifications": 2,
    "portfolio": 2,
    "health": 3,
    "observability": 3,
    "vendors": 3,
    "performance_config": 4,
    "tools": 4,
    "broker": 4,
    "llm": 4,
    "research": 4,
    "dashboard": 4,
    "ib_simulator": 4,
    "improvement": 5,
    "self_evaluation": 5,
    "continuous_improvement": 6,
    "day_trading": 6,
    "weekly": 6,
    "agents": 7,
    "day_trading_agents": 7,
    "day_trader": 8,
    "main": 8,
}
ENTRY_FLOOR = 8  # also each package's __main__.py
OUTSIDE = frozenset({"tests", "benchmarks", "Documentation", "deploy", "logs", "reports"})  # no product code


class Source(NamedTuple):
    """A file of the product. `path` is relative to the root, with slashes."""

    path: str
    text: str

    @property
    def room(self) -> str:
        return PurePosixPath(self.path).parts[0].removesuffix(".py")

    @property
    def is_entry(self) -> bool:
        return FLOORS.get(self.room) == ENTRY_FLOOR or PurePosixPath(self.path).name == "__main__.py"

    @property
    def module(self) -> str:
        """The dotted name by which others import it."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def tree(self) -> ast.Module:
        """The syntax tree; parsed once, so only to be read."""
        return _parsed(self.text)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


class Import(NamedTuple):
    line: int
    module: str  # dotted, absolute
    at_start: bool  # runs when the file is imported

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def product_sources(root: Path = ROOT) -> Iterable[Source]:
    """Every Python file below the root that is neither hidden nor in a folder of OUTSIDE."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] in OUTSIDE or any(part.startswith(".") for part in relative.parts):
            continue
        yield Source(relative.as_posix(), path.read_text(encoding="utf-8"))


@cache
def imports_of(source: Source) -> tuple[Import, ...]:
    """Every import of the file: in functions, under TYPE_CHECKING, relative, and by a fixed name of a function."""
    return tuple(_imports_below(source.tree, PurePosixPath(source.path).parts[:-1], at_start=True))


def _imports_below(node: ast.AST, package: tuple[str, ...], at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(child.lineno, alias.name, at_start) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) - child.level + 1] if child.level else ()
            module = ".".join([*base, *([child.module] if child.module else [])])
            if module:
                yield Import(child.lineno, module, at_start)
            else:  # `from . import x` in the root
                yield from (Import(child.lineno, alias.name, at_start) for alias in child.names)
        elif isinstance(child, ast.Call) and last_name(child.func) in {"import_module", "__import__", "importorskip"}:
            fixed = [each.value for each in child.args[:1] if isinstance(each, ast.Constant)]
            yield from (Import(child.lineno, name, at_start) for name in fixed if isinstance(name, str))
        lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(child, ast.If) and last_name(child.test) == "TYPE_CHECKING"
        )
        yield from _imports_below(child, package, at_start and not lazy)


def last_name(node: ast.AST) -> str:
    """The last name of an expression: `time` of `self.ticker.time`, `get_running_loop` of its call."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
