"""The tables about the simulated gateway say what its code does, and the examples of the README run."""

from __future__ import annotations

import ast
import asyncio
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ib_simulator import gateway
from ib_simulator.fault_actions import FARMS, LOST_TEXTS, RESTORED_TEXTS
from ib_simulator.message_names import REPLIES, REQUESTS
from ib_simulator.order_types import ORDER_TYPES, TIMES_IN_FORCE, check_kind, works_outside_hours
from ib_simulator.request_types import StartApi
from ib_simulator.requests import UnknownRequest, decode
from ib_simulator.simulated_time import SimulatedTimeLoop
from ib_simulator.unserved import UNSERVED, NotServed
from tests.ib_simulator.standalone_peer import CLIENTS, REPOSITORY, run_journey, standalone_gateway
from tests.ib_simulator.wire_client import in_simulated_time, simulated_gateway

PAGE = (REPOSITORY / "Documentation" / "SIMULATED_GATEWAY.md").read_text(encoding="utf-8")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SERVED, EMPTY, SILENT, REFUSED = "served", "answered empty", "taken in silence", "refused with 321"
LAST_ID = 255  # far above the highest message id of the protocol
MANY_FIELDS = ["0"] * 200
CODE_AT = {"error": 1, "warn": 1, "Refusal": 0, "Grant": 0, "Violation": 0}  # function -> position of its code
PASSED_ON = {  # codes that are values at the place where they are sent; the places that make them are found as well
    ("client.py", "code"),  # the method that all others call
    ("fault_actions.py", "code"),
    ("fault_actions.py", "fault.code"),  # a notice: any code
    ("faults.py", "code"),
    ("gateway.py", "code"),
    ("gateway.py", "violation.code"),
    ("order_faults.py", "active.fault.code"),  # an order that a fault rejects: any code
    ("order_reports.py", "code"),
    ("quotes.py", "answer.code"),
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


# Messages


class Row(NamedTuple):
    """A row of the table of messages."""

    message_id: int
    name: str
    answer: str


def answer_of(handler: Any) -> str:
    """How a handler answers, by the names in its code: one that uses none does nothing."""
    names = handler.__code__.co_names
    if not names:
        return SILENT
    return EMPTY if any(name.startswith("no_") for name in names) else SERVED


def messages_of_the_code() -> list[Row]:
    """Every message id that the gateway can read, and what it does with the request."""

    async def scenario(loop: SimulatedTimeLoop) -> list[Row]:
        found = []
        async with simulated_gateway(loop) as (running, _port, _clock):
            for message_id in range(LAST_ID):
                try:
                    request = decode([str(message_id), *MANY_FIELDS], 176)
                except UnknownRequest:
                    continue
                if isinstance(request, NotServed):
                    found.append(Row(message_id, UNSERVED[message_id].name, REFUSED))
                    continue
                kind = type(request)
                name = {number: name for name, number in REQUESTS.items()}.get(message_id)
                handler = running._handlers.get(kind)
                answer = SERVED if kind is StartApi else REFUSED if handler is None else answer_of(handler)
                found.append(Row(message_id, name or kind.__name__[0].lower() + kind.__name__[1:], answer))
            await asyncio.sleep(0)
        return found

    return in_simulated_time(scenario)


def test_table_of_messages_is_what_the_gateway_answers() -> None:
    told = [Row(int(number), name.strip("`"), answer) for number, name, answer, _ in rows("Messages")]
    assert told == messages_of_the_code()
    assert {row.answer for row in told} == {SERVED, EMPTY, SILENT, REFUSED}


def test_table_of_messages_names_every_reply() -> None:
    named = {name for *_, replies in rows("Messages") for name in re.findall(r"`(\w+)`", replies)}
    assert named == set(REPLIES) - {"error"}


# Orders


def test_table_of_orders_is_what_the_checks_allow() -> None:
    head = next(line for line in PAGE.splitlines() if line.startswith("| type "))
    times = re.findall(r"`(\w+)`", head.partition("`outsideRth`")[0])
    assert set(times) == TIMES_IN_FORCE
    told = {cells[0].strip("`"): cells[1:] for cells in rows("Orders")}
    assert set(told) == ORDER_TYPES
    for order_type, cells in told.items():
        refusals = [check_kind(order_type, tif) for tif in times]
        expected = ["yes" if refusal is None else str(refusal.code) for refusal in refusals]
        expected.append("yes" if works_outside_hours(order_type, "DAY") else "2109")
        assert cells[: len(expected)] == expected, order_type


# Codes


def calls_with_a_code() -> Iterator[tuple[str, ast.expr, Any]]:
    """(file, expression of the code, module) of every call that sends a code or makes one to be sent."""
    for path in sorted((REPOSITORY / "ib_simulator").glob("*.py")):
        if path.name == "__main__.py":
            continue
        module = importlib.import_module(f"ib_simulator.{path.stem}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func)
            name = function.rpartition(".")[2]
            at = CODE_AT.get(name, -1) + (function == "replies.error")
            if name not in CODE_AT or any(isinstance(argument, ast.Starred) for argument in node.args[: at + 1]):
                continue  # `*refusal`: found where the refusal is made
            assert len(node.args) > at, f"{path.name}:{node.lineno} names its code in a way that this test cannot read"
            yield path.name, node.args[at], module


def codes_of_the_code() -> tuple[set[int], set[tuple[str, str]]]:
    """(codes, places whose code is a value that was passed to them)."""
    codes = {
        *(code for code, _ in gateway.FARM_NOTICES),
        *LOST_TEXTS,
        *RESTORED_TEXTS,
        *(code for farm in FARMS.values() for code in (farm[0], farm[2])),
    }
    passed_on = set()
    for file, expression, module in calls_with_a_code():
        if isinstance(expression, ast.Constant) and isinstance(expression.value, int):
            codes.add(expression.value)
        elif isinstance(expression, ast.Name) and expression.id.isupper():
            codes.add(getattr(module, expression.id))
        else:
            passed_on.add((file, ast.unparse(expression)))
    return codes, passed_on


def test_table_of_codes_has_every_code_that_the_gateway_sends_and_no_other() -> None:
    codes, passed_on = codes_of_the_code()
    assert passed_on == PASSED_ON
    told = [(int(cells[0]), cells[1], cells[2]) for cells in rows("Codes")]
    assert [code for code, *_ in told] == sorted(codes)
    assert [code for code, sent_with, when in told if not (sent_with and when)] == []


# Examples

EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def needs(example: str) -> str:
    """The client library that an example imports."""
    match = re.search(r"from (\w+)", example)
    return match[1] if match else ""


def test_readme_shows_clients() -> None:
    assert [needs(example) for example in EXAMPLES] == ["ib_insync", "ibapi"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A gateway as the README starts it, on another port."""
    with standalone_gateway("--date", "2025-10-07", "--at", "10:00") as number:
        yield number


def run_example(example: str, port: int, folder: Path) -> str:
    script = folder / "example.py"
    assert example.count("4001") == 1
    script.write_text(example.replace("4001", str(port)), encoding="utf-8")
    return run_journey([sys.executable, str(script)])


def test_example_with_ib_insync_buys(port: int, tmp_path: Path) -> None:
    assert run_example(EXAMPLES[0], port, tmp_path).startswith("Filled 10.0 at ")


@pytest.mark.skipif(not (CLIENTS / "ib_async" / "ib_async").is_dir(), reason="ib_async is not installed (make test)")
def test_example_with_ib_async_is_the_same_but_for_the_import(port: int, tmp_path: Path) -> None:
    script = EXAMPLES[0].replace("from ib_insync", "from ib_async")
    path = f"import sys\nsys.path.insert(0, {str(CLIENTS / 'ib_async')!r})\n"
    assert run_example(path + script, port, tmp_path).startswith("Filled 10.0 at ")


@pytest.mark.skipif(importlib.util.find_spec("ibapi") is None, reason="ibapi is not installed (requirements-dev.txt)")
def test_example_with_ibapi_hears_its_first_order_id(port: int, tmp_path: Path) -> None:
    assert "the next order id is " in run_example(EXAMPLES[1], port, tmp_path)
