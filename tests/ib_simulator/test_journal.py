"""What really happened at the exchange, whatever the clients were told."""

from __future__ import annotations

import asyncio
from datetime import datetime, time
from pathlib import Path

from ib_simulator.fault_kinds import Drop, FillAfterCancel
from ib_simulator.fault_plan import AfterMessage, AtTime, PlannedFault
from ib_simulator.message_names import Direction
from ib_simulator.simulated_time import SimulatedTimeLoop
from market_hours import NEW_YORK
from tests.ib_simulator.wire_client import DAY, WireClient, in_simulated_time, simulated_gateway

TEN = datetime.combine(DAY, time(10, 0), NEW_YORK)


def test_the_journal_knows_a_fill_whose_report_never_left(tmp_path: Path) -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        on_third = AfterMessage(direction=Direction.IN, ids=frozenset([3]), count=3)
        drop = PlannedFault(fault=Drop(), when=on_third)
        async with simulated_gateway(loop, drop) as (gateway, port, clock):
            journal = gateway.keep_journal(tmp_path / "journal.db")
            await clock.sleep_until(TEN)
            client = await WireClient.connect(port)
            client.place(1, "AAA", "BUY", 30, "MKT", order_ref="a")
            client.place(2, "BBB", "BUY", 10, "LMT", 1.0, order_ref="b")
            await asyncio.sleep(1)
            client.cancel(2)
            await asyncio.sleep(1)
            client.heard.clear()
            client.place(3, "AAA", "SELL", 10, "MKT", order_ref="c")
            await asyncio.sleep(1)
            assert client.is_closed and client.heard == []
            assert [(entry.order_ref, entry.side * entry.shares) for entry in journal.entries("execution")] == [
                ("a", 30),
                ("c", -10),
            ]
            assert [entry.order_ref for entry in journal.entries("cancelled")] == ["b"]
            assert journal.shares() == {"AAA": 20}
            perm_id = journal.entries("execution")[0].perm_id
            assert [entry.status for entry in journal.entries("order", perm_id)][-1] == "Filled"
            journal.close()

    in_simulated_time(scenario)
    assert (tmp_path / "journal.db").exists()


def test_the_journal_is_not_fooled_by_a_cancel_that_came_too_late() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        late = PlannedFault(fault=FillAfterCancel(), when=AtTime(time=time(9, 59)))
        async with simulated_gateway(loop, late) as (gateway, port, clock):
            journal = gateway.keep_journal()
            await clock.sleep_until(TEN)
            client = await WireClient.connect(port)
            client.place(1, "AAA", "BUY", 30, "LMT", 1.0)
            await asyncio.sleep(1)
            client.cancel(1)
            await asyncio.sleep(0.5)
            assert [message[2] for message in client.heard if message[0] == "3"][-1] == "Cancelled"
            assert journal.entries("cancelled") == [] and journal.shares() == {"AAA": 30}

    in_simulated_time(scenario)
