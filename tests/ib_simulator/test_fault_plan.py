"""The timeline of faults as a file."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, time
from pathlib import Path

import pytest

from ib_simulator.fault_actions import ACTIONS
from ib_simulator.fault_kinds import KINDS, ClockJump, Connectivity, Halt, LoseAcknowledgement, StaleQuotes
from ib_simulator.fault_plan import AfterMessage, AtTime, planned_fault, read_fault_plan
from ib_simulator.message_names import Direction
from utils import Misconfigured


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    return path


def test_a_file_gives_faults_in_its_order(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        """
        [[fault]]
        at = "10:15:00"
        kind = "connectivity"
        seconds = 40
        restored = 1101

        [[fault]]
        after = { message = "placeOrder", count = 3 }
        kind = "lose_acknowledgement"

        [[fault]]
        at = 23:45:00
        date = 2025-10-08
        kind = "stale_quotes"
        symbols = ["AAPL", "MSFT"]
        """,
    )
    first, second, third = read_fault_plan(path)
    assert first.fault == Connectivity(seconds=40, restored=1101)
    assert first.when == AtTime(time=time(10, 15))
    assert second.fault == LoseAcknowledgement()
    assert second.when == AfterMessage(direction=Direction.IN, ids=frozenset([3]), count=3)
    assert third.fault == StaleQuotes(symbols=("AAPL", "MSFT"))
    assert third.when == AtTime(time=time(23, 45), day=date(2025, 10, 8))


def test_a_time_is_new_york_time_on_both_sides_of_daylight_saving() -> None:
    moment = AtTime(time=time(10, 15))
    assert moment.on(date(2025, 10, 31)) == 1761920100  # 14:15 UTC
    assert moment.on(date(2025, 11, 3)) == 1762182900  # 15:15 UTC


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"kind": "dorp"}, "kind 'dorp' is not one of"),
        ({}, "kind None is not one of"),
        ({"kind": "drop", "clint": 1}, "drop has no field 'clint'; did you mean client?"),
        ({"kind": "drop", "client": "one"}, "client = 'one' is of the wrong type"),
        ({"kind": "drop", "client": True}, "client = True is of the wrong type"),
        ({"kind": "silent", "seconds": -1}, "seconds = -1 is negative"),
        ({"kind": "segmented", "bytes": 0}, "bytes = 0 is not a size"),
        ({"kind": "login", "answers": "never"}, "is not one of"),
        ({"kind": "halt"}, "halt needs symbol"),
        ({"kind": "stale_quotes", "symbols": "AAPL"}, "symbols = 'AAPL' is of the wrong type"),
        ({"kind": "lose", "message": "orderStaus"}, "did you mean orderStatus?"),
        ({"kind": "lose", "message": "orderStatus", "direction": "up"}, "neither 'in' nor 'out'"),
        ({"kind": "lose", "message": "placeOrder", "direction": "out"}, "no message that goes out"),
        ({"kind": "connectivity", "restored": 1103}, "restored 1103 is not one of"),
        ({"kind": "drop", "at": "25:00"}, "hour must be in 0..23"),
        ({"kind": "drop", "at": "10:00", "after": {"message": "placeOrder"}}, "exclude each other"),
        ({"kind": "drop", "date": "2025-10-07"}, "need at"),
        ({"kind": "drop", "after": {"message": "placeOrder", "count": 0}}, "count 0"),
        ({"kind": "drop", "after": {"count": 2}}, "after needs a message"),
    ],
)
def test_a_bad_entry_is_named(entry: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("?", r"\?")):
        planned_fault(entry)


def test_a_bad_file_is_one_line_with_its_entry(tmp_path: Path) -> None:
    path = _written(tmp_path, '[[fault]]\nkind = "drop"\n[[fault]]\nkind = "halt"\n')
    with pytest.raises(Misconfigured, match=r"faults\.toml: fault 2: halt needs symbol$"):
        read_fault_plan(path)
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_fault_plan(tmp_path / "absent.toml")
    with pytest.raises(Misconfigured, match="only"):
        read_fault_plan(_written(tmp_path, "kind = 1"))
    with pytest.raises(Misconfigured, match=r"faults\.toml"):
        read_fault_plan(_written(tmp_path, "[[fault]"))


def test_every_kind_has_an_action_and_a_description() -> None:
    assert set(ACTIONS) == set(KINDS.values())
    assert all(kind.__doc__ for kind in KINDS.values())
    assert planned_fault({"kind": "halt", "symbol": "AAPL"}).fault == Halt(symbol="AAPL")
    assert planned_fault({"kind": "clock_jump", "by_s": -30}).fault == ClockJump(by_s=-30)


def test_the_table_of_faults_names_every_kind_and_field() -> None:
    table = (Path(__file__).resolve().parents[2] / "Documentation" / "GATEWAY_FAULTS.md").read_text()
    rows = {line.split("`")[1]: line for line in table.splitlines() if line.startswith("| `")}
    assert list(rows) == list(KINDS)
    for name, kind in KINDS.items():
        assert [field.name for field in fields(kind) if f"`{field.name}`" not in rows[name]] == []
