"""What a reader is promised: each public name says what it is, which errors it raises on purpose, in which units."""

from __future__ import annotations

import ast
import asyncio
import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import pytest

from tests.house import Source, imports_of, last_name, product_sources

Function = ast.FunctionDef | ast.AsyncFunctionDef
Named = Function | ast.ClassDef
Checker = Callable[[Source], list[str]]

BASES_OF_OTHERS = (asyncio.Protocol, ArgumentParser)  # their methods are described in their own documentation
NEVER_MEANT_TO_BE_CAUGHT = frozenset({"AssertionError", "NotImplementedError"})
FOR_ARGPARSE = "ArgumentTypeError"  # what its types raise, as its documentation asks
ROOMS_OF_MONEY = frozenset(
    {"trading", "broker", "portfolio", "weekly", "day_trading", "market_hours", "agents", "day_trading_agents"}
)


class Public(NamedTuple):
    """A name without an underscore, of a module or of such a class. `owner` is that class."""

    source: Source
    node: Named
    owner: ast.ClassDef | None

    @property
    def where(self) -> str:
        owner = f"{self.owner.name}." if self.owner else ""
        return f"{self.source.path}:{self.node.lineno}: {owner}{self.node.name}"

    @property
    def told(self) -> str:
        """Every docstring that a reader of this name has at hand."""
        nodes = (self.node, *([self.owner] if self.owner else ()), self.source.tree)
        return " ".join((ast.get_docstring(node) or "").replace("\n", " ") for node in nodes)


def public_names(source: Source) -> Iterator[Public]:
    """Functions, classes and methods that others may use."""
    for node in _named_in(source.tree):
        yield Public(source, node, None)
        if isinstance(node, ast.ClassDef):
            yield from (Public(source, each, node) for each in _named_in(node))


def _named_in(node: ast.AST) -> Iterator[Named]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Named) and not child.name.startswith("_"):
            yield child
        elif isinstance(child, ast.If | ast.Try):
            yield from _named_in(child)


# Every name says what it is


def silent_names(source: Source) -> list[str]:
    """Public names without a docstring.

    None is asked where a line of code says as much: of a method of one statement and, in a module that no other room
    imports, of such a function and of a class that only lists its fields (the messages and rows of an outside format).
    Nor is one asked of a method that its Protocol or base class describes.
    """
    faults = [] if ast.get_docstring(source.tree) else [f"{source.path}: the module"]
    is_inner = not source.is_entry and source.module not in modules_for_other_rooms()
    for each in public_names(source):
        is_said = ast.get_docstring(each.node) or (each.owner is not None and each.node.name in promised_methods())
        if not is_said and not (is_plain(each.node) and (is_inner or each.owner is not None)):
            faults.append(each.where)
    return faults


def is_plain(node: Named) -> bool:
    """A function of one simple statement, or a class with nothing but fields."""
    if isinstance(node, ast.ClassDef):
        return all(isinstance(each, ast.AnnAssign | ast.Assign | ast.Pass) for each in node.body)
    return len(node.body) == 1 and not hasattr(node.body[0], "body")


@cache
def promised_methods() -> frozenset[str]:
    """Names of methods that a Protocol of the product, or a base class of a library, describes."""
    names = {name for base in BASES_OF_OTHERS for name in vars(base)}
    for source in product_sources():
        for each in public_names(source):
            if each.owner is not None and "Protocol" in map(last_name, each.owner.bases):
                names.add(each.node.name)
    return frozenset(names)


@cache
def modules_for_other_rooms() -> frozenset[str]:
    """Modules that another room imports."""
    return frozenset(
        each.module for source in product_sources() for each in imports_of(source) if each.top != source.room
    )


# Every error is announced


def unannounced_errors(source: Source) -> list[str]:
    """Errors that a public function raises itself and that no docstring around it names."""
    return [
        f"{each.where} raises {error}"
        for each in public_names(source)
        if not isinstance(each.node, ast.ClassDef)
        for error in sorted(set(raised_in(each.node)) - NEVER_MEANT_TO_BE_CAUGHT - {FOR_ARGPARSE})
        if error not in each.told
    ]


def raised_in(node: ast.AST) -> Iterator[str]:
    """Classes of errors raised below `node` and not caught there by their name; inner functions apart."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise) and child.exc is not None and last_name(child.exc)[:1].isupper():
            yield last_name(child.exc)
        elif isinstance(child, ast.Try):
            caught = {last_name(each.type) for each in child.handlers if each.type is not None}
            yield from (name for name in raised_in(child) if name not in caught)
        elif not isinstance(child, Named | ast.Lambda):
            yield from raised_in(child)


# Every amount has a unit

AMOUNT = re.compile(
    r"(^|_)(price|cost|cash|money|fee|commission|equity|pnl|loss|profit|amount|bid|ask|notional|stop|target|timeout"
    r"|age|duration|delay|wait|interval|spread|slippage|drawdown|funds|capital|budget|collar|peak|gain)s?$"
)
NUMBER = re.compile(r"(int|float)( \| None)?")
UNIT = re.compile(r"USD|1e-[46]|percent|seconds|bps|basis points|fraction|shares")


def amounts_without_a_unit(source: Source) -> list[str]:
    """Public functions of the rooms of money that take or give a bare number called an amount, its unit untold."""
    if source.room not in ROOMS_OF_MONEY:
        return []
    return [
        each.where
        for each in public_names(source)
        if not isinstance(each.node, ast.ClassDef) and has_an_amount(each.node) and not UNIT.search(each.told)
    ]


def has_an_amount(node: Function) -> bool:
    """Whether an argument or the function itself is a number called an amount, with no unit in its name."""
    names = [(each.arg, each.annotation) for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return any(
        annotation is not None and NUMBER.fullmatch(ast.unparse(annotation)) and AMOUNT.search(name)
        for name, annotation in (*names, (node.name, node.returns))
    )


@pytest.mark.parametrize("checker", [silent_names, unannounced_errors, amounts_without_a_unit])
def test_the_product_keeps_its_promises_to_readers(checker: Checker) -> None:
    assert [fault for source in product_sources() for fault in checker(source)] == []


SAID = '"""Said."""\n'


@pytest.mark.parametrize(
    ("checker", "text", "faults"),
    [
        (silent_names, "", ["trading/a.py: the module"]),
        (silent_names, SAID + "def _f():\n    a = 1\n    return a", []),
        (silent_names, SAID + "def f():\n    a = 1\n    return a", ["trading/a.py:2: f"]),
        (silent_names, SAID + "def f():\n    return 1", []),
        (silent_names, SAID + "def f():\n    if a:\n        return 1", ["trading/a.py:2: f"]),
        (silent_names, SAID + "class A:\n    b: int", []),
        (silent_names, SAID + "class A:\n    b: int\n    def c(self): pass", ["trading/a.py:2: A"]),
        (
            silent_names,
            SAID + f"class A:\n    {SAID}    def c(self):\n        d()\n        e()",
            ["trading/a.py:4: A.c"],
        ),
        (unannounced_errors, "def f():\n    raise Misconfigured('a')", ["trading/a.py:1: f raises Misconfigured"]),
        (unannounced_errors, "def f():\n    'Raises Misconfigured.'\n    raise Misconfigured('a')", []),
        (unannounced_errors, "class A:\n    'Raises Gone.'\n    def f(self):\n        raise Gone", []),
        (unannounced_errors, "def f():\n    if a:\n        raise Gone", ["trading/a.py:1: f raises Gone"]),
        (unannounced_errors, "def f():\n    try:\n        raise Gone\n    except Gone:\n        pass", []),
        (unannounced_errors, "def f():\n    try:\n        a()\n    except Gone as error:\n        raise error", []),
        (unannounced_errors, "def f():\n    def g():\n        raise Gone", []),
        (amounts_without_a_unit, "def f(price: int): ...", ["trading/a.py:1: f"]),
        (amounts_without_a_unit, "def f(*, fill_price: int | None): ...", ["trading/a.py:1: f"]),
        (amounts_without_a_unit, "def free_capital() -> int: ...", ["trading/a.py:1: free_capital"]),
        (amounts_without_a_unit, "def f(price: int):\n    'At `price` (1e-4 USD).'", []),
        (amounts_without_a_unit, "def f(price_usd: float, bars: int, price: Price): ...", []),
    ],
)
def test_checkers_find_what_is_missing(checker: Checker, text: str, faults: list[str]) -> None:
    assert checker(Source("trading/a.py", text)) == faults
