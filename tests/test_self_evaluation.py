"""The health monitor: what it records and when, and what it really does about faults of a running session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from day_trading_agents import IntradayTrader
from health.findings import Action, Measure, Reading
from health.machine import LoopLag, MachineState
from health.treatment import Step
from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import Drop, Fault, Reject, StaleQuotes
from ib_simulator.request_types import ReqCurrentTime
from observability import TradingHistory
from self_evaluation import HealthMonitor
from tests.gateway_world import (
    MONDAY,
    HandMadeFeed,
    Played,
    World,
    at,
    in_world,
    minute,
    rows,
    run_until,
    warm_up,
    what_is_left,
)
from trading.bars import Bar
from trading.errors import BrokerUnavailable

SYMBOLS = ("AAA", "BBB", "CCC")
HEALTHY = MachineState(5.0, 200.0, 2.0, 30.0, 50_000.0)


def lively(until: str = "11:30") -> list[Bar]:
    """A market in which every minute has ticks, and nothing is bought: the price falls under its VWAP."""
    bars = [minute(f"{9 + m // 60:02}:{m % 60:02}", 99.9, 100.0, 99.8, 99.9, 6_000) for m in range(50, 180)]
    return [*warm_up(), *(bar for bar in bars if bar.start_s < at(until).timestamp())]


def bought_then_lively() -> list[Bar]:
    """AAA is bought at 9:50:40 and stays between its stop and its target."""
    first = minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)
    bars = [minute(f"{9 + m // 60:02}:{m % 60:02}", 100.2, 100.3, 100.1, 100.2, 6_000) for m in range(51, 180)]
    return [*warm_up(), first, *bars]


def play(
    folder: Path,
    during: Callable[[World, IntradayTrader, TradingHistory], Awaitable[None]],
    *,
    until: str,
    bars: Callable[[], list[Bar]] = lively,
    **options: Any,
) -> tuple[Played, list[dict[str, Any]]]:
    """A session that is stopped at `until`, `during` runs beside it. What is left, and the health on record."""

    async def main(world: World) -> Played:
        with world.history() as history:
            trader = world.trader(history, **options)
            async with asyncio.TaskGroup() as group:
                group.create_task(during(world, trader, history))
                report = await run_until(world, trader, SYMBOLS, until)
            assert trader.health.monitor.failures == 0
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({symbol: bars() for symbol in SYMBOLS}), folder)
    return day, rows(folder / "history.db", "SELECT * FROM agent_health ORDER BY health_id")


def fault_at(clock_text: str, fault: Fault) -> Callable[[World, IntradayTrader, TradingHistory], Awaitable[None]]:
    async def fire(world: World, _trader: IntradayTrader, _history: TradingHistory) -> None:
        faults = world.faults()
        await world.until(clock_text)
        faults.fire(fault)

    return fire


def told(samples: list[dict[str, Any]], after: str) -> list[tuple[str, str, str | None, str | None]]:
    """(New York time, status, action, result) of the samples from a time on, without those that say nothing."""
    start = at(after).timestamp()
    hours = timedelta(hours=4)
    return [
        (f"{when - hours:%H:%M:%S}", row["status"], row["healing_action"], row["healing_result"])
        for row in samples
        if (when := _instant(row["timestamp"])).timestamp() >= start
        and (row["status"] != "normal" or row["healing_result"])
    ]


def _instant(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


# Faults of a session, and what is done about them


def test_a_lost_connection_is_treated_at_once_and_judged_when_it_is_back(tmp_path: Path) -> None:
    day, samples = play(tmp_path, fault_at("11:00:20", Drop()), until="11:03")
    assert told(samples, "11:00") == [
        ("11:00:20", "warning", "reconnect", None),
        ("11:00:20", "normal", None, "connection: healed by reconnect (try 1)"),
    ]
    assert day.report.reconnects == 1


def test_a_dead_feed_is_asked_for_again_then_connected_anew_and_pauses_entries(tmp_path: Path) -> None:
    """No tick from 11:00 to 11:08, the socket is alive: three times resubscribed, then a new connection."""
    _, samples = play(tmp_path, fault_at("11:00", StaleQuotes(seconds=480)), until="11:11")
    assert [(row[0][:5], *row[1:3]) for row in told(samples, "11:00") if row[2]] == [
        ("11:02", "warning", "resubscribe"),
        ("11:03", "warning", "resubscribe"),
        ("11:04", "warning", "resubscribe"),
        ("11:05", "critical", "reconnect, pause_entries"),
    ]
