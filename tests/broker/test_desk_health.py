"""The health of the desk: which shares have no live stop, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from broker.desk_health import DeskHealth
from broker.trading_desk import TradingDesk
from health.findings import Severity
from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from observability import TradingHistory
from tests.broker.test_bookkeeper import OPEN_S
from tests.broker.test_position_desk import Owned
from tests.gateway_world import MONDAY


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[Owned]:
    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        yield Owned(history)


def health_of(owned: Owned) -> DeskHealth:
    """Of a desk that is connected; the test looks at its exits only."""
    desk = SimpleNamespace(
        supervisor=SimpleNamespace(is_ready=True), keeper=owned.kept.keeper, broker=SimpleNamespace(orders=owned.orders)
    )
    loop = simulated_loop()
    loop.close()
    return DeskHealth(cast(TradingDesk, desk), MONDAY, SimulatedClock(loop, MONDAY.open), dry_run=False)


def test_shares_without_a_stop_alarm_until_they_are_being_sold(owned: Owned) -> None:
    health = health_of(owned)
    assert health.watch_exits(OPEN_S) is Severity.NORMAL  # a stop rests
    owned.lose_exits()
    seen = [health.watch_exits(OPEN_S + second) for second in (60, 69, 70, 90)]
    assert seen == [Severity.NORMAL, Severity.NORMAL, Severity.WARNING, Severity.CRITICAL]
    owned.close()
    assert health.watch_exits(OPEN_S + 95) is Severity.NORMAL  # nothing may rest beside the sale
    owned.lose_sale()
    assert [health.watch_exits(OPEN_S + second) for second in (100, 130)] == [Severity.NORMAL, Severity.CRITICAL]
